package imap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// readdress is for a target folder that has another UIDVALIDITY than when we
// wrote to it: its copies have other UIDs, or it is another folder. Only content
// tells: where it holds what we wrote, but for what users may have deleted, rows
// get the UIDs that their copies have now, and what isn't there is noted as gone.
// Else it is a *WentBackError, and nothing is written: the folder was emptied, or
// is another account's. It gives how many of ours the folder holds.
func (c *copier) readdress(ctx context.Context, to Status) (present int, err error) {
	was := c.state.DstUIDValidity
	moves := []*move{}
	for _, validity := range append([]uint32{c.srcValidity}, c.formerValidities()...) {
		m := &move{old: c.books(validity, was), now: c.books(validity, to.UIDValidity)}
		if m.open, err = m.old.Open(ctx); err != nil {
			return 0, err
		}
		moves = append(moves, m)
	}
	if slices.ContainsFunc(moves, func(m *move) bool { return len(m.open) > 0 }) {
		if err := c.standStill(ctx, c.opts.Now()); err != nil {
			return 0, err
		}
	}
	there, err := c.unclaimed(ctx, 1, nil) // those that were readdressed by a call that was cut short are claimed
	if err != nil {
		return 0, err
	}
	ours, found, gone := 0, 0, 0
	for _, m := range moves {
		if err := m.match(ctx, there); err != nil {
			return 0, err
		}
		kept, err := countClaims(ctx, m.now)
		if err != nil {
			return 0, err
		}
		found, gone = found+kept+len(m.found), gone+len(m.gone)
	}
	if ours = found + gone; found == 0 || manyLost(gone, ours) {
		return 0, &WentBackError{"target", c.opts.Target, fmt.Sprintf("UIDVALIDITY was %d and is %d: the folder was made anew, and holds %d of the %d messages that we wrote", was, to.UIDValidity, found, ours)}
	}
	note := fmt.Sprintf("the target's folder was made anew (UIDVALIDITY was %d and is %d): %d of the %d messages that we wrote were found in it by their content", was, to.UIDValidity, found, ours)
	if gone > 0 {
		note += fmt.Sprintf("; %d are gone", gone)
	}
	c.tally.Notes = append(c.tally.Notes, note)
	c.state.DstMaxUID = 0
	for _, m := range moves {
		if err := m.apply(ctx); err != nil {
			return 0, err
		}
		if err := c.resolve(ctx, m, there); err != nil {
			return 0, err
		}
		err := eachClaim(ctx, m.now, 1, func(page []Claim) error {
			c.state.DstMaxUID = max(c.state.DstMaxUID, page[len(page)-1].DstUID)
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	c.state.DstUIDValidity, c.state.DstUIDNext, c.state.DstExists, c.state.DstModSeq = to.UIDValidity, 0, 0, 0
	return found, nil
}

// manyLost is where a folder that was made anew isn't taken for ours any more. It
// is nearer than manyGone, since no user's doing gives a folder another
// UIDVALIDITY: a restore does, or a move to another server, and both may lose mail.
func manyLost(gone, ours int) bool { return gone > 10 && gone*10 > ours }

func (c *copier) formerValidities() (list []uint32) {
	for _, f := range c.formers {
		list = append(list, f.validity)
	}
	return list
}

// move is what one source UIDVALIDITY's rows become.
type move struct {
	old, now Ledger
	open     []Intent // of the folder as it was
	found    []Readdressed
	gone     []uint32
}

// match finds the copies among the messages that the target has now.
func (m *move) match(ctx context.Context, there *contents) error {
	return eachClaim(ctx, m.old, 1, func(page []Claim) error {
		page = slices.DeleteFunc(page, func(cl Claim) bool { return cl.Gone })
		list := make([]wanted, len(page))
		for i, cl := range page {
			list[i] = wanted{sha1: cl.SHA1, munged: cl.Stored, date: cl.InternalDate}
		}
		for i, is := range there.assign(list, nil) {
			if is.UID == 0 {
				m.gone = append(m.gone, page[i].SrcUID)
			} else {
				m.found = append(m.found, Readdressed{page[i].SrcUID, is.UID})
			}
		}
		return nil
	})
}

func (m *move) apply(ctx context.Context) error {
	if err := m.old.Gone(ctx, m.gone); err != nil {
		return err
	}
	for part := range slices.Chunk(m.found, claimPage) {
		if err := m.now.Readdress(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// resolve settles intents whose copies are in the folder as it is now, and has
// doubts be looked for in all of it.
func (c *copier) resolve(ctx context.Context, m *move, there *contents) error {
	for i := range m.open {
		m.open[i].DstUIDNext = 1
	}
	if err := c.conclude(ctx, m.now, m.open, there); err != nil {
		return err
	}
	doubts, err := m.now.Doubts(ctx)
	if err != nil || len(doubts) == 0 {
		return err
	}
	for i := range doubts {
		doubts[i].DstUIDNext = 1
	}
	return m.now.AddDoubts(ctx, doubts)
}

func countClaims(ctx context.Context, l Ledger) (n int, err error) {
	return n, eachClaim(ctx, l, 1, func(page []Claim) error {
		for _, cl := range page {
			if !cl.Gone {
				n++
			}
		}
		return nil
	})
}

// eachClaim goes through a ledger's claims from target UID first on.
func eachClaim(ctx context.Context, l Ledger, first uint32, each func(page []Claim) error) error {
	for {
		page, err := l.Claims(ctx, first, claimPage)
		if err != nil || len(page) == 0 {
			return err
		}
		last, full := page[len(page)-1].DstUID, len(page) == claimPage
		if err := each(page); err != nil {
			return err
		}
		if !full || last == 1<<32-1 {
			return nil
		}
		first = last + 1
	}
}

// arrivals is from which UID on the target may hold messages that no row claims
// and that came since the folder was last brought up to date, 0 if there are none.
// Any of them may be a copy of ours that this state doesn't know of: a copy of the
// state has gone on elsewhere, or a commit came late.
func (c *copier) arrivals(ctx context.Context, to Status, present int) (uint32, error) {
	since := c.state.DstUIDNext
	if to.Messages == 0 || since != 0 && to.UIDNext <= since {
		return 0, nil
	}
	strangers := int(to.Messages) - present
	if strangers > 0 && c.opts.Others != nil {
		err := c.opts.Others(ctx, c.dstValidity, 1, func(uint32) { strangers-- })
		if err != nil {
			return 0, err
		}
	}
	if strangers <= 0 {
		return 0, nil
	}
	return cmp.Or(since, 1), nil
}
