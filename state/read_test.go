package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestReadAccounts(t *testing.T) {
	ctx, s := t.Context(), openTest(t)
	bea, ada := folderTest(t, s, "bea@example.org"), folderTest(t, s, "ada@example.org")
	ids, err := s.AccountIDs(ctx)
	if want := []int64{ada.Account, bea.Account}; err != nil || !slices.Equal(ids, want) {
		t.Fatalf("got %v, %v, want %v", ids, err, want)
	}
	a, err := s.AccountByID(ctx, bea.Account)
	if err != nil || a.Address != "bea@example.org" {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := s.AccountByID(ctx, 99); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown account: %v", err)
	}
}

func TestLastVerification(t *testing.T) {
	ctx, s := t.Context(), openTest(t)
	f := folderTest(t, s, "ada@example.org")
	if _, err := s.LastVerification(ctx, f.Account); !errors.Is(err, ErrNotFound) {
		t.Fatalf("none yet: %v", err)
	}
	at := time.Unix(1_800_000_000, 0).UTC()
	old := Verification{Account: f.Account, PolicyDigest: "p1", At: at, OK: true, Messages: 3}
	last := Verification{Account: f.Account, PolicyDigest: "p2", AccountDigest: "a", At: at.Add(time.Hour), Messages: 2, Bytes: 9, Findings: []string{"one is missing"}}
	must(t, s.RecordVerification(ctx, old))
	must(t, s.RecordVerification(ctx, last))
	got, err := s.LastVerification(ctx, f.Account)
	if err != nil || !reflect.DeepEqual(got, last) {
		t.Errorf("got %+v, %v, want %+v", got, err, last)
	}
}

func TestNotableAndReasons(t *testing.T) {
	ctx, s := t.Context(), openTest(t)
	f := folderTest(t, s, "ada@example.org")
	m := make([]Message, 8)
	for i := range m {
		m[i] = sample(uint32(i + 1))
	}
	m[1].State, m[1].Reason, m[1].By = Refused, "NO too odd", "target"
	m[2].Note = "the target refused its keywords: $x"
	m[3].DstGone = true
	m[4].State, m[4].DstGone = Vanished, true // nobody misses it
	m[5].State, m[5].Reason = Excluded, "deleted"
	m[6].State, m[6].Reason = Excluded, "deleted"
	m[7].State, m[7].SrcUIDValidity = Refused, 1_600_000_000 // of the folder's past
	must(t, s.Record(ctx, f.ID, m))
	var uids []uint32
	for m, err := range s.Notable(ctx, f.ID) {
		must(t, err)
		uids = append(uids, m.SrcUID)
	}
	if want := []uint32{2, 3, 4}; !slices.Equal(uids, want) {
		t.Errorf("notable: got %v, want %v", uids, want)
	}
	reasons, err := s.Reasons(ctx, f.ID, Excluded)
	want := map[string]Sum{"deleted": {2, m[5].Size + m[6].Size}}
	if err != nil || !reflect.DeepEqual(reasons, want) {
		t.Errorf("reasons: got %v, %v, want %v", reasons, err, want)
	}
}

func TestHolderOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	nobody := func(when string) {
		t.Helper()
		if h, held, err := HolderOf(path); err != nil || held || h != (Holder{}) {
			t.Errorf("%s: got %v, %v, %v", when, h, held, err)
		}
	}
	nobody("before the first run")
	s, err := Open(context.Background(), path, testIdentity)
	must(t, err)
	_, err = s.BeginRun(t.Context(), Run{Name: "r1", Started: time.Now()})
	must(t, err)
	h, held, err := HolderOf(path)
	if err != nil || !held || h.PID != os.Getpid() || h.Run != "r1" {
		t.Errorf("while it runs: got %v, %v, %v", h, held, err)
	}
	left, err := os.ReadFile(path + ".lock")
	must(t, err)
	must(t, s.Close())
	nobody("after its end")
	must(t, os.WriteFile(path+".lock", left, 0o600)) // as a killed process leaves it
	if h, held, err := HolderOf(path); err != nil || held || h.Run != "r1" {
		t.Errorf("after a crash: got %v, %v, %v", h, held, err)
	}
	again, err := Open(context.Background(), path, testIdentity)
	must(t, err)
	must(t, again.Close())
	nobody("after the next run")
}
