package migrate_test

import (
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// TestFirstContactKnowsItsDoubts has a run killed just when it has taken its
// first messages for lost, which arrive all the same: what is in the mailbox
// then is ours.
func TestFirstContactKnowsItsDoubts(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.source.User("ada@old.example").CreateMailbox("Archive", imaptest.MailboxOptions{}) // the first to be filled
	for i := range 3 {
		box.Append(message(i))
	}
	w.plan()
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.DropStored, Times: 1}); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	w.opts.Stop = stop
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventRetry {
			close(stop)
		}
	}
	w.run()
	w.opts.Stop, w.opts.Events = nil, nil
	takenForLost(t, w)
	w.complete()
	w.same(w.opts.Target)
}

// takenForLost makes of each open intent what a look too early makes of it.
func takenForLost(t *testing.T, w *world) {
	t.Helper()
	ctx := t.Context()
	s, err := state.Open(ctx, migrate.StatePath(w.opts.StateDir, "test"), identityOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	folders, err := s.Folders(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, f := range folders {
		intents, err := s.Intents(ctx, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range intents {
			err := s.AddDoubts(ctx, f.ID, []state.Doubt{{SrcUIDValidity: in.SrcUIDValidity, SrcUID: in.SrcUID, DstUIDValidity: in.DstUIDValidity,
				DstUIDNext: in.DstUIDNext, Size: in.Size, InternalDate: in.InternalDate, SHA1: in.SHA1, Since: in.Begun}})
			if err == nil {
				err = s.Record(ctx, f.ID, []state.Message{{SrcUIDValidity: in.SrcUIDValidity, SrcUID: in.SrcUID, Size: in.Size,
					InternalDate: in.InternalDate, Flags: in.Flags, SHA1: in.SHA1, SHA256: in.SHA256, State: state.Pending}})
			}
			if err != nil {
				t.Fatal(err)
			}
			lost++
		}
	}
	if lost == 0 {
		t.Fatal("no append was left open")
	}
}

// TestFirstContactKnowsNotices: the writer of shares has got a mail about each
// of his rights before his own mail is copied. More than that is somebody's.
func TestFirstContactKnowsNotices(t *testing.T) {
	for got, want := range map[int]migrate.Outcome{3 + 4: migrate.Complete, 3 + 5: migrate.Blocked} {
		e := newEstate(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain}}})
		e.policy.Shares.Writers = nil
		e.accounts = "old;ada;ada@example.org;user;;;;;;;;;\n"
		for _, name := range []string{"one", "two", "three", "four"} {
			e.accounts += "old;" + name + ";" + name + "@example.org;share;;;;;;;ada@example.org;;\n"
		}
		e.replan()
		e.objects()
		e.deliver("INBOX", 50, got)
		if res := e.run(); res.Outcome() != want {
			t.Errorf("with %d messages the run ended with %v: %+v", got, res.Outcome(), res.Notable)
		}
	}
}
