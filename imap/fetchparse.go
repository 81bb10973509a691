package imap

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fields says which items of a message have been seen.
type fields uint8

const (
	hasUID fields = 1 << iota
	hasFlags
	hasDate
	hasSize
	hasSHA1
)

// partial is a message as far as the server has told it: a FETCH may be split
// into several responses.
type partial struct {
	Message
	seen fields
}

// item reads the next item's name of a FETCH response, upper-case but for
// what stands in brackets; "" at the end of the list.
func (r *response) item() []byte {
	r.spaces()
	from := r.pos
	for r.pos < r.end() {
		switch r.line[r.pos] {
		case ' ', '(', ')':
			return r.line[from:r.pos]
		case '[':
			if n := bytes.IndexByte(r.line[r.pos:r.end()], ']'); n >= 0 {
				r.pos += n
			}
		}
		r.pos++
	}
	return r.line[from:r.pos]
}

// openList passes over the parenthesis that opens a FETCH response's list.
func (r *response) openList() bool {
	r.spaces()
	return r.accept('(')
}

// fetched reads the items of a FETCH response into p. What isn't known is
// passed over.
func (r *response) fetched(p *partial) error {
	if !r.openList() {
		r.c.repaired("unreadable FETCH")
		return nil
	}
	for {
		name := r.item()
		if len(name) == 0 {
			if r.peek() != ')' {
				r.c.repaired("unreadable FETCH")
			}
			return nil
		}
		if err := r.value(p, name); err != nil {
			return err
		}
	}
}

// value reads the value of one item.
func (r *response) value(p *partial, name []byte) error {
	switch {
	case equalFold(name, "UID"):
		r.spaces()
		if n, ok := number(string(r.word())); ok && n > 0 {
			p.UID, p.seen = n, p.seen|hasUID
		}
	case equalFold(name, "FLAGS"):
		p.Flags, p.seen = r.flags(), p.seen|hasFlags
	case equalFold(name, "INTERNALDATE"):
		s, isNil, err := r.str()
		if err != nil {
			return err
		}
		if p.seen |= hasDate; !isNil {
			p.DateText = capText(string(s))
			p.InternalDate = parseDate(string(s))
		}
	case equalFold(name, "RFC822.SIZE"):
		s, _, err := r.str()
		if err != nil {
			return err
		}
		p.Size, p.seen = -1, p.seen|hasSize
		if n, err := strconv.ParseInt(string(s), 10, 64); err == nil && n >= 0 {
			p.Size = n
		}
	case equalFold(name, "DIGEST.SHA1"):
		s, _, err := r.str()
		if err != nil {
			return err
		}
		p.SHA1, p.HasSHA1 = parseSHA1(s)
		p.seen |= hasSHA1
	default:
		return r.skip()
	}
	return nil
}

func equalFold(b []byte, s string) bool {
	return len(b) == len(s) && bytes.EqualFold(b, []byte(s))
}

// parseSHA1 reads 40 hexadecimal digits.
func parseSHA1(s []byte) (sum [20]byte, ok bool) {
	if len(s) != 2*len(sum) {
		return sum, false
	}
	if _, err := hex.Decode(sum[:], s); err != nil {
		return [20]byte{}, false
	}
	return sum, true
}

// parseDate reads INTERNALDATE (RFC 9051 §9, date-time) as servers write it:
// also with a year of two digits, months in any case, and zones as words for
// UTC. An unreadable date is the zero time. A zone of a day or more, which JSON
// can't say, becomes UTC.
func parseDate(s string) time.Time {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		switch strings.ToUpper(s[i+1:]) {
		case "GMT", "UT", "UTC", "Z":
			s = s[:i] + " +0000"
		}
	}
	for _, layout := range []string{"_2-Jan-2006 15:04:05 -0700", "_2-Jan-06 15:04:05 -0700", "_2-Jan-2006 15:04:05 -07:00"} {
		// In UTC, so that the result doesn't depend on this machine's zone.
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil && t.Year() > 0 {
			if _, offset := t.Zone(); offset <= -24*3600 || offset >= 24*3600 {
				return t.UTC()
			}
			return t
		}
	}
	return time.Time{}
}

// uidSeen is a set of UIDs, compact where they are dense.
type uidSeen map[uint32]*[64]uint64

// add reports false if the UID was there already.
func (s uidSeen) add(uid uint32) bool {
	page := s[uid>>12]
	if page == nil {
		page = new([64]uint64)
		s[uid>>12] = page
	}
	word, bit := &page[uid>>6&63], uint64(1)<<(uid&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

func (s uidSeen) has(uid uint32) bool {
	page := s[uid>>12]
	return page != nil && page[uid>>6&63]&(1<<(uid&63)) != 0
}

func (s uidSeen) remove(uid uint32) {
	if page := s[uid>>12]; page != nil {
		page[uid>>6&63] &^= 1 << (uid & 63)
	}
}

// listing gathers the answers of a listing and hands each message on once, as
// soon as all that was asked for is known of it.
type listing struct {
	first, last uint32
	want        fields
	open        map[uint32]*partial // by sequence number
	done        uidSeen
	deliver     func(*partial) error
}

func newListing(first, last uint32, want fields, deliver func(*partial) error) *listing {
	if last == 0 {
		last = ^uint32(0)
	}
	return &listing{first: first, last: last, want: want | hasUID, deliver: deliver,
		open: map[uint32]*partial{}, done: uidSeen{}}
}

// response takes one untagged response.
func (l *listing) response(r *response) error {
	switch r.name {
	case "FETCH":
		return l.fetch(r)
	case "EXPUNGE":
		l.open = shifted(l.open, r.num)
	}
	return nil
}

func (l *listing) fetch(r *response) error {
	seq := r.num
	var fresh partial
	p, split := l.open[seq]
	if !split {
		p = &fresh
		p.Size = -1
	}
	if err := r.fetched(p); err != nil {
		return err
	}
	if p.seen&l.want == l.want {
		delete(l.open, seq)
		return l.hand(p)
	}
	if !split {
		kept := fresh
		l.open[seq] = &kept
	}
	return nil
}

// hand delivers a message that is in range and new.
func (l *listing) hand(p *partial) error {
	if p.seen&hasUID == 0 || p.UID < l.first || p.UID > l.last || !l.done.add(p.UID) {
		return nil
	}
	return l.deliver(p)
}

// finish delivers what the server told in part only. A message known by an
// unasked update of its flags alone isn't one of them: it has been listed, or
// will be.
func (l *listing) finish() error {
	seqs := make([]uint32, 0, len(l.open))
	for seq := range l.open {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if err := l.hand(l.open[seq]); err != nil {
			return err
		}
	}
	return nil
}

// shifted moves what is keyed by sequence number after an EXPUNGE of one.
func shifted[T any](m map[uint32]T, seq uint32) map[uint32]T {
	if len(m) == 0 {
		return m
	}
	out := make(map[uint32]T, len(m))
	for k, v := range m {
		switch {
		case k < seq:
			out[k] = v
		case k > seq:
			out[k-1] = v
		}
	}
	return out
}

// Messages lists the messages with UIDs from first to last (0: to the end) in
// the open mailbox, in the server's order, each UID once. SHA-1 comes with it
// where the server keeps it. If fn returns an error, the session is closed.
func (s *Session) Messages(ctx context.Context, first, last uint32, fn func(Message) error) error {
	l, list := s.listStep(first, last, fn)
	if err := s.exchanges(ctx, list); err != nil {
		return err
	}
	return l.finish()
}

// listStep is the command of Messages; finish of the listing has to follow.
func (s *Session) listStep(first, last uint32, fn func(Message) error) (*listing, step) {
	items, want := s.listItems()
	first = max(first, 1)
	l := newListing(first, last, want, func(p *partial) error { return fn(p.Message) })
	return l, step{"UID FETCH " + uidRange(first, last) + " (" + items + ")", l.response}
}

// listItems are the items of a listing.
func (s *Session) listItems() (items string, want fields) {
	items, want = "UID FLAGS INTERNALDATE RFC822.SIZE", hasFlags|hasDate|hasSize
	if s.Can(digestCap) {
		items, want = items+" DIGEST.SHA1", want|hasSHA1
	}
	return items, want
}

// uidRange writes the UIDs from first to last (0: to the end).
func uidRange(first, last uint32) string {
	to := "*"
	if last != 0 {
		to = strconv.FormatUint(uint64(last), 10)
	}
	return strconv.FormatUint(uint64(first), 10) + ":" + to
}

// messagesIn selects a mailbox and lists it, as Select and Messages do, in one
// round trip. It gives what SELECT says of it, as far as it does.
func (t *Target) messagesIn(ctx context.Context, mailbox string, first, last uint32, fn func(Message) error) (st Status, err error) {
	wire := t.wire(mailbox)
	if err := t.unsendable("SELECT", wire); err != nil {
		return st, err
	}
	l, list := t.listStep(first, last, fn)
	t.selected = wire
	if err := t.exchanges(ctx, step{"SELECT " + quoteMailbox(wire), func(r *response) error { r.numbers(&st); return nil }}, list); err != nil {
		return Status{}, err
	}
	return st, l.finish()
}

// numbers reads what a server says of a mailbox when it opens it (RFC 9051 §6.3.2).
func (r *response) numbers(st *Status) {
	switch r.name {
	case "EXISTS":
		st.Messages = r.num
	case "OK":
		s := r.status()
		st.set(s.code, s.args)
	}
}

// glance is Status and, for a UID that isn't 0, Select and Messages of it, in one
// round trip.
func (t *Target) glance(ctx context.Context, mailbox string, uid uint32) (st Status, there []Message, err error) {
	if t.unsendable("SELECT", t.wire(mailbox)) != nil {
		uid = 0
	}
	steps, l := t.glanceSteps(mailbox, uid, &st, &there)
	err = t.exchanges(ctx, steps...)
	if err == nil && l != nil {
		err = l.finish()
	}
	return st, there, t.checkedStatus(st, err)
}

// glanceSteps are the commands of a glance, which its results are put into; finish
// of the listing, if there is one, has to follow.
func (t *Target) glanceSteps(mailbox string, uid uint32, st *Status, there *[]Message) ([]step, *listing) {
	steps := []step{t.statusStep(mailbox, st)}
	if uid == 0 {
		return steps, nil
	}
	l, list := t.listStep(uid, uid, func(m Message) error { *there = append(*there, m); return nil })
	return append(steps, step{"SELECT " + quoteMailbox(t.wire(mailbox)), nil}, list), l
}

// digestCap is Cyrus's extension: the SHA-1 of a message's octets, out of the
// index.
const digestCap = "DIGEST=SHA1"

// Digests lists the SHA-1 of the messages with UIDs from first to last (0: to
// the end), where the server announces DIGEST=SHA1.
func (t *Target) Digests(ctx context.Context, first, last uint32, fn func(uid uint32, sha1 [20]byte) error) error {
	if !t.Can(digestCap) {
		return t.c.refusal(&Error{Kind: KindRefused, Command: "UID FETCH", Text: "the server doesn't announce " + digestCap})
	}
	first = max(first, 1)
	l := newListing(first, last, hasSHA1, func(p *partial) error {
		if !p.HasSHA1 {
			return nil
		}
		return fn(p.UID, p.SHA1)
	})
	if err := t.exchanges(ctx, step{"UID FETCH " + uidRange(first, last) + " (UID DIGEST.SHA1)", l.response}); err != nil {
		return err
	}
	return l.finish()
}
