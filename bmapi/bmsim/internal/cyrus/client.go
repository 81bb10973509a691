package cyrus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// patience is how long Cyrus may take for one answer.
const patience = time.Minute

// refusal is a tagged NO or BAD; the connection is usable after it.
type refusal struct {
	verb string
	text string // "NO Mailbox already exists"
}

func (r *refusal) Error() string { return r.verb + ": " + r.text }

// client is a text IMAP session with Cyrus, for one goroutine at a time.
type client struct {
	conn   net.Conn
	r      *bufio.Reader
	n      int
	broken bool
}

// login is who a session is: the administrator, or a user by its word.
type login struct {
	admin, secret string
	as            string // login@domain; empty: the administrator itself
}

func dial(ctx context.Context, addr string, who login) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cyrus: %w", err)
	}
	c := &client{conn: conn, r: bufio.NewReaderSize(quick{conn}, 32<<10)}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := c.enter(who); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cyrus: log in for %q: %w", who.as, err)
	}
	return c, nil
}

// enter is AUTHENTICATE PLAIN (RFC 4616), with the user as authorisation identity.
func (c *client) enter(who login) error {
	greeting, err := c.response()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(greeting, []byte("* OK")) {
		return fmt.Errorf("greeting %.100q", greeting)
	}
	tag, err := c.send("AUTHENTICATE PLAIN")
	if err != nil {
		return err
	}
	line, err := c.response()
	if err != nil {
		return err
	}
	if line[0] != '+' {
		return fmt.Errorf("authenticate: %.100q", line)
	}
	words := base64.StdEncoding.EncodeToString([]byte(who.as + "\x00" + who.admin + "\x00" + who.secret))
	if _, err := io.WriteString(c.conn, words+"\r\n"); err != nil {
		return err
	}
	return c.wait(tag, "AUTHENTICATE", nil)
}

// do sends one command, gives each untagged data response to fn (nil: to nobody),
// and returns a *refusal for NO and BAD. The context's end breaks the session.
func (c *client) do(ctx context.Context, fn func([]value) error, format string, args ...any) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	text := fmt.Sprintf(format, args...)
	verb, _, _ := strings.Cut(text, " ")
	tag, err := c.send(text)
	if err == nil {
		err = c.wait(tag, verb, fn)
	}
	if err != nil && ctx.Err() != nil {
		c.broken = true
		return context.Cause(ctx)
	}
	return err
}

func (c *client) send(text string) (tag string, err error) {
	c.n++
	tag = "s" + strconv.Itoa(c.n)
	if err = c.conn.SetDeadline(time.Now().Add(patience)); err == nil {
		_, err = io.WriteString(c.conn, tag+" "+text+"\r\n")
	}
	if err != nil {
		c.broken = true
	}
	return tag, err
}

func (c *client) wait(tag, verb string, fn func([]value) error) error {
	for {
		line, err := c.response()
		if err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		if rest, ok := bytes.CutPrefix(line, []byte(tag+" ")); ok {
			if bytes.HasPrefix(rest, []byte("OK")) {
				return nil
			}
			return &refusal{verb: verb, text: string(rest)}
		}
		rest, ok := bytes.CutPrefix(line, []byte("* "))
		if !ok || fn == nil || isStatus(rest) {
			continue
		}
		vals, err := parse(rest)
		if err == nil {
			err = fn(vals)
		}
		if err != nil {
			c.broken = true // the rest of the answer is still to come
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
}

// isStatus tells responses of free text, which are not parsed.
func isStatus(b []byte) bool {
	word, _, _ := bytes.Cut(b, []byte(" "))
	switch string(word) {
	case "OK", "NO", "BAD", "BYE":
		return true
	}
	return false
}

// response reads one response with its literals, each as {n}, LF and n octets.
func (c *client) response() ([]byte, error) {
	var all []byte
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			c.broken = true
			return nil, err
		}
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			c.broken = true
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		all = append(all, line...)
		size, ok := literalSize(line)
		if !ok {
			if len(all) == 0 {
				c.broken = true
				return nil, fmt.Errorf("empty response")
			}
			return all, nil
		}
		all = append(all, '\n')
		start := len(all)
		all = append(all, make([]byte, size)...)
		if _, err := io.ReadFull(c.r, all[start:]); err != nil {
			c.broken = true
			return nil, err
		}
	}
}

func (c *client) close() {
	if !c.broken {
		_ = c.do(context.Background(), nil, "LOGOUT") // a courtesy: the connection is closed next
	}
	c.conn.Close()
}

// quote writes a string for a command line. Names of ours hold no CR, LF or NUL.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
