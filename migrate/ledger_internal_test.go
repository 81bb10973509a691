package migrate

import (
	"path/filepath"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/state"
)

// TestBlankLedger holds that a ledger which need not ask about what was kept before
// sees all that is kept from then on: proof and settling rest on it.
func TestBlankLedger(t *testing.T) {
	ctx := t.Context()
	store, err := state.Open(ctx, filepath.Join(t.TempDir(), "s.db"), state.Identity{Target: "t", Installation: "i", Version: 5, Rehearsal: true, URL: "https://bm.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	account, err := store.EnsureAccount(ctx, state.Account{Source: "old", SourceLogin: "ada", Address: "ada@example.org", Kind: KindUser})
	if err != nil {
		t.Fatal(err)
	}
	row, err := store.EnsureFolder(ctx, state.Folder{Account: account.ID, Source: "INBOX", Target: "INBOX"})
	if err != nil {
		t.Fatal(err)
	}
	w := &accountWork{run: &runner{store: store}}
	l := w.books(row)(7, 9)
	sees := func(when string, open, known, claims, doubts int) {
		t.Helper()
		o, err1 := l.Open(ctx)
		k, err2 := l.Known(ctx, 1, 1<<32-1)
		c, err3 := l.Claims(ctx, 1, 10)
		d, err4 := l.Doubts(ctx)
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(o) != open || len(k) != known || len(c) != claims || len(d) != doubts {
			t.Errorf("%s: %d intents, %d rows, %d claims, %d doubts", when, len(o), len(k), len(c), len(d))
		}
	}
	sees("at first", 0, 0, 0, 0)
	if err := l.Begin(ctx, []imap.Intent{{SrcUID: 1, DstUIDNext: 1, Size: 5, SHA1: [20]byte{1}, SHA256: [32]byte{1}, Begun: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	sees("begun", 1, 0, 0, 0)
	if err := l.Record(ctx, []imap.Outcome{{SrcUID: 1, DstUID: 4, DstUIDValidity: 9, Size: 5, SHA1: [20]byte{1}, Fate: imap.Copied}}); err != nil {
		t.Fatal(err)
	}
	sees("recorded", 0, 1, 1, 0)
	if err := l.AddDoubts(ctx, []imap.Doubt{{SrcUID: 1, DstUIDNext: 1, Size: 5, SHA1: [20]byte{1}, Since: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	sees("in doubt", 0, 1, 1, 1)
	rows, err := store.Folders(ctx, account.ID)
	if err != nil || rows[0].SrcUIDValidity != 7 || rows[0].DstUIDValidity != 9 || rows[0].DstMaxUID != 4 {
		t.Errorf("%+v, %v: the next ledger would be blank", rows, err)
	}
	l = w.books(rows[0])(7, 9)
	sees("by another ledger", 0, 1, 1, 1)
}
