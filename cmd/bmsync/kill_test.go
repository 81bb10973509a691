package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/state"
)

// seedVariable repeats a test's random choices: its log names their seed.
const seedVariable = "BMSYNC_TEST_SEED"

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// between draws a duration.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// rounds is how often a run is killed.
func rounds(all int) int {
	if testing.Short() {
		return max(1, all/8)
	}
	return all
}

// toll is what became of the runs that were killed.
type toll struct {
	kills   int // that met a run still going
	copying int // that met one which had copied
	settled int // runs that found appends of an earlier one without an answer
	ended   int // runs that nobody had to kill
}

// outlives runs the migration again and again, each run killed at a random
// instant: of its start, of asking what became of its predecessor's appends,
// or, half of them, of copying, that long after the first answer at the most.
// The next begins at once.
func (m *migration) outlives(r *rand.Rand, times int, most time.Duration, before func()) (total toll) {
	m.t.Helper()
	for round := range times {
		if before != nil {
			before()
		}
		stored := m.appends()
		p := m.command("run", "--target", "test")
		begun := p.told.first(migrate.EventRunStarted)
		met := p.told.first(migrate.EventSettling, migrate.EventProgress)
		copied := p.told.first(migrate.EventProgress)
		p.start()
		switch {
		case round < 6 || round%8 == 0: // at first there is no state, and no user
			m.await(p, p.born, between(r, 0, 400*time.Millisecond))
		case round%2 == 1:
			m.await(p, copied, between(r, 0, most))
		case round%8 == 2:
			m.await(p, begun, between(r, 0, 300*time.Millisecond))
		default:
			m.await(p, met, between(r, 0, 1200*time.Millisecond))
		}
		grown := m.sim.info.Version == 4 || m.appends() > stored
		p.kill()
		if !p.killed() {
			if code := p.code(); code != 0 && code != exitPartial {
				m.t.Fatalf("a run that nobody killed ended with %d: %s", code, p)
			}
			total.ended++
			continue
		}
		total.kills++
		total.add(p, grown)
	}
	return total
}

// await waits for the event, and then so much longer, unless the process ends.
func (m *migration) await(p *process, event <-chan struct{}, then time.Duration) {
	m.t.Helper()
	select {
	case <-event:
	case <-p.done:
	case <-time.After(time.Minute):
		m.t.Fatalf("it hangs: %s", p)
	}
	select {
	case <-time.After(then):
	case <-p.done:
	}
}

// enough asserts that so many runs were killed, and that a good part of them
// was copying: else it says little that nothing was lost. The few rounds of
// -short are of the start mostly.
func (x toll) enough(t *testing.T, rounds int) {
	t.Helper()
	t.Logf("%d rounds: %+v", rounds, x)
	if !testing.Short() && (x.ended > rounds/10 || x.copying < rounds*2/5) {
		t.Error("too few kills met a run that was copying")
	}
}

func (x *toll) add(p *process, grown bool) {
	if grown && len(p.told.of(migrate.EventProgress)) > 0 {
		x.copying++
	}
	if len(p.told.of(migrate.EventSettling)) > 0 {
		x.settled++
	}
}

// finishes lets the migration run undisturbed, and wants what an undisturbed
// one of the same mail into the domain calm leaves behind: asked of the
// servers, not of bmsync.
func (m *migration) finishes(calm, limits string) {
	t := m.t
	t.Helper()
	last := m.ends(0, "run", "--target", "test")
	stored := m.appends()
	m.ends(0, "run", "--target", "test")
	if n := m.appends() - stored; n > 0 {
		t.Errorf("a run after all was complete stored %d messages", n)
	}
	m.ends(0, "verify", "--target", "test")
	other := newMigration(t, m.from, m.sim, calm, limits)
	other.ends(0, "run", "--target", "test")
	byKeysOnly(t, m.sim)

	got := m.content()
	equal(t, "an undisturbed run", other.content(), got)
	equal(t, "the source", m.wanted(), got)
	messages := 0
	for _, account := range got {
		for _, items := range account {
			messages += len(items)
		}
	}
	t.Logf("%d messages, stored %d times; the last run copied %d", messages, stored, last.copied())
}

// byKeysOnly asserts that nobody came in over IMAP but users with keys of
// their own, and that none is left.
func byKeysOnly(t *testing.T, s *simulator) {
	t.Helper()
	j := s.journal()
	for _, l := range j.Logins {
		if l.Secret != "key" {
			t.Errorf("IMAP login of %s by %s %s", l.Address, l.Secret, l.Reason)
		}
	}
	if len(j.Logins) == 0 {
		t.Error("nobody logged in")
	}
	for who, n := range j.KeysAlive {
		if n > 0 {
			t.Errorf("%d keys of %s are alive", n, who)
		}
	}
}

const (
	killedDomain = "killed.example"
	calmDomain   = "calm.example"

	// A second is the least that policy.limits.settle takes; batches are small
	// so that a run that lives for a moment has some answered.
	simLimits = "settle: 1s, batch_messages: 5, accounts: 3"
)

// slow is how BlueMind takes messages while runs are killed, so that they are
// killed in the middle.
var slow = bmsim.IMAPFault{Kind: bmsim.SlowIMAP, Delay: 15 * time.Millisecond}

// TestC27KilledRunsCopyExactlyOnce kills runs at any instant; the target counts
// copies.
func TestC27KilledRunsCopyExactlyOnce(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	m := newMigration(t, embeddedOrigin(t, 900, "ada", "bruno", "chloe"), sim, killedDomain, simLimits)
	sim.faults(slow)
	n := rounds(50)
	m.outlives(r, n, 200*time.Millisecond, nil).enough(t, n)
	sim.faults()
	m.finishes(calmDomain, simLimits)
}

// TestC27KilledRunsOnShares kills runs that fill shared mailboxes by the key of
// somebody whose own mailbox they fill as well, on connections that are cut.
func TestC27KilledRunsOnShares(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	from := embeddedOrigin(t, 700, "ada", "archive", "bruno", "support")
	from.shares = map[string]string{"archive": "ada", "support": "ada"}
	m := newMigration(t, from, sim, killedDomain, simLimits)
	n := rounds(32)
	m.outlives(r, n, 200*time.Millisecond, func() { sim.faults(append(cuts(r, 500*time.Millisecond), slow)...) }).enough(t, n)
	sim.faults()
	m.finishes(calmDomain, simLimits)
}

// TestC27KilledRunsAndCutConnections kills runs whose connections the target cuts
// as well, to store later what it had received: some of it later than a run
// waits for, so that it is sent again and arrives twice.
func TestC27KilledRunsAndCutConnections(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	m := newMigration(t, embeddedOrigin(t, 900, "ada", "bruno", "chloe"), sim, killedDomain, simLimits)
	n := rounds(50)
	m.outlives(r, n, 200*time.Millisecond, func() { sim.faults(append(cuts(r, 2*time.Second), slow)...) }).enough(t, n)
	m.untilStill(3 * time.Second)
	sim.faults(cuts(r, 700*time.Millisecond)...)
	m.ends(0, "run", "--target", "test") // nobody kills it, and it is cut all the same
	sim.faults()
	late, unanswered := 0, 0
	for _, a := range sim.journal().Appends {
		if a.Late {
			late++
		}
		if a.Unanswered {
			unanswered++
		}
	}
	t.Logf("%d messages were stored late, %d without an answer", late, unanswered)
	if late == 0 {
		t.Error("nothing was stored late")
	}
	m.finishes(calmDomain, simLimits)
}

// untilStill waits until the simulator has stored nothing for so long.
func (m *migration) untilStill(d time.Duration) {
	m.t.Helper()
	for last, since := m.appends(), time.Now(); time.Since(since) < d; time.Sleep(50 * time.Millisecond) {
		if n := m.appends(); n != last {
			last, since = n, time.Now()
		}
	}
}

// cuts are a few things that go wrong in one run. What is stored late begins
// to be after that time at the most.
func cuts(r *rand.Rand, latest time.Duration) []bmsim.IMAPFault {
	kinds := []bmsim.IMAPFault{
		{Kind: bmsim.LateCommit, Count: 1 + r.IntN(14), Delay: between(r, 0, latest)},
		{Kind: bmsim.LateCommit, Count: 1 + r.IntN(14), Delay: between(r, 0, latest/2), Gap: between(r, 5*time.Millisecond, 80*time.Millisecond)},
		{Kind: bmsim.DropStored},
		{Kind: bmsim.DropLost},
		{Kind: bmsim.CutLiteral, Bytes: r.Int64N(400)},
		{Kind: bmsim.Bye, Text: "shutting down"},
		{Kind: bmsim.Bye, Verb: "*", Text: "shutting down"},
	}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	list := kinds[:1+r.IntN(3)]
	for i := range list {
		list[i].Skip, list[i].Times = r.IntN(25), 1+r.IntN(2)
	}
	return list
}

// TestKilledSimulator kills BlueMind under a run and serves it again, from
// what it had kept.
func TestKilledSimulator(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	m := newMigration(t, embeddedOrigin(t, 300, "ada", "bruno", "chloe"), sim, killedDomain, simLimits)
	sim.faults(slow)
	p := m.command("run", "--target", "test")
	p.start()
	n := rounds(5)
	for range n {
		// Each time, the run has come further since it was served again.
		for stored := m.appends(); m.appends() < stored+20; {
			select {
			case <-p.done:
				t.Fatalf("it ended with %d before %d deaths of the target: %s", p.code(), n, p)
			case <-time.After(5 * time.Millisecond):
			}
		}
		time.Sleep(between(r, 0, 100*time.Millisecond))
		sim.proc.kill()
		sim.start()
		sim.faults(slow)
	}
	sim.faults()
	if code := p.code(); code != 0 {
		t.Fatalf("the run ended with %d: %s", code, p)
	}
	m.finishes(calmDomain, simLimits)
}

// TestInterruptOnce ends a run with what was in flight recorded: nothing is
// left to be asked of the target.
func TestInterruptOnce(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	m := newMigration(t, embeddedOrigin(t, 400, "ada", "bruno", "chloe"), sim, killedDomain, simLimits)
	sim.faults(slow)
	n := rounds(10)
	for range n {
		p := m.command("run", "--target", "test")
		copied := p.told.first(migrate.EventProgress)
		p.start()
		m.await(p, copied, between(r, 0, 150*time.Millisecond))
		p.signal(os.Interrupt)
		if code := p.code(); code != exitInterrupted {
			t.Fatalf("interrupted, it ended with %d: %s", code, p)
		}
		byKeysOnly(t, sim)
		kept := m.state()
		if kept.Intents > 0 {
			t.Errorf("%d appends were left without an answer", kept.Intents)
		}
		if got, want := kept.Messages[state.Copied].Messages, m.appends(); got != int64(want) {
			t.Errorf("%d messages are recorded as copied, the target stored %d", got, want)
		}
	}
	sim.faults()
	m.finishes(calmDomain, simLimits)
}

// TestInterruptTwice ends a run at once, with appends under way.
func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	m := newMigration(t, embeddedOrigin(t, 400, "ada", "bruno", "chloe"), sim, killedDomain, simLimits)
	for range rounds(4) {
		// After a few messages, who waits for an answer waits for ever.
		sim.faults(bmsim.IMAPFault{Kind: bmsim.SlowIMAP, Skip: 20 + r.IntN(50), Delay: time.Hour}, slow)
		p := m.command("run", "--target", "test")
		copied := p.told.first(migrate.EventProgress)
		p.start()
		m.await(p, copied, 0)
		m.untilStill(500 * time.Millisecond)
		for p.signal(os.Interrupt) { // again, since two at once are one
			select {
			case <-p.done:
			case <-time.After(20 * time.Millisecond):
			}
		}
		if code := p.code(); code != exitInterrupted {
			t.Fatalf("interrupted twice, it ended with %d: %s", code, p)
		}
		if m.state().Intents == 0 {
			t.Errorf("no append was left without an answer: %s", p)
		}
		sim.proc.kill() // to be rid of the hour
		sim.start()
	}
	sim.faults()
	m.finishes(calmDomain, simLimits)
}
