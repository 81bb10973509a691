package migrate_test

import (
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// TestDoubtOfFolderGone: an append was in doubt when its folder went from the
// source. It is looked for all the same, and the account is complete.
func TestDoubtOfFolderGone(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(10)
	box := w.source.User("ada@old.example").CreateMailbox("Short-lived", imaptest.MailboxOptions{})
	for i := range 3 {
		box.Append(message(i))
	}
	w.plan()
	w.complete()
	w.doubt("Short-lived")
	w.source.User("ada@old.example").DeleteMailbox("Short-lived")
	w.complete()
}

// doubt puts the first message of a folder in doubt, as a crash would leave it.
func (w *world) doubt(folder string) {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := state.Open(ctx, migrate.StatePath(w.opts.StateDir, "test"), identityOf(w.t, w))
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	for a, err := range s.Accounts(ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		folders, err := s.Folders(ctx, a.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range folders {
			if f.Source != folder {
				continue
			}
			d := state.Doubt{SrcUIDValidity: f.SrcUIDValidity, SrcUID: 1, DstUIDValidity: f.DstUIDValidity, DstUIDNext: f.DstUIDNext, SHA1: [20]byte{1}, Since: time.Now()}
			if err := s.AddDoubts(ctx, f.ID, []state.Doubt{d}); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatalf("no folder %q", folder)
}
