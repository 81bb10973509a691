package migrate_test

import (
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestRunRefusedForGood has a message that BlueMind 5 answers with "unknown
// error" each time, as it does to a NUL in a header: a refusal that was told
// doesn't keep the account from being complete, and is tried again each time.
func TestRunRefusedForGood(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	ada := w.source.User("ada@old.example")
	ada.CreateMailbox("Sick", imaptest.MailboxOptions{}).Append(message(1))
	ada.CreateMailbox("Well", imaptest.MailboxOptions{}).Append(message(2))
	w.plan()
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.UnknownError, Folder: "Sick", Text: "invalid byte sequence"}); err != nil {
		t.Fatal(err)
	}
	if res := w.run(); res.Outcome() != migrate.Partial || !res.NewRefusals || res.States[migrate.AccountComplete] != 1 {
		t.Fatalf("the first run ended with %v: %+v", res.Outcome(), res)
	}
	for range 2 {
		if res := w.run(); res.Outcome() != migrate.Complete || res.NewRefusals {
			t.Fatalf("a run after the refusal was told ended with %v: %+v", res.Outcome(), res)
		}
	}
	w.sim.Faults().Clear()
	if res := w.complete(); res.Copied != 1 {
		t.Errorf("once the target took it, %d messages were copied", res.Copied)
	}
	w.same(w.opts.Target)
}
