package main

import (
	"fmt"
	"io"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newWhereCmd(a *app) *cobra.Command {
	var target string
	var o migrate.WhereOptions
	cmd := &cobra.Command{
		Use: "where ADDRESS --message-id ID | --uid N --folder NAME | --target-uid N --target-folder NAME", Short: "What became of one message",
		Long: `where looks for a message at the source (read-only, in excluded folders too),
in the ledger, and on the target (through the API, read-only), and says where it
went, or by which rule or in whose words it didn't. It may be called while a run
is at work.

Exit code 3: found nowhere.`,
		Args: oneAddress,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Address = addresses(args)[0]
			if err := oneQuestion(o); err != nil {
				return err
			}
			j, err := a.job(cmd, target, needTarget)
			if err != nil {
				return err
			}
			defer j.close()
			o.RunOptions = j.opts
			ctx, end := a.untilStopped(cmd.Context())
			defer end()
			found, err := migrate.Where(ctx, o)
			if err != nil {
				return err
			}
			if err := a.result(found, func(w io.Writer) error { return whereText(w, found) }); err != nil {
				return err
			}
			if len(found.Fates) == 0 {
				return &exitError{code: exitPartial}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target that it went to, by its name in bmsync.yaml")
	f.StringVar(&o.MessageID, "message-id", "", "Message-ID, with or without <>")
	f.Uint32Var(&o.UID, "uid", 0, "UID at the source, with --folder")
	f.StringVar(&o.Folder, "folder", "", "folder at the source, named as plan show does")
	f.Uint32Var(&o.TargetUID, "target-uid", 0, "UID on the target, with --target-folder")
	f.StringVar(&o.TargetFolder, "target-folder", "", "folder on the target")
	return cmd
}

func oneAddress(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &usageError{fmt.Errorf("%s takes one address, and got %d arguments; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
	}
	return nil
}

// oneQuestion makes sure that a message is asked for in exactly one way.
func oneQuestion(o migrate.WhereOptions) error {
	ways := 0
	for _, given := range []bool{o.MessageID != "", o.UID != 0 || o.Folder != "", o.TargetUID != 0 || o.TargetFolder != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return &usageError{fmt.Errorf("which message? --message-id ID, or --uid N --folder NAME, or --target-uid N --target-folder NAME")}
	case (o.UID != 0) != (o.Folder != ""):
		return &usageError{fmt.Errorf("--uid and --folder go together")}
	case (o.TargetUID != 0) != (o.TargetFolder != ""):
		return &usageError{fmt.Errorf("--target-uid and --target-folder go together")}
	}
	return nil
}

func whereText(out io.Writer, found migrate.Whereabouts) error {
	w := &lines{w: out}
	for _, f := range found.Fates {
		w.say("%s", fateText(f))
		if f.InternalDate != nil || f.SHA1 != "" {
			w.say("    message of %s, %s, SHA-1 %s", when(f.InternalDate, "no date"), migrate.AboutSize(max(0, f.Size)), orNone(f.SHA1))
		}
		if f.SentSHA1 != "" {
			w.say("    what was sent in its place has SHA-1 %s", f.SentSHA1)
		}
		if f.LookedAt != nil {
			w.say("    the folder was last gone through %s", moment(*f.LookedAt))
		}
		if f.Note != "" {
			w.say("    %s", f.Note)
		}
	}
	for _, r := range found.Remarks {
		w.say("note: %s", r)
	}
	if len(found.Fates) == 0 {
		w.say("%s: no such message was found", found.Address)
	}
	return w.err
}

// fateText says a fate in one line.
func fateText(f migrate.Fate) string {
	at := fmt.Sprintf("%q UID %d", f.Folder, f.UID)
	to := fmt.Sprintf("%q UID %d", f.Target, f.TargetUID)
	switch f.Fate {
	case migrate.FateUnseen:
		text := at + ": not seen yet: run again"
		if f.Reason != "" {
			text += " (" + f.Reason + ")"
		}
		return text
	case migrate.FateLeftOut:
		text := fmt.Sprintf("%s: excluded by rule %s (folder)", at, f.Rule)
		if f.Reason != "" {
			text += ": " + f.Reason
		}
		return text
	case migrate.FateForeign:
		return fmt.Sprintf("target %s: on the target now, and not from bmsync", to)
	case "excluded":
		return fmt.Sprintf("%s: excluded by rule %s", at, f.Rule)
	case "refused":
		return fmt.Sprintf("%s: refused by %s: %s", at, orNone(f.By), f.Reason)
	case "pending":
		return at + ": seen, not copied yet: run again"
	}
	switch {
	case f.Removed:
		return fmt.Sprintf("%s → %s, copied, moved or deleted at the source before go-live, and so removed from the target", at, to)
	case f.TargetUID == 0 && f.Fate == "copied":
		return at + ": had been copied, and was removed on the target before the source moved it"
	case f.TargetUID == 0:
		return fmt.Sprintf("%s: %s from the source before it was copied", at, f.Fate)
	}
	text := fmt.Sprintf("%s → %s, %s", at, to, map[string]string{"copied": "copied", "present": "was there already, found by content",
		"vanished": "copied, and gone from the source since"}[f.Fate])
	return text + "; on the target now: " + nowText(f.Now)
}

func nowText(now string) string {
	switch now {
	case migrate.NowThere:
		return "yes, same SHA-1"
	case migrate.NowAltered:
		return "yes, WITH ANOTHER SHA-1"
	case migrate.NowGone:
		return "no, deleted or moved there since"
	}
	return "unknown"
}
