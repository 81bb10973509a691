package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newPhaseCmd(a *app) *cobra.Command {
	o := migrate.PhaseOptions{}
	var target string
	cmd := &cobra.Command{
		Use: "phase [closed | live | presync ADDRESS…]", Short: "Close accounts, or open them again",
		Long: `An account goes through three phases. In presync the target belongs to the
migration: what is moved, renamed and deleted at the source is followed there. A
run with --final hands the account over: it is live, gets new mail only, and what
its users did stays. A closed account is over: runs leave it alone, and say so.

phase closed ADDRESS… closes accounts; phase live ADDRESS… opens them again, to
copy what still came in. phase presync ADDRESS… goes back before the hand-over:
from then on deletions at the source are followed again. --wave or --all name
many accounts at once. With --yes it is done, without it is only said. No server is
touched. Without arguments, the accounts are counted by phase.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if o.Do || o.All || o.Wave != "" {
					return &usageError{errors.New("which phase? " + strings.Join(migrate.AccountPhases(), ", "))}
				}
				return a.phases(cmd, target)
			}
			o.Phase, o.Addresses = args[0], addresses(args[1:])
			named := 0
			for _, given := range []bool{len(o.Addresses) > 0, o.Wave != "", o.All} {
				if given {
					named++
				}
			}
			switch {
			case !slices.Contains(migrate.AccountPhases(), o.Phase):
				return &usageError{fmt.Errorf("phase %s: there are %s", o.Phase, strings.Join(migrate.AccountPhases(), ", "))}
			case named != 1:
				return &usageError{errors.New("whose phase? name addresses, or --wave WAVE, or --all")}
			}
			return a.setPhase(cmd, target, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target whose state is meant, by its name in bmsync.yaml")
	f.StringVar(&o.Wave, "wave", "", "all accounts of this wave")
	f.BoolVar(&o.All, "all", false, "all accounts that runs have met")
	f.BoolVar(&o.Do, "yes", false, "do it")
	return cmd
}

func (a *app) phases(cmd *cobra.Command, target string) error {
	j, err := a.job(cmd, target, needTarget)
	if err != nil {
		return err
	}
	defer j.close()
	st, err := migrate.GetStatus(cmd.Context(), migrate.StatusOptions{Target: j.target, StateDir: j.config.State})
	if err != nil {
		return err
	}
	return a.result(st.Phases, func(w io.Writer) error {
		out := &lines{w: w}
		out.say("target %s: %s", st.Target, phasesText(st.Phases))
		return out.err
	})
}

// phasesText counts accounts by phase.
func phasesText(phases map[string]int64) string {
	var parts []string
	for _, phase := range migrate.AccountPhases() {
		if n := phases[phase]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, phase))
		}
	}
	if parts == nil {
		return "no account yet"
	}
	return strings.Join(parts, " · ")
}

func (a *app) setPhase(cmd *cobra.Command, target string, o migrate.PhaseOptions) error {
	j, err := a.job(cmd, target, needTarget)
	if err != nil {
		return err
	}
	defer j.close()
	o.Target, o.StateDir = j.target, j.config.State
	list, err := migrate.SetPhase(cmd.Context(), o)
	if err != nil {
		return err
	}
	if err := a.result(list, func(w io.Writer) error { return phaseText(w, o, list) }); err != nil {
		return err
	}
	switch {
	case slices.ContainsFunc(list, func(c migrate.PhaseChange) bool { return c.Why != "" }):
		return &exitError{code: exitBlocked}
	case !o.Do && len(list) > 0:
		return &usageError{errors.New("nothing was changed; --yes does it")}
	}
	return nil
}

// phaseText says what each account was and is, the first 20 of them.
func phaseText(w io.Writer, o migrate.PhaseOptions, list []migrate.PhaseChange) error {
	out := &lines{w: w}
	if len(list) == 0 {
		out.say("target %s: all of them are %s already", o.Target.Name, o.Phase)
	}
	for i, c := range list {
		if i == 20 {
			out.say("  … and %d more", len(list)-i)
			break
		}
		verb := "would be"
		if c.Done {
			verb = "is"
		}
		switch {
		case c.Why != "":
			out.say("%s stays %s: %s", c.Address, c.From, c.Why)
		case c.From == migrate.PhasePresync && c.To == migrate.PhaseClosed:
			out.say("%s was %s (%s), %s %s: no final run has handed it over", c.Address, c.From, c.State, verb, c.To)
		default:
			out.say("%s was %s (%s), %s %s", c.Address, c.From, c.State, verb, c.To)
		}
	}
	if o.Phase == migrate.PhasePresync && len(list) > 0 {
		out.say("In presync, what the source deletes, moves and renames is followed on the target again, but for what users touched there.")
	}
	return out.err
}
