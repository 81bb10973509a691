package migrate

import (
	"errors"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
)

// TestKeysOfTwoRunsAtOnce: two hosts look for each other's keys at the same
// moment, find none, and make their own. They see each other then, and no more than
// one of them goes on.
func TestKeysOfTwoRunsAtOnce(t *testing.T) {
	p, sim := testPlatform(t)
	box, err := p.admin.MailboxByEmail(t.Context(), "example.org", "ada@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for _, clock := range []time.Duration{0, -5 * time.Hour, 5 * time.Hour} { // the second host's
		var looked sync.WaitGroup
		looked.Add(2)
		sim.Faults().Watch(func(c bmsim.Call) {
			if c.Method == "PUT" && c.Path == "/auth/keys" {
				looked.Done()
				looked.Wait()
			}
		})
		keys, errs := [2]*key{}, [2]error{}
		var runs sync.WaitGroup
		for i, name := range []string{"here", "elsewhere"} {
			runs.Go(func() {
				e := &entry{Domain: &bmapi.Domain{UID: "example.org"}, UID: box.UID, Login: "ada", Address: "ada@example.org"}
				now := func() time.Time { return time.Now().Add(time.Duration(i) * clock) }
				keys[i], errs[i] = openKey(t.Context(), p, e, name, nil, now)
			})
		}
		runs.Wait()
		sim.Faults().Watch(nil)
		blocked := 0
		for i, k := range keys {
			if _, ok := errors.AsType[*BlockedError](errs[i]); ok {
				blocked++
			} else if errs[i] != nil {
				t.Fatal(errs[i])
			}
			if k == nil {
				continue
			}
			if err := k.close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if blocked == 0 {
			t.Error("both runs have the mailbox")
		}
		if left := sim.Journal().KeysAlive(); len(left) > 0 {
			t.Errorf("keys left: %v", left)
		}
	}
}
