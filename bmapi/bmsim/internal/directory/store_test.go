package directory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withDomain makes example.org, ready for mail.
func withDomain(t *testing.T, s *Store) {
	t.Helper()
	if err := s.CreateDomain(AdminUID, "example.org", Domain{Label: "example.org", Name: "example.org"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Assign(AdminUID, "example.org", "bm-master", TagIMAP); err != nil {
		t.Fatal(err)
	}
}

func person(login string) User {
	return User{
		Login: Text(login), Routing: "internal",
		ContactInfos: Card{"identification": map[string]any{"name": map[string]any{"familyNames": "F", "givenNames": "G"}}},
	}
}

func TestAnyUIDMakesAFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	withDomain(t, s)
	uids := []string{"plain", "with/slash", "..", "a b+c%2F", strings.Repeat("long", 100), strings.Repeat("long", 100) + "er", "é"}
	for i, uid := range uids {
		if _, err := s.CreateUser(AdminUID, "example.org", uid, "", person(fmt.Sprintf("u%d", i))); err != nil {
			t.Fatalf("%s: %v", uid, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "entries", "torn.json.tmp"), []byte(`{"uid`), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	for i, uid := range uids {
		e, ok := s.Entry("example.org", uid)
		if !ok || e.MailboxName() != fmt.Sprintf("u%d", i) || e.DisplayName != "G F" {
			t.Errorf("%s is %+v after reading it again", uid, e)
		}
	}
	if _, err := s.Delete("example.org", "with/slash"); err != nil {
		t.Fatal(err)
	}
	if _, ok := open(t, dir, Options{}).Entry("example.org", "with/slash"); ok {
		t.Error("a deleted entry came back")
	}
}

func TestIdleSessionsAreNotRead(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_700_000_000, 0)
	opts := Options{Now: func() time.Time { return now }}
	s := open(t, dir, opts)
	admin, _ := s.Entry(GlobalDomain, AdminUID)
	old, err := s.OpenSession(admin, "")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(15 * time.Minute)
	fresh, err := s.OpenSession(admin, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Session(old.ID); !ok {
		t.Fatal("ended after 15 minutes")
	}
	now = now.Add(10 * time.Minute)
	s = open(t, dir, opts)
	for name, id := range map[string]string{"used meanwhile": old.ID, "fresh": fresh.ID} {
		if _, ok := s.Session(id); !ok {
			t.Errorf("%s: ended", name)
		}
	}
	now = now.Add(21 * time.Minute)
	s = open(t, dir, opts)
	if n := s.Sessions(); len(n) != 0 {
		t.Errorf("idle ones live: %v", n)
	}
	files, err := os.ReadDir(filepath.Join(dir, "sessions"))
	if err != nil || len(files) != 0 {
		t.Errorf("%d files of sessions, %v", len(files), err)
	}
}

func TestVerbs(t *testing.T) {
	for version, want := range map[int]map[Verb]string{
		5: {"Read": "Read Freebusy Invitation", "Write": "Write Read Freebusy Invitation", "SendAs": "SendAs SendOnBehalf", "Manage": "Manage"},
		4: {"Write": "Write Read SendOnBehalf Freebusy Invitation", "All": "All Write Manage Read SendOnBehalf Freebusy Invitation"},
	} {
		s := open(t, "", Options{Version: version})
		for verb, all := range want {
			if got := strings.Trim(fmt.Sprint(s.Expand(verb)), "[]"); got != all {
				t.Errorf("version %d: %s holds %s, want %s", version, verb, got, all)
			}
		}
	}
}

func TestWhatCannotBeWrittenIsNotThere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	withDomain(t, s)
	entries := filepath.Join(dir, "entries")
	if err := os.RemoveAll(entries); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(entries, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	_, err := s.CreateUser(AdminUID, "example.org", "x", "", person("x"))
	var f *Fault
	if err == nil || errors.As(err, &f) {
		t.Errorf("%v", err)
	}
	if _, ok := s.Entry("example.org", "x"); ok {
		t.Error("it is there all the same")
	}
}
