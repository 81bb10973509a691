package imap

import (
	"cmp"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"slices"
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
// and are remembered as doubts.
func (c *copier) settle(ctx context.Context) error {
	open, err := c.ledger.Open(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	first := open[0].DstUIDNext
	for _, in := range open {
		first = min(first, in.DstUIDNext)
	}
	c.opts.event("settle", len(open))
	// When they were begun says nothing: a slow target may have had them in its
	// queue for long when, a moment ago, the process was killed.
	if err := c.standStill(ctx, c.opts.Now()); err != nil {
		return err
	}
	sizes, list := map[int64]bool{}, make([]wanted, len(open))
	for i, in := range open {
		sum, size := in.sent()
		sizes[size] = true
		list[i] = wanted{sum, in.Munged, in.DstUIDNext, in.InternalDate}
	}
	free, err := c.unclaimed(ctx, first, sizes)
	if err != nil {
		return err
	}
	var found, absent []Outcome
	var doubts []Doubt
	for i, m := range assign(free, list, nil) {
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
	if err := c.ledger.AddDoubts(ctx, doubts); err != nil {
		return err
	}
	c.tally.Settled += len(found)
	return c.ledger.Record(ctx, append(found, absent...))
}

// unclaimed lists the messages from UID first on that no row claims, by
// SHA-1, each list ascending by UID. sizes, if not nil, are the only ones
// worth reading for their hash, where the server gives none.
func (c *copier) unclaimed(ctx context.Context, first uint32, sizes map[int64]bool) (map[[20]byte][]Message, error) {
	taken := uidSeen{}
	err := c.claims(ctx, first, func(page []Claim) error {
		for _, cl := range page {
			taken.add(cl.DstUID)
		}
		return nil
	})
	if err == nil && c.opts.Others != nil {
		err = c.opts.Others(ctx, first, func(uid uint32) { taken.add(uid) })
	}
	if err != nil {
		return nil, err
	}
	return c.hashed(ctx, first, 0, func(m Message) bool {
		return !taken.has(m.UID) && (sizes == nil || m.HasSHA1 || sizesNear(sizes, m.Size))
	})
}

// claimPage is how many claims are in memory at a time.
const claimPage = 10_000

// claims goes through the ledger's claims from target UID first on.
func (c *copier) claims(ctx context.Context, first uint32, each func(page []Claim) error) error {
	for {
		page, err := c.ledger.Claims(ctx, first, claimPage)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := each(page); err != nil {
			return err
		}
		last := page[len(page)-1].DstUID
		if len(page) < claimPage || last == 1<<32-1 {
			return nil
		}
		first = last + 1
	}
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

// hashed lists the wanted messages of the target mailbox with UIDs from first
// to last (0: to the end) by their SHA-1, which comes with the listing or is
// read. Each list ascends by UID.
func (c *copier) hashed(ctx context.Context, first, last uint32, want func(Message) bool) (map[[20]byte][]Message, error) {
	var list []Message
	var unread []uint32
	err := c.listTarget(ctx, first, last, true, func(m Message) error {
		if !want(m) {
			return nil
		}
		list = append(list, m)
		if !m.HasSHA1 {
			unread = append(unread, m.UID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, byUID)
	slices.Sort(unread)
	read, err := c.readHashes(ctx, unread)
	if err != nil {
		return nil, err
	}
	out := map[[20]byte][]Message{}
	for _, m := range list {
		if sum, ok := read[m.UID]; ok {
			m.SHA1, m.HasSHA1 = sum, true
		}
		if m.HasSHA1 {
			out[m.SHA1] = append(out[m.SHA1], m)
		}
	}
	return out, nil
}

func byUID(a, b Message) int { return cmp.Compare(a.UID, b.UID) }

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

// wanted is a message looked for on the target by its octets, or what Cyrus'
// munge8bit makes of them, from UID first on.
type wanted struct {
	sha1, munged [20]byte
	first        uint32
	date         time.Time
}

// twin is what a listing shows of a message of the source.
type twin struct{ date, size int64 }

func twinOf(m Message) twin { return twin{m.InternalDate.Unix(), m.Size} }

// assign takes out of free a message for each that is wanted; one without a UID
// says that there is none. Those of the same INTERNALDATE go first, so that
// each of several with the same octets gets its own. What is left goes to
// whoever has none, for a target may keep another date, but for as many as are
// reserved, since somebody still to come has their date.
func assign(free map[[20]byte][]Message, list []wanted, reserved map[twin]int) []Message {
	out := make([]Message, len(list))
	for i, w := range list {
		out[i] = take(free, w, func(m Message, _ []Message) bool { return m.InternalDate.Equal(w.date) })
		if t := twinOf(out[i]); reserved[t] > 0 {
			reserved[t]--
		}
	}
	for i, w := range list {
		if out[i].UID == 0 {
			out[i] = take(free, w, func(m Message, same []Message) bool {
				twins := 0
				for _, other := range same {
					if twinOf(other) == twinOf(m) {
						twins++
					}
				}
				return twins > reserved[twinOf(m)]
			})
		}
	}
	return out
}

// take removes from free the first message that is wanted and fits, beside all
// that have the same octets.
func take(free map[[20]byte][]Message, w wanted, fits func(m Message, same []Message) bool) Message {
	for _, sum := range [][20]byte{w.sha1, w.munged} {
		for i, m := range free[sum] {
			if m.UID >= w.first && fits(m, free[sum]) {
				free[sum] = slices.Delete(slices.Clone(free[sum]), i, i+1)
				return m
			}
		}
	}
	return Message{}
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
		list[i], uids[i] = wanted{d.SHA1, d.Munged, d.DstUIDNext, d.InternalDate}, d.SrcUID
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
		for i, late := range assign(free, list, nil) {
			if late.UID == 0 {
				continue
			}
			more = true
			twice, err := c.replace(ctx, uids[i], late)
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
func (c *copier) replace(ctx context.Context, srcUID uint32, late Message) (twice bool, err error) {
	known, err := c.ledger.Known(ctx, srcUID, srcUID)
	if err != nil {
		return false, err
	}
	if len(known) != 1 {
		return false, fmt.Errorf("settle %q: source UID %d has no row", c.opts.Target, srcUID)
	}
	ours := known[0].DstUID
	if ours != 0 {
		sums, err := c.hashed(ctx, ours, ours, func(Message) bool { return true })
		if err != nil {
			return false, err
		}
		twice = len(sums[late.SHA1]) == 1
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
	return twice, c.ledger.Repoint(ctx, srcUID, late.UID)
}
