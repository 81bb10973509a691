package imap

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// errNoLogin says that neither way in is open.
var errNoLogin = errors.New("the server offers no way to log in here: LOGIN is disabled and AUTH=PLAIN isn't announced (a protected connection may help)")

// login logs in (RFC 9051 §6.2). LOGIN comes first: all servers know it, and
// BlueMind's own AUTHENTICATE has faults of its own. AUTHENTICATE PLAIN is for
// another's mailbox, for secrets that LOGIN can't quote, and where LOGIN is
// disabled.
func (s *Session) login(d *door, cred Credentials) error {
	if strings.ContainsRune(cred.Login+cred.AuthzID+cred.Secret, 0) {
		return s.c.fail(&Error{Kind: KindRefused, Command: "LOGIN", Text: "a login or secret with a NUL can't be sent"})
	}
	disabled, plain := s.Can("LOGINDISABLED"), s.Can("AUTH=PLAIN")
	s.caps = nil // others hold after the login
	var err error
	switch {
	case cred.AuthzID != "":
		err = s.authenticatePlain(d, cred)
	case !disabled && quotable(cred.Login) && quotable(cred.Secret):
		var st status
		st, err = d.roundTrip("LOGIN "+quote(cred.Login)+" "+quote(cred.Secret), named("CAPABILITY", s.announced))
		s.volunteered(st)
	case plain:
		err = s.authenticatePlain(d, cred)
	case !disabled:
		err = s.loginLiteral(d, cred)
	default:
		err = s.c.refusal(&Error{Kind: KindNo, Command: "LOGIN", Err: errNoLogin})
	}
	return err
}

// quotable says whether a string can stand in quotes everywhere: 7 bits, no
// line ends (RFC 3501 §9, QUOTED-CHAR).
func quotable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// authenticatePlain does AUTHENTICATE PLAIN (RFC 4616). The response goes
// after the challenge, since not all servers take it on the line (SASL-IR).
func (s *Session) authenticatePlain(d *door, cred Credentials) error {
	tag := s.c.nextTag()
	if err := s.c.send([]byte(tag+" AUTHENTICATE PLAIN\r\n"), true); err != nil {
		return err
	}
	sent := false
	for {
		r, err := d.next()
		if err != nil {
			return err
		}
		switch {
		case r.tag == tag:
			st := r.status()
			s.volunteered(st)
			return s.c.answer(st, "AUTHENTICATE")
		case r.tag == "*" && r.name == "BAD": // BlueMind 5 to a mechanism it doesn't know
			return s.c.fail(r.status().err("AUTHENTICATE"))
		case r.tag == "+":
			line := "*\r\n" // a second challenge is a refusal that wants an answer
			if !sent {
				line = plainResponse(cred) + "\r\n"
			}
			sent = true
			if err := s.c.writeRaw([]byte(line), true); err != nil {
				return err
			}
		}
	}
}

func plainResponse(cred Credentials) string {
	return base64.StdEncoding.EncodeToString([]byte(cred.AuthzID + "\x00" + cred.Login + "\x00" + cred.Secret))
}

// loginLiteral sends LOGIN with both strings as literals, each after the
// server's consent.
func (s *Session) loginLiteral(d *door, cred Credentials) error {
	tag := s.c.nextTag()
	if err := s.c.send(fmt.Appendf(nil, "%s LOGIN {%d}\r\n", tag, len(cred.Login)), true); err != nil {
		return err
	}
	steps := []string{fmt.Sprintf("%s {%d}\r\n", cred.Login, len(cred.Secret)), cred.Secret + "\r\n"}
	for {
		r, err := d.next()
		if err != nil {
			return err
		}
		switch {
		case r.tag == tag:
			st := r.status()
			s.volunteered(st)
			return s.c.answer(st, "LOGIN")
		case r.tag == "+" && len(steps) > 0:
			if err := s.c.writeRaw([]byte(steps[0]), true); err != nil {
				return err
			}
			steps = steps[1:]
		}
	}
}

// secretForms are the forms in which a secret could come back in the words of
// a server.
func secretForms(cred Credentials) []string {
	if cred.Secret == "" {
		return nil
	}
	return []string{plainResponse(cred), cred.Secret, base64.StdEncoding.EncodeToString([]byte(cred.Secret)), quote(cred.Secret)}
}
