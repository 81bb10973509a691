package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// maxFlight is how many commands' worth of messages are under way at a time:
// one being executed, one arriving.
const maxFlight = 2

// flight is what one Send put on its way.
type flight struct {
	batch *batch // whose messages these are; nil: somebody else gives them back
	msgs  []*spooled
	next  uint32 // the target's UIDNEXT, as far as known, when it was begun
}

// writer appends the batches that a reader spools.
type writer struct {
	*copier
	out     *Appender
	flights []flight
	redo    []flight // refused as a whole
	halt    error    // every further message would be refused as well
	fatal   error    // ends the folder once what is in flight is recorded
}

func (w *writer) run(ctx context.Context, ready <-chan *batch) (err error) {
	defer func() {
		for _, f := range append(w.flights, w.redo...) {
			w.done(f)
		}
		if w.out == nil {
			return
		}
		if closing := w.out.Close(); err == nil {
			err = closing
		}
	}()
	for ready != nil || len(w.flights) > 0 {
		if ready != nil && len(w.flights) < maxFlight && w.stop() == nil {
			b, open, err := w.take(ctx, ready)
			if err != nil {
				return err
			}
			if !open {
				ready = nil
			}
			if b != nil {
				if err := w.send(ctx, b); err != nil {
					return err
				}
				continue
			}
		}
		if len(w.flights) == 0 {
			if w.stop() != nil {
				break
			}
			continue
		}
		if err := w.receive(ctx); err != nil {
			return w.drain(ctx, err)
		}
		if err := w.redoAll(ctx); err != nil {
			return w.drain(ctx, err)
		}
	}
	return w.stop()
}

func (w *writer) stop() error {
	if w.fatal != nil {
		return w.fatal
	}
	return w.halt
}

// take waits for the next batch only while nothing is in flight.
func (w *writer) take(ctx context.Context, ready <-chan *batch) (b *batch, open bool, err error) {
	if len(w.flights) > 0 {
		select {
		case b, open = <-ready:
			return b, open, nil
		default:
			return nil, true, nil
		}
	}
	select {
	case b, open = <-ready:
		return b, open, nil
	case <-ctx.Done():
		return nil, true, context.Cause(ctx)
	}
}

// send settles what needs no APPEND, keeps an intent for all the rest in one
// transaction, and puts it on its way.
func (w *writer) send(ctx context.Context, b *batch) error {
	f := flight{batch: b, next: w.nextUID}
	settled := b.settled
	for _, o := range settled {
		if o.Fate == Refused {
			w.tally.Refused++
			w.later = true
		} else {
			w.tally.Vanished++
		}
	}
	var intents []Intent
	found := w.found(b.msgs)
	for i, m := range b.msgs {
		if o, ok := w.settled(m, found[i]); ok {
			settled = append(settled, o)
			continue
		}
		m.InternalDate, m.note = usableDate(m)
		f.msgs = append(f.msgs, m)
		intents = append(intents, Intent{SrcUID: m.UID, DstUIDNext: f.next, Size: m.size, InternalDate: m.InternalDate,
			Flags: Wanted(m.Flags, w.opts.Rules), SHA1: m.sha1, SHA256: m.sha256, Munged: m.munged, Begun: w.opts.Now()})
	}
	if len(settled) > 0 {
		if err := w.ledger.Record(ctx, settled); err != nil {
			return err
		}
	}
	if len(f.msgs) == 0 {
		w.done(f)
		return nil
	}
	if err := w.open(ctx); err != nil {
		w.done(f)
		return err
	}
	if err := w.ledger.Begin(ctx, intents); err != nil {
		w.done(f)
		return err
	}
	parts := w.parts(f)
	for i, part := range parts {
		w.flights = append(w.flights, part)
		if err := w.out.Send(ctx, w.appends(part.msgs)); err != nil {
			for _, unsent := range parts[i+1:] {
				w.done(unsent)
			}
			return w.drain(ctx, fmt.Errorf("append to %q: %w", w.opts.Target, err))
		}
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
	if f.batch == nil {
		return
	}
	if f.batch.flights--; f.batch.flights <= 0 {
		f.batch.close(w.opts.Budget)
	}
}

func (w *writer) open(ctx context.Context) (err error) {
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
	if !w.out.Multi() {
		f.batch.flights = 1
		return []flight{f}
	}
	var plain []*spooled
	var alone []flight
	for _, m := range f.msgs {
		if m.suspect || oddDate(m.InternalDate) {
			alone = append(alone, flight{batch: f.batch, msgs: []*spooled{m}, next: f.next})
		} else {
			plain = append(plain, m)
		}
	}
	var parts []flight
	if len(plain) > 0 {
		parts = append(parts, flight{batch: f.batch, msgs: plain, next: f.next})
	}
	parts = append(parts, alone...)
	f.batch.flights = len(parts)
	return parts
}

// oddDate is outside of what a 32-bit time can say: Cyrus refuses the one and
// wraps the other.
func oddDate(t time.Time) bool { return t.Unix() <= 0 || t.Unix() >= 1<<32 }

// wrapped recognises dates before 1970 that a source keeps in 32 bits without a
// sign: Dovecot serves 1969 as 2105 once its index has the message.
func wrapped(t time.Time) bool {
	return t.Unix() >= time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix() && t.Unix() < 1<<32
}

func (w *writer) appends(msgs []*spooled) []Append {
	out := make([]Append, len(msgs))
	for i, m := range msgs {
		flags := Wanted(m.Flags, w.opts.Rules)
		if w.bare[m.UID] {
			flags = systemFlags(flags)
		}
		out[i] = Append{Flags: flags, InternalDate: m.InternalDate, Size: m.size, Body: m}
	}
	return out
}

// found gives, for each message, the one on the target that is adopted for it,
// without a UID if there is none.
func (w *writer) found(msgs []*spooled) []Message {
	if len(w.adopt) == 0 {
		return make([]Message, len(msgs))
	}
	list := make([]wanted, len(msgs))
	for i, m := range msgs {
		list[i] = wanted{m.sha1, m.munged, 0, m.InternalDate}
	}
	return assign(w.adopt, list, w.reserved)
}

// settled finds the outcome of a message that needs no APPEND. An adopted one
// is recorded with those of its flags that it has, and gets the others.
func (w *writer) settled(m *spooled, found Message) (Outcome, bool) {
	o := w.outcome(m)
	if found.UID != 0 {
		o.Fate, o.DstUID, o.DstUIDValidity, o.Reason = Present, found.UID, w.dstValidity, "found by content"
		if found.SHA1 != m.sha1 {
			o.Note = join(o.Note, mungedNote(found.SHA1))
		}
		if lacks := lacking(o.Flags, found.Flags); len(lacks) > 0 {
			w.lacking = append(w.lacking, FlagChange{SrcUID: m.UID, DstUID: found.UID, Add: lacks, Now: o.Flags})
			o.Flags = lacking(o.Flags, lacks)
		}
		w.state.DstMaxUID = max(w.state.DstMaxUID, found.UID)
		w.tally.Adopted++
		return o, true
	}
	if limit := w.opts.Rules.MaxSize; limit > 0 && m.size > limit {
		o.Fate, o.By, o.Reason = Refused, "message_size_limit", tooLargeReason(m.size, limit)
		w.tally.Refused++
		return o, true
	}
	return o, false
}

func (w *writer) outcome(m *spooled) Outcome {
	return Outcome{SrcUID: m.UID, Size: m.size, InternalDate: m.InternalDate, DateText: m.DateText,
		Flags: Wanted(m.Flags, w.opts.Rules), SHA1: m.sha1, SHA256: m.sha256, Note: m.note}
}

// WrappedNote ends the note on a message whose date the source keeps in 32 bits.
const WrappedNote = ", which 32 bits can't hold"

// usableDate gives the date to append with: INTERNALDATE, or, where the source
// has none that can be read, the newest Received header's, or Date's.
func usableDate(m *spooled) (time.Time, string) {
	if when := m.InternalDate; wrapped(when) {
		past := when.Add(-(1 << 32) * time.Second)
		return past, "INTERNALDATE " + when.Format(time.RFC3339) + " taken for " + past.Format(time.RFC3339) + WrappedNote
	} else if !when.IsZero() {
		return when, m.note
	}
	headers, _ := mail.ReadMessage(bytes.NewReader(append(m.header(), "\r\n"...))) // nil where unreadable
	if headers != nil {
		if received := headers.Header.Get("Received"); received != "" {
			if i := strings.LastIndexByte(received, ';'); i >= 0 {
				if t, err := mail.ParseDate(strings.TrimSpace(received[i+1:])); err == nil {
					return t, "the source gives no usable date; taken from Received"
				}
			}
		}
		if t, err := headers.Header.Date(); err == nil {
			return t, "the source gives no usable date; taken from Date"
		}
	}
	return m.InternalDate, "the source gives no usable date; the target's own time"
}
