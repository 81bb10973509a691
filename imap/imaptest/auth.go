package imaptest

import (
	"cmp"
	"encoding/base64"
	"strings"
)

func (s *session) cmdLogin(cmd *command) reply {
	cmd.args.space()
	login := cmd.args.astring()
	cmd.args.space()
	secret := cmd.args.astring()
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	if s.quirks.LoginDisabled || s.mode == StartTLS && !s.secure {
		return no("[PRIVACYREQUIRED] LOGIN is disabled")
	}
	authzid := ""
	if user, master, both := strings.Cut(login, "*"); both {
		authzid, login = user, master
	}
	return s.admit(cmd.verb, authzid, login, secret)
}

// authenticate answers AUTHENTICATE PLAIN, RFC 4616, with or without an initial
// response (RFC 4959).
func (s *session) authenticate(cmd *command) reply {
	cmd.args.space()
	mechanism := strings.ToUpper(cmd.args.atom())
	response := ""
	if cmd.args.skip(' ') {
		response = cmd.args.run(func(r rune) bool { return r > ' ' && r < 0x7f }, "initial response")
	}
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	if mechanism != "PLAIN" {
		return no("[CANNOT] Unknown mechanism")
	}
	if s.quirks.LoginDisabled || s.mode == StartTLS && !s.secure {
		return no("[PRIVACYREQUIRED] PLAIN is disabled")
	}
	if response == "" {
		s.line("+ ")
		line, tooLong, err := readLine(s.in, s.srv.opts.MaxLine)
		if err != nil {
			s.ended = true
			return reply{}
		}
		if response = string(line); tooLong || response == "*" {
			return bad("Authentication cancelled")
		}
	}
	raw, err := base64.StdEncoding.DecodeString(response)
	parts := strings.Split(string(raw), "\x00")
	if err != nil || len(parts) != 3 {
		return bad("Invalid PLAIN response")
	}
	return s.admit(cmd.verb, parts[0], parts[1], parts[2])
}

// admit lets a user in, if the server knows one by these names and secret.
func (s *session) admit(verb, authzid, login, secret string) reply {
	user := cmp.Or(authzid, login)
	if t := s.srv.spring(func(t Trap) bool { return t.User != "" && t.matches(verb, user, "", 0) }); t != nil {
		if r, stop := s.trapped(t); stop {
			return r
		}
	}
	u, refusal := s.srv.authenticate(authzid, login, secret)
	if u == nil {
		return no("%s", refusal)
	}
	if !s.srv.seat(s, u, s.quirks.MaxUserConnections) {
		s.line("* BYE Maximum number of connections from user+IP exceeded")
		s.ended = true
		return reply{}
	}
	if s.quirks.BareGreeting {
		return ok("Logged in")
	}
	return ok("[CAPABILITY %s] Logged in", strings.Join(s.capabilities(), " "))
}

// authenticate returns the user whose own secret it is, or as whom a master
// may act; nil with the reason otherwise.
func (s *Server) authenticate(authzid, login, secret string) (u *User, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u = s.users[strings.ToLower(login)]
	if authzid == "" || strings.EqualFold(authzid, login) {
		if u == nil || u.password != secret {
			return nil, "[AUTHENTICATIONFAILED] Authentication failed"
		}
		return u, ""
	}
	if known, isMaster := s.opts.Masters[login]; !isMaster || known != secret {
		return nil, "[AUTHENTICATIONFAILED] Authentication failed"
	}
	return s.users[strings.ToLower(authzid)], "[AUTHORIZATIONFAILED] No such user"
}

// seat makes the session the user's, unless there are limit already.
func (s *Server) seat(sess *session, u *User, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for other := range s.sessions {
		if other.user == u {
			n++
		}
	}
	if limit > 0 && n >= limit {
		return false
	}
	sess.user = u
	return true
}
