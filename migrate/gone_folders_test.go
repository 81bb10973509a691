package migrate_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// asOwner opens a session on the target as its user has one, to work there.
func (w *world) asOwner(do func(ctx context.Context, s *imap.Target)) {
	w.t.Helper()
	w.withKey(w.opts.Target, w.rows[0].Address, func(ctx context.Context, secret string) {
		s, err := imap.DialTarget(ctx, w.opts.Target.IMAP, imap.Token{Address: w.rows[0].Address, Secret: secret}, imap.Options{})
		if err != nil {
			w.t.Fatal(err)
		}
		defer s.Close()
		do(ctx, s)
	})
}

// must is for steps that can't fail.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// files puts a message of the user's own into a folder of the target.
func (w *world) files(folder string, n int) {
	w.t.Helper()
	w.asOwner(func(ctx context.Context, s *imap.Target) {
		m := message(n)
		a, err := s.Appender(ctx, folder)
		w.must(err)
		defer a.Close()
		w.must(a.Send(ctx, []imap.Append{{InternalDate: m.InternalDate, Size: int64(len(m.Body)), Body: bytes.NewReader(m.Body)}}))
		_, err = a.Receive(ctx)
		w.must(err)
	})
}

// deleted removes folders at the source with their mail.
func (w *world) deleted(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if !w.source.User("ada@old.example").DeleteMailbox(name) {
			w.t.Fatalf("no folder %q", name)
		}
	}
}

// TestGoneFolders removes from the target what is gone from the source: the
// messages, then the empty folders that runs made, and no others.
func TestGoneFolders(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Limits.Settle = 10 * time.Millisecond
	w.asOwnerBefore(func(ctx context.Context, s *imap.Target) { w.must(s.Create(ctx, "Hers")) })
	for i, name := range []string{"INBOX", "Foo", "Foo/Sub", "Été", "Été/a", "Hers", "Kept", "Lone/deep/er", "Sent", "Templates"} {
		w.lettersIn(name, 100*i, 4)
	}
	w.plan()
	w.complete()
	w.files("Kept", 5000)
	w.deleted("Foo/Sub", "Foo", "Été/a", "Été", "Hers", "Kept", "Lone/deep/er", "Templates")
	w.plan() // the plan must not be in the way
	w.opts.AllowDeletions = true
	var removed []string
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventRemoved {
			removed = append(removed, e.Folder)
		}
	}
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("copied %d", res.Copied)
	}
	w.identical("after the removal", "Kept")
	have := w.folders()
	for _, name := range []string{"Foo", "Foo/Sub", "Été", "Été/a", "Lone/deep/er", "Lone/deep", "Lone"} {
		if slices.Contains(have, name) {
			t.Errorf("%q is still there: %q", name, have)
		}
	}
	for _, name := range []string{"Hers", "Kept", "Sent", "Templates"} {
		if !slices.Contains(have, name) {
			t.Errorf("%q is gone: %q", name, have)
		}
	}
	if len(removed) != 7 {
		t.Errorf("removed %q", removed)
	}
	if got := w.read(w.opts.Target, w.rows[0].Address)["Kept"]; len(got) != 1 {
		t.Errorf("her own mail: %d messages", len(got))
	}
	w.balanced("after the removal")
	if res := w.verify(migrate.RereadAll); res.OK != 1 {
		t.Errorf("verify: %+v", res.Failed)
	}
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("the next run copied %d", res.Copied)
	}
	w.lettersIn("Foo", 700, 2) // another of that name
	if res := w.complete(); res.Copied != 2 {
		t.Errorf("copied %d of a new folder", res.Copied)
	}
	w.identical("with a new folder", "Kept")
}

// asOwnerBefore is asOwner for a mailbox that no run has made yet.
func (w *world) asOwnerBefore(do func(ctx context.Context, s *imap.Target)) {
	w.t.Helper()
	w.plan()
	w.complete()
	w.asOwner(do)
}

// TestHiddenFolderIsNotGone: a folder that the source doesn't list, and still
// has, or of which it can't tell, loses nothing on the target.
func TestHiddenFolderIsNotGone(t *testing.T) {
	for name, text := range map[string]string{"it can't tell": "[UNAVAILABLE] later", "no right to it": "[NOPERM] not yours"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bmsim.Config{}, "ada")
			ada := w.source.User("ada@old.example")
			w.lettersIn("INBOX", 0, 30)
			w.lettersIn("Foo", 100, 4)
			w.lettersIn("Other", 200, 4)
			w.plan()
			w.complete()
			before := w.counts(w.opts.Target)
			ada.RenameMailbox("Foo", "Hidden") // and out of sight
			w.source.SetTraps(imaptest.Trap{Command: "STATUS", Action: imaptest.No, Text: text})
			w.policy.Folders.Exclude = []string{"Hidden"}
			w.plan()
			w.run()
			if got := w.counts(w.opts.Target); got != before {
				t.Errorf("the target holds %s, and held %s", got, before)
			}
			if !slices.Contains(w.folders(), "Foo") {
				t.Error("the folder was removed")
			}
		})
	}
}

// TestRenamedFolderWithMailOfHerOwn: a folder that can't be renamed on the
// target, since its user put mail there, is followed message by message; hers
// stays, and all of it comes back with the old name.
func TestRenamedFolderWithMailOfHerOwn(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Limits.Settle = 10 * time.Millisecond
	w.lettersIn("INBOX", 0, 5)
	w.lettersIn("Foo", 100, 6)
	w.plan()
	w.complete()
	uploads := w.appends()
	w.files("Foo", 5000)
	w.source.User("ada@old.example").RenameMailbox("Foo", "Bar")
	w.complete()
	if n := w.appends() - uploads - 1; n != 0 {
		t.Errorf("%d were uploaded again", n)
	}
	got := w.read(w.opts.Target, w.rows[0].Address)
	if len(got["Foo"]) != 1 || len(got["Bar"]) != 6 {
		t.Errorf("Foo has %d messages, Bar %d", len(got["Foo"]), len(got["Bar"]))
	}
	w.identical("renamed", "Foo")
	w.source.User("ada@old.example").RenameMailbox("Bar", "Foo")
	w.complete()
	got = w.read(w.opts.Target, w.rows[0].Address)
	if len(got["Foo"]) != 7 || len(got["Bar"]) != 0 {
		t.Errorf("there and back: Foo has %d messages, Bar %d", len(got["Foo"]), len(got["Bar"]))
	}
	w.complete()
}

// TestDryRunOfFolders says what a run would rename, and lists what would go with
// folders that are gone, and does nothing of it.
func TestDryRunOfFolders(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	for i, name := range []string{"INBOX", "Foo", "Foo/a", "Old", "Old/x"} {
		w.lettersIn(name, 100*i, 4)
	}
	w.plan()
	w.complete()
	before := w.folders()
	w.source.User("ada@old.example").RenameMailbox("Foo", "Bar")
	w.deleted("Old/x", "Old")
	for range 2 {
		dry, err := migrate.DryRun(t.Context(), w.opts)
		if err != nil || len(dry.Notable) != 1 {
			t.Fatalf("dry run: %+v, %v", dry, err)
		}
		one := dry.Notable[0]
		if one.Would != "rename 2 folders, remove 2 folders that are gone from the source, once they are empty, delete 8 that vanished from the source" || one.Copied != 0 {
			t.Errorf("a run would %s", one.Would)
		}
		if len(one.Departing) != 8 || one.Departing[0].Folder != "Old" || one.Departing[7].Folder != "Old/x" {
			t.Errorf("departing: %+v", one.Departing)
		}
	}
	if got := w.folders(); !slices.Equal(got, before) {
		t.Errorf("folders %q, were %q", got, before)
	}
	if res := w.complete(); res.Copied != 0 || res.Deleted != 8 {
		t.Errorf("copied %d, deleted %d", res.Copied, res.Deleted)
	}
	w.identical("in the end")
}
