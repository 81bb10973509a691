package imap

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// uidSpan is UIDs that follow each other, both ends included.
type uidSpan struct{ first, last uint32 }

// uidSpans is a set of UIDs, ascending and apart: at most 8 octets a message
// however sparse they are, and next to nothing where they are dense.
type uidSpans []uidSpan

// add takes UIDs in, which mostly come in ascending order.
func (s *uidSpans) add(first, last uint32) {
	if n := len(*s); n > 0 {
		switch end := &(*s)[n-1]; {
		case first >= end.first && first <= end.last, first == end.last+1 && first != 0:
			end.last = max(end.last, last)
			return
		case first < end.first:
			*s = append(*s, uidSpan{first, last})
			s.mend()
			return
		}
	}
	*s = append(*s, uidSpan{first, last})
}

// mend restores the order.
func (s *uidSpans) mend() {
	slices.SortFunc(*s, func(a, b uidSpan) int { return int(int64(a.first) - int64(b.first)) })
	out := (*s)[:0]
	for _, one := range *s {
		if n := len(out); n > 0 && uint64(one.first) <= uint64(out[n-1].last)+1 {
			out[n-1].last = max(out[n-1].last, one.last)
			continue
		}
		out = append(out, one)
	}
	*s = out
}

func (s uidSpans) has(uid uint32) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].last >= uid })
	return i < len(s) && s[i].first <= uid
}

// count is how many UIDs from first to last are in the set.
func (s uidSpans) count(first, last uint32) (n int) {
	for i := sort.Search(len(s), func(i int) bool { return s[i].last >= first }); i < len(s) && s[i].first <= last; i++ {
		n += int(min(s[i].last, last)) - int(max(s[i].first, first)) + 1
	}
	return n
}

// parseSpans reads a set as ESEARCH gives it (RFC 4731 §3.1): `1:17,21`.
func parseSpans(set string, into *uidSpans) bool {
	for set != "" {
		var one string
		one, set, _ = strings.Cut(set, ",")
		from, to, ranged := strings.Cut(one, ":")
		first, ok := number(from)
		last := first
		if ranged && ok {
			last, ok = number(to)
		}
		if !ok || first == 0 || last == 0 {
			return false
		}
		into.add(min(first, last), max(first, last))
	}
	return true
}

// presence finds out which UIDs the open mailbox holds, by numbers alone: by
// SEARCH RETURN (ALL) where the server announces ESEARCH (RFC 4731), which gives
// ranges, and else by FETCH (UID), which every server answers out of its index.
//
// The searches go by sequence numbers, so that an answer's length is bounded
// however the UIDs lie. Sequence numbers move with each EXPUNGE that the server
// reports; then, and whenever an answer isn't what it should be, FETCH is the
// way.
type presence struct {
	s      *Session
	exists uint32
	next   uint64 // sequence number of the window to ask for
	due    int    // answers
	short  int    // answers of less than a window; the last window's may be one
	spans  uidSpans
	failed bool
}

// presenceWindow bounds the messages of one answer: a set of so many lone UIDs
// is half as long as the longest line that is read.
const presenceWindow = 50_000

func (s *Session) presence(exists uint32) *presence {
	return &presence{s: s, exists: exists, next: 1, failed: !s.Can("ESEARCH")}
}

// steps are the next searches, no more than limit of them; none are left if
// there are none.
func (p *presence) steps(limit int) (steps []step) {
	for len(steps) < limit && !p.failed && p.next <= uint64(p.exists) {
		from, to := p.next, p.next+presenceWindow-1
		p.next = to + 1
		set := fmt.Sprintf("%d:%d", from, to)
		if to >= uint64(p.exists) {
			set = fmt.Sprintf("%d:*", from)
		}
		p.due++
		steps = append(steps, step{"UID SEARCH RETURN (ALL) " + set, p.response})
	}
	return steps
}

// response takes one untagged response. Whose it is among the searches that are
// out doesn't matter: Dovecot goes on with later commands while one searches.
func (p *presence) response(r *response) error {
	switch r.name {
	case "EXPUNGE", "VANISHED":
		p.failed = true
	case "ESEARCH":
		p.due--
		set, ok := r.searchedAll()
		var got uidSpans
		if ok = ok && parseSpans(set, &got); got.count(1, 1<<32-1) < presenceWindow {
			p.short++
		}
		if p.failed = p.failed || !ok || p.short > 1; p.failed {
			return nil
		}
		for _, one := range got {
			p.spans.add(one.first, one.last)
		}
	case "SEARCH":
		p.failed = true
	}
	return nil
}

// searchedAll gives the set of an ESEARCH answer, "" where nothing was found.
// ok is false where the answer isn't one of UIDs.
func (r *response) searchedAll() (set string, ok bool) {
	r.spaces()
	if r.peek() == '(' { // the correlator
		if r.skip() != nil {
			return "", false
		}
		r.spaces()
	}
	words := strings.Fields(string(r.rest()))
	if len(words) == 0 || !strings.EqualFold(words[0], "UID") {
		return "", false
	}
	for i := 1; i+1 < len(words); i += 2 {
		if strings.EqualFold(words[i], "ALL") {
			return words[i+1], true
		}
	}
	return "", true
}

// presenceAhead is how many searches are out at a time.
const presenceAhead = 8

// all does what steps has left, and gives the whole set.
func (p *presence) all(ctx context.Context) (uidSpans, error) {
	for {
		steps := p.steps(presenceAhead)
		if len(steps) == 0 {
			break
		}
		if err := p.s.exchanges(ctx, steps...); err != nil {
			if !refusedAlone(err) {
				return nil, err
			}
			p.failed = true
		}
	}
	if !p.failed && p.due == 0 {
		return p.spans, nil
	}
	return p.s.uidsByFetch(ctx, 1)
}

// uidsByFetch lists the UIDs of the open mailbox from first on, and nothing else
// of it.
func (s *Session) uidsByFetch(ctx context.Context, first uint32) (spans uidSpans, err error) {
	l := newListing(first, 0, 0, func(p *partial) error { spans.add(p.UID, p.UID); return nil })
	if err := s.exchanges(ctx, step{"UID FETCH " + uidRange(first, 0) + " (UID)", l.response}); err != nil {
		return nil, err
	}
	return spans, l.finish()
}

// fetchThese asks for items of some messages of the open mailbox, a few commands
// at a time; uids are sorted. Those that aren't there are left out; others may
// come with them.
func (s *Session) fetchThese(ctx context.Context, uids []uint32, items string, want fields, fn func(*partial) error) error {
	for chunks := range slices.Chunk(uidChunks(uids, 2_000), presenceAhead) {
		// One listing for all of them: which command an answer belongs to doesn't
		// show where a server works at several.
		last := chunks[len(chunks)-1].uids
		l := newListing(chunks[0].uids[0], last[len(last)-1], want, fn)
		var steps []step
		for _, chunk := range chunks {
			steps = append(steps, step{"UID FETCH " + chunk.set + " (" + items + ")", l.response})
		}
		if err := s.exchanges(ctx, steps...); err != nil {
			return err
		}
		if err := l.finish(); err != nil {
			return err
		}
	}
	return nil
}

// listed lists some messages of the open mailbox in full; uids are sorted. Those
// that aren't there are left out.
func (s *Session) listed(ctx context.Context, uids []uint32) (out []Message, err error) {
	items, want := s.listItems()
	err = s.fetchThese(ctx, uids, items, want, func(p *partial) error {
		if _, asked := slices.BinarySearch(uids, p.UID); asked {
			out = append(out, p.Message)
		}
		return nil
	})
	slices.SortFunc(out, byUID)
	return slices.CompactFunc(out, func(a, b Message) bool { return a.UID == b.UID }), err
}

// changedSince is the FETCH modifier of RFC 7162 §3.1.4.1.
func changedSince(modSeq uint64) string {
	return " (CHANGEDSINCE " + strconv.FormatUint(modSeq, 10) + ")"
}
