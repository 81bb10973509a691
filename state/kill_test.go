package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

const childBatch = 25

// childWrites goes on where the ledger ends, batch by batch, and says on
// stdout what it had acknowledged.
func childWrites(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, testIdentity)
	if err != nil {
		return err
	}
	a, err := s.EnsureAccount(ctx, Account{Source: "old", SourceLogin: "a", Address: "a@x.test", Kind: "user"})
	if err != nil {
		return err
	}
	f, err := s.EnsureFolder(ctx, Folder{Account: a.ID, Source: "INBOX", Target: "INBOX", SrcUIDValidity: 1_700_000_000})
	if err != nil {
		return err
	}
	sums, err := s.Sums(ctx, f.ID, 0)
	if err != nil {
		return err
	}
	for uid := uint32(sums[Copied].Messages) + 1; ; uid += childBatch {
		intents, messages := batchOf(uid, childBatch)
		if err := s.Begin(ctx, f.ID, intents); err != nil {
			return err
		}
		fmt.Println("begun", uid)
		if err := s.Record(ctx, f.ID, messages); err != nil {
			return err
		}
		fmt.Println("recorded", uid)
	}
}

// TestKilledAtAnyInstant kills a writer twenty times, some of them while the
// file is being made, and looks each time whether all that it had been told is
// durable is there, whole batches only.
func TestKilledAtAnyInstant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var begun, recorded uint32 // first UIDs of the last batches acknowledged
	for round := range 20 {
		cmd, out := child(t, "write", path)
		timer := time.AfterFunc(rand.N(120*time.Millisecond), func() { cmd.Process.Kill() })
		for {
			var what string
			var uid uint32
			if _, err := fmt.Fscanln(out, &what, &uid); err != nil {
				break
			}
			if what == "begun" {
				begun = uid
			} else {
				recorded = uid
			}
		}
		timer.Stop()
		cmd.Process.Kill() // it may have ended by itself, which is an error below
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("round %d: %v", round, err)
		}
		checkKilled(t, path, begun, recorded)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if recorded == 0 {
		t.Error("no batch was ever recorded: the test shows nothing")
	}
	t.Logf("%d messages recorded", recorded+childBatch-1)
}

func checkKilled(t *testing.T, path string, begun, recorded uint32) {
	t.Helper()
	ctx := context.Background()
	if r, err := OpenReadOnly(ctx, path); err == nil { // as status does, before the next run
		must(t, r.Check(ctx))
		must(t, r.Close())
	} else if !errors.Is(err, fs.ErrNotExist) || begun > 0 {
		t.Error(err)
	}
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	must(t, s.Check(ctx))
	found, err := s.AccountByAddress(ctx, "a@x.test")
	must(t, err)
	if len(found) == 0 {
		if begun > 0 {
			t.Error("the account is gone")
		}
		return
	}
	folders, err := s.Folders(ctx, found[0].ID)
	must(t, err)
	if len(folders) == 0 {
		if begun > 0 {
			t.Error("the folder is gone")
		}
		return
	}
	f := folders[0]
	var rows uint32
	for m, err := range s.Messages(ctx, f.ID, 0) {
		must(t, err)
		rows++
		if want := sample(rows); m.SrcUID != rows || m.SHA256 != want.SHA256 || m.DstUID != want.DstUID {
			t.Fatalf("row %d is %+v", rows, m)
		}
	}
	intents, err := s.Intents(ctx, f.ID)
	must(t, err)
	open := uint32(len(intents))
	if rows%childBatch != 0 || open != 0 && open != childBatch {
		t.Errorf("part of a batch: %d rows, %d intents", rows, open)
	}
	if recorded > 0 && rows < recorded+childBatch-1 {
		t.Errorf("%d rows, but the batch from %d was acknowledged", rows, recorded)
	}
	if begun > 0 && rows+open < begun+childBatch-1 {
		t.Errorf("%d rows, %d intents, but the intents from %d were acknowledged", rows, open, begun)
	}
	if open > 0 && intents[0].SrcUID != rows+1 {
		t.Errorf("intents from %d after %d rows", intents[0].SrcUID, rows)
	}
	if rows > 0 && f.DstMaxUID != sample(rows).DstUID {
		t.Errorf("highest UID written is %d after %d rows", f.DstMaxUID, rows)
	}
}
