package migrate_test

import (
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
