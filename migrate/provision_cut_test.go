package migrate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// cut is where a run is interrupted: at its nth call of the API, before
// BlueMind has done it or after.
type cut struct {
	at   int
	kind bmsim.FaultKind
}

// interrupted runs the bulk pass until the cut. It gives how many calls there
// were.
func (e *estate) interrupted(c cut) int {
	e.t.Helper()
	before := e.opts
	defer func() { e.opts = before }()
	e.opts.Objects = true
	return e.cutRun(c)
}

// cutRun runs until the cut: the call has no answer, and the run's context
// ends with it. It gives how many calls there were.
func (e *estate) cutRun(c cut) int {
	e.t.Helper()
	ctx, cancel := context.WithCancel(e.t.Context())
	defer cancel()
	var n atomic.Int64
	e.sim.Faults().Watch(func(bmsim.Call) {
		if n.Add(1) == int64(c.at) {
			cancel()
		}
	})
	if c.at > 0 {
		e.sim.Faults().Add(bmsim.Fault{Kind: c.kind, Skip: c.at - 1, Times: 1})
	}
	res, err := migrate.Run(ctx, e.opts)
	if c.at == 0 && (err != nil || res.Outcome() != migrate.Complete) {
		e.t.Fatalf("an undisturbed run: %v, %+v", err, res.Objects)
	}
	e.sim.Faults().Clear()
	e.sim.Faults().Watch(nil)
	return int(n.Load())
}

// recovered runs again after the cut, and wants the end that an undisturbed run
// comes to. A third run, after some of the cuts, has nothing to do.
func (e *estate) recovered(c cut, want string) {
	e.t.Helper()
	e.objects()
	if got := e.sim.Snapshot(); got != want {
		e.t.Errorf("%v: the end is another:\n%s", c, firstDifference(got, want))
	}
	if c.at%5 == 0 {
		e.quiet(fmt.Sprint(c), func() { e.objects() })
	}
	e.keyless()
}

// TestObjectsCutAtEachCall interrupts a small plan at each single call, before
// and after it was done, and runs again.
func TestObjectsCutAtEachCall(t *testing.T) {
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := small(t, conf)
			whole.opts.Limits.Provision = 1 // so that the nth call is the same each time
			calls := whole.interrupted(cut{})
			want := whole.sim.Snapshot()
			step := 1
			if testing.Short() {
				step = 7
			}
			t.Logf("%d calls", calls)
			const sides = 4
			for side := range sides {
				t.Run(fmt.Sprint(side), func(t *testing.T) {
					t.Parallel()
					e := small(t, conf)
					e.opts.Limits.Provision = 1
					for at := 1 + side*step; at <= calls; at += sides * step {
						for i, kind := range []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter} {
							if conf.Version == 4 && i != at%2 {
								continue // its calls differ by few
							}
							c := cut{at, kind}
							e.anew(conf)
							e.interrupted(c)
							e.recovered(c, want)
						}
					}
				})
			}
		})
	}
}

// anew is the same plan on a blank BlueMind, without a state.
func (e *estate) anew(conf bmsim.Config) {
	e.t.Helper()
	if err := e.sim.Close(); err != nil {
		e.t.Fatal(err)
	}
	conf.Domains = []bmsim.Domain{}
	e.start(conf)
	e.opts.StateDir = e.t.TempDir()
}

// TestObjectsCutAtRandom interrupts a provisioning of many at random calls: of
// 60 users at a few or, with BMSYNC_LONG set, which takes minutes, of 300 at 50.
func TestObjectsCutAtRandom(t *testing.T) {
	users, cuts := 60, 5
	if os.Getenv("BMSYNC_LONG") != "" {
		users, cuts = 300, 50
	}
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := large(t, conf, users, 20, 15)
			calls := e.interrupted(cut{})
			want := e.sim.Snapshot()
			random := rand.New(rand.NewPCG(3, uint64(conf.Version)))
			for range cuts {
				c := cut{1 + random.IntN(calls), []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter}[random.IntN(2)]}
				e.anew(conf)
				e.interrupted(c)
				e.recovered(c, want)
			}
		})
	}
}

// TestObjectsCutAgainAndAgain interrupts one provisioning of 60 users 50 times
// on its way.
func TestObjectsCutAgainAndAgain(t *testing.T) {
	const users, cuts = 60, 50
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := large(t, conf, users, 20, 15)
			calls := e.interrupted(cut{})
			want := e.sim.Snapshot()
			e.anew(conf)
			random := rand.New(rand.NewPCG(5, uint64(conf.Version)))
			for i := range cuts {
				// Each run passes what is made already, at a third of its calls.
				at := 1 + calls*(i+1)/cuts/3 + random.IntN(max(1, calls/cuts))
				e.interrupted(cut{at, []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter}[i%2]})
			}
			e.recovered(cut{kind: "again and again"}, want)
		})
	}
}

// firstDifference shows where two texts part.
func firstDifference(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	from := max(0, i-300)
	return fmt.Sprintf("got  …%s…\nwant …%s…", got[from:min(len(got), i+200)], want[from:min(len(want), i+200)])
}

// TestRunCutAtCalls interrupts whole runs, with mail, at calls of the API: no
// key survives the interrupted run, and the next one comes to the same end.
func TestRunCutAtCalls(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.opts.Limits.Accounts, e.opts.Limits.Provision = 1, 1
	calls := e.cutRun(cut{})
	want := e.sim.Snapshot()
	step := 11
	if testing.Short() {
		step = 50
	}
	for at := 1; at <= calls; at += step {
		c := cut{at, []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter}[at%2]}
		e.anew(bmsim.Config{})
		e.cutRun(c)
		e.keyless()
		e.complete()
		if got := e.sim.Snapshot(); got != want {
			t.Errorf("%v: %s", c, firstDifference(got, want))
		}
		if n := len(e.sim.Journal().Appends()); n != 16 {
			t.Errorf("%v: %d messages were appended, want 16", c, n)
		}
		e.byKeysOnly()
	}
	t.Logf("%d calls", calls)
}
