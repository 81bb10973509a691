package migrate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

func (w *world) where(o migrate.WhereOptions) migrate.Whereabouts {
	w.t.Helper()
	o.RunOptions = w.opts
	if o.Address == "" {
		o.Address = "ada@" + domain
	}
	found, err := migrate.Where(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// short is what a test compares of fates.
func short(found migrate.Whereabouts) []string {
	var list []string
	for _, f := range found.Fates {
		text := fmt.Sprintf("%s %s/%d", f.Fate, f.Folder, f.UID)
		if f.TargetUID != 0 {
			text += fmt.Sprintf(" → %s/%d %s", f.Target, f.TargetUID, f.Now)
		}
		list = append(list, strings.TrimSpace(text+" "+f.Rule))
	}
	slices.Sort(list)
	return list
}

// TestWhereFollowsAMessage looks for messages of every fate, by each way of
// asking.
func TestWhereFollowsAMessage(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	ada := w.source.User("ada@old.example")
	inbox := ada.Mailbox("INBOX")
	junk := ada.CreateMailbox("Spam", imaptest.MailboxOptions{SpecialUse: `\Junk`})
	for n := range 4 {
		inbox.Append(message(n))
	}
	deleted := message(4)
	deleted.Flags = []string{`\Deleted`}
	inbox.Append(deleted)
	junk.Append(message(0))
	junk.Append(message(5))
	w.plan()
	w.complete()
	inbox.Append(message(12)) // its Message-ID ends like that of message 2

	expunge(w, "INBOX", 2)
	before := len(w.sim.Journal().Calls())

	for name, tc := range map[string]struct {
		ask  migrate.WhereOptions
		want []string
	}{
		"copied, and its twin left out":  {migrate.WhereOptions{MessageID: "<0@x.test>"}, []string{"copied INBOX/1 → INBOX/1 there", "left out Spam/1 junk"}},
		"deleted on the target":          {migrate.WhereOptions{MessageID: "1@x.test"}, []string{"copied INBOX/2 → INBOX/2 gone"}},
		"whole identifiers only":         {migrate.WhereOptions{MessageID: "2@x.test"}, []string{"copied INBOX/3 → INBOX/3 there"}},
		"excluded by its flag":           {migrate.WhereOptions{MessageID: "4@x.test"}, []string{"excluded INBOX/5 deleted"}},
		"in an excluded folder":          {migrate.WhereOptions{MessageID: "5@x.test"}, []string{"left out Spam/2 junk"}},
		"not seen yet":                   {migrate.WhereOptions{MessageID: "12@x.test"}, []string{"unseen INBOX/6"}},
		"nowhere":                        {migrate.WhereOptions{MessageID: "99@x.test"}, nil},
		"by its source UID":              {migrate.WhereOptions{Folder: "inbox", UID: 4}, []string{"copied INBOX/4 → INBOX/4 there"}},
		"by a source UID left out":       {migrate.WhereOptions{Folder: "Spam", UID: 7}, []string{"left out Spam/7 junk"}},
		"by a source UID unknown":        {migrate.WhereOptions{Folder: "INBOX", UID: 77}, nil},
		"by its target UID":              {migrate.WhereOptions{TargetFolder: "INBOX", TargetUID: 1}, []string{"copied INBOX/1 → INBOX/1 there"}},
		"by a target UID nobody knows":   {migrate.WhereOptions{TargetFolder: "INBOX", TargetUID: 77}, nil},
		"by a target folder nobody made": {migrate.WhereOptions{TargetFolder: "none", TargetUID: 1}, nil},
	} {
		found := w.where(tc.ask)
		if got := short(found); !slices.Equal(got, tc.want) || len(found.Remarks) > 0 {
			t.Errorf("%s: got %q, want %q; remarks %q", name, got, tc.want, found.Remarks)
		}
	}
	for _, call := range w.sim.Journal().Calls()[before:] {
		reads := call.Method == "GET" || strings.HasSuffix(call.Path, "_sorted") || strings.HasSuffix(call.Path, "_mgetById")
		if !reads && call.Path != "/auth/login" && call.Path != "/auth/logout" {
			t.Errorf("the target was called with %s %s", call.Method, call.Path)
		}
	}
	w.byKeysOnly()
	if writes := w.source.Journal().Writes(); len(writes) > 0 {
		t.Errorf("the source was written to: %v", writes)
	}
}

// TestWhereGoesOnWithoutAServer asks while the source, then the target, can't
// be reached.
func TestWhereGoesOnWithoutAServer(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.source.User("ada@old.example").Mailbox("INBOX").Append(message(1))
	w.plan()
	w.complete()
	whole := w.opts

	w.opts.Sources = map[string]migrate.Source{}
	found := w.where(migrate.WhereOptions{MessageID: "<1@x.test>"})
	if got := short(found); !slices.Equal(got, []string{"copied INBOX/1 → INBOX/1 there"}) || len(found.Remarks) != 1 || !strings.Contains(found.Remarks[0], "source old can't be asked") {
		t.Errorf("without the source: %q, %q", got, found.Remarks)
	}

	w.opts = whole
	w.opts.Target.URL = "https://127.0.0.1:1"
	found = w.where(migrate.WhereOptions{MessageID: "<1@x.test>"})
	if got := short(found); !slices.Equal(got, []string{"copied INBOX/1 → INBOX/1 unknown"}) || len(found.Remarks) != 1 || !strings.Contains(found.Remarks[0], "the target can't be asked") {
		t.Errorf("without the target: %q, %q", got, found.Remarks)
	}
}

// expunge deletes a message as its user would, with a key of his own.
func expunge(w *world, folder string, uid uint32) {
	w.t.Helper()
	ctx := w.t.Context()
	user := w.asAda()
	key, err := user.CreateKey(ctx, "a user's phone")
	if err != nil {
		w.t.Fatal(err)
	}
	defer user.DeleteKey(ctx, key.SID)
	dst, err := imap.DialTarget(ctx, w.opts.Target.IMAP, imap.Token{Address: "ada@" + domain, Secret: key.SID}, imap.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer dst.Close()
	if _, err := dst.Select(ctx, folder); err != nil {
		w.t.Fatal(err)
	}
	if err := dst.StoreFlags(ctx, []uint32{uid}, []string{`\Deleted`}, imap.AddFlags); err != nil {
		w.t.Fatal(err)
	}
	if err := dst.UIDExpunge(ctx, []uint32{uid}); err != nil {
		w.t.Fatal(err)
	}
}
