package imaptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Mode is how a listener secures its connections.
type Mode int

// The modes.
const (
	ImplicitTLS Mode = iota
	StartTLS         // clear until STARTTLS; LOGINDISABLED before it
	Plain            // never TLS; LOGIN is allowed
)

// saveEvery is how long a change of a kept store may stay in memory only.
const saveEvery = 2 * time.Second

// Listen serves on a loopback address such as "127.0.0.1:0" until ctx or the
// server ends, and returns the address it got.
func (s *Server) Listen(ctx context.Context, mode Mode, addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("listen on %s: only loopback addresses are served", addr)
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel()
		return "", errors.Join(net.ErrClosed, ln.Close())
	}
	s.stop = append(s.stop, cancel)
	s.running.Go(func() { s.accept(ctx, ln, mode) })
	if s.opts.Dir != "" {
		s.running.Go(func() { s.saveNowAndThen(ctx) })
	}
	return ln.Addr().String(), nil
}

func (s *Server) accept(ctx context.Context, ln net.Listener, mode Mode) {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			// Out of file descriptors, or a peer gone before accept.
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
				continue
			}
		}
		s.running.Go(func() { s.serve(ctx, conn, mode) })
	}
}

func (s *Server) saveNowAndThen(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Save(); err != nil {
			s.mu.Lock()
			s.keep(err)
			s.mu.Unlock()
		}
	}
}

// ServeConn serves one connection, such as an end of a net.Pipe, and returns
// when it has ended.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn, mode Mode) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	s.serve(ctx, conn, mode)
}

// CAPEM returns the certificate authority to trust, made for this server.
func (s *Server) CAPEM() []byte { return s.authority.pem }

// ClientTLS returns a configuration that trusts the server.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.authority.pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}
