package objects

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// refusal is why something is not done, and what a person can do about it.
type refusal struct{ reason, mend string }

// because makes a refusal; mend comes first, as it has no verbs in it.
func because(mend, format string, args ...any) *refusal {
	return &refusal{reason: fmt.Sprintf(format, args...), mend: mend}
}

// conflict is o as a conflict, with the reasons of all the refusals.
func (o Outcome) conflict(all ...*refusal) Outcome {
	o.Action = Conflict
	var reasons, mends []string
	for _, r := range all {
		reasons = append(reasons, r.reason)
		if r.mend != "" && !slices.Contains(mends, r.mend) {
			mends = append(mends, r.mend)
		}
	}
	o.Reason, o.Mend = strings.Join(reasons, "; "), strings.Join(mends, "; ")
	return o
}

// settled is o as done, or as wanted where there were no changes.
func (o Outcome) settled() Outcome {
	o.Action = AsWanted
	if len(o.Changes) > 0 {
		o.Action = Changed
	}
	return o
}

// answered tells whether err is BlueMind's own no to this one thing. All else,
// such as a lost connection, a missing role or a server that is busy, says
// nothing about the thing.
func answered(err error) bool {
	if _, ok := errors.AsType[*bmapi.Fault](err); !ok {
		_, lost := errors.AsType[*bmapi.ConnError](err)
		return !lost && (errors.Is(err, bmapi.ErrInvalid) || errors.Is(err, bmapi.ErrForbidden)) // said without being asked
	}
	return !bmapi.Temporary(err) && !bmapi.MaybeDone(err) && !errors.Is(err, bmapi.ErrPermission) &&
		!errors.Is(err, bmapi.ErrUnauthenticated) && !errors.Is(err, bmapi.ErrNoRoute)
}

// said is a refusal in BlueMind's words.
func said(err error) *refusal {
	words := "it gave no reason"
	if errors.Is(err, bmapi.ErrInvalid) || errors.Is(err, bmapi.ErrForbidden) {
		words = err.Error()
	}
	if f, ok := errors.AsType[*bmapi.Fault](err); ok {
		switch {
		case f.Message != "" && f.ErrorCode != "":
			words = fmt.Sprintf("%s (%s)", f.Message, f.ErrorCode)
		case f.Message != "":
			words = f.Message
		case f.ErrorCode != "":
			words = string(f.ErrorCode)
		case f.ErrorType != "":
			words = f.ErrorType
		}
	}
	if t, ok := errors.AsType[*bmapi.TaskError](err); ok {
		words = t.LastLogEntry
	}
	return because("correct the row, or the entry in BlueMind; /var/log/bm/core.log there may say more", "BlueMind refuses it: %s", words)
}
