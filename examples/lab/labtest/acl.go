package labtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SetDovecotACL says who may do what with a folder of a Dovecot user, which must
// be there: lines as Dovecot has them, such as "user=bob@x.example lrs",
// "group=staff lrswi", "anyone lr", "-user=cyd@x.example w".
func (lab *Lab) SetDovecotACL(t testing.TB, login, folder string, lines ...string) {
	t.Helper()
	box := maildir{dir: lab.folder(login, folder)}
	if err := box.own(lab.home(login)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(box.dir, "dovecot-acl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, box.uid, box.gid); err != nil {
		t.Fatal(err)
	}
}
