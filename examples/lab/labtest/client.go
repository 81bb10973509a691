package labtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Security says how a session is protected.
type Security int

// Plain, STARTTLS (RFC 9051 §6.2.1) and implicit TLS (RFC 8314 §3.2).
const (
	Plain Security = iota
	STARTTLS
	TLS
)

// Login is where and as whom an account is read.
type Login struct {
	Addr     string
	Security Security
	TLS      *tls.Config // for STARTTLS and TLS
	User     string
	Secret   string
	AuthzID  string // not empty: AUTHENTICATE PLAIN with this authorisation identity
}

// client is an IMAP client that knows just enough to read an account.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	n    int
}

// patience is how long one read or write may take.
const patience = time.Minute

// dial opens a session and logs in. The context's end closes the connection.
func dial(ctx context.Context, l Login) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, err
	}
	if l.Security == TLS {
		conn = tls.Client(conn, l.TLS)
	}
	c := &client{conn: conn, r: bufio.NewReader(conn)}
	if err := c.enter(l); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s as %s: %w", l.Addr, l.User, err)
	}
	return c, nil
}

func (c *client) enter(l Login) error {
	greeting, err := c.response()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(greeting, []byte("* OK")) {
		return fmt.Errorf("greeting %q", greeting)
	}
	if l.Security == STARTTLS {
		if err := c.command(nil, "STARTTLS"); err != nil {
			return err
		}
		c.conn = tls.Client(c.conn, l.TLS)
		c.r = bufio.NewReader(c.conn)
	}
	if l.AuthzID == "" {
		return c.command(nil, "LOGIN "+quote(l.User)+" "+quote(l.Secret))
	}
	return c.authenticate(l)
}

// authenticate is AUTHENTICATE PLAIN (RFC 4616), without an initial response.
func (c *client) authenticate(l Login) error {
	tag, err := c.send("AUTHENTICATE PLAIN")
	if err != nil {
		return err
	}
	line, err := c.response()
	if err != nil {
		return err
	}
	if line[0] != '+' {
		return fmt.Errorf("AUTHENTICATE: %s", line)
	}
	secret := base64.StdEncoding.EncodeToString([]byte(l.AuthzID + "\x00" + l.User + "\x00" + l.Secret))
	if _, err := io.WriteString(c.conn, secret+"\r\n"); err != nil {
		return err
	}
	return c.wait(tag, "AUTHENTICATE", nil)
}

// command sends one command and waits for its end; each untagged response goes
// to fn, parsed.
func (c *client) command(fn func([]value) error, text string) error {
	verb, _, _ := strings.Cut(text, " ")
	tag, err := c.send(text)
	if err != nil {
		return err
	}
	return c.wait(tag, verb, fn)
}

func (c *client) send(text string) (tag string, err error) {
	c.n++
	tag = "L" + strconv.Itoa(c.n)
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	_, err = io.WriteString(c.conn, tag+" "+text+"\r\n")
	return tag, err
}

func (c *client) wait(tag, verb string, fn func([]value) error) error {
	for {
		line, err := c.response()
		if err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		if rest, ok := bytes.CutPrefix(line, []byte(tag+" ")); ok {
			if bytes.HasPrefix(bytes.ToUpper(rest), []byte("OK")) {
				return nil
			}
			return fmt.Errorf("%s: %s", verb, rest)
		}
		rest, ok := bytes.CutPrefix(line, []byte("* "))
		if !ok || fn == nil || statusText(rest) {
			continue
		}
		vals, err := parse(rest)
		if err == nil {
			err = fn(vals)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
}

// statusText tells OK, NO, BAD and BYE responses: free text, which is not parsed.
func statusText(b []byte) bool {
	word, _, _ := bytes.Cut(b, []byte(" "))
	switch strings.ToUpper(string(word)) {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

// response reads one whole response, literals included, without its last CRLF.
func (c *client) response() ([]byte, error) {
	var all []byte
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
		line, err := c.r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		all = append(all, line...)
		size, ok := literalSize(line)
		if !ok {
			if len(all) == 0 {
				return nil, errors.New("empty response")
			}
			return all, nil
		}
		all = append(all, '\n')
		start := len(all)
		all = append(all, make([]byte, size)...)
		if _, err := io.ReadFull(c.r, all[start:]); err != nil {
			return nil, err
		}
	}
}

// literalSize reads the {n} at the end of a line (RFC 9051 §4.3).
func literalSize(line []byte) (int, bool) {
	i := bytes.LastIndexByte(line, '{')
	if i < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[i+1 : len(line)-1]))
	return n, err == nil && n >= 0
}

func (c *client) close() {
	_ = c.command(nil, "LOGOUT") // a courtesy: the connection is closed next
	c.conn.Close()
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
