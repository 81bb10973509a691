package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// pages lists a source folder in windows of UIDs, so that memory is bounded
// whatever the folder's size. One page may be listed ahead of the one that is
// worked off.
type pages struct {
	*copier
	first, span, top uint64
	known            int // how many rows the ledger had for the last page
	have             *page
	err              error  // have's
	delta            *delta // nil: there is none, or none any more
	full             bool   // everything is listed
}

// page is what the source lists from UID first to last, ascending.
type page struct {
	listed      []Message
	first, last uint32
	cut         bool // there were too many for one page up to where it was asked for

	own   bool // all of it is of this copy, and known are the ledger's rows of it
	known []Known
}

func newPages(c *copier, from Status) *pages {
	p := &pages{copier: c, first: 1, span: uint64(c.opts.Window), top: uint64(from.UIDNext), full: true}
	if p.top == 0 {
		p.top = 1 << 32 // the server doesn't say; the last page is open
	}
	return p
}

// begin finds out whether what changed since the last pass is enough to go by.
func (p *pages) begin(ctx context.Context, from Status) error {
	d, err := newDelta(ctx, p, from)
	if p.delta = d; d == nil {
		p.first = 1
	} else {
		p.full = false
	}
	return err
}

// next gives the next page. The last one ends with the highest UID there can be.
func (p *pages) next(ctx context.Context) (page, error) {
	for p.delta != nil {
		got, more, err := p.delta.next(ctx)
		switch {
		case errors.Is(err, errNoSum):
			p.delta, p.first, p.full = nil, 1, true
			p.tally.Listed, p.tally.Elsewhere = 0, 0
		case err != nil || more:
			return got, err
		default:
			p.have, p.delta = p.delta.then, nil
		}
	}
	p.ahead(ctx)
	if p.err != nil {
		return page{}, p.err
	}
	got := *p.have
	p.have = nil
	if n := max(len(got.listed), p.known); got.cut {
		p.span = uint64(p.opts.Window) // many UIDs after few
	} else if n < int(p.opts.Window)/4 {
		p.span *= 2 // sparse UIDs
	} else if n > int(p.opts.Window)*3/4 {
		p.span = max(uint64(p.opts.Window), p.span/2)
	}
	p.first = uint64(got.last) + 1
	return got, nil
}

// bound is up to where the next page is asked for.
func (p *pages) bound() uint32 {
	last := min(p.first+p.span-1, 1<<32-1)
	if last+1 >= p.top {
		last = 1<<32 - 1
	}
	return uint32(last)
}

// ahead lists the next page, if that isn't done yet. An error is next's.
func (p *pages) ahead(ctx context.Context) {
	if p.have != nil || p.err != nil || p.first > 1<<32-1 || p.delta != nil {
		return
	}
	last := p.bound()
	g, err := p.list(ctx, uint32(p.first), last)
	p.have, p.err = g.page(uint32(p.first)), err
}

// list lists the source's messages from first to last.
func (c *copier) list(ctx context.Context, first, last uint32) (*gathering, error) {
	g := c.gather(last)
	if c.opts.stopped() {
		return g, ErrStopped
	}
	if err := c.src.Messages(ctx, first, open(last), g.add); err != nil {
		return g, fmt.Errorf("list %q: %w", c.opts.Source, err)
	}
	return g, nil
}

// open is the end of a range as a listing is asked for it: the last page has none.
func open(last uint32) uint32 {
	if last == 1<<32-1 {
		return 0
	}
	return last
}

// gathering takes in what is listed up to a UID, or, where that is too much for one
// page, up to end.
type gathering struct {
	listed    []Message
	last, end uint32
	most      int
}

func (c *copier) gather(last uint32) *gathering {
	return &gathering{last: last, end: last, most: 2 * int(c.opts.Window)}
}

func (g *gathering) add(m Message) error {
	if m.UID > g.end {
		return nil
	}
	if g.listed = append(g.listed, m); len(g.listed) == 2*g.most {
		slices.SortFunc(g.listed, byUID)
		g.listed, g.end = slices.Delete(g.listed, g.most, len(g.listed)), g.listed[g.most-1].UID
	}
	return nil
}

// page is what was gathered from UID first on.
func (g *gathering) page(first uint32) *page {
	slices.SortFunc(g.listed, byUID)
	return &page{listed: g.listed, first: first, last: g.end, cut: g.end < g.last}
}

// Pages lists the open mailbox, of which Examine said st, in parts that bound
// what is held of it: about 10,000 messages at a time, ascending by UID. Each
// call of fn is for all UIDs from first to last; together they are all there can
// be. An error of fn ends it, and the session goes on.
func (s *Source) Pages(ctx context.Context, mailbox string, st Status, fn func(first, last uint32, listed []Message) error) error {
	if st.Messages == 0 {
		return fn(1, 1<<32-1, nil)
	}
	pages := newPages(&copier{src: s, opts: CopyOptions{Source: mailbox}.withDefaults()}, st)
	for {
		p, err := pages.next(ctx)
		if err != nil {
			return err
		}
		if err := fn(p.first, p.last, p.listed); err != nil || p.last == 1<<32-1 {
			return err
		}
	}
}
