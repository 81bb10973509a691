package endpoint

import (
	"bytes"
	"context"
	"encoding/base64"
)

// capabilities are the same before and after login.
const capabilities = "IMAP4rev1 LITERAL+ AUTH=PLAIN ID ACL RIGHTS=kxten QUOTA NAMESPACE UIDPLUS XLIST SPECIAL-USE IDLE BM-ROCKS"

// parseLogin is LOGIN (RFC 3501 §6.2.3). BlueMind takes it in any state.
func (s *session) parseLogin(c *command, t *task) error {
	p, err := c.scan("login")
	if err != nil {
		return err
	}
	var word [2]string
	for i := range word {
		if i > 0 {
			err = p.space()
		}
		if err == nil {
			word[i], err = p.next()
		}
		if err != nil {
			return bad("Cannot split 'LOGIN'") // BlueMind would repeat the secret
		}
	}
	t.run = func(ctx context.Context) error { return s.admit(ctx, t.tag, word[0], word[1]) }
	return nil
}

// admit lets somebody in, or refuses after a while.
func (s *session) admit(ctx context.Context, tag, name, secret string) error {
	login, err := s.srv.Auth(ctx, name, secret)
	if err != nil {
		s.note(Event{Kind: Refused, Login: name, Err: err})
		if sleep(ctx, s.srv.RefusalDelay) != nil {
			return errGone
		}
		s.state.CompareAndSwap(int32(inAuth), int32(notAuthenticated))
		s.out.line("%s NO bad login or password.", tag)
		return nil
	}
	if login.MaxLiteral <= 0 {
		login.MaxLiteral = fallbackLiteral
	}
	a := &account{Login: login, srv: s.srv, name: name}
	if s.srv.RateLimit > 0 {
		a.bucket = s.srv.limits.of(login.Email, s.srv.RateLimit, login.MaxLiteral)
	}
	s.acct.Store(a)
	s.sel = nil
	s.state.Store(int32(authenticated))
	s.note(Event{Kind: LoggedIn, Login: name})
	s.out.line("%s OK [CAPABILITY %s] User logged in.", tag, capabilities)
	return nil
}

// parseAuthenticate is AUTHENTICATE (RFC 3501 §6.2.2). An initial response is
// ignored, and any mechanism is asked for its answer; see parseAnswer.
func (s *session) parseAuthenticate(c *command, t *task) error {
	p, err := c.scan("authenticate")
	if err != nil {
		return err
	}
	mech, err := p.next()
	if err != nil {
		return err
	}
	t.run = func(context.Context) error {
		s.mech.Store(&mech)
		s.authTag = t.tag
		s.state.Store(int32(inAuth))
		s.out.line("+")
		return nil
	}
	return nil
}

// parseAnswer reads the line after AUTHENTICATE, as long as the state says so.
// Names of mechanisms are in capitals; base64 that can't be read leaves the
// state as it is.
func (s *session) parseAnswer(c *command, t *task) error {
	if *s.mech.Load() != "PLAIN" {
		s.state.Store(int32(notAuthenticated))
		return errMissingAnalyser
	}
	payload, err := base64.StdEncoding.DecodeString(c.word)
	if err != nil {
		return bad("Illegal base64 character")
	}
	parts := splitNul(payload)
	t.run = func(ctx context.Context) error {
		if len(parts) != 3 {
			s.state.Store(int32(notAuthenticated))
			s.out.line("%s BAD broken payload without 3 parts", s.authTag)
			return nil
		}
		return s.admit(ctx, s.authTag, parts[1], parts[2])
	}
	return nil
}

// splitNul parts the message of PLAIN; an empty last part doesn't count.
func splitNul(payload []byte) []string {
	var parts []string
	for {
		part, rest, more := bytes.Cut(payload, []byte{0})
		if !more && len(part) == 0 {
			return parts
		}
		parts = append(parts, ascii(part))
		if !more {
			return parts
		}
		payload = rest
	}
}
