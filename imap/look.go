package imap

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// targetStill says whether the target shows what it showed last time. Numbers
// alone don't prove it: a target that was restored may have taken in as many
// messages as it lost. The copy with the highest UID is then one of those that
// were replaced; where it isn't there as it was, all copies must be looked at.
// Nor does HIGHESTMODSEQ prove it: one message lost and another delivered may
// count as much as ours did. newest is what has the highest UID that we wrote.
func (c *copier) targetStill(ctx context.Context, to Status, newest []Message) (bool, error) {
	s := c.state
	if s.DstMaxUID == 0 {
		return s.DstUIDValidity == to.UIDValidity && s.DstUIDNext == to.UIDNext && s.DstExists == to.Messages, nil
	}
	if c.opts.Relist || s.DstUIDValidity != to.UIDValidity || s.DstUIDNext != to.UIDNext || s.DstExists != to.Messages {
		return false, nil
	}
	ours, err := c.ledger.Claims(ctx, s.DstMaxUID, 1)
	if err != nil {
		return false, err
	}
	if (len(ours) == 0 || ours[0].Gone) && s.SrcUIDValidity == c.srcValidity { // it was removed: the newest that wasn't has to do
		if ours, newest, err = c.newestLeft(ctx); err != nil || len(ours) == 0 {
			return err == nil, err
		}
	}
	if len(ours) == 0 || ours[0].Gone || len(newest) == 0 || newest[0].UID != ours[0].DstUID {
		return false, nil
	}
	return !differs(newest[0], ours[0]), nil
}

// newestLeft gives the copy with the highest UID that isn't known to be gone, none
// where there is none, and what the target shows under its UID.
func (c *copier) newestLeft(ctx context.Context) (ours []Claim, newest []Message, err error) {
	err = c.claims(ctx, 1, func(page []Claim) error {
		for i := len(page) - 1; i >= 0; i-- {
			if !page[i].Gone {
				ours = page[i : i+1]
				return nil
			}
		}
		return nil
	})
	if err != nil || len(ours) == 0 {
		return nil, nil, err
	}
	err = c.listTarget(ctx, ours[0].DstUID, ours[0].DstUID, true, func(m Message) error { newest = append(newest, m); return nil })
	return ours, newest, err
}

// lookAtTarget compares what we wrote with what the target shows, where it may
// have moved, and gives how much of it is there. A UID of ours with another size
// or date is not our message: the target was restored and has filled up again.
func (c *copier) lookAtTarget(ctx context.Context) (present int, err error) {
	if c.state.DstMaxUID == 0 {
		return 0, nil
	}
	var seen shown
	fresh, all := map[Ledger][]uint32{}, 0
	for _, l := range c.ledgers() {
		seen.fresh = nil
		if err := eachClaim(ctx, l, 1, func(page []Claim) error { return c.lookAtPage(ctx, l, page, &seen) }); err != nil {
			return 0, err
		}
		fresh[l] = seen.fresh
		all += len(seen.fresh)
	}
	present = seen.ours - seen.gone
	switch {
	case seen.strangers > 0:
		return 0, &WentBackError{"target", c.opts.Target, fmt.Sprintf("%d UIDs that we wrote hold other messages now", seen.strangers)}
	case all == 0:
		return present, nil
	}
	if err := c.bearable(ctx, all, present+all, seen.lost); err != nil {
		return 0, err
	}
	c.tally.Notes = append(c.tally.Notes, fmt.Sprintf("%d messages were deleted on the target after they were copied", all))
	for _, l := range c.ledgers() {
		if len(fresh[l]) == 0 {
			continue
		}
		if err := l.Gone(ctx, fresh[l]); err != nil {
			return 0, err
		}
	}
	return present, nil
}

// bearable gives a *WentBackError where too many copies are newly missing for
// their users to have deleted them: gone of those that were there until now. What
// was moved to another folder isn't gone. lost are the missing ones, or more than
// MostLost of them.
func (c *copier) bearable(ctx context.Context, gone, until int, lost []Claim) error {
	if c.opts.UsersDelete || !manyGone(gone, until) {
		return nil
	}
	moved := 0
	if c.opts.Moved != nil && len(lost) <= MostLost {
		var err error
		if moved, err = c.opts.Moved(ctx, lost); err != nil {
			return fmt.Errorf("look for what was moved from %q: %w", c.opts.Target, err)
		}
	}
	if gone -= moved; !manyGone(gone, until) {
		return nil
	}
	what := fmt.Sprintf("%d of the %d messages that we wrote are gone", gone, until)
	if moved > 0 {
		what += fmt.Sprintf(", and %d were moved to other folders", moved)
	}
	return &WentBackError{"target", c.opts.Target, what}
}

// MostLost bounds the missing copies that are looked for in other folders, and
// with them what is kept and read for it. Where more are missing from one folder,
// a person decides.
const MostLost = 20_000

// shown counts what became of our copies.
type shown struct {
	ours, gone, strangers int
	fresh                 []uint32 // source UIDs of copies not known to be gone before
	lost                  []Claim  // the same, of all ledgers, but no more than it takes to know that they are too many
}

func (c *copier) lookAtPage(ctx context.Context, l Ledger, page []Claim, seen *shown) error {
	there, err := c.listClaimed(ctx, page, seen.ours == 0)
	if err != nil {
		return err
	}
	seen.ours += len(page)
	for _, cl := range page {
		m, ok := there[cl.DstUID]
		switch {
		case !ok:
			seen.gone++
			if !cl.Gone {
				seen.fresh = append(seen.fresh, cl.SrcUID)
				if len(seen.lost) <= MostLost {
					cl.Flags = nil
					seen.lost = append(seen.lost, cl)
				}
			}
		case !differs(m, cl):
		case seen.strangers > 0: // one is proven to be, and it is no small matter
			seen.strangers++
		default:
			ours, err := c.sameOctets(ctx, l, cl, m)
			if err != nil {
				return err
			}
			if !ours {
				seen.strangers++
			}
		}
	}
	return nil
}

// sameOctets proves by its octets a copy of ours that the target shows with
// another size and date, or that was found there with another date and has X for
// the 8-bit octets of its header.
func (c *copier) sameOctets(ctx context.Context, l Ledger, cl Claim, m Message) (bool, error) {
	sum, known := m.SHA1, m.HasSHA1
	if !known {
		if err := c.readHashes(ctx, []uint32{m.UID}, func(_ uint32, read [20]byte) { sum, known = read, true }); err != nil {
			return false, err
		}
	}
	if known && sum == cl.SHA1 {
		return true, nil
	}
	rows, err := l.Known(ctx, cl.SrcUID, cl.SrcUID)
	return known && len(rows) == 1 && strings.Contains(rows[0].Note, mungedNote(sum)), err
}

// listClaimed lists the claimed ones among the messages of the target mailbox,
// which it selects before, or is selected. claims ascend by target UID.
func (c *copier) listClaimed(ctx context.Context, claims []Claim, selects bool) (map[uint32]Message, error) {
	claimed := make(map[uint32]bool, len(claims))
	for _, cl := range claims {
		claimed[cl.DstUID] = true
	}
	there := make(map[uint32]Message, len(claims))
	err := c.listTarget(ctx, claims[0].DstUID, claims[len(claims)-1].DstUID, selects, func(m Message) error {
		if claimed[m.UID] {
			there[m.UID] = m
		}
		return nil
	})
	return there, err
}

// listTarget lists the target mailbox, after selecting it or as it is selected.
// It is selected anew for each look: BlueMind 5 shows only what it knew then.
func (c *copier) listTarget(ctx context.Context, first, last uint32, selects bool, fn func(Message) error) (err error) {
	if selects {
		c.opened, err = c.dst.messagesIn(ctx, c.opts.Target, first, last, fn)
	} else {
		err = c.dst.Messages(ctx, first, last, fn)
	}
	if err != nil {
		return fmt.Errorf("list %q: %w", c.opts.Target, err)
	}
	return nil
}

// differs tells another message from ours by what a listing shows. Of size
// and date both must be off, since BlueMind 5 may state either a little wrongly,
// unless the octets are known to be others; those alone are no proof, for Cyrus
// may have replaced 8-bit octets of a header. A message that was sent without a
// date may have any, and one that 32 bits can't hold comes back as another.
func differs(m Message, cl Claim) bool {
	size, date := m.Size != cl.Size, !sameDate(cl.InternalDate, m.InternalDate) && !sameDate(cl.InternalDate, m.InternalDate.Add(1<<32*time.Second))
	if m.HasSHA1 {
		return m.SHA1 != cl.SHA1 && (size || date)
	}
	return size && date
}

// manyGone is where the deletions of users end and a lost folder begins: gone of
// the copies that were there until now. It is the last of the signs. A target that
// was put back shows by its UIDNEXT, or by other messages under our UIDs; where
// both are as they were, somebody at work on it is by far the likelier. Of that, an
// afternoon's tidying up is borne (20, or a fifth), and an emptied folder where it
// held no more than one is emptied of by hand (10): those who lose a mailbox lose
// its large folders, too.
func manyGone(gone, until int) bool {
	return gone == until && gone > 10 || gone > 20 && gone*5 > until
}

// unmoved says whether the source's numbers prove that there is nothing to do.
// Without HIGHESTMODSEQ flags may have changed unseen, so it is listed then.
func (c *copier) unmoved(from Status) bool {
	s := c.state
	return s.Complete && !c.opts.Relist && !c.stale() && (s.Rules == c.rulesKey(false) || s.Rules == c.rulesKey(true)) &&
		s.SrcUIDValidity == from.UIDValidity && s.SrcUIDNext == from.UIDNext && s.SrcExists == from.Messages &&
		from.HighestModSeq != 0 && s.SrcModSeq == from.HighestModSeq
}

// rulesKey says by what a folder was judged: first what the flags in the ledger
// depend on, then, after rulesCut, what lifts refusals. That counts where a message
// is refused alone: once a limit is raised, or a repair allowed, the others'
// folders needn't be gone through. What is on the target keeps its date.
func (c *copier) rulesKey(refusing bool) string {
	rules := c.opts.Rules
	lifts := Rules{MaxSize: rules.MaxSize, Repairs: rules.Repairs, Quarantine: rules.Quarantine, RetryRefused: rules.RetryRefused}
	rules.HeaderDates, rules.MaxSize, rules.Repairs, rules.Quarantine, rules.RetryRefused = false, 0, Repairs{}, false, false
	key := fmt.Sprintf("%+v", rules) + rulesCut
	if refusing {
		key += fmt.Sprintf("%+v", lifts)
	}
	return key
}

const rulesCut = "; "

// flagRules is the part of a rulesKey that flags in the ledger depend on.
func flagRules(key string) string {
	flags, _, _ := strings.Cut(key, rulesCut)
	return flags
}
