package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newPlanCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan", Short: "Look at the sources, read-only, decide everything, save plan.jsonl",
		Long: `plan logs in to every source account, read-only, lists folders and messages, and
writes down every decision: which folder goes where and why, what is left out by
which rule. Running it again updates the plan and says what changed. It touches
no target.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd) },
	}
	show := &cobra.Command{
		Use: "show", Short: "Show the plan: objects, then what is not 1:1 first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.planShow(cmd) },
	}
	show.Flags().Bool("all", false, "folders that keep their name and all rights, too")
	cmd.AddCommand(show)
	return cmd
}

func (a *app) plan(cmd *cobra.Command) error {
	j, err := a.job(cmd, "", 0)
	if err != nil {
		return err
	}
	defer j.close()
	ctx, end := a.untilStopped(cmd.Context())
	defer end()
	exceptions := map[string]migrate.Exception{}
	for _, e := range j.config.Exceptions {
		exceptions[e.Address] = e
	}
	res, err := migrate.BuildPlan(ctx, migrate.PlanOptions{
		Path: j.config.Plan, Tool: version(), Rows: j.rows, Groups: j.inputs.Groups, Rights: j.inputs.Rights, Sources: j.sources, Policy: j.config.Policy, Domains: planDomains(j.config),
		Exceptions: exceptions, Events: a.events().tell, Logger: j.opts.Logger,
	})
	if err != nil {
		return err
	}
	out := planSummary{Path: j.config.Plan, Trailer: res.Trailer, PolicyDigest: res.Header.PolicyDigest, Skipped: res.Skipped, Changes: res.Changes,
		Public: res.Public, Remarks: remarks(j.inputs)}
	for _, p := range res.Unsurveyed {
		out.Unsurveyed = append(out.Unsurveyed, p.Error())
	}
	if err := a.result(out, func(w io.Writer) error { return out.text(w, a.again()) }); err != nil {
		return err
	}
	if len(res.Unsurveyed) > 0 {
		return &exitError{code: exitPartial}
	}
	return nil
}

func planDomains(c *Config) []migrate.PlanDomain {
	var out []migrate.PlanDomain
	for _, d := range c.Domains {
		out = append(out, migrate.PlanDomain{Name: d.Name, Aliases: d.Aliases, DefaultAlias: d.DefaultAlias, Create: d.Create,
			UserQuotaKiB: kib(d.UserQuota), UserQuotaMaxKiB: kib(d.UserQuotaMax), ShareQuotaKiB: kib(d.ShareQuota), ShareQuotaMaxKiB: kib(d.ShareQuotaMax),
			Language: d.Language, MailServer: d.MailServer})
	}
	return out
}

// kib is a quota as plans have it; nil where nothing is stated.
func kib(q migrate.Quota) *int64 {
	if !q.Stated {
		return nil
	}
	n := q.KiB()
	return &n
}

// planSummary is what plan says of the plan it wrote.
type planSummary struct {
	Path         string              `json:"path"`
	PolicyDigest string              `json:"policy_digest"`
	Trailer      migrate.PlanTrailer `json:"totals"`
	Skipped      int                 `json:"skipped"`
	Unsurveyed   []string            `json:"unsurveyed,omitempty"`
	Changes      []string            `json:"changes,omitempty"`

	Public  []migrate.PlanPublic `json:"public,omitempty"`  // of everybody at a source, taken by no row
	Remarks []string             `json:"remarks,omitempty"` // what the CSVs say, understood otherwise than written
}

// text ends with what to type next; bmsync is how that begins.
func (p planSummary) text(w io.Writer, bmsync string) error {
	t := p.Trailer
	fmt.Fprintf(w, "%s: %s, %s, %s, %s; policy %.12s\n", p.Path, many(t.Accounts, "account"), many(t.Folders, "folder"), many(t.Messages, "message"), migrate.AboutSize(t.Bytes), p.PolicyDigest)
	if p.Skipped > 0 {
		fmt.Fprintf(w, "left out by an exception: %s\n", many(p.Skipped, "account"))
	}
	if t.Shares+t.Groups+t.Rights > 0 {
		fmt.Fprintf(w, "among them %s; %s; %s", many(t.Shares, "share"), many(t.Groups, "group"), many(t.Rights-t.Unresolved, "right"))
		if t.Unresolved > 0 {
			fmt.Fprintf(w, ", and %d that a person has to decide", t.Unresolved)
		}
		fmt.Fprintln(w)
	}
	few(w, "understood otherwise than written", p.Remarks)
	few(w, publicTitle, publicLines(p.Public))
	few(w, "changed since the plan before", p.Changes)
	few(w, "could not be looked at; planned all the same, and decided when it is run", p.Unsurveyed)
	_, err := fmt.Fprintf(w, "Next: %s plan show, then %s run --target …\n", bmsync, bmsync)
	return err
}

// few writes how long a list is, and its first lines.
func few(w io.Writer, title string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "%s: %d\n", title, len(list))
	for i, line := range list {
		if i == 20 {
			fmt.Fprintf(w, "  … and %d more\n", len(list)-i)
			break
		}
		fmt.Fprintln(w, "  "+line)
	}
}

func (a *app) planShow(cmd *cobra.Command) error {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	plan, err := migrate.OpenPlan(c.Plan)
	if errors.Is(err, os.ErrNotExist) {
		return migrate.NewInputError([]migrate.Problem{{File: c.Plan, Text: "there is no plan yet", Mend: "bmsync plan makes it"}})
	}
	if err != nil {
		return err
	}
	all, err := cmd.Flags().GetBool("all")
	if err != nil {
		return err
	}
	v, err := viewPlan(plan, all)
	if err != nil {
		return err
	}
	return a.result(v, v.text)
}
