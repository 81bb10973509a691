package imap

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"slices"
	"time"
)

// stored is a target message that no row of the ledger claims.
type stored struct {
	Message
	hashed bool
}

// standStill waits until the mailbox's UIDNEXT has not moved for the stated
// time, counted from now or, where that is later, from when the intents were
// begun. A server goes on executing what it had received before a connection
// broke: one look is no proof of absence.
func (c *copier) standStill(ctx context.Context, since time.Time) (Status, error) {
	var last Status
	need := c.opts.StandStill
	moved := c.opts.Now()
	if age := moved.Sub(since); age > 4*need {
		need = 0 // whatever was under way then has ended long ago
	}
	for first := true; ; first = false {
		st, err := c.dst.Status(ctx, c.opts.Target)
		if err != nil {
			return st, fmt.Errorf("settle %q: %w", c.opts.Target, err)
		}
		now := c.opts.Now()
		if !first && (st.UIDNext != last.UIDNext || st.Messages != last.Messages) {
			moved = now
		}
		last = st
		if now.Sub(moved) >= need {
			return st, nil
		}
		if err := c.opts.Sleep(ctx, min(need/8+50*time.Millisecond, time.Second)); err != nil {
			return st, err
		}
	}
}

// settle closes the intents that an earlier run or session left open: those
// found on the target are recorded as copied, the others become pending again
// and are remembered as doubts.
func (c *copier) settle(ctx context.Context) error {
	open, err := c.ledger.Open(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	first, begun := open[0].DstUIDNext, open[0].Begun
	for _, in := range open {
		first = min(first, in.DstUIDNext)
		if in.Begun.After(begun) {
			begun = in.Begun
		}
	}
	c.opts.event("settle", len(open))
	if _, err := c.standStill(ctx, begun); err != nil {
		return err
	}
	sizes := map[int64]bool{}
	for _, in := range open {
		sizes[in.Size] = true
	}
	free, err := c.unclaimed(ctx, first, sizes)
	if err != nil {
		return err
	}
	var found, absent []Outcome
	var doubts []Doubt
	for _, in := range open {
		o := Outcome{SrcUID: in.SrcUID, Size: in.Size, InternalDate: in.InternalDate, Flags: in.Flags, SHA1: in.SHA1, SHA256: in.SHA256}
		if m, ok := take(free, in.SHA1, in.Munged, in.DstUIDNext, in.InternalDate); ok {
			o.Fate, o.DstUID, o.DstUIDValidity = Copied, m.UID, c.dstValidity
			if m.SHA1 != in.SHA1 {
				o.Note = mungedNote(m.SHA1)
			}
			found = append(found, o)
			continue
		}
		o.Fate = Pending
		absent = append(absent, o)
		doubts = append(doubts, Doubt{SrcUID: in.SrcUID, DstUIDNext: in.DstUIDNext, Size: in.Size, InternalDate: in.InternalDate, SHA1: in.SHA1, Munged: in.Munged, Since: c.opts.Now()})
	}
	// Doubts first: were they lost, a late commit would stay unseen.
	if err := c.ledger.AddDoubts(ctx, doubts); err != nil {
		return err
	}
	c.tally.Settled += len(found)
	return c.ledger.Record(ctx, append(found, absent...))
}

// unclaimed lists the messages from UID first on that no row claims, by
// SHA-1, each list ascending by UID. sizes, if not nil, are the only ones
// worth reading for their hash, where the server gives none.
func (c *copier) unclaimed(ctx context.Context, first uint32, sizes map[int64]bool) (map[[20]byte][]stored, error) {
	claims, err := c.ledger.Claims(ctx, first)
	if err != nil {
		return nil, err
	}
	taken := make(map[uint32]bool, len(claims))
	for _, cl := range claims {
		taken[cl.DstUID] = true
	}
	return c.hashed(ctx, first, func(m Message) bool { return !taken[m.UID] && (sizes == nil || m.HasSHA1 || sizesNear(sizes, m.Size)) })
}

// sizesNear allows for BlueMind 5, whose RFC822.SIZE may be smaller than the
// message for malformed ones: then every size is worth a look.
func sizesNear(sizes map[int64]bool, size int64) bool {
	if sizes[size] || size < 0 {
		return true
	}
	for s := range sizes {
		if s > size && s-size <= 64<<10 {
			return true
		}
	}
	return false
}

// hashed lists the wanted messages of the target mailbox from UID first on
// with their SHA-1, by the cheapest means that the server has.
func (c *copier) hashed(ctx context.Context, first uint32, want func(Message) bool) (map[[20]byte][]stored, error) {
	if err := c.selectTarget(ctx); err != nil {
		return nil, err
	}
	digests := map[uint32][20]byte{}
	if c.dst.Can("DIGEST=SHA1") {
		err := c.dst.Digests(ctx, first, 0, func(uid uint32, sum [20]byte) error { digests[uid] = sum; return nil })
		if err != nil {
			return nil, fmt.Errorf("digests of %q: %w", c.opts.Target, err)
		}
	}
	var list []stored
	var unread []uint32
	err := c.dst.Messages(ctx, first, 0, func(m Message) error {
		if sum, ok := digests[m.UID]; ok {
			m.SHA1, m.HasSHA1 = sum, true
		}
		if !want(m) {
			return nil
		}
		list = append(list, stored{Message: m, hashed: m.HasSHA1})
		if !m.HasSHA1 {
			unread = append(unread, m.UID)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", c.opts.Target, err)
	}
	slices.SortFunc(list, func(a, b stored) int { return int(int64(a.UID) - int64(b.UID)) })
	slices.Sort(unread)
	read, err := c.readHashes(ctx, unread)
	if err != nil {
		return nil, err
	}
	out := map[[20]byte][]stored{}
	for _, m := range list {
		if sum, ok := read[m.UID]; ok {
			m.SHA1, m.hashed = sum, true
		}
		if m.hashed {
			out[m.SHA1] = append(out[m.SHA1], m)
		}
	}
	return out, nil
}

// readHashes reads bodies from the selected target mailbox to hash them.
func (c *copier) readHashes(ctx context.Context, uids []uint32) (map[uint32][20]byte, error) {
	out := map[uint32][20]byte{}
	if len(uids) == 0 {
		return out, nil
	}
	err := c.dst.Fetch(ctx, uids, func(uid uint32, size int64, body io.Reader) error {
		h := sha1.New()
		if _, err := io.Copy(h, body); err != nil {
			return err
		}
		out[uid] = [20]byte(h.Sum(nil))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read back from %q: %w", c.opts.Target, err)
	}
	return out, nil
}

// take removes from free the message that fits best: same octets, or what
// Cyrus' munge8bit makes of them, a UID of at least first, and, of several, the
// one whose INTERNALDATE is the same.
func take(free map[[20]byte][]stored, sum, munged [20]byte, first uint32, date time.Time) (stored, bool) {
	list := free[sum]
	if len(list) == 0 && munged != ([20]byte{}) {
		sum, list = munged, free[munged]
	}
	best := -1
	for i, m := range list {
		if m.UID < first {
			continue
		}
		if best < 0 || (!list[best].InternalDate.Equal(date) && m.InternalDate.Equal(date)) {
			best = i
		}
	}
	if best < 0 {
		return stored{}, false
	}
	m := list[best]
	free[sum] = slices.Delete(slices.Clone(list), best, best+1)
	return m, true
}

// FinalLook is law 5's last look at a mailbox, to be made once nothing of
// this account is in flight: where a message that was appended again has
// arrived twice after all, the copy whose UID we recorded is removed, its
// SHA-1 proven, and the row points to the other. It gives how many it
// removed. Doubts are cleared when it returns without an error.
func FinalLook(ctx context.Context, dst *Target, ledger Ledger, dstValidity uint32, o CopyOptions) (removed int, err error) {
	c := &copier{dst: dst, ledger: ledger, opts: o.withDefaults(), dstValidity: dstValidity}
	doubts, err := ledger.Doubts(ctx)
	if err != nil || len(doubts) == 0 {
		return 0, err
	}
	first, since := doubts[0].DstUIDNext, doubts[0].Since
	sizes := map[int64]bool{}
	for _, d := range doubts {
		first = min(first, d.DstUIDNext)
		if d.Since.After(since) {
			since = d.Since
		}
		sizes[d.Size] = true
	}
	if _, err := c.standStill(ctx, since); err != nil {
		return 0, err
	}
	free, err := c.unclaimed(ctx, first, sizes)
	if err != nil {
		return 0, err
	}
	claims, err := ledger.Claims(ctx, first)
	if err != nil {
		return 0, err
	}
	bySrc := map[uint32]Claim{}
	for _, cl := range claims {
		bySrc[cl.SrcUID] = cl
	}
	for _, d := range doubts {
		late, ok := take(free, d.SHA1, d.Munged, d.DstUIDNext, d.InternalDate)
		if !ok {
			continue
		}
		twice, err := c.replace(ctx, d, bySrc[d.SrcUID], late)
		if err != nil {
			return removed, err
		}
		if twice {
			removed++
		}
	}
	uids := make([]uint32, len(doubts))
	for i, d := range doubts {
		uids[i] = d.SrcUID
	}
	return removed, ledger.ClearDoubts(ctx, uids)
}

// replace points the row of a doubt to the late copy and expunges the recorded
// one, if there is one and its octets are proven to be the same. Expunge comes
// first: after a crash between the two, the next look finds the recorded copy
// missing and only points the row anew.
func (c *copier) replace(ctx context.Context, d Doubt, ours Claim, late stored) (twice bool, err error) {
	known, err := c.ledger.Known(ctx, d.SrcUID, d.SrcUID)
	if err != nil {
		return false, err
	}
	if len(known) != 1 {
		return false, fmt.Errorf("settle %q: source UID %d has no row", c.opts.Target, d.SrcUID)
	}
	if ours.DstUID != 0 {
		sums, err := c.hashed(ctx, ours.DstUID, func(m Message) bool { return m.UID == ours.DstUID })
		if err != nil {
			return false, err
		}
		twice = len(sums[late.SHA1]) == 1
	}
	if err := c.dst.StoreFlags(ctx, []uint32{late.UID}, known[0].Flags, ReplaceFlags); err != nil {
		return false, fmt.Errorf("flags of UID %d in %q: %w", late.UID, c.opts.Target, err)
	}
	if twice {
		err := c.dst.StoreFlags(ctx, []uint32{ours.DstUID}, []string{`\Deleted`}, AddFlags)
		if err == nil {
			err = c.dst.UIDExpunge(ctx, []uint32{ours.DstUID})
		}
		if err != nil {
			return false, fmt.Errorf("remove UID %d from %q: %w", ours.DstUID, c.opts.Target, err)
		}
	}
	return twice, c.ledger.Repoint(ctx, d.SrcUID, late.UID)
}
