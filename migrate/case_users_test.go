package migrate_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestC29UsersAtWork: while the source is still followed, a user of the target
// deletes 10 messages, moves 10 to a folder of his own and marks 10 as read. A
// delta brings nothing back, takes no mark away, and says which were moved; and what
// the source moves or deletes of these is left to the user.
func TestC29UsersAtWork(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("INBOX", 0, 100)
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
	if len(got["Mine"]) != 10 || len(got["Archive"]) != 7 || len(got["INBOX"]) != 100-20+3-2 {
		t.Errorf("Mine %d, Archive %d, INBOX %d", len(got["Mine"]), len(got["Archive"]), len(got["INBOX"]))
	}
	w.proves()
	w.idle()
}

// TestUsersTidyUp: what users of the target may move and delete before go-live,
// from a folder of 100 messages with 40 more in another, until the account waits
// for a person, and that in the end they may do all.
func TestUsersTidyUp(t *testing.T) {
	type step func(w *world, at func(from, to int) []uint32)
	mine := func(w *world) {
		w.asHer(func(dst *imap.Target) error { return dst.Create(w.t.Context(), "Mine") })
	}
	tests := map[string]struct {
		do     step
		set    func(w *world)
		live   bool
		blocks bool
		told   string
	}{
		"moves 60, deletes 20": {do: func(w *world, at func(from, to int) []uint32) {
			mine(w)
			w.moveAsHer("INBOX", "Mine", at(0, 30))
			w.moveAsHer("INBOX", "Archive", at(30, 60))
			w.moveAsHer("INBOX", "", at(60, 80))
		}, told: "60 of the 80 "},
		"moves all": {do: func(w *world, at func(from, to int) []uint32) {
			mine(w)
			w.moveAsHer("INBOX", "Mine", at(0, 100))
		}, told: "100 of the 100 "},
		"deletes 30": {do: func(w *world, at func(from, to int) []uint32) {
			w.moveAsHer("INBOX", "", at(0, 30))
		}, blocks: true},
		"deletes 30 that the source has twice": {do: func(w *world, at func(from, to int) []uint32) {
			w.moveAsHer("INBOX", "", at(0, 30))
		}, set: func(w *world) { w.letters("Archive", 0, 100) }, blocks: true},
		"deletes 30 that arrived elsewhere, too": {do: func(w *world, at func(from, to int) []uint32) {
			w.moveAsHer("INBOX", "", at(0, 30))
			var others []imaptest.Message // of the same sizes and dates
			for i := range 30 {
				m := message(i)
				m.Body = bytes.Replace(m.Body, []byte("letter"), []byte("LETTER"), 1)
				others = append(others, m)
			}
			w.appendAs("ada@"+w.domain, "Archive", others)
		}, blocks: true},
		"deletes a small folder's messages": {do: func(w *world, _ func(from, to int) []uint32) {
			w.moveAsHer("Small", "", []uint32{1, 2})
		}, set: func(w *world) { w.letters("Small", 800, 2) }},
		"empties the trash": {do: func(w *world, _ func(from, to int) []uint32) {
			w.empty("Trash")
		}, set: func(w *world) { w.letters("Trash", 800, 30) }},
		"live, deletes 60": {live: true, do: func(w *world, at func(from, to int) []uint32) {
			w.moveAsHer("INBOX", "", at(0, 60))
		}},
		"live, deletes all": {live: true, do: func(w *world, at func(from, to int) []uint32) {
			w.moveAsHer("INBOX", "", at(0, 100))
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			w.letters("INBOX", 0, 100)
			w.letters("Archive", 500, 40)
			if test.set != nil {
				test.set(w)
			}
			w.plan()
			w.opts.Final = test.live
			w.complete()
			w.opts.Final = false
			uids, rows := w.sourceUIDs("INBOX"), w.fated("INBOX")
			test.do(w, func(from, to int) (out []uint32) {
				for _, uid := range uids[from:to] {
					out = append(out, rows[uid].DstUID)
				}
				return out
			})
			before := w.held()
			w.letters("INBOX", 900, 3)
			var said []string
			w.opts.Events = func(e migrate.Event) { said = append(said, e.Text) }
			if res := w.run(); test.blocks {
				if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "30 of the 100 messages that we wrote are gone") {
					t.Errorf("%v: %+v", res.Outcome(), res.Notable)
				}
				return
			} else if res.Outcome() != migrate.Complete || res.Copied != 3 {
				t.Fatalf("%+v", res)
			}
			w.opts.Events = nil
			if test.told != "" && !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, test.told) }) {
				t.Errorf("said: %q", said)
			}
			after := w.held()
			for _, line := range before {
				if !slices.Contains(after, line) {
					t.Errorf("gone: %s", line)
				}
			}
			if len(after) != len(before)+3 {
				t.Errorf("%d messages came", len(after)-len(before))
			}
			w.proves()
			w.idle()
		})
	}
}

// TestUsersMovedBeforeACut: a run that goes no further than to where messages were
// moved to doesn't hide that from the next one.
func TestUsersMovedBeforeACut(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("Archive", 0, 10) // is gone through first
	w.letters("INBOX", 500, 40)
	w.plan()
	w.complete()
	var uids []uint32
	for _, m := range w.fated("INBOX") {
		uids = append(uids, m.DstUID)
	}
	w.moveAsHer("INBOX", "Archive", uids)
	w.letters("Archive", 900, 1)
	w.letters("INBOX", 950, 1)
	stop := make(chan struct{})
	w.opts.Stop = stop
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventFolder && e.Folder == "Archive" {
			close(stop)
		}
	}
	if res := w.run(); res.Outcome() != migrate.Interrupted || res.Copied != 1 {
		t.Fatalf("%v: %+v", res.Outcome(), res)
	}
	w.opts.Stop, w.opts.Events = nil, nil
	if res := w.complete(); res.Copied != 1 {
		t.Errorf("%+v", res)
	}
	w.wantCounts("moved", map[string]int{"Archive": 51, "INBOX": 1})
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
