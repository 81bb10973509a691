package migrate_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// smallWorld has accounts of some folders with some messages each, all of whose
// users BlueMind has.
func smallWorld(t *testing.T, users ...string) *world {
	t.Helper()
	return smallWorldOn(t, bmsim.Config{}, users...)
}

// smallWorldOn is smallWorld on another BlueMind.
func smallWorldOn(t *testing.T, conf bmsim.Config, users ...string) *world {
	t.Helper()
	d := bmsim.Domain{Name: domain}
	for _, name := range users {
		d.Users = append(d.Users, bmsim.User{Login: name})
	}
	conf.Domains = []bmsim.Domain{d}
	w := newWorld(t, conf, users...)
	for _, row := range w.rows {
		u := w.source.User(row.Login)
		for n, folder := range []string{"INBOX", "Sent", "Projects", "Projects/2024", "Clients"} {
			box := u.CreateMailbox(folder, imaptest.MailboxOptions{})
			for i := range 10 {
				box.Append(message(n*10 + i))
			}
		}
	}
	w.plan()
	return w
}

// TestCallsOfAnAccount counts what an account that BlueMind has costs: forty
// small ones are mostly that.
func TestCallsOfAnAccount(t *testing.T) {
	w := smallWorld(t, "ada", "bruno")
	for pass := range 2 {
		before := len(w.sim.Journal().Calls())
		w.complete()
		calls := w.sim.Journal().Calls()[before:]
		counts := map[string]int{}
		for _, c := range calls {
			counts[c.Method+" "+kindOfPath(c.Path)]++
		}
		want := map[string]int{"GET _byemail": 2, "GET complete": 2, "GET _all": 2, "GET _config": 2, // objects, then the mailbox
			"POST _su": 2, "GET keys": 4, "PUT keys": 2, // looked through before ours is made, and after
			"POST validate": 2, "DELETE {sid}": 2, "POST logout": 3} // one is the administrator's
		for call, n := range want {
			if counts[call] != n {
				t.Errorf("pass %d: %d times %s, not %d", pass+1, counts[call], call, n)
			}
		}
		if n := len(calls) - 7 - 1; n != 22 { // those of the run itself, and the logout
			t.Errorf("pass %d: %d calls for two accounts:\n%s", pass+1, n, callLines(calls))
		}
	}
	w.byKeysOnly()
}

// kindOfPath is a path's last part.
func kindOfPath(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func callLines(calls []bmsim.Call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintln(&b, c.Method, c.Path, c.Query, c.Who, c.Status)
	}
	return b.String()
}

// TestNextAccountsAreMadeReady holds the first account back while it is nearly
// done: the next has its key by then, and no third one has; and what was made
// ready is put away where the run is stopped.
func TestNextAccountsAreMadeReady(t *testing.T) {
	w := smallWorld(t, "ada", "bruno", "chloe", "dora")
	w.opts.Limits.Accounts = 1
	stop := make(chan struct{})
	w.opts.Stop = stop
	var once sync.Once
	var alive int
	var copying []string
	var mu sync.Mutex
	w.opts.Events = func(e migrate.Event) {
		if e.Kind != migrate.EventProgress {
			return
		}
		mu.Lock()
		copying = append(copying, e.Account)
		mu.Unlock()
		once.Do(func() {
			for range 500 {
				if alive = len(w.sim.Journal().KeysAlive()); alive >= 2 {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond) // a third one would come now
			alive = max(alive, len(w.sim.Journal().KeysAlive()))
			close(stop)
		})
	}
	res := w.run()
	if alive != 2 {
		t.Errorf("%d keys were alive while one account was copied", alive)
	}
	for _, address := range copying {
		if address != copying[0] {
			t.Errorf("%s was copied beside %s", address, copying[0])
		}
	}
	if !res.Interrupted || res.NotBegun != 2 {
		t.Errorf("interrupted %t, %d not begun", res.Interrupted, res.NotBegun)
	}
	w.byKeysOnly()
	w.opts.Stop = nil
	w.complete()
	w.byKeysOnly()
}
