package migrate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// TestRehearseAndReplay goes the whole way: rehearse on one BlueMind, be let
// through the gate, replay on another, prove both.
func TestRehearseAndReplay(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno", "chloe")
	w.fill(80)
	w.plan()
	rehearsal := w.opts.Target

	other := newWorld(t, bmsim.Config{})
	production := w.target("production", other.sim, false)
	w.opts.Target = production
	_, err := migrate.Run(t.Context(), w.opts)
	var gate *migrate.GateError
	if !errors.As(err, &gate) {
		t.Fatalf("production before any rehearsal: %v", err)
	}
	w.opts.Target = rehearsal
	w.complete()
	w.same(rehearsal)
	w.byKeysOnly()
	appends := len(w.sim.Journal().Appends())
	if res := w.complete(); res.Copied != 0 || len(w.sim.Journal().Appends()) != appends {
		t.Errorf("the second run copied %d, the target saw %d more appends", res.Copied, len(w.sim.Journal().Appends())-appends)
	}
	w.opts.Target = production
	if _, err := migrate.Run(t.Context(), w.opts); !errors.As(err, &gate) {
		t.Fatalf("production before the rehearsal was verified: %v", err)
	}
	w.opts.Target = rehearsal
	if res := w.verify(migrate.RereadAll); res.OK != 3 || res.Reread != res.Messages || res.Messages == 0 {
		t.Fatalf("verify: %+v", res)
	}
	w.opts.Target = production
	w.complete()
	w.same(production)
	if writes := w.source.Journal().Writes(); len(writes) > 0 {
		t.Errorf("the source saw %v", writes)
	}
	w.byKeysOnly()

	w.policy.Folders.Junk = migrate.Copy // another policy is not rehearsed
	w.plan()
	if _, err := migrate.Run(t.Context(), w.opts); !errors.As(err, &gate) {
		t.Errorf("production with another policy: %v", err)
	}
	w.opts.WithoutRehearsal = "a test says so"
	w.complete()
}

// TestRunWithLateCommits cuts connections again and again, with the target
// executing later what it had received.
func TestRunWithLateCommits(t *testing.T) {
	tests := map[string]bmsim.IMAPFault{
		"all at once":         {Kind: bmsim.LateCommit, Times: 6, Skip: 3, Count: 9, Delay: 30 * time.Millisecond},
		"message by message":  {Kind: bmsim.LateCommit, Times: 6, Skip: 3, Count: 9, Delay: 10 * time.Millisecond, Gap: 15 * time.Millisecond},
		"after settling":      {Kind: bmsim.LateCommit, Times: 3, Skip: 5, Count: 9, Delay: 400 * time.Millisecond},
		"stored, not told":    {Kind: bmsim.DropStored, Times: 9, Skip: 2},
		"lost":                {Kind: bmsim.DropLost, Times: 9, Skip: 2},
		"cut in the literal":  {Kind: bmsim.CutLiteral, Times: 9, Skip: 2, Bytes: 20},
		"its own trouble":     {Kind: bmsim.UnknownError, Times: 5, Skip: 2, Text: "parse timeout"},
		"BYE":                 {Kind: bmsim.Bye, Times: 5, Skip: 4, Text: "shutting down"},
		"BYE at any command":  {Kind: bmsim.Bye, Verb: "*", Times: 5, Skip: 7},
		"slow, then answered": {Kind: bmsim.SlowIMAP, Times: 5, Delay: 20 * time.Millisecond},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada", "bruno")
			w.fill(60)
			w.plan()
			if name == "after settling" {
				// The copy goes on, appends again, and finds the second copy at
				// its last look, which waits as long as it was told to.
				w.opts.Limits.Settle = 250 * time.Millisecond
			}
			if err := w.sim.Faults().AddIMAP(fault); err != nil {
				t.Fatal(err)
			}
			for try := 0; ; try++ {
				res := w.run()
				if res.Outcome() == migrate.Complete {
					break
				}
				if try > 8 {
					t.Fatalf("never complete: %+v", res.Notable)
				}
			}
			if name == "after settling" {
				time.Sleep(500 * time.Millisecond) // nothing may come after this
				w.complete()
			}
			w.same(w.opts.Target)
			w.byKeysOnly()
			if res := w.verify(migrate.RereadNone); res.OK != 2 {
				t.Errorf("verify: %+v", res.Failed)
			}
		})
	}
}

// TestRunAgainstLyingTarget never ends green where the target confirms and
// doesn't keep its word.
func TestRunAgainstLyingTarget(t *testing.T) {
	for _, kind := range []bmsim.IMAPFaultKind{bmsim.WrongUID, bmsim.WrongSHA1, bmsim.Altered, bmsim.AlteredHidden, bmsim.Lost} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
			for i := range 20 {
				box.Append(message(i))
			}
			w.plan()
			if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: kind, Skip: 4, Times: 1}); err != nil {
				t.Fatal(err)
			}
			res := w.run()
			w.sim.Faults().Clear()
			proof := w.verify(migrate.RereadAll)
			if res.Outcome() == migrate.Complete && proof.OK == 1 {
				t.Errorf("complete and proven, though the target lied")
			}
			if kind != bmsim.AlteredHidden && res.Outcome() != migrate.Blocked {
				t.Errorf("the run itself ended with %v: %+v", res.Outcome(), res.Notable)
			}
			w.byKeysOnly()
		})
	}
}

// TestRunOnRestoredTarget restores the target to what it was before the run:
// same identity, same UIDVALIDITYs. No run may end green while mail is missing.
func TestRunOnRestoredTarget(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	w.fill(40)
	w.plan()
	w.sim.Close()
	dir := filepath.Join(w.dir, "bluemind")
	conf := bmsim.Config{Dir: dir, Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada"}, {Login: "bruno"}}}}}
	w.start(conf)
	w.sim.Close()
	snapshot := filepath.Join(w.dir, "snapshot")
	if err := os.CopyFS(snapshot, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	w.start(conf)
	w.complete()
	w.sim.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(snapshot, dir); err != nil {
		t.Fatal(err)
	}
	w.start(conf)
	for range 2 {
		res := w.run()
		if res.Outcome() != migrate.Blocked {
			t.Fatalf("a run on the restored target ended with %v: %+v", res.Outcome(), res.Notable)
		}
	}
	if n := len(w.sim.Journal().Appends()); n > 0 {
		t.Errorf("%d messages were appended", n)
	}
	if proof := w.verify(migrate.RereadNone); proof.OK > 0 {
		t.Errorf("%d accounts proven on the restored target", proof.OK)
	}
	w.opts.Recopy = []string{"ada@" + domain, "bruno@" + domain}
	w.complete()
	w.same(w.opts.Target)
	w.opts.Recopy = nil
	w.complete()
	w.byKeysOnly()
}

func TestRunSourceTrouble(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno", "chloe")
	w.fill(30)
	w.plan()
	sources := w.opts.Sources["old"]
	good := sources.Credentials
	w.source.AddUser("bruno@old.example", "changed meanwhile")
	res := w.run()
	if res.States[migrate.AccountComplete] != 2 || res.States[migrate.AccountBlocked] != 1 || res.Outcome() != migrate.Blocked {
		t.Errorf("one wrong password among three: %+v", res)
	}
	w.source.AddUser("bruno@old.example", "pw-bruno")
	sources.Credentials = good
	w.complete()
	w.byKeysOnly()
}

func TestRunTokens(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada"}}}}}, "ada")
	w.fill(20)
	w.plan()
	w.complete()

	other := w.opts // another host, with a state of its own, is at work
	other.StateDir = filepath.Join(w.dir, "elsewhere")
	w.holdKey("bmsync someone-else until " + time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	res, err := migrate.Run(t.Context(), other)
	if err != nil || res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "another run") {
		t.Errorf("beside a live run: %v, %+v", err, res.Notable)
	}
	if alive := w.sim.Journal().KeysAlive(); len(alive) != 1 {
		t.Errorf("keys alive: %v; the other run's must be left alone", alive)
	}
	w.dropKeys()
	w.holdKey("bmsync crashed until " + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
	w.holdKey("somebody's own key")
	w.complete()
	if n := w.sim.Journal().KeysAlive(); len(n) != 1 {
		t.Errorf("keys alive: %v; want only the user's own", n)
	}
}

func TestRunKeepsSecondProcessOut(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(10)
	w.plan()
	w.complete()
	s, err := state.Open(t.Context(), migrate.StatePath(w.opts.StateDir, "test"), identityOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = migrate.Run(t.Context(), w.opts)
	var locked *state.LockedError
	if !errors.As(err, &locked) {
		t.Errorf("two processes on one state: %v", err)
	}
}

func identityOf(t *testing.T, w *world) state.Identity {
	t.Helper()
	s, err := state.OpenReadOnly(t.Context(), migrate.StatePath(w.opts.StateDir, "test"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRunOtherInstallation(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(10)
	w.plan()
	w.complete()
	w.start(bmsim.Config{}) // another BlueMind under the same name
	_, err := migrate.Run(t.Context(), w.opts)
	var other *state.IdentityError
	if !errors.As(err, &other) {
		t.Errorf("a target of another identity: %v", err)
	}
}

func TestRunInterrupted(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	w.fill(120)
	w.plan()
	stop := make(chan struct{})
	w.opts.Stop = stop
	w.opts.Limits.BatchMessages = 4
	n := 0
	w.opts.Limits.Accounts = 1
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress {
			if n++; n == 3 {
				close(stop)
			}
		}
	}
	res := w.run()
	if res.Outcome() != migrate.Interrupted {
		t.Errorf("interrupted, and ended with %v", res.Outcome())
	}
	w.byKeysOnly()
	copied := res.Copied
	w.opts.Stop, w.opts.Events = nil, nil
	rest := w.complete()
	if total := len(w.sim.Journal().Appends()); copied+rest.Copied != total {
		t.Errorf("%d and %d copied, the target saw %d", copied, rest.Copied, total)
	}
	w.same(w.opts.Target)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := migrate.Run(ctx, w.opts); err == nil {
		t.Error("a run whose context has ended says nothing")
	}
	w.byKeysOnly()
}

func TestRunREST(t *testing.T) {
	tests := map[string][]bmsim.Fault{
		"503 for a while":          {{Kind: bmsim.Unavailable, Times: 3}},
		"504 after creating":       {{Kind: bmsim.Late, Method: "PUT", Path: "/users/", Times: 1}},
		"504 after making a key":   {{Kind: bmsim.Late, Method: "PUT", Path: "/auth/keys", Times: 1}},
		"504 after deleting":       {{Kind: bmsim.Late, Method: "DELETE", Path: "/auth/keys", Times: 1}},
		"user without folders":     {{Kind: bmsim.Hook, Times: 1}},
		"503 at making the user":   {{Kind: bmsim.Unavailable, Method: "PUT", Path: "/users/", Times: 2}},
		"503 at becoming the user": {{Kind: bmsim.Unavailable, Path: "/auth/_su", Times: 2}},
	}
	for name, faults := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.fill(12)
			w.plan()
			w.sim.Faults().Add(faults...)
			if res := w.run(); res.Outcome() != migrate.Complete {
				w.complete()
			}
			w.same(w.opts.Target)
			w.byKeysOnly()
		})
	}
}

func TestRunSessionDies(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	w.fill(60)
	w.plan()
	w.opts.Limits.Accounts, w.opts.Limits.BatchMessages = 1, 4
	n := 0
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress {
			if n++; n%3 == 0 {
				w.sim.ExpireSessions()
			}
		}
	}
	w.complete()
	w.same(w.opts.Target)
	w.byKeysOnly()
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	w.fill(40)
	w.plan()
	writes := len(w.sim.Journal().Writes())
	res, err := migrate.DryRun(t.Context(), w.opts)
	if err != nil {
		t.Fatal(err)
	}
	if res.Copied == 0 || len(res.Notable) != 2 || !strings.Contains(res.Notable[0].Would, "create user") {
		t.Errorf("dry run: %+v", res)
	}
	for _, c := range w.sim.Journal().Writes()[writes:] {
		t.Errorf("a dry run called %s %s", c.Method, c.Path)
	}
	if n := len(w.sim.Journal().Logins()); n > 0 {
		t.Errorf("a dry run logged in %d times over IMAP", n)
	}
	if _, err := os.Stat(w.opts.StateDir); err == nil {
		t.Error("a dry run made a state")
	}
	want := res.Copied
	if got := w.complete().Copied; got != want {
		t.Errorf("dry run said %d messages, the run copied %d", want, got)
	}
	if res, err = migrate.DryRun(t.Context(), w.opts); err != nil || res.Copied != 0 {
		t.Errorf("a dry run after the run: %d messages, %v", res.Copied, err)
	}
}

func TestNonEmptyTarget(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(40)
	w.plan()
	w.complete()
	w.opts.StateDir = filepath.Join(w.dir, "a lost state")
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "already") {
		t.Fatalf("a mailbox that is filled and unknown: %+v", res)
	}
	w.policy.IntoNonEmpty = true
	w.plan()
	appends := len(w.sim.Journal().Appends())
	w.complete()
	if n := len(w.sim.Journal().Appends()) - appends; n > 0 {
		t.Errorf("%d messages were appended again", n)
	}
	w.same(w.opts.Target)
}
