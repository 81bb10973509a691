package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Decision is where an address leads.
type Decision struct {
	Login   string // passed on to the backend: login@domainUid
	Backend string // host:port of the mail server that keeps the box, plain IMAP
}

// Kind says what an Event tells.
type Kind string

// What the proxy journals.
const (
	Connected   Kind = "connected"   // a client came
	Secured     Kind = "secured"     // TLS is up, by STARTTLS or from the start
	Refused     Kind = "refused"     // Decide said no; Err is its word
	Unreachable Kind = "unreachable" // the backend was not there or did not let the user in
	LoggedIn    Kind = "logged in"
	Left        Kind = "left" // the connection is over
)

// Event is a line of the proxy's journal.
type Event struct {
	Time    time.Time
	Kind    Kind
	Client  string // address of the client's end: tells connections apart
	TLS     bool
	Address string // what the client called itself, lower-cased
	Login   string // what it was resolved to
	Backend string
	In, Out int64 // Left, after a login: octets from and to the client
	Err     error
}

// Config is what a proxy needs. Decide is a must, and TLS; all else has defaults.
type Config struct {
	// TLS is the certificate, and what else the listener wants.
	TLS *tls.Config
	// Capabilities before login, without AUTH=PLAIN and STARTTLS, which are added.
	Capabilities []string
	// Decide judges an address, lower-cased, and its secret. An error refuses; its
	// text goes to the journal only.
	Decide func(ctx context.Context, address, secret string) (Decision, error)
	// RefusalDelay is how long a refusal waits. Zero: 2 s; below zero: none.
	RefusalDelay time.Duration
	// Attempts is the refusal that ends a connection. Zero: 10.
	Attempts int
	// Timeout is how long a client may be silent before login, and a backend
	// during it. Zero: 60 s.
	Timeout time.Duration
	// Grace is how long a backend may go on once its client has gone. Zero: 30 s.
	Grace time.Duration
	// Dial reaches backends. Nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Journal hears what happens, from several goroutines. Nil: nobody.
	Journal func(Event)
}

// BlueMind's values; both versions ship the same proxy configuration.
func (cfg Config) withDefaults() Config {
	if cfg.Capabilities == nil {
		cfg.Capabilities = []string{"IMAP4rev1", "UIDPLUS", "XLIST", "QUOTA", "IDLE", "NAMESPACE"}
	}
	if cfg.RefusalDelay == 0 {
		cfg.RefusalDelay = 2 * time.Second
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 10
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Grace == 0 {
		cfg.Grace = 30 * time.Second
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	if cfg.Journal == nil {
		cfg.Journal = func(Event) {}
	}
	return cfg
}

// ServeTLS serves implicit TLS (port 993) on ln until the context ends, and
// returns when all connections are gone. It closes ln.
func ServeTLS(ctx context.Context, ln net.Listener, cfg Config) error {
	return serve(ctx, ln, cfg, true)
}

// ServeStartTLS serves plain IMAP with STARTTLS (port 143) like ServeTLS. A login
// without STARTTLS is taken, as BlueMind takes it.
func ServeStartTLS(ctx context.Context, ln net.Listener, cfg Config) error {
	return serve(ctx, ln, cfg, false)
}

func serve(ctx context.Context, ln net.Listener, cfg Config, implicit bool) error {
	if cfg.TLS == nil || cfg.Decide == nil {
		ln.Close()
		return errors.New("proxy: it needs a certificate and somebody who decides")
	}
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			cancel()
			ln.Close()
			return fmt.Errorf("proxy on %s: %w", ln.Addr(), err)
		}
		clients.Go(func() {
			newSession(conn, cfg, implicit).run(ctx)
		})
	}
}
