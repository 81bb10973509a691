package migrate_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/migrate"
)

// TestC29UsersAtWork: while the source is still followed, a user of the target
// deletes 10 messages, moves 10 to a folder of his own and marks 10 as read. A
// delta brings nothing back, takes no mark away, and says which were moved; and what
// the source moves or deletes of these is left to the user.
func TestC29UsersAtWork(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("INBOX", 0, 250) // so that 20 are no lost mailbox
	w.letters("Archive", 500, 5)
	w.plan()
	w.complete()
	uids, rows := w.sourceUIDs("INBOX"), w.fated("INBOX")
	at := func(from, to int) (out []uint32) {
		for _, uid := range uids[from:to] {
			out = append(out, rows[uid].DstUID)
		}
		return out
	}
	w.asHer(func(dst *imap.Target) error {
		ctx := t.Context()
		if err := dst.Create(ctx, "Mine"); err != nil {
			return err
		}
		if _, err := dst.Select(ctx, "INBOX"); err != nil {
			return err
		}
		return dst.StoreFlags(ctx, at(20, 30), []string{`\Seen`}, imap.AddFlags)
	})
	w.moveAsHer("INBOX", "Mine", at(10, 20))
	w.moveAsHer("INBOX", "", at(0, 10))
	before, uploads := w.held(), w.uploads()

	w.letters("INBOX", 900, 3)
	box.SetFlags(uids[25], `\Flagged`) // as well as what he did
	var said []string
	w.opts.Events = func(e migrate.Event) { said = append(said, e.Text) }
	if res := w.complete(); res.Copied != 3 || res.Moved+res.Deleted > 0 {
		t.Errorf("%+v", res)
	}
	w.opts.Events = nil
	after := w.held()
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("gone: %s", line)
		}
	}
	if len(after) != len(before)+3 || w.uploads() != uploads+3 {
		t.Errorf("%d messages, %d uploads", len(after)-len(before), w.uploads()-uploads)
	}
	seen := 0
	for _, i := range w.read(w.opts.Target, "ada@"+domain)["INBOX"] {
		if slices.Contains(i.Flags, `\Seen`) {
			seen++
		}
	}
	if seen != 10 {
		t.Errorf("%d are read, he marked 10", seen)
	}
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "10 of the 20 ") }) {
		t.Errorf("said: %q", said)
	}
	rows = w.fated("INBOX")
	for i, uid := range uids[:20] {
		if m := rows[uid]; !m.DstGone || strings.Contains(m.Note, `moved to "Mine" on the target`) != (i >= 10) {
			t.Errorf("%d: %+v", i, m)
		}
	}

	// Now the source moves some of each, and deletes some of each.
	archive := w.at("Archive")
	box.Move(archive, uids[0], uids[10], uids[20], uids[30])
	box.Expunge(uids[1], uids[11], uids[21], uids[31])
	if res := w.complete(); res.Moved != 1 || res.Copied != 1 { // the untouched one; the one that he read stays where it was
		t.Errorf("%+v", res)
	}
	got := w.read(w.opts.Target, "ada@"+domain)
	if len(got["Mine"]) != 10 || len(got["Archive"]) != 7 || len(got["INBOX"]) != 250-20+3-2 {
		t.Errorf("Mine %d, Archive %d, INBOX %d", len(got["Mine"]), len(got["Archive"]), len(got["INBOX"]))
	}
	w.proves()
	w.idle()
}

// moveAsHer moves messages of ada's on the target, as a mail program does; to ""
// expunges them.
func (w *world) moveAsHer(from, to string, uids []uint32) {
	w.t.Helper()
	var set []string
	for _, uid := range uids {
		set = append(set, fmt.Sprint(uid))
	}
	these := strings.Join(set, ",")
	commands := []string{"SELECT " + from, "UID COPY " + these + " " + to, "UID STORE " + these + ` +FLAGS.SILENT (\Deleted)`, "UID EXPUNGE " + these}
	if to == "" {
		commands = slices.Delete(commands, 1, 2)
	}
	w.withKey(w.opts.Target, "ada@"+w.domain, func(_ context.Context, secret string) {
		imapCommands(w.t, w.opts.Target.IMAP, "ada@"+w.domain, secret, commands...)
	})
}

// imapCommands does what a mail program would, with no code of ours.
func imapCommands(t *testing.T, server imap.Server, login, secret string, commands ...string) {
	t.Helper()
	conn, err := tls.Dial("tcp", server.Addr, server.TLS)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for i, command := range append([]string{fmt.Sprintf("LOGIN %s %q", login, secret)}, commands...) {
		tag := fmt.Sprintf("t%d ", i)
		fmt.Fprintf(conn, "%s%s\r\n", tag, command)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), tag) {
		}
		if !strings.HasPrefix(lines.Text(), tag+"OK") {
			t.Fatalf("%s: %q %v", strings.Fields(command)[0], lines.Text(), lines.Err())
		}
	}
}
