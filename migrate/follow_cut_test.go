package migrate_test

import (
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// TestFollowCutAtEachCommand ends every session of a run from one command on,
// before it is done or after it, while messages were moved between folders, within
// one and into a new one, one of them flagged on its way, and others deleted. The next
// run ends as an undisturbed one does, with each message once and none uploaded
// again.
func TestFollowCutAtEachCommand(t *testing.T) {
	for _, kind := range []bmsim.IMAPFaultKind{bmsim.Bye, bmsim.CutDone} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Limits.Settle, w.opts.Limits.Retries = 10*time.Millisecond, 1
			w.letters("INBOX", 0, 3)
			here, there := w.letters("A", 100, 12), w.letters("B", 200, 12)
			trash := w.letters("C", 300, 150)
			trash.Append(message(300)) // a twin
			w.plan()
			w.complete()
			step, at, uploads := 1, 0, w.uploads()
			if testing.Short() {
				step = 5
			}
			for cut := true; cut; at += step {
				uids := w.sourceUIDs(here.Name())
				here.Move(there, uids[:5]...)
				here.Move(here, uids[5])
				there.SetFlags(there.Messages()[there.Len()-1].UID, []string{`\Seen`, `\Flagged`}[at%2])
				trash.Expunge(w.sourceUIDs("C")[at%7], w.sourceUIDs("C")[8])
				here, there = there, here
				if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: kind, Verb: "*", Skip: at, Text: "going down"}); err != nil {
					t.Fatal(err)
				}
				res := w.run()
				cut = res.Outcome() != migrate.Complete
				w.sim.Faults().Clear()
				w.complete()
				if n := w.uploads() - uploads; n != 0 {
					t.Fatalf("cut at command %d: %d messages were uploaded", at, n)
				}
				w.same(w.opts.Target)
				if t.Failed() {
					t.Fatalf("cut at command %d", at)
				}
			}
			if at < 30 {
				t.Errorf("the run ended after %d commands", at)
			}
			w.proves()
			w.idle()
			t.Logf("%d commands", at)
		})
	}
}
