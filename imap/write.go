package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// flight is what one Send put on its way.
type flight struct {
	batch   *batch // whose messages these are
	msgs    []*spooled
	octets  int64
	next    uint32    // the target's UIDNEXT, as far as known, when it was begun
	under   window    // what was under way with it, itself included
	left    time.Time // when its last octet had
	half    bool      // of what was refused together
	refused error     // the answer, where it was refused together
}

// writer appends the batches that a reader spools.
type writer struct {
	*copier
	ahead   *ahead
	out     *Appender
	flights []flight // under way, oldest first
	under   window   // what these are
	redo    []flight // refused together, to be sent in halves
	mended  []flight // refused alone, to be sent in another form
	halves  int      // flights under way that are such
	tight   bool     // the target is short of space: halves go before what is new
	halt    error    // every further message would be refused as well
	fatal   error    // ends the folder once what is in flight is recorded
}

// run writes until ready is closed and all is answered. What ends it earlier
// lets the answers come of what is in flight.
func (w *writer) run(ctx context.Context, ready <-chan *batch) (err error) {
	defer func() {
		for _, f := range slices.Concat(w.flights, w.redo, w.mended) {
			w.done(f)
		}
		if w.out == nil {
			return
		}
		if closing := w.out.Close(); err == nil {
			err = closing
		}
	}()
	for {
		if len(w.flights) == 0 && (ready == nil || w.stop() != nil) {
			return w.stop()
		}
		b, open, err := w.wait(ctx, ready)
		if !open {
			ready = nil
		}
		switch {
		case err != nil:
			return err
		case b != nil:
			err = w.send(ctx, w.more(b, ready))
		case open && len(w.flights) > 0:
			if err = w.receive(ctx); err == nil {
				err = w.resend(ctx)
			}
			if err != nil {
				err = w.drain(ctx, err)
			}
		}
		if err != nil {
			return err
		}
	}
}

// stop says why no more messages are sent.
func (w *writer) stop() error {
	switch {
	case w.fatal != nil:
		return w.fatal
	case w.halt != nil:
		return w.halt
	case w.opts.stopped():
		return ErrStopped
	}
	return nil
}

// room says whether another batch may be sent while so much is under way.
func (w *writer) room(under window) bool {
	return !w.tight && w.stop() == nil && w.dst.pace.window(w.opts).takes(w.opts, under)
}

// wait gives the next batch, if there is room for it, or nil once the oldest
// flight is answered or something has ended. open is false when there are no
// more batches.
func (w *writer) wait(ctx context.Context, ready <-chan *batch) (b *batch, open bool, err error) {
	var due <-chan struct{}
	if len(w.flights) > 0 {
		due = w.out.due()
	}
	if !w.room(w.under) {
		ready = nil
	}
	select {
	case b, open = <-ready:
		return b, open, nil
	case <-due:
	case <-w.opts.Stop:
	case <-w.dst.c.dead:
		if len(w.flights) == 0 {
			return nil, true, fmt.Errorf("append to %q: %w", w.opts.Target, w.dst.c.Err())
		}
	case <-ctx.Done():
		if len(w.flights) == 0 {
			return nil, true, context.Cause(ctx)
		}
	}
	return nil, true, nil
}

// more gives, with a batch, the others that are ready and have room.
func (w *writer) more(b *batch, ready <-chan *batch) []*batch {
	batches, under := []*batch{b}, w.under
	for {
		w.ahead.free(b.asked, b.octets)
		under.add(len(b.msgs), b.octets)
		if !w.room(under) {
			return batches
		}
		var ok bool
		select {
		case b, ok = <-ready:
		default:
		}
		if !ok { // there is none, or no more; the latter wait tells
			return batches
		}
		batches = append(batches, b)
	}
}

// send settles what needs no APPEND, keeps an intent for all the rest in one
// transaction, and puts it on its way.
func (w *writer) send(ctx context.Context, batches []*batch) error {
	var settled []Outcome
	var intents []Intent
	var flights []flight
	for _, b := range batches {
		for _, o := range b.settled {
			if o.Fate == Refused {
				w.tally.Refused++
				w.later = true
			} else {
				w.tally.Vanished++
			}
		}
		settled = append(settled, b.settled...)
		f := flight{batch: b, next: w.nextUID}
		for _, m := range b.msgs {
			w.redate(m)
		}
		msgs, err := w.carryByContent(ctx, b.msgs)
		var found []adopted
		if err == nil {
			found, err = w.found(msgs)
		}
		if err != nil {
			return w.abandon(batches, err)
		}
		for i, m := range msgs {
			w.gap.see(m)
			o, ok, err := w.settled(ctx, m, found[i])
			if err != nil {
				return w.abandon(batches, err)
			}
			if ok {
				settled = append(settled, o)
				continue
			}
			if w.putsOff(m) {
				continue
			}
			if w.departed(m) {
				continue
			}
			f.msgs = append(f.msgs, m)
			intents = append(intents, w.intent(m, f.next))
		}
		flights = append(flights, f)
	}
	if err := w.book(ctx, settled, intents); err != nil {
		for _, f := range flights {
			w.done(f)
		}
		return err
	}
	var parts []flight
	for _, f := range flights {
		if len(f.msgs) == 0 {
			w.done(f)
			continue
		}
		parts = append(parts, w.parts(f)...)
	}
	if err := w.launch(ctx, parts); err != nil {
		return w.drain(ctx, err)
	}
	return nil
}

// abandon gives back what batches hold of which nothing was sent.
func (w *writer) abandon(batches []*batch, err error) error {
	for _, b := range batches {
		w.done(flight{batch: b})
	}
	return err
}

// book keeps what is settled, and what is about to be sent.
func (w *writer) book(ctx context.Context, settled []Outcome, intents []Intent) error {
	if len(settled) > 0 {
		if err := w.ledger.Record(ctx, settled); err != nil {
			return err
		}
	}
	if len(intents) == 0 {
		return nil
	}
	if err := w.open(ctx); err != nil {
		return err
	}
	return w.ledger.Begin(ctx, intents)
}

// launch sends flights one after the other.
func (w *writer) launch(ctx context.Context, flights []flight) error {
	for i, f := range flights {
		for _, m := range f.msgs {
			f.octets += m.size
		}
		if f.half {
			w.halves++
		}
		w.under.add(len(f.msgs), f.octets)
		f.under = w.under
		w.flights = append(w.flights, f)
		if err := w.out.Send(ctx, w.appends(f.msgs)); err != nil {
			for _, unsent := range flights[i+1:] {
				w.done(unsent)
			}
			return fmt.Errorf("append to %q: %w", w.opts.Target, err)
		}
		w.flights[len(w.flights)-1].left = time.Now()
	}
	return nil
}

// drain records the answers that came before the session broke, and gives the
// error that broke it, or the ledger's.
func (w *writer) drain(ctx context.Context, broken error) error {
	for len(w.flights) > 0 {
		err := w.receive(ctx)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			return err
		}
	}
	return broken
}

// done gives back what a batch held, with the last of its flights.
func (w *writer) done(f flight) {
	if f.batch.flights--; f.batch.flights <= 0 {
		f.batch.close(w.opts.Budget)
	}
}

func (w *writer) open(ctx context.Context) (err error) {
	w.wrote = true
	if w.out == nil {
		if w.out, err = w.dst.Appender(ctx, w.opts.Target); err != nil {
			return fmt.Errorf("append to %q: %w", w.opts.Target, err)
		}
	}
	return nil
}

// parts splits a flight where one command takes many messages: what real
// servers are known to refuse goes alone, since one refusal is for all.
func (w *writer) parts(f flight) []flight {
	var parts []flight
	plain := f
	plain.msgs = nil
	for _, m := range f.msgs {
		if w.out.Multi() && (m.defects != 0 || oddDate(m.InternalDate)) {
			parts = append(parts, flight{batch: f.batch, msgs: []*spooled{m}, next: f.next})
		} else {
			plain.msgs = append(plain.msgs, m)
		}
	}
	if len(plain.msgs) > 0 {
		parts = slices.Insert(parts, 0, plain)
	}
	f.batch.flights = len(parts)
	return parts
}

func (w *writer) appends(msgs []*spooled) []Append {
	out := make([]Append, len(msgs))
	for i, m := range msgs {
		flags := slices.DeleteFunc(Wanted(m.Flags, w.opts.Rules), func(f string) bool { return !isAtomFlag(f) })
		if w.full && len(flags) > len(systemFlags(flags)) {
			w.bare[m.UID] = true // STORE finds out which of its keywords the folder knows
		}
		if w.bare[m.UID] {
			flags = systemFlags(flags)
		}
		out[i] = Append{Flags: flags, InternalDate: m.InternalDate, Size: m.size, Body: m}
	}
	return out
}

func (w *writer) outcome(m *spooled) Outcome {
	from := m.source()
	o := Outcome{SrcUID: m.UID, Size: from.size, InternalDate: m.InternalDate, Flags: Wanted(m.Flags, w.opts.Rules),
		SHA1: from.sha1, SHA256: from.sha256, Sent: m.sent(), Note: m.notes()}
	if m.redated || m.InternalDate.IsZero() {
		o.DateText = m.DateText
	}
	return o
}
