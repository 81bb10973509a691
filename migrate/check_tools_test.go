package migrate_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/migrate"
)

// overlay puts a REST server before the target's, which changes what some
// calls answer: by a regular expression on method and path after /api, what
// the answer becomes.
func (w *world) overlay(changes map[string]func(answer []byte) []byte) {
	w.t.Helper()
	to, err := url.Parse(w.opts.Target.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{TLSClientConfig: w.opts.Target.TLS}
	proxy.ModifyResponse = func(res *http.Response) error {
		for pattern, change := range changes {
			if ok, err := regexp.MatchString("^"+pattern+"$", res.Request.Method+" "+strings.TrimPrefix(res.Request.URL.Path, "/api")); !ok || err != nil {
				continue
			}
			was, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			res.Body.Close()
			body := change(was)
			res.StatusCode, res.Body, res.ContentLength = http.StatusOK, io.NopCloser(bytes.NewReader(body)), int64(len(body))
			res.Header.Set("Content-Length", strconv.Itoa(len(body)))
			res.Header.Set("Content-Type", "application/json")
		}
		return nil
	}
	front := httptest.NewTLSServer(proxy)
	w.t.Cleanup(front.Close)
	pool := x509.NewCertPool()
	pool.AddCert(front.Certificate())
	w.opts.Target.URL = front.URL
	w.opts.Target.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// says makes an answer of a text.
func says(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }

// instead replaces part of an answer.
func instead(old, by string) func([]byte) []byte {
	return func(was []byte) []byte { return bytes.ReplaceAll(was, []byte(old), []byte(by)) }
}

// middle stands between us and the target's IMAP server. It passes lines on,
// and answers or changes some.
type middle struct {
	answer map[string]string    // by a regular expression on a command without its tag: lines, $ for the tag
	seen   func(command string) // is told each command before it goes on; nil: nobody is
	up     [2]string            // octets that are replaced on the way to the server, by as many
	down   [2]string            // and on the way back
}

// tap puts m before the target's IMAP server.
func (w *world) tap(m middle) {
	w.t.Helper()
	server := w.opts.Target.IMAP
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { m.serve(conn, server) })
		}
	})
	w.t.Cleanup(func() { ln.Close(); all.Wait() })
	w.opts.Target.IMAP = imap.Server{Addr: ln.Addr().String(), Security: imap.Plaintext}
}

func (m middle) serve(client net.Conn, to imap.Server) {
	defer client.Close()
	server, err := tls.Dial("tcp", to.Addr, to.TLS)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex
	say := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(client, s)
	}
	var back sync.WaitGroup
	back.Go(func() {
		defer client.Close()
		m.lines(server, m.down, func(line string) bool { say(line); return true })
	})
	m.lines(client, m.up, func(line string) bool {
		tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if m.seen != nil {
			m.seen(command)
		}
		for pattern, lines := range m.answer {
			if ok, _ := regexp.MatchString("^"+pattern+"$", command); ok {
				say(strings.ReplaceAll(lines, "$", tag))
				return true
			}
		}
		_, err := io.WriteString(server, line)
		return err == nil
	})
	server.Close()
	back.Wait()
}

// lines passes a stream on, line by line.
func (m middle) lines(from io.Reader, change [2]string, pass func(line string) bool) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadString('\n')
		if change[0] != "" {
			line = strings.ReplaceAll(line, change[0], change[1])
		}
		if line != "" && !pass(line) || err != nil {
			return
		}
	}
}

// planned writes a plan for the rows, with what a survey is said to have seen.
func (w *world) planned(edit func(a *migrate.PlanAccount)) {
	w.t.Helper()
	path := filepath.Join(w.dir, "plan.jsonl")
	p, err := migrate.CreatePlan(path, migrate.PlanHeader{Created: time.Now(), Policy: w.policy})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range w.rows {
		local, _, _ := strings.Cut(row.Address, "@")
		a := &migrate.PlanAccount{Source: row.Source, SourceLogin: row.Login, SourceFolder: row.Folder, Address: row.Address, Kind: row.Kind, Login: local}
		a.Folders = []migrate.PlanFolder{{Source: "INBOX", Target: "INBOX", Role: migrate.RoleInbox}}
		edit(a)
		for _, f := range a.Folders {
			a.Survey.Messages += f.Survey.Messages
		}
		if err := p.Account(a); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := p.Finish(); err != nil {
		w.t.Fatal(err)
	}
	if w.opts.Plan, err = migrate.OpenPlan(path); err != nil {
		w.t.Fatal(err)
	}
}

// sharedRow adds a row for a shared mailbox.
func (w *world) sharedRow(name, writer string) {
	w.source.AddUser(name+"@old.example", "pw-"+name)
	w.rows = append(w.rows, migrate.Row{File: "accounts.csv", Line: len(w.rows) + 2, Source: "old", Login: name + "@old.example",
		Address: name + "@" + domain, Kind: migrate.KindShare, Writer: writer})
}

// writes are the calls in the target's journal that could change something.
func (w *world) writes() (calls []string) {
	reads := regexp.MustCompile(`^POST /(auth/log(in|out)|auth/validate|directory/[^/]+/_search|mail_items/[^/]+/(_count|_sorted|_mgetById|_multipleById)|mailboxes/[^/]+/_mget)$`)
	for _, c := range w.sim.Journal().Calls() {
		call := c.Method + " " + c.Path
		if c.Method != "GET" && !reads.MatchString(call) {
			calls = append(calls, call)
		}
	}
	return calls
}

func TestTheMiddlePassesMailOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := newWorld(t, with(), "ada")
	w.tap(middle{answer: map[string]string{"NOOP": "* 9 EXISTS\r\n$ OK tapped\r\n"}})
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.opts.Target.IMAP.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, want := range []string{"* OK", "* 9 EXISTS", "a OK tapped", "* CAPABILITY", "b OK"} {
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("got %q, %v, want %s", line, err, want)
		}
		if want == "* OK" {
			fmt.Fprint(conn, "a NOOP\r\nb CAPABILITY\r\n")
		}
	}
}
