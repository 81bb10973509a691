package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// answers are what came back for a flight.
type answers struct {
	flight
	results []Appended
	single  []int // those that are for one message each
}

// receive records the answers to the oldest flight, and to those after it that
// have come as well, in one transaction. What was refused together is kept for
// resend.
func (w *writer) receive(ctx context.Context) error {
	var got []answers
	var broken error
	for due := true; due && broken == nil; {
		f := w.flights[0]
		results, at, err := w.out.receive(ctx)
		w.flights = w.flights[1:]
		w.under.sub(len(f.msgs), f.octets)
		if f.half {
			w.halves--
		}
		if broken = err; err == nil {
			w.dst.pace.answered(w.opts, f.under, at.Sub(f.left))
		}
		got = append(got, answers{flight: f, results: results})
		if due = len(w.flights) > 0; due {
			select {
			case <-w.out.due():
			default:
				due = false
			}
		}
	}
	var over []flight
	for i := range got {
		var again flight
		got[i].single, again = splitRefused(got[i].flight, got[i].results)
		if len(again.msgs) > 0 {
			w.together(again)
		} else {
			over = append(over, got[i].flight)
		}
	}
	err := w.record(ctx, got)
	for _, f := range over {
		w.done(f)
	}
	if err != nil {
		return err
	}
	if broken != nil {
		w.unanswered(got[len(got)-1])
		return fmt.Errorf("append to %q: %w", w.opts.Target, broken)
	}
	return nil
}

// unanswered counts the messages with which the target ended the session. One
// of them may be why.
func (w *writer) unanswered(a answers) {
	for i, r := range a.results {
		var e *Error
		if errors.As(r.Err, &e) && (e.Kind == KindBye || e.Kind == KindClosed || e.Kind == KindTimeout) {
			w.opts.Unanswered[a.msgs[i].UID]++
		}
	}
}

// splitRefused takes out the messages whose command carried others too and was
// refused, which doesn't tell which of them was meant. What is left is judged
// one by one; its indices are given.
func splitRefused(f flight, results []Appended) (single []int, again flight) {
	again = flight{batch: f.batch, next: f.next, half: true}
	shared := map[error]int{}
	for _, r := range results {
		if r.Err != nil && refusal(r.Err) {
			shared[r.Err]++
		}
	}
	for i := range min(len(results), len(f.msgs)) {
		if err := results[i].Err; err != nil && shared[err] > 1 {
			again.msgs, again.refused = append(again.msgs, f.msgs[i]), err
			continue
		}
		single = append(single, i)
	}
	return single, again
}

// record settles the intents of flights, in one transaction. An answer that
// never came leaves its intent open.
func (w *writer) record(ctx context.Context, got []answers) error {
	var out []Outcome
	var doubts []Doubt
	var octets int64
	copied := 0
	for _, f := range got {
		for _, i := range f.single {
			m, r := f.msgs[i], f.results[i]
			switch {
			case r.Err == nil && r.UID != 0:
				out = append(out, w.stored(m, r))
				octets += m.size
				copied++
			case r.Err == nil:
				w.unplaced = true
			case refusal(r.Err) || refusedByUs(r.Err):
				o, again, next := w.refused(m, r.Err)
				if next != nil {
					f.batch.flights++
					w.mended = append(w.mended, flight{batch: f.batch, msgs: []*spooled{next}, next: f.next})
				} else if err := w.keep(ctx, m, &o); err != nil {
					return err
				}
				out = append(out, o)
				if again {
					w.again = append(w.again, m.Message)
					doubts = append(doubts, Doubt{SrcUID: m.UID, DstUIDNext: f.next, Size: m.size, InternalDate: m.InternalDate, SHA1: m.sha1, Munged: m.munged, Since: w.opts.Now()})
				}
			}
		}
	}
	if len(doubts) > 0 {
		if err := w.ledger.AddDoubts(ctx, doubts); err != nil {
			return err
		}
	}
	if len(out) == 0 {
		return nil
	}
	if err := w.ledger.Record(ctx, out); err != nil {
		return err
	}
	w.tally.Copied += copied
	w.tally.Bytes += octets
	w.progress("copied", copied, octets)
	return nil
}

func refusedByUs(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == KindRefused
}

// stored is the outcome of an OK, after a look at what the server says that
// it stored.
func (w *writer) stored(m *spooled, r Appended) Outcome {
	o := w.outcome(m)
	o.Fate, o.DstUID, o.DstUIDValidity = Copied, r.UID, r.UIDValidity
	if foreign := slices.DeleteFunc(Normalize(w.opts.Rules.renamed(m.Flags)), func(f string) bool { return !foreignFlag(f) && isAtomFlag(f) }); len(foreign) > 0 {
		o.Note = join(o.Note, flagsNotKept(foreign))
	}
	if w.bare[m.UID] {
		w.lacking = append(w.lacking, FlagChange{SrcUID: m.UID, DstUID: r.UID, Add: lacking(o.Flags, systemFlags(o.Flags)), Now: o.Flags})
		o.Flags = systemFlags(o.Flags)
	}
	if r.UIDValidity != w.dstValidity && w.fatal == nil {
		w.fatal = &WentBackError{"target", w.opts.Target, fmt.Sprintf("UIDVALIDITY was %d and is %d: the folder was made anew", w.dstValidity, r.UIDValidity)}
	}
	if r.HasSHA1 && r.SHA1 != m.sha1 {
		o.Fate, o.By, o.Reason = Refused, "target", fmt.Sprintf("stored with other bytes: SHA-1 %x", r.SHA1)
		if w.fatal == nil {
			w.fatal = &AlteredError{Mailbox: w.opts.Target, SrcUID: m.UID, Sent: m.sha1, Got: r.SHA1}
		}
	}
	w.nextUID = max(w.nextUID, r.UID+1)
	w.state.DstMaxUID = max(w.state.DstMaxUID, r.UID)
	if w.firstNew == 0 || r.UID < w.firstNew {
		w.firstNew = r.UID
	}
	return o
}

// overQuota knows the code and, since neither BlueMind nor Cyrus 3.0 send it,
// their words (bluemind/imap.md §4.2).
func overQuota(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == "OVERQUOTA" || strings.EqualFold(strings.TrimSpace(e.Text), "Over quota"))
}

// noRight knows RFC 5530's code and the words of Cyrus 3.0, which has none.
func noRight(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == "NOPERM" || strings.EqualFold(strings.TrimSpace(e.Text), "Permission denied"))
}

// together keeps a flight that was refused together, for resend. Where it was
// for want of space or of a right, others will be as well.
func (w *writer) together(f flight) {
	w.redo = append(w.redo, f)
	w.full = w.full || tooManyFlags(serverWords(f.refused))
	if w.tight = w.tight || overQuota(f.refused); noRight(f.refused) && w.halt == nil {
		w.halt = &RightError{Mailbox: w.opts.Target, Err: f.refused}
	}
}

// resend sends in halves what was refused together: until each message has an
// answer of its own, or nothing more is to be sent. The halves overlap with all
// else, but where space is short: then the newest go first and alone, for each
// will be refused until they are small enough.
func (w *writer) resend(ctx context.Context) error {
	if w.stop() != nil {
		return w.withdraw(ctx)
	}
	if err := w.resendMended(ctx); err != nil {
		return err
	}
	for len(w.redo) > 0 && (!w.tight || w.halves == 0) {
		last := len(w.redo) - 1
		first := w.redo[last]
		w.redo = w.redo[:last]
		second, half := first, len(first.msgs)/2
		first.msgs, second.msgs = first.msgs[:half], first.msgs[half:]
		first.batch.flights++ // two in the place of one
		if err := w.launch(ctx, []flight{first, second}); err != nil {
			return err
		}
	}
	w.tight = w.tight && w.halves > 0
	return nil
}

// withdraw records that what was refused together isn't on the target, and is
// still to be copied.
func (w *writer) withdraw(ctx context.Context) error {
	for _, f := range w.mended {
		w.done(f) // recorded as pending already
	}
	w.mended = nil
	var out []Outcome
	for _, f := range w.redo {
		for _, m := range f.msgs {
			o := w.outcome(m)
			o.Fate, o.By, o.Reason = Pending, "target", serverWords(f.refused)
			out = append(out, o)
		}
	}
	if len(out) == 0 {
		return nil
	}
	err := w.ledger.Record(ctx, out)
	for _, f := range w.redo {
		w.done(f)
	}
	w.redo = nil
	return err
}
