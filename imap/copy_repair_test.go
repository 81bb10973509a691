package imap_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// cyrus makes the target refuse what Cyrus does.
func (p *pair) cyrus() {
	p.dst.SetQuirks(imaptest.Quirks{Refuse: imaptest.CyrusRefusal})
}

// malformed puts the twelve malformed messages among sound ones, and gives
// their UIDs.
func (p *pair) malformed() (uids []uint32) {
	for i, a := range imaptest.Awkward() {
		p.from.Append(imaptest.Message{Body: letter(i, "before"), InternalDate: time.Unix(1e9+int64(i), 0)})
		uids = append(uids, p.from.Append(a.Message))
		p.from.Append(imaptest.Message{Body: letter(i, "after"), InternalDate: time.Unix(1.1e9+int64(i), 0)})
	}
	return uids
}

var allRepairs = imap.Repairs{BareLF: true, NUL: true, Header: true, Date: true}

// mended asserts that a message arrived repaired, and that its row says how.
func (p *pair) mended(uid uint32) {
	p.t.Helper()
	row := p.ledger.rows[uid]
	if row.Fate != imap.Copied || !strings.Contains(row.Note, imap.RepairedNote) {
		p.t.Errorf("UID %d is %v, %q, noted as %q", uid, row.Fate, row.Reason, row.Note)
		return
	}
	was, _ := p.from.Body(uid)
	is, ok := p.to.Body(row.DstUID)
	if row.SHA1 != sha1.Sum(was) || row.Size != int64(len(was)) {
		p.t.Errorf("UID %d: the row's hash isn't the source's", uid)
	}
	if sent := row.Sent; ok && !bytes.Equal(was, is) && (sent == nil || sent.SHA1 != sha1.Sum(is) || sent.Size != int64(len(is))) {
		p.t.Errorf("UID %d: the row doesn't say what the target has: %+v", uid, sent)
	}
	if words := imaptest.CyrusRefusal(imaptest.Message{Body: is}); !ok || words != "" {
		p.t.Errorf("UID %d: there is %q: %s", uid, is, words)
	}
}

// TestCopyMalformed is case C16 for the engine: without repairs each malformed
// message is refused in the target's words and costs no other; with them it
// arrives, also after the policy had not allowed it before, and in none of these
// does anything happen twice.
func TestCopyMalformed(t *testing.T) {
	for name, caps := range map[string][]string{"one by one": nil, "together": {"MULTIAPPEND", "DIGEST=SHA1"}} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, caps...)
			p.cyrus()
			uids := p.malformed()
			if tally := p.mustCopy(); tally.Refused != 12 || tally.Copied != 24 {
				t.Fatalf("without repairs: %+v", tally)
			}
			for i, a := range imaptest.Awkward() {
				if row := p.ledger.rows[uids[i]]; row.Fate != imap.Refused || row.Reason != a.Refusal || row.By != "target" {
					t.Errorf("%s is %v by %s: %q", a.Name, row.Fate, row.By, row.Reason)
				}
			}
			begun := p.ledger.begun
			if tally := p.mustCopy(); tally.Refused != 0 || p.ledger.begun != begun {
				t.Errorf("again without repairs: %+v", tally)
			}
			p.opts.Rules.Repairs = allRepairs
			if tally := p.mustCopy(); tally.Copied != 12 || p.ledger.begun != begun+24 {
				t.Errorf("with repairs: %+v, %d intents", tally, p.ledger.begun-begun)
			}
			for _, uid := range uids {
				p.mended(uid)
			}
			if len(p.ledger.doubts) > 0 {
				t.Errorf("doubts about what was refused by name: %v", p.ledger.doubts)
			}
			if tally := p.mustCopy(); tally.Copied+tally.Adopted+tally.Refused != 0 || p.to.Len() != 36 {
				t.Errorf("once more: %+v, %d messages", tally, p.to.Len())
			}
		})
	}
}

// TestCopyRepairedIsKnown: the repaired copy is known by its own octets after a
// lost answer, after the state was lost, and by a target that counts.
func TestCopyRepairedIsKnown(t *testing.T) {
	for _, munges := range []bool{false, true} {
		p := newPair(t, "MULTIAPPEND", "DIGEST=SHA1")
		p.opts.Rules.Repairs = allRepairs
		sent := 0
		p.dst.SetQuirks(imaptest.Quirks{Munge: munges, Refuse: imaptest.CyrusRefusal})
		p.from.Append(imaptest.Message{Body: []byte("Subject: \xe9t\xe9\n\nbare\n"), InternalDate: time.Unix(1e9, 0), Flags: []string{"Kept"}})
		p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Skip: 1, Times: 1, Action: imaptest.Obey})
		p.until(3)
		if p.to.Len() != 1 || sent != 0 {
			t.Fatalf("%d copies after a lost answer", p.to.Len())
		}
		row := p.ledger.rows[1]
		if row.Sent == nil || !strings.Contains(row.Note, imap.RepairedNote+"bare_lf") || munges != strings.Contains(row.Note, imap.MungedNote) {
			t.Errorf("settled as %+v", row)
		}
		p.to.Append(imaptest.Message{Body: letter(1, "a user's"), InternalDate: time.Now()})
		p.mustCopy() // what we wrote is compared
		for _, policy := range []imap.Repairs{allRepairs, {}} {
			p.ledger, p.state, p.opts.Adopt, p.opts.Rules.Repairs = newLedger(), imap.FolderState{}, true, policy
			if tally := p.mustCopy(); tally.Adopted != 1 || p.to.Len() != 2 {
				t.Fatalf("after the state was lost: %+v, %d messages", tally, p.to.Len())
			}
			if row := p.ledger.rows[1]; row.Fate != imap.Present || row.Sent == nil || !strings.Contains(row.Note, imap.RepairedNote) {
				t.Errorf("adopted as %+v", row)
			}
			if tally := p.mustCopy(); tally.Adopted+tally.Copied != 0 {
				t.Errorf("adopted, and then %+v", tally)
			}
		}
	}
}

// TestCopyRepairCut: cut anywhere, and gone on with, each message is there once.
func TestCopyRepairCut(t *testing.T) {
	for skip := range 9 {
		for _, action := range []imaptest.Action{imaptest.Obey, imaptest.Cut} {
			p := newPair(t, "MULTIAPPEND")
			p.cyrus()
			p.opts.Rules.Repairs = allRepairs
			p.opts.Batch = 3
			uids := p.malformed()
			p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Skip: 2 * skip, Times: 1, Action: action})
			p.until(3)
			if p.to.Len() != p.from.Len() {
				t.Fatalf("%d messages of %d, cut at the %d. APPEND", p.to.Len(), p.from.Len(), 2*skip+1)
			}
			for _, uid := range uids {
				p.mended(uid)
			}
		}
	}
}

// TestCopyRepairInVain: what is refused repaired too is refused in both words,
// and not tried each time; a further repair mends it.
func TestCopyRepairInVain(t *testing.T) {
	p := newPair(t)
	p.cyrus()
	uid := p.from.Append(imaptest.Message{Body: []byte("Subject: a\r\n\r\na\x00b\nc\r\n"), InternalDate: time.Unix(1e9, 0)})
	p.opts.Rules.Repairs = imap.Repairs{NUL: true}
	p.mustCopy()
	row := p.ledger.rows[uid]
	if row.Fate != imap.Refused || !strings.Contains(row.Reason, "NUL characters") || !strings.Contains(row.Reason, "bare newlines") || row.Sent != nil || row.Note != "" {
		t.Fatalf("%+v", row)
	}
	begun := p.ledger.begun
	p.fill(1)
	if p.mustCopy(); p.ledger.begun != begun+1 {
		t.Errorf("tried again: %d intents", p.ledger.begun-begun)
	}
	p.opts.Rules.Repairs.BareLF = true
	p.mustCopy()
	p.mended(uid)
	if body, _ := p.to.Body(p.ledger.rows[uid].DstUID); string(body) != "Subject: a\r\n\r\nab\r\nc\r\n" {
		t.Errorf("arrived as %q", body)
	}
}

// TestCopyEightBitHeader: encoded words only where the target takes nothing else.
func TestCopyEightBitHeader(t *testing.T) {
	p := newPair(t)
	p.opts.Rules.Repairs = imap.Repairs{Header: true}
	p.from.Append(imaptest.Message{Body: []byte("Subject: caf\xc3\xa9\r\n\r\nx\r\n"), InternalDate: time.Unix(1e9, 0)})
	p.mustCopy()
	p.equal()
	p.dst.SetQuirks(imaptest.Quirks{Refuse: imaptest.WithoutEightBit})
	uid := p.from.Append(imaptest.Message{Body: []byte("Subject: cr\xc3\xa8me\r\n\r\nx\r\n"), InternalDate: time.Unix(1e9, 0)})
	p.mustCopy()
	if body, _ := p.to.Body(p.ledger.rows[uid].DstUID); string(body) != "Subject: =?utf-8?q?cr=C3=A8me?=\r\n\r\nx\r\n" {
		t.Errorf("arrived as %q, %+v", body, p.ledger.rows[uid])
	}
}

// TestCopyLimitRaised is what a run costs once a limit is raised: the refused
// messages, and nothing for the others.
func TestCopyLimitRaised(t *testing.T) {
	for name, refuse := range map[string]func(imaptest.Message) string{"known before": nil,
		"said by the target": func(m imaptest.Message) string {
			if len(m.Body) > 5000 {
				return "NO [TOOBIG] Message size exceeds fixed limit"
			}
			return ""
		}} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.fill(30)
			for i := range 3 {
				p.from.Append(imaptest.Message{Body: letter(100+i, strings.Repeat("y", 9000+i)), InternalDate: time.Unix(1e9+int64(i), 0)})
			}
			if p.opts.Rules.MaxSize = 4000; refuse != nil {
				p.opts.Rules.MaxSize = 8000
				p.dst.SetQuirks(imaptest.Quirks{Refuse: refuse})
			}
			if tally := p.mustCopy(); tally.Copied != 30 || tally.Refused != 3 {
				t.Fatalf("%+v", tally)
			}
			begun := p.ledger.begun
			if tally := p.mustCopy(); !tally.Unmoved || p.ledger.begun != begun {
				t.Errorf("with the limit as it was: %+v", tally)
			}
			p.dst.SetQuirks(imaptest.Quirks{})
			p.opts.Rules.MaxSize = 20_000
			before, fetched := p.ledger.begun, count(p.src, "FETCH")
			if tally := p.mustCopy(); tally.Copied != 3 || tally.Refused != 0 || p.ledger.begun != before+3 {
				t.Errorf("with a higher limit: %+v, %d intents", tally, p.ledger.begun-before)
			}
			if n := count(p.src, "FETCH") - fetched; n > 5 {
				t.Errorf("%d FETCH, want what changed, what is new, the refused ones, their sizes and their bodies", n)
			}
			p.equal()
		})
	}
}

// TestCopyQuarantine: what is refused is kept once, with the source's octets; a
// fault of the disk ends the call, loses nothing, and is mended by the next.
func TestCopyQuarantine(t *testing.T) {
	p := newPair(t, "MULTIAPPEND")
	p.cyrus()
	uids := p.malformed()
	large := p.from.Append(imaptest.Message{Body: letter(1, strings.Repeat("z", 20_000)), InternalDate: time.Unix(1e9, 0)})
	p.opts.Rules.MaxSize = 10_000
	if tally := p.mustCopy(); tally.Refused != 13 {
		t.Fatalf("%+v", tally)
	}
	kept, full := map[uint32]string{}, true
	p.opts.Rules.Quarantine = true
	p.opts.Quarantine = func(_ context.Context, o imap.Outcome, body io.ReaderAt, size int64) (string, error) {
		if full && len(kept) == 5 {
			return "", errors.New("no space left on device")
		}
		if kept[o.SrcUID] != "" {
			t.Errorf("UID %d is kept twice", o.SrcUID)
		}
		octets, err := io.ReadAll(io.NewSectionReader(body, 0, size))
		kept[o.SrcUID] = o.Reason + string(octets)
		return imap.QuarantineNote + fmt.Sprint(o.SrcUID), err
	}
	var fault *imap.QuarantineError
	if _, err := p.copy(""); !errors.As(err, &fault) {
		t.Fatalf("a full disk gives %v", err)
	}
	for _, uid := range uids {
		if row := p.ledger.rows[uid]; row.Fate != imap.Refused || strings.Contains(row.Note, imap.QuarantineNote) != (kept[uid] != "") {
			t.Errorf("after the fault UID %d is %v, noted as %q", uid, row.Fate, row.Note)
		}
	}
	full = false
	p.mustCopy()
	begun := p.ledger.begun
	if p.mustCopy(); p.ledger.begun != begun {
		t.Error("tried again though all is kept")
	}
	for _, uid := range append(uids, large) {
		was, _ := p.from.Body(uid)
		if !strings.HasSuffix(kept[uid], string(was)) || kept[uid] == string(was) {
			t.Errorf("UID %d is kept as %.60q", uid, kept[uid])
		}
	}
	if got := p.to.Len(); got != 24 || slices.Max(uids) == 0 {
		t.Errorf("%d messages arrived", got)
	}
}

// count is how many commands of a verb a server has got.
func count(srv *imaptest.Server, verb string) (n int) {
	for _, e := range srv.Journal() {
		if strings.HasSuffix(e.Verb, verb) {
			n++
		}
	}
	return n
}

// TestCopyKeywordsFull: once a folder takes no further keyword, the messages
// that bring one go without, at once, and no more of them are refused.
func TestCopyKeywordsFull(t *testing.T) {
	p := newPair(t, "MULTIAPPEND")
	p.opts.RetryDelays = []time.Duration{time.Hour} // nobody waits for a keyword
	refused := 0
	p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		if slices.ContainsFunc(m.Flags, func(f string) bool { return strings.HasPrefix(f, "key") }) {
			refused++
			return "NO Too many user flags in mailbox"
		}
		return ""
	}})
	for i := range 100 {
		flags := []string{`\Seen`, "old"}
		if i > 20 {
			flags = append(flags, fmt.Sprintf("key%d", i))
		}
		p.from.Append(imaptest.Message{Body: letter(i, ""), InternalDate: time.Unix(1e9+int64(i), 0), Flags: flags})
	}
	p.mustCopy()
	p.equal() // STORE takes here what APPEND doesn't
	if refused > 30 {
		t.Errorf("%d messages were refused", refused)
	}
	if len(p.ledger.doubts) > 0 || count(p.src, "FETCH") > 20 {
		t.Errorf("%d doubts, %d FETCH", len(p.ledger.doubts), count(p.src, "FETCH"))
	}
	if tally := p.mustCopy(); tally.Flagged+tally.Copied != 0 {
		t.Errorf("again: %+v", tally)
	}
}
