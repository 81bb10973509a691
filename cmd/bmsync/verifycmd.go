package main

import (
	"fmt"
	"io"
	"slices"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newVerifyCmd(a *app) *cobra.Command {
	var target, reread string
	var only []string
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove anew, from what the servers say now, that nothing was lost",
		Long: `verify asks the source what it holds, BlueMind's core (what Outlook, phones and
search see) for the SHA-1 of every message, and the IMAP side for the same. It
compares both with the ledger. With --bytes it reads messages back and compares
them byte for byte. The result is kept; production asks for it.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && slices.Contains([]string{"none", "sample", "all"}, args[0]) {
				return &usageError{fmt.Errorf("write --bytes=%s, with =", args[0])}
			}
			return noArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			how, ok := map[string]migrate.Reread{"none": migrate.RereadNone, "sample": migrate.RereadSample, "all": migrate.RereadAll}[reread]
			if !ok {
				return &usageError{fmt.Errorf("--bytes is none, sample or all, not %q", reread)}
			}
			j, err := a.job(cmd, target, needTarget)
			if err != nil {
				return err
			}
			defer j.close()
			j.opts.Only, j.opts.Command, j.opts.Events = onTarget(j.target, only), "verify", a.events().tell
			ctx, end := a.untilStopped(cmd.Context())
			defer end()
			res, err := migrate.Verify(ctx, migrate.VerifyOptions{RunOptions: j.opts, Reread: how})
			if err != nil {
				return j.suggest(err)
			}
			if err := a.result(res, func(w io.Writer) error { return verifyText(w, res) }); err != nil {
				return err
			}
			switch {
			case res.Interrupted:
				return &exitError{code: exitInterrupted}
			case len(res.Failed) > 0:
				return &exitError{code: exitPartial}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target to prove, by its name in bmsync.yaml")
	f.StringSliceVar(&only, "only", nil, "only these addresses, as in accounts.csv or as on the target")
	f.StringVar(&reread, "bytes", "none", "read messages back: none, sample (20 a folder) or all")
	f.Lookup("bytes").NoOptDefVal = "all"
	return cmd
}

// onTarget is where the mailboxes for addresses are.
func onTarget(t migrate.Target, list []string) []string {
	out := addresses(list)
	for i := range out {
		out[i] = t.Address(out[i])
	}
	return out
}

func verifyText(w io.Writer, r migrate.VerifyResult) error {
	fmt.Fprintf(w, "target %s: %d of %d accounts proven: %d messages, %s by SHA-1 in BlueMind's core and over IMAP", r.Target, r.OK, r.Accounts, r.Messages, migrate.AboutSize(r.Bytes))
	if r.Reread > 0 {
		fmt.Fprintf(w, "; %d read back and equal", r.Reread)
	}
	_, err := fmt.Fprintln(w)
	if r.Interrupted {
		_, err = fmt.Fprintln(w, "interrupted: accounts that were proven until then are noted as such")
	}
	for i, p := range r.Failed {
		if len(p.Findings) == 0 {
			continue // cut short
		}
		if i == 20 {
			_, err = fmt.Fprintf(w, "  … and %d more\n", len(r.Failed)-i)
			break
		}
		fmt.Fprintf(w, "  %s:\n", p.Address)
		for _, f := range p.Findings {
			fmt.Fprintln(w, "    "+f)
		}
		if p.More > 0 {
			fmt.Fprintf(w, "    … and %d more\n", p.More)
		}
	}
	return err
}
