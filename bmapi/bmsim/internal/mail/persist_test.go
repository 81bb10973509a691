package mail_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

func TestRestartGivesTheSame(t *testing.T) {
	for _, opts := range []mail.Options{{}, {Sync: true}} {
		t.Run(fmt.Sprintf("Sync=%v", opts.Sync), func(t *testing.T) { restart(t, opts) })
	}
}

func restart(t *testing.T, opts mail.Options) {
	dir := t.TempDir()
	s := open(t, dir, opts, alice, support)
	inbox := folder(t, s, alice, "INBOX")
	add(t, s, inbox.UID, "Message-ID: <1@x>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\nSubject: caf\xe9 <\xff>\r\n\r\none", time.Unix(1e9, 999999), "k", "\xe9")
	add(t, s, inbox.UID, strings.Repeat("big ", 100<<10), time.Unix(1e9+1, 0))
	d := s.NewDraft(0)
	io.WriteString(d, "Subject: \x00\r\n\r\n")
	if _, err := s.Append(ctx, inbox.UID, d, nil, time.Time{}); err == nil {
		t.Fatal("NUL was stored")
	}
	add(t, s, inbox.UID, "three", time.Unix(1e9+2, 0))
	if err := s.Update(ctx, inbox.UID, []uint32{1}, mail.Add, []string{`\Flagged`}); err != nil {
		t.Fatal(err)
	}
	if err := s.Expunge(ctx, inbox.UID, []uint32{2}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetQuota(ctx, alice, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateFolder(ctx, alice, "Clients"); err != nil {
		t.Fatal(err)
	}
	gone, err := s.CreateFolder(ctx, alice, "Clients/2023")
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, gone.UID, "lost with its folder", time.Time{})
	if err := s.DeleteFolder(ctx, gone.UID); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(ctx, support); err != nil {
		t.Fatal(err)
	}
	type state struct {
		Boxes   []mail.Box
		Folders []mail.Folder
		Records []mail.Record
		Used    int64
		Quota   int64
		Body    string
	}
	look := func(s *mail.Store) (out state) {
		out.Boxes = s.List()
		out.Folders, _ = s.Folders(ctx, alice)
		out.Records, _ = s.Records(ctx, inbox.UID)
		out.Used, _ = s.Used(ctx, alice)
		out.Quota = s.Quota(alice)
		out.Body = body(t, s, inbox.UID, 1) + body(t, s, inbox.UID, 2) + body(t, s, inbox.UID, 4)
		return out
	}
	before := look(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, opts)
	after := look(s)
	if before.Body != after.Body {
		t.Error("the octets differ")
	}
	before.Body, after.Body = "", ""
	if !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	// The same name again: the same uid, another UIDVALIDITY, and empty.
	again, err := s.CreateFolder(ctx, alice, "Clients/2023")
	if err != nil || again.UID != gone.UID || again.UIDValidity <= gone.UIDValidity {
		t.Fatalf("made again: %+v, %v; was %+v", again, err, gone)
	}
	s.Close()
	s = open(t, dir, opts)
	if recs, err := s.Records(ctx, again.UID); err != nil || len(recs) != 0 {
		t.Errorf("made again with %d records, %v", len(recs), err)
	}
	if r := add(t, s, inbox.UID, "five", time.Time{}); r.UID != 5 {
		t.Errorf("next UID %d, want 5", r.UID)
	}
}

func TestTornLineIsDropped(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, mail.Options{}, alice)
	inbox := folder(t, s, alice, "INBOX")
	add(t, s, inbox.UID, "one", time.Time{})
	s.Close()
	logs, _ := filepath.Glob(filepath.Join(dir, "boxes", "*"))
	for _, path := range append(logs, filepath.Join(dir, "index")) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(`{"op":"app`)
		f.Close()
	}
	for range 2 {
		s = open(t, dir, mail.Options{})
		want := folder(t, s, alice, "INBOX").LastUID + 1
		if r := add(t, s, inbox.UID, fmt.Sprint("more", want), time.Time{}); r.UID != want {
			t.Errorf("UID %d, want %d", r.UID, want)
		}
		s.Close()
	}
	s = open(t, dir, mail.Options{})
	if recs, _ := s.Records(ctx, inbox.UID); len(recs) != 3 {
		t.Errorf("%d records, want 3", len(recs))
	}
}

const killedDir = "BMSYNC_MAIL_TEST_DIR"

// killedBody is message i: most go to the pack, some to a file of their own,
// some through a temporary one.
func killedBody(i int) string {
	size := 10
	switch {
	case i%40 == 39:
		size = 600 << 10
	case i%10 == 9:
		size = 70 << 10
	}
	return fmt.Sprintf("Subject: %d\r\n\r\n", i) + strings.Repeat("x", size)
}

// TestKilledProcess is both the test and, with a directory in its environment,
// the process that is killed.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		appendUntilKilled(t, dir)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answered, inbox := 0, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "UID "); ok {
			answered, _ = strconv.Atoi(n)
		} else if text, ok := strings.CutPrefix(lines.Text(), "INBOX "); ok {
			inbox = text
		}
		if answered == 200 {
			cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil || answered < 200 {
		t.Fatalf("the process ended by itself after %d answers", answered)
	}
	s := open(t, dir, mail.Options{})
	f := folder(t, s, alice, "INBOX")
	if got := fmt.Sprint(f.UID, f.UIDValidity); got != inbox {
		t.Errorf("INBOX is %s, was %s", got, inbox)
	}
	recs, err := s.Records(ctx, f.UID)
	if err != nil || len(recs) < answered {
		t.Fatalf("%d records, %v; %d were answered", len(recs), err, answered)
	}
	for i, r := range recs {
		if r.UID != uint32(i+1) || !r.InternalDate.Equal(time.Unix(int64(i), 0)) || body(t, s, f.UID, r.UID) != killedBody(i) {
			t.Fatalf("record %d: %+v", i, r)
		}
		want := []string{"k", `\Flagged`}
		if i%3 == 0 {
			want = append(want, `\Deleted`)
		}
		if i < answered && (!slices.Equal(r.Flags, want) || r.Expunged != (i%3 == 0)) {
			t.Errorf("record %d: %q, expunged: %v", i, r.Flags, r.Expunged)
		}
	}
	if r := add(t, s, f.UID, "after", time.Time{}); r.UID != uint32(len(recs)+1) {
		t.Errorf("next UID %d after %d", r.UID, len(recs))
	}
}

func appendUntilKilled(t *testing.T, dir string) {
	s := open(t, dir, mail.Options{}, alice)
	inbox := folder(t, s, alice, "INBOX")
	fmt.Println("INBOX", fmt.Sprint(inbox.UID, inbox.UIDValidity))
	for i := 0; ; i++ {
		r := add(t, s, inbox.UID, killedBody(i), time.Unix(int64(i), 0), "k")
		if err := s.Update(ctx, inbox.UID, []uint32{r.UID}, mail.Add, []string{`\Flagged`}); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := s.Expunge(ctx, inbox.UID, []uint32{r.UID}); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("UID", r.UID)
	}
}
