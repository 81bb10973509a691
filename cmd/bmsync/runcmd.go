package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newRunCmd(a *app) *cobra.Command {
	var target string
	var o migrate.RunOptions
	var dry bool
	cmd := &cobra.Command{
		Use: "run", Short: "Provision, token, copy, check; again = resume, delta, retry",
		Long: `run brings every account of the plan up to date on a target: it makes sure of
domain, user and folders, makes an API key for the user, copies the mail as that
user, and deletes the key. Running it again resumes, takes new mail and changed
flags, and retries what failed.

A target that is no rehearsal is filled only after this very policy was completed
and verified on one that is.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := a.job(cmd, target, needTarget|needPlan)
			if err != nil {
				return err
			}
			defer j.close()
			o.Plan, o.Sources, o.Target, o.StateDir = j.opts.Plan, j.opts.Sources, j.opts.Target, j.opts.StateDir
			o.Limits, o.Logger, o.Stop = j.opts.Limits, j.opts.Logger, j.opts.Stop
			o.Events, o.Command = a.events().tell, "run"
			res, err := migrateRun(cmd, o, dry)
			if err != nil {
				return err
			}
			if err := a.result(res, func(w io.Writer) error { return runText(w, res, target) }); err != nil {
				return err
			}
			return ended(res.Outcome())
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target to fill, by its name in bmsync.yaml")
	f.BoolVar(&dry, "dry-run", false, "say what would be done: objects, folders, counts; write nothing, create nobody")
	f.StringSliceVar(&o.Only, "only", nil, "addresses, as in accounts.csv")
	f.StringVar(&o.Wave, "wave", "", "accounts of this wave")
	f.BoolVar(&o.Failed, "failed", false, "accounts that are not complete")
	f.StringSliceVar(&o.Recopy, "recopy", nil, "addresses whose target was restored or emptied: copy again what is missing there, by content")
	f.BoolVar(&o.RetryRefused, "retry-refused", false, "try again what the target refused for its content")
	f.StringVar(&o.WithoutRehearsal, "without-rehearsal", "", "fill production without a rehearsal, for this reason; shown for ever")
	return cmd
}

func migrateRun(cmd *cobra.Command, o migrate.RunOptions, dry bool) (migrate.RunResult, error) {
	if dry {
		return migrate.DryRun(cmd.Context(), o)
	}
	return migrate.Run(cmd.Context(), o)
}

func runText(w io.Writer, r migrate.RunResult, target string) error {
	var states []string
	for _, s := range []string{migrate.AccountComplete, migrate.AccountPartial, migrate.AccountBlocked} {
		if n := r.States[s]; n > 0 {
			states = append(states, fmt.Sprintf("%d %s", n, s))
		}
	}
	if r.NotBegun > 0 {
		states = append(states, fmt.Sprintf("%d not begun", r.NotBegun))
	}
	verb := "copied"
	if r.DryRun {
		verb = "would be copied"
	}
	fmt.Fprintf(w, "target %s: %d accounts: %s; %d messages %s, %s, in %s\n", r.Target, r.Accounts, strings.Join(states, ", "),
		r.Copied, verb, migrate.AboutSize(r.Bytes), r.Elapsed.Round(time.Millisecond))
	for i, n := range r.Notable {
		if i == 20 {
			fmt.Fprintf(w, "  … and %d more: bmsync status --target %s\n", len(r.Notable)-i, r.Target)
			break
		}
		line := n.Reason
		if n.Would != "" {
			line = "would " + n.Would
		}
		fmt.Fprintf(w, "  %s: %s: %s\n", n.Address, n.State, line)
		if n.Mend != "" {
			fmt.Fprintln(w, "      → "+n.Mend)
		}
	}
	var err error
	switch r.Outcome() {
	case migrate.Complete:
		if !r.DryRun {
			_, err = fmt.Fprintf(w, "Next: bmsync verify --target %s\n", r.Target)
		}
	case migrate.Partial, migrate.Interrupted:
		_, err = fmt.Fprintf(w, "Running again is safe: bmsync run --target %s\n", r.Target)
	}
	return err
}
