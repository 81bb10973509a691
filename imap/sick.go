package imap

import (
	"cmp"
	"fmt"
	"slices"
)

// SickError ends the account for now: the source refuses one message after the
// other, which says something of the server rather than of the messages. No more
// than the budget are recorded as refused.
type SickError struct {
	Mailbox string
	Refused int    // messages, of
	Among   int    // so many that lie side by side in the folder
	Words   string // what the source said of the last of them
}

func (e *SickError) Error() string {
	return fmt.Sprintf("the source refuses %d of %d messages side by side in folder %q: %s", e.Refused, e.Among, e.Mailbox, e.Words)
}

// sickAmong is how many messages of a folder, side by side in its listing, share
// a budget of refusals: a few broken ones all over a large folder are no reason
// to stop.
const sickAmong = 200

// sick counts a message that the source refused, and says when there are too many
// in one place.
func (r *reader) sick(m Message, words string) error {
	if r.opts.SourceErrors == 0 {
		return nil
	}
	at, _ := slices.BinarySearchFunc(r.listed, m.UID, func(l Message, uid uint32) int { return cmp.Compare(l.UID, uid) })
	place := at / sickAmong
	r.refusals[place]++
	if n := r.refusals[place]; n > r.opts.SourceErrors {
		return &SickError{r.opts.Source, n, min(sickAmong, len(r.listed)-place*sickAmong), words}
	}
	return nil
}
