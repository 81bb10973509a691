package imaptest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options describe a server.
type Options struct {
	// Dir keeps the store: bodies as files, one JSON index, the certificate
	// authority. Empty: in memory.
	Dir string
	// Capabilities replaces what is announced after login. Leave out
	// STARTTLS, LOGINDISABLED and AUTH=…: they follow from the listener.
	Capabilities []string
	// ID is the answer to ID, RFC 2971, as pairs of name and value.
	ID []string
	// Delimiter parts levels in names; 0: '/'.
	Delimiter rune
	// Prefix is the personal namespace's, such as "INBOX."; names in this
	// package's methods carry it, as they do on the wire.
	Prefix string
	// Others and Shared are the prefixes of other users' and of public
	// mailboxes, such as "Public/", which [User.Show] makes visible.
	Others, Shared string
	// Masters are logins (to secrets) that may authenticate as any user, by
	// the authorisation identity of PLAIN or as "user*master".
	Masters map[string]string
	// MaxLiteral limits APPEND; 0: 64 MiB.
	MaxLiteral int64
	// MaxLine limits a command without its literals; 0: 64 KiB, Dovecot's.
	MaxLine int
	// CertificateNotAfter ends the certificate's life; zero: in ten years.
	CertificateNotAfter time.Time
	// CertificateHosts are the certificate's names; nil: localhost,
	// 127.0.0.1 and ::1.
	CertificateHosts []string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Capabilities == nil {
		o.Capabilities = DefaultCapabilities()
	}
	if o.ID == nil {
		o.ID = []string{"name", "imaptest"}
	}
	if o.Delimiter == 0 {
		o.Delimiter = '/'
	}
	if o.MaxLiteral == 0 {
		o.MaxLiteral = 64 << 20
	}
	if o.MaxLine == 0 {
		o.MaxLine = 64 << 10
	}
	if o.CertificateHosts == nil {
		o.CertificateHosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// DefaultCapabilities is what a server announces after login. Known beside them
// are ACL, QUOTA and METADATA.
func DefaultCapabilities() []string {
	return strings.Fields("IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE UNSELECT UIDPLUS MOVE CHILDREN" +
		" LIST-EXTENDED LIST-STATUS SPECIAL-USE STATUS=SIZE CONDSTORE ESEARCH")
}

// Server is an IMAP server with a store of its own. Its methods may be called
// from any goroutine, also while sessions run.
type Server struct {
	opts      Options
	authority *authority
	bodies    *bodies
	log       log
	handlers  map[string]handler

	mu           sync.Mutex
	users        map[string]*User // by lower-case login
	lastValidity uint32
	changed      chan struct{} // closed at each change, then replaced
	dirty        bool          // changed since it was last saved
	err          error
	quirks       Quirks
	traps        []*trapState
	saving       sync.Mutex // one Save at a time; taken before mu

	sessions map[*session]struct{}
	accepted int
	peak     int
	closed   bool
	stop     []context.CancelFunc
	running  sync.WaitGroup
}

// NewServer returns a server that does not listen yet. With a Dir that holds a
// store, it has that store's users.
func NewServer(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	s := &Server{
		opts: opts, bodies: newBodies(opts.Dir), users: map[string]*User{}, lastValidity: 1600000000,
		handlers: newHandlers(), changed: make(chan struct{}), sessions: map[*session]struct{}{},
	}
	var err error
	if s.authority, err = newAuthority(opts); err != nil {
		return nil, err
	}
	if opts.Dir != "" {
		if err := s.load(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Delimiter returns what parts levels in mailbox names.
func (s *Server) Delimiter() rune { return s.opts.Delimiter }

// Err returns the first error of keeping the store; methods that append have
// no error of their own.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// keep remembers the first error. The lock is held.
func (s *Server) keep(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Connections returns how many sessions there are, how many there have been,
// and the most at a time.
func (s *Server) Connections() (open, total, peak int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions), s.accepted, s.peak
}

// Disconnect cuts all connections of a user, or of everybody if login is "",
// without a word.
func (s *Server) Disconnect(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		if login == "" || sess.user != nil && strings.EqualFold(sess.user.login, login) {
			sess.raw.Close()
		}
	}
}

// Close ends listeners and sessions, waits for them and saves a kept store.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	stop := s.stop
	s.stop = nil
	s.mu.Unlock()
	for _, f := range stop {
		f()
	}
	s.Disconnect("")
	s.running.Wait()
	err := s.Save()
	return errors.Join(s.Err(), err)
}

// capabilities returns what a session announces before or after login.
func (s *Server) capabilities(q Quirks, mode Mode, secure, authenticated bool) []string {
	var caps []string
	early := []string{"IMAP4REV1", "SASL-IR", "LITERAL+", "ID", "ENABLE", "IDLE"}
	for _, c := range s.opts.Capabilities {
		if !q.hides(c) && (authenticated || slices.Contains(early, strings.ToUpper(c))) {
			caps = append(caps, c)
		}
	}
	if authenticated {
		return caps
	}
	if q.BareGreeting {
		caps = []string{"IMAP4rev1"}
	}
	if mode == StartTLS && !secure {
		caps = append(caps, "STARTTLS")
	}
	if q.LoginDisabled || mode == StartTLS && !secure {
		return append(caps, "LOGINDISABLED")
	}
	return append(caps, "AUTH=PLAIN")
}

// serve runs a session on a connection until it ends.
func (s *Server) serve(ctx context.Context, conn net.Conn, mode Mode) {
	sess, ok := s.enter(conn, mode)
	if !ok {
		conn.Close()
		return
	}
	defer s.leave(sess)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	sess.run(ctx)
}

func (s *Server) enter(conn net.Conn, mode Mode) (*session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.accepted++
	sess := newSession(s, s.accepted, conn, mode)
	s.sessions[sess] = struct{}{}
	s.peak = max(s.peak, len(s.sessions))
	return sess, true
}

func (s *Server) leave(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
}
