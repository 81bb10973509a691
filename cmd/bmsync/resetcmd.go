package main

import (
	"errors"
	"io"

	"bmsync/migrate"
	"bmsync/migrate/objects"

	"github.com/spf13/cobra"
)

func newResetCmd(a *app) *cobra.Command {
	var target string
	var tokens, yes, undo, dry bool
	cmd := &cobra.Command{
		Use: "reset ADDRESS | --undo [ADDRESS…] | --tokens [ADDRESS…]", Short: "Start an account anew, take back what runs made, or delete keys that crashed runs left",
		Long: `reset ADDRESS forgets what the state knows of an account, so that the next run
starts it anew. No server is touched. With --yes it is done, without it is only
said what would be forgotten.

reset --undo takes back what runs made on a target, the newest first: rights,
memberships, groups, shared mailboxes, users, domains; or, with addresses, those
entries alone. What holds mail, and what others changed meanwhile, is kept, and
said why. With --yes it is done, without or with --dry-run it is only said. Only
the state knows what runs made: it is of no use on another machine without it.

reset --tokens deletes every API key that bears bmsync's name, of all users of the
domains in accounts.csv, bmsync.yaml and the state, or of those named, whatever
run made it. It needs no state. Don't use it while a run of another host is at
work on the same target.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case undo && tokens:
				return &usageError{errors.New("--undo or --tokens, not both; --undo deletes the keys of the users that go")}
			case yes && dry:
				return &usageError{errors.New("--yes and --dry-run contradict each other")}
			case dry && !undo:
				return &usageError{errors.New("--dry-run belongs to --undo")}
			case undo:
				return a.resetUndo(cmd, target, addresses(args), yes, dry)
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
	f.BoolVar(&undo, "undo", false, "take back what runs made on the target, while it is empty")
	f.BoolVar(&dry, "dry-run", false, "say what --undo would do")
	return cmd
}

func (a *app) resetTokens(cmd *cobra.Command, target string, addresses []string) error {
	j, err := a.job(cmd, target, needTarget)
	if err != nil {
		return err
	}
	defer j.close()
	res, err := migrate.SweepTokens(cmd.Context(), migrate.SweepOptions{RunOptions: j.opts, Addresses: addresses, Rows: j.rows, Domains: domainNames(j.config)})
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

func domainNames(c *Config) []string {
	var names []string
	for _, d := range c.Domains {
		names = append(names, d.Name)
	}
	return names
}

func (a *app) resetUndo(cmd *cobra.Command, target string, addresses []string, yes, dry bool) error {
	j, err := a.job(cmd, target, needTarget)
	if err != nil {
		return err
	}
	defer j.close()
	o := migrate.UndoOptions{RunOptions: j.opts, Addresses: addresses, Do: yes}
	o.Command, o.Events = "reset --undo", a.events().tell
	res, err := migrate.Undo(cmd.Context(), o)
	if none, ok := errors.AsType[*migrate.NoRecordError](err); ok {
		return &usageError{&hintError{none, "call it where bmsync ran, or bring its state here"}}
	}
	if err != nil {
		return err
	}
	if err := a.result(res, func(w io.Writer) error { return undoText(w, res) }); err != nil {
		return err
	}
	switch {
	case res.Interrupted:
		return &exitError{code: exitInterrupted}
	case !yes && !dry:
		return &usageError{errors.New("nothing was taken back; --yes does it")}
	case len(res.Objects.Failed) > 0:
		return &exitError{code: exitPartial}
	case yes && res.Objects.Count("", objects.Kept) > 0:
		return &exitError{code: exitBlocked}
	}
	return nil
}

func undoText(out io.Writer, r migrate.Undone) error {
	w := &lines{w: out}
	if r.Recorded == 0 {
		w.say("target %s: no run made anything there that is still recorded", r.Target)
		return w.err
	}
	w.say("target %s: %s that runs made:", r.Target, many(r.Recorded, "object"))
	objectsText(w, r.Objects, !r.Done, nil)
	if r.Keys > 0 {
		w.say("  %s deleted", many(r.Keys, "API key"))
	}
	if len(r.Forgotten) > 0 {
		w.say("  what the state knew of %s is forgotten with the mailbox: the next run begins anew", many(len(r.Forgotten), "account"))
	}
	if r.Interrupted {
		w.say("interrupted: run it again for the rest")
	}
	return w.err
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
	if r.Suspended > 0 {
		w.say("%s: nobody can become them, so their keys were not looked at", many(r.Suspended, "suspended user"))
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
