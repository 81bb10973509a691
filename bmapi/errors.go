package bmapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code is BlueMind's errorCode: the word to judge a fault by.
type Code string

// The codes that calls of this package meet.
const (
	CodeUnknown            Code = "UNKNOWN"
	CodePermissionDenied   Code = "PERMISSION_DENIED"
	CodeFailure            Code = "FAILURE"
	CodeInvalidParameter   Code = "INVALID_PARAMETER"
	CodeAuthenticationFail Code = "AUTHENTICATION_FAIL"
	CodeSQLError           Code = "SQL_ERROR"
	CodeNotFound           Code = "NOT_FOUND"
	CodeAlreadyExists      Code = "ALREADY_EXISTS"
	CodeForbidden          Code = "FORBIDDEN"
	CodeEntityTooLarge     Code = "ENTITY_TOO_LARGE"
	CodeInvalidQuery       Code = "INVALID_QUERY"
	CodeInvalidPassword    Code = "INVALID_PASSWORD"
	CodeEmptyLastName      Code = "EMPTY_LASTNAME"
	CodeEmailAlreadyUsed   Code = "EMAIL_ALREADY_USED"
	CodeInvalidEmail       Code = "INVALID_EMAIL"
	CodeInvalidDomainName  Code = "INVALID_DOMAIN_NAME"
	CodeNotGlobalAdmin     Code = "NOT_GLOBAL_ADMIN"
	CodeInvalidHostName    Code = "INVALID_HOST_NAME"
	CodeSamePassword       Code = "OLD_PASSWORD_SAME_AS_NEW"
	CodeVersionHasChanged  Code = "VERSION_HAS_CHANGED"
	CodeTimeout            Code = "TIMEOUT"
	CodeMaxItemCount       Code = "MAX_ITEM_COUNT"
)

// invalidCodes are the words for a value that is not taken.
var invalidCodes = []Code{CodeInvalidParameter, CodeInvalidQuery, CodeInvalidPassword, CodeEmptyLastName, CodeInvalidEmail,
	CodeInvalidDomainName, CodeInvalidHostName, CodeSamePassword}

// Conditions for errors.Is.
var (
	// ErrNotFound: BlueMind knows no such thing (code NOT_FOUND, or 204 where a
	// thing was asked for). A proxy's own 404 is not meant.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists: the uid, login, name or address is taken. Look at
	// Fault.Repeated before it is called a failure.
	ErrAlreadyExists = errors.New("already exists")
	// ErrInvalid: BlueMind does not take a value. Some are found before they are sent.
	ErrInvalid = errors.New("BlueMind does not take this value")
	// ErrForbidden: what is asked for is against a limit or a rule: too many users in
	// the domain, public rights on a mailbox, roles for a simple account.
	ErrForbidden = errors.New("forbidden by a limit or rule of BlueMind")
	// ErrPermission: the session's owner may not do this.
	ErrPermission = errors.New("permission denied")
	// ErrUnauthenticated: the session or key is dead, or was never alive.
	ErrUnauthenticated = errors.New("session or key unknown or expired")
	// ErrSessionLost: the session is dead (ErrUnauthenticated, too), and BlueMind wants
	// no new login: the password was changed, or the user is gone. The *AuthError is
	// wrapped.
	ErrSessionLost = fmt.Errorf("%w, and no new login is taken", ErrUnauthenticated)
	// ErrNoRoute: this version of BlueMind has no such call.
	ErrNoRoute = errors.New("no such call on this server")
	// ErrOutcomeUnknown: the call may have been done, and must not be repeated
	// before somebody has looked.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrTooLarge: the request has more than the 10 MB that BlueMind takes; it was not sent.
	ErrTooLarge = errors.New("request is larger than BlueMind takes (10 MB)")
	// ErrTaskUnknown: the server has no trace of the task, so its outcome is
	// unknown: look at the thing it was to change.
	ErrTaskUnknown = errors.New("task unknown to the server")
)

// Fault is an answer of the server that is no success.
type Fault struct {
	ErrorCode Code   // "" where the server gave none (a Java exception, a proxy)
	ErrorType string // Java class, for logs
	Message   string // English, for people; never judged
	Status    int    // HTTP; 500 says nothing
	Method    string
	Path      string // without query and without secrets

	Excerpt    string        // beginning of a body that is not BlueMind's JSON, such as a proxy's page
	RetryAfter time.Duration // what the server asked for, 0 if nothing
	Repeated   bool          // an earlier try of the same call ended without an answer: it may have been done
	NoRoute    bool          // no service there

	err   error // why the answer could not be read
	blind bool  // not to be repeated, and possibly done
}

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: HTTP %d", f.Method, f.Path, f.Status)
	if f.ErrorCode != "" {
		fmt.Fprintf(&b, " %s", f.ErrorCode)
	}
	switch {
	case f.Message != "":
		fmt.Fprintf(&b, ": %s", f.Message)
	case f.err != nil:
		fmt.Fprintf(&b, ": %v", f.err)
	case f.Excerpt != "":
		fmt.Fprintf(&b, ": %s", f.Excerpt)
	case f.ErrorType != "":
		fmt.Fprintf(&b, ": %s", f.ErrorType)
	}
	return b.String()
}

// Is maps codes to the conditions of this package.
func (f *Fault) Is(target error) bool {
	switch target {
	case ErrNoRoute:
		return f.NoRoute
	case ErrNotFound:
		return f.ErrorCode == CodeNotFound && !f.NoRoute
	case ErrAlreadyExists:
		return f.ErrorCode == CodeAlreadyExists || f.ErrorCode == CodeEmailAlreadyUsed
	case ErrInvalid:
		return slices.Contains(invalidCodes, f.ErrorCode)
	case ErrForbidden:
		return f.ErrorCode == CodeForbidden
	case ErrPermission:
		return f.ErrorCode == CodePermissionDenied
	case ErrUnauthenticated:
		return f.ErrorCode == CodeAuthenticationFail || f.Status == 401
	case ErrOutcomeUnknown:
		return f.blind
	}
	return false
}

// Unwrap gives the reason why an answer could not be read, if that was it.
func (f *Fault) Unwrap() error { return f.err }

// temporary: the same call may succeed later.
func (f *Fault) temporary() bool {
	switch f.Status {
	case 429, 502, 503, 504:
		return true
	}
	return f.ErrorCode == CodeSQLError || f.ErrorCode == CodeTimeout
}

// proxy: it comes from whoever stands before a BlueMind that is away.
func (f *Fault) proxy() bool { return f.Status == 502 || f.Status == 503 || f.Status == 504 }

// unanswered: whoever answered may not know what became of the call.
func (f *Fault) unanswered() bool {
	return f.proxy() || f.ErrorCode == CodeTimeout
}

// ConnError tells that a call ended without an answer. The cause is wrapped:
// x509 errors, os.ErrDeadlineExceeded, the context's cause.
type ConnError struct {
	Method, Path string
	Err          error
	Sent         bool // the request had begun to leave: the server may have done it

	blind bool
	fatal bool // trying again cannot help: certificate, or the caller gave up
}

func (e *ConnError) Error() string { return fmt.Sprintf("%s %s: %v", e.Method, e.Path, e.Err) }

// Unwrap gives the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// Is tells ErrOutcomeUnknown.
func (e *ConnError) Is(target error) bool { return target == ErrOutcomeUnknown && e.blind }

// AuthError is a login or su that BlueMind refused. It says so with HTTP 200.
type AuthError struct {
	Login  string
	Status string // Bad, or Expired: the password has to be changed first
	Text   string // BlueMind's words, mostly none
	State  string // of the server, if it is not Running: then it refuses all but admin0, and the secret may be right
}

func (e *AuthError) Error() string {
	s := fmt.Sprintf("login %s refused: %s", e.Login, e.Status)
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.State != "" {
		s += ", in state " + e.State
	}
	return s
}

// TaskError is a task that ended in error.
type TaskError struct {
	ID           string
	LastLogEntry string
}

func (e *TaskError) Error() string { return fmt.Sprintf("task %s: %s", e.ID, e.LastLogEntry) }

// VersionError is an installation that this package does not speak to, or that can't
// do one thing.
type VersionError struct {
	Version Version
	What    string // what it can't do; "": the whole of it
}

func (e *VersionError) Error() string {
	what := "is not supported"
	if e.What != "" {
		what = "can't " + e.What
	}
	return fmt.Sprintf("BlueMind %q (%s) %s: version 4 or later is needed", e.Version.ReleaseName, e.Version.SoftwareVersion, what)
}

// CodeOf gives the code of the Fault in err, "" if there is none.
func CodeOf(err error) Code {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.ErrorCode
	}
	return ""
}

// Temporary tells whether the same call may well succeed later: the connection failed,
// the server was busy, or takes no logins for now. An unknown outcome counts as well;
// look first.
func Temporary(err error) bool {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.temporary()
	}
	if a, ok := errors.AsType[*AuthError](err); ok {
		return a.State != ""
	}
	c, ok := errors.AsType[*ConnError](err)
	return ok && !c.fatal
}

// MaybeDone tells whether err leaves open that the call was carried out, by a try
// whose answer was lost.
func MaybeDone(err error) bool {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Repeated || f.unanswered()
	}
	c, ok := errors.AsType[*ConnError](err)
	return ok && c.Sent
}

// certificate tells whether the peer's certificate was the trouble.
func certificate(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}
