package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// oddNames is what sources have in their names, with delimiter ".".
func oddNames() []string {
	names := []string{"R&D", "R&D-old", "&-", "a&b-c", "&AOk-", "é&è", "é&-", "A/B", "A/B.C", "a^b", `c"d`, `e\f`, "g%h", "i*j", "~k", "~k.l", " m ", "$n", "#o", "+p", "(q)",
		"{r}", "[s]", "t|u", "v`w", "x<y>z", "a;b", "a!b", "a,b", "a:b", "a'b", "a=b", "a@b", "a?b", "日本語", "日本語.子", "Ünï", "e\u0301", "\u00e9", "İ", "ß", "🙂", "🙂.🙂",
		"Dossiers partagés", "Dossiers partagés.x", "Autres utilisateurs.y", "Outbox", "Outbox.z", "inbox.sub", "INBOX.Sub2", "Sent.2019", "sENT", "Trash.old", "Templates",
		"user", "user.ada", "DELETED.x", "Alt Folders.x", "\u00a0nb\u00a0", "zero\u200bwidth", "rtl\u202e", "Case", "case", "CASE.x", "case.X",
		strings.Repeat("long ", 40), strings.Repeat("é", 100), strings.Repeat("deep.", 25) + "end"}
	return names
}

// TestOddNamesArrive has every odd name made on a target that isn't of our
// imagination only: nothing is refused, renamed on the way, or merged.
func TestOddNamesArrive(t *testing.T) {
	t.Run("BlueMind 5", func(t *testing.T) {
		for _, v := range []migrate.TargetVersion{migrate.Target5, migrate.TargetBoth} {
			w := newWorld(t, bmsim.Config{}, "ada")
			w.policy.TargetVersion = v
			w.oddNamesArrive(imaptest.Options{Delimiter: '.'}, oddNames())
		}
	})
	t.Run("BlueMind 4, Cyrus", func(t *testing.T) {
		w, _ := labWorld(t, "ada")
		w.policy.TargetVersion = migrate.TargetBoth
		w.oddNamesArrive(imaptest.Options{Delimiter: '.'}, oddNames())
	})
}

// oddNamesArrive fills folders of these names from a source of its own, a message
// in each, and wants each in a folder of its own on the target.
func (w *world) oddNamesArrive(source imaptest.Options, names []string) {
	t := w.t
	t.Helper()
	src, err := imaptest.NewServer(source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	addr, err := src.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const login = "ada@old.example"
	user := src.AddUser(login, "pw-ada")
	like := newWorld(t, bmsim.Config{}) // for its source's settings
	old := like.opts.Sources["old"]
	old.Server.Addr, old.Server.TLS = addr, pool(t, src.CAPEM())
	w.source, w.opts.Sources = src, map[string]migrate.Source{"old": old}
	w.rows = w.rows[:1]
	w.rows[0].Login = login
	for i, name := range names {
		user.CreateMailbox(name, imaptest.MailboxOptions{}).Append(message(i))
	}
	w.plan()
	w.complete()
	address := w.rows[0].Address
	got := w.read(w.opts.Target, address)
	where := map[string]string{}
	for source, target := range w.mapping(address) {
		if target == "" || slices.Contains([]string{"INBOX", "DELETED", "user", "Alt Folders"}, source) && len(got[target]) == 0 {
			continue
		}
		if other, taken := where[strings.ToLower(target)]; taken {
			t.Errorf("%q and %q are both in %q", source, other, target)
		}
		where[strings.ToLower(target)] = source
		if box := user.Mailbox(source); box == nil || len(got[target]) != box.Len() {
			t.Errorf("%q went to %q, where %d messages are", source, target, len(got[target]))
		}
	}
	if res := w.complete(); res.Copied > 0 {
		t.Errorf("a second run copied %d", res.Copied)
	}
	if res := w.verify(migrate.RereadAll); res.OK != 1 {
		t.Errorf("verify: %+v", res.Failed)
	}
}
