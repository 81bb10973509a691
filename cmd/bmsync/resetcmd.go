package main

import (
	"errors"
	"io"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newResetCmd(a *app) *cobra.Command {
	var target string
	var tokens, yes, undo bool
	cmd := &cobra.Command{
		Use: "reset ADDRESS | --tokens [ADDRESS…]", Short: "Start an account anew, or delete the API keys that crashed runs left",
		Long: `reset ADDRESS forgets what the state knows of an account, so that the next run
starts it anew. No server is touched. With --yes it is done, without it is only
said what would be forgotten.

reset --tokens deletes every API key that bears bmsync's name, of all accounts or
of those named, whatever run made it. Don't use it while a run of another host is
at work on the same target.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case undo:
				return &usageError{errors.New("--undo is not built yet: nothing that was written to a target can be taken back by bmsync")}
			case tokens:
				return a.resetTokens(cmd, target, addresses(args))
			case len(args) != 1:
				return &usageError{errors.New("reset what? bmsync reset ADDRESS --target NAME, or bmsync reset --tokens")}
			}
			return a.resetAccount(cmd, target, addresses(args)[0], yes)
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target whose state or keys are meant, by its name in bmsync.yaml")
	f.BoolVar(&tokens, "tokens", false, "delete bmsync's API keys")
	f.BoolVar(&yes, "yes", false, "do it")
	f.BoolVar(&undo, "undo", false, "not built yet")
	f.Lookup("undo").Hidden = true
	return cmd
}

func (a *app) resetTokens(cmd *cobra.Command, target string, addresses []string) error {
	j, err := a.job(cmd, target, needTarget)
	if err != nil {
		return err
	}
	defer j.close()
	res, err := migrate.SweepTokens(cmd.Context(), migrate.SweepOptions{RunOptions: j.opts, Addresses: addresses, Rows: j.rows})
	if err != nil {
		return err
	}
	if err := a.result(res, func(w io.Writer) error { return sweepText(w, res) }); err != nil {
		return err
	}
	switch {
	case res.Interrupted:
		return &exitError{code: exitInterrupted}
	case len(res.Failed) > 0:
		return &exitError{code: exitPartial}
	}
	return nil
}

func sweepText(out io.Writer, r migrate.Sweep) error {
	w := &lines{w: out}
	w.say("target %s: %s of bmsync deleted; looked at %s, %d of which have a user there", r.Target, many(int64(r.Keys), "API key"), many(int64(r.Accounts), "account"), r.Users)
	var failed []string
	for _, f := range r.Failed {
		failed = append(failed, f.Address+": "+f.Reason)
	}
	if w.err == nil {
		few(out, "could not be seen to", failed)
	}
	if r.Interrupted {
		w.say("interrupted: run it again for the rest")
	}
	return w.err
}

func (a *app) resetAccount(cmd *cobra.Command, target, address string, yes bool) error {
	j, err := a.job(cmd, target, needTarget)
	if err != nil {
		return err
	}
	defer j.close()
	list, err := migrate.ForgetAccount(cmd.Context(), migrate.ForgetOptions{Target: j.target, StateDir: j.config.State, Address: address, Do: yes})
	if err != nil {
		return err
	}
	if err := a.result(list, func(w io.Writer) error { return forgetText(w, address, list) }); err != nil {
		return err
	}
	if !yes {
		return &usageError{errors.New("nothing was forgotten; --yes does it")}
	}
	return nil
}

func forgetText(out io.Writer, address string, list []migrate.Forgotten) error {
	w := &lines{w: out}
	for _, f := range list {
		verb := "would forget"
		if f.Done {
			verb = "forgot"
		}
		w.say("%s %s of target %s (%s): %s", verb, f.Address, f.Target, f.State, countsText(f.Messages))
		if f.Open > 0 {
			w.say("  %s without a sure outcome are among it: their messages may be on the target", many(f.Open, "append"))
		}
		if f.Verified {
			w.say("  its verification is forgotten, too: verify anew after the next run")
		}
	}
	w.say("What was copied stays on the target. The next run takes that mailbox for one that held mail")
	w.say("before, and stops at it. To have its mail recognised by content, and nothing copied twice:")
	w.say("  bmsync run --target %s --recopy %s", list[0].Target, address)
	return w.err
}
