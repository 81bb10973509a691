package migrate_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/migrate"
)

// tried counts accounts whose source login was tried, and not.
func tried(res migrate.CheckResult) (failed, left int) {
	for _, f := range res.Findings {
		switch {
		case f.ID != "source-login":
		case f.Severity == migrate.Skipped:
			left += f.Count
		case f.Severity != migrate.Ok:
			failed += f.Count
		}
	}
	return failed, left
}

// accounts adds rows of users at the source.
func (w *world) accounts(n int) {
	for i := range n {
		name := fmt.Sprintf("u%d", i)
		w.source.AddUser(name+"@old.example", "pw-"+name)
		w.rows = append(w.rows, migrate.Row{Source: "old", Login: name + "@old.example", Address: name + "@" + domain, Kind: migrate.KindUser})
	}
}

// lockout stands before a server and lets so many connections pass; those
// after are taken, and get no answer.
func lockout(t *testing.T, upstream string, pass int) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if n > pass {
				defer conn.Close()
				continue
			}
			all.Go(func() { through(conn, upstream) })
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return ln.Addr().String()
}

func through(conn net.Conn, upstream string) {
	defer conn.Close()
	far, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { io.Copy(conn, far); conn.Close() })
	io.Copy(far, conn)
	far.Close()
	back.Wait()
}

// TestCheckGivesUpASourceThatStopsAnswering: a server that locks us out in the
// middle costs one wait, and is no mere warning.
func TestCheckGivesUpASourceThatStopsAnswering(t *testing.T) {
	w := newWorld(t, bmsim.Config{})
	w.accounts(40)
	s := w.opts.Sources["old"]
	s.Server.Addr, s.Connections, s.Idle = lockout(t, s.Server.Addr, 12), 4, 300*time.Millisecond
	began := time.Now()
	res := w.check(func(o *migrate.CheckOptions) { o.Sources = map[string]migrate.Source{"old": s} })
	if failed, left := tried(res); failed+left != 28 || failed > 8 {
		t.Errorf("%d failed and %d not tried, want 28 together:%s", failed, left, described(res))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	fires(t, res, "source login", migrate.Ok, "12 logins succeed")
	for _, f := range res.Findings {
		if f.ID == "source-login" && f.Severity == migrate.Warning {
			t.Errorf("%s: %s", f.Severity, f.Text)
		}
	}
	if res.Blockers == 0 {
		t.Error("nothing blocks")
	}
}

// TestCheckLocksNoAdministratorOut: one secret that opens all mailboxes is
// tried alone until it has succeeded, and three times at most.
func TestCheckLocksNoAdministratorOut(t *testing.T) {
	w := newWorld(t, bmsim.Config{})
	w.accounts(40)
	s := w.opts.Sources["old"]
	s.Shared = true
	right := s.Credentials
	var mu sync.Mutex
	wrong := map[string]bool{}
	s.Credentials = func(ctx context.Context, login string) (imap.Credentials, error) {
		cred, err := right(ctx, login)
		mu.Lock()
		defer mu.Unlock()
		if wrong[login] || wrong["all"] {
			cred.Secret = "another"
		}
		return cred, err
	}
	check := func() migrate.CheckResult {
		return w.check(func(o *migrate.CheckOptions) { o.Sources = map[string]migrate.Source{"old": s} })
	}
	wrong["all"] = true
	res := check()
	if failed, left := tried(res); failed != 3 || left != 37 {
		t.Errorf("%d failed and %d not tried, want 3 and 37:%s", failed, left, described(res))
	}
	fires(t, res, "source login", migrate.Blocker, "the login is refused", "u0@"+domain, "u20@"+domain, "u39@"+domain)
	wrong = map[string]bool{"u0@old.example": true, "u1@old.example": true, "u2@old.example": true, "u3@old.example": true}
	if failed, left := tried(check()); failed != 4 || left != 0 {
		t.Errorf("%d failed and %d not tried, want 4 and none", failed, left)
	}
}
