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

// TestPlanKeepsWhatItKnows plans again while the source is down.
func TestPlanKeepsWhatItKnows(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(20)
	w.plan()
	before := w.opts.Plan.Trailer
	down := w.opts.Sources["old"]
	down.Server.Addr = "127.0.0.1:1"
	opts := migrate.PlanOptions{Path: w.opts.Plan.Path, Rows: w.rows, Sources: map[string]migrate.Source{"old": down}, Policy: w.policy}
	res, err := migrate.BuildPlan(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Unsurveyed) != 1 || len(res.Changes) != 0 || res.Trailer.Folders != before.Folders || res.Trailer.Messages != before.Messages {
		t.Errorf("planned while the source was down: %+v", res)
	}
	opts.Policy.Folders.Junk = migrate.Copy // what was decided under another policy is no help
	if res, err = migrate.BuildPlan(t.Context(), opts); err != nil || res.Trailer.Folders != 0 {
		t.Errorf("planned under another policy while the source was down: %+v, %v", res, err)
	}
}
