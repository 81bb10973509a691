package migrate_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/state"
)

func lease(run string, left time.Duration) string {
	return "bmsync " + run + " until " + time.Now().Add(left).UTC().Format(time.RFC3339)
}

// TestKeysOfKilledRuns: an account at which a run was killed is swept by the
// next one, though it is asked for another account, and though the key's lease
// is not over.
func TestKeysOfKilledRuns(t *testing.T) {
	for _, how := range []string{"in a run", "in a proof"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t, bmsim.Config{}, "ada", "bruno")
			w.fill(10)
			w.plan()
			w.complete()
			s, err := state.Open(t.Context(), migrate.StatePath(w.opts.StateDir, "test"), identityOf(t, w))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.BeginRun(t.Context(), state.Run{Name: "killed", Started: time.Now()}); err != nil {
				t.Fatal(err)
			}
			rows, err := s.AccountByAddress(t.Context(), "ada@"+domain)
			if err != nil || len(rows) != 1 {
				t.Fatal(err, rows)
			}
			if how == "in a run" {
				rows[0].State = migrate.AccountRunning
			} else {
				rows[0].VerifiedResult = "running"
			}
			if err := s.UpdateAccount(t.Context(), rows[0]); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			w.holdKey(lease("killed", 10*time.Minute))
			w.holdKey(lease("of another host", 10*time.Minute))
			w.opts.Only = []string{"bruno@" + domain}
			w.complete()
			if keys, err := w.asAda().Keys(t.Context()); err != nil || len(keys) != 1 || !strings.Contains(keys[0].DisplayName, "of another host") {
				t.Errorf("keys alive: %v, %v; want the other host's alone", keys, err)
			}
			w.dropKeys()
			w.opts.Only = nil
			w.complete()
			w.byKeysOnly()
		})
	}
}

// TestLeaseAndClocks: hosts whose clocks differ agree by BlueMind's.
func TestLeaseAndClocks(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada"}}}}}, "ada")
			w.fill(5)
			w.plan()
			w.opts.Now = func() time.Time { return time.Now().Add(ahead) }
			w.holdKey(lease("elsewhere", 10*time.Minute))
			res := w.run()
			if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "another run") {
				t.Errorf("beside a live run: %+v", res)
			}
			w.dropKeys()
			w.holdKey(lease("crashed elsewhere", -time.Minute))
			w.opts.StateDir = filepath.Join(w.dir, "elsewhere")
			w.complete()
			w.byKeysOnly()
		})
	}
}

// TestKeysAfterFailedCleanUp: BlueMind can't be reached when the keys are to
// be deleted. The account is complete all the same, that is told, and the
// next run deletes them.
func TestKeysAfterFailedCleanUp(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(5)
	w.plan()
	w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "UNKNOWN", Method: "DELETE", Path: "/auth/keys"})
	warned := false
	w.opts.Events = func(e migrate.Event) {
		warned = warned || e.Kind == migrate.EventWarning && strings.Contains(e.Text, "keys")
	}
	w.complete()
	if alive := w.sim.Journal().KeysAlive(); len(alive) != 1 || !warned {
		t.Errorf("keys alive: %v, told: %t", alive, warned)
	}
	w.sim.Faults().Clear()
	w.complete()
	w.byKeysOnly()
}

// TestSessionsEnd: no session is left behind, neither the administrator's nor
// one that became a user, however the run ended.
func TestSessionsEnd(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	w.fill(10)
	w.plan()
	before := len(w.sim.Journal().Sessions())
	w.complete()
	w.source.AddUser("bruno@old.example", "changed")
	w.run()
	w.verify(migrate.RereadNone)
	if left := w.sim.Journal().Sessions(); len(left) != before {
		t.Errorf("sessions left: %v", left)
	}
	w.byKeysOnly()
}
