package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Kind says what an Error is about.
type Kind uint8

// The kinds. After KindNo, KindBad and KindRefused the session goes on;
// after the others it is over.
const (
	KindNo          Kind = iota + 1 // the server answered NO
	KindBad                         // the server answered BAD
	KindBye                         // the server said BYE
	KindPreauth                     // the server chose an identity before we gave ours
	KindTimeout                     // no byte moved for Options.Idle while an answer was due
	KindClosed                      // the connection ended or was reset
	KindProtocol                    // the server said something that can't be followed
	KindTLS                         // no protected connection: certificate, handshake, no STARTTLS
	KindRefused                     // we refused: the command must not or can't be sent
	KindInterrupted                 // the context ended
)

func (k Kind) String() string {
	names := [...]string{"", "NO", "BAD", "BYE", "PREAUTH", "timeout", "no connection",
		"protocol error", "TLS", "refused", "interrupted"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Error is what a server said, or what became of the connection. It never
// holds a secret.
type Error struct {
	Session string // Options.Name
	Kind    Kind
	Code    string // response code without its arguments, upper-case: OVERQUOTA, TRYCREATE (RFC 5530)
	Command string // verb: APPEND, UID FETCH
	Text    string // the server's words, capped
	Alert   string // the last ALERT or BYE text seen on the connection
	Err     error  // cause: os.ErrDeadlineExceeded, io.ErrUnexpectedEOF, an x509 error, …
}

// ErrAdministrator refuses to enter a target as one of BlueMind's
// administrators: mail must be copied as each user.
var ErrAdministrator = errors.New("an administrator must not fill mailboxes over IMAP")

// ErrNoUIDValidity says that a server numbers a mailbox's messages and doesn't
// say for how long the numbers hold (RFC 9051 §2.3.1.1): nothing that is kept of
// them could be trusted.
var ErrNoUIDValidity = errors.New("the server gives no usable UIDVALIDITY")

// errBusy is a mistake of our own: a session used by two goroutines, or while
// its Appender is open.
var errBusy = errors.New("the session is in use")

func (e *Error) Error() string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.Session)
	add(e.Command)
	what := e.Kind.String()
	if e.Code != "" {
		what += " [" + e.Code + "]"
	}
	if e.Text != "" {
		what += " " + e.Text
	}
	add(what)
	if e.Alert != "" && e.Alert != e.Text {
		add("server said: " + e.Alert)
	}
	if e.Err != nil {
		add(e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// maxText caps the server's words kept in errors, in octets.
const maxText = 400

// capText cuts a server's words and takes control characters out.
func capText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// ioError turns what a socket or TLS reports into an Error.
func ioError(err error) *Error {
	var have *Error
	if errors.As(err, &have) {
		return have
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: KindInterrupted, Err: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Kind: KindTimeout, Err: err}
	case isTLS(err):
		return &Error{Kind: KindTLS, Err: err}
	case err == io.EOF:
		return &Error{Kind: KindClosed, Err: io.ErrUnexpectedEOF}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &Error{Kind: KindClosed, Err: err}
	}
	return &Error{Kind: KindClosed, Err: err}
}

func isTLS(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}
