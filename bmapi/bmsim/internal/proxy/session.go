package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// maxErrors is how many invalid commands a connection may send before login.
const maxErrors = 5

// session is one client's connection.
type session struct {
	cfg      Config
	client   net.Conn // the TCP connection or, later, TLS over it
	r        *bufio.Reader
	remote   string
	implicit bool
	secured  bool
	errors   int
	refusals int
}

func newSession(conn net.Conn, cfg Config, implicit bool) *session {
	return &session{
		cfg: cfg, client: conn, r: bufio.NewReader(conn),
		remote: conn.RemoteAddr().String(), implicit: implicit,
	}
}

// errLeave ends a session that has said its last word.
var errLeave = errors.New("the session is over")

// run serves the connection till its end.
func (s *session) run(ctx context.Context) {
	tcp := s.client
	defer tcp.Close()
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	defer stop()
	s.journal(Event{Kind: Connected})
	left := Event{Kind: Left}
	defer func() { s.journal(left) }()
	if s.implicit {
		if left.Err = s.secure(ctx); left.Err != nil {
			return
		}
	}
	if left.Err = s.say("* OK IMAP4 ready"); left.Err != nil {
		return
	}
	for {
		entry, err := s.entrance(ctx)
		switch {
		case err != nil:
			if !errors.Is(err, errLeave) {
				left.Err = err
			}
			return
		case entry != nil:
			left.Address, left.Login, left.Backend = entry.address, entry.Login, entry.Backend
			left.In, left.Out, left.Err = s.relay(ctx, entry)
			return
		}
	}
}

// entry is a login that was granted.
type entry struct {
	Decision
	tag     string
	address string
	secret  string
}

// entrance handles one command before login; it returns an entry when that
// command opened the door.
func (s *session) entrance(ctx context.Context) (*entry, error) {
	if err := s.client.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return nil, err
	}
	cmd, err := readCommand(s.r, func() error { return s.say("+ OK") })
	switch {
	case errors.Is(err, errSyntax):
		return nil, s.invalid(cmd.tag)
	case errors.Is(err, errTooLong):
		_ = s.invalid(cmd.tag) // the connection ends anyway
		return nil, err
	case errors.Is(err, io.EOF):
		return nil, errLeave
	case err != nil:
		return nil, err
	}
	switch cmd.verb {
	case "CAPABILITY":
		return nil, s.say("* CAPABILITY "+s.capabilities(), cmd.tag+" OK completed")
	case "NOOP":
		return nil, s.say(cmd.tag + " OK completed")
	case "LOGOUT":
		return nil, errors.Join(s.say("* BYE", cmd.tag+" OK completed"), errLeave)
	case "STARTTLS":
		if s.secured {
			return nil, s.invalid(cmd.tag)
		}
		if err := s.say(cmd.tag + " OK completed"); err != nil {
			return nil, err
		}
		return nil, s.secure(ctx)
	case "LOGIN":
		if len(cmd.args) != 2 || cmd.args[0] == "" {
			return nil, s.invalid(cmd.tag)
		}
		return s.login(ctx, cmd.tag, cmd.args[0], cmd.args[1])
	case "AUTHENTICATE":
		return s.authenticate(ctx, cmd)
	}
	return nil, s.invalid(cmd.tag)
}

// authenticate is PLAIN alone (RFC 4616), with and without an initial response
// (RFC 4959). The authorisation identity is ignored.
func (s *session) authenticate(ctx context.Context, cmd command) (*entry, error) {
	if len(cmd.args) < 1 || len(cmd.args) > 2 || !strings.EqualFold(cmd.args[0], "PLAIN") {
		return nil, s.invalid(cmd.tag)
	}
	var response string
	if len(cmd.args) == 2 {
		response = cmd.args[1]
	} else {
		if err := s.say("+ "); err != nil {
			return nil, err
		}
		room := maxCommand
		var err error
		if response, err = readLine(s.r, &room); err != nil {
			return nil, err
		}
	}
	text, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		return nil, s.invalid(cmd.tag)
	}
	parts := strings.Split(string(text), "\x00")
	if len(parts) != 3 || parts[1] == "" {
		return nil, s.invalid(cmd.tag)
	}
	return s.login(ctx, cmd.tag, parts[1], parts[2])
}

func (s *session) login(ctx context.Context, tag, address, secret string) (*entry, error) {
	address = strings.ToLower(address)
	decision, err := s.cfg.Decide(ctx, address, secret)
	if err == nil {
		return &entry{Decision: decision, tag: tag, address: address, secret: secret}, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.journal(Event{Kind: Refused, Address: address, Err: err})
	const refusal = " NO Invalid login or password"
	if s.refusals++; s.refusals >= s.cfg.Attempts {
		return nil, errors.Join(s.say(tag+refusal), errLeave)
	}
	if s.cfg.RefusalDelay > 0 {
		select {
		case <-time.After(s.cfg.RefusalDelay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, s.say(tag + refusal)
}

func (s *session) capabilities() string {
	all := append([]string(nil), s.cfg.Capabilities...)
	all = append(all, "AUTH=PLAIN")
	if !s.secured {
		all = append(all, "STARTTLS")
	}
	return strings.Join(all, " ")
}

// secure puts TLS over the connection. What a client sent in the clear behind
// STARTTLS is dropped (RFC 9051 §6.2.1).
func (s *session) secure(ctx context.Context) error {
	conn := tls.Server(s.client, s.cfg.TLS)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	s.client, s.r, s.secured = conn, bufio.NewReader(conn), true
	s.journal(Event{Kind: Secured})
	return nil
}

func (s *session) invalid(tag string) error {
	if tag == "" {
		tag = "*"
	}
	if err := s.say(tag + " BAD invalid command"); err != nil {
		return err
	}
	if s.errors++; s.errors >= maxErrors {
		return errLeave
	}
	return nil
}

func (s *session) say(lines ...string) error {
	_, err := io.WriteString(s.client, strings.Join(lines, "\r\n")+"\r\n")
	return err
}

func (s *session) journal(e Event) {
	e.Time, e.Client, e.TLS = time.Now(), s.remote, s.secured
	s.cfg.Journal(e)
}
