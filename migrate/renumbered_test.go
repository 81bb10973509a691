package migrate_test

import (
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestSourceRenumbersWhatIsHalfCopied cuts the first copy of a folder short,
// and the source numbers its messages anew before it goes on.
func TestSourceRenumbersWhatIsHalfCopied(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
	for i := range 60 {
		box.Append(message(i))
	}
	w.plan()
	stop := make(chan struct{})
	w.opts.Stop, w.opts.Limits.BatchMessages = stop, 4
	stopped := false
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress && !stopped {
			stopped = true
			close(stop)
		}
	}
	if res := w.run(); res.Outcome() != migrate.Interrupted || res.Copied == 0 || res.Copied == 60 {
		t.Fatalf("the first run ended with %v, after %d messages", res.Outcome(), res.Copied)
	}
	w.opts.Stop, w.opts.Events = nil, nil
	box.SetUIDValidity(box.UIDValidity() + 1)
	box.Renumber(500)
	w.complete()
	if n := len(w.sim.Journal().Appends()); n != 60 {
		t.Errorf("60 messages were stored %d times", n)
	}
	w.same(w.opts.Target)
}
