package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestRuns(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.now = func() time.Time { return at.Add(time.Hour) }
	first := Run{Name: "r1", Host: "h", PID: 7, PolicyDigest: "p", PlanSHA256: "q", Command: "run", WithoutRehearsal: "urgent", Started: at}
	var err error
	first.ID, err = s.BeginRun(ctx, first)
	must(t, err)
	second, err := s.BeginRun(ctx, Run{Name: "r2", Started: at})
	must(t, err)
	if _, err := s.BeginRun(ctx, Run{Name: "r1"}); err == nil {
		t.Error("a second run of one name was taken: its tokens could not be told apart")
	}
	must(t, s.EndRun(ctx, first.ID, 3, "partial"))
	first.Ended, first.Exit, first.Summary, first.Here = at.Add(time.Hour), 3, "partial", true
	runs, err := s.Runs(ctx)
	if err != nil || len(runs) != 2 || runs[0] != first || runs[1].ID != second || !runs[1].Ended.IsZero() {
		t.Errorf("runs %+v, %v", runs, err)
	}
	if err := s.EndRun(ctx, 99, 0, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown run: %v", err)
	}
}

func TestVerifications(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	want := []Verification{
		{Account: f.Account, PolicyDigest: "p", AccountDigest: "a", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Messages: 3, Bytes: 4,
			Findings: []string{"UID 3: hash differs", "<&>"}},
		{Account: f.Account, PolicyDigest: "p", AccountDigest: "a", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), OK: true, Messages: 5, Bytes: 6,
			Findings: []string{}},
	}
	for i := range want {
		must(t, s.RecordVerification(ctx, want[i]))
		want[i].Address, want[i].Kind = "a@x.test", "user"
	}
	if got, err := s.Verifications(ctx); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if err := s.RecordVerification(ctx, Verification{Account: 99}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown account: %v", err)
	}
}

// TestRunsOfACopy: a copy of the file tells which runs were begun in the original.
func TestRunsOfACopy(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	path, moved, copied := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db"), filepath.Join(dir, "c.db")
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	_, err = s.BeginRun(ctx, Run{Name: "r1"})
	must(t, err)
	must(t, s.Close())
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(copied, data, 0o600))
	must(t, os.Rename(path, moved))
	for path, here := range map[string]bool{moved: true, copied: false} {
		s, err := Open(ctx, path, testIdentity)
		must(t, err)
		_, err = s.BeginRun(ctx, Run{Name: "r2"})
		must(t, err)
		runs, err := s.Runs(ctx)
		if err != nil || len(runs) != 2 || runs[0].Here != here || !runs[1].Here {
			t.Errorf("%s: %+v, %v", path, runs, err)
		}
		must(t, s.Close())
	}
	for _, test := range []struct {
		a, b string
		same bool
	}{{"7\nh\n/p", "7\nother\n/p", true}, {"7\nh\n/p", "7\nother\n/q", false}, {"7\nh\n/p", "8\nh\n/p", false}, {"", "", false}} {
		if sameFile(test.a, test.b) != test.same {
			t.Errorf("%q and %q", test.a, test.b)
		}
	}
}
