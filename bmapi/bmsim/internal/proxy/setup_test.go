package proxy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/proxy"
)

// certificates makes a server's certificate for localhost and who trusts it.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// setup is a proxy with what it journals, in front of one backend.
type setup struct {
	addr   string
	client *tls.Config
	stop   func() error // ends the proxy; what serving returned

	mu     sync.Mutex
	events []proxy.Event
}

// start runs a proxy that takes ada@one.example with the secret "s 3cret\"".
func start(t *testing.T, implicit bool, backend string, adapt func(*proxy.Config)) *setup {
	t.Helper()
	s := &setup{}
	server, client := certificates(t)
	s.client = client
	cfg := proxy.Config{
		TLS:          server,
		RefusalDelay: -1,
		Decide: func(_ context.Context, address, secret string) (proxy.Decision, error) {
			if address != "ada@one.example" || secret != `s 3cret"` {
				return proxy.Decision{}, errors.New("unknown")
			}
			return proxy.Decision{Login: "ada@uid.internal", Backend: backend}, nil
		},
		Journal: func(e proxy.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	}
	if adapt != nil {
		adapt(&cfg)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	serve := proxy.ServeStartTLS
	if implicit {
		serve = proxy.ServeTLS
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, ln, cfg) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("the proxy still serves 10 s after its end")
		}
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// kinds lists the journal, and checks that no secret is in it.
func (s *setup) kinds(t *testing.T) []proxy.Kind {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []proxy.Kind
	for _, e := range s.events {
		kinds = append(kinds, e.Kind)
		if strings.Contains(fmt.Sprint(e), "3cret") {
			t.Errorf("a secret in the journal: %v", e)
		}
	}
	return kinds
}

func (s *setup) await(t *testing.T, kind proxy.Kind) {
	t.Helper()
	for range 500 {
		if slices.Contains(s.kinds(t), kind) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %q in the journal: %v", kind, s.kinds(t))
}

// wire is a connection whose talk is written as a transcript.
type wire struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, s *setup, secure bool) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, s.client)
	}
	t.Cleanup(func() { conn.Close() })
	return newWire(t, conn)
}

func newWire(t *testing.T, conn net.Conn) *wire {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// talk plays a transcript: "C: " lines are sent, "S: " lines must come.
func (w *wire) talk(script ...string) {
	w.t.Helper()
	for _, line := range script {
		text := line[3:]
		if line[:3] == "C: " {
			if _, err := io.WriteString(w.conn, text+"\r\n"); err != nil {
				w.t.Fatalf("sending %q: %v", text, err)
			}
			continue
		}
		got, err := w.r.ReadString('\n')
		if err != nil || got != text+"\r\n" {
			w.t.Fatalf("got %q, %v where %q was due", got, err, text)
		}
	}
}

func (w *wire) end() {
	w.t.Helper()
	if b, err := w.r.ReadByte(); !errors.Is(err, io.EOF) {
		w.t.Fatalf("got %q, %v where the end was due", b, err)
	}
}

// backend runs one scripted mail server; each connection gets the script, which
// must be done when the test ends.
func backend(t *testing.T, script func(w *wire)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var scripts sync.WaitGroup
	scripts.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			scripts.Go(func() {
				defer conn.Close()
				script(newWire(t, conn))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		scripts.Wait()
	})
	return ln.Addr().String()
}

// letIn is a backend's part of a login.
func letIn(w *wire, tag string) {
	w.talk(
		"S: "+tag+" LOGIN {16}", "C: + OK",
		"S: ada@uid.internal {8}", "C: + OK",
		`S: s 3cret"`, "C: "+tag+" OK [CAPABILITY IMAP4rev1 LITERAL+ BM-ROCKS] User logged in",
	)
}
