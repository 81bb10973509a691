package migrate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// letters puts n messages into a folder of ada's at the source.
func (w *world) letters(folder string, first, n int) *imaptest.Mailbox {
	user := w.source.User("ada@old.example")
	box := user.Mailbox(folder)
	if box == nil {
		box = user.CreateMailbox(folder, imaptest.MailboxOptions{})
	}
	for i := range n {
		box.Append(message(first + i))
	}
	return box
}

// TestFolderBeginsToHoldMessages: of a folder that was none when the plan was
// made, the plan's "holds no messages" is not believed.
func TestFolderBeginsToHoldMessages(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	user := w.source.User("ada@old.example")
	user.CreateMailbox("Projects", imaptest.MailboxOptions{NoSelect: true})
	w.letters("Letters", 0, 3)
	w.plan()
	w.complete()
	user.DeleteMailbox("Projects")
	w.letters("Projects", 10, 4)
	if proof := w.verify(migrate.RereadNone); proof.OK != 0 {
		t.Error("proven, though a folder holds mail that nobody copied")
	}
	if res, err := migrate.DryRun(t.Context(), w.opts); err != nil || res.Copied != 4 {
		t.Errorf("a dry run would copy %d, %v", res.Copied, err)
	}
	if res := w.complete(); res.Copied != 4 {
		t.Errorf("copied %d messages of the folder, want 4", res.Copied)
	}
	if proof := w.verify(migrate.RereadNone); proof.OK != 1 {
		t.Errorf("verify: %+v", proof.Failed)
	}
}

// TestSourceHidesFolders: a source that lists next to nothing is not taken
// for one whose user tidied up.
func TestSourceHidesFolders(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	for _, name := range []string{"A", "B", "C"} {
		w.letters(name, 0, 3)
	}
	w.plan()
	for _, name := range []string{"A", "B", "C"} {
		w.source.User("ada@old.example").DeleteMailbox(name)
	}
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "not listed any more") {
		t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	w.plan() // a person has looked
	w.complete()
}

// TestMessageGoesInMidRun: one that is expunged between listing and fetch has
// vanished; that is no reason to run again.
func TestMessageGoesInMidRun(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 12)
	w.plan()
	w.source.SetQuirks(imaptest.Quirks{ExpungeAtFetch: box.Messages()[5].UID})
	if res := w.complete(); res.Copied != 11 {
		t.Errorf("copied %d", res.Copied)
	}
	w.source.SetQuirks(imaptest.Quirks{})
	w.same(w.opts.Target)
}

// TestMailComesInMidRun appends to the source while its folders are copied.
func TestMailComesInMidRun(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("Letters", 0, 40)
	w.letters("More", 100, 40)
	w.plan()
	w.opts.Limits.BatchMessages = 5
	n := 0
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress {
			n++
			w.letters("Letters", 1000+n, 1)
			w.letters("More", 2000+n, 1)
		}
	}
	if res := w.run(); res.Outcome() == migrate.Blocked {
		t.Fatalf("%+v", res.Notable)
	}
	w.opts.Events = nil
	w.complete()
	w.same(w.opts.Target)
}

// TestSourceWindow: a source that counts more than it lists is never complete.
func TestSourceWindow(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 20)
	w.plan()
	uids := []uint32{box.Messages()[0].UID, box.Messages()[1].UID}
	w.source.SetQuirks(imaptest.Quirks{OmitUIDs: uids})
	res := w.run()
	if res.Outcome() != migrate.Partial || !strings.Contains(res.Notable[0].Reason, "lists") {
		t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	if proof := w.verify(migrate.RereadNone); proof.OK != 0 {
		t.Error("proven, though the source hides messages")
	}
	w.source.SetQuirks(imaptest.Quirks{})
	w.complete()
	w.same(w.opts.Target)
}

// TestSourceWithoutNamespace: RFC 2342 is an extension, and some have it not.
func TestSourceWithoutNamespace(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.source.SetQuirks(imaptest.Quirks{Without: []string{"NAMESPACE"}})
	w.letters("INBOX/Sent", 0, 3)
	w.plan()
	w.complete()
	w.same(w.opts.Target)
	if to := w.mapping("ada@" + domain)["INBOX/Sent"]; to != "Sent" {
		t.Errorf("INBOX/Sent goes to %q", to)
	}
}

// TestUsersOwnMail: an account that had nothing to copy is not stopped by the
// mail that its user gets afterwards.
func TestUsersOwnMail(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.source.User("ada@old.example")
	w.plan()
	w.complete()
	w.deliver("INBOX", 900, 12)
	w.complete()
	w.letters("INBOX", 0, 2)
	if res := w.complete(); res.Copied != 2 {
		t.Errorf("copied %d", res.Copied)
	}
}

// asHer opens ada's mailbox on the target, as a program of her own would.
func (w *world) asHer(do func(*imap.Target) error) {
	w.t.Helper()
	user := w.asAda()
	key, err := user.CreateKey(w.t.Context(), "her own")
	if err != nil {
		w.t.Fatal(err)
	}
	defer user.Client().DropKey(w.t.Context(), key.SID)
	dst, err := imap.DialTarget(w.t.Context(), w.opts.Target.IMAP, imap.Token{Address: "ada@" + domain, Secret: key.SID}, imap.Options{})
	if err == nil {
		defer dst.Close()
		err = do(dst)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deliver(folder string, first, n int) {
	w.t.Helper()
	w.asHer(func(dst *imap.Target) error {
		a, err := dst.Appender(w.t.Context(), folder)
		if err != nil {
			return err
		}
		defer a.Close()
		for i := range n {
			body := string(message(first+i).Body) + strings.Repeat("delivered ", i+7) + "\r\n"
			batch := []imap.Append{{InternalDate: time.Now().Add(-time.Duration(i) * time.Hour), Size: int64(len(body)), Body: strings.NewReader(body)}}
			if err := a.Send(w.t.Context(), batch); err != nil {
				return err
			}
			if got, err := a.Receive(w.t.Context()); err != nil || got[0].Err != nil {
				return errors.Join(err, got[0].Err)
			}
		}
		return nil
	})
}

// empty expunges everything in a folder.
func (w *world) empty(folder string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.asHer(func(dst *imap.Target) error {
		if _, err := dst.Select(ctx, folder); err != nil {
			return err
		}
		var uids []uint32
		if err := dst.Messages(ctx, 1, 0, func(m imap.Message) error { uids = append(uids, m.UID); return nil }); err != nil {
			return err
		}
		if err := dst.StoreFlags(ctx, uids, []string{`\Deleted`}, imap.AddFlags); err != nil {
			return err
		}
		return dst.UIDExpunge(ctx, uids)
	})
}

func (w *world) deleteFolder(name string) {
	w.t.Helper()
	w.asHer(func(dst *imap.Target) error { return dst.Delete(w.t.Context(), name) })
}

func (w *world) makeFolder(name string) {
	w.t.Helper()
	w.asHer(func(dst *imap.Target) error { return dst.Create(w.t.Context(), name) })
}

func (w *world) deleteUser() {
	w.t.Helper()
	admin := w.admin()
	user, err := admin.UserByLogin(w.t.Context(), domain, "ada")
	if err == nil {
		err = admin.DeleteUser(w.t.Context(), domain, user.UID)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// makeUser makes ada as an administrator would, under a uid of his own.
func (w *world) makeUser() {
	w.t.Helper()
	u := &bmapi.User{Login: "ada", Routing: bmapi.RoutingInternal, FamilyNames: "ada", Emails: []bmapi.Email{{Address: "ada@" + domain, IsDefault: true}}}
	if err := w.admin().CreateUser(w.t.Context(), domain, "somebodys-uid", u); err != nil {
		w.t.Fatal(err)
	}
}

// TestTargetWentBack is law 6 in its variants: the target is less than it was,
// and no run and no proof may end green; a person says what follows.
func TestTargetWentBack(t *testing.T) {
	type step func(w *world, restore func())
	tests := map[string]struct {
		adopt bool // everything was there already, and was adopted
		do    step
	}{
		"restored":                              {do: func(w *world, restore func()) { restore() }},
		"restored, and mail was delivered":      {do: func(w *world, restore func()) { restore(); w.deliver("INBOX", 500, 40) }},
		"restored, and a little was delivered":  {do: func(w *world, restore func()) { restore(); w.deliver("INBOX", 500, 2) }},
		"restored, where all had been adopted":  {adopt: true, do: func(w *world, restore func()) { restore() }},
		"user deleted":                          {do: func(w *world, _ func()) { w.deleteUser() }},
		"user deleted, where all was adopted":   {adopt: true, do: func(w *world, _ func()) { w.deleteUser() }},
		"user deleted, and made by somebody":    {do: func(w *world, _ func()) { w.deleteUser(); w.makeUser() }},
		"folder deleted":                        {do: func(w *world, _ func()) { w.deleteFolder("Letters") }},
		"folder deleted, where all was adopted": {adopt: true, do: func(w *world, _ func()) { w.deleteFolder("Letters") }},
		"folder made anew and filled by its user": {do: func(w *world, _ func()) {
			w.deleteFolder("Letters")
			w.makeFolder("Letters")
			w.deliver("Letters", 700, 30)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.sim.Close()
			dir := filepath.Join(w.dir, "bluemind")
			conf := bmsim.Config{Dir: dir, Domains: []bmsim.Domain{{Name: domain}}}
			w.start(conf)
			w.letters("INBOX", 0, 20)
			w.letters("Letters", 100, 20)
			w.plan()
			first := w.opts.StateDir
			if test.adopt {
				w.opts.StateDir = filepath.Join(w.dir, "lost")
				w.complete()
				w.opts.StateDir = first
				w.policy.IntoNonEmpty = true
				w.plan()
			} else if strings.HasPrefix(name, "restored") {
				w.makeUser()
			} // else bmsync makes the user, under the uid that is always the same
			snapshot := filepath.Join(w.dir, "snapshot")
			if !test.adopt {
				w.sim.Close()
				if err := os.CopyFS(snapshot, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				w.start(conf)
			}
			if res := w.complete(); test.adopt && res.Copied > 0 {
				t.Fatalf("copied %d, and should have adopted", res.Copied)
			}
			test.do(w, func() {
				w.sim.Close()
				if test.adopt {
					w.start(conf)
					for _, f := range []string{"INBOX", "Letters"} {
						w.empty(f)
					}
					return
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(snapshot, dir); err != nil {
					t.Fatal(err)
				}
				w.start(conf)
			})
			for range 3 {
				if res := w.run(); res.Outcome() != migrate.Blocked {
					t.Fatalf("a run ended with %v: %+v", res.Outcome(), res.Notable)
				}
				if proof := w.verify(migrate.RereadNone); proof.OK > 0 {
					t.Fatal("the account is proven")
				}
			}
			w.opts.Recopy = []string{"ada@" + domain}
			w.policy.IntoNonEmpty = true
			w.plan()
			w.complete()
			w.opts.Recopy = nil
			w.complete()
			if proof := w.verify(migrate.RereadAll); proof.OK != 1 || proof.Messages != 40 {
				t.Errorf("after a recopy: %+v", proof)
			}
		})
	}
}

// TestSourceWentBack: the source is restored, and by now its old UIDs are
// other messages'. Neither the run nor the proof may take them for copied.
func TestSourceWentBack(t *testing.T) {
	tests := map[string]int{"restored": 0, "restored, and mail has come": 8, "as many as before": 12, "more than before": 30}
	for name, since := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			validity := w.letters("Letters", 0, 20).UIDValidity()
			w.plan()
			w.complete()
			user := w.source.User("ada@old.example")
			user.DeleteMailbox("Letters")
			user.CreateMailbox("Letters", imaptest.MailboxOptions{UIDValidity: validity})
			w.letters("Letters", 0, 8)
			w.letters("Letters", 200, since)
			if proof := w.verify(migrate.RereadNone); proof.OK > 0 && since > 0 {
				t.Error("the account is proven")
			}
			if res := w.run(); res.Outcome() == migrate.Complete && since != 12 {
				// Of 12, UIDNEXT, EXISTS and HIGHESTMODSEQ are what they were:
				// only a look at the messages tells, which is the proof's.
				t.Errorf("the run is complete: %+v", res)
			}
		})
	}
}
