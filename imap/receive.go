package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// receive records the answers to the oldest flight.
func (w *writer) receive(ctx context.Context) error {
	f := w.flights[0]
	results, sessionErr := w.out.Receive(ctx)
	w.flights = w.flights[1:]
	again, err := w.settleFlight(ctx, f, results, sessionErr)
	if len(again.msgs) > 0 {
		w.redo = append(w.redo, again)
		return err
	}
	w.done(f)
	return err
}

// settleFlight records what a flight's answers tell, and gives back those of
// its messages that were refused together with others.
func (w *writer) settleFlight(ctx context.Context, f flight, results []Appended, sessionErr error) (again flight, err error) {
	single, again := splitRefused(f, results)
	if err := w.record(ctx, f, single, results); err != nil {
		return again, err
	}
	if sessionErr != nil {
		w.unanswered(f, results)
		return again, fmt.Errorf("append to %q: %w", w.opts.Target, sessionErr)
	}
	return again, nil
}

// unanswered counts the messages with which the target ended the session. One
// of them may be why.
func (w *writer) unanswered(f flight, results []Appended) {
	for i, r := range results {
		var e *Error
		if errors.As(r.Err, &e) && (e.Kind == KindBye || e.Kind == KindClosed || e.Kind == KindTimeout) {
			w.opts.Unanswered[f.msgs[i].UID]++
		}
	}
}

// splitRefused takes out the messages whose command carried others too and was
// refused, which doesn't tell which of them was meant. What is left is judged
// one by one; its indices are given.
func splitRefused(f flight, results []Appended) (single []int, again flight) {
	again = flight{batch: f.batch, next: f.next}
	shared := map[error]int{}
	for _, r := range results {
		if r.Err != nil && refusal(r.Err) {
			shared[r.Err]++
		}
	}
	for i := range min(len(results), len(f.msgs)) {
		if err := results[i].Err; err != nil && shared[err] > 1 {
			again.msgs = append(again.msgs, f.msgs[i])
			continue
		}
		single = append(single, i)
	}
	return single, again
}

// record settles the intents of a flight, in one transaction. An answer that
// never came leaves its intent open.
func (w *writer) record(ctx context.Context, f flight, which []int, results []Appended) error {
	var out []Outcome
	var doubts []Doubt
	var octets int64
	copied := 0
	for _, i := range which {
		m, r := f.msgs[i], results[i]
		switch {
		case r.Err == nil && r.UID != 0:
			out = append(out, w.stored(m, r))
			octets += m.size
			copied++
		case r.Err == nil:
			w.unplaced = true
		case refusal(r.Err) || refusedByUs(r.Err):
			o, again := w.refused(m, r.Err)
			out = append(out, o)
			if again {
				w.again = append(w.again, m.Message)
				doubts = append(doubts, Doubt{SrcUID: m.UID, DstUIDNext: f.next, Size: m.size, InternalDate: m.InternalDate, SHA1: m.sha1, Munged: m.munged, Since: w.opts.Now()})
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
	if foreign := slices.DeleteFunc(Normalize(m.Flags), func(f string) bool { return !foreignFlag(f) }); len(foreign) > 0 {
		o.Note = join(o.Note, "flags not kept: "+strings.Join(foreign, " "))
	}
	if w.bare[m.UID] {
		o.Note = join(o.Note, "the target refused its flags: "+strings.Join(lacking(o.Flags, systemFlags(o.Flags)), " "))
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

// refused decides what a NO or BAD to one message means.
func (w *writer) refused(m *spooled, err error) (o Outcome, again bool) {
	o = w.outcome(m)
	words := serverWords(err)
	o.Fate, o.By, o.Reason = Refused, "target", words
	switch {
	case overQuota(err):
		o.Fate, o.Reason = Pending, words
		if w.halt == nil {
			w.halt = &QuotaError{Mailbox: w.opts.Target, Err: err}
		}
		return o, false
	case noRight(err):
		o.Fate = Pending
		if w.halt == nil {
			w.halt = &RightError{Mailbox: w.opts.Target, Err: err}
		}
		return o, false
	case aboutFlags(words) && !w.bare[m.UID] && len(lacking(o.Flags, systemFlags(o.Flags))) > 0:
		w.bare[m.UID] = true
		o.Fate = Pending
		return o, true
	case ownTrouble(words, m.size) && !w.lastTry:
		o.Fate = Pending
		return o, true
	}
	w.tally.Refused++
	w.later = w.later || ownTrouble(words, m.size)
	return o, false
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

// aboutFlags knows the refusals that a message with system flags only escapes.
func aboutFlags(words string) bool {
	words = strings.ToLower(words)
	return strings.Contains(words, "flag") || strings.Contains(words, "keyword")
}

// redoAll sends again, in halves, what was refused together.
func (w *writer) redoAll(ctx context.Context) error {
	for len(w.redo) > 0 {
		for len(w.flights) > 0 {
			if err := w.receive(ctx); err != nil {
				return err
			}
		}
		f := w.redo[0]
		err := w.bisect(ctx, f)
		w.redo = w.redo[1:]
		w.done(f)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) bisect(ctx context.Context, f flight) error {
	half := len(f.msgs) / 2
	for _, msgs := range [][]*spooled{f.msgs[:half], f.msgs[half:]} {
		if w.stop() != nil {
			return nil // their intents are settled by the next call
		}
		if len(msgs) == 0 {
			continue
		}
		if err := w.out.Send(ctx, w.appends(msgs)); err != nil {
			return fmt.Errorf("append to %q: %w", w.opts.Target, err)
		}
		results, sessionErr := w.out.Receive(ctx)
		again, err := w.settleFlight(ctx, flight{msgs: msgs, next: f.next}, results, sessionErr)
		if err != nil {
			return err
		}
		if len(again.msgs) > 0 {
			if err := w.bisect(ctx, again); err != nil {
				return err
			}
		}
	}
	return nil
}
