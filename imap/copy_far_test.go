package imap_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// TestCopyFar: round trips overlap, of reading as of writing, by MULTIAPPEND as
// by APPEND; the second pass is one of them. No more is ever open than can be
// settled.
func TestCopyFar(t *testing.T) {
	for _, caps := range [][]string{{"MULTIAPPEND", "DIGEST=SHA1"}, nil} {
		t.Run(strings.Join(caps, " "), func(t *testing.T) {
			testFar(t, caps, func(t *testing.T, p *farPair) {
				p.fill(3000)
				p.opts.Window = 2000
				took, tally, err := p.took()
				if err != nil || tally.Copied != 3000 {
					t.Fatalf("%+v, %v", tally, err)
				}
				p.equal()
				if took > 40*2*far { // 3000 in batches of 16 are 188 round trips
					t.Errorf("took %v", took)
				}

				if most := 16 * p.opts.Batch; p.open < most/2 || p.open > most {
					t.Errorf("%d intents were open together", p.open)
				}
				took, tally, err = p.took()
				if err != nil || !tally.Unmoved || took != 2*far {
					t.Errorf("second pass: %v, %+v, %v", took, tally, err)
				}
			})
		})
	}
}

// TestCopyNear: a server that is slow and near has no more under way than two
// batches.
func TestCopyNear(t *testing.T) {
	testFar(t, []string{"MULTIAPPEND"}, func(t *testing.T, p *farPair) {
		p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Action: imaptest.Delay, Wait: 40 * far})
		p.fill(600)
		if _, _, err := p.took(); err != nil {
			t.Fatal(err)
		}
		p.equal()
		if most := 3 * p.opts.Batch; p.open > most {
			t.Errorf("%d intents were open together", p.open)
		}
	})
}

// TestCopyFarOctets: large messages are bounded by their octets.
func TestCopyFarOctets(t *testing.T) {
	testFar(t, []string{"MULTIAPPEND"}, func(t *testing.T, p *farPair) {
		p.opts.BatchBytes = 64 << 10
		for i := range 400 {
			p.from.Append(imaptest.Message{Body: letter(i, strings.Repeat("long line\r\n", 800)), InternalDate: time.Unix(1e9, 0)})
		}
		if _, _, err := p.took(); err != nil {
			t.Fatal(err)
		}
		p.equal()
		if most := 4 * 64 << 10 / (8 << 10); p.open > most {
			t.Errorf("%d messages of 9 kB were open together", p.open)
		}
		for i := range 20 {
			p.from.Append(imaptest.Message{Body: letter(1000+i, strings.Repeat("long line\r\n", 8000)), InternalDate: time.Unix(1e9, 0)})
		}
		p.open, p.opts.BatchBytes = 0, 16<<10
		if _, _, err := p.took(); err != nil {
			t.Fatal(err)
		}
		p.equal()
		if p.open != 2 { // whatever they hold
			t.Errorf("%d messages of 88 kB were open together", p.open)
		}
	})
}

// TestCopyFarFaults strikes each batch of a window in turn, in each way, with
// the batches behind it on their way: called again, everything is there once.
func TestCopyFarFaults(t *testing.T) {
	for _, caps := range []string{"MULTIAPPEND DIGEST=SHA1", ""} {
		commands := 160
		if caps != "" {
			commands = 160/16 + 1
		}
		for name, action := range map[string]imaptest.Action{"answer lost": imaptest.Obey, "cut": imaptest.Cut, "bye": imaptest.Bye, "refused": imaptest.No} {
			t.Run(name+" "+caps, func(t *testing.T) {
				for k := 0; k < commands; k += max(commands/8, 1) {
					testFar(t, strings.Fields(caps), func(t *testing.T, p *farPair) {
						p.fill(160)
						p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Skip: k, Times: 1, Action: action, Text: "unknown error: x"})
						p.through(6)
						p.equal()
					})
				}
			})
		}
	}
}

// through copies until there is no error, and nothing open.
func (p *farPair) through(tries int) {
	p.t.Helper()
	for try := 1; ; try++ {
		_, _, err := p.took()
		if err == nil {
			break
		}
		if try == tries {
			p.t.Fatalf("not through after %d tries: %v", tries, err)
		}
	}
	if n := len(p.ledger.intents) + len(p.ledger.doubts); n > 0 {
		p.t.Errorf("%d intents and doubts are open", n)
	}
}

// TestCopyFarRefusals: messages refused in the middle of a window cost neither
// those sent together with them nor those behind, nor a pause of all.
func TestCopyFarRefusals(t *testing.T) {
	testFar(t, []string{"MULTIAPPEND"}, func(t *testing.T, p *farPair) {
		p.fill(2000)
		p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
			if bytes.Contains(m.Body[:min(60, len(m.Body))], []byte("77\r")) {
				return "NO Message contains invalid header"
			}
			return ""
		}})
		took, _, err := p.took()
		if err != nil {
			t.Fatal(err)
		}
		if p.to.Len() != 1980 {
			t.Errorf("%d messages arrived, want all but 20", p.to.Len())
		}
		for uid, row := range p.ledger.rows {
			if want := uid%100 == 78; (row.Fate == imap.Refused) != want || want && !strings.Contains(row.Reason, "invalid header") {
				t.Errorf("source UID %d is %v: %s", uid, row.Fate, row.Reason)
			}
		}
		if took > 60*2*far { // 20 times four halvings, one after the other, would be 80 round trips more
			t.Errorf("took %v", took)
		}
		if n := len(p.ledger.intents); n > 0 {
			t.Errorf("%d intents are open", n)
		}
	})
}

// TestCopyFarQuota: the target is full in the middle of a window. What fits is
// there, what was refused is known to be absent without a search, and nothing is
// twice once there is space.
func TestCopyFarQuota(t *testing.T) {
	for _, caps := range []string{"MULTIAPPEND DIGEST=SHA1", ""} {
		for words, want := range map[string]error{"NO Over quota": new(imap.QuotaError), "NO Permission denied": new(imap.RightError)} {
			t.Run(words+" "+caps, func(t *testing.T) {
				testFar(t, strings.Fields(caps), func(t *testing.T, p *farPair) {
					p.fill(1500)
					p.dst.SetQuirks(imaptest.Quirks{Refuse: func(imaptest.Message) string {
						if p.to.Len() >= 607 {
							return words
						}
						return ""
					}})
					_, _, err := p.took()
					if fmt.Sprintf("%T", unwrapped(err)) != fmt.Sprintf("%T", want) {
						t.Fatalf("got %v", err)
					}
					if n := len(p.ledger.intents); n > 0 {
						t.Errorf("%d intents are open", n)
					}
					if n := p.to.Len(); n < 607-p.opts.Batch {
						t.Errorf("%d messages arrived", n)
					}
					// What was under way, and the halves of one batch.
					if n := len(p.dst.Journal().Of("APPEND")); caps != "" && n > 607/16+16+2*6 {
						t.Errorf("%d commands", n)
					}
					p.dst.SetQuirks(imaptest.Quirks{})
					p.through(1)
					p.equal()
				})
			})
		}
	}
}

func unwrapped(err error) error {
	var quota *imap.QuotaError
	var right *imap.RightError
	switch {
	case errors.As(err, &quota):
		return quota
	case errors.As(err, &right):
		return right
	}
	return err
}

// TestCopyFarLateCommits cuts the connection with many batches on their way, which
// the target goes on executing for as long as it takes: the next call waits for
// them, and nothing is sent twice.
func TestCopyFarLateCommits(t *testing.T) {
	for caps, each := range map[string]time.Duration{"MULTIAPPEND DIGEST=SHA1": 900 * time.Millisecond, "": 60 * time.Millisecond} {
		t.Run(caps, func(t *testing.T) {
			testFar(t, strings.Fields(caps), func(t *testing.T, p *farPair) {
				p.fill(2000)
				p.begun = func(open int) {
					if open < 10*p.opts.Batch {
						return
					}
					p.begun = nil
					p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Action: imaptest.Delay, Wait: each})
					time.AfterFunc(far+time.Millisecond, func() { p.cut("target") }) // once they have arrived
				}
				if _, _, err := p.took(); err == nil {
					t.Fatal("not cut")
				}
				if open := len(p.ledger.intents); open < 10*p.opts.Batch {
					t.Errorf("only %d intents were open at the cut", open)
				}
				p.through(1)
				p.equal()
				if twice := p.ledger.begun - 2000; twice > 0 {
					t.Errorf("%d messages were sent twice", twice)
				}
			})
		})
	}
}

// TestCopyFarStopped: what is in flight is waited for, and no more.
func TestCopyFarStopped(t *testing.T) {
	testFar(t, []string{"MULTIAPPEND"}, func(t *testing.T, p *farPair) {
		p.fill(3000)
		stop := make(chan struct{})
		p.opts.Stop = stop
		var at time.Time
		sent, begun := 0, 0
		p.opts.Progress = func(kind string, n int, _ int64) {
			if kind == "copied" {
				if sent += n; at.IsZero() && sent > 600 {
					at, begun = time.Now(), p.ledger.begun
					close(stop)
				}
			}
		}
		_, tally, err := p.took()
		if err != imap.ErrStopped {
			t.Fatalf("got %v", err)
		}
		if waited := time.Since(at); waited > 3*2*far || // two for LOGOUT
			p.ledger.begun > begun {
			t.Errorf("took %v to stop, with %d more messages", waited, p.ledger.begun-begun)
		}
		if n := len(p.ledger.intents); n > 0 || tally.Copied != p.to.Len() {
			t.Errorf("%d intents are open; %d copied, %d there", n, tally.Copied, p.to.Len())
		}
		p.opts.Stop = nil
		p.through(1)
		p.equal()
	})
}

// TestCopyFarPoison: a message at which the target hangs up is found among all
// that were on their way, without sending each of them alone.
func TestCopyFarPoison(t *testing.T) {
	for _, caps := range []string{"MULTIAPPEND", ""} {
		testFar(t, strings.Fields(caps), func(t *testing.T, p *farPair) {
			p.fill(2000)
			p.opts.Batch = 64
			p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
				if bytes.Contains(m.Body, []byte("letter 1511\r")) {
					return "CUT"
				}
				return ""
			}})
			began := time.Now()
			p.through(5)
			if p.to.Len() != 1999 {
				t.Errorf("%d messages arrived, want all others", p.to.Len())
			}
			if took := time.Since(began) - 4*p.opts.StandStill; took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if row := p.ledger.rows[1512]; row.Fate != imap.Pending || row.By != "target" || p.state.Complete {
				t.Errorf("the ledger says %v by %q: %q; complete: %v", row.Fate, row.By, row.Reason, p.state.Complete)
			}
		})
	}
}
