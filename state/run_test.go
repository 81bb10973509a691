package state

import (
	"context"
	"errors"
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
	first.Ended, first.Exit, first.Summary = at.Add(time.Hour), 3, "partial"
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
