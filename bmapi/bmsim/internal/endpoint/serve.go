package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

// Login is who a name and a secret belong to.
type Login struct {
	Box        mail.Box
	Email      string // default e-mail address: what the rate limit is counted by
	MaxLiteral int64  // octets; 0: 20,000,000, what BlueMind falls back to
}

// Auth judges a name and a secret. An error refuses; its text goes to the
// journal only.
type Auth func(ctx context.Context, login, secret string) (Login, error)

// Config is what an endpoint needs. Store and Auth are a must. All functions may
// be called from several goroutines.
type Config struct {
	Store *mail.Store
	Auth  Auth
	// Shares names the boxes of others that LIST shows to a user: those he is
	// subscribed to. Nil: none.
	Shares func(ctx context.Context, who mail.Box) ([]mail.Box, error)
	// Readable says whether a user may read a box of another; nobody may if nil.
	Readable func(ctx context.Context, who, share mail.Box) bool
	// Writable says whether the box is not READ-ONLY to him. BlueMind asks only
	// for DELETE and RENAME, never for APPEND. Nil: all that is readable.
	Writable func(ctx context.Context, who, share mail.Box) bool
	// Ready says whether the core is running; if not, a connection is closed after
	// two seconds without a greeting. Nil: always.
	Ready func() bool

	Journal func(Event) // nil: nowhere
	Faults  *Faults     // nil: none

	RateLimit    int64          // octets a second for each default address; 0: no limit
	RefusalDelay time.Duration  // of a login. Zero: 3 s; below zero: none
	IdleTimeout  time.Duration  // of a silent connection. Zero: 30 min
	Location     *time.Location // zone INTERNALDATE is written in; nil: local
	Version      string         // for ID; "": 5.1.7340
	UserRoot     string         // "": Autres utilisateurs
	SharedRoot   string         // "": Dossiers partagés
}

// fallbackLiteral is the limit when the configuration doesn't say.
const fallbackLiteral = 20_000_000

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Auth == nil {
		return c, errors.New("endpoint: a store and a way to authenticate are needed")
	}
	if c.Journal == nil {
		c.Journal = func(Event) {}
	}
	if c.Faults == nil {
		c.Faults = new(Faults)
	}
	if c.RefusalDelay == 0 {
		c.RefusalDelay = 3 * time.Second
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = 30 * time.Minute
	}
	if c.Location == nil {
		c.Location = time.Local
	}
	if c.Version == "" {
		c.Version = "5.1.7340"
	}
	if c.UserRoot == "" {
		c.UserRoot = "Autres utilisateurs"
	}
	if c.SharedRoot == "" {
		c.SharedRoot = "Dossiers partagés"
	}
	return c, nil
}

// Kind says what an Event tells.
type Kind string

// What the endpoint journals.
const (
	Connected Kind = "connected"
	LoggedIn  Kind = "logged in"
	Refused   Kind = "refused" // Err is what Auth said
	Command   Kind = "command" // Verb is about to run
	Appended  Kind = "appended"
	Faulted   Kind = "faulted" // Fault came into play
	Left      Kind = "left"    // the connection is over
)

// Event is a line of the endpoint's journal. An append is told before its answer
// is sent.
type Event struct {
	Time  time.Time
	Conn  uint64 // number of the connection
	Kind  Kind
	Login string // as the client, or the proxy, sent it
	Verb  string // "APPEND", "UID FETCH" …
	Err   error

	// Appended; Box and Folder tell of Faulted, too, where it concerns one.
	Box         mail.Box
	Folder      string // full name in the box; as the client wrote it in Faulted
	UIDValidity uint32
	UID         uint32
	Size        int64
	SHA1        string // of the octets stored
	Flags       []string
	Date        time.Time // the INTERNALDATE the message got
	Late        bool      // stored when the connection was gone
	Unanswered  bool      // stored, and the answer withheld by a fault
	Fault       FaultKind // what spoiled it, or ""
}

// server is what the connections of one Serve share.
type server struct {
	Config
	limits limits
	conns  atomic.Uint64
	work   sync.WaitGroup // connections, and commits that outlive theirs
}

// Serve answers connections until ctx ends or the listener fails. It returns
// when all connections are gone; commits that a fault has put off are dropped
// then, as they would be if the server was killed. The listener is closed.
func Serve(ctx context.Context, ln net.Listener, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	srv := &server{Config: cfg}
	stop := context.AfterFunc(ctx, func() { ln.Close() }) // unblocks Accept, which reports it
	defer func() {
		cancel()
		srv.work.Wait()
		if stop() {
			ln.Close()
		}
	}()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
		srv.work.Go(func() { srv.serve(ctx, conn) })
	}
}

// note journals an event of a connection.
func (srv *server) note(e Event) {
	e.Time = time.Now()
	srv.Journal(e)
}

// sleep waits, or returns the reason why not.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
