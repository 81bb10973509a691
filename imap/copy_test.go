package imap_test

import (
	"cmp"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// memLedger is a ledger in memory that survives what a process would not: the
// copy under test is cut and called again over the same one.
type memLedger struct {
	mu      sync.Mutex
	rows    map[uint32]imap.Outcome
	gone    map[uint32]bool
	notes   map[uint32]string
	intents map[uint32]imap.Intent
	doubts  map[uint32]imap.Doubt
	under   map[uint32]uint32 // intents → UIDVALIDITY of the target
	begun   int
}

func newLedger() *memLedger {
	return &memLedger{rows: map[uint32]imap.Outcome{}, gone: map[uint32]bool{}, notes: map[uint32]string{},
		intents: map[uint32]imap.Intent{}, doubts: map[uint32]imap.Doubt{}, under: map[uint32]uint32{}}
}

func sorted[V any](m map[uint32]V) []V {
	var out []V
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

func (l *memLedger) locked() func() { l.mu.Lock(); return l.mu.Unlock }

func (l *memLedger) Known(_ context.Context, first, last uint32) ([]imap.Known, error) {
	defer l.locked()()
	var out []imap.Known
	for _, o := range sorted(l.rows) {
		if o.SrcUID >= first && o.SrcUID <= last {
			out = append(out, imap.Known{SrcUID: o.SrcUID, DstUID: o.DstUID, Size: o.Size, InternalDate: o.InternalDate, Flags: o.Flags,
				SHA1: o.SHA1, Fate: o.Fate, Reason: o.Reason, By: o.By, Note: o.Note + l.notes[o.SrcUID], DateText: o.DateText, DstGone: l.gone[o.SrcUID]})
		}
	}
	return out, nil
}

func (l *memLedger) Return(_ context.Context, uids []uint32) error {
	defer l.locked()()
	for _, uid := range uids {
		if o := l.rows[uid]; o.Fate == imap.Vanished && o.DstUID > 0 {
			o.Fate = imap.Copied
			l.rows[uid] = o
		}
	}
	return nil
}

func (l *memLedger) Claims(_ context.Context, first uint32, limit int) ([]imap.Claim, error) {
	defer l.locked()()
	var out []imap.Claim
	for _, o := range l.rows {
		if o.DstUID >= first && o.DstUID > 0 && (o.Fate.OnTarget() || o.Fate == imap.Vanished) {
			sum, size := o.SHA1, o.Size
			if o.Sent != nil {
				sum, size = o.Sent.SHA1, o.Sent.Size
			}
			out = append(out, imap.Claim{SrcUID: o.SrcUID, DstUID: o.DstUID, Size: size, InternalDate: o.InternalDate, SHA1: sum,
				Flags: o.Flags, Gone: l.gone[o.SrcUID], Fate: o.Fate})
		}
	}
	slices.SortFunc(out, func(a, b imap.Claim) int { return cmp.Compare(a.DstUID, b.DstUID) })
	return out[:min(limit, len(out))], nil
}

func (l *memLedger) Begin(_ context.Context, batch []imap.Intent) error {
	defer l.locked()()
	for _, in := range batch {
		if o, ok := l.rows[in.SrcUID]; ok && o.Fate.OnTarget() {
			return fmt.Errorf("intent for UID %d, which is on the target", in.SrcUID)
		}
		l.intents[in.SrcUID] = in
		l.begun++
	}
	return nil
}

func (l *memLedger) Record(_ context.Context, batch []imap.Outcome) error {
	defer l.locked()()
	for _, o := range batch {
		if _, doubted := l.doubts[o.SrcUID]; o.Fate == imap.Copied && !o.Gone && l.intents[o.SrcUID].SrcUID == 0 && !doubted {
			return fmt.Errorf("UID %d copied without an intent", o.SrcUID)
		}
		delete(l.intents, o.SrcUID)
		l.rows[o.SrcUID] = o
		l.gone[o.SrcUID] = o.Gone
	}
	return nil
}

func (l *memLedger) Open(context.Context) ([]imap.Intent, error) {
	defer l.locked()()
	return sorted(l.intents), nil
}

func (l *memLedger) Vanish(_ context.Context, uids []uint32) error {
	defer l.locked()()
	for _, uid := range uids {
		o := l.rows[uid]
		o.Fate = imap.Vanished
		l.rows[uid] = o
	}
	return nil
}

func (l *memLedger) Flagged(_ context.Context, changes []imap.FlagChange) error {
	defer l.locked()()
	for _, c := range changes {
		o := l.rows[c.SrcUID]
		o.Flags = c.Now
		l.rows[c.SrcUID] = o
	}
	return nil
}

func (l *memLedger) Repoint(_ context.Context, src, dst uint32, sent *imap.Sent) error {
	defer l.locked()()
	o := l.rows[src]
	o.DstUID, o.Fate, o.Reason, o.By = dst, imap.Copied, "", ""
	if sent != nil {
		o.Sent = sent
	}
	l.rows[src] = o
	return nil
}

func (l *memLedger) Annotate(_ context.Context, notes map[uint32]string) error {
	defer l.locked()()
	maps.Copy(l.notes, notes)
	return nil
}

func (l *memLedger) Gone(_ context.Context, uids []uint32) error {
	defer l.locked()()
	for _, uid := range uids {
		l.gone[uid] = true
	}
	return nil
}

func (l *memLedger) Doubts(context.Context) ([]imap.Doubt, error) {
	defer l.locked()()
	return sorted(l.doubts), nil
}

func (l *memLedger) AddDoubts(_ context.Context, batch []imap.Doubt) error {
	defer l.locked()()
	for _, d := range batch {
		l.doubts[d.SrcUID] = d
	}
	return nil
}

func (l *memLedger) ClearDoubts(_ context.Context, uids []uint32) error {
	defer l.locked()()
	for _, uid := range uids {
		delete(l.doubts, uid)
	}
	return nil
}

func (l *memLedger) Former(context.Context) ([]uint32, bool, error) { return nil, false, nil }

func (l *memLedger) Carry(context.Context, uint32, []imap.Carried) error {
	return errors.New("this ledger knows one UIDVALIDITY of the source")
}

func (l *memLedger) Readdress(context.Context, []imap.Readdressed) error {
	return errors.New("this ledger knows one UIDVALIDITY of the target")
}

// memView is a memLedger under one UIDVALIDITY of the target.
type memView struct {
	*memLedger
	dstValidity uint32
}

func (v memView) Claims(ctx context.Context, first uint32, limit int) ([]imap.Claim, error) {
	list, err := v.memLedger.Claims(ctx, first, 1<<30)
	defer v.locked()()
	list = slices.DeleteFunc(list, func(cl imap.Claim) bool { return v.rows[cl.SrcUID].DstUIDValidity != v.dstValidity })
	return list[:min(limit, len(list))], err
}

func (v memView) Open(ctx context.Context) ([]imap.Intent, error) {
	list, err := v.memLedger.Open(ctx)
	defer v.locked()()
	return slices.DeleteFunc(list, func(in imap.Intent) bool { return v.under[in.SrcUID] != v.dstValidity }), err
}

func (v memView) Begin(ctx context.Context, batch []imap.Intent) error {
	for _, in := range batch {
		v.under[in.SrcUID] = v.dstValidity
	}
	return v.memLedger.Begin(ctx, batch)
}

func (v memView) Readdress(_ context.Context, rows []imap.Readdressed) error {
	defer v.locked()()
	for _, r := range rows {
		o := v.rows[r.SrcUID]
		o.DstUIDValidity, o.DstUID = v.dstValidity, r.DstUID
		v.rows[r.SrcUID] = o
	}
	return nil
}

func (v memView) Repoint(ctx context.Context, src, dst uint32, sent *imap.Sent) error {
	err := v.memLedger.Repoint(ctx, src, dst, sent)
	defer v.locked()()
	o := v.rows[src]
	o.DstUIDValidity = v.dstValidity
	v.rows[src] = o
	return err
}

// maxUID is the highest target UID that the rows claim.
func (l *memLedger) maxUID() (uid uint32) {
	defer l.locked()()
	for _, o := range l.rows {
		if o.Fate.OnTarget() {
			uid = max(uid, o.DstUID)
		}
	}
	return uid
}

// pair is a source and a target server with one user each.
type pair struct {
	t        *testing.T
	src, dst *imaptest.Server
	from, to *imaptest.Mailbox
	srcAddr  string
	enter    imap.Credentials // of the source; empty: user's
	dstAddr  string
	dialing  map[string]imap.Options // by "source" and "target"
	ledger   *memLedger
	state    imap.FolderState
	opts     imap.CopyOptions
}

const user = "ada@example.org"

// newPair makes both servers; caps are announced by the target beyond the usual.
func newPair(t *testing.T, caps ...string) *pair {
	t.Helper()
	p := &pair{t: t, ledger: newLedger()}
	start := func(caps ...string) (*imaptest.Server, *imaptest.Mailbox, string) {
		srv, err := imaptest.NewServer(imaptest.Options{Capabilities: append(imaptest.DefaultCapabilities(), caps...)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { srv.Close() })
		mb := srv.AddUser(user, "secret").CreateMailbox("Box", imaptest.MailboxOptions{})
		addr, err := srv.Listen(t.Context(), imaptest.Plain, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return srv, mb, addr
	}
	p.src, p.from, p.srcAddr = start()
	p.dst, p.to, p.dstAddr = start(caps...)
	p.opts = imap.CopyOptions{Source: "Box", Target: "Box", Unanswered: map[uint32]int{}, Undelivered: map[uint32]int{}, StandStill: 20 * time.Millisecond, RetryDelays: []time.Duration{time.Millisecond},
		Batch: 8}
	return p
}

// dial opens both sessions, the target's through addr if it isn't empty.
func (p *pair) dial(addr string) (*imap.Source, *imap.Target, error) {
	src, err := imap.DialSource(p.t.Context(), imap.Server{Addr: p.srcAddr, Security: imap.Plaintext}, cmp.Or(p.enter, imap.Credentials{Login: user, Secret: "secret"}), p.dialing["source"])
	if err != nil {
		return nil, nil, err
	}
	dst, err := imap.DialTarget(p.t.Context(), imap.Server{Addr: cmp.Or(addr, p.dstAddr), Security: imap.Plaintext}, imap.Token{Address: user, Secret: "secret"}, p.dialing["target"])
	if err != nil {
		src.Close()
		return nil, nil, err
	}
	return src, dst, nil
}

// copy calls CopyMailbox once over fresh sessions.
func (p *pair) copy(addr string) (imap.Tally, error) {
	p.t.Helper()
	src, dst, err := p.dial(addr)
	if err != nil {
		return imap.Tally{}, err
	}
	defer src.Close()
	defer dst.Close()
	state := p.state
	state.DstMaxUID = p.ledger.maxUID()
	if state.DstMaxUID > 0 && state.DstUIDValidity == 0 {
		state.DstUIDValidity = p.to.UIDValidity() // the rows say so in the real ledger
	}
	books := func(_, dst uint32) imap.Ledger { return memView{p.ledger, dst} }
	next, tally, err := imap.CopyMailbox(p.t.Context(), src, dst, books, state, p.opts)
	if err != nil {
		return tally, err
	}
	if _, err := imap.FinalLook(p.t.Context(), dst, p.ledger, next.DstUIDValidity, p.opts); err != nil {
		return tally, err
	}
	p.state = next
	return tally, nil
}

func (p *pair) mustCopy() imap.Tally {
	p.t.Helper()
	tally, err := p.copy("")
	if err != nil {
		p.t.Fatalf("copy: %v", err)
	}
	return tally
}

// picture is what a mailbox holds, each message in one line, sorted; it shares
// no code with the copy.
func picture(mb *imaptest.Mailbox, skipDeleted bool) []string {
	var lines []string
	for _, m := range mb.Messages() {
		if skipDeleted && slices.Contains(m.Flags, `\Deleted`) {
			continue
		}
		flags := slices.Clone(m.Flags)
		slices.Sort(flags)
		body, _ := mb.Body(m.UID)
		lines = append(lines, fmt.Sprintf("%x %d %v", sha1.Sum(body), m.InternalDate.Unix(), flags))
	}
	slices.Sort(lines)
	return lines
}

func (p *pair) equal() {
	p.t.Helper()
	want, got := picture(p.from, true), picture(p.to, false)
	if !slices.Equal(want, got) {
		p.t.Errorf("source and target differ: %d and %d messages\n%s", len(want), len(got), firstDifference(want, got))
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] + "\n" + b[i]
		}
	}
	return ""
}

func letter(n int, extra string) []byte {
	return []byte(fmt.Sprintf("Message-ID: <%d@x>\r\nSubject: letter %d\r\n\r\n%s%s\r\n", n, n, extra, strings.Repeat("x", n%97)))
}

func (p *pair) fill(n int) {
	for i := range n {
		flags := [][]string{nil, {`\Seen`}, {`\Answered`, "$Forwarded"}, {"MixedCase"}}[i%4]
		p.from.Append(imaptest.Message{Body: letter(i, ""), Flags: flags, InternalDate: time.Date(2001+i%20, 3, 4, 5, 6, i%60, 0, time.FixedZone("", 3600*(i%7)))})
	}
}

func TestCopyMailbox(t *testing.T) {
	p := newPair(t)
	for _, f := range imaptest.NewCorpus(imaptest.CorpusOptions{Seed: 7, Messages: 150}).Folders {
		for _, m := range f.Messages {
			p.from.Append(m)
		}
	}
	first := p.mustCopy()
	p.equal()
	if first.Excluded == 0 {
		t.Error("no message with \\Deleted was excluded; the corpus has some")
	}
	before := p.ledger.begun
	again := p.mustCopy()
	if !again.Unmoved || p.ledger.begun != before {
		t.Errorf("the second pass: %+v, %d new intents", again, p.ledger.begun-before)
	}
	if writes := p.src.Journal().Writes(); len(writes) > 0 {
		t.Errorf("the source saw %v", writes)
	}
	if len(p.ledger.notes) > 0 {
		t.Errorf("notes %v", p.ledger.notes)
	}
}

// TestCopyCut cuts the connection to the target after every so many octets, in
// both directions, and calls again until the copy is through.
func TestCopyCut(t *testing.T) {
	for _, side := range []string{"answers", "commands"} {
		for octets := int64(400); octets < 9000; octets += 397 {
			t.Run(fmt.Sprintf("%s after %d", side, octets), func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				p.fill(23)
				fault := imaptest.Faults{}
				if side == "answers" {
					fault.Down.CutAfter = octets
				} else {
					fault.Up.CutAfter = octets
				}
				proxy, err := imaptest.NewFaultProxy(t.Context(), p.dstAddr, fault, fault, imaptest.Faults{})
				if err != nil {
					t.Fatal(err)
				}
				defer proxy.Close()
				for try := 0; ; try++ {
					_, err := p.copy(proxy.Addr())
					if err == nil {
						break
					}
					if try > 5 {
						t.Fatalf("never through: %v", err)
					}
				}
				p.equal()
			})
		}
	}
}

// TestCopyAnswerLost is case C1: the message is stored and the answer never
// comes, ten times in a row.
func TestCopyAnswerLost(t *testing.T) {
	p := newPair(t)
	p.fill(10)
	p.dst.SetTraps(imaptest.Trap{Command: "APPEND", Times: 10, Action: imaptest.Obey})
	for try := 0; ; try++ {
		if _, err := p.copy(""); err == nil {
			break
		} else if try > 12 {
			t.Fatal(err)
		}
	}
	p.equal()
}

func TestCopyFollowsTheSource(t *testing.T) {
	p := newPair(t)
	p.fill(12)
	p.mustCopy()
	uids := p.from.Messages()
	p.from.SetFlags(uids[0].UID, `\Seen`, `\Flagged`, "Later")
	p.from.SetFlags(uids[2].UID)
	p.to.SetFlags(p.to.Messages()[4].UID, `\Answered`) // a user of the target
	p.fill(1)
	p.from.Expunge(uids[5].UID)
	tally := p.mustCopy()
	if tally.Copied != 1 || tally.Flagged != 2 || tally.Vanished != 1 {
		t.Errorf("the delta was %+v", tally)
	}
	got := p.to.Messages()
	if !slices.Contains(got[0].Flags, "Later") || !slices.Contains(got[0].Flags, `\Flagged`) {
		t.Errorf("new flags did not follow: %v", got[0].Flags)
	}
	if len(got[2].Flags) != 0 {
		t.Errorf("flags taken away stayed: %v", got[2].Flags)
	}
	if !slices.Contains(got[4].Flags, `\Answered`) {
		t.Errorf("a flag that a user of the target set was undone: %v", got[4].Flags)
	}
	if len(got) != 13 {
		t.Errorf("%d messages on the target, want 13: deletions at the source are not followed here", len(got))
	}
}

// TestCopySourceRenumbered is case C26: UIDVALIDITY changed at the source.
func TestCopySourceRenumbered(t *testing.T) {
	p := newPair(t)
	p.fill(9)
	p.from.Append(imaptest.Message{Body: letter(3, ""), InternalDate: time.Unix(1e9, 0)}) // a true duplicate
	p.mustCopy()
	p.from.SetUIDValidity(p.from.UIDValidity() + 1)
	p.from.Renumber(500)
	p.ledger = newLedger() // rows of the old UIDVALIDITY claim nothing
	tally := p.mustCopy()
	if tally.Adopted != 10 || tally.Copied != 0 {
		t.Errorf("after renumbering: %+v", tally)
	}
	p.equal()
}

func TestCopyWentBack(t *testing.T) {
	tests := []struct {
		name string
		do   func(p *pair)
		side string
	}{
		{"target emptied and its UIDs start again", func(p *pair) {
			p.dst.User(user).DeleteMailbox("Box")
			p.to = p.dst.User(user).CreateMailbox("Box", imaptest.MailboxOptions{UIDValidity: p.state.DstUIDValidity})
		}, "target"},
		{"target restored and filled up with other mail", func(p *pair) {
			p.dst.User(user).DeleteMailbox("Box")
			p.to = p.dst.User(user).CreateMailbox("Box", imaptest.MailboxOptions{UIDValidity: p.state.DstUIDValidity})
			for i := range 40 {
				p.to.Append(imaptest.Message{Body: letter(900+i, "other"), InternalDate: time.Unix(1.2e9, 0)})
			}
		}, "target"},
		{"target restored and filled up to the very UIDs that we wrote", func(p *pair) { p.replaceNewest(15) }, "target"},
		{"the same, and new mail at the source", func(p *pair) {
			p.replaceNewest(15)
			p.fill(1)
		}, "target"},
		{"target folder made anew, and empty", func(p *pair) { p.remake(nil) }, "target"},
		{"target folder made anew, and another account's", func(p *pair) {
			p.remake(nil)
			for i := range 30 {
				p.to.Append(imaptest.Message{Body: letter(900+i, "another"), InternalDate: time.Unix(1.2e9, 0)})
			}
		}, "target"},
		{"target folder made anew, with half of ours", func(p *pair) {
			p.remake(func(i int) bool { return i%2 == 0 })
		}, "target"},
		{"most messages gone from the target", func(p *pair) {
			p.fill(30)
			p.mustCopy()
			for i, m := range p.to.Messages() {
				if i%2 == 0 {
					p.to.Expunge(m.UID)
				}
			}
		}, "target"},
		{"source restored", func(p *pair) {
			v := p.from.UIDValidity()
			p.src.User(user).DeleteMailbox("Box")
			p.from = p.src.User(user).CreateMailbox("Box", imaptest.MailboxOptions{UIDValidity: v})
			p.fill(3)
		}, "source"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t)
			p.fill(30)
			p.mustCopy()
			test.do(p)
			before := p.to.Len()
			_, err := p.copy("")
			var back *imap.WentBackError
			if !errors.As(err, &back) || back.Side != test.side {
				t.Fatalf("got %v, want a %s that went back", err, test.side)
			}
			if p.to.Len() != before {
				t.Errorf("%d messages were written", p.to.Len()-before)
			}
		})
	}
}

// replaceNewest puts the target back to before its newest n messages, with its
// UIDVALIDITY, and lets it take in n others under their UIDs.
func (p *pair) replaceNewest(n int) {
	kept := p.from.Len() - n
	p.dst.User(user).DeleteMailbox("Box")
	p.to = p.dst.User(user).CreateMailbox("Box", imaptest.MailboxOptions{UIDValidity: p.state.DstUIDValidity})
	from := p.from
	p.from = p.to
	p.fill(kept) // as the source was filled
	p.from = from
	for i := range n {
		p.to.Append(imaptest.Message{Body: letter(900+i, "another"), InternalDate: time.Unix(1.2e9, 0)})
	}
}

// TestCopyDeletedOnTarget is case C29: what users of the target deleted is not
// resurrected.
func TestCopyDeletedOnTarget(t *testing.T) {
	p := newPair(t)
	p.fill(30)
	p.mustCopy()
	p.to.Expunge(p.to.Messages()[3].UID, p.to.Messages()[9].UID)
	p.fill(1)
	tally := p.mustCopy()
	if tally.Copied != 1 || p.to.Len() != 29 {
		t.Errorf("%+v; %d messages on the target, want 29", tally, p.to.Len())
	}
}

// TestCopyOddSource goes through sources that answer in odd ways.
func TestCopyOddSource(t *testing.T) {
	tests := map[string]imaptest.Quirks{
		"UID after the body":     {UIDAfterBody: true},
		"answers in two parts":   {SplitFetch: true},
		"unsolicited flags":      {UnsolicitedFlags: true},
		"expunge while fetching": {ExpungeAtFetch: 7},
	}
	for name, quirks := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.fill(20)
			p.src.SetQuirks(quirks)
			p.mustCopy()
			p.src.SetQuirks(imaptest.Quirks{})
			p.mustCopy()
			p.equal()
		})
	}
}

// TestCopyUndelivered is case C15: one message that the source never delivers.
func TestCopyUndelivered(t *testing.T) {
	p := newPair(t)
	p.fill(5)
	uid := p.from.Append(imaptest.Message{Body: letter(77, ""), InternalDate: time.Unix(1e9, 0), Odd: imaptest.Odd{FetchNo: "[UNAVAILABLE] try later"}})
	p.fill(5)
	p.opts.Sleep = func(context.Context, time.Duration) error { return nil }
	p.mustCopy()
	row := p.ledger.rows[uid]
	if row.Fate != imap.Refused || row.By != "source" || !strings.Contains(row.Reason, "try later") {
		t.Errorf("the ledger says %v by %q: %q", row.Fate, row.By, row.Reason)
	}
	if p.to.Len() != 10 {
		t.Errorf("%d messages arrived, want the 10 others", p.to.Len())
	}
}

// TestCopyDates is case C23: odd dates arrive as they are, where the target can
// hold them.
func TestCopyDates(t *testing.T) {
	p := newPair(t)
	india := time.FixedZone("", 5*3600+1800)
	dates := []time.Time{
		time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(2099, 12, 31, 23, 59, 59, 0, india), time.Date(2005, 3, 4, 1, 2, 3, 0, india),
		time.Date(2040, 1, 2, 3, 4, 5, 0, time.FixedZone("", -9*3600)), time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC),
	}
	for i, d := range dates {
		p.from.Append(imaptest.Message{Body: letter(i, ""), InternalDate: d})
	}
	wrapped := p.from.Append(imaptest.Message{Body: letter(50, ""), InternalDate: time.Unix(-14182940, 0).Add(1 << 32 * time.Second).UTC()})
	received := p.from.Append(imaptest.Message{Odd: imaptest.Odd{DateText: "00-Jan-0000 00:00:00 +0000"},
		Body: []byte("Received: by x; Tue, 5 Mar 2002 10:11:12 +0100\r\nReceived: by y; Mon, 4 Mar 2002 01:01:01 +0000\r\nDate: Mon, 4 Mar 2002 00:00:00 +0000\r\n\r\nx\r\n")})
	p.mustCopy()
	got := p.to.Messages()
	for i, d := range dates {
		if !got[i].InternalDate.Equal(d) {
			t.Errorf("%v arrived as %v", d, got[i].InternalDate)
		}
		_, want := d.Zone()
		if _, zone := got[i].InternalDate.Zone(); zone != want {
			t.Errorf("zone %d arrived as %d", want, zone)
		}
	}
	if d := got[5].InternalDate; d.Year() != 1969 || p.ledger.rows[wrapped].Note == "" {
		t.Errorf("a wrapped 1969 arrived as %v, noted as %q", d, p.ledger.rows[wrapped].Note)
	}
	if d := got[6].InternalDate; d.Unix() != time.Date(2002, 3, 5, 9, 11, 12, 0, time.UTC).Unix() || p.ledger.rows[received].Note == "" {
		t.Errorf("a message without a date arrived as of %v, noted as %q", d, p.ledger.rows[received].Note)
	}
}

// TestCompareOtherMessage: a UID that was copied and is another message now
// says that the source went back in time; one odd number alone doesn't.
func TestCompareOtherMessage(t *testing.T) {
	when := time.Unix(1.3e9, 0)
	known := []imap.Known{{SrcUID: 7, DstUID: 3, Size: 100, InternalDate: when, Fate: imap.Copied}}
	tests := map[string]struct {
		size int64
		date time.Time
		want int
	}{
		"the same":                {100, when, 0},
		"in another zone":         {100, when.In(time.FixedZone("", 3600)), 0},
		"size miscounted":         {98, when, 0},
		"size not told":           {-1, when.Add(time.Hour), 0},
		"date unreadable":         {98, time.Time{}, 0},
		"date wrapped at 32 bits": {98, when.Add(1 << 32 * time.Second), 0},
		"date changed":            {100, when.Add(time.Hour), 0},
		"another size and date":   {98, when.Add(time.Hour), 1},
	}
	for name, test := range tests {
		d := imap.Compare([]imap.Message{{UID: 7, Size: test.size, InternalDate: test.date}}, known, imap.Rules{})
		if len(d.Others) != test.want {
			t.Errorf("%s: %d others, want %d", name, len(d.Others), test.want)
		}
	}
}
