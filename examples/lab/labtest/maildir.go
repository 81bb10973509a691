package labtest

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Message is one message to put into a source mailbox.
type Message struct {
	Body         []byte // as stored; Dovecot serves a bare LF as CRLF
	Flags        []string
	InternalDate time.Time // zero: now
}

// sequence orders the files of one test binary: Dovecot gives UIDs by file name.
var sequence atomic.Int64

// letters of a maildir's file name for the system flags.
var letters = map[string]string{`\Draft`: "D", `\Flagged`: "F", `\Answered`: "R", `\Seen`: "S", `\Deleted`: "T"}

// WriteMaildir adds messages to a folder of a Dovecot user, in order, and makes
// the folder where it is missing (INBOX is always there). It must run as root,
// like the lab itself.
func (lab *Lab) WriteMaildir(t testing.TB, login, folder string, msgs []Message) {
	t.Helper()
	box := maildir{dir: lab.folder(login, folder)}
	if err := box.make(lab.home(login)); err != nil {
		t.Fatalf("maildir %q of %s: %v", folder, login, err)
	}
	for i, m := range msgs {
		if err := box.add(m); err != nil {
			t.Fatalf("maildir %q of %s, message %d: %v", folder, login, i, err)
		}
	}
	if err := box.finish(); err != nil {
		t.Fatalf("maildir %q of %s: %v", folder, login, err)
	}
}

// Subscribe marks a folder as subscribed by its Dovecot user.
func (lab *Lab) Subscribe(t testing.TB, login string, folders ...string) {
	t.Helper()
	box := maildir{dir: filepath.Join(lab.home(login), "mail")}
	if err := box.own(lab.home(login)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(box.dir, "subscriptions")
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, f := range folders {
		old = append(old, EncodeUTF7(f)+"\n"...)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, box.uid, box.gid); err != nil {
		t.Fatal(err)
	}
}

func (lab *Lab) folder(login, folder string) string {
	if strings.EqualFold(folder, "INBOX") {
		return filepath.Join(lab.home(login), "Inbox")
	}
	return filepath.Join(lab.home(login), "mail", filepath.FromSlash(EncodeUTF7(folder)))
}

// maildir writes one folder as Dovecot's maildir format has it.
type maildir struct {
	dir      string
	uid, gid int
	keywords []string // by letter, a to z: Dovecot's dovecot-keywords file
}

// own makes dir and its parents up to the user's home, all of them mail's.
func (m *maildir) own(home string) error {
	u, err := user.Lookup("mail")
	if err != nil {
		return err
	}
	if m.uid, err = strconv.Atoi(u.Uid); err != nil {
		return err
	}
	if m.gid, err = strconv.Atoi(u.Gid); err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	for dir := m.dir; len(dir) >= len(home); dir = filepath.Dir(dir) {
		if err := os.Chown(dir, m.uid, m.gid); err != nil {
			return err
		}
	}
	return os.Chown(filepath.Dir(home), m.uid, m.gid) // the domain's folder
}

func (m *maildir) make(home string) error {
	if err := m.own(home); err != nil {
		return err
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		dir := filepath.Join(m.dir, sub)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Chown(dir, m.uid, m.gid); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(filepath.Join(m.dir, "dovecot-keywords"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if _, word, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			m.keywords = append(m.keywords, word)
		}
	}
	return nil
}

func (m *maildir) add(msg Message) error {
	var info []string
	for _, flag := range msg.Flags {
		letter, err := m.letter(flag)
		if err != nil {
			return err
		}
		info = append(info, letter)
	}
	slices.Sort(info) // maildir wants its letters in order
	date := msg.InternalDate
	if date.IsZero() {
		date = time.Now()
	}
	n := sequence.Add(1)
	name := fmt.Sprintf("%d.M%dP%dQ%d.lab", 1_000_000_000+n, n, os.Getpid(), n)
	tmp := filepath.Join(m.dir, "tmp", name)
	if err := os.WriteFile(tmp, msg.Body, 0o600); err != nil {
		return err
	}
	if err := os.Chown(tmp, m.uid, m.gid); err != nil {
		return err
	}
	if err := os.Chtimes(tmp, date, date); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(m.dir, "cur", name+":2,"+strings.Join(info, "")))
}

func (m *maildir) letter(flag string) (string, error) {
	if l, ok := letters[flag]; ok {
		return l, nil
	}
	if strings.HasPrefix(flag, `\`) {
		return "", fmt.Errorf("a maildir has no flag %s", flag)
	}
	i := slices.Index(m.keywords, flag)
	if i < 0 {
		if len(m.keywords) == 26 {
			return "", fmt.Errorf("keyword %s: a maildir takes 26 keywords", flag)
		}
		i = len(m.keywords)
		m.keywords = append(m.keywords, flag)
	}
	return string(rune('a' + i)), nil
}

func (m *maildir) finish() error {
	if len(m.keywords) == 0 {
		return nil
	}
	var b strings.Builder
	for i, word := range m.keywords {
		fmt.Fprintf(&b, "%d %s\n", i, word)
	}
	path := filepath.Join(m.dir, "dovecot-keywords")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Chown(path, m.uid, m.gid)
}

// SetUIDValidity has Dovecot serve a folder that it has served before under
// another UIDVALIDITY, with the UIDs that its messages have.
func (lab *Lab) SetUIDValidity(t testing.TB, login, folder string, v uint32) {
	t.Helper()
	dir := lab.folder(login, folder)
	path := filepath.Join(dir, "dovecot-uidlist")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(list), "\n") // 3 V1700000000 N44 G…
	fields := strings.Fields(head)
	for i, f := range fields {
		if strings.HasPrefix(f, "V") {
			fields[i] = fmt.Sprintf("V%d", v)
		}
	}
	// Another inode: Dovecot reads a changed list anew.
	if err := os.WriteFile(path+".new", []byte(strings.Join(fields, " ")+"\n"+rest), info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(path+".new", int(stat.Uid), int(stat.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	indexes, err := filepath.Glob(filepath.Join(dir, "dovecot.index*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range indexes {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
