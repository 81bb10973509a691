package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newRunCmd(a *app) *cobra.Command {
	var target, fixes string
	var o migrate.RunOptions
	var dry bool
	cmd := &cobra.Command{
		Use: "run", Short: "Provision, token, copy, check; again = resume, delta, retry",
		Long: `run brings every account of the plan up to date on a target. It makes sure of
domains, users, shared mailboxes and groups first; then it makes an API key for
each user, copies the mail as that user, and deletes the key. Running it again
resumes, takes new mail and changed flags, and retries what failed.

--objects ends before the mail. --final goes on after it: of accounts that are
complete it takes the technical writers' rights on shared mailboxes back, sets the
rights of the plan and subscribes who got them. BlueMind 5 sends a mail to each who gets a
first right on a mailbox; run says how many before it sets any, --dry-run --final
without setting them.

A target that is no rehearsal is filled only after this very policy was completed
and verified on one that is.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Only, o.Recopy = addresses(o.Only), addresses(o.Recopy)
			if err := contradicts(o); err != nil {
				return &usageError{err}
			}
			j, err := a.job(cmd, target, needTarget|needPlan)
			if err != nil {
				return err
			}
			defer j.close()
			o.Plan, o.Sources, o.Target, o.StateDir = j.opts.Plan, j.opts.Sources, j.opts.Target, j.opts.StateDir
			o.Limits, o.Logger, o.Stop, o.NewPassword, o.Quarantine = j.opts.Limits, j.opts.Logger, j.opts.Stop, j.opts.NewPassword, j.opts.Quarantine
			o.Events, o.Command = a.events().tell, "run"
			if o.WithoutRehearsal != "" && o.Target.Rehearsal {
				return &usageError{fmt.Errorf("--without-rehearsal is for production, and target %s is a rehearsal", o.Target.Name)}
			}
			if err := a.warnOfOldPlan(j); err != nil {
				return err
			}
			defer a.boundMemory(o.Limits)()
			res, err := migrateRun(cmd, o, dry)
			if err != nil {
				return j.suggest(err)
			}
			if err := a.result(res, func(w io.Writer) error { return runText(w, res, a.again()) }); err != nil {
				return err
			}
			if err := a.runFixes(j, o, res, fixes); err != nil {
				return err
			}
			return ended(res.Outcome())
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target to fill, by its name in bmsync.yaml")
	f.BoolVar(&dry, "dry-run", false, "say what would be done: objects, folders, counts; write nothing, create nobody")
	f.StringSliceVar(&o.Only, "only", nil, "only these addresses, as in accounts.csv")
	f.StringVar(&o.Wave, "wave", "", "only accounts of this wave")
	f.BoolVar(&o.Failed, "failed", false, "only accounts that are not complete")
	f.StringSliceVar(&o.Recopy, "recopy", nil, "only these addresses, whose mailbox was restored or emptied: give up their ledger, copy what is missing there by content")
	f.BoolVar(&o.RetryRefused, "retry-refused", false, "try again what the target refused for its content")
	f.BoolVar(&o.AllowDeletions, "allow-deletions", false, "with --only: delete on the target what is gone from the source, however much it is; --dry-run lists it")
	f.BoolVar(&o.Objects, "objects", false, "domains, users, shares and groups alone, no mail")
	f.BoolVar(&o.Final, "final", false, "after the mail, set rights and subscriptions of accounts that are complete")
	f.StringVar(&fixes, "fixes", "", "write what LDAP or AD lacks to this file (default: ad-fixes.csv beside bmsync.yaml, of runs of the whole plan)")
	f.StringVar(&o.WithoutRehearsal, "without-rehearsal", "", "fill production without a rehearsal, for this reason, which every report repeats")
	return cmd
}

// contradicts finds options of run that don't go together, of which one would
// silently not be done.
func contradicts(o migrate.RunOptions) error {
	stranger := slices.IndexFunc(o.Recopy, func(address string) bool { return !slices.Contains(o.Only, address) })
	switch {
	case o.Objects && o.Final:
		return errors.New("--objects copies no mail, and --final is for mail that has been copied")
	case o.Objects && len(o.Recopy) > 0:
		return errors.New("--objects copies no mail, and --recopy copies it again")
	case o.Objects && o.RetryRefused:
		return errors.New("--objects copies no mail, and --retry-refused is for mail that was refused")
	case o.Failed && len(o.Recopy) > 0:
		return errors.New("--failed and --recopy don't go together: an account that is complete is copied again, too")
	case len(o.Only) > 0 && stranger >= 0:
		return fmt.Errorf("--only and --recopy contradict each other: %s is named by --recopy alone", o.Recopy[stranger])
	case o.AllowDeletions && len(o.Only) == 0:
		return errors.New("--allow-deletions is for accounts that --only names: see first what --dry-run --only ADDRESS lists")
	}
	return nil
}

// runFixes writes the list for the directory's administrator: where it was
// asked for, and else after runs of the whole plan, so that none of a part takes
// its place. A dry run writes it only where it was asked to.
func (a *app) runFixes(j *job, o migrate.RunOptions, r migrate.RunResult, path string) error {
	part := r.DryRun || r.Interrupted || o.Wave != "" || o.Failed || len(o.Only)+len(o.Recopy) > 0
	if path == "" && part {
		if len(r.Objects.Fixes) > 0 && !a.json {
			fmt.Fprintf(a.stderr, "%s for the administrator of LDAP or AD: --fixes FILE writes them\n", many(len(r.Objects.Fixes), "line"))
		}
		return nil
	}
	return a.writeFixes(fixesFile(j.config.Path, path), r.Objects.Fixes)
}

func migrateRun(cmd *cobra.Command, o migrate.RunOptions, dry bool) (migrate.RunResult, error) {
	if dry {
		return migrate.DryRun(cmd.Context(), o)
	}
	return migrate.Run(cmd.Context(), o)
}

// runText tells what a run came to; bmsync is how the next command begins.
func runText(w io.Writer, r migrate.RunResult, bmsync string) error {
	out := &lines{w: w}
	told := map[string]bool{}
	for _, n := range r.Notable {
		told[n.Address] = true
	}
	switch {
	case r.ObjectsOnly && r.DryRun:
		out.say("target %s, dry run, objects of %s:", r.Target, many(r.Accounts, "account"))
	case r.ObjectsOnly:
		out.say("target %s, objects of %s, in %s:", r.Target, many(r.Accounts, "account"), r.Elapsed.Round(time.Millisecond))
	case r.DryRun:
		out.say("target %s, dry run: %s; %s would be copied, %s", r.Target, statesText(r), many(r.Copied, "message"), migrate.AboutSize(r.Bytes))
	default:
		out.say("target %s: %s; %s copied, %s, in %s", r.Target, statesText(r), many(r.Copied, "message"), migrate.AboutSize(r.Bytes), r.Elapsed.Round(time.Millisecond))
		if r.Moved+r.Deleted > 0 {
			out.say("as at the source: %d moved, %d deleted on the target", r.Moved, r.Deleted)
		}
	}
	closedText(out, r)
	objectsText(out, r.Objects, r.DryRun, told)
	for i, n := range r.Notable {
		if i == 20 {
			out.say("  … and %d more%s", len(r.Notable)-i, moreAt(r))
			break
		}
		notableText(out, n)
	}
	switch {
	case r.NewRefusals:
		out.say("refused: %s, not all of them told before, hence exit code 3; bmsync report --target %s names them", many(r.Refused, "message"), r.Target)
	case r.Refused > 0:
		out.say("refused: %s, told by earlier runs; bmsync report --target %s names them", many(r.Refused, "message"), r.Target)
	}
	switch r.Outcome() {
	case migrate.Complete:
		switch {
		case r.DryRun:
		case r.ObjectsOnly:
			out.say("Next: %s run --target %s", bmsync, r.Target)
		default:
			out.say("Next: %s verify --target %s", bmsync, r.Target)
		}
	case migrate.Partial, migrate.Interrupted:
		if r.Interrupted {
			out.say("Interrupted before the end.")
		}
		if !r.DryRun {
			out.say("Running again is safe: %s run --target %s", bmsync, r.Target+partOf(r))
		}
	}
	return out.err
}

// closedText says which accounts were left alone.
func closedText(out *lines, r migrate.RunResult) {
	if n := len(r.Closed); n == 1 {
		out.say("closed, and left alone: %s; bmsync phase live %s --target %s --yes opens it again", r.Closed[0], r.Closed[0], r.Target)
	} else if n > 1 {
		out.say("closed, and left alone: %s, %s among them; bmsync phase live ADDRESS… --target %s --yes opens them again", many(n, "account"), r.Closed[0], r.Target)
	}
}

// partOf is what a run was asked for beside the target, as it was typed.
func partOf(r migrate.RunResult) string {
	switch {
	case r.Final:
		return " --final"
	case r.ObjectsOnly:
		return " --objects"
	}
	return ""
}

// statesText counts the accounts, in a dry run those alone that would stop.
func statesText(r migrate.RunResult) string {
	var states []string
	for _, s := range []string{migrate.AccountComplete, migrate.AccountPartial, migrate.AccountBlocked} {
		n := r.States[s]
		switch {
		case n == 0 || r.DryRun && s == migrate.AccountComplete:
		case r.DryRun:
			states = append(states, fmt.Sprintf("%d would be %s", n, s))
		default:
			states = append(states, fmt.Sprintf("%d %s", n, s))
		}
	}
	if r.NotBegun > 0 {
		states = append(states, fmt.Sprintf("%d not begun", r.NotBegun))
	}
	text := many(r.Accounts, "account")
	if len(states) > 0 {
		text += ": " + strings.Join(states, ", ")
	}
	return text
}

func notableText(out *lines, n migrate.AccountResult) {
	switch {
	case n.Would != "" && n.Reason == "":
		out.say("  %s: would %s", n.Address, n.Would)
	default:
		out.say("  %s: %s: %s", n.Address, n.State, n.Reason)
	}
	if n.Mend != "" {
		out.say("      → %s", n.Mend)
	}
	departingText(out, n.Departing)
}

// listed is how many messages of an account are told one by one.
const listed = 20

// departingText lists what a run would take off the target: what it would delete
// first, since that is what a person has to decide.
func departingText(out *lines, list []migrate.Departing) {
	for _, moved := range []bool{false, true} {
		told, left := 0, 0
		for _, d := range list {
			if d.Moved != moved {
				continue
			}
			if told++; told > listed {
				left++
				continue
			}
			out.say("      %s, of %s, %s (at the source it was %q UID %d)", departure(d), d.Date.Format("2006-01-02 15:04"), migrate.AboutSize(d.Size), d.Folder, d.UID)
		}
		if verb := map[bool]string{false: "delete", true: "move"}[moved]; left > 0 {
			out.say("      … and %d more to %s; --json has them all", left, verb)
		}
	}
}

// departure says where a copy is, and what would become of it.
func departure(d migrate.Departing) string {
	switch {
	case !d.Moved:
		return fmt.Sprintf("delete %q UID %d", d.Target, d.TargetUID)
	case d.To == "":
		return fmt.Sprintf("move %q UID %d to another folder", d.Target, d.TargetUID)
	}
	return fmt.Sprintf("move %q UID %d to %q", d.Target, d.TargetUID, d.To)
}

func moreAt(r migrate.RunResult) string {
	if r.DryRun {
		return "; --json has them all"
	}
	return ": bmsync status --target " + r.Target
}
