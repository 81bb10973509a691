package imap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
)

// peer is a scripted server on the other end of a pipe.
type peer struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
}

// errGone ends a script whose client has hung up.
var errGone = errors.New("the client is gone")

// scripted gives options whose connection is served by script, which runs in
// a goroutine that the test waits for.
func scripted(t testing.TB, script func(p *peer)) Options {
	t.Helper()
	client, server := net.Pipe()
	return scriptedOn(t, client, server, script)
}

// scriptedTCP is scripted over the loopback, which, unlike a pipe, buffers.
func scriptedTCP(t testing.TB, script func(p *peer)) Options {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return scriptedOn(t, client, server, script)
}

func scriptedOn(t testing.TB, client, server net.Conn, script func(p *peer)) Options {
	return Options{
		Name: "test",
		Dial: func(context.Context, string, string) (net.Conn, error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer server.Close()
				defer func() {
					if v := recover(); v != nil && v != errGone {
						t.Errorf("script: %v", v)
					}
				}()
				script(&peer{t: t, conn: server, br: bufio.NewReader(server)})
			}()
			t.Cleanup(func() {
				client.Close()
				<-done
			})
			return client, nil
		},
	}
}

// send writes lines. A $ in front stands for the tag.
func (p *peer) send(tag string, lines ...string) {
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "$"); ok {
			l = tag + rest
		}
		p.raw(l + "\r\n")
	}
}

func (p *peer) raw(s string) {
	if _, err := io.WriteString(p.conn, s); err != nil {
		panic(errGone)
	}
}

func (p *peer) line() string {
	l, err := p.br.ReadString('\n')
	if err != nil {
		panic(errGone)
	}
	return strings.TrimSuffix(l, "\r\n")
}

// expect reads a command, which is want as a whole or as a regular
// expression, and gives its tag.
func (p *peer) expect(want string) string {
	tag, got, _ := strings.Cut(p.line(), " ")
	if got != want {
		if ok, err := regexp.MatchString("^(?:"+want+")$", got); err != nil || !ok {
			panic(fmt.Sprintf("got command %q, want %q", got, want))
		}
	}
	return tag
}

func (p *peer) octets(n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(p.br, b); err != nil {
		panic(errGone)
	}
	return string(b)
}

// eof waits until the client hangs up; what it still says is read away.
func (p *peer) eof() { io.Copy(io.Discard, p.br) }

// answer plays one round trip: the untagged lines, then OK.
func (p *peer) answer(want string, lines ...string) {
	tag := p.expect(want)
	p.send(tag, append(lines, "$ OK done")...)
}

const capsOld = "* CAPABILITY IMAP4rev1"

// login plays the dialogue up to a logged-in session.
func (p *peer) login(caps string) {
	p.send("", "* OK ready")
	p.answer("CAPABILITY", capsOld+" AUTH=PLAIN")
	p.answer(`LOGIN "user@old\.example" "s3cret"`)
	p.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 "+caps)
}

// bye plays the end.
func (p *peer) bye() {
	tag := p.expect("LOGOUT")
	p.send(tag, "* BYE see you", "$ OK bye")
}

var (
	plainServer = Server{Addr: "mail.old.example:143", Security: Plaintext}
	testLogin   = Credentials{Login: "user@old.example", Secret: "s3cret"}
	testToken   = Token{Address: "user@old.example", Secret: "s3cret"}
)

// source opens a session on a script that begins after the login.
func source(t testing.TB, caps string, script func(p *peer)) *Source {
	t.Helper()
	s, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
		p.login(caps)
		script(p)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func target(t testing.TB, caps string, script func(p *peer)) *Target {
	t.Helper()
	s, err := DialTarget(t.Context(), plainServer, testToken, scripted(t, func(p *peer) {
		p.login(caps)
		script(p)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// wantError checks an error's kind and gives it.
func wantError(t testing.TB, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want an *Error of kind %v", err, err, kind)
	}
	if e.Kind != kind {
		t.Fatalf("got kind %v (%v), want %v", e.Kind, err, kind)
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("the error tells the secret: %v", err)
	}
	return e
}
