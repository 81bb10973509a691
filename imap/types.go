package imap

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"
)

// Security is how a connection is protected.
type Security int

// The ways. Nothing falls back to clear text: Plaintext has to be asked for.
const (
	ImplicitTLS Security = iota // TLS from the first byte (port 993)
	StartTLS                    // STARTTLS, or an error where it isn't announced (port 143)
	Plaintext                   // none
)

// Server is where to connect to.
type Server struct {
	Addr     string // host:port
	Security Security
	TLS      *tls.Config // nil: system roots; an empty ServerName is the host of Addr
}

// Options are the settings of a session. The zero value is the default.
type Options struct {
	// Dial opens the connection; nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Idle is how long a session with an answer due may see no byte move,
	// in either direction, before it is dead; 0: 2 minutes.
	Idle time.Duration
	// SyncAbove is the size in octets above which an APPEND waits for the
	// server's consent before the message is sent, so that a refusal costs no
	// upload; 0: 1 MiB.
	SyncAbove int64
	// Logger gets the last protocol lines of a session that failed, at
	// level debug; nil: nowhere.
	Logger *slog.Logger
	// Name stands first in errors: "source mail.old.example".
	Name string
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if o.Idle <= 0 {
		// BlueMind 5 may hold an answer back for a minute behind its mailbox
		// lock and stops reading while it throttles.
		o.Idle = 2 * time.Minute
	}
	if o.SyncAbove <= 0 {
		o.SyncAbove = 1 << 20 // as BlueMind's own client
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// dialTimeout is for the TCP handshake alone: unreachable hosts are common,
// hosts that need longer are not.
const dialTimeout = 30 * time.Second

// Credentials enter a source.
type Credentials struct {
	Login   string
	AuthzID string // not empty: AUTHENTICATE PLAIN, and whose mail to open (RFC 4616)
	Secret  string
}

// Token is the only way into a target: the address of a user and an API key
// made for that user.
type Token struct{ Address, Secret string }

// String hides the secret.
func (t Token) String() string { return t.Address + " ***" }

// GoString hides the secret.
func (t Token) GoString() string { return t.String() }

// Mailbox is one line of LIST.
type Mailbox struct {
	Name  string   // decoded, with the server's own delimiter
	Wire  string   // as listed, without quotes
	Delim rune     // 0: the server has no hierarchy here
	Attrs []string // as sent: \HasNoChildren, \Sent; \Subscribed where known
	// Malformed says that Wire is not what RFC 3501 §5.1.3 makes of Name.
	Malformed bool
}

// Has says whether the mailbox carries an attribute, whatever its case.
func (m Mailbox) Has(attr string) bool {
	for _, a := range m.Attrs {
		if strings.EqualFold(a, attr) {
			return true
		}
	}
	return false
}

// Namespaces are the roots a server names (RFC 2342).
type Namespaces struct{ Personal, Other, Shared []NamespaceEntry }

// NamespaceEntry is one root; the prefix is decoded and ends with Delim.
type NamespaceEntry struct {
	Prefix string
	Delim  rune
}

// Status is what a server says of one mailbox. A number that it doesn't tell
// is 0, but UIDValidity, without which the call fails.
type Status struct {
	Messages, UIDNext, UIDValidity uint32
	HighestModSeq                  uint64
	PermanentFlags                 []string // Examine and Select only; as sent
	ReadOnly                       bool     // Examine and Select only
}

// Message is one line of a listing.
type Message struct {
	UID          uint32
	Flags        []string  // as sent, without \Recent
	InternalDate time.Time // with its zone; zero: absent or unreadable
	DateText     string    // INTERNALDATE as sent, "" if absent
	Size         int64     // RFC822.SIZE; -1: unknown
	SHA1         [20]byte  // of the octets, where the server says it (DIGEST.SHA1)
	HasSHA1      bool
}

// FlagMode says what StoreFlags does with the flags.
type FlagMode int

// The modes of STORE (RFC 9051 §6.4.6).
const (
	AddFlags FlagMode = iota
	RemoveFlags
	ReplaceFlags
)

// Append is one message to be appended.
type Append struct {
	Flags        []string    // \Recent is left out
	InternalDate time.Time   // zero: the server's own time
	Size         int64       // octets
	Body         io.ReaderAt // read from offset 0 on
}

// Appended is what became of one Append.
type Appended struct {
	UIDValidity, UID uint32 // RFC 4315; UID 0 without Err: stored, the server didn't say where
	SHA1             [20]byte
	HasSHA1          bool
	Err              error // the message was refused (KindNo, KindBad, KindRefused), or the session ended
	// Unknown says that the message had left as a whole when the session
	// ended without an answer: it may be stored now or soon. An Err without
	// Unknown means that the message isn't stored.
	Unknown bool
}
