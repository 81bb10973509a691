package imap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reachTogether is how many questions of reaches are out at a time.
const reachTogether = 32

// reaches asks which messages of the open mailbox, by UID, have an octet at an
// offset (RFC 9051 §6.4.5, a partial BODY.PEEK[] of one octet). Messages of which
// the server doesn't tell are left out; so are all, after a NO or BAD.
func (s *Session) reaches(ctx context.Context, offsets map[uint32]int64) (map[uint32]bool, error) {
	out := map[uint32]bool{}
	var steps []step
	for _, uid := range slices.Sorted(maps.Keys(offsets)) {
		at := offsets[uid]
		// Offsets are 32-bit numbers, as sizes are.
		steps = append(steps, step{fmt.Sprintf("UID FETCH %d (UID BODY.PEEK[]<%d.1>)", uid, min(at, 1<<32-2)), func(r *response) error {
			if r.name != "FETCH" {
				return nil
			}
			size, err := r.partial(uid)
			if size >= 0 {
				out[uid] = size == 1 || size > at // the whole of it, where the range is passed over
			}
			return err
		}})
	}
	for some := range slices.Chunk(steps, reachTogether) {
		if err := s.exchanges(ctx, some...); err != nil {
			if refusal(err) {
				return nil, nil
			}
			return nil, err
		}
	}
	return out, nil
}

// partial reads a FETCH response and gives the number of octets of BODY[]<…> in
// it; -1 where it is another message's or has none.
func (r *response) partial(uid uint32) (size int64, err error) {
	size = -1
	if !r.openList() {
		return size, nil
	}
	ours := false
	for {
		name := r.item()
		switch {
		case len(name) == 0:
			if !ours {
				size = -1
			}
			return size, nil
		case equalFold(name, "UID"):
			r.spaces()
			n, ok := number(string(r.word()))
			ours = ok && n == uid
		case !strings.HasPrefix(strings.ToUpper(string(name)), "BODY"):
			if err := r.skip(); err != nil {
				return -1, err
			}
		default:
			r.spaces()
			switch {
			case r.atLiteral():
				size = r.size
				r.openLiteral()
				if err := r.closeLiteral(); err != nil {
					return -1, err
				}
			case r.peek() == '"':
				size = int64(len(r.quoted()))
			default: // NIL, and there is nothing
				r.word()
				size = 0
			}
		}
	}
}

// measure doubts the sizes for which messages are about to be refused unread:
// some sources list good mail as of 4 GB. One that doesn't reach as far as it is
// listed is fetched, and what comes is counted.
func (c *copier) measure(ctx context.Context, d *Delta, listed []Message) error {
	offsets := map[uint32]int64{}
	for _, o := range d.Settle {
		if o.Fate == Refused && strings.HasPrefix(o.Reason, ReasonTooLarge) {
			offsets[o.SrcUID] = o.Size - sizeSlack - 1
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	there, err := c.src.reaches(ctx, offsets)
	if err != nil {
		return fmt.Errorf("fetch from %q: %w", c.opts.Source, err)
	}
	lies := func(uid uint32) bool {
		reaches, told := there[uid]
		return told && !reaches
	}
	d.Settle = slices.DeleteFunc(d.Settle, func(o Outcome) bool { return lies(o.SrcUID) })
	for _, m := range listed {
		if lies(m.UID) {
			m.Size = -1
			d.Copy = append(d.Copy, m)
		}
	}
	slices.SortFunc(d.Copy, byUID)
	return nil
}

// sizeGap counts, once a folder, the messages of which other octets came than
// their RFC822.SIZE promised. What came counts.
type sizeGap struct {
	messages int
	example  string
}

func (g *sizeGap) see(m *spooled) {
	if m.size == m.Size {
		return
	}
	if g.messages++; g.messages == 1 {
		promised := "no size that could be right"
		if m.Size >= 0 {
			promised = fmt.Sprint(m.Size)
		}
		g.example = fmt.Sprintf("for source UID %d %s, and %d came", m.UID, promised, m.size)
	}
}

func (g *sizeGap) note() []string {
	if g.messages == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the source lists %d messages with a wrong RFC822.SIZE: %s; the octets that came count", g.messages, g.example)}
}
