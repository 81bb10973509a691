package imap

import (
	"cmp"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"slices"
)

// former is what the ledger keeps of the folder under a UIDVALIDITY that the
// source showed before. Its messages are matched with those listed now, so that
// none is copied twice, none that a user of the target deleted comes back, and
// flags are compared with what they were when last synchronised.
//
// Where the source kept the UIDs (a server was moved, an index was rebuilt), a
// listing tells: a row whose UID, size and INTERNALDATE are those of a message
// now is that message's, if no other row of the folder has this size and date,
// and if a sample of bodies spread over all UIDs is, by SHA-1, what the ledger
// says of their UIDs, without exception. To be wrong with that, a server would have to give
// a message's UID to another one of the same size and second, leave every sampled
// one in its place, and the folder would lose nothing: the ledger's two
// rows would be exchanged. Whatever isn't as certain is read from the source, as for
// a copy, and matched by SHA-1. The target's bodies are never read for it.
type former struct {
	validity uint32
	ledger   Ledger
	has      *contents     // rows with a copy, by SHA-1; the UIDs are the source's
	twice    map[twin]bool // sizes and dates that several of them have
	sameUIDs bool          // proven by the sample
	doubts   []Doubt
}

// sampleSize is how many bodies prove that a source kept its UIDs.
const sampleSize = 32

// ledgers are the present one and those of former UIDVALIDITYs.
func (c *copier) ledgers() []Ledger {
	list := []Ledger{c.ledger}
	for _, f := range c.formers {
		list = append(list, f.ledger)
	}
	return list
}

// openFormers opens what is kept under other UIDVALIDITYs of the source, where
// some of it has not been matched with the present one yet.
func (c *copier) openFormers(ctx context.Context) error {
	validities, open, err := c.ledger.Former(ctx)
	if err != nil || !open {
		return err
	}
	for _, v := range validities {
		c.formers = append(c.formers, &former{validity: v, ledger: c.books(v, c.dstValidity)})
	}
	// The one before this comes first, then the others, the newest first.
	slices.SortFunc(c.formers, func(a, b *former) int {
		last := func(f *former) int {
			if f.validity == c.state.SrcUIDValidity {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(b.validity, a.validity))
	})
	return nil
}

// readFormers indexes former rows, and samples the source.
func (c *copier) readFormers(ctx context.Context) error {
	for _, f := range c.formers {
		f.has = &contents{}
		sample := &sampler{}
		err := eachKnown(ctx, f.ledger, int(c.opts.Window), func(k Known) {
			if k.DstUID != 0 {
				f.has.add(Message{UID: k.SrcUID, Size: k.Size, InternalDate: k.InternalDate, SHA1: k.SHA1})
				sample.add(k)
			}
		})
		if err != nil {
			return err
		}
		f.has.sort()
		f.twice = f.has.twins()
		if f.doubts, err = f.ledger.Doubts(ctx); err != nil {
			return err
		}
		if f.sameUIDs, err = c.prover(ctx, sample.list); err != nil {
			return err
		}
	}
	return nil
}

// eachKnown goes through a ledger's rows, ascending by source UID, some at a time.
func eachKnown(ctx context.Context, l Ledger, about int, fn func(Known)) error {
	for first, span := uint64(1), uint64(about); first < 1<<32; {
		last := min(first+span-1, 1<<32-1)
		rows, err := l.Known(ctx, uint32(first), uint32(last))
		if err != nil {
			return err
		}
		for _, k := range rows {
			fn(k)
		}
		if first = last + 1; len(rows) < about/4 {
			span *= 2 // sparse UIDs
		} else if len(rows) > about*3/4 {
			span = max(uint64(about), span/2)
		}
	}
	return nil
}

// twins gives the sizes and dates that more than one message has.
func (c *contents) twins() map[twin]bool {
	list := make([]twin, len(c.list))
	for i := range c.list {
		list[i] = c.list[i].twin()
	}
	slices.SortFunc(list, func(a, b twin) int { return cmp.Or(cmp.Compare(a.date, b.date), cmp.Compare(a.size, b.size)) })
	out := map[twin]bool{}
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			out[list[i]] = true
		}
	}
	return out
}

// sampler picks, from rows that come in order, some that lie evenly among them.
type sampler struct {
	list []Known
	step int
	seen int
}

func (s *sampler) add(k Known) {
	s.step = max(s.step, 1)
	if s.seen++; (s.seen-1)%s.step != 0 {
		return
	}
	if s.list = append(s.list, k); len(s.list) < 2*sampleSize {
		return
	}
	for i := range sampleSize { // every other one goes
		s.list[i] = s.list[2*i]
	}
	s.list, s.step = s.list[:sampleSize], 2*s.step
}

// prover reads the sampled messages from the source and says whether they are
// what the ledger says of their UIDs, all that are still there, and half at least.
func (c *copier) prover(ctx context.Context, sample []Known) (bool, error) {
	want := map[uint32][20]byte{}
	var uids []uint32
	for _, k := range sample {
		want[k.SrcUID], uids = k.SHA1, append(uids, k.SrcUID)
	}
	same, others := 0, 0
	err := c.src.Fetch(ctx, uids, func(uid uint32, _ int64, body io.Reader) error {
		h := sha1.New()
		if _, err := io.Copy(h, body); err != nil {
			return err
		}
		if [20]byte(h.Sum(nil)) == want[uid] {
			same++
		} else {
			others++
		}
		return nil
	})
	if err != nil && !refusal(err) {
		return false, fmt.Errorf("fetch from %q: %w", c.opts.Source, err)
	}
	return others == 0 && same > 0 && same*2 >= len(sample), nil
}

// carryByUID gives the messages of a page the rows that they had under the same
// UIDs.
func (c *copier) carryByUID(ctx context.Context, p page) error {
	for _, f := range c.formers {
		if !f.sameUIDs {
			continue
		}
		rows, err := f.ledger.Known(ctx, p.first, p.last)
		if err != nil {
			return err
		}
		var same []Carried
		for _, k := range rows {
			i, listed := slices.BinarySearchFunc(p.listed, k.SrcUID, func(m Message, uid uint32) int { return cmp.Compare(m.UID, uid) })
			if !listed || twinOf(p.listed[i]) != (twin{k.InternalDate.Unix(), k.Size}) || k.DstUID != 0 && f.twice[twinOf(p.listed[i])] {
				continue
			}
			same = append(same, Carried{k.SrcUID, k.SrcUID, -1})
			f.has.drop(k.SHA1, k.SrcUID)
		}
		if len(same) == 0 {
			continue
		}
		if err := c.ledger.Carry(ctx, f.validity, same); err != nil {
			return err
		}
		c.tally.Carried += len(same)
	}
	return nil
}

// drop takes the message with a UID out.
func (c *contents) drop(sum [20]byte, uid uint32) {
	same := c.same(sum)
	for i := range same {
		if same[i].uid == uid {
			same[i].taken = true
		}
	}
}

// carryByContent gives messages that were read the rows that their octets have,
// and what is to be done for their flags to the caller of the pipe. It gives those
// for which there is none.
func (w *writer) carryByContent(ctx context.Context, msgs []*spooled) (rest []*spooled, err error) {
	rest = msgs
	for _, f := range w.formers {
		list := make([]wanted, len(rest))
		for i, m := range rest {
			list[i] = wanted{sha1: m.sha1, date: m.InternalDate}
		}
		var same []Carried
		var carried, left []*spooled
		for i, old := range f.has.assign(list, w.reserved) {
			m := rest[i]
			if old.UID == 0 {
				left = append(left, m)
				continue
			}
			size := int64(-1)
			if (Known{Size: old.Size, InternalDate: old.InternalDate}).Differs(m.Message) {
				size = m.Size // else it would be taken for another message next time
			}
			same, carried = append(same, Carried{old.UID, m.UID, size}), append(carried, m)
		}
		if rest = left; len(same) == 0 {
			continue
		}
		if err := w.ledger.Carry(ctx, f.validity, same); err != nil {
			return nil, err
		}
		w.tally.Carried += len(same)
		if err := w.flagsOfCarried(ctx, carried); err != nil {
			return nil, err
		}
	}
	return rest, w.keepDoubts(ctx, rest)
}

func (w *writer) flagsOfCarried(ctx context.Context, msgs []*spooled) error {
	var d Delta
	for _, m := range msgs {
		rows, err := w.ledger.Known(ctx, m.UID, m.UID)
		if err != nil {
			return err
		}
		for _, k := range rows {
			d.flags(m.Message, k, w.opts.Rules)
		}
	}
	w.lacking = append(w.lacking, d.Flags...)
	return nil
}

// keepDoubts carries the doubts about messages that are about to be appended:
// what was sent under the former UIDVALIDITY may yet come through.
func (w *writer) keepDoubts(ctx context.Context, msgs []*spooled) error {
	var kept []Doubt
	for _, f := range w.formers {
		for _, m := range msgs {
			i := slices.IndexFunc(f.doubts, func(d Doubt) bool { return d.SHA1 == m.sha1 })
			if i < 0 {
				continue
			}
			d := f.doubts[i]
			d.SrcUID = m.UID
			kept = append(kept, d)
			f.doubts = slices.Delete(f.doubts, i, i+1)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return w.ledger.AddDoubts(ctx, kept)
}
