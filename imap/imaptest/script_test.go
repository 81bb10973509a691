package imaptest_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bmsync/imap/imaptest"
)

func parse(t *testing.T, text string) *imaptest.Script {
	t.Helper()
	s, err := imaptest.ParseScript(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScriptPlaysBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := parse(t, `
			-- a comment
			S: * OK hi
			C: $1 LOGIN ada pw
			S! wait 20ms
			S: $1 OK in
			C: $2 APPEND x {4}
			S= "+ \r\n"
			C= "\x00\r\n\xff"
			S: $2 OK
			S= "* 1 FETCH (BODY[] {3}\r\nab\n)\r\n"
			C~ $3 UID FETCH .*
			S: $3 OK
			C! close
		`)
		server, client := net.Pipe()
		done := make(chan error, 1)
		begun := time.Now()
		go func() { done <- s.Play(t.Context(), server, imaptest.ServerSide) }()
		mine := parse(t, strings.ReplaceAll(`
			S: * OK hi
			C: a7 LOGIN ada pw
			S: a7 OK in
			C: b APPEND x {4}
			S# 4
			C= "\x00\r\n\xff"
			S: b OK
			S= "* 1 FETCH (BODY[] {3}\r\nab\n)\r\n"
			C: c UID FETCH 1:* (UID)
			S~ . OK
			C! close
		`, "\t", ""))
		if err := mine.Play(t.Context(), client, imaptest.ClientSide); err != nil {
			t.Errorf("client: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
		if d := time.Since(begun); d != 20*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

func TestScriptTellsTheFirstMismatch(t *testing.T) {
	for _, c := range []struct{ name, script, send, want string }{
		{"another verb", "C: $1 NOOP", "a CHECK\r\n", `script line 1: want "$1 NOOP", got "a CHECK"`},
		{"another tag", "C: $1 NOOP\nC: $1 NOOP", "a NOOP\r\nb NOOP\r\n", `script line 2: want "a NOOP", got "b NOOP"`},
		{"expression", "\nC~ $1 N.", "a NOOP\r\n", `script line 2: want "$1 N.", got "a NOOP"`},
		{"octets", `C= "abc"`, "abd", `script line 1: want "abc", got "abd"`},
		{"end", "C: $1 NOOP", "a NO", `script line 1: want "$1 NOOP", got "a NO<EOF>"`},
		{"no end", "C! close", "a NOOP\r\n", `script line 1: want "the end of the connection", got "a NOOP\r\n"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, wait := parse(t, c.script).Pipe(t.Context())
			if _, err := io.WriteString(client, c.send); err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
			client.Close()
			err := wait()
			var m *imaptest.Mismatch
			if !errors.As(err, &m) || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if again := wait(); again != err {
				t.Errorf("a second wait gives %v", again)
			}
		})
	}
}

func TestScriptRefusesNonsense(t *testing.T) {
	for _, text := range []string{"X: a", "S", "S? a", "C~ (", `S= abc`, "C# x", "S! dance", "S! wait long"} {
		if _, err := imaptest.ParseScript(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	client, wait := parse(t, "S~ .*").Pipe(t.Context())
	defer client.Close()
	if err := wait(); err == nil {
		t.Error("an expression is sent")
	}
}

func TestListenScripts(t *testing.T) {
	addr, wait, err := imaptest.ListenScripts(t.Context(), parse(t, "S: one\nS! stall"), parse(t, "S: two"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one\r\n", "two\r\n"} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 5)
		if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != want {
			t.Errorf("got %q, %v", buf, err)
		}
		conn.Close()
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}
