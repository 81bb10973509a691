package imap

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"time"
)

// restless is how many times StandStill a folder is waited for that never
// stands still, since its users get mail: what was under way when a connection
// broke is long done then.
const restless = 12

// standStill waits until the mailbox's UIDNEXT has not moved for the stated
// time. A server goes on executing what it had received before a connection
// broke: one look is no proof of absence. since is when the connection was known
// to be broken, at the latest.
func (c *copier) standStill(ctx context.Context, since time.Time) error {
	var last Status
	need, began := c.opts.StandStill, c.opts.Now()
	moved := began
	if age := moved.Sub(since); age > 4*need {
		need = 0 // whatever was under way then has ended long ago
	}
	for first := true; ; first = false {
		st, err := c.dst.Status(ctx, c.opts.Target)
		if err != nil {
			return fmt.Errorf("settle %q: %w", c.opts.Target, err)
		}
		now := c.opts.Now()
		if !first && (st.UIDNext != last.UIDNext || st.Messages != last.Messages) {
			moved = now
		}
		last = st
		if now.Sub(moved) >= need || now.Sub(began) >= restless*need {
			return nil
		}
		if c.opts.stopped() {
			return ErrStopped
		}
		if err := c.opts.Sleep(ctx, min(need/8+50*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// settle closes the intents that an earlier run or session left open: those
// found on the target are recorded as copied, the others become pending again
// and are remembered as doubts. Those of a former UIDVALIDITY of the source are
// settled before their messages are matched with those listed now.
func (c *copier) settle(ctx context.Context) error {
	lists, n := map[Ledger][]Intent{}, 0
	for _, l := range c.ledgers() {
		open, err := l.Open(ctx)
		if err != nil {
			return err
		}
		lists[l], n = open, n+len(open)
	}
	if n == 0 {
		return nil
	}
	c.wrote = true // by what is still under way
	c.opts.event("settle", n)
	// When they were begun says nothing: a slow target may have had them in its
	// queue for long when, a moment ago, the process was killed.
	if err := c.standStill(ctx, c.opts.Now()); err != nil {
		return err
	}
	for _, l := range c.ledgers() {
		open := lists[l]
		if len(open) == 0 {
			continue
		}
		first, sizes := open[0].DstUIDNext, map[int64]bool{}
		for _, in := range open {
			_, size := in.sent()
			first, sizes[size] = min(first, in.DstUIDNext), true
		}
		free, err := c.unclaimed(ctx, first, sizes)
		if err != nil {
			return err
		}
		if err := c.conclude(ctx, l, open, free); err != nil {
			return err
		}
	}
	return nil
}

// conclude records what became of a ledger's open intents: which of them are
// among the messages of the target that no row claims.
func (c *copier) conclude(ctx context.Context, l Ledger, open []Intent, free *contents) error {
	if len(open) == 0 {
		return nil
	}
	list := make([]wanted, len(open))
	for i, in := range open {
		sum, _ := in.sent()
		list[i] = wanted{sha1: sum, munged: in.Munged, first: in.DstUIDNext, date: in.InternalDate}
	}
	var found, absent []Outcome
	var doubts []Doubt
	for i, m := range free.assign(list, nil) {
		in := open[i]
		sum, size := in.sent()
		o := Outcome{SrcUID: in.SrcUID, Size: in.Size, InternalDate: in.InternalDate, DateText: in.DateText, Flags: in.Flags, SHA1: in.SHA1, SHA256: in.SHA256}
		if m.UID != 0 {
			o.Fate, o.DstUID, o.DstUIDValidity, o.Sent, o.Note = Copied, m.UID, c.dstValidity, in.Sent, in.Note
			if m.SHA1 != sum {
				o.Note = join(o.Note, mungedNote(m.SHA1))
			}
			found = append(found, o)
			continue
		}
		o.Fate = Pending
		absent = append(absent, o)
		doubts = append(doubts, Doubt{SrcUID: in.SrcUID, DstUIDNext: in.DstUIDNext, Size: size, InternalDate: in.InternalDate, SHA1: sum, Munged: in.Munged, Since: c.opts.Now()})
	}
	// Doubts first: were they lost, a late commit would stay unseen.
	if err := l.AddDoubts(ctx, doubts); err != nil {
		return err
	}
	c.tally.Settled += len(found)
	return l.Record(ctx, append(found, absent...))
}

// claimPage is how many claims are in memory at a time.
const claimPage = 10_000

// claims goes through the present ledger's claims from target UID first on.
func (c *copier) claims(ctx context.Context, first uint32, each func(page []Claim) error) error {
	return eachClaim(ctx, c.ledger, first, each)
}

// FinalLook is law 5's last look at a mailbox, to be made once nothing of
// this account is in flight: where a message that was appended again has
// arrived twice after all, or more often, the copy whose UID we recorded is
// removed, its SHA-1 proven, and the row points to the other. It gives how many
// it removed. Doubts are cleared when it returns without an error.
func FinalLook(ctx context.Context, dst *Target, ledger Ledger, dstValidity uint32, o CopyOptions) (removed int, err error) {
	c := &copier{dst: dst, ledger: ledger, opts: o.withDefaults(), dstValidity: dstValidity}
	doubts, err := ledger.Doubts(ctx)
	if err != nil || len(doubts) == 0 {
		return 0, err
	}
	first, since := doubts[0].DstUIDNext, doubts[0].Since
	sizes, list, uids := map[int64]bool{}, make([]wanted, len(doubts)), make([]uint32, len(doubts))
	for i, d := range doubts {
		first = min(first, d.DstUIDNext)
		if d.Since.After(since) {
			since = d.Since
		}
		sizes[d.Size] = true
		list[i], uids[i] = wanted{sha1: d.SHA1, munged: d.Munged, first: d.DstUIDNext, date: d.InternalDate}, d.SrcUID
	}
	if err := c.standStill(ctx, since); err != nil {
		return 0, err
	}
	free, err := c.unclaimed(ctx, first, sizes)
	if err != nil {
		return 0, err
	}
	for more := true; more; {
		more = false
		for i, late := range free.assign(list, nil) {
			if late.UID == 0 {
				continue
			}
			more = true
			twice, err := c.replace(ctx, doubts[i], late)
			if err != nil {
				return removed, err
			}
			if twice {
				removed++
			}
		}
	}
	return removed, ledger.ClearDoubts(ctx, uids)
}

// replace points a row to the late copy and expunges the recorded one, if
// there is one and its octets are proven to be the same. Expunge comes first:
// after a crash between the two, the next look finds the recorded copy missing
// and only points the row anew.
func (c *copier) replace(ctx context.Context, d Doubt, late Message) (twice bool, err error) {
	known, err := c.ledger.Known(ctx, d.SrcUID, d.SrcUID)
	if err != nil {
		return false, err
	}
	if len(known) != 1 {
		return false, fmt.Errorf("settle %q: source UID %d has no row", c.opts.Target, d.SrcUID)
	}
	ours := known[0].DstUID
	if ours != 0 {
		sums, err := c.hashed(ctx, ours, ours, func(Message) bool { return true })
		if err != nil {
			return false, err
		}
		twice = len(sums.same(late.SHA1)) == 1
	}
	if _, err := c.store(ctx, []uint32{late.UID}, known[0].Flags, ReplaceFlags); err != nil {
		return false, err
	}
	if twice {
		err := c.dst.StoreFlags(ctx, []uint32{ours}, []string{`\Deleted`}, AddFlags)
		if err == nil {
			err = c.dst.UIDExpunge(ctx, []uint32{ours})
		}
		if err != nil {
			return false, fmt.Errorf("remove UID %d from %q: %w", ours, c.opts.Target, err)
		}
	}
	var sent *Sent
	if ours == 0 {
		if sent, err = c.lateSent(ctx, d, known[0], late); err != nil {
			return false, err
		}
	}
	return twice, c.ledger.Repoint(ctx, d.SrcUID, late.UID, sent)
}

// lateSent is what had been sent of a message that was repaired, and whose row
// doesn't say so any more: it was refused since, under a policy without the repair.
// What differs is noted.
func (c *copier) lateSent(ctx context.Context, d Doubt, k Known, late Message) (sent *Sent, err error) {
	note := ""
	if late.SHA1 != d.SHA1 {
		note = mungedNote(late.SHA1)
	}
	if d.SHA1 != k.SHA1 {
		note = join(RepairedNote+"as an earlier policy allowed", note)
		sent = &Sent{SHA1: d.SHA1, Size: d.Size}
		err = c.dst.Fetch(ctx, []uint32{late.UID}, func(_ uint32, _ int64, body io.Reader) error {
			h := sha256.New()
			_, err := io.Copy(h, body)
			h.Sum(sent.SHA256[:0]) // where it was munged, nobody knows the other
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read back from %q: %w", c.opts.Target, err)
		}
	}
	if note == "" {
		return sent, nil
	}
	return sent, c.ledger.Annotate(ctx, map[uint32]string{d.SrcUID: note})
}
