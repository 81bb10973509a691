package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

var (
	alice   = mail.Box{Domain: "d.internal", EntryUID: "u-alice", Kind: mail.KindUser, Name: "alice"}
	support = mail.Box{Domain: "d.internal", EntryUID: "s-support", Kind: mail.KindMailshare, Name: "support"}
	ctx     = context.Background()
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func open(t testing.TB, dir string, opts mail.Options, boxes ...mail.Box) *mail.Store {
	t.Helper()
	s, err := mail.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, b := range boxes {
		if err := s.Create(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func folder(t testing.TB, s *mail.Store, b mail.Box, name string) mail.Folder {
	t.Helper()
	f, err := s.FolderByName(b, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func add(t testing.TB, s *mail.Store, folderUID, body string, date time.Time, flags ...string) mail.Record {
	t.Helper()
	d := s.NewDraft(int64(len(body)))
	if _, err := io.WriteString(d, body); err != nil {
		t.Fatal(err)
	}
	r, err := s.Append(ctx, folderUID, d, flags, date)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func body(t testing.TB, s *mail.Store, folderUID string, uid uint32) string {
	t.Helper()
	rc, size, err := s.Body(ctx, folderUID, uid)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(raw)) != size {
		t.Fatalf("body of %d octets, %d announced", len(raw), size)
	}
	return string(raw)
}

func names(folders []mail.Folder) []string {
	var out []string
	for _, f := range folders {
		out = append(out, f.FullName)
	}
	return out
}

func TestBoxesHaveTheirDefaultFolders(t *testing.T) {
	s := open(t, "", mail.Options{}, alice, support)
	for _, tc := range []struct {
		box  mail.Box
		want string
	}{
		{alice, "Drafts INBOX Junk Outbox Sent Templates Trash"},
		{support, "support support/Sent support/Trash"},
	} {
		got, err := s.Folders(ctx, tc.box)
		if err != nil || strings.Join(names(got), " ") != tc.want {
			t.Errorf("folders of %s: %v, %v; want %s", tc.box.Name, names(got), err, tc.want)
		}
		if err := s.Create(ctx, tc.box); err != nil {
			t.Errorf("second Create: %v", err)
		}
		again, _ := s.Folders(ctx, tc.box)
		if !slices.Equal(got, again) {
			t.Errorf("second Create changed the folders of %s", tc.box.Name)
		}
	}
	sent := folder(t, s, support, "support/Sent")
	if root := folder(t, s, support, "support"); sent.ParentUID != root.UID || sent.Name != "Sent" {
		t.Errorf("support/Sent hangs at %q", sent.ParentUID)
	}
	if _, err := s.Folders(ctx, mail.Box{Domain: "d.internal", EntryUID: "nobody"}); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("folders of nobody: %v", err)
	}
	if b, err := s.BoxByName("d.internal", "support"); err != nil || b != support {
		t.Errorf("BoxByName: %v, %v", b, err)
	}
}

func TestRenamedShareTakesItsFoldersAlong(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, mail.Options{}, support)
	before := folder(t, s, support, "support/Sent")
	help := support
	help.Name = "help"
	if err := s.Create(ctx, help); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.Folders(ctx, support)
		if err != nil || strings.Join(names(got), " ") != "help help/Sent help/Trash" {
			t.Fatalf("folders: %v, %v", names(got), err)
		}
		if after := folder(t, s, help, "help/Sent"); after.UID != before.UID || after.UIDValidity != before.UIDValidity {
			t.Fatal("the folder is another one now")
		}
		s.Close()
		s = open(t, dir, mail.Options{})
	}
}

func TestAppendKeepsOctetsFlagsAndInstant(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := open(t, dir, mail.Options{}, alice)
		inbox := folder(t, s, alice, "INBOX")
		date := time.Date(2021, 2, 7, 22, 42, 4, 0, time.FixedZone("", 3600))
		for _, size := range []int{1, 100, 70 << 10, 600 << 10} {
			msg := "Message-ID: <x@y>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\r\n" + strings.Repeat("\x00é", size)
			r := add(t, s, inbox.UID, msg, date.Add(time.Duration(size)*time.Second), `\seen`, `$Forwarded`, `\SEEN`, `\Recent`)
			if got := body(t, s, inbox.UID, r.UID); got != msg {
				t.Fatalf("%d octets came back of %d", len(got), len(msg))
			}
			if !slices.Equal(r.Flags, []string{`\Seen`, "$Forwarded", `\Recent`}) {
				t.Errorf("flags %q", r.Flags)
			}
			if !r.InternalDate.Equal(date.Add(time.Duration(size)*time.Second)) || r.MessageID != "<x@y>" || r.Subject != "café" {
				t.Errorf("record %+v", r)
			}
		}
		used, err := s.Used(ctx, alice)
		recs, _ := s.Records(ctx, inbox.UID)
		var sum int64
		for _, r := range recs {
			sum += r.Size
		}
		if err != nil || used != sum {
			t.Errorf("used %d, %v; want %d", used, err, sum)
		}
	}
}

func TestNulInHeaderIsRefusedAndSpendsAUID(t *testing.T) {
	s := open(t, "", mail.Options{}, alice)
	inbox := folder(t, s, alice, "INBOX")
	d := s.NewDraft(0)
	io.WriteString(d, "Subject: a\x00b\r\n\r\nx")
	if _, err := s.Append(ctx, inbox.UID, d, nil, time.Time{}); err == nil {
		t.Fatal("stored")
	}
	if r := add(t, s, inbox.UID, "Subject: ab\r\n\r\n\x00", time.Time{}); r.UID != 2 {
		t.Errorf("next UID %d, want 2", r.UID)
	}
}

func TestSameOctetsKeepTheirFirstDateForTenMinutes(t *testing.T) {
	clk := &clock{now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	old, older := time.Unix(1e9, 0), time.Unix(9e8, 0)
	s := open(t, "", mail.Options{Now: clk.Now}, alice, support)
	inbox, share := folder(t, s, alice, "INBOX"), folder(t, s, support, "support")
	step := func(name, folderUID string, given, want time.Time) {
		t.Helper()
		if r := add(t, s, folderUID, "Subject: same\r\n\r\n", given); !r.InternalDate.Equal(want) {
			t.Errorf("%s: date %v, want %v", name, r.InternalDate, want)
		}
	}
	step("first", inbox.UID, old, old)
	clk.add(9 * time.Minute)
	step("other date, other box", share.UID, older, old)
	step("no date", inbox.UID, time.Time{}, old)
	clk.add(time.Minute)
	step("ten minutes after the first", inbox.UID, older, older)

	other := open(t, "", mail.Options{Now: clk.Now}, alice)
	if r := add(t, other, inbox.UID, "Subject: same\r\n\r\n", old); !r.InternalDate.Equal(old) {
		t.Error("one store remembers another's dates")
	}
	off := open(t, "", mail.Options{Now: clk.Now, DateMemory: -1}, alice)
	add(t, off, inbox.UID, "x", old)
	if r := add(t, off, inbox.UID, "x", older); !r.InternalDate.Equal(older) {
		t.Error("switched off, and still it remembers")
	}
}

func TestFreeSpaceIsBelievedForTwoMinutes(t *testing.T) {
	clk := &clock{now: time.Unix(1e9, 0)}
	s := open(t, "", mail.Options{Now: clk.Now}, alice)
	inbox := folder(t, s, alice, "INBOX")
	free := func(want int64) {
		t.Helper()
		if got, err := s.Free(ctx, alice); err != nil || got != want {
			t.Errorf("free %d, %v; want %d", got, err, want)
		}
	}
	if err := s.SetQuota(ctx, alice, 1); err != nil {
		t.Fatal(err)
	}
	free(1024)
	add(t, s, inbox.UID, strings.Repeat("x", 2000), time.Time{})
	free(-976)
	if err := s.SetQuota(ctx, alice, 100); err != nil {
		t.Fatal(err)
	}
	clk.add(119 * time.Second)
	free(-976)
	clk.add(119 * time.Second) // the question itself kept it alive
	free(-976)
	clk.add(2 * time.Minute)
	free(99 << 10) // 2000 octets are one whole KiB
}

func TestFlagsAndExpunge(t *testing.T) {
	s := open(t, "", mail.Options{}, alice)
	inbox := folder(t, s, alice, "INBOX")
	for i := range 3 {
		add(t, s, inbox.UID, fmt.Sprint("m", i), time.Time{})
	}
	steps := []struct {
		mode  mail.Mode
		flags []string
		want  string
	}{
		{mail.Add, []string{`\seen`, "Key"}, `\Seen Key`},
		{mail.Add, []string{"KEY"}, `\Seen Key`},
		{mail.Remove, []string{"key"}, `\Seen`},
		{mail.Replace, []string{`\Deleted`}, `\Deleted`},
	}
	for _, st := range steps {
		if err := s.Update(ctx, inbox.UID, []uint32{2, 99}, st.mode, st.flags); err != nil {
			t.Fatal(err)
		}
		if r, _ := s.Record(inbox.UID, 2); strings.Join(r.Flags, " ") != st.want {
			t.Errorf("flags %q, want %q", r.Flags, st.want)
		}
	}
	if err := s.Expunge(ctx, inbox.UID, []uint32{2}); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(inbox.UID, true)
	if err != nil || !slices.Equal(snap.UIDs, []uint32{1, 3}) || snap.Visible != 2 || snap.Unseen != 2 {
		t.Errorf("snapshot %+v, %v", snap, err)
	}
	if !slices.Equal(snap.Labels, []string{"Key"}) {
		t.Errorf("labels %q", snap.Labels)
	}
	recs, _ := s.Records(ctx, inbox.UID)
	if len(recs) != 3 || !recs[1].Expunged || recs[1].Version != snap.HighestModSeq {
		t.Errorf("records %+v", recs)
	}
	// An expunged message takes no flags any more.
	if err := s.Update(ctx, inbox.UID, []uint32{2}, mail.Replace, nil); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.Record(inbox.UID, 2); !r.Expunged || !slices.Equal(r.Flags, []string{`\Deleted`}) {
		t.Errorf("expunged record %+v", r)
	}
	if used, _ := s.Used(ctx, alice); used != 4 {
		t.Errorf("used %d, want 4", used)
	}
}

func TestCopyKeepsDateAndBody(t *testing.T) {
	s := open(t, "", mail.Options{}, alice, support)
	inbox, share := folder(t, s, alice, "INBOX"), folder(t, s, support, "support")
	date := time.Unix(1e9, 0)
	add(t, s, inbox.UID, "one", date, "k")
	add(t, s, inbox.UID, "two", date)
	got, err := s.Copy(ctx, inbox.UID, []uint32{1, 7, 2}, share.UID)
	if err != nil || len(got) != 2 || got[0].UID != 1 || got[1].UID != 2 || !got[0].InternalDate.Equal(date) {
		t.Fatalf("copies %+v, %v", got, err)
	}
	if body(t, s, share.UID, 2) != "two" || !slices.Equal(got[0].Flags, []string{"k"}) {
		t.Error("the copy differs")
	}
}

func TestChangedWakes(t *testing.T) {
	s := open(t, "", mail.Options{}, alice)
	inbox := folder(t, s, alice, "INBOX")
	wait, err := s.Changed(inbox.UID, inbox.HighestModSeq)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-wait:
		t.Fatal("woken by nothing")
	default:
	}
	add(t, s, inbox.UID, "x", time.Time{})
	<-wait
	if late, _ := s.Changed(inbox.UID, inbox.HighestModSeq); late != nil {
		<-late
	}
}

func TestNothingIsWrittenToWhatIsGone(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := open(t, dir, mail.Options{}, alice, support)
		a, err := s.CreateFolder(ctx, alice, "A")
		if err != nil {
			t.Fatal(err)
		}
		share, inbox := folder(t, s, support, "support"), folder(t, s, alice, "INBOX")
		add(t, s, a.UID, "x", time.Time{})
		add(t, s, share.UID, "x", time.Time{})
		try := func(folderUID string, want error) {
			t.Helper()
			if _, err := s.Append(ctx, folderUID, s.NewDraft(0), nil, time.Time{}); !errors.Is(err, want) {
				t.Errorf("append: %v, want %v", err, want)
			}
			if err := s.Update(ctx, folderUID, []uint32{1}, mail.Add, []string{"k"}); !errors.Is(err, want) {
				t.Errorf("update: %v, want %v", err, want)
			}
		}
		if err := errors.Join(s.DeleteFolder(ctx, a.UID), s.Drop(ctx, support), s.Drop(ctx, support)); err != nil {
			t.Fatal(err)
		}
		try(a.UID, mail.ErrNotFound)
		try(share.UID, mail.ErrNotFound)
		if used, err := s.Used(ctx, alice); used != 0 || err != nil {
			t.Errorf("used %d, %v", used, err)
		}
		if _, err := s.BoxByName(support.Domain, support.Name); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("dropped box by name: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		try(inbox.UID, mail.ErrClosed)
		if err := s.SetQuota(ctx, alice, 9); !errors.Is(err, mail.ErrClosed) {
			t.Errorf("quota: %v", err)
		}
		if err := s.DeleteFolder(ctx, inbox.UID); err == nil {
			t.Error("deleted after Close")
		}
	}
}

// TestAppendsRaceDeletion is for -race and for what Used says at its end.
func TestAppendsRaceDeletion(t *testing.T) {
	s := open(t, "", mail.Options{}, alice)
	for range 20 {
		a, err := s.CreateFolder(ctx, alice, "A")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					d := s.NewDraft(1)
					d.Write([]byte("x"))
					if _, err := s.Append(ctx, a.UID, d, nil, time.Time{}); err != nil {
						return
					}
				}
			})
		}
		if err := s.DeleteFolder(ctx, a.UID); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
	if used, err := s.Used(ctx, alice); used != 0 || err != nil {
		t.Errorf("used %d, %v", used, err)
	}
}

func TestConcurrentAppends(t *testing.T) {
	s := open(t, t.TempDir(), mail.Options{}, alice)
	inbox := folder(t, s, alice, "INBOX")
	const workers, each = 8, 50
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				add(t, s, inbox.UID, fmt.Sprintf("Subject: %d %d\r\n\r\n", w, i%10), time.Time{})
			}
		})
	}
	wg.Wait()
	recs, err := s.Records(ctx, inbox.UID)
	if err != nil || len(recs) != workers*each {
		t.Fatalf("%d records, %v", len(recs), err)
	}
	items := map[int64]bool{}
	for i, r := range recs {
		if r.UID != uint32(i+1) || items[r.ItemID] {
			t.Fatalf("record %d: %+v", i, r)
		}
		items[r.ItemID] = true
	}
}

func TestItemsAreFoundByTheirIDs(t *testing.T) {
	s := open(t, "", mail.Options{}, alice)
	inbox, sent := folder(t, s, alice, "INBOX"), folder(t, s, alice, "Sent")
	var want []mail.Record
	for i := range 9 {
		add(t, s, sent.UID, fmt.Sprintf("Subject: other %d\r\n\r\n", i), time.Time{})
		want = append(want, add(t, s, inbox.UID, fmt.Sprintf("Subject: %d\r\n\r\n", i), time.Time{}))
	}
	got, err := s.Items(ctx, inbox.UID, []int64{want[7].ItemID, want[0].ItemID - 1, 1 << 40, want[0].ItemID, want[8].ItemID})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].UID != want[7].UID || got[1].UID != want[0].UID || got[2].SHA1 != want[8].SHA1 {
		t.Errorf("found %+v", got)
	}
	if _, err := s.Items(ctx, "none", nil); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("items of no folder: %v", err)
	}
}
