package imap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// tripLedger does something at its nth call, before or after the call is
// carried out.
type tripLedger struct {
	imap.Ledger
	mu    sync.Mutex
	left  int
	after bool
	trip  func() error
}

func (l *tripLedger) call(do func() error) error {
	l.mu.Lock()
	l.left--
	now := l.left == 0
	l.mu.Unlock()
	if now && !l.after {
		if err := l.trip(); err != nil {
			return err
		}
	}
	err := do()
	if now && l.after && err == nil {
		err = l.trip()
	}
	return err
}

func (l *tripLedger) Known(ctx context.Context, first, last uint32) (out []imap.Known, err error) {
	err = l.call(func() error { out, err = l.Ledger.Known(ctx, first, last); return err })
	return out, err
}

func (l *tripLedger) Begin(ctx context.Context, batch []imap.Intent) error {
	return l.call(func() error { return l.Ledger.Begin(ctx, batch) })
}

func (l *tripLedger) Record(ctx context.Context, batch []imap.Outcome) error {
	return l.call(func() error { return l.Ledger.Record(ctx, batch) })
}

func (l *tripLedger) Open(ctx context.Context) (out []imap.Intent, err error) {
	err = l.call(func() error { out, err = l.Ledger.Open(ctx); return err })
	return out, err
}

func (l *tripLedger) AddDoubts(ctx context.Context, batch []imap.Doubt) error {
	return l.call(func() error { return l.Ledger.AddDoubts(ctx, batch) })
}

func (l *tripLedger) Flagged(ctx context.Context, changes []imap.FlagChange) error {
	return l.call(func() error { return l.Ledger.Flagged(ctx, changes) })
}

func (l *tripLedger) Repoint(ctx context.Context, src, dst uint32, sent *imap.Sent) error {
	return l.call(func() error { return l.Ledger.Repoint(ctx, src, dst, sent) })
}

func (l *tripLedger) ClearDoubts(ctx context.Context, uids []uint32) error {
	return l.call(func() error { return l.Ledger.ClearDoubts(ctx, uids) })
}

var errKilled = errors.New("killed")

// once calls the copy and the last look over a ledger that trips.
func (p *pair) once(ctx context.Context, books func(uint32, uint32) imap.Ledger) error {
	src, dst, err := p.dial("")
	if err != nil {
		return err
	}
	defer src.Close()
	defer dst.Close()
	state := p.state
	if state.DstMaxUID = p.ledger.maxUID(); state.DstMaxUID > 0 {
		state.DstUIDValidity = p.to.UIDValidity()
	}
	next, _, err := imap.CopyMailbox(ctx, src, dst, books, state, p.opts)
	if err == nil {
		_, err = imap.FinalLook(ctx, dst, books(0, 0), next.DstUIDValidity, p.opts)
	}
	return err
}

// TestCopyKilled ends the copy before and after each call of the ledger, as a
// kill, a cancelled context or a request to stop would, against a target that
// also loses an answer and refuses some: called again, it has everything once,
// and leaves no file.
func TestCopyKilled(t *testing.T) {
	for _, caps := range []string{"", "MULTIAPPEND DIGEST=SHA1"} {
		for how, step := range map[string]int{"killed": 1, "cancelled": 3, "stopped": 3} {
			for n := 1; n <= 20; n += step {
				t.Run(fmt.Sprintf("%s at %d %s", how, n, caps), func(t *testing.T) {
					t.Parallel()
					killed(t, how, n, strings.Fields(caps))
				})
			}
		}
	}
}

// TestCopyLeavesNoGoroutine is TestCopyKilled with a look at what runs after.
func TestCopyLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, how := range []string{"killed", "cancelled", "stopped"} {
		t.Run(how, func(t *testing.T) { killed(t, how, 5, nil) })
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines more than before", runtime.NumGoroutine()-before)
}

func killed(t *testing.T, how string, n int, caps []string) {
	p := newPair(t, caps...)
	p.opts.SpoolDir = t.TempDir()
	p.opts.Sleep = func(ctx context.Context, d time.Duration) error {
		time.Sleep(d / 16)
		return context.Cause(ctx)
	}
	p.fill(20)
	big := letter(70, strings.Repeat("long line\r\n", []int{150_000, 10, 1000}[n%3])) // in a file, or not
	p.from.Append(imaptest.Message{Body: big, InternalDate: time.Unix(1e9, 0)})
	p.from.Append(imaptest.Message{Body: letter(3, ""), InternalDate: time.Unix(1.1e9, 0)}) // a twin
	refusals := 2
	p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		if strings.Contains(string(m.Body[:min(60, len(m.Body))]), "letter 5\r") && refusals > 0 {
			refusals--
			return "NO unknown error: x"
		}
		return ""
	}})
	p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Skip: n % 3, Times: 1, Action: imaptest.Obey})
	for try := 0; ; try++ {
		ctx, cancel := context.WithCancel(t.Context())
		stop := make(chan struct{})
		p.opts.Stop = stop
		trip := &tripLedger{Ledger: p.ledger, left: n, after: try%2 == 0, trip: func() error {
			switch how {
			case "cancelled":
				cancel()
			case "stopped":
				close(stop)
			default:
				return errKilled
			}
			return nil
		}}
		if try > 3 {
			trip.left = 0 // lives on
		}
		err := p.once(ctx, func(uint32, uint32) imap.Ledger { return trip })
		cancel()
		if err == nil {
			break
		}
		if try > 12 {
			t.Fatal(err)
		}
	}
	p.opts.Stop = nil
	p.mustCopy() // what was refused for the target's own trouble
	p.equal()
	if n := len(p.ledger.intents) + len(p.ledger.doubts); n > 0 {
		t.Errorf("%d intents and doubts are open", n)
	}
	if files, _ := os.ReadDir(p.opts.SpoolDir); len(files) > 0 {
		t.Errorf("files are left: %v", files)
	}
}

// TestCopiesShareABudget: several copies, each with messages that fill the
// budget, all come through.
func TestCopiesShareABudget(t *testing.T) {
	budget := imap.NewBudget(1 << 20)
	var all sync.WaitGroup
	for range 4 {
		p := newPair(t)
		p.opts.Budget, p.opts.BatchBytes = budget, 2<<20
		for i := range 8 {
			p.from.Append(imaptest.Message{Body: letter(i, strings.Repeat("long line\r\n", 80_000)), InternalDate: time.Unix(1e9, 0),
				Odd: imaptest.Odd{SizeText: []string{"", "NIL", "12"}[i%3]}})
		}
		all.Go(func() {
			if _, err := p.copy(""); err != nil {
				t.Error(err)
				return
			}
			p.equal()
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("they wait for each other")
	}
}
