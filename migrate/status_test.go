package migrate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bmsync/migrate"
	"bmsync/state"
)

// books is a state file made by hand.
type books struct {
	*state.Store
	t      *testing.T
	dir    string
	target migrate.Target
}

const (
	digestNow = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed"
	validity  = 1_700_000_000
)

func newBooks(t *testing.T, dir, target string, rehearsal bool) *books {
	t.Helper()
	path := migrate.StatePath(dir, target)
	s, err := state.Open(t.Context(), path, state.Identity{Target: target, Installation: "bm-" + target, Version: 5, Rehearsal: rehearsal, URL: "https://" + target + ".example"})
	if err != nil {
		t.Fatal(err)
	}
	b := &books{Store: s, t: t, dir: dir, target: migrate.Target{Name: target, Rehearsal: rehearsal}}
	t.Cleanup(func() { b.must(s.Close()) })
	return b
}

func (b *books) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// account makes one in a state, with one folder.
func (b *books) account(name, how, reason, mend string) (state.Account, state.Folder) {
	b.t.Helper()
	a, err := b.EnsureAccount(b.t.Context(), state.Account{Source: "old", SourceLogin: name, Address: name + "@example.org", Kind: migrate.KindUser})
	b.must(err)
	a.State, a.Reason, a.Mend, a.PolicyDigest, a.AccountDigest = how, reason, mend, digestNow, "acc-"+name
	b.must(b.UpdateAccount(b.t.Context(), a))
	f, err := b.EnsureFolder(b.t.Context(), state.Folder{Account: a.ID, Source: "INBOX", Target: "INBOX", SrcUIDValidity: validity, Complete: true})
	b.must(err)
	return a, f
}

// row is a copied message of the ledger.
func row(uid uint32) state.Message {
	m := state.Message{SrcUIDValidity: validity, SrcUID: uid, DstUIDValidity: 1, DstUID: uid + 100, Size: 1000, State: state.Copied,
		InternalDate: time.Unix(1_600_000_000, 0).UTC()}
	m.SHA1[0], m.SHA256[0] = byte(uid), byte(uid)
	return m
}

func (b *books) status(plan *migrate.Plan) migrate.Status {
	b.t.Helper()
	st, err := migrate.GetStatus(b.t.Context(), migrate.StatusOptions{Target: b.target, StateDir: b.dir, Plan: plan})
	b.must(err)
	return st
}

func TestStatusWithoutState(t *testing.T) {
	dir := t.TempDir()
	_, err := migrate.GetStatus(t.Context(), migrate.StatusOptions{Target: migrate.Target{Name: "none"}, StateDir: dir})
	var input *migrate.InputError
	if !errors.As(err, &input) || len(input.Problems) != 1 || input.Problems[0].Mend != "bmsync run --target none" {
		t.Fatalf("got %v", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("a look left %v, %v", list, err)
	}
}

func TestStatusNamesThoseWhoNeedAPerson(t *testing.T) {
	b := newBooks(t, t.TempDir(), "test", true)
	for i := range migrate.MaxTroubles + 3 {
		b.account(fmt.Sprintf("blocked%02d", i), migrate.AccountBlocked, "the quota is full", "raise it")
	}
	b.account("partial", migrate.AccountPartial, "the line broke", "run again")
	b.account("crashed", migrate.AccountRunning, "", "")
	_, f := b.account("done", migrate.AccountComplete, "", "")
	refused := row(2)
	refused.State, refused.DstUID = state.Refused, 0
	b.must(b.Record(t.Context(), f.ID, []state.Message{row(1), refused}))
	st := b.status(nil)
	if len(st.NeedYou) != migrate.MaxTroubles || st.Accounts[migrate.AccountBlocked] != migrate.MaxTroubles+3 ||
		st.NeedYou[0] != (migrate.Trouble{Address: "blocked00@example.org", Reason: "the quota is full", Mend: "raise it"}) {
		t.Errorf("need you: %d of %d, %+v", len(st.NeedYou), st.Accounts[migrate.AccountBlocked], st.NeedYou[:1])
	}
	if len(st.Partial) != 2 || st.Partial[0].Address != "crashed@example.org" || st.Partial[1].Reason != "the line broke" {
		t.Errorf("partial: %+v", st.Partial)
	}
	want := []migrate.StateCount{{State: "copied", Messages: 1, Bytes: 1000}, {State: "present"}, {State: "excluded"},
		{State: "refused", Messages: 1, Bytes: 1000}, {State: "vanished"}, {State: "pending"}}
	if !slices.Equal(st.Messages, want) || st.Refused != 1 {
		t.Errorf("messages %+v", st.Messages)
	}
}

func TestStatusTellsARunAtWorkFromACrash(t *testing.T) {
	b := newBooks(t, t.TempDir(), "test", true)
	if st := b.status(nil); st.LastRun != nil {
		t.Errorf("before the first run: %+v", st.LastRun)
	}
	host, err := os.Hostname()
	b.must(err)
	id, err := b.BeginRun(t.Context(), state.Run{Name: "r1", Host: host, PID: 7, Command: "run", PolicyDigest: digestNow, Started: time.Now()})
	b.must(err)
	b.account("busy", migrate.AccountRunning, "", "")
	if st := b.status(nil); st.LastRun.State != migrate.RunAtWork || len(st.Partial) != 0 || st.PolicyDigest != digestNow {
		t.Errorf("at work: %+v, %+v", st.LastRun, st.Partial)
	}
	left, err := os.ReadFile(b.Path() + ".lock")
	b.must(err)
	b.must(b.Close())
	b.must(os.WriteFile(b.Path()+".lock", left, 0o600))
	if st := b.status(nil); st.LastRun.State != migrate.RunCrashed || len(st.Partial) != 1 {
		t.Errorf("crashed: %+v, %+v", st.LastRun, st.Partial)
	}
	again := newBooks(t, b.dir, "test", true)
	if st := b.status(nil); st.LastRun.State != migrate.RunCrashed {
		t.Errorf("crashed, and another process begins: %+v", st.LastRun)
	}
	b.must(again.EndRun(t.Context(), id, 0, "fine"))
	if st := b.status(nil); st.LastRun.State != migrate.RunEnded || st.LastRun.Ended == nil || st.LastRun.Summary != "fine" {
		t.Errorf("ended: %+v", st.LastRun)
	}
}

func TestStatusOfProductionCountsTheRehearsal(t *testing.T) {
	dir := t.TempDir()
	test := newBooks(t, dir, "test", true)
	a, _ := test.account("ada", migrate.AccountComplete, "", "")
	test.account("bea", migrate.AccountComplete, "", "") // not verified
	test.must(test.RecordVerification(t.Context(), state.Verification{Account: a.ID, PolicyDigest: digestNow, OK: true, At: time.Now()}))
	live := newBooks(t, dir, "live", false)
	_, err := live.BeginRun(t.Context(), state.Run{Name: "r1", PolicyDigest: digestNow, Started: time.Now()})
	live.must(err)
	st := live.status(nil)
	if st.Rehearsed == nil || st.Rehearsed.Accounts != 1 || !slices.Equal(st.Rehearsed.Targets, []string{"test"}) {
		t.Errorf("rehearsed %+v", st.Rehearsed)
	}
	if st := test.status(nil); st.Rehearsed != nil {
		t.Errorf("a rehearsal asks for a rehearsal: %+v", st.Rehearsed)
	}
	plan := &migrate.Plan{Header: migrate.PlanHeader{PolicyDigest: "other"}, Trailer: migrate.PlanTrailer{Accounts: 5}}
	live.account("ada", migrate.AccountComplete, "", "")
	if st := live.status(plan); st.Planned != 5 || st.NotBegun != 4 || st.PolicyDigest != "other" || st.Rehearsed.Accounts != 0 {
		t.Errorf("with a plan: %+v, %+v", st, st.Rehearsed)
	}
	if _, err := os.Stat(filepath.Join(dir, "live.db")); err != nil {
		t.Error(err)
	}
}
