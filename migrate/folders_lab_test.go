package migrate_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/examples/lab/labtest"
	"bmsync/imap"
	"bmsync/migrate"
)

// subscribed lists what a user of the target is subscribed to.
func (w *world) subscribed(address string) []string {
	w.t.Helper()
	var out []string
	w.asUser(address, func(s *imap.Source) {
		list, err := s.List(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range list {
			if m.Has(`\Subscribed`) {
				out = append(out, m.Name)
			}
		}
	})
	slices.Sort(out)
	return out
}

// TestLabFolders splits, merges and renames folders on the way from a real
// Dovecot into a real Cyrus, and wants everything shown to clients that ask for
// subscriptions.
func TestLabFolders(t *testing.T) {
	w, lab := labWorld(t, "ada")
	login := w.rows[0].Login
	letters := func(first, n int, year func(i int) int) (list []labtest.Message) {
		for i := range n {
			m := message(first + i)
			list = append(list, labtest.Message{Body: m.Body, InternalDate: time.Date(year(i), 2, 3, 4, 5, i, 0, time.UTC)})
		}
		return list
	}
	same := func(int) int { return 2015 }
	lab.WriteMaildir(t, login, "Big", letters(0, 30, func(i int) int { return 2017 + i%3 }))
	lab.WriteMaildir(t, login, "Old/Work", letters(100, 4, same))
	lab.WriteMaildir(t, login, "Older/Work", letters(102, 4, same)) // two of them in both
	lab.WriteMaildir(t, login, "Réunion <1>/a^b!", letters(200, 2, same))
	lab.WriteMaildir(t, login, "Courrier indésirable", letters(300, 2, same))
	lab.WriteMaildir(t, login, "Éléments envoyés", letters(400, 3, same))
	lab.WriteMaildir(t, login, "Éléments envoyés/2015", letters(500, 3, same))
	w.policy.Folders.SplitByYear = []string{"Big"}
	w.policy.Folders.Rules = []migrate.FolderRule{{Match: "Old(?:er)?/(.*)", To: "Archives/$1"}}
	w.plan()
	w.complete()
	want := map[string]int{"Big/2017": 10, "Big/2018": 10, "Big/2019": 10, "Archives/Work": 8, "Réunion _1_/a_b_": 2, "Sent/2015": 3}
	got := w.holds("ada@" + w.domain)
	for name, n := range want {
		if got[name] != n {
			t.Errorf("folder %q holds %d, want %d", name, got[name], n)
		}
	}
	if got["Sent"]+got["Éléments envoyés"] != 3 {
		t.Errorf("sent mail: %v", got)
	}
	res := w.verify(migrate.RereadAll)
	if res.OK != 1 || res.Messages != 46 {
		t.Errorf("verify: %+v", res)
	}
	if again := w.complete(); again.Copied != 0 {
		t.Errorf("copied %d once more", again.Copied)
	}
	subscribed := w.subscribed("ada@" + w.domain)
	for _, name := range []string{"Archives", "Archives/Work", "Big", "Big/2017", "INBOX", "Réunion _1_", "Réunion _1_/a_b_", "Sent", "Sent/2015"} {
		if !slices.Contains(subscribed, name) {
			t.Errorf("not subscribed to %q: %q", name, subscribed)
		}
	}
	if slices.ContainsFunc(subscribed, func(s string) bool { return strings.HasPrefix(s, "Junk/") }) {
		t.Errorf("subscribed to %q", subscribed)
	}
}

// asUser opens a session on the target that can only read, by a key of the
// user's own.
func (w *world) asUser(address string, do func(*imap.Source)) {
	w.t.Helper()
	w.withKey(w.opts.Target, address, func(ctx context.Context, secret string) {
		s, err := imap.DialSource(ctx, w.opts.Target.IMAP, imap.Credentials{Login: address, Secret: secret}, imap.Options{})
		if err != nil {
			w.t.Fatal(err)
		}
		defer s.Close()
		do(s)
	})
}
