package imap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
)

// clientState is what pump keeps for the command that go-imap has under way.
type clientState struct {
	permanent []string // PERMANENTFLAGS, as sent
	answer    status   // of the last answered command
}

// clientSide is the connection as go-imap sees it.
type clientSide struct {
	c    *conn
	line []byte // a command not yet whole
}

// Read gives go-imap what its command needs to know, one response at a time.
// It is called by go-imap's decoder goroutine only, which thereby reads the
// connection for all of the session.
func (s *clientSide) Read(p []byte) (int, error) {
	for len(s.c.out) == 0 {
		if err := s.c.pump(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.c.out)
	s.c.out = s.c.out[n:]
	return n, nil
}

// Write gathers whole command lines, so that each is vetted before its first
// octet leaves. go-imap has no reason to send literals: names are quoted, and
// what can't be quoted has a token in its place.
func (s *clientSide) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		i := bytes.IndexByte(s.line, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := expandTokens(s.line[:i+1])
		if cmd, err := parseCommand(line); err == nil && cmd.literal {
			return 0, s.c.fail(&Error{Kind: KindRefused, Command: cmd.verb, Text: "a literal where none is expected"})
		}
		if err := s.c.send(line, true); err != nil {
			var e *Error
			errors.As(err, &e)
			return 0, s.c.fail(e)
		}
		s.line = append(s.line[:0], s.line[i+1:]...)
	}
}

// Close is what go-imap does when it can't go on.
func (s *clientSide) Close() error {
	s.c.fail(&Error{Kind: KindProtocol, Text: "a response could not be read"})
	return nil
}

func (s *clientSide) LocalAddr() net.Addr  { return s.c.sock.LocalAddr() }
func (s *clientSide) RemoteAddr() net.Addr { return s.c.sock.RemoteAddr() }

// go-imap's fixed limits are passed over: sock has its own.

func (s *clientSide) SetDeadline(time.Time) error      { return nil }
func (s *clientSide) SetReadDeadline(time.Time) error  { return nil }
func (s *clientSide) SetWriteDeadline(time.Time) error { return nil }

// pump reads one response and gives it to the open door, else to go-imap.
func (c *conn) pump() error {
	if err := c.Err(); err != nil {
		return err // a door may still hold what was lent to it
	}
	r, err := c.readResponse()
	if err != nil {
		return err
	}
	c.mu.Lock()
	handler := c.handler
	c.mu.Unlock()
	if handler != nil {
		return handler(r)
	}
	c.feed(r)
	return c.Err()
}

// feed writes a response anew for go-imap, in a form that it can read, if its
// command needs it. The rest is dropped: counted, unless servers may send it
// at any time.
func (c *conn) feed(r *response) {
	switch {
	case r.tag == "+":
		c.repaired("continuation without need")
	case r.tag != "*" && r.verb == "":
		c.repaired("answer to no command")
	case r.tag != "*":
		c.client.answer = r.status()
		c.emit("%s %s %s", r.tag, c.client.answer.name, "done")
	default:
		c.feedUntagged(r)
	}
}

func (c *conn) emit(format string, args ...any) {
	c.out = fmt.Appendf(c.out[:0], format+"\r\n", args...)
}

func (c *conn) feedUntagged(r *response) {
	switch r.name {
	case "OK", "NO", "BAD":
		c.feedCode(r)
	case "EXISTS":
		c.emit("* %d EXISTS", r.num)
	case "FLAGS":
		r.spaces()
		c.emit("* FLAGS (%s)", strings.Join(c.readable(r.flags()), " "))
	case "FETCH":
		c.repaired("unsolicited FETCH")
	case "BYE", "RECENT", "EXPUNGE", "CAPABILITY", "LIST", "STATUS", "SEARCH", "ALERT":
	default:
		c.repaired("unknown response")
	}
}

// feedCode passes on the response codes that SELECT needs. go-imap knows them
// in capitals only, and dies of a number beyond its range.
func (c *conn) feedCode(r *response) {
	pos := r.pos
	st := r.status()
	switch st.code {
	case "UIDVALIDITY", "UIDNEXT":
		n, ok := number(st.args)
		if !ok || n == 0 {
			c.repaired("unreadable " + st.code)
			return
		}
		c.emit("* OK [%s %d] x", st.code, n)
	case "HIGHESTMODSEQ":
		n := modSeqNumber(st.args)
		if n == 0 {
			c.repaired("unreadable " + st.code)
			return
		}
		c.emit("* OK [HIGHESTMODSEQ %d] x", n)
	case "PERMANENTFLAGS":
		r.pos = pos + bytes.IndexByte(r.line[pos:], '[') + len("[PERMANENTFLAGS")
		r.spaces()
		c.client.permanent = r.flags()
		c.emit("* OK [PERMANENTFLAGS (%s)] x", strings.Join(c.readable(c.client.permanent), " "))
	}
}

// readable are the flags that go-imap can read; the others are counted. The
// session itself keeps them all.
func (c *conn) readable(flags []string) []string {
	var out []string
	for _, f := range flags {
		if f == `\*` || (isAtomFlag(f) && !strings.ContainsAny(f, `]`)) {
			out = append(out, f)
		} else {
			c.repaired("unreadable flag")
		}
	}
	return out
}

// isAtomFlag says whether a flag can be sent: an atom, or one after a
// backslash (RFC 9051 §9, flag). "]" is allowed, for `[css3-page]` is real
// and Cyrus takes it.
func isAtomFlag(f string) bool {
	f = strings.TrimPrefix(f, `\`)
	for i := range len(f) {
		if f[i] <= ' ' || f[i] > '~' || strings.IndexByte(`(){%*"\`, f[i]) >= 0 {
			return false
		}
	}
	return f != ""
}

// tokenPrefix begins the token that stands for a mailbox name between us and
// go-imap, so that the name leaves exactly as the server wrote it.
const tokenPrefix = "=wire="

// tokenFor gives the name to hand to go-imap for a wire name.
func tokenFor(wire string) string {
	if strings.EqualFold(wire, "INBOX") {
		return "INBOX"
	}
	return tokenPrefix + hex.EncodeToString([]byte(wire))
}

var quotedToken = regexp.MustCompile(`"` + tokenPrefix + `([0-9a-f]*)"`)

// expandTokens puts the names back in the place of their tokens.
func expandTokens(line []byte) []byte {
	return quotedToken.ReplaceAllFunc(line, func(m []byte) []byte {
		wire, err := hex.DecodeString(string(m[1+len(tokenPrefix) : len(m)-1]))
		if err != nil {
			return m
		}
		return []byte(quote(string(wire)))
	})
}

// clientError turns an error of go-imap into ours. Of a NO or BAD go-imap was
// told the fact only; the words are in the answer that was kept.
func (c *conn) clientError(verb string, err error) error {
	if dead := c.Err(); dead != nil {
		return dead
	}
	var refused *goimap.Error
	if errors.As(err, &refused) {
		return c.answer(c.client.answer, verb)
	}
	if errors.Is(err, io.EOF) {
		return c.fail(ioError(err))
	}
	return c.fail(&Error{Kind: KindProtocol, Command: verb, Text: capText(err.Error())})
}
