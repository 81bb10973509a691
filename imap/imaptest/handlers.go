package imaptest

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// The states of RFC 3501 §3 in which a command is possible.
type state int

const (
	anyState state = iota
	unauthenticated
	authenticated // selected included
	selected
)

type handler struct {
	state state
	needs string // a capability; "": always there
	run   func(*session, *command) reply
}

// handler returns what executes a verb.
func (s *session) handler(verb string) (handler, bool) {
	h, known := s.srv.handlers[verb]
	return h, known && (h.needs == "" || s.can(h.needs))
}

func newHandlers() map[string]handler {
	return map[string]handler{
		"CAPABILITY":   {anyState, "", (*session).capability},
		"NOOP":         {anyState, "", (*session).noop},
		"LOGOUT":       {anyState, "", (*session).logout},
		"ID":           {anyState, "ID", (*session).identify},
		"STARTTLS":     {unauthenticated, "", (*session).startTLS},
		"LOGIN":        {unauthenticated, "", (*session).cmdLogin},
		"AUTHENTICATE": {unauthenticated, "", (*session).authenticate},
		"ENABLE":       {authenticated, "ENABLE", (*session).enable},
		"NAMESPACE":    {authenticated, "NAMESPACE", (*session).namespace},
		"LIST":         {authenticated, "", (*session).list},
		"LSUB":         {authenticated, "", (*session).list},
		"XLIST":        {authenticated, "XLIST", (*session).list},
		"STATUS":       {authenticated, "", (*session).status},
		"SELECT":       {authenticated, "", (*session).selectMailbox},
		"EXAMINE":      {authenticated, "", (*session).selectMailbox},
		"CREATE":       {authenticated, "", (*session).create},
		"DELETE":       {authenticated, "", (*session).deleteMailbox},
		"RENAME":       {authenticated, "", (*session).rename},
		"SUBSCRIBE":    {authenticated, "", (*session).subscribe},
		"UNSUBSCRIBE":  {authenticated, "", (*session).subscribe},
		"GETACL":       {authenticated, "ACL", (*session).getACL},
		"MYRIGHTS":     {authenticated, "ACL", (*session).myRights},
		"GETQUOTAROOT": {authenticated, "QUOTA", (*session).getQuotaRoot},
		"GETMETADATA":  {authenticated, "METADATA", (*session).getMetadata},
		"APPEND":       {authenticated, "", (*session).append},
		"IDLE":         {authenticated, "IDLE", (*session).idle},
		"CHECK":        {selected, "", (*session).noop},
		"CLOSE":        {selected, "", (*session).closeMailbox},
		"UNSELECT":     {selected, "UNSELECT", (*session).closeMailbox},
		"EXPUNGE":      {selected, "", (*session).expunge},
		"UID EXPUNGE":  {selected, "UIDPLUS", (*session).expunge},
		"FETCH":        {selected, "", (*session).fetch},
		"UID FETCH":    {selected, "", (*session).fetch},
		"SEARCH":       {selected, "", (*session).search},
		"UID SEARCH":   {selected, "", (*session).search},
		"STORE":        {selected, "", (*session).store},
		"UID STORE":    {selected, "", (*session).store},
		"COPY":         {selected, "", (*session).copy},
		"UID COPY":     {selected, "", (*session).copy},
		"MOVE":         {selected, "MOVE", (*session).copy},
		"UID MOVE":     {selected, "MOVE", (*session).copy},
	}
}

func (s *session) capability(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	s.line("* CAPABILITY %s", strings.Join(s.capabilities(), " "))
	return ok("Done")
}

func (s *session) noop(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	return ok("Done")
}

func (s *session) logout(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	s.line("* BYE Logging out")
	s.ended = true
	return ok("Done")
}

// identify answers ID, RFC 2971. What the client says of itself is in the
// journal.
func (s *session) identify(*command) reply {
	var quoted []string
	for _, v := range s.srv.opts.ID {
		quoted = append(quoted, quote(v))
	}
	if quoted == nil {
		s.line("* ID NIL")
	} else {
		s.line("* ID (%s)", strings.Join(quoted, " "))
	}
	return ok("Done")
}

func (s *session) startTLS(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	if s.mode != StartTLS || s.secure {
		return bad("TLS is not available")
	}
	if s.in.Buffered() > 0 { // commands injected before TLS
		s.line("* BYE Text after STARTTLS")
		s.ended = true
		return reply{}
	}
	s.answer(cmd, ok("Begin TLS"))
	if s.out.Flush() != nil {
		s.ended = true
		return reply{}
	}
	s.attach(tls.Server(s.raw, s.srv.authority.server))
	s.secure = true
	return reply{}
}

// enable answers ENABLE, RFC 5161; there is CONDSTORE only.
func (s *session) enable(cmd *command) reply {
	var on []string
	for cmd.args.skip(' ') {
		on = append(on, strings.ToUpper(cmd.args.atom()))
	}
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	if slices.Contains(on, "CONDSTORE") && s.can("CONDSTORE") {
		s.condstore = true
		s.line("* ENABLED CONDSTORE")
	} else {
		s.line("* ENABLED")
	}
	return ok("Done")
}

// namespace answers NAMESPACE, RFC 2342: a personal one, and one each of
// others' and of public mailboxes where the server has them.
func (s *session) namespace(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	one := func(prefix string) string {
		return fmt.Sprintf("((%s %s))", quote(EncodeName(prefix)), quote(string(s.srv.opts.Delimiter)))
	}
	foreign := []string{"NIL", "NIL"}
	for i, prefix := range []string{s.srv.opts.Others, s.srv.opts.Shared} {
		if prefix != "" {
			foreign[i] = one(prefix)
		}
	}
	s.line("* NAMESPACE %s %s", one(s.srv.opts.Prefix), strings.Join(foreign, " "))
	return ok("Done")
}

// quote writes a quoted string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
