package migrate

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
)

// TestQuarantineKeeps: the octets as they were, once, for their owner's eyes
// alone, under a name that is none but a name.
func TestQuarantineKeeps(t *testing.T) {
	q := &quarantine{dir: filepath.Join(t.TempDir(), "q"), most: 1 << 20, now: func() time.Time { return time.Unix(2e9, 0) }}
	body := []byte("Subject: a\x00\n\nbare\n")
	o := imap.Outcome{SrcUID: 7, SHA1: sha1.Sum(body), SHA256: sha256.Sum256(body), By: "target", Reason: "NO Message contains NUL characters",
		Flags: []string{`\Seen`}, InternalDate: time.Unix(1e9, 0).UTC()}
	keep := q.of("test", "=cmd|'/c calc'!a@example.org", "../../etc/INBOX\x00")
	note, err := keep(t.Context(), o, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	name := keptAs("something; " + note)
	to := filepath.Join(q.dir, filepath.FromSlash(name))
	got, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("%s holds %q, %v", name, got, err)
	}
	if strings.Contains(name, "..") || strings.ContainsAny(name, "|'= \x00") || strings.Count(name, "/") != 2 {
		t.Errorf("kept as %q", name)
	}
	for path, want := range map[string]os.FileMode{to: 0o600, strings.TrimSuffix(to, ".eml") + ".json": 0o600, filepath.Dir(to): 0o700, q.dir: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	text, err := os.ReadFile(strings.TrimSuffix(to, ".eml") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var about quarantined
	if err := json.Unmarshal(text, &about); err != nil || about.Words != o.Reason || about.SourceUID != 7 || about.Folder != "../../etc/INBOX\x00" || len(about.SHA256) != 64 {
		t.Errorf("%s: %v", text, err)
	}
	before, _ := os.Stat(to)
	if again, err := keep(t.Context(), o, bytes.NewReader(body), int64(len(body))); err != nil || again != note {
		t.Errorf("again: %q, %v", again, err)
	}
	if after, _ := os.Stat(to); !os.SameFile(before, after) {
		t.Error("written twice")
	}
	if err := os.WriteFile(to, []byte("cut short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keep(t.Context(), o, bytes.NewReader(body), int64(len(body))); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(to); !bytes.Equal(got, body) {
		t.Errorf("a torn file stays: %q", got)
	}
}

// TestQuarantineFaults leave nothing under the message's name.
func TestQuarantineFaults(t *testing.T) {
	body := []byte("Subject: a\r\n\r\n")
	o := imap.Outcome{SrcUID: 7, SHA256: sha256.Sum256(body)}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		body    []byte
		most    int64
		says    string
	}{
		"a file in the folder's place": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "test"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, body, 100, "not a directory"},
		"too much":    {nil, body, 10, "the most"},
		"other bytes": {nil, []byte("Subject: b\r\n\r\n"), 100, "other bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			q := &quarantine{dir: t.TempDir(), most: c.most, now: time.Now}
			if c.prepare != nil {
				c.prepare(t, q.dir)
			}
			note, err := q.of("test", "a@example.org", "INBOX")(t.Context(), o, bytes.NewReader(c.body), int64(len(c.body)))
			if err == nil || !strings.Contains(err.Error(), c.says) || note != "" {
				t.Errorf("%q, %v", note, err)
			}
			if files, _ := filepath.Glob(filepath.Join(q.dir, "*", "*", "*.eml*")); len(files) > 0 {
				t.Errorf("there is %q", files)
			}
		})
	}
}

func FuzzFileName(f *testing.F) {
	for _, s := range []string{"", ".", "..", "INBOX", "CON", "nul.txt", "a/b\\c", "=1+1", "@x", "-rf", "Été", strings.Repeat("x", 300), "com1"} {
		f.Add(s, "b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := fileName(a), fileName(b)
		if a != b && x == y {
			t.Fatalf("%q and %q are both %q", a, b, x)
		}
		if x == "" || len(x) > longestFileName+9 || strings.ContainsAny(x, "/\\:*?\"<>| \x00\n") || strings.ContainsRune(".-=+@~", rune(x[0])) || device(x) || !filepath.IsLocal(x) {
			t.Fatalf("%q is %q", a, x)
		}
	})
}
