package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

// checkFlags are what check was told to do.
type checkFlags struct {
	target, phase, lang string
	only                []string
	probe, guide        bool
	fixes               string // file

	confirm, withdraw []string // rules
	by, note          string
	ask               bool
}

func newCheckCmd(a *app) *cobra.Command {
	var o checkFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Look at target and sources before anything is done",
		Long: `check asks the target whether it answers, is trusted, lets the administrator in,
and is of the right version; then, for every account, whether its domain and
mailbox are there or will be created, whether the mailbox can be filled, and
whether quota and message size suffice for what the plan has seen. It logs in to
every account at its source. Each finding says what mends it.

It creates nobody and writes nothing. With --probe it also makes a key for each
user that exists, logs in over IMAP with it, opens INBOX, and deletes the key;
for one user of each mail server it tries messages in a scratch folder, which is
taken away again. Don't use it while a run is at work on the same accounts.

What no program can see is asked of a person, once for each installation:
--confirm records who says that a rule holds, --withdraw takes that back, --ask
asks one question after the other on a terminal. --guide prints one page on
BlueMind's roll-out guide: each of its rules, how it was checked, what came of
it, who confirmed it, and recipes for what has to be done by hand.

Some rules hold only before the DNS change, some only after it: --phase says
where the migration is (rehearsal for a target with rehearsal: true, else
before).

Exit code 4: something blocks, or a question is open; a person must decide.
Warnings alone give 0.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd, a.json); err != nil {
				return err
			}
			j, err := a.job(cmd, o.target, needTarget)
			if err != nil {
				return err
			}
			defer j.close()
			switch {
			case o.confirm != nil || o.withdraw != nil:
				return a.answer(cmd.Context(), j, o)
			case o.ask:
				return a.askAll(cmd.Context(), j, o)
			}
			return a.check(cmd, j, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "target to look at, by its name in bmsync.yaml")
	f.BoolVar(&o.probe, "probe", false, "log in as each user that exists by a key made for it, and try messages in a scratch folder")
	f.StringSliceVar(&o.only, "only", nil, "only these addresses, as in accounts.csv")
	f.StringVar(&o.fixes, "fixes", "", "write what LDAP or AD lacks to this file (- for stdout)")
	f.StringVar(&o.phase, "phase", "", "where the migration is: rehearsal, before or after-dns")
	f.BoolVar(&o.guide, "guide", false, "print BlueMind's roll-out guide, rule by rule, with results and recipes")
	f.StringVar(&o.lang, "lang", "en", "language of --guide and --ask: en or fr")
	f.StringSliceVar(&o.confirm, "confirm", nil, "record that these rules hold")
	f.StringSliceVar(&o.withdraw, "withdraw", nil, "record that these rules hold no more")
	f.BoolVar(&o.ask, "ask", false, "ask what is open, one question after the other, on a terminal")
	f.StringVar(&o.by, "by", "", "who answers")
	f.StringVar(&o.note, "note", "", "what there is to say with the answer")
	return cmd
}

// check finds flags that don't go together.
func (o *checkFlags) check(cmd *cobra.Command, json bool) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	var verbs []string
	for _, name := range []string{"confirm", "withdraw", "ask", "guide"} {
		if given(name) {
			verbs = append(verbs, "--"+name)
		}
	}
	answers := given("confirm") || given("withdraw")
	switch {
	case len(verbs) > 1:
		return &usageError{fmt.Errorf("%s and %s don't go together", verbs[0], verbs[1])}
	case (given("by") || given("note")) && !answers && !(given("by") && o.ask):
		return &usageError{errors.New("--by and --note belong to --confirm or --withdraw")}
	case given("lang") && !o.guide && !o.ask:
		return &usageError{errors.New("--lang belongs to --guide or --ask")}
	case !slices.Contains(migrate.GuideLanguages(), o.lang):
		return &usageError{fmt.Errorf("--lang %s: there are en and fr", o.lang)}
	case (answers || o.ask) && (o.probe || given("only") || given("fixes")):
		return &usageError{errors.New("answers are for the whole target: --probe, --only and --fixes don't go with them")}
	case o.fixes == "-" && (json || o.guide):
		return &usageError{errors.New("--fixes - would mix two things on stdout: write it to a file (--json has the same under fixes)")}
	case given("phase") && !slices.Contains(migrate.Phases(), migrate.Phase(o.phase)):
		return &usageError{fmt.Errorf("--phase %s: there are rehearsal, before and after-dns", o.phase)}
	}
	if answers {
		o.confirm, o.withdraw = addresses(o.confirm), addresses(o.withdraw) // trimmed, in lower case
		if !given("confirm") {
			o.confirm = nil
		}
		if !given("withdraw") {
			o.withdraw = nil
		}
	}
	return nil
}

// check looks at everything, and shows it as findings or as the guide's page.
func (a *app) check(cmd *cobra.Command, j *job, f checkFlags) error {
	o, err := checkOptions(j, addresses(f.only))
	if err != nil {
		return err
	}
	o.Network = a.network
	o.Phase, o.Probe, o.Stop, o.Events = migrate.Phase(f.phase), f.probe, a.stop, a.checking(len(o.Rows))
	res, err := migrate.Check(cmd.Context(), o)
	if err != nil {
		return err
	}
	if f.guide {
		err = a.guide(res, f.lang)
	} else {
		err = a.result(res, checkText{res, a.again()}.write)
	}
	if err == nil {
		err = a.checkFixes(res, f.fixes)
	}
	if err == nil && res.Blockers+res.Unanswered > 0 {
		err = &exitError{code: exitBlocked}
	}
	return err
}

// checkFixes writes the list for the directory's administrator where it was
// asked to, and else says that there is one.
func (a *app) checkFixes(res migrate.CheckResult, path string) error {
	if path != "" {
		return a.writeFixes(path, res.Fixes)
	}
	if n := len(res.Fixes); n > 0 && !a.json {
		fmt.Fprintf(a.stderr, "%s for the administrator of LDAP or AD: --fixes FILE writes them\n", many(n, "line"))
	}
	return nil
}

// checkOptions takes a plan into account if there is one; one that is broken
// is an error. Accounts that an exception leaves out are not looked at.
func checkOptions(j *job, only []string) (migrate.CheckOptions, error) {
	c := j.config
	o := migrate.CheckOptions{Groups: j.inputs.Groups, Rights: j.inputs.Rights, Sources: j.sources, Target: j.target, Policy: c.Policy, Domains: planDomains(c),
		StateDir: c.State, Logger: j.opts.Logger}
	known := map[string]bool{}
	for _, row := range j.rows {
		known[row.Address] = true
		switch e, ok := c.Exception(row.Address); {
		case ok && e.Skip:
		case len(only) > 0 && !slices.Contains(only, row.Address):
			o.Others = append(o.Others, row)
		default:
			o.Rows = append(o.Rows, row)
		}
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
