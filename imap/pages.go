package imap

import (
	"context"
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
	err              error // have's
}

// page is what the source lists from UID first to last, ascending.
type page struct {
	listed      []Message
	first, last uint32
	cut         bool // there were too many for one page up to where it was asked for
}

func newPages(c *copier, from Status) *pages {
	p := &pages{copier: c, first: 1, span: uint64(c.opts.Window), top: uint64(from.UIDNext)}
	if p.top == 0 {
		p.top = 1 << 32 // the server doesn't say; the last page is open
	}
	return p
}

// next gives the next page. The last one ends with the highest UID there can be.
func (p *pages) next(ctx context.Context) (page, error) {
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

// ahead lists the next page, if that isn't done yet. An error is next's.
func (p *pages) ahead(ctx context.Context) {
	if p.have != nil || p.err != nil || p.first > 1<<32-1 {
		return
	}
	last := min(p.first+p.span-1, 1<<32-1)
	if last+1 >= p.top {
		last = 1<<32 - 1
	}
	listed, end, err := p.list(ctx, uint32(p.first), uint32(last))
	p.have, p.err = &page{listed, uint32(p.first), end, uint64(end) < last}, err
}

// list lists the source's messages from first to last, or, where these are too
// many for one page, up to end.
func (c *copier) list(ctx context.Context, first, last uint32) (listed []Message, end uint32, err error) {
	if c.opts.stopped() {
		return nil, 0, ErrStopped
	}
	ask, end, most := last, last, 2*int(c.opts.Window)
	if last == 1<<32-1 {
		ask = 0
	}
	err = c.src.Messages(ctx, first, ask, func(m Message) error {
		if m.UID > end {
			return nil
		}
		if listed = append(listed, m); len(listed) == 2*most {
			slices.SortFunc(listed, byUID)
			listed, end = slices.Delete(listed, most, len(listed)), listed[most-1].UID
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list %q: %w", c.opts.Source, err)
	}
	slices.SortFunc(listed, byUID)
	return listed, end, nil
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
