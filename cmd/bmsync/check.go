package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newCheckCmd(a *app) *cobra.Command {
	var target string
	var only []string
	var probe bool
	cmd := &cobra.Command{
		Use: "check", Short: "Look at target and sources before anything is done",
		Long: `check asks the target whether it answers, is trusted, lets the administrator in,
and is of the right version; then, for every account, whether its domain and
mailbox are there or will be created, whether the mailbox can be filled, and
whether quota and message size suffice for what the plan has seen. It logs in to
every account at its source. Each finding says what mends it.

It creates nobody and writes nothing. With --probe it also makes a key for each
user that exists, logs in over IMAP with it, opens INBOX, and deletes the key;
don't use it while a run is at work on the same accounts.

Exit code 4: something blocks, a person must decide. Warnings alone give 0.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := a.job(cmd, target, needTarget)
			if err != nil {
				return err
			}
			defer j.close()
			o, err := checkOptions(j, addresses(only))
			if err != nil {
				return err
			}
			o.Probe, o.Stop, o.Events = probe, a.stop, a.checking(len(o.Rows))
			res, err := migrate.Check(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := a.result(res, func(w io.Writer) error { return checkText(w, res) }); err != nil {
				return err
			}
			if res.Blockers > 0 {
				return &exitError{code: exitBlocked}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target to look at, by its name in bmsync.yaml")
	f.BoolVar(&probe, "probe", false, "make a key for each user that exists, log in with it, open INBOX, delete the key")
	f.StringSliceVar(&only, "only", nil, "only these addresses, as in accounts.csv")
	return cmd
}

// checkOptions takes a plan into account if there is one; one that is broken
// is an error. Accounts that an exception leaves out are not looked at.
func checkOptions(j *job, only []string) (migrate.CheckOptions, error) {
	c := j.config
	o := migrate.CheckOptions{Sources: j.sources, Target: j.target, Policy: c.Policy, Domains: planDomains(c), StateDir: c.State, Logger: j.opts.Logger}
	known := map[string]bool{}
	for _, row := range j.rows {
		known[row.Address] = true
		if e, ok := c.Exception(row.Address); ok && e.Skip || len(only) > 0 && !slices.Contains(only, row.Address) {
			continue
		}
		o.Rows = append(o.Rows, row)
	}
	for _, address := range only {
		if !known[address] {
			return o, j.suggest(&migrate.UnknownError{Plan: c.Accounts, What: "account " + address})
		}
	}
	plan, err := migrate.OpenPlan(c.Plan)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	o.Plan = plan
	return o, nil
}

// checking tells every few seconds how many accounts have been looked at, or
// each of them as a JSON line.
func (a *app) checking(total int) func(migrate.Event) {
	e := a.events()
	if a.json {
		return e.tell
	}
	var mu sync.Mutex
	done, told := 0, time.Now()
	return func(ev migrate.Event) {
		if ev.Kind != migrate.EventChecked {
			e.tell(ev)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if done++; ev.At.Sub(told) >= progressEvery {
			told = ev.At
			fmt.Fprintf(a.stderr, "  %d of %d accounts looked at\n", done, total)
		}
	}
}

// severityWords begin a finding's line. What blocks is meant to be seen.
var severityWords = map[migrate.Severity]string{migrate.Ok: "ok", migrate.Warning: "warn", migrate.Blocker: "BLOCK", migrate.Skipped: "skip"}

func checkText(w io.Writer, r migrate.CheckResult) error {
	for _, f := range r.Findings {
		rule := ""
		if f.Rule > 0 {
			rule = fmt.Sprint(f.Rule)
		}
		fmt.Fprintf(w, "%-5s %2s %-13s %s%s\n", severityWords[f.Severity], rule, f.Name, f.Text, accountCount(f.Count))
		for i, address := range f.Accounts {
			line := address
			if i < len(f.Notes) && f.Notes[i] != "" {
				line += ": " + f.Notes[i]
			}
			fmt.Fprintf(w, "          %s\n", line)
		}
		if more := f.Count - len(f.Accounts); more > 0 && len(f.Accounts) > 0 {
			fmt.Fprintf(w, "          … and %d more\n", more)
		}
		if f.Mend != "" {
			fmt.Fprintf(w, "        → %s\n", f.Mend)
		}
	}
	version := ""
	if r.Version != "" {
		version = ", BlueMind " + r.Version
	}
	_, err := fmt.Fprintf(w, "target %s%s, %s: %s, %s\n", r.Target, version, many(r.Accounts, "account"), many(r.Blockers, "blocker"), many(r.Warnings, "warning"))
	switch {
	case r.Blockers > 0:
		_, err = fmt.Fprintf(w, "Mend what blocks, then: bmsync check --target %s\n", r.Target)
	case !r.Probed:
		_, err = fmt.Fprintf(w, "Nobody was logged in on the target; --probe does so, with keys of its own\n")
	}
	return err
}

func accountCount(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return " (1 account)"
	}
	return fmt.Sprintf(" (%d accounts)", n)
}
