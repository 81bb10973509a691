package imap

import (
	"bytes"
	"context"
	"io"
	"strings"
)

// fetchAhead is how many commands of one Fetch are out at a time: the server
// always has the next one while this one's answers are on their way.
const fetchAhead = 2

// fetchCount bounds the messages of one command.
const fetchCount = 100

// Fetch reads the bodies of messages of the open mailbox; uids are sorted.
// fn gets each message once, in the server's order, and reads the body before
// it returns; size is the number of octets that body will give. A body that
// ends early fails in its Read, and then the session has failed.
//
// Messages that the server doesn't deliver are left out: the caller computes
// which. A NO or BAD to one of the commands doesn't keep the others from
// being read; the first such *Error is returned at the end, and the session
// goes on. If fn returns an error, the session is closed.
func (s *Session) Fetch(ctx context.Context, uids []uint32, fn func(uid uint32, size int64, body io.Reader) error) error {
	if len(uids) == 0 {
		return nil
	}
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	d := s.c.openDoor()
	defer d.close()
	b := newBodies(uids, fn)
	defer b.close()
	return s.fetchChunks(d, uidChunks(uids, fetchCount), b)
}

// fetchChunks sends the commands from a goroutine of its own: a server that is
// busy sending may not read, and we must not wait for it to.
func (s *Session) fetchChunks(d *door, chunks []uidChunk, b *bodies) error {
	tags := make(chan string, fetchAhead)
	slots := make(chan struct{}, fetchAhead)
	sent := make(chan error, 1)
	go func() {
		defer close(tags)
		sent <- s.sendChunks(chunks, slots, tags)
	}()
	var refused error
	for tag := range tags {
		_, err := d.await(tag, b.response)
		if err != nil && !refusedAlone(err) {
			s.c.close() // in any case, so that the sender ends
			for range tags {
			}
			<-sent
			return err
		}
		if refused == nil {
			refused = err
		}
		<-slots
	}
	if err := <-sent; err != nil {
		return err
	}
	return refused
}

// sendChunks sends each command as soon as it has a slot.
func (s *Session) sendChunks(chunks []uidChunk, slots chan<- struct{}, tags chan<- string) error {
	for _, chunk := range chunks {
		select {
		case slots <- struct{}{}:
		case <-s.c.dead:
			return s.c.Err()
		}
		tag := s.c.nextTag()
		if err := s.c.send([]byte(tag+" UID FETCH "+chunk.set+" (UID BODY.PEEK[])\r\n"), true); err != nil {
			return err
		}
		tags <- tag
	}
	return nil
}

// bodies takes the answers of a Fetch apart.
type bodies struct {
	want   map[uint32]bool // asked for and not delivered yet
	fn     func(uid uint32, size int64, body io.Reader) error
	uids   map[uint32]uint32   // sequence number → UID, of messages without body yet
	parked map[uint32]*spooled // bodies whose UID the server hasn't told yet
}

func newBodies(uids []uint32, fn func(uint32, int64, io.Reader) error) *bodies {
	b := &bodies{want: make(map[uint32]bool, len(uids)), fn: fn, uids: map[uint32]uint32{}, parked: map[uint32]*spooled{}}
	for _, u := range uids {
		b.want[u] = true
	}
	return b
}

func (b *bodies) close() {
	for _, p := range b.parked {
		p.Close()
	}
}

// response takes one untagged response.
func (b *bodies) response(r *response) error {
	switch r.name {
	case "FETCH":
		return b.fetch(r)
	case "EXPUNGE":
		if p := b.parked[r.num]; p != nil {
			p.Close()
		}
		b.uids, b.parked = shifted(b.uids, r.num), shifted(b.parked, r.num)
	}
	return nil
}

// fetch reads one FETCH response. The UID may stand before the body, after
// it, or in another response for the same sequence number.
func (b *bodies) fetch(r *response) error {
	seq := r.num
	uid := b.uids[seq]
	if !r.openList() {
		r.c.repaired("unreadable FETCH")
		return nil
	}
	for {
		name := r.item()
		switch {
		case len(name) == 0:
			return b.settle(seq, uid)
		case equalFold(name, "UID"):
			r.spaces()
			if n, ok := number(string(r.word())); ok && n > 0 {
				uid = n
			}
		case isWholeBody(name):
			if err := b.body(r, seq, uid); err != nil {
				return err
			}
		default:
			if err := r.skip(); err != nil {
				return err
			}
		}
	}
}

// isWholeBody says whether an item is the whole message: BODY[], or as some
// servers echo it.
func isWholeBody(name []byte) bool {
	return equalFold(name, "BODY[]") || equalFold(name, "BODY.PEEK[]") || equalFold(name, "BODY[]<0>")
}

// body reads the value of BODY[]: a literal, a quoted string, or NIL, which
// is no body.
func (b *bodies) body(r *response, seq, uid uint32) error {
	r.spaces()
	switch {
	case r.atLiteral():
		size, lit := r.size, r.openLiteral()
		if err := b.take(seq, uid, size, lit); err != nil {
			return err
		}
		return r.closeLiteral()
	case r.peek() == '"':
		s := bytes.Clone(r.quoted())
		return b.take(seq, uid, int64(len(s)), bytes.NewReader(s))
	}
	if word := r.word(); !strings.EqualFold(string(word), "NIL") {
		r.c.repaired("unreadable body")
	}
	return nil
}

// take hands a body on, parks it while its UID isn't known, or lets it be
// passed over if nobody asked for it.
func (b *bodies) take(seq, uid uint32, size int64, body io.Reader) error {
	if uid == 0 {
		p, err := spool(Message{}, size, body, "", size <= memoryLimit)
		if err != nil {
			return err
		}
		if old := b.parked[seq]; old != nil {
			old.Close()
		}
		b.parked[seq] = p
		return nil
	}
	return b.hand(uid, size, body)
}

func (b *bodies) hand(uid uint32, size int64, body io.Reader) error {
	if !b.want[uid] {
		return nil
	}
	delete(b.want, uid)
	return b.fn(uid, size, body)
}

// settle brings a sequence number's UID and body together at the end of a
// response.
func (b *bodies) settle(seq, uid uint32) error {
	p := b.parked[seq]
	switch {
	case uid == 0:
		return nil
	case p == nil:
		if b.want[uid] {
			b.uids[seq] = uid
		} else {
			delete(b.uids, seq)
		}
		return nil
	}
	delete(b.parked, seq)
	delete(b.uids, seq)
	defer p.Close()
	return b.hand(uid, p.size, io.NewSectionReader(p, 0, p.size))
}
