package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// reader spools messages batch by batch, and hands the batches over in order.
// Several are asked for ahead of the one being read.
type reader struct {
	*copier
	list  []Message // not asked for yet
	ready chan *batch
	ahead *ahead

	missing []Message // left out of the answers
	mu      sync.Mutex
	open    []*reading // asked for and not handed over, in order
}

// reading is a batch being fetched.
type reading struct {
	*batch
	list []Message
	got  map[uint32]*spooled
}

func (r *reader) run(ctx context.Context) error {
	err := r.src.fetchOrders(ctx, r.next)
	if err == nil {
		return r.fetchMissing(ctx)
	}
	if errors.Is(err, ErrStopped) {
		return err
	}
	r.undelivered(err)
	for _, f := range r.open {
		r.discard(f)
	}
	return fmt.Errorf("fetch from %q: %w", r.opts.Source, err)
}

// next waits until another batch may be asked for.
func (r *reader) next(ctx context.Context) (*order, error) {
	if len(r.list) == 0 {
		return nil, nil
	}
	f, err := r.begin(ctx, &r.list)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.open = append(r.open, f)
	r.mu.Unlock()
	uids := make([]uint32, len(f.list))
	byUID := make(map[uint32]Message, len(f.list))
	for i, m := range f.list {
		uids[i], byUID[m.UID] = m.UID, m
	}
	return &order{uids: uids, take: r.spoolInto(byUID, f.got, f.batch), end: func(error) error {
		r.mu.Lock()
		r.open = r.open[1:] // orders end in turn
		r.mu.Unlock()
		r.missing = append(r.missing, f.gather()...)
		return r.hand(ctx, f)
	}}, nil
}

// begin cuts a batch off a list, once there is room and memory for it.
func (r *reader) begin(ctx context.Context, list *[]Message) (*reading, error) {
	if r.opts.stopped() {
		return nil, ErrStopped
	}
	n, octets, memory := r.cut(*list)
	if err := r.ahead.take(ctx, n, octets); err != nil {
		return nil, err
	}
	held, err := r.opts.Budget.acquire(ctx, memory)
	if err != nil {
		return nil, err
	}
	f := &reading{batch: &batch{held: held, asked: n, octets: octets}, list: (*list)[:n], got: make(map[uint32]*spooled, n)}
	*list = (*list)[n:]
	return f, nil
}

// gather puts into the batch what has come, and gives the messages that have not.
func (f *reading) gather() (missing []Message) {
	for _, m := range f.list {
		if s := f.got[m.UID]; s != nil {
			f.msgs = append(f.msgs, s)
		} else {
			missing = append(missing, m)
		}
	}
	return missing
}

// hand gives the writer a batch.
func (r *reader) hand(ctx context.Context, f *reading) error {
	r.progress("fetched", len(f.msgs), f.octets)
	if len(r.ready) == 0 {
		r.ahead.starved()
	}
	select {
	case r.ready <- f.batch:
		return nil
	case <-ctx.Done():
		r.discard(f)
		return context.Cause(ctx)
	}
}

func (r *reader) discard(f *reading) {
	for _, s := range f.got {
		s.Close()
	}
	f.close(r.opts.Budget)
}

// fetchMissing asks one by one for what the source left out of its answers, and
// after a pause again for what it refused, all of it together; what it then still
// refuses, or no longer lists, is settled.
func (r *reader) fetchMissing(ctx context.Context) error {
	list := r.missing
	for try := 0; len(list) > 0; try++ {
		r.missing = nil
		last := try >= len(r.opts.RetryDelays)
		for len(list) > 0 {
			if err := r.fetchEach(ctx, &list, try == 0, last); err != nil {
				return err
			}
		}
		if list = r.missing; len(list) == 0 {
			return nil
		}
		// Shorter than for a target: who says no to one message is seldom busy.
		if err := r.opts.Sleep(ctx, r.opts.RetryDelays[try]/5); err != nil {
			return err
		}
	}
	return nil
}

// fetchEach asks one by one for a batch of a list.
func (r *reader) fetchEach(ctx context.Context, list *[]Message, first, last bool) error {
	f, err := r.begin(ctx, list)
	if err != nil {
		return err
	}
	for _, m := range f.list {
		refused, err := r.fetchOne(ctx, m, f)
		if err == nil && refused != "" && first {
			err = r.sick(m, refused)
		}
		if err != nil {
			r.discard(f)
			return err
		}
		switch {
		case refused == "":
		case last:
			f.settled = append(f.settled, Outcome{SrcUID: m.UID, Size: m.Size, InternalDate: m.InternalDate, DateText: m.DateText,
				Flags: Normalize(m.Flags), Fate: Refused, By: "source", Reason: "fetch: " + refused})
		default:
			r.missing = append(r.missing, m)
		}
	}
	f.gather()
	return r.hand(ctx, f)
}

// undelivered counts the message that was due when the source ended the
// session. It may be why.
func (r *reader) undelivered(err error) {
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindBye && e.Kind != KindClosed && e.Kind != KindTimeout {
		return
	}
	for _, f := range r.open {
		for _, m := range f.list {
			if f.got[m.UID] == nil {
				r.opts.Undelivered[m.UID]++
				return
			}
		}
	}
}

func (c *copier) spoolInto(wanted map[uint32]Message, got map[uint32]*spooled, b *batch) func(uint32, int64, io.Reader) error {
	return func(uid uint32, size int64, body io.Reader) error {
		m, ok := wanted[uid]
		if !ok || got[uid] != nil {
			_, err := io.Copy(io.Discard, body)
			return err
		}
		s, err := spool(m, size, body, c.opts.SpoolDir, b.room(c.opts.Budget, m, size))
		if err != nil {
			return err
		}
		got[uid] = s
		b.kept += int64(len(s.mem))
		c.opts.Budget.count(int64(len(s.mem)))
		return nil
	}
}

// fetchOne asks for one message alone. It gives why the source refuses it, in
// its words; one that isn't listed any more is settled as vanished.
func (r *reader) fetchOne(ctx context.Context, m Message, f *reading) (refused string, err error) {
	listed := false
	err = r.src.Messages(ctx, m.UID, m.UID, func(Message) error { listed = true; return nil })
	if err != nil && !refusal(err) {
		return "", fmt.Errorf("list %q: %w", r.opts.Source, err)
	}
	if err == nil && !listed {
		f.settled = append(f.settled, Outcome{SrcUID: m.UID, Size: m.Size, InternalDate: m.InternalDate, DateText: m.DateText,
			Flags: Normalize(m.Flags), Fate: Vanished})
		return "", nil
	}
	err = r.src.Fetch(ctx, []uint32{m.UID}, r.spoolInto(map[uint32]Message{m.UID: m}, f.got, f.batch))
	switch {
	case err != nil && !refusal(err):
		return "", fmt.Errorf("fetch from %q: %w", r.opts.Source, err)
	case f.got[m.UID] != nil:
		return "", nil
	case err != nil:
		return serverWords(err), nil
	}
	return "the source lists the message and does not deliver it", nil
}
