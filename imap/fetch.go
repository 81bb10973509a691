package imap

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
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
	chunks := uidChunks(uids, fetchCount)
	slots := make(chan struct{}, fetchAhead)
	var refused error
	err := s.fetchOrders(ctx, func(ctx context.Context) (*order, error) {
		if len(chunks) == 0 {
			return nil, nil
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		chunk := chunks[0]
		chunks = chunks[1:]
		return &order{uids: chunk.uids, take: fn, end: func(err error) error {
			if refused == nil {
				refused = err
			}
			<-slots
			return nil
		}}, nil
	})
	if err != nil {
		return err
	}
	return refused
}

// order is messages whose bodies are asked for together, by as few commands as
// hold them.
type order struct {
	uids []uint32 // sorted
	// take gets each body once, in the server's order.
	take func(uid uint32, size int64, body io.Reader) error
	// end is told when all commands have been answered, with the first NO or
	// BAD among the answers.
	end func(refused error) error

	commands int // without an answer
	refused  error
}

// fetchOrders reads the bodies of one order after the other, each asked for as
// soon as next gives it, which a goroutine of its own calls: a server that is
// busy sending may not read, and we must not wait for it to. next gives nil
// after the last order, and has to end with its context. The error is next's,
// after the orders it had given are through, or else has ended the session.
func (s *Session) fetchOrders(ctx context.Context, next func(context.Context) (*order, error)) error {
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	d := s.c.openDoor()
	defer d.close()
	b := newBodies()
	defer b.close()
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan sentFetch, 64)
	ended := make(chan error, 1)
	go func() {
		defer close(sent)
		ended <- s.sendOrders(sending, next, b, sent)
	}()
	if err = receiveOrders(d, b, sent); err != nil {
		s.c.close() // in any case, so that the sender ends
		cancel()
		for range sent {
		}
	}
	if sending := <-ended; err == nil {
		err = sending
	}
	return err
}

// sentFetch is one command under way.
type sentFetch struct {
	tag string
	of  *order
}

func (s *Session) sendOrders(ctx context.Context, next func(context.Context) (*order, error), b *bodies, sent chan<- sentFetch) error {
	for {
		o, err := next(ctx)
		if err != nil || o == nil {
			return err
		}
		chunks := uidChunks(o.uids, fetchCount)
		o.commands = len(chunks)
		b.expect(o)
		for _, chunk := range chunks {
			tag := s.c.nextTag()
			if err := s.c.send([]byte(tag+" UID FETCH "+chunk.set+" (UID BODY.PEEK[])\r\n"), true); err != nil {
				return err
			}
			sent <- sentFetch{tag, o}
		}
	}
}

// receiveOrders reads what the commands bring, until no more are sent.
func receiveOrders(d *door, b *bodies, sent <-chan sentFetch) error {
	for f := range sent {
		_, err := d.await(f.tag, b.response)
		if err != nil && !refusedAlone(err) {
			return err
		}
		if f.of.refused == nil {
			f.of.refused = err
		}
		if f.of.commands--; f.of.commands > 0 {
			continue
		}
		b.forget(f.of)
		if err := f.of.end(f.of.refused); err != nil {
			return err
		}
	}
	return nil
}

// bodies takes the answers of fetchOrders apart.
type bodies struct {
	mu     sync.Mutex
	want   map[uint32]*order   // asked for and not delivered yet
	uids   map[uint32]uint32   // sequence number → UID, of messages without body yet
	parked map[uint32]*spooled // bodies whose UID the server hasn't told yet
}

func newBodies() *bodies {
	return &bodies{want: map[uint32]*order{}, uids: map[uint32]uint32{}, parked: map[uint32]*spooled{}}
}

// expect begins an order. It is called before its commands are sent.
func (b *bodies) expect(o *order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range o.uids {
		b.want[u] = o
	}
}

// forget ends an order: what still comes of it is nobody's.
func (b *bodies) forget(o *order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range o.uids {
		if b.want[u] == o {
			delete(b.want, u)
		}
	}
}

// wanted gives the order that waits for a message, nil if none does.
func (b *bodies) wanted(uid uint32) *order {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.want[uid]
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
	b.mu.Lock()
	o := b.want[uid]
	delete(b.want, uid)
	b.mu.Unlock()
	if o == nil {
		return nil
	}
	return o.take(uid, size, body)
}

// settle brings a sequence number's UID and body together at the end of a
// response.
func (b *bodies) settle(seq, uid uint32) error {
	p := b.parked[seq]
	switch {
	case uid == 0:
		return nil
	case p == nil:
		if b.wanted(uid) != nil {
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
