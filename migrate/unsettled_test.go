package migrate_test

import (
	"context"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestRunWaitsForWhatWasSentLongAgo cuts a run off a slow target whose queue
// is long: what was sent last is still to be executed when the next run asks
// for it, however long ago it was sent.
func TestRunWaitsForWhatWasSentLongAgo(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
	for i := range 96 {
		box.Append(message(i))
	}
	w.plan()
	w.opts.Limits.BatchMessages, w.opts.Limits.Settle = 32, 250*time.Millisecond
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.SlowIMAP, Delay: 40 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(t.Context())
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress {
			cut() // the second batch was sent with the first one, a second ago
		}
	}
	if res, err := migrate.Run(ctx, w.opts); err != nil || res.Outcome() != migrate.Interrupted {
		t.Fatalf("the first run: %+v, %v", res, err)
	}
	w.opts.Events = nil
	w.complete()
	if n := len(w.sim.Journal().Appends()); n != 96 {
		t.Errorf("96 messages were stored %d times", n)
	}
	w.same(w.opts.Target)
}
