package migrate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// identical wants every mailbox of ada's target to hold what the source's of the
// same name does, and no others with mail, but for what own names.
func (w *world) identical(when string, own ...string) {
	w.t.Helper()
	src, dst := w.readSource(w.rows[0]), w.read(w.opts.Target, w.rows[0].Address)
	maps.DeleteFunc(dst, func(name string, items []labtest.Item) bool { return len(items) == 0 || slices.Contains(own, name) })
	maps.DeleteFunc(src, func(name string, items []labtest.Item) bool { return len(items) == 0 })
	for _, d := range labtest.Compare(src, dst, nil) {
		w.t.Errorf("%s: %s", when, d)
	}
}

// folders are the names of all folders of ada's target.
func (w *world) folders() []string {
	w.t.Helper()
	return slices.Sorted(maps.Keys(w.read(w.opts.Target, w.rows[0].Address)))
}

// appends counts the messages that were uploaded to the target.
func (w *world) appends() int {
	w.t.Helper()
	return len(w.sim.Journal().Appends())
}

// lettersIn fills a folder of ada's at the source.
func (w *world) lettersIn(name string, first, n int) *imaptest.Mailbox {
	w.t.Helper()
	m := w.source.User("ada@old.example").CreateMailbox(name, imaptest.MailboxOptions{})
	for i := range n {
		m.Append(message(first + i))
	}
	return m
}

// TestRenamedFolders renames folders at the source between two runs: the target
// follows by RENAME, without another upload, and without another plan.
func TestRenamedFolders(t *testing.T) {
	for name, c := range map[string]struct {
		names  []string // copied at first
		rename func(ada *imaptest.User, w *world)
		want   []string // folders of the target that hold mail
		gone   []string // and names that must not be there
		fresh  int      // uploads of the second run
	}{
		"to another name": {names: []string{"Foo"}, want: []string{"Bar"}, gone: []string{"Foo"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Bar") }},
		"in case only": {names: []string{"projects", "projects/2020"}, want: []string{"Projects", "Projects/2020"}, gone: []string{"projects", "Projects (2)"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("projects", "Projects") }},
		"below another parent": {names: []string{"Foo", "Old"}, want: []string{"Old", "Old/Sub/Foo"}, gone: []string{"Foo"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Foo", "Old/Sub/Foo") }},
		"out of its parent": {names: []string{"Old", "Old/Foo"}, want: []string{"Old", "Foo"}, gone: []string{"Old/Foo"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Old/Foo", "Foo") }},
		"each to the other's": {names: []string{"A", "A/x", "B"}, want: []string{"A", "B", "B/x"}, gone: []string{"A/x", "A (renamed)"},
			rename: func(ada *imaptest.User, w *world) {
				ada.RenameMailbox("A", "tmp")
				ada.RenameMailbox("B", "A")
				ada.RenameMailbox("tmp", "B")
			}},
		"in a chain": {names: []string{"A", "B", "C"}, want: []string{"B", "C", "D"}, gone: []string{"A"},
			rename: func(ada *imaptest.User, w *world) {
				ada.RenameMailbox("C", "D")
				ada.RenameMailbox("B", "C")
				ada.RenameMailbox("A", "B")
			}},
		"and a new one made under the old name": {names: []string{"Foo"}, want: []string{"Bar", "Foo"}, fresh: 3,
			rename: func(ada *imaptest.User, w *world) {
				ada.RenameMailbox("Foo", "Bar")
				w.lettersIn("Foo", 500, 3)
			}},
		"parent and child at once": {names: []string{"P", "P/a", "P/b"}, want: []string{"Q", "Q/a", "Z"}, gone: []string{"P", "P/a", "Q/b"},
			rename: func(ada *imaptest.User, w *world) {
				ada.RenameMailbox("P", "Q")
				ada.RenameMailbox("Q/b", "Z")
			}},
		"with an accent, and children": {names: []string{"Été", "Été/a", "Été/a/b"}, want: []string{"Hiver", "Hiver/a", "Hiver/a/b"}, gone: []string{"Été", "Été/a"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Été", "Hiver") }},
		"to one with an accent": {names: []string{"Hiver", "Hiver/a"}, want: []string{"Été", "Été/a"}, gone: []string{"Hiver", "Hiver/a"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Hiver", "Été") }},
		"an empty one": {names: []string{"Empty"}, gone: []string{"Empty"},
			rename: func(ada *imaptest.User, w *world) { ada.RenameMailbox("Empty", "Bar") }},
		"and new mail came": {names: []string{"Foo"}, want: []string{"Bar"}, gone: []string{"Foo"}, fresh: 2,
			rename: func(ada *imaptest.User, w *world) {
				ada.RenameMailbox("Foo", "Bar")
				w.lettersIn("Bar", 600, 2)
				ada.Mailbox("Bar").SetFlags(1, `\Flagged`)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Limits.Settle = 10 * time.Millisecond
			for i, name := range c.names {
				w.lettersIn(name, 100*i, map[bool]int{true: 0, false: 5}[name == "Empty"])
			}
			w.lettersIn("INBOX", 900, 2)
			w.plan()
			w.complete()
			before := w.appends()
			c.rename(w.source.User("ada@old.example"), w)
			res := w.complete()
			if got := w.appends() - before; got != c.fresh || res.Copied != c.fresh {
				t.Errorf("%d messages were uploaded, %d copied, want %d", got, res.Copied, c.fresh)
			}
			w.identical("after the rename")
			have := w.folders()
			for _, name := range c.want {
				if !slices.Contains(have, name) {
					t.Errorf("no folder %q: %q", name, have)
				}
			}
			for _, name := range c.gone {
				if slices.Contains(have, name) {
					t.Errorf("folder %q is still there: %q", name, have)
				}
			}
			if again := w.complete(); again.Copied != 0 || w.appends() != before+c.fresh {
				t.Errorf("the next run copied %d", again.Copied)
			}
			w.plan() // the new plan knows the new names
			if again := w.complete(); again.Copied != 0 {
				t.Errorf("the run after another plan copied %d", again.Copied)
			}
			w.identical("after another plan")
			if res := w.verify(migrate.RereadAll); res.OK != 1 {
				t.Errorf("verify: %+v", res)
			}
			w.balanced("in the end")
		})
	}
}

// TestRenamedParentOfMany renames one with 30 children: by one RENAME.
func TestRenamedParentOfMany(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.lettersIn("P", 0, 3)
	for i := range 30 {
		w.lettersIn(fmt.Sprintf("P/%02d", i), 10+i, i%3) // some are empty
	}
	w.plan()
	w.complete()
	before := w.appends()
	w.source.User("ada@old.example").RenameMailbox("P", "Q")
	var told []migrate.Event
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventRenamed || e.Kind == migrate.EventWarning {
			told = append(told, e)
		}
	}
	if res := w.complete(); res.Copied != 0 || w.appends() != before {
		t.Errorf("copied %d", res.Copied)
	}
	w.identical("after the rename")
	have := w.folders()
	for i := range 30 {
		if name := fmt.Sprintf("Q/%02d", i); !slices.Contains(have, name) {
			t.Errorf("no folder %q", name)
		}
	}
	if slices.ContainsFunc(have, func(name string) bool { return name == "P" || strings.HasPrefix(name, "P/") }) {
		t.Errorf("left behind: %q", have)
	}
	for _, e := range told {
		if e.Kind == migrate.EventWarning {
			t.Errorf("warned: %+v", e)
		}
	}
	if len(told) != 31 {
		t.Errorf("%d events, want 31", len(told))
	}
}
