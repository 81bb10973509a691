package migrate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// TestRenameCutAtEachCommand ends every session of a run from one command on,
// before it is done or after it, while two folders have changed names, a third
// went with its children and one gave its name to another. The next run ends as
// an undisturbed one does, with no message uploaded twice.
func TestRenameCutAtEachCommand(t *testing.T) {
	for _, kind := range []bmsim.IMAPFaultKind{bmsim.Bye, bmsim.CutDone} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Limits.Settle, w.opts.Limits.Retries = 10*time.Millisecond, 1
			ada := w.source.User("ada@old.example")
			for i, name := range []string{"INBOX", "A", "A/x", "B", "Été", "Été/a", "Été/b"} {
				w.lettersIn(name, 100*i, 3)
			}
			w.plan()
			w.complete()
			here, there := "Été", "Hiver"
			step, at, uploads := 1, 0, w.appends()
			if testing.Short() {
				step = 5
			}
			for cut := true; cut; at += step {
				ada.RenameMailbox("A", "tmp")
				ada.RenameMailbox("B", "A")
				ada.RenameMailbox("tmp", "B")
				ada.RenameMailbox(here, there)
				here, there = there, here
				if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: kind, Verb: "*", Skip: at, Text: "going down"}); err != nil {
					t.Fatal(err)
				}
				res := w.run()
				cut = res.Outcome() != migrate.Complete
				w.sim.Faults().Clear()
				if res := w.complete(); res.Copied != 0 || w.appends() != uploads {
					t.Fatalf("cut at command %d: %d were copied", at, res.Copied)
				}
				w.identical("cut at a command")
				have := w.folders()
				if slices.ContainsFunc(have, func(name string) bool {
					return strings.Contains(name, "(") || name == there || strings.HasPrefix(name, there+"/")
				}) {
					t.Errorf("cut at command %d: left behind: %q", at, have)
				}
				if t.Failed() {
					return
				}
			}
			if at < 30 {
				t.Errorf("the run ended after %d commands", at)
			}
			t.Logf("%d commands", at)
		})
	}
}
