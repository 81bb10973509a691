package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// refused decides what a NO or BAD to one message means: its outcome, whether
// it is worth another try later, and what to send at once in its place.
func (w *writer) refused(m *spooled, err error) (o Outcome, again bool, next *spooled) {
	o = w.outcome(m)
	o.Sent = nil // nothing arrived
	words := serverWords(err)
	o.Fate, o.By, o.Reason = Refused, byTarget, words
	switch {
	case overQuota(err):
		o.Fate, o.Reason = Pending, words
		if w.halt == nil {
			w.halt = &QuotaError{Mailbox: w.opts.Target, Err: err}
		}
		return o, false, nil
	case noRight(err):
		o.Fate = Pending
		if w.halt == nil {
			w.halt = &RightError{Mailbox: w.opts.Target, Err: err}
		}
		return o, false, nil
	case aboutFlags(words) && !w.bare[m.UID] && len(lacking(o.Flags, systemFlags(o.Flags))) > 0:
		w.full = w.full || tooManyFlags(words)
		w.bare[m.UID] = true
		o.Fate = Pending
		return o, false, m
	}
	next, failed := w.otherForm(m, words)
	switch {
	case failed != nil:
		w.fatal = failed
		o.Fate = Pending
		return o, false, nil
	case next != nil && !w.tooLarge(next):
		o.Fate = Pending
		return o, false, next
	case ownTrouble(words, m.size) && !w.lastTry:
		o.Fate = Pending
		return o, true, nil
	}
	if m.repaired != 0 {
		o.Reason, o.Note = m.words+alsoRepaired+words, m.note
	}
	if next != nil { // it has grown beyond the limit
		o.Reason += alsoRepaired + fmt.Sprintf("%d bytes", next.size)
	}
	if next != nil || tooBig(err) { // of the source's size, which is what the next run knows
		o.Reason = tooLargeReason(o.Size, w.opts.Rules.MaxSize) + targetSays + o.Reason
	}
	w.tally.Refused++
	w.refusing = true
	w.later = w.later || ownTrouble(words, m.size)
	return o, false, nil
}

// tooLarge says whether a message's exact size is beyond what the target takes.
func (w *writer) tooLarge(m *spooled) bool {
	limit := w.opts.Rules.MaxSize
	return limit > 0 && m.size > limit
}

// otherForm makes of a message what the target may take after all: where it
// named a defect for which there is a repair that the rules allow. All repairs
// are done at once that the message needs and the rules allow, so that a message
// has one repaired form, by which it is known again.
func (w *writer) otherForm(m *spooled, words string) (*spooled, error) {
	allowed := w.opts.Rules.Repairs.allow()
	defect := refusedFor(words, m.size) & allowed
	if defect == badDate {
		if next, ok := w.mendDate(m); ok {
			next.words = joinWords(m.words, words)
			return next, nil
		}
		return nil, nil
	}
	if defect == 0 || m.repaired&defect != 0 {
		return nil, nil
	}
	next, err := m.mend(m.defects&allowed | defect)
	if err != nil || next == nil {
		return nil, err
	}
	next.words = joinWords(m.words, words)
	return next, nil
}

func joinWords(before, words string) string {
	if before == "" {
		return words
	}
	return before + alsoRepaired + words
}

// targetSays stands between what we know of a size and the target's words, which
// know better: the message is tried again once the limit is another.
const targetSays = "; the target says: "

// tooBig knows the code of RFC 7889 and Cyrus' words.
func tooBig(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == "TOOBIG" || strings.HasPrefix(e.Text, "Message size exceeds fixed limit"))
}

// aboutFlags knows the refusals that a message with system flags only escapes.
func aboutFlags(words string) bool {
	words = strings.ToLower(words)
	return strings.Contains(words, "flag") || strings.Contains(words, "keyword")
}

// tooManyFlags knows Cyrus' words for a folder that has all the keywords that it
// can hold: each message that brings another will be refused as well.
func tooManyFlags(words string) bool { return aboutFlags(words) && strings.Contains(words, "Too many") }

// resendMended sends what was refused as it was in its other form, each alone.
// The answers to the first forms are recorded: nothing of them is on the target.
func (w *writer) resendMended(ctx context.Context) error {
	list := w.mended
	w.mended = nil
	if len(list) == 0 {
		return nil
	}
	var intents []Intent
	for i := range list {
		list[i].next = w.nextUID
		intents = append(intents, w.intent(list[i].msgs[0], list[i].next))
	}
	if err := w.ledger.Begin(ctx, intents); err != nil {
		for _, f := range list {
			w.done(f)
		}
		return err
	}
	return w.launch(ctx, list)
}

// QuarantineError says that a refused message could not be put into quarantine.
// It stays refused in the ledger; another call tries again.
type QuarantineError struct {
	Mailbox string
	SrcUID  uint32
	Err     error
}

func (e *QuarantineError) Error() string {
	return fmt.Sprintf("quarantine of source UID %d of %q: %v", e.SrcUID, e.Mailbox, e.Err)
}

// Unwrap gives the cause.
func (e *QuarantineError) Unwrap() error { return e.Err }

// QuarantineNote begins what the note of a refused message says of the file
// that keeps it.
const QuarantineNote = "kept as "

// keep puts a message that is refused for good into quarantine. After a fault
// nothing more is tried in this call, which goes on and ends with it.
func (w *writer) keep(ctx context.Context, m *spooled, o *Outcome) error {
	if w.opts.Quarantine == nil || o.Fate != Refused || w.unkept != nil {
		return nil
	}
	from := m.source()
	note, err := w.opts.Quarantine(ctx, *o, from, from.size)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		w.unkept = &QuarantineError{Mailbox: w.opts.Source, SrcUID: m.UID, Err: err}
	default:
		o.Note = join(o.Note, note)
	}
	return nil
}
