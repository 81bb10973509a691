package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/proxy"
)

// welcome is a backend that lets ada in, answers one NOOP and hears her out.
func welcome(w *wire) {
	w.talk("C: * OK Cyrus or BlueMind")
	letIn(w, "a1")
	w.talk("S: a2 NOOP", "C: * 3 EXISTS", "C: a2 OK done")
	w.end()
}

const in = "S: a1 OK [CAPABILITY IMAP4rev1 LITERAL+ BM-ROCKS] User logged in"

func TestLoginForms(t *testing.T) {
	plain := func(authz string) string {
		return base64.StdEncoding.EncodeToString([]byte(authz + "\x00Ada@One.example\x00s 3cret\""))
	}
	forms := map[string][]string{
		"quoted":                     {`C: a1 LOGIN "Ada@One.Example" "s 3cret\""`},
		"atom and quoted":            {`C: a1 login ada@one.example "s 3cret\""`},
		"literals":                   {"C: a1 LOGIN {15}", "S: + OK", "C: ada@one.example {8}", "S: + OK", `C: s 3cret"`},
		"literals without waiting":   {"C: a1 LOGIN {15+}", "C: ada@one.example {8+}", `C: s 3cret"`},
		"PLAIN":                      {"C: a1 AUTHENTICATE PLAIN", "S: + ", "C: " + plain("")},
		"PLAIN with the response":    {"C: a1 authenticate plain " + plain("")},
		"PLAIN with another's name":  {"C: a1 AUTHENTICATE PLAIN " + plain("bob@one.example")},
		"after a refusal":            {"C: a0 LOGIN ada@one.example wrong", "S: a0 NO Invalid login or password", `C: a1 LOGIN ada@one.example "s 3cret\""`},
		"after what has no meaning":  {"C: a0 ID NIL", "S: a0 BAD invalid command", `C: a1 LOGIN ada@one.example "s 3cret\""`},
		"with the next command sent": {"C: a1 LOGIN ada@one.example {8+}", `C: s 3cret"`},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			s := start(t, false, backend(t, welcome), nil)
			w := dial(t, s, false)
			w.talk("S: * OK IMAP4 ready")
			if name == "with the next command sent" {
				w.talk(append(form, "C: a2 NOOP", in)...)
			} else {
				w.talk(append(form, in, "C: a2 NOOP")...)
			}
			w.talk("S: * 3 EXISTS", "S: a2 OK done")
			w.conn.Close()
			s.await(t, proxy.Left)
			kinds := s.kinds(t)
			if kinds[0] != proxy.Connected || kinds[len(kinds)-2] != proxy.LoggedIn {
				t.Errorf("journal: %v", kinds)
			}
			for _, e := range s.events {
				if e.Kind == proxy.LoggedIn && (e.Address != "ada@one.example" || e.Login != "ada@uid.internal") {
					t.Errorf("journal: %+v", e)
				}
			}
		})
	}
}

func TestBeforeLogin(t *testing.T) {
	s := start(t, false, "", nil)
	w := dial(t, s, false)
	w.talk(
		"S: * OK IMAP4 ready",
		"C: a CAPABILITY",
		"S: * CAPABILITY IMAP4rev1 UIDPLUS XLIST QUOTA IDLE NAMESPACE AUTH=PLAIN STARTTLS",
		"S: a OK completed",
		"C: b NOOP",
		"S: b OK completed",
		"C: c SELECT INBOX",
		"S: c BAD invalid command",
		"C: d AUTHENTICATE CRAM-MD5",
		"S: d BAD invalid command",
		"C: e LOGIN only-one",
		"S: e BAD invalid command",
		"C: f AUTHENTICATE PLAIN",
		"S: + ",
		"C: *",
		"S: f BAD invalid command",
		"C: g LOGOUT",
		"S: * BYE",
		"S: g OK completed",
	)
	w.end()
}

func TestStartTLS(t *testing.T) {
	s := start(t, false, backend(t, welcome), nil)
	w := dial(t, s, false)
	// What comes behind STARTTLS in the clear must not be taken for what was said under TLS.
	w.talk("S: * OK IMAP4 ready", "C: x STARTTLS\r\ny NOOP", "S: x OK completed")
	w = newWire(t, tls.Client(w.conn, s.client))
	w.talk(
		"C: a CAPABILITY",
		"S: * CAPABILITY IMAP4rev1 UIDPLUS XLIST QUOTA IDLE NAMESPACE AUTH=PLAIN",
		"S: a OK completed",
		"C: b STARTTLS",
		"S: b BAD invalid command",
		`C: a1 LOGIN ada@one.example "s 3cret\""`, in,
		"C: a2 NOOP", "S: * 3 EXISTS", "S: a2 OK done",
	)
	w.conn.Close()
	s.await(t, proxy.Left)
	if !slices.Contains(s.kinds(t), proxy.Secured) {
		t.Errorf("journal: %v", s.kinds(t))
	}
}

func TestImplicitTLS(t *testing.T) {
	s := start(t, true, backend(t, welcome), nil)
	w := dial(t, s, true)
	w.talk("S: * OK IMAP4 ready", `C: a1 LOGIN ada@one.example "s 3cret\""`, in,
		"C: a2 NOOP", "S: * 3 EXISTS", "S: a2 OK done")
}

func TestRefusals(t *testing.T) {
	t.Run("come late", func(t *testing.T) {
		const delay = 50 * time.Millisecond
		s := start(t, false, "", func(c *proxy.Config) { c.RefusalDelay = delay })
		w := dial(t, s, false)
		begin := time.Now()
		w.talk("S: * OK IMAP4 ready", "C: a LOGIN eve@one.example x", "S: a NO Invalid login or password")
		if took := time.Since(begin); took < delay {
			t.Errorf("refused after %v", took)
		}
	})
	t.Run("end the connection", func(t *testing.T) {
		s := start(t, false, "", func(c *proxy.Config) { c.Attempts = 3 })
		w := dial(t, s, false)
		w.talk("S: * OK IMAP4 ready")
		for range 3 {
			w.talk("C: a LOGIN eve@one.example x", "S: a NO Invalid login or password")
		}
		w.end()
	})
	t.Run("so do invalid commands", func(t *testing.T) {
		s := start(t, false, "", nil)
		w := dial(t, s, false)
		w.talk("S: * OK IMAP4 ready")
		for range 4 {
			w.talk("C: a FOO", "S: a BAD invalid command")
		}
		w.talk("C: ", "S: * BAD invalid command")
		w.end()
	})
	t.Run("and an endless line", func(t *testing.T) {
		s := start(t, false, "", nil)
		w := dial(t, s, false)
		w.talk("S: * OK IMAP4 ready", "C: "+strings.Repeat("x", 8<<10), "S: * BAD invalid command")
		w = dial(t, s, false)
		w.talk("S: * OK IMAP4 ready", "C: a LOGIN {9000}", "S: a BAD invalid command")
		w.end()
	})
	t.Run("and silence", func(t *testing.T) {
		s := start(t, false, "", func(c *proxy.Config) { c.Timeout = 50 * time.Millisecond })
		w := dial(t, s, false)
		w.talk("S: * OK IMAP4 ready")
		w.end()
	})
}

func TestBackendThatFails(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	for name, addr := range map[string]string{
		"is not there":   dead.Addr().String(),
		"does not greet": backend(t, func(w *wire) {}),
		"says BYE":       backend(t, func(w *wire) { w.talk("C: * BYE full") }),
		"lets nobody in": backend(t, func(w *wire) {
			w.talk("C: * OK hello", "S: a1 LOGIN {16}", "C: a1 NO no more processes")
			w.end()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, false, addr, nil)
			w := dial(t, s, false)
			w.talk("S: * OK IMAP4 ready", `C: a1 LOGIN ada@one.example "s 3cret\""`, "S: * BAD internal server error")
			w.end()
			s.await(t, proxy.Left)
			if !slices.Contains(s.kinds(t), proxy.Unreachable) {
				t.Errorf("journal: %v", s.kinds(t))
			}
		})
	}
}

func TestRelay(t *testing.T) {
	login := func(t *testing.T, s *setup) *wire {
		w := dial(t, s, true)
		w.talk("S: * OK IMAP4 ready", `C: a1 LOGIN ada@one.example "s 3cret\""`, in)
		return w
	}
	t.Run("of much in both directions", func(t *testing.T) {
		body := bytes.Repeat([]byte("0123456789\r\n\x00\xff"), 400_000) // 5.6 MB
		s := start(t, true, backend(t, func(w *wire) {
			w.talk("C: * OK hello")
			letIn(w, "a1")
			got := make([]byte, len(body))
			if _, err := io.ReadFull(w.r, got); err != nil || !bytes.Equal(got, body) {
				t.Errorf("the backend did not get what was sent: %v", err)
			}
			if _, err := w.conn.Write(got); err != nil {
				t.Error(err)
			}
		}), nil)
		w := login(t, s)
		sent := make(chan error, 1)
		go func() {
			_, err := w.conn.Write(body)
			sent <- err
		}()
		got, err := io.ReadAll(w.r)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d octets came back, %v", len(got), err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		s.await(t, proxy.Left)
		if last := s.events[len(s.events)-1]; last.In != int64(len(body)) || last.Out != int64(len(body)) || last.Err != nil {
			t.Errorf("journal: %+v", last)
		}
	})
	t.Run("of answers to a client that has said its last word", func(t *testing.T) {
		s := start(t, true, backend(t, func(w *wire) {
			w.talk("C: * OK hello")
			letIn(w, "a1")
			w.talk("S: a2 LOGOUT")
			w.end()
			w.talk("C: * BYE", "C: a2 OK")
		}), nil)
		w := login(t, s)
		w.talk("C: a2 LOGOUT")
		if err := w.conn.(*tls.Conn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		w.talk("S: * BYE", "S: a2 OK")
		w.end()
	})
	t.Run("of the last words of a backend that hears no more", func(t *testing.T) {
		s := start(t, true, backend(t, func(w *wire) {
			w.talk("C: * OK hello")
			letIn(w, "a1")
			w.talk("S: a2 APPEND INBOX {99999999+}", "C: * ALERT too much data")
		}), nil)
		w := login(t, s)
		w.talk("C: a2 APPEND INBOX {99999999+}")
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			chunk := make([]byte, 32<<10)
			for {
				if _, err := w.conn.Write(chunk); err != nil {
					return
				}
			}
		}()
		w.talk("S: * ALERT too much data")
		w.end()
		w.conn.Close()
		<-sent
	})
	t.Run("ends with the client", func(t *testing.T) {
		gone := make(chan struct{})
		s := start(t, true, backend(t, func(w *wire) {
			w.talk("C: * OK hello")
			letIn(w, "a1")
			w.end()
			close(gone)
		}), nil)
		login(t, s).conn.Close()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Error("the backend was not told")
		}
	})
	t.Run("ends with a backend that forgot its client", func(t *testing.T) {
		forget := make(chan struct{})
		s := start(t, true, backend(t, func(w *wire) {
			w.talk("C: * OK hello")
			letIn(w, "a1")
			<-forget
		}), func(c *proxy.Config) { c.Grace = 50 * time.Millisecond })
		login(t, s).conn.Close()
		s.await(t, proxy.Left)
		close(forget)
	})
	t.Run("ends with the proxy", func(t *testing.T) {
		s := start(t, true, backend(t, func(w *wire) {
			w.talk("C: * OK hello")
			letIn(w, "a1")
			_, _ = bufio.NewReader(w.conn).ReadByte()
		}), nil)
		w := login(t, s)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.r.ReadByte(); err == nil {
			t.Error("the client still hears something")
		}
	})
}

func TestServeWantsItsConfiguration(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.ServeTLS(context.Background(), ln, proxy.Config{}); err == nil {
		t.Error("a proxy without certificate serves")
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("its listener is still open")
	}
}
