package migrate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/migrate/objects"
	"bmsync/state"
)

func (e *estate) undo(do bool, addresses ...string) migrate.Undone {
	e.t.Helper()
	res, err := migrate.Undo(e.t.Context(), migrate.UndoOptions{RunOptions: e.opts, Addresses: addresses, Do: do})
	if err != nil {
		e.t.Fatalf("undo: %v", err)
	}
	return res
}

// TestUndo takes everything back that a run made, and a run makes it again.
func TestUndo(t *testing.T) {
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := small(t, conf)
			blank := e.sim.Snapshot()
			e.objects()
			made := e.sim.Snapshot()
			var told migrate.Undone
			e.quiet("to say it", func() { told = e.undo(false) })
			if n := told.Objects.Count("", objects.Withdrawn); n != told.Recorded || n < 11 || told.Done {
				t.Errorf("told: %+v", told)
			}
			done := e.undo(true)
			if n := done.Objects.Count("", objects.Withdrawn); n != told.Recorded || len(done.Objects.Failed)+len(done.Left) > 0 {
				t.Errorf("done: %+v", done)
			}
			if got := e.sim.Snapshot(); got != blank {
				t.Errorf("left over: %s", firstDifference(got, blank))
			}
			if again := e.undo(true); again.Recorded != 0 {
				t.Errorf("again: %+v", again)
			}
			e.objects()
			if got := e.sim.Snapshot(); got != made {
				t.Errorf("made anew: %s", firstDifference(got, made))
			}
		})
	}
}

// TestUndoAfterACut takes back what a run left that was cut at a call.
func TestUndoAfterACut(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.opts.Limits.Provision = 1
	blank := e.sim.Snapshot()
	step := 5
	if testing.Short() {
		step = 25
	}
	for at := 1; ; at += step {
		kind := []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter}[at%2]
		reached := e.interrupted(cut{at, kind})
		if at > 3 { // before, there may be no state yet
			e.undo(true)
		}
		if got := e.sim.Snapshot(); got != blank {
			t.Fatalf("cut at %d: %s", at, firstDifference(got, blank))
		}
		if reached < at {
			break
		}
	}
	e.keyless()
}

// TestUndoKeepsMail takes back what is empty; what holds mail stays, with its
// domain, and is said to.
func TestUndoKeepsMail(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.source.User("ada").CreateMailbox("Letters", imaptest.MailboxOptions{}).Append(message(1))
	e.replan()
	e.complete()
	// What a crash left: it goes before its user does.
	login, err := e.admin().Su(t.Context(), "bru", "a.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := login.CreateKey(t.Context(), strings.Replace(leased, "2999", "1999", 1)); err != nil {
		t.Fatal(err)
	}
	store := e.lock()
	var locked *state.LockedError
	if _, err := migrate.Undo(t.Context(), migrate.UndoOptions{RunOptions: e.opts, Do: true}); !errors.As(err, &locked) {
		t.Errorf("while a run is at work: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if one := e.undo(true, "chloe@b.example"); one.Objects.Count("", objects.Withdrawn) != 1 || !slices.Equal(one.Forgotten, []string{"chloe@b.example"}) {
		t.Errorf("one of them: %+v", one)
	}
	var input *migrate.InputError
	if _, err := migrate.Undo(t.Context(), migrate.UndoOptions{RunOptions: e.opts, Addresses: []string{"nobody@a.example"}}); !errors.As(err, &input) {
		t.Errorf("one whom no run made: %v", err)
	}
	res := e.undo(true)
	kept := map[string]string{}
	for _, o := range res.Objects.Notable {
		if o.Action == objects.Kept {
			kept[o.Name] = o.Reason
			if o.Mend == "" {
				t.Errorf("kept without a mend: %+v", o)
			}
		}
	}
	if len(kept) != 2 || !strings.Contains(kept["ada@a.example"], "1 messages, and bmsync copied 1") || kept["a.example"] == "" || res.Keys != 1 {
		t.Errorf("kept %q, %d keys; %+v", kept, res.Keys, res)
	}
	if res.Left["user"] != 1 || res.Left["domain"] != 1 || len(res.Left) != 2 {
		t.Errorf("left %+v", res.Left)
	}
	e.keyless()
	e.complete()
	if proof := e.verify(migrate.RereadAll); proof.OK != 4 {
		t.Errorf("after all: %+v", proof.Failed)
	}
}

// TestUndoBesideAnotherRun keeps a user on whom another host is at work.
func TestUndoBesideAnotherRun(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.objects()
	bruno, err := e.admin().Su(t.Context(), "bru", "a.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bruno.CreateKey(t.Context(), leased); err != nil {
		t.Fatal(err)
	}
	res := e.undo(true)
	if n := res.Objects.Count(objects.KindUser, objects.Kept); n != 1 || res.Keys != 0 || res.Left["user"] != 1 {
		t.Errorf("%+v", res)
	}
	if alive := e.sim.Journal().KeysAlive(); len(alive) != 1 {
		t.Errorf("keys alive: %v", alive)
	}
}

// TestUndoNeedsTheState: on another machine nobody knows what runs made.
func TestUndoNeedsTheState(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.objects()
	e.opts.StateDir = t.TempDir()
	var none *migrate.NoRecordError
	if _, err := migrate.Undo(t.Context(), migrate.UndoOptions{RunOptions: e.opts, Do: true}); !errors.As(err, &none) {
		t.Errorf("without the state: %v", err)
	}
}

// TestUndoLeavesWhatOthersMade withdraws nothing that was there before.
func TestUndoLeavesWhatOthersMade(t *testing.T) {
	e := small(t, bmsim.Config{Domains: []bmsim.Domain{{Name: "a.example", Aliases: []string{"alias.example"}, Users: []bmsim.User{{Login: "ada"}}}}})
	e.policy.Users.Update = false
	e.replan()
	before := e.sim.Snapshot()
	opts := e.opts
	opts.Objects = true
	if _, err := migrate.Run(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	e.undo(true)
	if got := e.sim.Snapshot(); got != before {
		t.Errorf("%s", firstDifference(got, before))
	}
}
