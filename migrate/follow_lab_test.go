package migrate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/examples/lab/labtest"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// atSource does commands as ada's mail program at the source would.
func (w *world) atSource(commands ...string) {
	w.t.Helper()
	s := w.opts.Sources["old"]
	cred, err := s.Credentials(w.t.Context(), w.rows[0].Login)
	if err != nil {
		w.t.Fatal(err)
	}
	imapCommands(w.t, s.Server, cred.Login, cred.Secret, commands...)
}

// TestLabFollow follows moves and deletions from a real Dovecot to a real Cyrus,
// undisturbed and then with the target's line cut after more and more octets: it
// ends each time with what the source has, and copies nothing twice.
func TestLabFollow(t *testing.T) {
	w, lab := labWorld(t, "ada")
	login := w.rows[0].Login
	letters := func(first, n int) (list []labtest.Message) {
		for i := range n {
			m := message(first + i)
			list = append(list, labtest.Message{Body: m.Body, InternalDate: time.Date(2015, 2, 3, 4, 5, i%60, 0, time.UTC).AddDate(0, 0, i), Flags: []string{`\Seen`, `\Flagged`}[:i%3]})
		}
		return list
	}
	lab.WriteMaildir(t, login, "A", letters(0, 300))
	lab.WriteMaildir(t, login, "B", letters(1000, 40))
	lab.WriteMaildir(t, login, "Trash", letters(2000, 400))
	w.plan()
	w.complete()
	same := func(what string) {
		t.Helper()
		if w.same(w.opts.Target); t.Failed() {
			t.Fatal(what)
		}
	}
	same("at first")

	w.atSource("SELECT A", "UID MOVE 1:200 B", `STORE 1:2 +FLAGS (\Answered Label1)`, "SELECT Trash", `UID STORE 1:50 +FLAGS.SILENT (\Deleted)`, "UID EXPUNGE 1:50")
	if res := w.complete(); res.Moved != 200 || res.Copied != 0 || res.Deleted != 50 {
		t.Errorf("%d moved, %d copied, %d deleted", res.Moved, res.Copied, res.Deleted)
	}
	same("undisturbed")
	w.proves()

	proxy, err := imaptest.NewFaultProxy(t.Context(), w.opts.Target.IMAP.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	direct := w.opts.Target.IMAP.Addr
	w.opts.Limits.Settle, w.opts.Limits.Retries = 1500*time.Millisecond, 1
	from, to, copied, cuts := "B", "A", 0, 0
	for at, over := int64(1500), false; !over; at += 130 {
		uid := w.rowsOf(from)
		w.atSource("SELECT "+from, fmt.Sprintf("UID MOVE %s %s", strings.Join(uid[:5], ","), to), "SELECT Trash", `UID STORE `+w.rowsOf("Trash")[0]+` +FLAGS.SILENT (\Deleted)`,
			"UID EXPUNGE "+w.rowsOf("Trash")[0])
		from, to = to, from
		proxy.SetFaults(imaptest.Faults{Up: imaptest.Fault{CutAfter: at}})
		w.opts.Target.IMAP.Addr = proxy.Addr()
		res := w.run()
		over = res.Outcome() == migrate.Complete
		w.opts.Target.IMAP.Addr = direct
		last := w.complete()
		if copied += res.Copied + last.Copied; copied > 0 {
			t.Fatalf("cut after %d octets: %d were uploaded", at, copied)
		}
		same(fmt.Sprintf("cut after %d octets", at))
		cuts++
	}
	t.Logf("%d cuts", cuts)
	if cuts < 5 {
		t.Error("too few cuts")
	}
	w.proves()
	w.idleLab()
}

// rowsOf are the UIDs of a source folder, as commands name them.
func (w *world) rowsOf(folder string) (out []string) {
	w.t.Helper()
	s := w.opts.Sources["old"]
	cred, err := s.Credentials(w.t.Context(), w.rows[0].Login)
	if err != nil {
		w.t.Fatal(err)
	}
	src, err := imap.DialSource(w.t.Context(), s.Server, cred, imap.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer src.Close()
	if _, err := src.Examine(w.t.Context(), folder); err != nil {
		w.t.Fatal(err)
	}
	if err := src.Messages(w.t.Context(), 1, 0, func(m imap.Message) error { out = append(out, fmt.Sprint(m.UID)); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// idleLab wants a run that has nothing to do.
func (w *world) idleLab() {
	w.t.Helper()
	if res := w.complete(); res.Copied+res.Moved+res.Deleted > 0 {
		w.t.Errorf("the next run: %d copied, %d moved, %d deleted", res.Copied, res.Moved, res.Deleted)
	}
}
