package imap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// until calls the copy again, as migrate does, until it is through.
func (p *pair) until(tries int) {
	p.t.Helper()
	for try := 1; ; try++ {
		_, err := p.copy("")
		if err == nil {
			return
		}
		if try == tries {
			p.t.Fatalf("not through after %d tries: %v", tries, err)
		}
	}
}

// TestCopyVanishedAndBack: a source that once lists less than it has must not
// get its messages copied twice.
func TestCopyVanishedAndBack(t *testing.T) {
	p := newPair(t)
	p.fill(20)
	p.mustCopy()
	p.src.SetQuirks(imaptest.Quirks{Window: 5})
	p.fill(1)
	p.mustCopy()
	p.src.SetQuirks(imaptest.Quirks{})
	p.fill(1)
	if tally := p.mustCopy(); tally.Copied != 1 {
		t.Errorf("once all is listed again: %+v", tally)
	}
	p.equal()
	for uid, row := range p.ledger.rows {
		if row.Fate != imap.Copied {
			t.Errorf("source UID %d is %v", uid, row.Fate)
		}
	}
}

// TestCopyMunged is a Cyrus that replaces 8-bit header octets: what it stored
// is recognised as ours, also after a lost answer, and when it is adopted.
func TestCopyMunged(t *testing.T) {
	p := newPair(t, "MULTIAPPEND", "DIGEST=SHA1")
	p.dst.SetQuirks(imaptest.Quirks{Munge: true})
	for i := range 9 {
		p.from.Append(imaptest.Message{Body: fmt.Appendf(nil, "Subject: \xe9t\xe9 %d\r\n\r\nd\xe9j\xe0 vu\r\n", i), InternalDate: time.Unix(1e9+int64(i), 0)})
	}
	p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Times: 1, Action: imaptest.Obey})
	p.until(3)
	if p.to.Len() != 9 {
		t.Fatalf("%d messages on the target, want 9", p.to.Len())
	}
	p.to.Append(imaptest.Message{Body: letter(1, "a user's"), InternalDate: time.Now()})
	p.mustCopy() // the numbers have moved: what we wrote is compared
	for _, row := range p.ledger.rows {
		if note := p.ledger.notes[row.SrcUID] + row.Note; !strings.Contains(note, imap.MungedNote) {
			t.Errorf("source UID %d is noted as %q", row.SrcUID, note)
		}
	}
	p.ledger, p.state, p.opts.Adopt = newLedger(), imap.FolderState{}, true
	if tally := p.mustCopy(); tally.Adopted != 9 || tally.Copied != 0 {
		t.Errorf("adopted anew: %+v", tally)
	}
}

// TestCopyTwinsOfOtherDates: of two messages with the same octets the target
// has the later one's copy; it is found for that one, not for the other.
func TestCopyTwinsOfOtherDates(t *testing.T) {
	for _, adopt := range []bool{false, true} {
		p := newPair(t)
		for i := range 2 {
			p.from.Append(imaptest.Message{Body: letter(1, ""), InternalDate: time.Date(2001+i, 1, 1, 0, 0, 0, 0, time.UTC)})
		}
		second := p.from.Messages()[1]
		p.to.Append(imaptest.Message{Body: letter(1, ""), InternalDate: second.InternalDate})
		if p.opts.Adopt = adopt; !adopt {
			for _, m := range p.from.Messages() {
				p.ledger.intents[m.UID] = imap.Intent{SrcUID: m.UID, DstUIDNext: 1, Size: m.Size, InternalDate: m.InternalDate, SHA1: m.SHA1, Begun: time.Now()}
			}
		}
		p.mustCopy()
		p.equal()
	}
}

// TestCopyAdoptsFlags: a message found on the target gets the flags it lacks.
func TestCopyAdoptsFlags(t *testing.T) {
	p := newPair(t)
	p.fill(8)
	for _, m := range p.from.Messages() {
		body, _ := p.from.Body(m.UID)
		p.to.Append(imaptest.Message{Body: body, InternalDate: m.InternalDate, Flags: []string{`\Flagged`}})
	}
	p.opts.Adopt = true
	if tally := p.mustCopy(); tally.Adopted != 8 {
		t.Fatalf("%+v", tally)
	}
	for i, m := range p.to.Messages() {
		for _, f := range append([]string{`\Flagged`}, p.from.Messages()[i].Flags...) {
			if !slices.Contains(m.Flags, f) {
				t.Errorf("message %d carries %v and not %s", i, m.Flags, f)
			}
		}
	}
}

// TestCopyAdoptedFolderMadeAnew: nothing is there any more of what was adopted.
func TestCopyAdoptedFolderMadeAnew(t *testing.T) {
	p := newPair(t)
	p.fill(4)
	for _, m := range p.from.Messages() {
		body, _ := p.from.Body(m.UID)
		p.to.Append(imaptest.Message{Body: body, InternalDate: m.InternalDate, Flags: m.Flags})
	}
	p.opts.Adopt = true
	p.mustCopy()
	p.dst.User(user).DeleteMailbox("Box")
	p.to = p.dst.User(user).CreateMailbox("Box", imaptest.MailboxOptions{})
	if _, err := p.copy(""); err == nil {
		t.Errorf("complete, with %d messages on the target", p.to.Len())
	}
}

// TestCopyRefusedFlags is case C22: a flag that the target doesn't take costs
// the flag, not the message and not the folder.
func TestCopyRefusedFlags(t *testing.T) {
	p := newPair(t, "MULTIAPPEND")
	p.opts.RetryDelays = []time.Duration{}
	p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		if slices.Contains(m.Flags, `\Odd`) || slices.Contains(m.Flags, "Excess") {
			return "BAD Invalid flag in Append command"
		}
		return ""
	}})
	for i, flags := range [][]string{nil, {`\Seen`, `\Odd`, "Kept"}, {"Excess"}, {"fine"}} {
		p.from.Append(imaptest.Message{Body: letter(i, ""), InternalDate: time.Unix(1e9, 0), Flags: flags})
	}
	p.mustCopy()
	if p.to.Len() != 4 {
		t.Fatalf("%d messages arrived, want 4", p.to.Len())
	}
	for _, row := range p.ledger.rows {
		if row.Fate != imap.Copied {
			t.Errorf("source UID %d is %v: %s", row.SrcUID, row.Fate, row.Reason)
		}
	}
	if note := p.ledger.rows[2].Note; !strings.Contains(note, `\Odd`) {
		t.Errorf("noted as %q", note)
	}
	if got := p.to.Messages(); !slices.ContainsFunc(got, func(m imaptest.Message) bool { return slices.Contains(m.Flags, "Kept") }) {
		t.Error("a keyword went with a flag that the target doesn't know")
	}
	uid := p.from.Messages()[0].UID
	p.from.SetFlags(uid, `\Seen`, "B\xfcro") // can't be sent
	p.mustCopy()
	if got := p.to.Messages()[0].Flags; !slices.Equal(got, []string{`\Seen`}) {
		t.Errorf("flags %q", got)
	}
	if note := p.ledger.notes[uid]; !strings.Contains(note, "B\xfcro") {
		t.Errorf("noted as %q", note)
	}
}

// TestCopyRefusedTogether: MULTIAPPEND takes all or nothing, and each message
// gets its own answer in the end.
func TestCopyRefusedTogether(t *testing.T) {
	p := newPair(t, "MULTIAPPEND", "DIGEST=SHA1")
	p.fill(40)
	var quota int
	p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		switch {
		case bytes.Contains(m.Body, []byte("letter 7\r")), bytes.Contains(m.Body, []byte("letter 19\r")):
			return "NO Message contains invalid header"
		case bytes.Contains(m.Body, []byte("letter 33\r")):
			if quota++; quota < 4 {
				return "NO Over quota"
			}
		}
		return ""
	}})
	p.until(5)
	if p.to.Len() != 38 {
		t.Errorf("%d messages arrived, want all but the two refused", p.to.Len())
	}
	if n := len(p.ledger.intents); n > 0 {
		t.Errorf("%d intents are open", n)
	}
}

// TestCopyFolderMissing: a refusal of the folder isn't one of the message, and
// is tried again by the next call.
func TestCopyFolderMissing(t *testing.T) {
	for _, words := range []string{"NO [TRYCREATE] Mailbox does not exist", "NO Rejected", "NO [SERVERBUG] Internal error"} {
		p := newPair(t)
		p.fill(3)
		p.dst.SetQuirks(imaptest.Quirks{Refuse: func(imaptest.Message) string { return words }})
		p.mustCopy()
		p.dst.SetQuirks(imaptest.Quirks{})
		p.mustCopy()
		p.equal()
	}
}

// TestCopyNoRight: who may not write has no message refused. The folder ends,
// and goes on once he may.
func TestCopyNoRight(t *testing.T) {
	for words, caps := range map[string][]string{
		"NO Permission denied": {"MULTIAPPEND", "DIGEST=SHA1"}, "NO permission denied": nil, "NO [NOPERM] not for you": nil,
	} {
		p := newPair(t, caps...)
		p.fill(300)
		p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
			if bytes.Contains(m.Body, []byte("letter 5\r")) {
				return ""
			}
			return words
		}})
		_, err := p.copy("")
		var right *imap.RightError
		if !errors.As(err, &right) || right.Mailbox == "" {
			t.Fatalf("%s: %v", words, err)
		}
		for uid, row := range p.ledger.rows {
			if row.Fate == imap.Refused {
				t.Errorf("%s: source UID %d is refused: %s", words, uid, row.Reason)
			}
		}
		if n := len(p.dst.Journal().Of("APPEND")); n > 200 {
			t.Errorf("%s: %d appends", words, n)
		}
		p.dst.SetQuirks(imaptest.Quirks{})
		p.mustCopy()
		p.equal()
	}
}

// TestCopyPoison: a message at which the target hangs up doesn't keep the
// others from arriving, and stays pending until it is taken.
func TestCopyPoison(t *testing.T) {
	for _, caps := range [][]string{nil, {"MULTIAPPEND"}} {
		p := newPair(t, caps...)
		p.fill(30)
		p.dst.SetQuirks(imaptest.Quirks{Refuse: func(m imaptest.Message) string {
			if bytes.Contains(m.Body, []byte("letter 11\r")) {
				return "CUT"
			}
			return ""
		}})
		p.until(8)
		if p.to.Len() != 29 {
			t.Errorf("%d messages arrived, want all others", p.to.Len())
		}
		row := p.ledger.rows[12]
		if row.Fate != imap.Pending || row.By != "target" || p.state.Complete {
			t.Errorf("the ledger says %v by %q: %q; complete: %v", row.Fate, row.By, row.Reason, p.state.Complete)
		}
		p.dst.SetQuirks(imaptest.Quirks{})
		p.opts.Unanswered = map[uint32]int{} // another run
		p.mustCopy()
		p.equal()
	}
}

// TestCopyUndeliverable: a message in which the source's connection always ends
// doesn't keep the others from arriving, and stays pending until it comes.
func TestCopyUndeliverable(t *testing.T) {
	p := newPair(t)
	p.fill(5)
	p.from.Append(imaptest.Message{Body: letter(5, strings.Repeat("long\r\n", 1<<16)), InternalDate: time.Unix(1e9, 0)})
	p.fill(20)
	direct := p.srcAddr
	faults := make([]imaptest.Faults, 9)
	for i := range faults {
		faults[i].Down.CutAfter = 1 << 17
	}
	proxy, err := imaptest.NewFaultProxy(t.Context(), direct, faults...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	p.srcAddr = proxy.Addr()
	p.until(8)
	if p.to.Len() != 25 {
		t.Errorf("%d messages arrived, want all others", p.to.Len())
	}
	if row := p.ledger.rows[6]; row.Fate != imap.Pending || row.By != "source" || p.state.Complete {
		t.Errorf("the ledger says %v by %q: %q; complete: %v", row.Fate, row.By, row.Reason, p.state.Complete)
	}
	p.srcAddr, p.opts.Undelivered = direct, map[uint32]int{} // another run
	p.mustCopy()
	p.equal()
}

// TestCopyIntoBusyMailbox: new mail arrives all the time, so that UIDNEXT never
// stands still, and open intents are settled all the same.
func TestCopyIntoBusyMailbox(t *testing.T) {
	p := newPair(t)
	p.fill(6)
	m := p.from.Messages()[0]
	p.ledger.intents[m.UID] = imap.Intent{SrcUID: m.UID, DstUIDNext: 1, Size: m.Size, InternalDate: m.InternalDate, SHA1: m.SHA1, Begun: time.Now()}
	p.opts.Sleep = func(ctx context.Context, d time.Duration) error {
		p.to.Append(imaptest.Message{Body: letter(p.to.Len(), "new mail"), InternalDate: time.Now()})
		time.Sleep(d / 10)
		return ctx.Err()
	}
	done := make(chan struct{})
	go func() { defer close(done); p.mustCopy() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("never settled")
	}
}

// TestCopyWhileSourceShrinks: a user empties the folder while it is copied. It
// takes no second for each message, and the next look finds the sums right.
func TestCopyWhileSourceShrinks(t *testing.T) {
	p := newPair(t)
	p.fill(60)
	p.opts.Window = 20
	all := p.from.Messages()
	p.opts.Progress = func(kind string, _ int, _ int64) {
		if kind == "copied" {
			for _, m := range all[30:] {
				p.from.Expunge(m.UID)
			}
		}
	}
	began := time.Now()
	p.mustCopy()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if tally := p.mustCopy(); tally.Listed != 30 || p.state.SrcExists != 30 {
		t.Errorf("listed %d of %d", tally.Listed, p.state.SrcExists)
	}
}

// TestCopyLyingSizes: a source that gives no sizes, or wrong ones, costs no
// more memory than the budget, and nothing else.
func TestCopyLyingSizes(t *testing.T) {
	p := newPair(t)
	p.opts.Budget = imap.NewBudget(1 << 20)
	p.opts.SpoolDir = t.TempDir()
	for i := range 12 {
		size := []string{"NIL", "0", "4294967295", "17"}[i%4]
		p.from.Append(imaptest.Message{Body: letter(i, strings.Repeat("long line\r\n", 30_000)), InternalDate: time.Unix(1e9, 0), Odd: imaptest.Odd{SizeText: size}})
	}
	p.mustCopy()
	p.equal()
}

// TestCopySparse goes through UIDs up to the last there is, and through a
// dense end after a sparse beginning.
func TestCopySparse(t *testing.T) {
	p := newPair(t)
	p.opts.Window = 10
	for i, uid := range []uint32{1, 2, 1 << 20, 1<<31 - 1, 1 << 31} {
		p.from.Append(imaptest.Message{UID: uid, Body: letter(i, ""), InternalDate: time.Unix(1e9, 0)})
	}
	for i := range 90 {
		p.from.Append(imaptest.Message{UID: 4294967200 + uint32(i), Body: letter(10+i, ""), InternalDate: time.Unix(1e9, 0)})
	}
	tally := p.mustCopy()
	if tally.Listed != 95 {
		t.Errorf("listed %d", tally.Listed)
	}
	p.equal()
}

// TestCopyStopsAtOnce: a pause is not waited out by who is asked to stop.
func TestCopyStopsAtOnce(t *testing.T) {
	p := newPair(t)
	p.fill(3)
	p.opts.RetryDelays = []time.Duration{time.Minute}
	stop := make(chan struct{})
	p.opts.Stop = stop
	p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Action: imaptest.No, Text: "unknown error: x"})
	time.AfterFunc(100*time.Millisecond, func() { close(stop) })
	began := time.Now()
	if _, err := p.copy(""); err != imap.ErrStopped {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestCopyAdoptsWhatGoesAlone: messages that are sent apart, since a session
// ended with them, are looked for on the target like all others.
func TestCopyAdoptsWhatGoesAlone(t *testing.T) {
	p := newPair(t)
	p.fill(3)
	p.mustCopy()
	p.ledger, p.state, p.opts.Adopt = newLedger(), imap.FolderState{}, true
	p.opts.Unanswered = map[uint32]int{}
	for _, m := range p.from.Messages() {
		p.opts.Unanswered[m.UID] = 1
	}
	if tally := p.mustCopy(); tally.Adopted != 3 || tally.Copied != 0 || p.to.Len() != 3 {
		t.Errorf("%+v; %d messages on the target", tally, p.to.Len())
	}
}

// TestCopyAsksForNothingParsed: no ENVELOPE, no BODYSTRUCTURE and no header
// fields are asked of either side. Servers write them wrongly, or, BlueMind 5,
// make them up.
func TestCopyAsksForNothingParsed(t *testing.T) {
	p := newPair(t)
	p.fill(20)
	p.mustCopy()
	p.fill(3)
	p.opts.Relist = true
	p.mustCopy()
	p.ledger, p.state, p.opts.Adopt = newLedger(), imap.FolderState{}, true
	p.mustCopy()
	for _, j := range []imaptest.Journal{p.src.Journal(), p.dst.Journal()} {
		if len(j.Of("UID FETCH")) == 0 {
			t.Error("nothing was fetched")
		}
		for _, e := range j {
			if strings.Contains(e.Verb, "FETCH") && (strings.Contains(e.Line, "ENVELOPE") || strings.Contains(e.Line, "BODYSTRUCTURE") || strings.Contains(e.Line, "HEADER")) {
				t.Errorf("asked: %v", e)
			}
		}
	}
}
