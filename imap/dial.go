package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"github.com/emersion/go-imap/v2/imapclient"
)

// DialSource opens a read-only session.
func DialSource(ctx context.Context, server Server, cred Credentials, opts Options) (*Source, error) {
	s := &Source{}
	s.source = true
	if err := s.dial(ctx, server, cred, opts.withDefaults()); err != nil {
		return nil, err
	}
	return s, nil
}

// DialTarget opens a session as the user a token was made for. It refuses
// BlueMind's administrators before it dials, with ErrAdministrator.
func DialTarget(ctx context.Context, server Server, token Token, opts Options) (*Target, error) {
	opts = opts.withDefaults()
	if isAdministrator(token.Address) {
		return nil, &Error{Session: opts.Name, Kind: KindRefused, Command: "LOGIN", Err: ErrAdministrator}
	}
	t := &Target{}
	if err := t.dial(ctx, server, Credentials{Login: token.Address, Secret: token.Secret}, opts); err != nil {
		return nil, err
	}
	return t, nil
}

// isAdministrator knows BlueMind's own names: admin0, the hidden Cyrus
// administrator of each domain, and the domain that holds no mailboxes.
func isAdministrator(address string) bool {
	local, domain, _ := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "@")
	return local == "admin0" || local == "bmhiddensysadmin" || strings.TrimSpace(domain) == "global.virt" ||
		strings.TrimSpace(local) == "admin0" || strings.TrimSpace(local) == "bmhiddensysadmin"
}

// dial connects, protects the connection, logs in and starts go-imap on top.
func (s *Session) dial(ctx context.Context, server Server, cred Credentials, opts Options) error {
	s.opts = opts
	nc, err := opts.Dial(ctx, "tcp", server.Addr)
	if err != nil {
		e := ioError(err)
		if ctx.Err() != nil {
			e = &Error{Kind: KindInterrupted, Err: context.Cause(ctx)}
		}
		e.Session = opts.Name
		return e
	}
	s.c = newConn(newSock(nc, opts.Idle), opts)
	s.c.secrets = secretForms(cred)
	stop, err := s.c.watch(ctx)
	if err != nil {
		nc.Close() // nothing was said on it yet
		return err
	}
	defer stop()
	s.c.sock.expect(1) // the greeting, and the whole of the dialogue
	defer s.c.sock.expect(-1)
	if err := s.enter(ctx, server, cred); err != nil {
		s.c.close()
		return err
	}
	return s.start()
}

// enter goes from the first byte to a logged-in session.
func (s *Session) enter(ctx context.Context, server Server, cred Credentials) error {
	if s.source {
		s.c.vet = vetSource
	}
	if server.Security == ImplicitTLS {
		if err := s.protect(ctx, server); err != nil {
			return err
		}
	}
	if err := s.greeting(server); err != nil {
		return err
	}
	d := s.c.openDoor()
	if server.Security == StartTLS {
		if err := s.startTLS(ctx, d, server); err != nil {
			return err
		}
	}
	if err := s.needCapabilities(d); err != nil {
		return err
	}
	if err := s.login(d, cred); err != nil {
		return err
	}
	// BlueMind's proxy announces a short list before the login.
	if err := s.needCapabilities(d); err != nil {
		return err
	}
	return s.introduce(d)
}

// greeting reads the server's first response (RFC 9051 §7.1). PREAUTH would
// put us into a mailbox that we didn't name.
func (s *Session) greeting(server Server) error {
	r, err := s.c.readResponse()
	if err != nil {
		return err
	}
	st := r.status()
	switch {
	case r.tag == "*" && r.name == "OK":
		s.hello = st.text
		s.volunteered(st)
		return nil
	case r.tag == "*" && r.name == "PREAUTH":
		return s.c.fail(&Error{Kind: KindPreauth, Text: st.text})
	case r.tag == "*" && r.name == "BYE":
		return s.c.fail(&Error{Kind: KindBye, Code: st.code, Text: st.text})
	}
	hint := "not an IMAP greeting"
	if server.Security != ImplicitTLS {
		hint += " (is TLS expected from the first byte?)"
	}
	return s.c.fail(&Error{Kind: KindProtocol, Text: hint})
}

// startTLS upgrades the connection (RFC 9051 §6.2.1). It never goes on in
// clear text, and octets that were sent along with the OK, before the
// handshake, are refused: they would be read as if they were protected.
func (s *Session) startTLS(ctx context.Context, d *door, server Server) error {
	if err := s.needCapabilities(d); err != nil {
		return err
	}
	if !s.Can("STARTTLS") {
		return s.c.fail(&Error{Kind: KindTLS, Command: "STARTTLS", Text: "the server doesn't announce STARTTLS"})
	}
	if _, err := d.roundTrip("STARTTLS", nil); err != nil {
		var e *Error
		if errors.As(err, &e) && (e.Kind == KindNo || e.Kind == KindBad) {
			return s.c.fail(&Error{Kind: KindTLS, Command: "STARTTLS", Code: e.Code, Text: e.Text})
		}
		return err
	}
	if s.c.br.Buffered() > 0 {
		return s.c.fail(&Error{Kind: KindTLS, Command: "STARTTLS", Text: "octets in clear text after the answer to STARTTLS"})
	}
	return s.protect(ctx, server)
}

// protect does the TLS handshake. What was announced before doesn't count any
// more.
func (s *Session) protect(ctx context.Context, server Server) error {
	cfg := &tls.Config{}
	if server.TLS != nil {
		cfg = server.TLS.Clone()
	}
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(server.Addr)
		if err != nil {
			host = server.Addr
		}
		cfg.ServerName = host
	}
	tc := tls.Client(s.c.sock, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return s.c.fail(&Error{Kind: KindInterrupted, Err: context.Cause(ctx)})
		}
		e := *ioError(err)
		if e.Kind != KindTimeout {
			e.Kind = KindTLS
		}
		return s.c.fail(&e)
	}
	s.c.over(tc)
	s.caps = nil
	return nil
}

// needCapabilities asks for what the server hasn't told by itself (RFC 9051
// §7.1, CAPABILITY). An answer is worth only what the connection was when it was
// given: whatever changes that forgets it.
func (s *Session) needCapabilities(d *door) error {
	if s.caps != nil {
		return nil
	}
	_, err := d.roundTrip("CAPABILITY", named("CAPABILITY", s.announced))
	return err
}

// announced reads an untagged CAPABILITY.
func (s *Session) announced(r *response) error {
	s.caps = strings.Fields(string(r.rest()))
	return nil
}

// volunteered takes the capabilities out of a status response that has them.
func (s *Session) volunteered(st status) {
	if st.code == "CAPABILITY" && (st.name == "OK" || st.name == "PREAUTH") {
		s.caps = strings.Fields(st.args)
	}
}

// introduce tells our name where the server asks for one, and keeps its own
// (RFC 2971): some servers let nobody in who doesn't; none needs to answer. Its
// namespaces come with the same round trip.
func (s *Session) introduce(d *door) error {
	var steps []step
	if s.Can("ID") {
		steps = append(steps, step{`ID ("name" "bmsync")`, named("ID", func(r *response) error {
			id, err := r.pairs()
			s.id = id
			return err
		})})
	}
	if s.Can("NAMESPACE") {
		steps = append(steps, step{"NAMESPACE", named("NAMESPACE", func(r *response) error {
			ns, err := r.namespaces()
			s.namespaces = &ns
			return err
		})})
	}
	err := d.pipeline(steps)
	if err != nil && refusedAlone(err) {
		return nil
	}
	return err
}

// pairs reads a list of names and values.
func (r *response) pairs() (map[string]string, error) {
	out := map[string]string{}
	r.spaces()
	if !r.accept('(') {
		return out, nil
	}
	for {
		r.spaces()
		if r.over() || r.peek() == ')' || (r.pos >= r.end() && !r.atLiteral()) {
			return out, nil
		}
		name, _, err := r.str()
		if err != nil {
			return out, err
		}
		key := strings.ToLower(string(name))
		value, isNil, err := r.str()
		if err != nil {
			return out, err
		}
		if !isNil {
			out[key] = capText(string(value))
		}
		if len(name) == 0 && len(value) == 0 && r.peek() == '(' {
			return out, nil // not a list of strings
		}
	}
}

// start puts go-imap on top of the logged-in connection. It is told that it
// is logged in, and of no extension: what we use of it needs none, and what
// it would do otherwise with some (raw UTF-8 in names, short literals) is
// wrong here.
func (s *Session) start() error {
	s.c.mu.Lock()
	s.c.pumping, s.c.dialling = true, false
	s.c.mu.Unlock()
	s.c.raw = !s.source
	s.c.out = []byte("* PREAUTH [CAPABILITY IMAP4rev1] resumed\r\n")
	s.client = imapclient.New(&clientSide{c: s.c}, nil)
	if err := s.client.WaitGreeting(); err != nil {
		return s.c.clientError("", err)
	}
	return nil
}
