package imap_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// lines is what a ledger has, without what two targets number differently.
func (l *memLedger) lines() (out []string) {
	defer l.locked()()
	for _, o := range sorted(l.rows) {
		flags := slices.Clone(o.Flags)
		slices.Sort(flags)
		out = append(out, fmt.Sprint(o.SrcUID, o.Fate, o.DstUID > 0, o.Size, o.InternalDate.Unix(), flags, o.Reason, o.By, l.gone[o.SrcUID]))
	}
	return out
}

// sibling is another target and ledger for the same source.
func (p *pair) sibling() *pair {
	q := newPair(p.t)
	q.src, q.from, q.srcAddr = p.src, p.from, p.srcAddr
	return q
}

// scramble is what users and administrators do to a source folder between two
// passes.
func scramble(r *rand.Rand, mb *imaptest.Mailbox, n *int) {
	flags := func() (out []string) {
		for _, f := range []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, "$Forwarded", "Mixed"} {
			if r.IntN(4) == 0 {
				out = append(out, f)
			}
		}
		return out
	}
	for range r.IntN(6) {
		there := mb.Messages()
		if len(there) == 0 || r.IntN(3) == 0 {
			for range r.IntN(4) {
				*n++
				mb.Append(imaptest.Message{Body: letter(*n, strings.Repeat("y", r.IntN(2)*6_000)), Flags: flags(), InternalDate: time.Date(2001+*n%20, 3, 4, 5, 6, *n%60, 0, time.UTC)})
			}
			continue
		}
		uid := there[r.IntN(len(there))].UID
		if r.IntN(3) == 0 {
			mb.Expunge(uid)
		} else {
			mb.SetFlags(uid, flags()...)
		}
	}
}

// Whatever happens to a source, going by what it says has changed leads to the
// same ledger and the same target as listing it in full, count for count.
func TestDeltaIsWhatAListingGives(t *testing.T) {
	kinds := map[string]imaptest.Quirks{"ESEARCH": {}, "without ESEARCH": {Without: []string{"ESEARCH"}}}
	for kind, quirks := range kinds {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("%s %d", kind, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 7))
				fast := newPair(t)
				fast.src.SetQuirks(quirks)
				full := fast.sibling()
				fast.opts.Window, full.opts.Window = uint32(3+r.IntN(20)), 1000
				full.opts.ListEvery = time.Nanosecond
				if seed%2 == 1 { // a part of a folder that is split
					fast.opts.Only = func(_ context.Context, m imap.Message) (bool, error) { return m.InternalDate.Year()%2 == 0, nil }
					full.opts.Only = fast.opts.Only
				}
				rules, n, deltas := imap.Rules{}, 0, 0
				for range 30 {
					scramble(r, fast.from, &n)
					switch r.IntN(12) {
					case 0:
						rules.MaxSize = []int64{0, 1_000, 100_000}[r.IntN(3)]
					case 1:
						rules.CopyDeleted = !rules.CopyDeleted
					case 2:
						rules.RetryRefused = !rules.RetryRefused
					case 3: // a user of the target tidies up
						if there := fast.to.Messages(); len(there) > 20 {
							i := r.IntN(len(there))
							fast.to.Expunge(there[i].UID)
							full.to.Expunge(full.to.Messages()[i].UID)
						}
					case 4: // the session breaks in the middle
						trap := imaptest.Trap{Command: "APPEND", Action: imaptest.Cut, Times: 1, Skip: r.IntN(3)}
						fast.dst.SetTraps(trap)
						fast.copy("")
						fast.dst.SetTraps()
					case 5: // a target that takes nothing today
						trap := imaptest.Trap{Command: "APPEND", Action: imaptest.No, Text: "[UNAVAILABLE] later"}
						fast.dst.SetTraps(trap)
						full.dst.SetTraps(trap)
					}
					fast.opts.Rules, full.opts.Rules = rules, rules
					was := fast.state
					a, b := fast.mustCopy(), full.mustCopy()
					fast.dst.SetTraps()
					full.dst.SetTraps()
					if !a.Unmoved && !a.InFull {
						deltas++
					}
					if !b.InFull {
						t.Fatal("the other isn't listed in full")
					}
					if x, y := fast.ledger.lines(), full.ledger.lines(); !slices.Equal(x, y) {
						t.Fatalf("the ledgers differ (%+v; in full %v):\n%s", was, a.InFull, firstDifference(x, y))
					}
					if x, y := picture(fast.to, false), picture(full.to, false); !slices.Equal(x, y) {
						t.Fatalf("the targets differ:\n%s", firstDifference(x, y))
					}
					if !a.Unmoved && (a.Listed != b.Listed || a.Elsewhere != b.Elsewhere) {
						t.Fatalf("%d messages are listed and %d elsewhere, %d and %d in full", a.Listed, a.Elsewhere, b.Listed, b.Elsewhere)
					}
				}
				if deltas < 3 {
					t.Errorf("only %d passes went by the changes", deltas)
				}
			})
		}
	}
}

// What a server says of changes isn't believed where it doesn't fit the ledger, and
// not for ever.
func TestDeltaIsNotTakenOnTrust(t *testing.T) {
	for name, spoil := range map[string]func(p *pair){
		"HIGHESTMODSEQ fell":          func(p *pair) { p.state.SrcModSeq += 1000 },
		"no HIGHESTMODSEQ before":     func(p *pair) { p.state.SrcModSeq = 0 },
		"none now":                    func(p *pair) { p.src.SetQuirks(imaptest.Quirks{Without: []string{"CONDSTORE"}}) },
		"a message that no row knows": func(p *pair) { delete(p.ledger.rows, 5) },
		"a pass that wasn't complete": func(p *pair) { p.state.Complete = false },
		"a week ago":                  func(p *pair) { p.opts.Now = func() time.Time { return time.Now().AddDate(0, 0, 8) } },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.fill(30)
			p.mustCopy()
			p.fill(1)
			if got := p.mustCopy(); got.InFull || got.Copied != 1 {
				t.Fatalf("as it is: %+v", got)
			}
			spoil(p)
			p.fill(1)
			if got := p.mustCopy(); !got.InFull || got.Listed != 32 || p.ledger.rows[5].DstUID == 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("a source that was restored and filled again", func(t *testing.T) {
		p := newPair(t)
		p.fill(30)
		last := p.from.Messages()[29]
		last.Body, _ = p.from.Body(30)
		p.to.Append(last) // so that its copy isn't the newest of the target, which is looked at too
		p.opts.Adopt = true
		p.mustCopy()
		newest := p.ledger.rows[30]
		newest.Size, newest.InternalDate = newest.Size+1000, newest.InternalDate.AddDate(0, 1, 0)
		p.ledger.rows[30] = newest
		p.fill(1)
		var back *imap.WentBackError
		if _, err := p.copy(""); !errors.As(err, &back) || back.Side != "source" {
			t.Errorf("got %v", err)
		}
	})
}

// traffic counts what goes over the connections of one side: octets, and round
// trips, each a turn from what was sent to what was received.
type traffic struct {
	mu             sync.Mutex
	sent, received int64
	trips          int
	asked          bool
}

func (c *traffic) options() imap.Options {
	return imap.Options{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return countedConn{nc, c}, err
	}}
}

func (c *traffic) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent, c.received, c.trips, c.asked = 0, 0, 0, false
}

func (c *traffic) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d round trips, %d octets sent, %d received", c.trips, c.sent, c.received)
}

type countedConn struct {
	net.Conn
	c *traffic
}

func (n countedConn) Write(p []byte) (int, error) {
	n.c.mu.Lock()
	n.c.sent, n.c.asked = n.c.sent+int64(len(p)), true
	n.c.mu.Unlock()
	return n.Conn.Write(p)
}

func (n countedConn) Read(p []byte) (int, error) {
	got, err := n.Conn.Read(p)
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.c.received += int64(got)
	if n.c.asked && got > 0 {
		n.c.trips, n.c.asked = n.c.trips+1, false
	}
	return got, err
}

// Five new messages, five that vanished and five with other flags are found among
// twenty thousand without a word about the others.
func TestDeltaOfABigFolderIsSmall(t *testing.T) {
	p := newPair(t)
	p.fill(20_000)
	p.opts.Batch = 1000
	src, dst := new(traffic), new(traffic)
	p.dialing = map[string]imap.Options{"source": src.options(), "target": dst.options()}
	p.mustCopy()
	change := func() {
		for i := range 5 {
			p.from.Append(imaptest.Message{Body: letter(30_000+i, ""), InternalDate: time.Date(2024, 1, 1, 0, 0, i, 0, time.UTC)})
			there := p.from.Messages()
			p.from.Expunge(there[3_000*i+i].UID)
			p.from.SetFlags(there[3_000*i+100].UID, `\Flagged`, fmt.Sprint("k", i))
		}
	}
	change()
	src.reset()
	got := p.mustCopy()
	if got.InFull || p.to.Len() != 20_005 || got.Copied != 5 || got.Vanished != 5 || got.Flagged != 5 || got.Listed != 20_000 {
		t.Errorf("got %+v", got)
	}
	t.Log("by what changed:", src)
	if src.trips > 9 || src.received > 8_000 {
		t.Errorf("source: %s", src)
	}
	change()
	p.opts.ListEvery = time.Nanosecond
	src.reset()
	if got := p.mustCopy(); !got.InFull || got.Copied != 5 {
		t.Errorf("got %+v", got)
	}
	t.Log("listed in full:", src)
	if src.received < 1_000_000 {
		t.Errorf("source: %s", src)
	}
}
