package migrate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/state"
)

const leased = "bmsync 20260101T000000Z-elsewhere-1-abcdef until 2999-01-01T00:00:00Z"

func (w *world) sweep(addresses ...string) migrate.Sweep {
	w.t.Helper()
	res, err := migrate.SweepTokens(w.t.Context(), migrate.SweepOptions{RunOptions: w.opts, Addresses: addresses, Rows: w.rows})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// keyNames are the display names of ada's keys.
func (w *world) keyNames() []string {
	w.t.Helper()
	keys, err := w.asAda().Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.DisplayName)
	}
	slices.Sort(names)
	return names
}

// TestSweepWithoutState sweeps by accounts.csv alone: all of our keys, nobody
// else's, and no user is made or become that isn't there.
func TestSweepWithoutState(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada"}},
		Shares: []bmsim.Share{{Name: "support", Emails: []string{"support@" + domain}}}}}}, "ada", "nobody", "support")
	w.rows = append(w.rows, migrate.Row{Address: "eve@unknown.example"})
	for _, name := range []string{leased, "bmsync of another kind", "her phone", "bmsync-admin"} {
		w.holdKey(name)
	}
	res := w.sweep()
	if res.Accounts != 4 || res.Users != 1 || res.Keys != 2 || len(res.Failed) > 0 || res.Interrupted {
		t.Errorf("got %+v", res)
	}
	if got := w.keyNames(); !slices.Equal(got, []string{"bmsync-admin", "her phone"}) {
		t.Errorf("left: %v", got)
	}
	for _, c := range w.sim.Journal().Calls() {
		if strings.HasSuffix(c.Path, "/_su") && !strings.Contains(c.Query, "ada") || c.Method == "PUT" && c.Path != "/auth/keys" {
			t.Errorf("called %s %s %s", c.Method, c.Path, c.Query)
		}
	}
	if again := w.sweep(); again.Keys != 0 || again.Users != 1 {
		t.Errorf("again: %+v", again)
	}
	if _, err := migrate.GetStatus(t.Context(), migrate.StatusOptions{Target: w.opts.Target, StateDir: w.opts.StateDir}); err == nil {
		t.Error("the sweep made a state file")
	}
}

// TestSweepWithState goes by the state's accounts, and not while a run of this
// host has it.
func TestSweepWithState(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.source.User("ada@old.example").Mailbox("INBOX").Append(message(1))
	w.plan()
	w.complete()
	w.holdKey(leased)
	rows := w.rows
	w.rows = nil
	if res := w.sweep("nobody@" + domain); res.Accounts != 1 || res.Users != 0 || res.Keys != 0 {
		t.Errorf("another address: %+v", res)
	}
	store := w.lock()
	_, err := migrate.SweepTokens(t.Context(), migrate.SweepOptions{RunOptions: w.opts})
	var locked *state.LockedError
	if !errors.As(err, &locked) {
		t.Errorf("while a run holds the state: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.keyNames(); len(got) != 1 {
		t.Errorf("keys of a run at work were swept: %v", got)
	}
	if res := w.sweep(); res.Accounts != 1 || res.Keys != 1 {
		t.Errorf("by the state: %+v", res)
	}
	w.holdKey(leased)
	w.rows = rows
	stopped := make(chan struct{})
	close(stopped)
	w.opts.Stop = stopped
	if res := w.sweep(); !res.Interrupted || res.Accounts != 0 {
		t.Errorf("interrupted: %+v", res)
	}
	w.opts.Stop = nil
	if res := w.sweep("ADA@" + domain); res.Keys != 1 {
		t.Errorf("by her address: %+v", res)
	}
	w.byKeysOnly()
}

// lock holds the state as a run does.
func (w *world) lock() *state.Store {
	w.t.Helper()
	path := migrate.StatePath(w.opts.StateDir, w.opts.Target.Name)
	reading, err := state.OpenReadOnly(w.t.Context(), path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer reading.Close()
	id, err := reading.Identity(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	store, err := state.Open(w.t.Context(), path, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return store
}

// TestForgetAccountStartsItAnew forgets an account, and sees that the next run
// stops at its mail, and that --recopy recognises it.
func TestForgetAccountStartsItAnew(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bea")
	w.fill(20)
	w.plan()
	w.complete()
	w.verify(migrate.RereadNone)
	o := migrate.ForgetOptions{Target: w.opts.Target, StateDir: w.opts.StateDir, Address: "ada@" + domain}
	told, err := migrate.ForgetAccount(t.Context(), o)
	if err != nil || len(told) != 1 || told[0].Done || !told[0].Verified || told[0].State != migrate.AccountComplete || told[0].Messages[0].Messages == 0 {
		t.Fatalf("told %+v, %v", told, err)
	}
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("it was forgotten without being asked for: %+v", res)
	}
	o.Do, o.Now = true, time.Now
	if done, err := migrate.ForgetAccount(t.Context(), o); err != nil || len(done) != 1 || !done[0].Done {
		t.Fatalf("done %+v, %v", done, err)
	}
	st, err := migrate.GetStatus(t.Context(), migrate.StatusOptions{Target: w.opts.Target, StateDir: w.opts.StateDir})
	if err != nil || st.Accounts[migrate.AccountComplete] != 1 || st.LastRun.Command != "reset ada@"+domain || st.LastRun.State != migrate.RunEnded {
		t.Errorf("status %+v, %+v, %v", st, st.LastRun, err)
	}
	if res := w.run(); res.States[migrate.AccountBlocked] != 1 || res.Copied != 0 {
		t.Errorf("the next run: %+v", res)
	}
	w.opts.Recopy = []string{"ada@" + domain}
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("with --recopy: %+v", res)
	}
	w.opts.Recopy = nil
	w.same(w.opts.Target)
	var input *migrate.InputError
	o.Address = "nobody@" + domain
	if _, err := migrate.ForgetAccount(t.Context(), o); !errors.As(err, &input) {
		t.Errorf("an account that nobody knows: %v", err)
	}
}
