package state

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample makes source message uid of a folder; the same uid, the same message.
func sample(uid uint32) Message {
	body := binary.BigEndian.AppendUint32(nil, uid)
	m := Message{
		SrcUIDValidity: 1_700_000_000, SrcUID: uid, DstUIDValidity: 1_750_000_000, DstUID: uid + 7, Size: int64(2000 + uid%30000),
		InternalDate: time.Unix(1_600_000_000+int64(uid)*60, 0).In(time.FixedZone("", 2*3600)),
		SHA1:         sha1.Sum(body), SHA256: sha256.Sum256(body), State: Copied, Wrote: true,
	}
	if uid%4 != 0 {
		m.Flags = []string{`\Seen`}
	}
	if uid%10 == 0 {
		m.Flags = append(m.Flags, "$Forwarded")
	}
	return m
}

func intentOf(m Message) Intent {
	return Intent{SrcUIDValidity: m.SrcUIDValidity, SrcUID: m.SrcUID, DstUIDValidity: m.DstUIDValidity, DstUIDNext: m.DstUID,
		Size: m.Size, InternalDate: m.InternalDate, Flags: m.Flags, SHA1: m.SHA1, SHA256: m.SHA256,
		Begun: time.Unix(1_800_000_000, 0).UTC(), Run: 1}
}

func batchOf(first uint32, n int) ([]Intent, []Message) {
	intents, messages := make([]Intent, n), make([]Message, n)
	for i := range n {
		messages[i] = sample(first + uint32(i))
		intents[i] = intentOf(messages[i])
	}
	return intents, messages
}

var testIdentity = Identity{Target: "test", Installation: "bm-1", Version: 5, Rehearsal: true, URL: "https://bm.test"}

func openTest(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "test.db"), testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// folderTest makes an account and a folder in it.
func folderTest(t testing.TB, s *Store, address string) Folder {
	t.Helper()
	a, err := s.EnsureAccount(context.Background(), Account{Source: "old", SourceLogin: address, Address: address, Kind: "user"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.EnsureFolder(context.Background(), Folder{Account: a.ID, Source: "INBOX", Target: "INBOX", SrcUIDValidity: 1_700_000_000})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// all reads the rows of a folder.
func all(t testing.TB, s *Store, folder int64) []Message {
	t.Helper()
	var list []Message
	for m, err := range s.Messages(context.Background(), folder, 0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesAnotherIdentity(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	must(t, s.Close())
	for _, test := range []struct {
		field string
		edit  func(*Identity)
	}{
		{"target", func(id *Identity) { id.Target = "production" }},
		{"installation", func(id *Identity) { id.Installation = "bm-2" }},
		{"version", func(id *Identity) { id.Version = 4 }},
		{"rehearsal", func(id *Identity) { id.Rehearsal = false }},
	} {
		t.Run(test.field, func(t *testing.T) {
			id := testIdentity
			test.edit(&id)
			_, err := Open(ctx, path, id)
			var differs *IdentityError
			if !errors.As(err, &differs) || differs.Field != test.field || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v", err)
			}
		})
	}
	moved := testIdentity
	moved.URL = "https://new.test"
	s, err = Open(ctx, path, moved)
	must(t, err)
	defer s.Close()
	if id, err := s.Identity(ctx); err != nil || id != moved {
		t.Errorf("identity %+v, %v: another URL must be taken", id, err)
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	ctx := context.Background()
	edit := func(pragma string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			s, err := Open(ctx, path, testIdentity)
			must(t, err)
			_, err = s.writer.Exec(pragma)
			must(t, err)
			must(t, s.Close())
		}
	}
	var newer *NewerError
	var file *FileError
	for name, test := range map[string]struct {
		make func(t *testing.T, path string)
		is   func(error) bool
	}{
		"a newer format":    {edit("PRAGMA user_version=99"), func(err error) bool { return errors.As(err, &newer) && newer.Have == 99 && newer.Want == newest() }},
		"another program's": {edit("PRAGMA application_id=7"), func(err error) bool { return errors.Is(err, ErrNotState) && errors.As(err, &file) }},
		"no database": {func(t *testing.T, path string) {
			must(t, os.WriteFile(path, bytes.Repeat([]byte("mail\n"), 400), 0o600))
		}, func(err error) bool { return errors.Is(err, ErrNotState) && errors.As(err, &file) }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			test.make(t, path)
			before, err := os.ReadFile(path)
			must(t, err)
			if _, err := Open(ctx, path, testIdentity); !test.is(err) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v", err)
			}
			if _, err := OpenReadOnly(ctx, path); !test.is(err) {
				t.Errorf("OpenReadOnly: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func TestOpenKeepsOthersOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "état 100% #1?x=y&z")
	path := filepath.Join(dir, "ta rget.db")
	s, err := Open(context.Background(), path, testIdentity)
	must(t, err)
	defer s.Close()
	f := folderTest(t, s, "a@x.test")
	must(t, s.Record(context.Background(), f.ID, []Message{sample(1)}))
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 4 { // file, -wal, -shm, .lock
		t.Errorf("files: %v", entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder %s: %v, %v", d, info.Mode(), err)
		}
	}
	must(t, s.Close())
	must(t, os.Chmod(path, 0o644)) // as a copy from elsewhere comes
	s, err = Open(context.Background(), path, testIdentity)
	must(t, err)
	defer s.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := all(t, s, f.ID); len(got) != 1 {
		t.Errorf("%d rows after opening again", len(got))
	}
}

func TestOpenReadOnly(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "test.db")
	if _, err := OpenReadOnly(ctx, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if _, err := OpenReadOnly(ctx, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("file never begun: %v", err)
	}
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	defer s.Close()
	f := folderTest(t, s, "a@x.test")
	r, err := OpenReadOnly(ctx, path)
	must(t, err)
	defer r.Close()
	for uid := range uint32(3) { // each commit is seen at once
		must(t, s.Record(ctx, f.ID, []Message{sample(uid + 1)}))
		if got := all(t, r, f.ID); len(got) != int(uid)+1 {
			t.Errorf("%d rows seen after %d commits", len(got), uid+1)
		}
	}
	if id, err := r.Identity(ctx); err != nil || id != testIdentity {
		t.Errorf("identity %+v, %v", id, err)
	}
	_, errRun := r.BeginRun(ctx, Run{Name: "r"})
	_, errAccount := r.EnsureAccount(ctx, Account{Address: "b@x.test"})
	_, errFolder := r.EnsureFolder(ctx, f)
	for i, err := range []error{errRun, errAccount, errFolder, r.EndRun(ctx, 1, 0, ""), r.UpdateAccount(ctx, Account{ID: 1}),
		r.UpdateFolder(ctx, f), r.Begin(ctx, f.ID, nil), r.Record(ctx, f.ID, nil), r.AddDoubts(ctx, f.ID, nil),
		r.ClearDoubts(ctx, f.ID, 1, nil), r.MarkVanished(ctx, f.ID, 1, nil), r.UpdateFlags(ctx, f.ID, nil),
		r.SetDstGone(ctx, f.ID, 1, nil, true), r.ForgetAccount(ctx, 1), r.CloseEpoch(ctx, f.ID, 1),
		r.RecordVerification(ctx, Verification{Account: 1})} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	must(t, s.Close()) // the reader still has the file open
	if got := all(t, r, f.ID); len(got) != 3 {
		t.Errorf("%d rows after the writer left", len(got))
	}
}

func TestOpenReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs a user without root's rights")
	}
	ctx := context.Background()
	dir := t.TempDir()
	s, err := Open(ctx, filepath.Join(dir, "test.db"), testIdentity)
	must(t, err)
	f := folderTest(t, s, "a@x.test")
	must(t, s.Record(ctx, f.ID, []Message{sample(1)}))
	must(t, s.Close())
	must(t, os.Chmod(dir, 0o500))
	defer os.Chmod(dir, 0o700)
	r, err := OpenReadOnly(ctx, s.Path())
	must(t, err)
	defer r.Close()
	if got := all(t, r, f.ID); len(got) != 1 {
		t.Errorf("%d rows", len(got))
	}
	if _, err := Open(ctx, filepath.Join(dir, "other.db"), testIdentity); !errors.Is(err, ErrNotWritable) {
		t.Errorf("new file in a read-only folder: %v", err)
	}
}

func TestTroubleWithTheFileNamesIt(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name, on, off string
		is            error
	}{
		{"disk full", "PRAGMA max_page_count=60", "PRAGMA max_page_count=1000000", ErrDiskFull},
		{"read-only", "PRAGMA query_only=1", "PRAGMA query_only=0", ErrNotWritable},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openTest(t)
			f := folderTest(t, s, "a@x.test")
			must(t, s.Record(ctx, f.ID, []Message{sample(1)}))
			_, err := s.writer.Exec(test.on)
			must(t, err)
			_, messages := batchOf(2, 5000)
			err = s.Record(ctx, f.ID, messages)
			var file *FileError
			if !errors.Is(err, test.is) || !errors.As(err, &file) || file.Path != s.Path() || !strings.Contains(err.Error(), s.Path()) {
				t.Fatalf("got %v", err)
			}
			if got := all(t, s, f.ID); len(got) != 1 {
				t.Errorf("%d rows of a refused batch", len(got)-1)
			}
			_, err = s.writer.Exec(test.off)
			must(t, err)
			must(t, s.Record(ctx, f.ID, messages))
			must(t, s.Check(ctx))
			if got := all(t, s, f.ID); len(got) != 5001 {
				t.Errorf("%d rows once there was room", len(got))
			}
		})
	}
}

func TestCancelledContextEndsTheWait(t *testing.T) {
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	<-s.turn // somebody writes
	time.AfterFunc(5*time.Millisecond, func() { cancel(why) })
	if err := s.Record(ctx, f.ID, []Message{sample(1)}); !errors.Is(err, why) {
		t.Errorf("waiting for the turn: %v", err)
	}
	s.turn <- struct{}{}
	if err := s.Record(ctx, f.ID, []Message{sample(1)}); !errors.Is(err, why) {
		t.Errorf("cancelled before: %v", err)
	}
	for _, err := range s.Messages(ctx, f.ID, 0) {
		if !errors.Is(err, why) {
			t.Errorf("reading: %v", err)
		}
	}
	must(t, s.Record(context.Background(), f.ID, []Message{sample(1)}))
}

func TestCloseTrimsAndMayBeRepeated(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	_, messages := batchOf(1, 80_000)
	must(t, s.Record(ctx, f.ID, messages))
	must(t, s.ForgetAccount(ctx, f.Account))
	must(t, s.Close())
	must(t, s.Close())
	info, err := os.Stat(s.Path())
	must(t, err)
	if info.Size() > 1<<20 {
		t.Errorf("%d bytes after all was forgotten", info.Size())
	}
	if _, err := os.Stat(s.Path() + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is still there (%v)", err)
	}
}
