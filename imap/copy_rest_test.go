package imap_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// atRest asserts that a further call finds nothing to do, and sends nothing.
func (p *pair) atRest() {
	p.t.Helper()
	begun, stores := p.ledger.begun, count(p.dst, "STORE")
	if tally := p.mustCopy(); !tally.Unmoved || p.ledger.begun != begun || count(p.dst, "STORE") != stores {
		p.t.Errorf("not at rest: %+v, %d intents, %d STORE", tally, p.ledger.begun-begun, count(p.dst, "STORE")-stores)
	}
}

// lose is the loss of the state.
func (p *pair) lose() {
	p.ledger, p.state, p.opts.Adopt = newLedger(), imap.FolderState{}, true
}

// TestCopyRepairGrows: what is larger than the limit once its line ends are whole
// isn't sent, rests, and goes once the limit was raised.
func TestCopyRepairGrows(t *testing.T) {
	for _, known := range []int64{6000, 0} {
		p := newPair(t)
		limit := 6000
		p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
			if len(m.Body) > limit {
				return "NO [TOOBIG] Message size exceeds fixed limit"
			}
			return imaptest.CyrusRefusal(m)
		}})
		p.opts.Rules.MaxSize, p.opts.Rules.Repairs = known, allRepairs
		p.from.Append(imaptest.Message{Body: []byte("Subject: a\n\n" + strings.Repeat("x\n", 2900)), InternalDate: time.Unix(1e9, 0)})
		p.mustCopy()
		row := p.ledger.rows[1]
		if row.Fate != imap.Refused || !strings.HasPrefix(row.Reason, imap.ReasonTooLarge) || !strings.Contains(row.Reason, "bare newlines") {
			t.Errorf("%v: %q", row.Fate, row.Reason)
		}
		if known > 0 && (p.ledger.begun != 1 || !strings.Contains(row.Reason, "8714 bytes")) {
			t.Errorf("%d intents, %q", p.ledger.begun, row.Reason)
		}
		p.atRest()
		begun := p.ledger.begun
		p.fill(1)
		if p.mustCopy(); p.ledger.begun != begun+1 {
			t.Errorf("%d intents beside the new message's", p.ledger.begun-begun-1)
		}
		limit, p.opts.Rules.MaxSize = 20_000, 20_000
		p.mustCopy()
		p.mended(1)
		p.atRest()
	}
}

// TestCopyContentIsNoTrouble: an "unknown error" that names a defect of the message
// is its refusal, and no reason to wait and try again each time.
func TestCopyContentIsNoTrouble(t *testing.T) {
	p := newPair(t)
	sent := 0
	p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		if bytes.IndexByte(m.Body, 0) < 0 {
			return ""
		}
		sent++
		return `NO unknown error: ERROR: invalid byte sequence for encoding "UTF8": 0x00`
	}})
	p.from.Append(imaptest.Message{Body: []byte("Subject: a\x00b\r\n\r\nx\r\n"), InternalDate: time.Unix(1e9, 0)})
	if tally := p.mustCopy(); tally.Refused != 1 || sent != 1 {
		t.Errorf("%+v, sent %d times", tally, sent)
	}
	p.atRest()
	p.opts.Rules.Repairs = allRepairs
	p.mustCopy()
	p.mended(1)
}

// TestCopyEncodedWordsAreKnown: a copy with encoded words is recognised where the
// state was lost.
func TestCopyEncodedWordsAreKnown(t *testing.T) {
	p := newPair(t, "MULTIAPPEND", "DIGEST=SHA1")
	p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		if words := imaptest.CyrusRefusal(m); words != "" {
			return words
		}
		return imaptest.WithoutEightBit(m)
	}})
	p.opts.Rules.Repairs = allRepairs
	for i, body := range []string{"Subject: cr\xc3\xa8me\r\n\r\nx\r\n", "Subject: cr\xc3\xa8me\n\nx\n", "Subject: cr\xc3\xa8me : x\r\n\r\n\xe8\r\n"} {
		p.from.Append(imaptest.Message{Body: []byte(body), InternalDate: time.Unix(1e9+int64(i), 0)})
	}
	if tally := p.mustCopy(); tally.Copied != 3 {
		t.Fatalf("%+v", tally)
	}
	p.lose()
	if tally := p.mustCopy(); tally.Adopted != 3 || p.to.Len() != 3 {
		t.Errorf("after the state was lost: %+v, %d messages", tally, p.to.Len())
	}
	p.atRest()
}

// TestCopyRepairedTwin: a message has the octets that a repair makes of another,
// with the same date. That one doesn't take its copy.
func TestCopyRepairedTwin(t *testing.T) {
	when := time.Unix(1e9, 0)
	bad := imaptest.Message{Body: []byte("Subject: a\n\nx\n"), InternalDate: when}
	good := imaptest.Message{Body: []byte("Subject: a\r\n\r\nx\r\n"), InternalDate: when}
	for _, batch := range []int{1, 8} {
		for _, list := range [][]imaptest.Message{{bad, good}, {good, bad}} {
			p := newPair(t, "MULTIAPPEND", "DIGEST=SHA1")
			p.cyrus()
			p.opts.Batch = batch
			for _, m := range list {
				p.from.Append(m)
			}
			p.mustCopy()
			p.lose()
			if tally := p.mustCopy(); tally.Adopted != 1 || tally.Refused != 1 || p.to.Len() != 1 {
				t.Errorf("one refused: %+v, %d messages", tally, p.to.Len())
			}
			p.opts.Rules.Repairs = allRepairs
			if tally := p.mustCopy(); tally.Copied != 1 || p.to.Len() != 2 {
				t.Errorf("then repaired: %+v, %d messages", tally, p.to.Len())
			}
			p.lose()
			if tally := p.mustCopy(); tally.Adopted != 2 || p.to.Len() != 2 {
				t.Errorf("both there: %+v, %d messages", tally, p.to.Len())
			}
			p.atRest()
		}
	}
}

// TestCopyOtherDateRests: a copy that the target dates otherwise than we said is
// still ours, also where Cyrus has replaced octets of its header: the folder
// rests, and isn't taken for one that went back in time once a user gets mail.
func TestCopyOtherDateRests(t *testing.T) {
	wraps := func(m *imaptest.Message) { m.InternalDate = time.Unix(m.InternalDate.Unix()%(1<<32), 0) }
	earlier := func(m *imaptest.Message) { m.InternalDate = m.InternalDate.Add(-3 * time.Second) }
	for name, c := range map[string]struct {
		date   time.Time
		text   string
		alter  func(*imaptest.Message)
		misses bool // its size, as BlueMind 5 does of malformed messages
	}{
		"none":                          {text: "NIL"},
		"unreadable":                    {text: `"long ago"`},
		"beyond 32 bits":                {date: time.Date(2110, 3, 4, 5, 6, 7, 0, time.UTC), alter: wraps},
		"of an identical one":           {date: time.Unix(1e9, 0), alter: earlier},
		"of an identical one, missized": {date: time.Unix(1e9, 0), alter: earlier, misses: true},
	} {
		for _, munge := range []bool{false, true} {
			caps := []string{"MULTIAPPEND", "DIGEST=SHA1"}
			if !munge {
				caps = nil
			}
			t.Run(fmt.Sprint(name, ", munged: ", munge), func(t *testing.T) {
				p := newPair(t, caps...)
				p.dst.SetQuirks(imaptest.Quirks{Munge: munge, Alter: func(m *imaptest.Message) {
					if c.alter != nil {
						c.alter(m)
					}
					if c.misses {
						m.Odd.SizeText = "7"
					}
				}})
				p.from.Append(imaptest.Message{Body: []byte("Subject: \xe9\r\n\r\nx\r\n"), InternalDate: c.date, Odd: imaptest.Odd{DateText: c.text}})
				p.mustCopy()
				if !c.misses && (!munge || c.alter == nil || name == "beyond 32 bits") {
					p.atRest()
				}
				for range 2 {
					p.to.Append(imaptest.Message{Body: letter(1, "a user's"), InternalDate: time.Now()})
					p.mustCopy()
				}
				if row := p.ledger.rows[1]; p.to.Len() != 3 || row.Fate != imap.Copied {
					t.Errorf("%d messages, %v", p.to.Len(), row.Fate)
				}
			})
		}
	}
}

// TestCopyLateRepair: what was repaired arrives late, after it was refused under a
// policy without the repair. Its row says then what the target has.
func TestCopyLateRepair(t *testing.T) {
	for _, munge := range []bool{false, true} {
		p := newPair(t, "MULTIAPPEND", "DIGEST=SHA1")
		p.dst.SetQuirks(imaptest.Quirks{Refuse: imaptest.CyrusRefusal, Munge: munge})
		p.opts.Rules.Repairs = allRepairs
		uid := p.from.Append(imaptest.Message{Body: []byte("Subject: \xe9\n\nx\n"), InternalDate: time.Unix(1e9, 0), Flags: []string{`\Seen`}})
		p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Skip: 1, Times: 1, Action: imaptest.Cut})
		if _, err := p.copy(""); err == nil {
			t.Fatal("nothing was cut")
		}
		p.opts.Rules.Repairs = imap.Repairs{}
		src, dst, err := p.dial("")
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		defer dst.Close()
		books := func(_, dst uint32) imap.Ledger { return memView{p.ledger, dst} }
		next, tally, err := imap.CopyMailbox(t.Context(), src, dst, books, p.state, p.opts)
		if err != nil || tally.Refused != 1 {
			t.Fatalf("%+v, %v", tally, err)
		}
		late := "Subject: \xe9\r\n\r\nx\r\n"
		if munge {
			late = "Subject: X\r\n\r\nx\r\n"
		}
		p.to.Append(imaptest.Message{Body: []byte(late), InternalDate: time.Unix(1e9, 0)})
		if _, err := imap.FinalLook(t.Context(), dst, books(0, next.DstUIDValidity), next.DstUIDValidity, p.opts); err != nil {
			t.Fatal(err)
		}
		p.state = next
		row := p.ledger.rows[uid]
		if row.Fate != imap.Copied || row.Sent == nil || row.Sent.Size != int64(len(late)) || !munge && row.Sent.SHA256 != sha256.Sum256([]byte(late)) {
			t.Errorf("%+v", row)
		}
		if note := p.ledger.notes[uid]; !strings.Contains(note, imap.RepairedNote) || strings.Contains(note, imap.MungedNote) != munge {
			t.Errorf("noted as %q", note)
		}
		p.to.Append(imaptest.Message{Body: letter(1, "a user's"), InternalDate: time.Now()})
		if tally := p.mustCopy(); tally.Copied+tally.Adopted+tally.Refused > 0 || p.to.Len() != 2 {
			t.Errorf("and then %+v, %d messages", tally, p.to.Len())
		}
	}
}
