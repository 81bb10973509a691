package migrate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// asTarget opens a user's mailbox on the target, as a program of his own would.
func (w *world) asTarget(address string, do func(dst *imap.Target) error) {
	w.t.Helper()
	w.withKey(w.opts.Target, address, func(ctx context.Context, secret string) {
		dst, err := imap.DialTarget(ctx, w.opts.Target.IMAP, imap.Token{Address: address, Secret: secret}, imap.Options{})
		if err == nil {
			defer dst.Close()
			err = do(dst)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	})
}

// appendAs puts messages into a folder of the target, and not by bmsync.
func (w *world) appendAs(address, folder string, list []imaptest.Message) {
	w.t.Helper()
	w.asTarget(address, func(dst *imap.Target) error { return appendTo(w.t.Context(), dst, folder, list) })
}

func appendTo(ctx context.Context, dst *imap.Target, folder string, list []imaptest.Message) error {
	a, err := dst.Appender(ctx, folder)
	if err != nil {
		return err
	}
	defer a.Close()
	for part := range slices.Chunk(list, 50) {
		var batch []imap.Append
		for _, m := range part {
			batch = append(batch, imap.Append{Flags: imap.Wanted(m.Flags, imap.Rules{}), InternalDate: m.InternalDate, Size: int64(len(m.Body)), Body: bytes.NewReader(m.Body)})
		}
		if err := a.Send(ctx, batch); err != nil {
			return err
		}
		got, err := a.Receive(ctx)
		if err != nil {
			return err
		}
		for _, r := range got {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

// remake deletes a folder of the target and makes it anew, under another
// UIDVALIDITY, with those of its messages that keep says, the last first.
func (w *world) remake(address, folder string, keep func(i int) bool) {
	w.t.Helper()
	ctx := w.t.Context()
	w.asTarget(address, func(dst *imap.Target) error {
		before, err := dst.Select(ctx, folder)
		if err != nil {
			return err
		}
		var list []imap.Message
		var uids []uint32
		if err := dst.Messages(ctx, 1, 0, func(m imap.Message) error { list, uids = append(list, m), append(uids, m.UID); return nil }); err != nil {
			return err
		}
		bodies := map[uint32][]byte{}
		if err := dst.Fetch(ctx, uids, func(uid uint32, _ int64, r io.Reader) (err error) {
			bodies[uid], err = io.ReadAll(r)
			return err
		}); err != nil {
			return err
		}
		if _, err := dst.Select(ctx, "INBOX"); err != nil {
			return err
		}
		if err := dst.Delete(ctx, folder); err != nil {
			return err
		}
		time.Sleep(1100 * time.Millisecond) // a UIDVALIDITY may be a time in seconds
		if err := dst.Create(ctx, folder); err != nil {
			return err
		}
		var back []imaptest.Message
		for i, m := range slices.Backward(list) {
			if keep(i) {
				back = append(back, imaptest.Message{Body: bodies[m.UID], InternalDate: m.InternalDate, Flags: m.Flags})
			}
		}
		if err := appendTo(ctx, dst, folder, back); err != nil {
			return err
		}
		after, err := dst.Status(ctx, folder)
		if err == nil && after.UIDValidity == before.UIDValidity {
			err = fmt.Errorf("UIDVALIDITY of %q is still %d", folder, after.UIDValidity)
		}
		return err
	})
}

// expungeOnTarget deletes messages of a folder by their place, as their user.
func (w *world) expungeOnTarget(address, folder string, places ...int) {
	w.t.Helper()
	ctx := w.t.Context()
	w.asTarget(address, func(dst *imap.Target) error {
		if _, err := dst.Select(ctx, folder); err != nil {
			return err
		}
		var all, uids []uint32
		if err := dst.Messages(ctx, 1, 0, func(m imap.Message) error { all = append(all, m.UID); return nil }); err != nil {
			return err
		}
		for _, i := range places {
			uids = append(uids, all[i])
		}
		if err := dst.StoreFlags(ctx, uids, []string{`\Deleted`}, imap.AddFlags); err != nil {
			return err
		}
		return dst.UIDExpunge(ctx, uids)
	})
}

// bodiesRead counts the messages of a folder whose bodies the source was asked for.
func (w *world) bodiesRead(folder string) (n int) {
	w.t.Helper()
	for _, set := range w.fetched()[folder] {
		for one := range strings.SplitSeq(set, ",") {
			from, to, isRange := strings.Cut(one, ":")
			first, err := strconv.Atoi(from)
			last := first
			if err == nil && isRange {
				last, err = strconv.Atoi(to)
			}
			if err != nil {
				w.t.Fatal(set, err)
			}
			n += last - first + 1
		}
	}
	return n
}

// TestC26UIDValidityChanged: the source, or the target, numbers a folder anew. No
// message is copied twice, nor one that its user deleted on the target; flags go on
// being followed, true duplicates stay as many as they are, and no more bodies are
// read than is needed to know.
func TestC26UIDValidityChanged(t *testing.T) {
	const ada = "ada@" + domain
	// begin copies 104 messages, four of them the same. Two are deleted by their user.
	begin := func(t *testing.T) (*world, *imaptest.Mailbox) {
		w := newWorld(t, bmsim.Config{}, "ada")
		box := w.letters("Letters", 0, 100)
		for range 4 {
			box.Append(message(7777))
		}
		w.plan()
		w.complete()
		w.expungeOnTarget(ada, "Letters", 3, 101)
		w.source.ClearJournal()
		return w, box
	}
	// end goes on and wants the folder as it is to be, with one message more.
	end := func(t *testing.T, w *world, box *imaptest.Mailbox) {
		t.Helper()
		box.SetFlags(box.Messages()[50].UID, `\Flagged`, "$Later")
		box.Append(message(8888))
		appends := len(w.sim.Journal().Appends())
		res := w.complete()
		if n := len(w.sim.Journal().Appends()) - appends; n != 1 || res.Copied != 1 {
			t.Errorf("stored %d messages, copied %d, want one", n, res.Copied)
		}
		w.wantCounts("numbered anew", map[string]int{"Letters": 103})
		flagged := 0
		for _, i := range w.read(w.opts.Target, ada)["Letters"] {
			if slices.Contains(i.Flags, `\Flagged`) && slices.Contains(i.Flags, "$Later") {
				flagged++
			}
		}
		if flagged != 1 {
			t.Errorf("%d messages were flagged", flagged)
		}
		w.balanced("numbered anew")
		w.proven("numbered anew", 103)
		w.source.ClearJournal()
		if again := w.complete(); again.Copied != 0 || w.bodiesRead("Letters") != 0 {
			t.Errorf("the next run copied %d, and read %d bodies", again.Copied, w.bodiesRead("Letters"))
		}
	}
	t.Run("source, same UIDs", func(t *testing.T) {
		w, box := begin(t)
		box.SetUIDValidity(box.UIDValidity() + 1)
		w.complete()
		// A sample, and the four that a listing can't tell from each other.
		if n := w.bodiesRead("Letters"); n > 64+4 {
			t.Errorf("read %d bodies of 104", n)
		}
		end(t, w, box)
	})
	t.Run("source, other UIDs", func(t *testing.T) {
		w, box := begin(t)
		box.SetUIDValidity(box.UIDValidity() + 1)
		box.Renumber(40) // old UIDs, of other messages
		end(t, w, box)
	})
	t.Run("source, twice, and cut short", func(t *testing.T) {
		w, box := begin(t)
		box.SetUIDValidity(box.UIDValidity() + 1)
		box.Renumber(1000)
		stop := make(chan struct{})
		w.opts.Stop, w.opts.Limits.BatchMessages = stop, 4
		w.source.SetTraps(imaptest.Trap{Command: "UID FETCH", UID: 1050, Times: 1, Action: imaptest.Cut})
		w.opts.Events = func(e migrate.Event) {
			if e.Kind == migrate.EventRetry {
				close(stop)
			}
		}
		if res := w.run(); res.Outcome() != migrate.Interrupted {
			t.Fatalf("%+v", res)
		}
		w.opts.Stop, w.opts.Events = nil, nil
		box.SetUIDValidity(box.UIDValidity() + 1)
		box.Renumber(30)
		end(t, w, box)
	})
	t.Run("target", func(t *testing.T) {
		w, box := begin(t)
		w.remake(ada, "Letters", func(int) bool { return true })
		told := ""
		w.opts.Events = func(e migrate.Event) {
			if e.Kind == migrate.EventWarning {
				told += e.Text + "\n"
			}
		}
		end(t, w, box)
		if !strings.Contains(told, "102 of the 104 messages that we wrote were found in it by their content; 2 are gone") {
			t.Errorf("told %q", told)
		}
	})
	t.Run("both", func(t *testing.T) {
		w, box := begin(t)
		w.complete()
		w.remake(ada, "Letters", func(int) bool { return true })
		box.SetUIDValidity(box.UIDValidity() + 1)
		box.Renumber(40)
		end(t, w, box)
	})
	t.Run("target, emptied", func(t *testing.T) {
		w, _ := begin(t)
		w.remake(ada, "Letters", func(int) bool { return false })
		w.blockedAsWentBack()
	})
	t.Run("target, another account's", func(t *testing.T) {
		w, _ := begin(t)
		w.remake(ada, "Letters", func(int) bool { return false })
		var list []imaptest.Message
		for i := range 104 {
			list = append(list, message(9000+i))
		}
		w.appendAs(ada, "Letters", list)
		w.blockedAsWentBack()
	})
}

// blockedAsWentBack wants the account blocked, and nothing written.
func (w *world) blockedAsWentBack() {
	w.t.Helper()
	w.letters("Letters", 500, 3)
	appends := len(w.sim.Journal().Appends())
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "the folder was made anew, and holds 0 of the") {
		w.t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	if n := len(w.sim.Journal().Appends()) - appends; n > 0 {
		w.t.Errorf("stored %d messages", n)
	}
}

// TestC2ImapsyncWasHere: an earlier tool has copied most of a folder into
// BlueMind 5, with other dates or with a header added. It is recognised by
// what BlueMind's core says of it: no body of the target is read, but of what
// was changed.
func TestC2ImapsyncWasHere(t *testing.T) {
	const ada = "ada@" + domain
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada"}}}}}, "ada")
	w.policy.IntoNonEmpty = true
	box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
	var there []imaptest.Message
	for i := range 1200 {
		m := message(i)
		m.Body = append(m.Body, strings.Repeat(fmt.Sprintf("line %d\r\n", i), 300)...)
		if i%100 == 50 { // a true duplicate of the one before
			m.Body = slices.Clone(there[len(there)-1].Body)
			m.InternalDate = there[len(there)-1].InternalDate
		}
		box.Append(m)
		switch {
		case i%40 == 7: // it lacks
			continue
		case i%10 == 3:
			m.InternalDate = m.InternalDate.Add(3 * time.Hour)
		case i%10 == 5:
			m.Body = bytes.Replace(m.Body, []byte("\r\n\r\n"), fmt.Appendf(nil, "\r\nX-Old: %d\r\n\r\n", i), 1)
		}
		there = append(there, m)
	}
	w.makeFolderAs(ada, "Letters")
	w.appendAs(ada, "Letters", there)
	w.plan()
	before := len(w.sim.Journal().Appends())
	for run := range 10 {
		w.opts.StateDir = filepath.Join(w.dir, fmt.Sprint("state ", run))
		calls := len(w.sim.Journal().Calls())
		res := w.complete()
		items, bodies := 0, 0
		for _, c := range w.sim.Journal().Calls()[calls:] {
			switch {
			case strings.Contains(c.Path, "_mgetById") || strings.Contains(c.Path, "_sorted"):
				items++
			case strings.Contains(c.Path, "/eml/"):
				bodies++
			}
		}
		if items != 4 || bodies != 0 {
			t.Errorf("run %d: %d calls for items, %d for bodies", run, items, bodies)
		}
		want := 0
		if run == 0 {
			want = 30
		}
		if n := len(w.sim.Journal().Appends()) - before; n != 30 || res.Copied != want {
			t.Fatalf("run %d: copied %d; %d messages were stored since the beginning", run, res.Copied, n)
		}
	}
	w.wantCounts("at last", map[string]int{"Letters": 1200})
	w.proven("at last", 1200)
}

func (w *world) makeFolderAs(address, folder string) {
	w.t.Helper()
	w.asTarget(address, func(dst *imap.Target) error { return dst.Create(w.t.Context(), folder) })
}
