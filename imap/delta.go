package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// delta takes the place of a source folder's listing up to where it was gone
// through before: what changed since is asked for by CHANGEDSINCE (RFC 7162
// §3.1.4.1), which messages there still are by their UIDs alone, and all else is
// in the ledger. The pages that it gives are those that a listing would give, so
// that everything after it is one path:
//
//   - a message that changed is as the source tells it;
//   - one that is still there and didn't change is as the ledger has it: flags,
//     size and date are those that were listed;
//   - where that would lead to anything but "unchanged" (a refusal that may have
//     been lifted, a message taken for vanished before, one that is missing now),
//     the source is asked for it by its UID, and its answer counts;
//   - from the newest known message on everything is listed in full. That one, as
//     the target's newest copy, shows a source that was restored and filled up
//     again: its UID holds another message then.
//
// What doesn't add up (a message that no row knows below the old UIDNEXT, numbers
// that fell, a refusal) is no delta: the folder is listed in full, as it is from
// time to time in any case.
type delta struct {
	*copier
	there   uidSpans
	fresh   uint32          // the full listing begins here
	changed []Message       // ascending, not in a page yet
	vague   map[uint32]bool // changed, and not told how
	upTo    uint64          // what changed is known up to here
	walk    rowWalk
	then    *page // the first one from fresh on
}

// changesSpan is over how many windows one CHANGEDSINCE goes: where a server says
// of all messages that they changed, the answer has to end somewhere.
const changesSpan = 20

// errNoSum says that a delta can't be trusted.
var errNoSum = errors.New("the source's changes don't add up")

// newDelta asks for what changed, in one round trip for most folders. nil: the
// folder has to be listed.
func newDelta(ctx context.Context, p *pages, from Status) (*delta, error) {
	s := p.state
	if !s.Complete || p.opts.Relist || p.stale() || flagRules(s.Rules) != flagRules(p.rulesKey(false)) ||
		s.SrcUIDValidity != from.UIDValidity || s.SrcUIDNext < 2 || from.UIDNext < s.SrcUIDNext ||
		s.SrcModSeq == 0 || from.HighestModSeq < s.SrcModSeq || !p.src.Can("CONDSTORE") {
		return nil, nil
	}
	newest, err := p.newestKnown(ctx)
	if err != nil {
		return nil, err
	}
	d := &delta{copier: p.copier, fresh: newest, vague: map[uint32]bool{}, walk: rowWalk{ledger: p.ledger, window: p.opts.Window, end: newest - 1}}
	p.first = uint64(newest)
	changed, _, steps := d.changes(1)
	there, fresh := p.src.presence(from.Messages), p.gather(p.bound())
	// One listing for both: a server that works at several commands at a time, as
	// Dovecot does, may answer one while another's answers are awaited.
	l, list := p.src.listStep(newest, open(fresh.last), nil)
	l.first, l.deliver = 1, func(m *partial) error {
		if m.UID < newest {
			return d.change(changed, m)
		}
		return fresh.add(m.Message)
	}
	steps = append(append(steps, there.steps(presenceAhead)...), list)
	for i := range steps {
		steps[i].each = func(r *response) error {
			if r.name == "FETCH" {
				return l.response(r)
			}
			return errors.Join(l.response(r), there.response(r))
		}
	}
	if err = p.src.exchanges(ctx, steps...); err == nil {
		err = l.finish()
	}
	if err == nil {
		d.there, err = there.all(ctx)
	}
	switch {
	case refusedAlone(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list what changed in %q: %w", p.opts.Source, err)
	}
	d.take(changed)
	d.then = fresh.page(newest)
	return d, nil
}

// newestKnown is the highest source UID below the old UIDNEXT that a row has whose
// message should be there, or the old UIDNEXT.
func (c *copier) newestKnown(ctx context.Context) (uint32, error) {
	const most = 1 << 20 // UIDs looked back: beyond, none is worth the look
	top := c.state.SrcUIDNext
	for last, span := top-1, uint32(64); last > 0 && top-last < most; span *= 2 {
		first := last - min(span, last) + 1
		rows, err := c.ledger.Known(ctx, first, last)
		if err != nil {
			return 0, err
		}
		for _, k := range slices.Backward(rows) {
			if k.Fate != Vanished {
				return k.SrcUID, nil
			}
		}
		last = first - 1
	}
	return top, nil
}

// changes makes the command for what changed from UID first on, before fresh, in a
// stretch of bounded length. There are no steps where nothing is left to ask for.
func (d *delta) changes(first uint64) (*gathering, *listing, []step) {
	end := min(first+changesSpan*uint64(d.opts.Window)-1, uint64(d.fresh)-1)
	g := d.gather(uint32(end))
	if first > end {
		return g, nil, nil
	}
	l, list := d.src.listStep(uint32(first), uint32(end), nil)
	l.deliver = func(m *partial) error { return d.change(g, m) }
	list.command += changedSince(d.state.SrcModSeq)
	return g, l, []step{list}
}

// change takes a message that changed. One of which not all is told was changed
// just now, and the server tells of that unasked: it is asked for.
func (d *delta) change(into *gathering, m *partial) error {
	if _, all := d.src.listItems(); m.seen&all != all {
		d.vague[m.UID] = true
		return nil
	}
	return into.add(m.Message)
}

// take keeps what a CHANGEDSINCE gave, which may have been cut.
func (d *delta) take(g *gathering) {
	slices.SortFunc(g.listed, byUID)
	d.changed, d.upTo = append(d.changed, g.listed...), uint64(g.end)
}

// next gives the next page below fresh, and false after the last. errNoSum asks for
// a full listing.
func (d *delta) next(ctx context.Context) (p page, more bool, err error) {
	switch {
	case d.opts.stopped():
		return page{}, false, ErrStopped
	case d.fresh == 1:
		return page{}, false, nil
	}
	first := uint32(max(d.walk.first, 1))
	rows, done, err := d.walk.next(ctx)
	if err != nil || done {
		return page{}, false, err
	}
	p = page{first: first, last: uint32(d.walk.first - 1), known: rows, own: true}
	changed, err := d.changedTo(ctx, p.last)
	if err != nil {
		return page{}, false, err
	}
	var guessed map[uint32]bool
	if p.listed, guessed, err = d.merge(rows, changed, p); err != nil {
		return page{}, false, err
	}
	p.listed, err = d.ask(ctx, p, guessed)
	return p, true, err
}

// changedTo gives, and forgets, what changed up to a UID.
func (d *delta) changedTo(ctx context.Context, last uint32) ([]Message, error) {
	for d.upTo < uint64(last) {
		changed, l, steps := d.changes(d.upTo + 1)
		err := d.src.exchanges(ctx, steps...)
		if err == nil {
			err = l.finish()
		}
		switch {
		case refusedAlone(err):
			return nil, errNoSum
		case err != nil:
			return nil, fmt.Errorf("list what changed in %q: %w", d.opts.Source, err)
		}
		d.take(changed)
	}
	n := 0
	for n < len(d.changed) && d.changed[n].UID <= last {
		n++
	}
	out := d.changed[:n]
	d.changed = d.changed[n:]
	return out, nil
}

// merge makes the listing of a page out of what changed and what the ledger has;
// guessed are those that are in it as the ledger has them.
func (d *delta) merge(rows []Known, changed []Message, p page) (listed []Message, guessed map[uint32]bool, err error) {
	guessed = make(map[uint32]bool, len(rows))
	strangers, present := 0, 0 // messages that no row knows; rows whose message is there
	for _, k := range rows {
		for len(changed) > 0 && changed[0].UID < k.SrcUID {
			changed, strangers = changed[1:], strangers+1
		}
		there := d.there.has(k.SrcUID)
		if there {
			present++
		}
		switch {
		case len(changed) > 0 && changed[0].UID == k.SrcUID:
			listed, changed = append(listed, changed[0]), changed[1:]
		case there:
			listed = append(listed, Message{UID: k.SrcUID, Flags: k.Flags, InternalDate: k.InternalDate, Size: k.Size})
			guessed[k.SrcUID] = true
		}
	}
	strangers = max(strangers+len(changed), d.there.count(p.first, p.last)-present)
	if strangers > 0 && d.opts.Only == nil {
		return nil, nil, errNoSum
	}
	d.tally.Elsewhere += strangers // other copies of the same source folder have them
	return listed, guessed, nil
}

// ask lists in full what a page's comparison would not leave as it is, and gives
// the page's listing with the answers in it.
func (d *delta) ask(ctx context.Context, p page, guessed map[uint32]bool) ([]Message, error) {
	diff := Compare(p.listed, p.known, d.opts.Rules)
	uids := slices.Concat(diff.Vanished, diff.Returned)
	for _, m := range diff.Copy {
		uids = append(uids, m.UID)
	}
	for _, o := range diff.Settle {
		uids = append(uids, o.SrcUID)
	}
	for _, f := range diff.Flags {
		uids = append(uids, f.SrcUID)
	}
	for _, m := range p.listed {
		if d.vague[m.UID] {
			uids = append(uids, m.UID)
		}
	}
	missing := len(diff.Vanished)
	uids = slices.Concat(uids[:missing:missing], slices.DeleteFunc(uids[missing:], func(uid uint32) bool { return !guessed[uid] }))
	if len(uids) == 0 {
		return p.listed, nil
	}
	slices.Sort(uids)
	uids = slices.Compact(uids)
	answers, err := d.src.listed(ctx, uids)
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", d.opts.Source, err)
	}
	listed := slices.DeleteFunc(p.listed, func(m Message) bool { _, asked := slices.BinarySearch(uids, m.UID); return asked })
	listed = append(listed, answers...)
	slices.SortFunc(listed, byUID)
	return listed, nil
}

// stale says whether the source hasn't been listed in full for so long that its
// word for what changed is no longer taken: HIGHESTMODSEQ has been seen to stand
// still where a server's index was mended, or its mail was changed behind it.
func (c *copier) stale() bool {
	return c.opts.Now().Sub(c.state.ListedInFull) >= c.opts.ListEvery
}
