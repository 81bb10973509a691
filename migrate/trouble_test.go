package migrate_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestCapacityIsNoWrongPassword: a source with few seats refuses connections;
// that is waited out, and costs no account.
func TestCapacityIsNoWrongPassword(t *testing.T) {
	traps := map[string]func(w *world){
		"BYE at the greeting": func(w *world) { w.source.SetQuirks(imaptest.Quirks{MaxConnections: 1}) },
		"NO [LIMIT]": func(w *world) {
			w.source.SetTraps(imaptest.Trap{Command: "LOGIN", Times: 4, Action: imaptest.No, Text: "[LIMIT] enough"})
		},
		"NO [UNAVAILABLE]": func(w *world) {
			w.source.SetTraps(imaptest.Trap{Command: "LOGIN", Times: 4, Action: imaptest.No, Text: "[UNAVAILABLE] later"})
		},
		"NO, in words": func(w *world) {
			w.source.SetTraps(imaptest.Trap{Command: "LOGIN", Times: 4, Action: imaptest.No, Text: "[ALERT] Too many simultaneous connections."})
		},
		"BYE in mid-folder": func(w *world) {
			w.source.SetTraps(imaptest.Trap{Command: "FETCH", Skip: 3, Times: 4, Action: imaptest.Bye, Text: "too many connections"})
		},
		"FETCH is [THROTTLED]": func(w *world) {
			w.source.SetTraps(imaptest.Trap{Command: "FETCH", Skip: 3, Times: 2, Action: imaptest.No, Text: "[THROTTLED] slow down"})
		},
	}
	for name, trap := range traps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada", "bruno", "chloe")
			w.fill(20)
			w.plan()
			w.opts.Limits.Retries = 30
			trap(w)
			res := w.run()
			if res.States[migrate.AccountBlocked] > 0 {
				t.Errorf("capacity is taken for a wrong password: %+v", res.Notable)
			}
			w.source.SetTraps()
			w.source.SetQuirks(imaptest.Quirks{})
			w.complete()
			w.same(w.opts.Target)
		})
	}
}

// TestWrongPasswordIsTriedOnce: many servers lock an account after three.
func TestWrongPasswordIsTriedOnce(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	w.fill(5)
	w.plan()
	w.source.AddUser("bruno@old.example", "changed meanwhile")
	w.source.ClearJournal()
	res := w.run()
	if res.States[migrate.AccountBlocked] != 1 || res.States[migrate.AccountComplete] != 1 {
		t.Errorf("%+v", res)
	}
	if n := len(w.source.Journal().Of("LOGIN")); n != 2 {
		t.Errorf("%d logins for two accounts", n)
	}
}

// TestSourceHostDown: all accounts of a dead host fail soon and say so, those
// of another go on, and nobody is made for what can't be read.
func TestSourceHostDown(t *testing.T) {
	var users []string
	for i := range 40 {
		users = append(users, fmt.Sprintf("user%02d", i))
	}
	w := newWorld(t, bmsim.Config{}, append(users, "ada")...)
	w.fill(3)
	for i := range 40 {
		w.rows[i].Source = "dead"
	}
	dead := w.opts.Sources["old"]
	dead.Name = "dead"
	w.opts.Sources["dead"] = dead
	w.plan()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tried atomic.Int32
	served := make(chan struct{})
	go func() { // a port that answers, and no server behind it
		defer close(served)
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			tried.Add(1)
			conn.Close()
		}
	}()
	defer func() { ln.Close(); <-served }()
	dead.Server.Addr = ln.Addr().String()
	w.opts.Sources["dead"] = dead
	w.opts.BackOff = func(int) time.Duration { return 50 * time.Millisecond }
	w.opts.Limits.Retries = 5
	var mu sync.Mutex
	told := 0
	w.opts.Events = func(e migrate.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == migrate.EventWarning && strings.Contains(e.Text, "source dead lets nobody in") {
			told++
		}
	}
	began := time.Now()
	res := w.run()
	if res.States[migrate.AccountPartial] != 40 || res.States[migrate.AccountComplete] != 1 {
		t.Errorf("%+v", res.States)
	}
	// Each for itself would have taken 40 × 5 × 50 ms over 4 workers.
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if n := tried.Load(); n > 6+4 { // once too often, and by those who were at it
		t.Errorf("the dead host was tried %d times", n)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	for _, one := range res.Notable {
		if one.State == migrate.AccountPartial && !strings.Contains(one.Reason, "source dead") {
			t.Errorf("%s: %q", one.Address, one.Reason)
		}
	}
	w.byKeysOnly()
}

// TestRefusedMessagesStopAnAccount, folder by folder, and another run goes on.
func TestRefusedMessagesStopAnAccount(t *testing.T) {
	w := newWorld(t, bmsim.Config{MessageSizeLimit: 5000}, "ada")
	for _, name := range []string{"A", "B", "C"} {
		box := w.letters(name, 0, 2)
		for i := range 4 {
			big := message(50 + i)
			big.Body = append(big.Body, strings.Repeat("long line\r\n", 2000)...)
			box.Append(big)
		}
	}
	w.plan()
	w.opts.Limits.MessageErrors = 4
	res := w.run()
	if res.Outcome() != migrate.Partial || res.Copied != 2 || !strings.Contains(res.Notable[0].Reason, "message_errors") {
		t.Errorf("ended with %v: %+v", res.Outcome(), res)
	}
	w.run()
	w.run()
	w.complete()
}

// TestOneDomainForAll: accounts of a domain and of its alias, begun together,
// make one domain between them.
func TestOneDomainForAll(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: "other.org"}}}, "ada", "bruno", "chloe", "dora", "emil", "fred")
	w.fill(3)
	for i := range w.rows {
		if i%2 == 0 {
			w.rows[i].Address = strings.Replace(w.rows[i].Address, domain, "example.net", 1)
		}
	}
	w.opts.Limits.Accounts = 6
	path := filepath.Join(w.dir, "plan.jsonl")
	if _, err := migrate.BuildPlan(t.Context(), migrate.PlanOptions{Path: path, Rows: w.rows, Sources: w.opts.Sources, Policy: w.policy,
		Domains: []migrate.PlanDomain{{Name: domain, Aliases: []string{"example.net"}, Create: true}}}); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.opts.Plan, err = migrate.OpenPlan(path); err != nil {
		t.Fatal(err)
	}
	w.complete()
	made := 0
	for _, c := range w.sim.Journal().Calls() {
		if c.Method == "PUT" && strings.HasPrefix(c.Path, "/domains/") && !strings.Contains(c.Path, "_settings") {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d domains were made", made)
	}
	w.byKeysOnly()
}

// TestMoreAccountsThanConnections: nobody waits for a seat that another holds
// while waiting.
func TestMoreAccountsThanConnections(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno", "chloe", "dora", "emil")
	w.fill(10)
	w.plan()
	old := w.opts.Sources["old"]
	old.Connections = 1
	w.opts.Sources["old"] = old
	w.opts.Target.Connections = 2
	w.opts.Limits.Accounts = 5
	w.complete()
	if _, _, peak := w.source.Connections(); peak > 5 { // the plan's survey had more
		t.Errorf("%d connections at the source", peak)
	}
}

// TestGate: what lets production be filled, and what doesn't.
func TestGate(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.StateDir = filepath.Join(w.dir, "[state] of 2026*")
	w.fill(5)
	w.plan()
	production := newWorld(t, bmsim.Config{})
	rehearsal := w.opts.Target
	target := production.target("production", production.sim, false)
	open := func() bool {
		t.Helper()
		w.opts.Target = target
		defer func() { w.opts.Target = rehearsal }()
		stop := make(chan struct{})
		close(stop) // only the gate is tried
		o := w.opts
		o.Stop = stop
		_, err := migrate.Run(t.Context(), o)
		if err != nil && !strings.Contains(err.Error(), "is no rehearsal") {
			t.Fatal(err)
		}
		return err == nil
	}
	w.complete()
	if open() {
		t.Error("before a verification")
	}
	w.verify(migrate.RereadNone)
	for name, text := range map[string]string{"foreign.db": "not SQLite at all, but some text", "empty.db": "", "notes.txt": "x"} {
		if err := os.WriteFile(filepath.Join(w.opts.StateDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(w.opts.StateDir, "folder.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if !open() {
		t.Error("complete and verified, in a folder with other files")
	}
	expunge(w, "INBOX", 1) // the proof fails after it was good
	w.letters("INBOX", 900, 1)
	w.verify(migrate.RereadNone)
	if open() {
		t.Error("the newest verification found something")
	}
	w.complete()
	w.verify(migrate.RereadNone)
	if !open() {
		t.Error("good again")
	}
	w.source.AddUser("ada@old.example", "changed")
	w.run()
	if open() {
		t.Error("the account is no longer complete")
	}
	w.source.AddUser("ada@old.example", "pw-ada")
	w.complete()
	w.opts.WithoutRehearsal = "  "
	w.policy.Folders.Junk = migrate.Copy
	w.plan()
	if open() {
		t.Error("another policy, without a word why")
	}
}

// TestRehearsedOnItself is allowed, in other domains, and told.
func TestRehearsedOnItself(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain}, {Name: "rehearsal.test"}}}, "ada")
	w.fill(5)
	w.plan()
	w.opts.Target.DomainMap = map[string]string{domain: "rehearsal.test"}
	w.complete()
	w.verify(migrate.RereadNone)
	w.opts.Target = w.target("production", w.sim, false)
	told := false
	w.opts.Events = func(e migrate.Event) { told = told || strings.Contains(e.Text, "is the same BlueMind") }
	w.complete()
	if !told {
		t.Error("nobody said that production was rehearsed on itself")
	}
	w.byKeysOnly()
}
