package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newStatusCmd(a *app) *cobra.Command {
	var target string
	cmd := &cobra.Command{
		Use: "status", Short: "How far a target is, who needs you, and what to type",
		Long: `status reads a target's state file and asks no server. It may be called while a
run is at work.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := a.job(cmd, target, needTarget)
			if err != nil {
				return err
			}
			defer j.close()
			plan, err := migrate.OpenPlan(j.config.Plan)
			if err != nil {
				if !errors.Is(err, os.ErrNotExist) {
					a.problem("warning", migrate.Problem{Text: err.Error()})
				}
				plan = nil
			}
			st, err := migrate.GetStatus(cmd.Context(), migrate.StatusOptions{Target: j.target, StateDir: j.config.State, Plan: plan})
			if err != nil {
				return err
			}
			return a.result(st, func(w io.Writer) error { return statusText(w, st) })
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "target to look at, by its name in bmsync.yaml")
	return cmd
}

// statusText writes what a person wants to know first at the top, and what he
// has to do at the end.
func statusText(out io.Writer, st migrate.Status) error {
	w := &lines{w: out}
	w.say("target %s: BlueMind %d, %s, %s", st.Target, st.Version, st.URL, kindOfTarget(st.Rehearsal))
	w.say("state %s, installation %s", st.StateFile, st.Installation)
	lastRunText(w, st.LastRun)
	w.say("accounts: %s", accountsText(st.Accounts))
	if st.Phases[migrate.PhaseLive]+st.Phases[migrate.PhaseClosed] > 0 {
		w.say("phases: %s", phasesText(st.Phases))
	}
	if st.Planned > 0 {
		w.say("planned: %s, %d of them not begun", many(int64(st.Planned), "account"), st.NotBegun)
	}
	w.say("messages: %s", countsText(st.Messages))
	if st.Refused > 0 {
		w.say("refused: %s; bmsync report --target %s names them", many(st.Refused, "message"), st.Target)
	}
	madeText(w, st.Objects)
	if st.Intents+st.Doubts > 0 {
		w.say("open: %s without an answer, %d in doubt; the next run asks the target what became of them", many(st.Intents, "append"), st.Doubts)
	}
	if !st.Rehearsal {
		w.say("%s", rehearsedText(st.PolicyDigest, st.Rehearsed))
	}
	againstText(w, st.Against, st.Conflicts)
	troublesText(w, "need you", st.NeedYou, st.Accounts[migrate.AccountBlocked])
	partial := st.Accounts[migrate.AccountPartial]
	if st.LastRun == nil || st.LastRun.State != migrate.RunAtWork {
		partial += st.Accounts[migrate.AccountRunning]
	}
	troublesText(w, "partial; running again is safe", st.Partial, partial)
	return w.err
}

func kindOfTarget(rehearsal bool) string {
	if rehearsal {
		return "rehearsal"
	}
	return "production"
}

func lastRunText(w *lines, r *migrate.RunStatus) {
	switch {
	case r == nil:
		w.say("last run: none")
		return
	case r.Ended != nil:
		w.say("last run: %s, %s to %s: %s", r.Command, moment(r.Started), moment(*r.Ended), r.Summary)
	case r.State == migrate.RunAtWork:
		w.say("last run: %s, at work since %s (process %d on %s)", r.Command, moment(r.Started), r.PID, r.Host)
	default:
		w.say("last run: %s, begun %s, crashed (process %d on %s); running again is safe", r.Command, moment(r.Started), r.PID, r.Host)
	}
	if r.WithoutRehearsal != "" {
		w.say("  without a rehearsal: %s", r.WithoutRehearsal)
	}
}

// stateWords are the accounts' states in the order of their telling.
var stateWords = [...]struct{ state, words string }{
	{migrate.AccountComplete, "complete"}, {migrate.AccountPartial, "partial"}, {migrate.AccountBlocked, "need you"},
	{migrate.AccountRunning, "running"}, {migrate.AccountPending, "pending"},
}

func accountsText(accounts map[string]int64) string {
	var parts []string
	for _, s := range stateWords {
		if n := accounts[s.state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.words))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, " · ")
}

// countsText names the states that have messages.
func countsText(counts []migrate.StateCount) string {
	var parts []string
	for _, c := range counts {
		if c.Messages > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", c.Messages, c.State, migrate.AboutSize(c.Bytes)))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, " · ")
}

func rehearsedText(digest string, r *migrate.Rehearsal) string {
	switch {
	case digest == "" || r == nil:
		return "policy: not known yet"
	case r.Accounts == 0:
		return fmt.Sprintf("policy %.12s: not rehearsed: no account was completed and verified with it on a rehearsal target", digest)
	}
	return fmt.Sprintf("policy %.12s: rehearsed on %s (%s)", digest, many(int64(r.Accounts), "account"), strings.Join(r.Targets, ", "))
}

func troublesText(w *lines, title string, list []migrate.Trouble, count int64) {
	if count == 0 && len(list) == 0 {
		return
	}
	w.say("%d %s:", max(count, int64(len(list))), title)
	for _, t := range list {
		w.say("  %s: %s", t.Address, t.Reason)
		if t.Mend != "" && t.Mend != "run again" {
			w.say("      → %s", t.Mend)
		}
	}
	if more := count - int64(len(list)); more > 0 {
		w.say("  … and %d more", more)
	}
}

// lines writes lines until one can't be written.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) say(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}

// many counts things by a regular noun.
func many[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// moment writes a time so that it means the same wherever the text is read.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
