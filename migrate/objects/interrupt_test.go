package objects_test

import (
	"fmt"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// TestInterruptedAtEachCall cuts a run at each single API call, before and after
// the call was done, and runs again: the end is that of a run that nothing
// disturbed, and a third run writes nothing.
func TestInterruptedAtEachCall(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		if version == 4 && testing.Short() {
			t.Skip("-short: version 5 only")
		}
		ref, notes := start(t, version), &ledger{}
		mark := ref.mark()
		ref.must(ref.maker(notes), small())
		calls := ref.mark() - mark
		want := ref.sim.Snapshot()
		t.Logf("%d calls", calls)
		for _, kind := range []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter} {
			t.Run(string(kind), func(t *testing.T) {
				t.Parallel()
				for i := range calls {
					interrupt(t, version, kind, i, want, notes.text())
				}
			})
		}
	})
}

func interrupt(t *testing.T, version int, kind bmsim.FaultKind, at int, want, notes string) {
	t.Run(fmt.Sprintf("call %d", at), func(t *testing.T) {
		s, j := start(t, version), &ledger{}
		first := s.maker(j)
		first.Admin = s.once()
		s.sim.Faults().Add(bmsim.Fault{Kind: kind, Skip: at, Times: 1})
		_, killed := small().build(t.Context(), first)
		s.sim.Faults().Clear()
		r := s.must(s.maker(j), small())
		if odd := r.not(objects.Created, objects.Changed, objects.AsWanted); len(odd) > 0 {
			t.Errorf("after %v:\n%s", killed, strings.Join(odd, "\n"))
		}
		if got := s.sim.Snapshot(); got != want {
			t.Errorf("after %v: another end:\n%s", killed, diff(want, got))
		}
		if got := j.text(); got != notes {
			t.Errorf("after %v: other notes:\n%s", killed, diff(notes, got))
		}
		mark := s.mark()
		if odd := s.must(s.maker(j), small()).not(objects.AsWanted); len(odd) > 0 {
			t.Errorf("third run:\n%s", strings.Join(odd, "\n"))
		}
		if writes := s.writes(mark); len(writes) > 0 {
			t.Errorf("third run: %v", writes)
		}
	})
}

// diff shows the lines that two texts don't share.
func diff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	count := map[string]int{}
	for _, l := range a {
		count[l]++
	}
	for _, l := range b {
		count[l]--
	}
	var out []string
	for _, l := range append(a, b...) {
		switch {
		case count[l] > 0:
			out = append(out, "- "+l)
		case count[l] < 0:
			out = append(out, "+ "+l)
		}
		count[l] = 0
	}
	return strings.Join(out, "\n")
}
