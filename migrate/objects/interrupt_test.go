package objects_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// TestInterruptedAtEachCall cuts a run at each single API call, before and after
// the call was done, and runs again: the end is that of a run that nothing
// disturbed, and a third run writes nothing.
func TestInterruptedAtEachCall(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		step := 1
		if version == 4 || testing.Short() {
			step = 7 // each call on version 5 is enough to see a gap
		}
		ref, notes := start(t, version), &ledger{}
		mark := ref.mark()
		ref.must(ref.maker(notes), small())
		calls := ref.mark() - mark
		want := ref.sim.Snapshot()
		t.Logf("%d calls", calls)
		for _, done := range []bool{false, true} {
			t.Run(map[bool]string{false: "before", true: "after"}[done], func(t *testing.T) {
				t.Parallel()
				for i := 0; i < calls; i += step {
					interrupt(t, version, i, done, want, notes.text())
				}
			})
		}
	})
}

// interrupt kills a run at one of its calls: done tells whether BlueMind still
// does what was asked for.
func interrupt(t *testing.T, version, at int, done bool, want, notes string) {
	t.Run(fmt.Sprintf("call %d", at), func(t *testing.T) {
		s, j := start(t, version), &ledger{}
		s.kill(s.maker(j), at, done)
		r := s.must(s.maker(j), small())
		if odd := r.not(objects.Created, objects.Changed, objects.AsWanted); len(odd) > 0 {
			t.Errorf("conflicts:\n%s", strings.Join(odd, "\n"))
		}
		if got := s.sim.Snapshot(); got != want {
			t.Errorf("another end:\n%s", diff(want, got))
		}
		if got := j.text(); got != notes {
			t.Errorf("other notes:\n%s", diff(notes, got))
		}
		if at%4 > 0 {
			return // the end is the same: so is a run from there
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

// kill runs until one of its calls has come to BlueMind, and no further.
func (s *site) kill(m *objects.Maker, at int, done bool) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	if !done {
		s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.CutBefore, Skip: at, Times: 1})
	}
	var n atomic.Int64
	s.sim.Faults().Watch(func(bmsim.Call) {
		if n.Add(1) == int64(at)+1 {
			cancel()
		}
	})
	mark := s.mark()
	if _, err := small().build(ctx, m); err == nil && ctx.Err() == nil { // the last answer may be faster than its end
		s.t.Fatal("the run was not killed")
	}
	for s.mark() < mark+at+1 { // BlueMind may still be at it
		time.Sleep(time.Millisecond)
	}
	s.sim.Faults().Watch(nil)
	s.sim.Faults().Clear()
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
