package imap_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// followed are two folders of a pair whose copies follow the source, and what a
// caller keeps of them.
type followed struct {
	*pair
	boxes  []string
	source map[string]*imaptest.Mailbox
	target map[string]*imaptest.Mailbox
	ledger map[string]*memLedger
	state  map[string]imap.FolderState
	marks  map[string]map[uint32]string // folder, source UID → due, left
	kill   *killer
	looks  int // folders that were gone through
}

// killer ends a run at its nth call, before or after it is carried out.
type killer struct {
	mu    sync.Mutex
	left  int
	after bool
}

func (k *killer) call(do func() error) error {
	k.mu.Lock()
	k.left--
	now := k.left == 0
	k.mu.Unlock()
	if now && !k.after {
		return errKilled
	}
	err := do()
	if now && err == nil {
		err = errKilled
	}
	return err
}

type killLedger struct {
	imap.Ledger
	k   *killer
	due map[uint32]string
}

// Claims leaves out what we removed, as the real one does.
func (l *killLedger) Claims(ctx context.Context, first uint32, limit int) ([]imap.Claim, error) {
	list, err := l.Ledger.Claims(ctx, first, 1<<20)
	list = slices.DeleteFunc(list, func(c imap.Claim) bool { return c.Gone && l.due[c.SrcUID] == "due" })
	return list[:min(limit, len(list))], err
}

func (l *killLedger) Begin(ctx context.Context, batch []imap.Intent) error {
	return l.k.call(func() error { return l.Ledger.Begin(ctx, batch) })
}

func (l *killLedger) Record(ctx context.Context, batch []imap.Outcome) error {
	return l.k.call(func() error { return l.Ledger.Record(ctx, batch) })
}

func (l *killLedger) Vanish(ctx context.Context, uids []uint32) error {
	return l.k.call(func() error { return l.Ledger.Vanish(ctx, uids) })
}

func (l *killLedger) Flagged(ctx context.Context, changes []imap.FlagChange) error {
	return l.k.call(func() error { return l.Ledger.Flagged(ctx, changes) })
}

func (l *killLedger) AddDoubts(ctx context.Context, batch []imap.Doubt) error {
	return l.k.call(func() error { return l.Ledger.AddDoubts(ctx, batch) })
}

func newFollowed(t *testing.T, caps ...string) *followed {
	f := &followed{pair: newPair(t, caps...), boxes: []string{"Box", "Other"}, source: map[string]*imaptest.Mailbox{}, target: map[string]*imaptest.Mailbox{},
		ledger: map[string]*memLedger{}, state: map[string]imap.FolderState{}, marks: map[string]map[uint32]string{}, kill: &killer{}}
	for _, box := range f.boxes {
		f.source[box], f.target[box] = f.from, f.to
		if box != "Box" {
			f.source[box] = f.src.User(user).CreateMailbox(box, imaptest.MailboxOptions{})
			f.target[box] = f.dst.User(user).CreateMailbox(box, imaptest.MailboxOptions{})
		}
		f.ledger[box], f.marks[box] = newLedger(), map[uint32]string{}
	}
	return f
}

func (f *followed) options(box string) imap.CopyOptions {
	o := f.opts
	o.Source, o.Target = box, box
	return o
}

func (f *followed) books(box string) imap.Books {
	return func(uint32, uint32) imap.Ledger { return &killLedger{f.ledger[box], f.kill, f.marks[box]} }
}

// open are the rows that have vanished and are marked so.
func (f *followed) open(box, mark string) (list []imap.Departed) {
	for _, o := range sorted(f.ledger[box].rows) {
		if o.Fate == imap.Vanished && o.DstUID != 0 && f.marks[box][o.SrcUID] == mark && !(mark == "due" && f.ledger[box].gone[o.SrcUID]) {
			list = append(list, imap.Departed{Mailbox: box, DstUIDValidity: f.target[box].UIDValidity(), DstUID: o.DstUID, Size: o.Size, InternalDate: o.InternalDate,
				Flags: o.Flags, SHA1: o.SHA1, Note: f.ledger[box].notes[o.SrcUID], Gone: f.ledger[box].gone[o.SrcUID], Due: mark == "due",
				Folder: int64(slices.Index(f.boxes, box)), SrcUID: o.SrcUID})
		}
	}
	return list
}

func (f *followed) mark(list []imap.Departed, mark string) error {
	return f.kill.call(func() error {
		for _, d := range list {
			f.marks[f.boxes[d.Folder]][d.SrcUID] = mark
		}
		return nil
	})
}

func (f *followed) followed(_ context.Context, list []imap.Followed) error {
	for _, x := range list {
		mark := "left"
		if x.How == imap.DepartedMoved {
			mark = "due"
		}
		if err := f.mark([]imap.Departed{x.Departed}, mark); err != nil {
			return err
		}
	}
	return nil
}

// run is one run over both folders.
func (f *followed) run(ctx context.Context) error {
	src, dst, err := f.dial("")
	if err != nil {
		return err
	}
	defer src.Close()
	defer dst.Close()
	pass := func(box string, o imap.CopyOptions) (imap.Tally, error) {
		state := f.state[box]
		if state.DstMaxUID = max(state.DstMaxUID, f.ledger[box].maxUID()); state.DstMaxUID > 0 && state.DstUIDValidity == 0 {
			state.DstUIDValidity = f.target[box].UIDValidity()
		}
		next, tally, err := imap.CopyMailbox(ctx, src, dst, f.books(box), state, o)
		if err == nil && !tally.Waits {
			f.state[box] = next
		}
		return tally, err
	}
	waits := map[string]bool{}
	for _, box := range f.boxes {
		o := f.options(box)
		o.Departures = true
		tally, err := pass(box, o)
		if err != nil {
			return err
		}
		waits[box] = tally.Waits
	}
	pool := imap.NewPool(5000)
	for _, box := range f.boxes {
		for _, d := range f.open(box, "") {
			pool.Add(d)
		}
	}
	for _, box := range f.boxes {
		if !waits[box] {
			continue
		}
		f.looks++
		o := f.options(box)
		o.Pool, o.Followed = pool, f.followed
		if _, err := pass(box, o); err != nil {
			return err
		}
		if _, err := imap.FinalLook(ctx, dst, f.ledger[box], f.target[box].UIDValidity(), o); err != nil {
			return err
		}
	}
	for _, box := range f.boxes {
		if err := f.mark(f.open(box, ""), "due"); err != nil {
			return err
		}
		err := imap.Remove(ctx, dst, f.open(box, "due"), func(_ context.Context, r imap.Removal) error {
			if err := f.followed(ctx, r.Touched); err != nil {
				return err
			}
			return f.kill.call(func() error {
				for _, d := range r.Removed {
					f.ledger[box].gone[d.SrcUID] = true
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *followed) mustRun() {
	f.t.Helper()
	if err := f.run(f.t.Context()); err != nil {
		f.t.Fatalf("run: %v", err)
	}
}

// equal compares both sides; of octets that the target munges, dates and flags.
func (f *followed) equal(munges bool) {
	f.t.Helper()
	for _, box := range f.boxes {
		want, got := picture(f.source[box], true), picture(f.target[box], false)
		for _, lines := range [][]string{want, got} {
			for i, line := range lines {
				if munges {
					_, lines[i], _ = strings.Cut(line, " ")
				}
			}
			slices.Sort(lines)
		}
		if !slices.Equal(want, got) {
			f.t.Errorf("%s: source and target differ: %d and %d messages\n%s", box, len(want), len(got), firstDifference(want, got))
		}
	}
}

func (f *followed) appends() int { return len(f.dst.Journal().Of("APPEND")) }

// TestFollowKilled ends a run before and after each call of the ledger while
// messages were moved, one was flagged on its way, and others deleted. Called
// again, it ends with each message once, and has uploaded none.
func TestFollowKilled(t *testing.T) {
	for name, set := range map[string]struct {
		caps   string
		quirks imaptest.Quirks
	}{
		"plain":           {},
		"with digests":    {caps: "DIGEST=SHA1"},
		"without COPYUID": {quirks: imaptest.Quirks{HideCopyUID: true}},
		"munging":         {caps: "DIGEST=SHA1 MULTIAPPEND", quirks: imaptest.Quirks{Munge: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n < 100; n++ {
				for _, after := range []bool{false, true} {
					if killedFollowing(t, n, after, strings.Fields(set.caps), set.quirks) {
						continue
					}
					if n < 8 {
						t.Errorf("a run makes %d calls", n)
					}
					return
				}
			}
		})
	}
}

// killedFollowing does it for one call, and says whether there was one.
func killedFollowing(t *testing.T, n int, after bool, caps []string, quirks imaptest.Quirks) (met bool) {
	f := newFollowed(t, caps...)
	f.opts.StandStill = 5 * time.Millisecond
	f.dst.SetQuirks(quirks)
	f.fill(12)
	f.from.Append(imaptest.Message{Body: []byte("Subject: d\xe9j\xe0\r\n\r\nvu\r\n"), InternalDate: time.Unix(1e9, 0)})
	f.from.Append(imaptest.Message{Body: letter(3, ""), InternalDate: time.Unix(1.2e9, 0)}) // a twin of another date
	f.mustRun()
	appends := f.appends()
	var uids []uint32
	for _, m := range f.from.Messages() {
		uids = append(uids, m.UID)
	}
	other := f.source["Other"]
	f.from.Move(other, uids[2], uids[3], uids[4], uids[12], uids[13])
	other.SetFlags(other.Messages()[1].UID, `\Flagged`, "$Label1")
	f.from.Expunge(uids[7], uids[9])
	f.kill.left, f.kill.after = n, after
	err := f.run(t.Context())
	met = f.kill.left <= 0
	if f.kill.left = 0; met != (err != nil) {
		t.Fatalf("call %d: %v", n, err)
	}
	f.mustRun()
	f.equal(quirks.Munge)
	if f.appends() != appends {
		t.Errorf("%d messages were uploaded", f.appends()-appends)
	}
	if f.target["Box"].Len() != 7 || f.target["Other"].Len() != 5 {
		t.Errorf("the target holds %d and %d messages", f.target["Box"].Len(), f.target["Other"].Len())
	}
	for _, e := range f.dst.Journal() {
		if e.Verb == "EXPUNGE" || e.Verb == "CLOSE" {
			t.Errorf("sent %s", e.Verb)
		}
	}
	f.mustRun()
	if looks := f.looks; true {
		f.mustRun()
		if f.looks > looks {
			t.Error("an idle folder is gone through")
		}
	}
	if t.Failed() {
		t.Fatalf("killed at call %d, after it: %v", n, after)
	}
	return met
}

// TestFollowManyMoves: 1,200 messages are moved by a few commands.
func TestFollowManyMoves(t *testing.T) {
	f := newFollowed(t, "MULTIAPPEND")
	f.opts.Batch = 200
	f.fill(1200)
	f.mustRun()
	sent := len(f.dst.Journal())
	var uids []uint32
	for _, m := range f.from.Messages() {
		uids = append(uids, m.UID)
	}
	f.from.Move(f.source["Other"], uids...)
	f.mustRun()
	f.equal(false)
	if n := len(f.dst.Journal()) - sent; n > 60 {
		t.Errorf("%d commands", n)
	}
	if n := len(f.dst.Journal().Of("UID COPY")); n != 3 {
		t.Errorf("%d UID COPY", n)
	}
}

// TestFollowTouchedMeanwhile: a copy that is changed between the UID COPY and its
// removal stays, and so does one whose UID has become another message's.
func TestFollowTouchedMeanwhile(t *testing.T) {
	f := newFollowed(t)
	f.fill(10)
	f.mustRun()
	rows := f.ledger["Box"].rows
	var list []imap.Departed
	for _, m := range f.from.Messages()[:3] {
		o := rows[m.UID]
		list = append(list, imap.Departed{Mailbox: "Box", DstUIDValidity: f.to.UIDValidity(), DstUID: o.DstUID, Size: o.Size, InternalDate: o.InternalDate,
			Flags: o.Flags, SHA1: o.SHA1, Due: true, SrcUID: m.UID})
	}
	f.to.SetFlags(list[0].DstUID, append(slices.Clone(list[0].Flags), `\Answered`, `\Deleted`)...)
	list[1].Size, list[1].InternalDate = 7, time.Unix(7, 0)
	other := list[2]
	other.DstUIDValidity++
	_, dst, err := f.dial("")
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	var got imap.Removal
	keep := func(_ context.Context, r imap.Removal) error { got = r; return nil }
	if err := imap.Remove(t.Context(), dst, list, keep); err != nil {
		t.Fatal(err)
	}
	if len(got.Removed) != 1 || got.Removed[0].DstUID != list[2].DstUID || len(got.Touched) != 2 || f.to.Len() != 9 {
		t.Errorf("%+v; %d are left", got, f.to.Len())
	}
	for _, x := range got.Touched {
		if x.Note == "" || x.How != imap.DepartedTouched {
			t.Errorf("%+v", x)
		}
	}
	got = imap.Removal{}
	if err := imap.Remove(t.Context(), dst, []imap.Departed{other}, keep); err != nil || len(got.Removed)+len(got.Touched) > 0 {
		t.Errorf("under another UIDVALIDITY: %+v, %v", got, err)
	}
	if n := len(f.dst.Journal().Of("EXPUNGE")); n > 0 {
		t.Errorf("sent %d EXPUNGE", n)
	}
}
