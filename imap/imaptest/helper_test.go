package imaptest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"bmsync/imap/imaptest"
)

// newServer returns a server that the test closes, with the user ada.
func newServer(t *testing.T, opts imaptest.Options) (*imaptest.Server, *imaptest.User) {
	t.Helper()
	srv, err := imaptest.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv, srv.AddUser("ada@old.example", "pw")
}

func listen(t *testing.T, srv *imaptest.Server, mode imaptest.Mode) string {
	t.Helper()
	addr, err := srv.Listen(t.Context(), mode, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// converse plays the client's side of a transcript against the server.
func converse(t *testing.T, srv *imaptest.Server, transcript string) {
	t.Helper()
	script, err := imaptest.ParseScript(transcript)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := net.Dial("tcp", listen(t, srv, imaptest.Plain))
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Play(ctx, conn, imaptest.ClientSide); err != nil {
		t.Error(err)
	}
}

const login = `
	S~ \* OK \[CAPABILITY .*
	C: $0 LOGIN ada@old.example pw
	S~ $0 OK \[CAPABILITY .*
`

func date(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05 -0700", text)
	if err != nil {
		panic(err)
	}
	_, offset := t.Zone()
	return t.In(time.FixedZone("", offset))
}

// client is a connection to talk over.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, srv *imaptest.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", listen(t, srv, imaptest.Plain))
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

func newClient(t *testing.T, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &client{t: t, conn: conn, in: bufio.NewReader(conn)}
	if line := c.line(); !strings.HasPrefix(line, "* OK ") {
		t.Fatalf("greeting %q", line)
	}
	return c
}

func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// line reads a line; "" is the end of the connection.
func (c *client) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\r\n")
}

func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// command sends a command and returns the lines up to its answer, or to the
// end.
func (c *client) command(text string) []string {
	c.t.Helper()
	c.send("t " + text)
	var lines []string
	for {
		line := c.line()
		lines = append(lines, line)
		if line == "" || strings.HasPrefix(line, "t ") {
			return lines
		}
	}
}

func (c *client) status(text, status string) []string {
	c.t.Helper()
	lines := c.command(text)
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "t "+status) {
		c.t.Fatalf("%.60q: %q instead of %s", text, last, status)
	}
	return lines[:len(lines)-1]
}

func (c *client) ok(text string) []string {
	c.t.Helper()
	return c.status(text, "OK")
}

func (c *client) login(user, secret string) {
	c.t.Helper()
	c.ok("LOGIN " + user + " " + secret)
}

func (c *client) want(got []string, want ...string) {
	c.t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		c.t.Errorf("got %q, want %q", got, want)
	}
}

func newReader(conn net.Conn) *bufio.Reader { return bufio.NewReader(conn) }
