package migrate_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestRenamedFoldersThatCannotFollow renames folders at the source whose target
// can't be renamed: nothing is lost, nothing is there twice, nothing of others is
// touched, and the runs go on.
func TestRenamedFoldersThatCannotFollow(t *testing.T) {
	for name, c := range map[string]struct {
		names  []string
		policy func(*migrate.Policy)
		user   func(w *world) // on the target, before
		rename func(ada *imaptest.User, w *world)
		want   map[string]int
		hers   string // folder that stays
	}{
		"a folder of hers lies in it": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Bar": 5}, hers: "Foo/Hers",
			user: func(w *world) {
				w.asOwner(func(ctx context.Context, s *imap.Target) { w.must(s.Create(ctx, "Foo/Hers")) })
			},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"its new name is taken by hers": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Bar": 6},
			user: func(w *world) {
				w.asOwner(func(ctx context.Context, s *imap.Target) { w.must(s.Create(ctx, "Bar")) })
				w.files("Bar", 5000)
			},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"one of BlueMind's own": {names: []string{"Éléments envoyés"}, want: map[string]int{"INBOX": 2, "Old": 5},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Éléments envoyés", "Old") }},
		"to one of BlueMind's own": {names: []string{"Old"}, want: map[string]int{"INBOX": 2, "Sent": 5},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Old", "Éléments envoyés") }},
		"a name that BlueMind 5 doesn't answer to": {names: []string{"R&D"}, want: map[string]int{"INBOX": 2, "Bar": 5},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("R&-D", "Bar"); ada.RenameMailbox("R&D", "Bar") }},
		"out of the policy's map": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Bar": 5},
			policy: func(p *migrate.Policy) { p.Folders.Map = map[string]string{"Foo": "Deep/Er"} },
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"into the policy's map": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Deep/Er": 5},
			policy: func(p *migrate.Policy) { p.Folders.Map = map[string]string{"Bar": "Deep/Er"} },
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"within the policy's map": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Deep": 5},
			policy: func(p *migrate.Policy) {
				p.Folders.Rules = []migrate.FolderRule{{Match: "Foo|Bar", To: "Deep"}}
			},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"one of two that go together": {names: []string{"Foo", "Baz"}, want: map[string]int{"INBOX": 2, "Deep": 10},
			policy: func(p *migrate.Policy) {
				p.Folders.Rules = []migrate.FolderRule{{Match: "Foo|Baz", To: "Deep"}}
			},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"to a name that the policy leaves out": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Foo": 5},
			policy: func(p *migrate.Policy) { p.Folders.Exclude = []string{"Bar"} },
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"with mail of hers, and its name has another": {names: []string{"Foo"}, want: map[string]int{"INBOX": 2, "Foo": 6, "Foo (2)": 3},
			user: func(w *world) { w.files("Foo", 5000) },
			rename: func(ada *imaptest.User, w *world) {
				ada.RenameMailbox("Foo", "Bar")
				w.lettersIn("Foo", 700, 3)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Limits.Settle = 10 * time.Millisecond
			if c.policy != nil {
				c.policy(&w.policy)
			}
			for i, name := range c.names {
				w.lettersIn(name, 100*i, 5)
			}
			w.lettersIn("INBOX", 900, 2)
			w.plan()
			w.complete()
			if c.user != nil {
				c.user(w)
			}
			uploads := w.appends()
			c.rename(w.source.User("ada@old.example"), w)
			w.complete()
			w.wantCounts("renamed", c.want)
			if n, fresh := w.appends()-uploads, c.want["Foo (2)"]; n != fresh {
				t.Errorf("%d were uploaded, want %d", n, fresh)
			}
			w.complete()
			w.plan()
			w.complete()
			w.wantCounts("after another plan", c.want)
			if have := w.folders(); c.hers != "" && !slices.Contains(have, c.hers) {
				t.Errorf("%q is not where it was: %q", c.hers, have)
			}
		})
	}
}

// TestRenamedOnceLive renames folders when the account was handed over: the
// target keeps its names, nothing is copied again, and new mail goes where the
// folder's mail is.
func TestRenamedOnceLive(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Limits.Settle = 10 * time.Millisecond
	w.policy.Folders.SplitByYear = []string{"Big"}
	ada := w.source.User("ada@old.example")
	for i, name := range []string{"INBOX", "A", "B", "Foo", "Foo/x"} {
		w.lettersIn(name, 100*i, 4)
	}
	for i := range 6 {
		w.lettersIn("Big", 0, 0).Append(dated(800+i, time.Date(2018+i%2, 2, 3, 4, 5, i, 0, time.UTC)))
	}
	w.plan()
	w.opts.Final = true
	w.complete()
	w.opts.Final = false
	want := map[string]int{"INBOX": 4, "A": 4, "B": 4, "Foo": 4, "Foo/x": 4, "Big/2018": 3, "Big/2019": 3}
	w.wantCounts("live", want)
	ada.RenameMailbox("A", "tmp")
	ada.RenameMailbox("B", "A")
	ada.RenameMailbox("tmp", "B")
	ada.RenameMailbox("Foo", "Bar")
	ada.RenameMailbox("Big", "Huge")
	w.lettersIn("Foo", 600, 2) // another of that name
	w.lettersIn("B", 610, 1)   // which is A on the target
	w.lettersIn("Huge", 0, 0).Append(dated(820, time.Date(2019, 2, 3, 4, 5, 6, 0, time.UTC)))
	for range 2 {
		w.complete()
		w.wantCounts("renamed", map[string]int{"INBOX": 4, "A": 5, "B": 4, "Foo": 4, "Foo/x": 4, "Foo (2)": 2, "Big/2018": 3, "Big/2019": 4})
		w.plan()
	}
	if res := w.verify(migrate.RereadAll); res.OK != 1 {
		t.Errorf("verify: %+v", res.Failed)
	}
	w.balanced("renamed")
}

// TestRemovalCutAtEachCommand ends every session of a run from one command on,
// before it is done or after it, while folders that are gone from the source are
// removed. The next run ends as an undisturbed one does.
func TestRemovalCutAtEachCommand(t *testing.T) {
	for _, kind := range []bmsim.IMAPFaultKind{bmsim.Bye, bmsim.CutDone} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Limits.Settle, w.opts.Limits.Retries = 10*time.Millisecond, 1
			w.lettersIn("INBOX", 0, 50)
			w.plan()
			w.complete()
			step, at := 1, 0
			if testing.Short() {
				step = 5
			}
			for cut := true; cut; at += step {
				w.lettersIn("Foo", 100, 2)
				w.lettersIn("Foo/Sub", 200, 2)
				w.lettersIn("Bar", 300, 1)
				w.complete()
				w.deleted("Foo/Sub", "Foo", "Bar")
				if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: kind, Verb: "*", Skip: at, Text: "going down"}); err != nil {
					t.Fatal(err)
				}
				res := w.run()
				cut = res.Outcome() != migrate.Complete
				w.sim.Faults().Clear()
				w.complete()
				w.identical("cut at a command")
				if have := w.folders(); slices.ContainsFunc(have, func(name string) bool { return strings.HasPrefix(name, "Foo") || name == "Bar" }) {
					t.Fatalf("cut at command %d: left behind: %q", at, have)
				}
			}
			if at < 25 {
				t.Errorf("the run ended after %d commands", at)
			}
			t.Logf("%d commands", at)
		})
	}
}
