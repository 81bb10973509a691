package migrate_test

import (
	"errors"
	"slices"
	"testing"

	"bmsync/migrate"
)

// TestEachKindIsRehearsed holds that a plan with shared mailboxes is run on
// production only after one of them has passed a rehearsal, as for users.
func TestEachKindIsRehearsed(t *testing.T) {
	w := newWorld(t, people("ada"), "ada")
	refused := func(kinds ...string) {
		t.Helper()
		o := w.opts
		o.Target = w.target("production", w.sim, false)
		_, err := migrate.Run(t.Context(), o)
		gate, ok := errors.AsType[*migrate.GateError](err)
		if ok && !slices.Equal(gate.Lacking, kinds) || !ok {
			t.Errorf("got %v, want a refusal for %v", err, kinds)
		}
		fires(t, w.check(func(c *migrate.CheckOptions) { c.Target = o.Target }), "rehearsal", migrate.Blocker, "for kind "+kinds[0])
	}
	rows := w.rows
	w.sharedRow("support", "ada@"+domain)
	w.source.User(w.rows[1].Login).Mailbox("INBOX").Append(message(1))
	both := w.rows
	w.plan()
	refused(migrate.KindShare, migrate.KindUser)

	w.rows = rows
	w.plan()
	w.complete()
	w.verify(migrate.RereadNone)
	w.rows = both
	w.plan()
	refused(migrate.KindShare)

	w.complete()
	w.verify(migrate.RereadNone)
	o := w.opts
	o.Target = w.target("production", w.sim, false)
	if _, err := migrate.Run(t.Context(), o); errors.As(err, new(*migrate.GateError)) {
		t.Errorf("refused after a rehearsal of both: %v", err)
	}
}
