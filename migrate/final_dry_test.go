package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// dry says what a run would do, and wants it to do nothing.
func (e *estate) dry(final bool) (res migrate.RunResult) {
	e.t.Helper()
	opts := e.opts
	opts.Final = final
	e.quiet("a dry run", func() {
		var err error
		if res, err = migrate.DryRun(e.t.Context(), opts); err != nil {
			e.t.Fatalf("dry run: %v", err)
		}
	})
	return res
}

// TestDryRunOfAHandedOverShare: run gives its writer nothing, so a dry run
// announces nothing; until there is new mail.
func TestDryRunOfAHandedOverShare(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.final()
	for _, final := range []bool{false, true} {
		res := e.dry(final)
		if n := res.Objects.Count("", objects.Created) + res.Objects.Count("", objects.Changed) + res.Objects.Count("", objects.Withdrawn); n > 0 || len(res.Notable) > 0 || res.Outcome() != migrate.Complete {
			t.Errorf("final %v: %+v, %+v", final, res.Objects, res.Notable)
		}
	}
	e.quiet("a run", func() { e.complete() })
	e.source.User("support").Mailbox("INBOX").Append(message(99))
	if res := e.dry(false); res.Copied != 1 || res.Objects.Count(objects.KindRight, objects.Created) != 1 {
		t.Errorf("with new mail: %+v", res)
	}
}

// TestDryFinalRunSaysWhatTheRunDoes: withdrawals, rights, subscriptions, and
// mails; also of a writer who loses Write and gets Read anew.
func TestDryFinalRunSaysWhatTheRunDoes(t *testing.T) {
	for _, writer := range []string{"", "bruno@a.example"} {
		e := filled(t, bmsim.Config{})
		if writer != "" {
			e.accounts = strings.Replace(e.accounts, "Aide & Support;;", "Aide & Support;"+writer+";", 1)
			e.rights = "support@a.example;bruno@a.example;read\n"
			e.replan()
		}
		e.complete()
		dry, res := e.dry(true), e.final()
		if dry.Objects.Mailed == 0 || dry.Objects.Mailed != res.Objects.Mailed || dry.Objects.Count(objects.KindRight, objects.Withdrawn) != 1 {
			t.Errorf("writer %q: %d mails, and %d when it was done: %+v", writer, dry.Objects.Mailed, res.Objects.Mailed, dry.Objects.Counts)
		}
		for _, kind := range []objects.Kind{objects.KindRight, objects.KindSubscription} {
			for _, action := range []objects.Action{objects.Created, objects.Changed, objects.Withdrawn} {
				if would, did := dry.Objects.Count(kind, action), res.Objects.Count(kind, action); would != did {
					t.Errorf("writer %q: %s %s: would %d, did %d", writer, kind, action, would, did)
				}
			}
		}
	}
}
