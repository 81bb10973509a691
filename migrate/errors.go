package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// BlockedError says that an account needs a person before it can go on.
type BlockedError struct {
	Reason string // one sentence
	Mend   string // what to type, or to do
	Err    error
}

func (e *BlockedError) Error() string {
	if e.Err != nil {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason
}

// Unwrap gives the cause.
func (e *BlockedError) Unwrap() error { return e.Err }

func blocked(mend, format string, args ...any) *BlockedError {
	return &BlockedError{Reason: fmt.Sprintf(format, args...), Mend: mend}
}

// scope is how much an error stops.
type scope int

const (
	again        scope = iota // nothing: a new session, and once more
	oneFolder                 // the folder
	accountParts              // the account, for now: running again is safe and may do
	accountHalt               // the account, until a person has decided
	wholeRun                  // the run
	interrupted               // the run, because it was asked to end
)

// verdict is what follows from an error.
type verdict struct {
	scope  scope
	reason string
	mend   string
}

// judge is the one place that decides how much an error stops. Unknown errors
// are not retried.
func judge(err error) verdict {
	// Joined errors have a line each; a reason is one line, in reports and logs.
	v := verdict{scope: accountParts, reason: strings.ReplaceAll(err.Error(), "\n", "; "), mend: "run again"}
	if errors.Is(err, imap.ErrStopped) || errors.Is(err, context.Canceled) {
		return verdict{interrupted, "interrupted", "run again"}
	}
	if b, ok := errors.AsType[*BlockedError](err); ok {
		return verdict{accountHalt, b.Error(), b.Mend}
	}
	if _, ok := errors.AsType[*imap.QuarantineError](err); ok {
		v.scope, v.mend = oneFolder, "make room in the folder that quarantine names in bmsync.yaml, and let bmsync write there, then run again: what is refused is kept then"
		return v
	}
	for _, judge := range []func(error, *verdict) bool{judgeState, judgeCopy, judgeSession, judgeAPI} {
		if judge(err, &v) {
			return v
		}
	}
	return v
}

func judgeState(err error, v *verdict) bool {
	if _, ok := errors.AsType[*state.FileError](err); ok {
		v.scope, v.mend = wholeRun, "make the state file writable, and its disk roomy, then run again"
		return true
	}
	if errors.Is(err, syscall.ENOSPC) {
		v.mend = "make room in the folder for temporary files (TMPDIR names it), then run again"
		return true
	}
	if c, ok := errors.AsType[*state.ConflictError](err); ok {
		v.scope = accountHalt
		v.reason = fmt.Sprintf("an earlier run filled %s from %s at source %s; the plan says otherwise now", c.Known.Address, c.Known.SourceLogin, c.Known.Source)
		v.mend = "compare accounts.csv with bmsync status: one of the two is wrong"
		return true
	}
	if _, ok := errors.AsType[*state.IntentError](err); ok {
		v.scope, v.mend = accountHalt, "the state and the run disagree; keep the state file and report this"
		return true
	}
	return false
}

func judgeCopy(err error, v *verdict) bool {
	if w, ok := errors.AsType[*imap.WentBackError](err); ok {
		v.scope, v.reason = accountHalt, w.Error()
		if w.Side == "target" {
			v.mend = "find out who restored or emptied the mailbox; bmsync run --recopy ADDRESS copies again what is missing there"
		} else {
			v.mend = "find out whether the source was restored; bmsync run --recopy ADDRESS matches the mail by content and goes on"
		}
		return true
	}
	if _, ok := errors.AsType[*imap.QuotaError](err); ok {
		v.scope, v.mend = accountHalt, "raise the quota of the mailbox, wait two minutes (BlueMind 5 remembers the old one), run again"
		return true
	}
	if _, ok := errors.AsType[*imap.SickError](err); ok {
		v.mend = "see what ails the source, then run again; policy.limits.message_errors: 0 has each of its messages named as refused instead"
		return true
	}
	if r, ok := errors.AsType[*imap.RightError](err); ok {
		v.scope, v.mend = accountHalt, fmt.Sprintf("see in BlueMind why the mailbox %q may not be written to by the user whose key is used, then run again", r.Mailbox)
		return true
	}
	_, altered := errors.AsType[*imap.AlteredError](err)
	_, faithless := errors.AsType[*imap.FidelityError](err)
	if altered || faithless {
		v.scope, v.mend = accountHalt, "the target changes mail; nothing more is written before you have looked"
		return true
	}
	return false
}

// capacityCodes are how servers say that they have enough for now: RFC 5530
// and, THROTTLED, Exchange. It is no refusal of what was asked.
var capacityCodes = map[string]bool{"UNAVAILABLE": true, "INUSE": true, "LIMIT": true, "SERVERBUG": true, "THROTTLED": true}

// capacityWords are the same where there is no code that tells: Gmail says
// "[ALERT] Too many simultaneous connections".
var capacityWords = []string{"too many", "simultaneous", "number of connections", "connection limit", "backoff time", "throttl"}

// refusalWords tell that it is about a secret after all: "too many failed
// logins" gets no better by another try.
var refusalWords = []string{"fail", "attempt", "invalid", "password", "credential", "locked", "denied"}

func atCapacity(e *imap.Error) bool {
	if e.Code != "" && e.Code != "ALERT" {
		return capacityCodes[e.Code]
	}
	text := strings.ToLower(e.Text)
	has := func(word string) bool { return strings.Contains(text, word) }
	return slices.ContainsFunc(capacityWords, has) && !slices.ContainsFunc(refusalWords, has)
}

// brokenOff says of a handshake that it was not certificates that ended it: a
// port may answer for a server that is down.
func brokenOff(e *imap.Error) bool {
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(e.Err, cut) {
			return true
		}
	}
	return false
}

// authCodes are refusals of a login that no other try mends (RFC 5530).
var authCodes = map[string]bool{"AUTHENTICATIONFAILED": true, "AUTHORIZATIONFAILED": true, "EXPIRED": true, "PRIVACYREQUIRED": true, "CONTACTADMIN": true}

func judgeSession(err error, v *verdict) bool {
	if _, ok := errors.AsType[*PasswordError](err); ok {
		v.scope, v.mend = accountHalt, "give the first password as accounts.csv refers to it, or leave new_password… empty"
		return true
	}
	var secret *SecretError
	if errors.Is(err, ErrNoRow) {
		v.scope, v.mend = accountHalt, "if it has left, take it out of the plan: bmsync plan; what a run made for it stays. Else put its row back"
		return true
	}
	if errors.As(err, &secret) {
		v.scope, v.mend = accountHalt, "give the source's secret as bmsync.yaml or accounts.csv names it"
		return true
	}
	if errors.Is(err, imap.ErrNoUIDValidity) {
		v.scope, v.mend = accountHalt, "such a folder can't be migrated safely; leave it out by policy.folders.exclude and plan again"
		return true
	}
	if errors.Is(err, imap.ErrAdministrator) {
		v.scope, v.mend = accountHalt, "mail is copied as each user; name a user's address"
		return true
	}
	if down, ok := errors.AsType[*HostDownError](err); ok {
		v.scope, v.reason, v.mend = accountParts, down.Error(), "see whether the server is up, then run again"
		return true
	}
	e, ok := errors.AsType[*imap.Error](err)
	if !ok {
		return false
	}
	switch e.Kind {
	case imap.KindClosed, imap.KindTimeout:
		v.scope = again
	case imap.KindBye:
		v.scope = again
		if authCodes[e.Code] {
			judgeRefusal(e, v)
		}
	case imap.KindInterrupted:
		v.scope, v.reason = interrupted, "interrupted"
	case imap.KindTLS:
		if brokenOff(e) {
			v.scope = again
			break
		}
		v.scope, v.mend = accountHalt, "name the server's certificate authority as ca_file in bmsync.yaml"
	case imap.KindNo, imap.KindBad:
		judgeRefusal(e, v)
	case imap.KindRefused:
		judgeRefusal(e, v) // by us: what it is about can't be said to a server
	default:
		v.scope = accountHalt
	}
	if _, ok := errors.AsType[*KeyRefusedError](err); ok && v.scope == accountHalt {
		v.scope, v.mend = accountParts, "run again in a minute; if it goes on, BlueMind's log says why its IMAP server doesn't take what its API has just taken"
	}
	return true
}

func judgeRefusal(e *imap.Error, v *verdict) {
	login := e.Command == "LOGIN" || e.Command == "AUTHENTICATE"
	switch {
	case atCapacity(e):
		v.scope = again
	case login && e.Code == "OVERQUOTA": // Gmail: of a day's traffic
		v.scope, v.mend = accountParts, "the source has given enough for today; run again tomorrow"
	case login || authCodes[e.Code]:
		v.scope, v.mend = accountHalt, "check the login and its secret; many servers lock an account after a few wrong ones"
	default:
		v.scope = oneFolder
	}
}

func judgeAPI(err error, v *verdict) bool {
	if _, ok := errors.AsType[*bmapi.AuthError](err); ok {
		v.scope, v.mend = accountHalt, "see in BlueMind whether the user is suspended"
		return true
	}
	f, isFault := errors.AsType[*bmapi.Fault](err)
	if bmapi.Temporary(err) {
		v.scope = again
		return true
	}
	if isFault {
		v.scope, v.mend = accountHalt, "BlueMind refused "+f.Method+" "+f.Path+"; see its log"
		return true
	}
	return false
}
