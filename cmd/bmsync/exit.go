package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/migrate"
	"bmsync/state"
)

const exitCodes = `Exit codes:
  0    complete
  1    failed: the command as a whole could not be done
  2    usage or configuration
  3    partial: safe to run again, and that is the answer
  4    blocked: a person must decide; the message says what
  130  interrupted; run again to go on`

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// hintError adds what the operator may have meant.
type hintError struct {
	error
	mend string
}

func (e *hintError) Unwrap() error { return e.error }

// exitError ends the program with a code. Its error has been told already, or
// is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// The exit codes, as README and --help print them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitBlocked     = 4
	exitInterrupted = 130
)

// ended turns a run's outcome into what ends the program.
func ended(o migrate.Outcome) error {
	switch o {
	case migrate.Partial:
		return &exitError{code: exitPartial}
	case migrate.Blocked:
		return &exitError{code: exitBlocked}
	case migrate.Interrupted:
		return &exitError{code: exitInterrupted}
	}
	return nil
}

// exit is the one switch from error to exit code. It tells the error.
func (a *app) exit(err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errUnread) {
		return exitInterrupted // there is nobody to tell it
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		if e.err != nil {
			a.tell(e.err)
		}
		return e.code
	}
	a.tell(err)
	return codeOf(err)
}

func codeOf(err error) int {
	if errors.Is(err, context.Canceled) || errors.Is(err, imap.ErrStopped) {
		return exitInterrupted
	}
	_, usage := errors.AsType[*usageError](err)
	_, input := errors.AsType[*migrate.InputError](err)
	_, plan := errors.AsType[*migrate.PlanError](err)
	_, unknown := errors.AsType[*migrate.UnknownError](err)
	if usage || input || plan || unknown {
		return exitUsage
	}
	_, gate := errors.AsType[*migrate.GateError](err)
	_, version := errors.AsType[*migrate.VersionMismatchError](err)
	_, tooOld := errors.AsType[*bmapi.VersionError](err)
	_, identity := errors.AsType[*state.IdentityError](err)
	_, locked := errors.AsType[*state.LockedError](err)
	_, block := errors.AsType[*migrate.BlockedError](err)
	_, refused := errors.AsType[*bmapi.AuthError](err)
	_, secret := errors.AsType[*secretError](err)
	if gate || version || tooOld || identity || locked || block || refused || secret || isCertificate(err) {
		return exitBlocked
	}
	return exitFailed
}

// tell writes an error and, where there is one, what mends it.
func (a *app) tell(err error) {
	if input, ok := errors.AsType[*migrate.InputError](err); ok {
		for i, p := range input.Problems {
			if i == shownProblems && !a.json {
				fmt.Fprintf(a.stderr, "bmsync: and %d more\n", len(input.Problems)-i)
				break
			}
			a.problem("error", p)
		}
		return
	}
	text := err.Error()
	if codeOf(err) == exitInterrupted {
		text = "interrupted"
	}
	a.problem("error", migrate.Problem{Text: text, Mend: mendOf(err)})
}

// shownProblems bounds what a CSV with a wrong column would fill the screen
// with.
const shownProblems = 50

// problem writes an error or a warning: as a JSON line, like an event, or as
// text, with the mend of what has no place in a file on a line of its own.
func (a *app) problem(kind string, p migrate.Problem) {
	if a.json {
		line, err := compact(struct {
			At   time.Time `json:"at"`
			Kind string    `json:"kind"`
			migrate.Problem
		}{time.Now(), kind, p})
		if err == nil {
			fmt.Fprintf(a.stderr, "%s\n", line)
		}
		return
	}
	lead, mend := "bmsync: ", ""
	if kind != "error" {
		lead += kind + ": "
	}
	if p.File == "" && p.Field == "" {
		mend, p.Mend = p.Mend, ""
	}
	fmt.Fprintln(a.stderr, lead+p.Error())
	if mend != "" {
		fmt.Fprintln(a.stderr, "        → "+mend)
	}
}

// mendOf says what to type or to do about an error, "" if nothing is known.
func mendOf(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.mend
	}
	if b, ok := errors.AsType[*migrate.BlockedError](err); ok {
		return b.Mend
	}
	if e, ok := errors.AsType[*migrate.GateError](err); ok {
		return "run and verify it on a target with rehearsal: true first (bmsync run --target …, bmsync verify --target …), or give the reason: --without-rehearsal REASON" + gateHint(e)
	}
	if _, ok := errors.AsType[*state.LockedError](err); ok {
		return "wait until it has ended; a process that died leaves no lock behind"
	}
	if e, ok := errors.AsType[*state.IdentityError](err); ok {
		if e.Field == "rehearsal" {
			return "a target stays a rehearsal or production for good: put back rehearsal: " + e.Have + ", or give it another name in bmsync.yaml"
		}
		return "this state belongs to another BlueMind: give the target another name in bmsync.yaml, or correct its url"
	}
	if errors.Is(err, state.ErrNotWritable) {
		return "state in bmsync.yaml names the folder for states: make it one that this user can write, or name another"
	}
	if e, ok := errors.AsType[*bmapi.AuthError](err); ok {
		return "correct admin or its secret under that target in bmsync.yaml: BlueMind refuses the login of " + e.Login
	}
	if _, ok := errors.AsType[*secretError](err); ok {
		return "put the secret there, or correct secret_file, secret_env or secret_command in bmsync.yaml"
	}
	if e, ok := errors.AsType[*migrate.VersionMismatchError](err); ok {
		if strings.Contains(e.Want, "plan") {
			return "set policy.target_version to both in bmsync.yaml, then bmsync plan"
		}
		return "correct version of target " + e.Target + " in bmsync.yaml, or its url"
	}
	if _, ok := errors.AsType[*bmapi.ConnError](err); ok && !isCertificate(err) {
		return "see whether url of that target in bmsync.yaml is right, and reached from here; bmsync check says more"
	}
	if f, ok := errors.AsType[*bmapi.Fault](err); ok && (f.Status == 502 || f.Status == 503 || f.Status == 504) {
		return "BlueMind's core doesn't run, or is starting: wait until it is up, then type the same again"
	}
	if _, ok := errors.AsType[*bmapi.VersionError](err); ok {
		return "upgrade BlueMind before migrating into it"
	}
	if isCertificate(err) {
		return "name the authority that signed it as ca_file in bmsync.yaml, or, for one host, insecure_skip_verify: [HOST]; it is never accepted silently"
	}
	return ""
}
