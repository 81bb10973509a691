package state

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestFolders(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	a, err := s.EnsureAccount(ctx, Account{Source: "old", SourceLogin: "anna", Address: "anna@x.test", Kind: "user"})
	must(t, err)
	want := Folder{Account: a.ID, Source: "Été", SourceWire: "&AMk-t&AOk-", Target: "Été", Rule: "default", Reason: "1:1", Role: "none", Late: true,
		SrcUIDValidity: 4294967295, SrcUIDNext: 4294967294, SrcExists: 3, SrcModSeq: 1<<63 - 1, DstUIDValidity: 5, DstUIDNext: 6, DstExists: 7,
		DstModSeq: 8, DstMaxUID: 4, ListedAt: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Complete: true, Rules: "r", Fault: "f", Part: "2019", InFull: time.Date(2026, 2, 28, 12, 0, 0, 7, time.UTC)}
	made, err := s.EnsureFolder(ctx, want)
	must(t, err)
	want.ID = made.ID
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Was" && name != "Wanted" { // see TestRenames
			t.Fatalf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	if made != want {
		t.Errorf("made %+v\nwant %+v", made, want)
	}
	again, err := s.EnsureFolder(ctx, Folder{Account: a.ID, Source: "Été", SourceWire: "&AMk-t&AOk-", Target: "elsewhere", Part: "2019"})
	if err != nil || again != want {
		t.Errorf("ensured again: %+v, %v", again, err)
	}
	other, err := s.EnsureFolder(ctx, Folder{Account: a.ID, Source: "Été", SourceWire: "&AMk-t&AOk-", Target: "elsewhere", Part: "2020"})
	if err != nil || other.ID == want.ID || other.Part != "2020" {
		t.Errorf("another part: %+v, %v", other, err)
	}
	if dropped, err := s.DropFolder(ctx, other.ID); err != nil || !dropped {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	plain, err := s.EnsureFolder(ctx, Folder{Account: a.ID, Source: "Archive"})
	if err != nil || plain.SourceWire != "Archive" || plain.ID == want.ID {
		t.Errorf("without a wire name: %+v, %v", plain, err)
	}
	want.Target, want.Complete, want.Fault, want.SrcUIDNext = "Sommer", false, "", 9
	must(t, s.UpdateFolder(ctx, want))
	got, err := s.Folders(ctx, a.ID)
	if err != nil || len(got) != 2 || got[0] != plain || got[1] != want {
		t.Errorf("folders %+v, %v", got, err)
	}
	if err := s.UpdateFolder(ctx, Folder{ID: 99}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := s.EnsureFolder(ctx, Folder{Account: 99, Source: "x"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown account: %v", err)
	}
}

// A folder is forgotten only while nothing has gone to the target, or may have.
func TestDropFolder(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	kept := func(when string) {
		t.Helper()
		if dropped, err := s.DropFolder(ctx, f.ID); err != nil || dropped {
			t.Errorf("%s: dropped %v, %v", when, dropped, err)
		}
	}
	must(t, s.Begin(ctx, f.ID, []Intent{{SrcUIDValidity: 1, SrcUID: 1, DstUIDValidity: 2, DstUIDNext: 3, Begun: time.Unix(1e9, 0)}}))
	kept("with an open intent")
	must(t, s.Record(ctx, f.ID, []Message{{SrcUIDValidity: 1, SrcUID: 1, State: Excluded, Reason: "deleted"}}))
	g := folderTest(t, s, "b@x.test")
	must(t, s.Record(ctx, g.ID, []Message{sample(1)}))
	f, g = g, f
	kept("with a copy")
	if dropped, err := s.DropFolder(ctx, g.ID); err != nil || !dropped {
		t.Errorf("without one: dropped %v, %v", dropped, err)
	}
	if list, err := s.Folders(ctx, g.Account); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	must(t, s.Check(ctx))
}

// A target that went back in time shows by UIDNEXT at or below DstMaxUID, so
// an update from an older copy of the row must not lower it.
func TestDstMaxUIDIsNotLost(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	highest := func() uint32 {
		t.Helper()
		folders, err := s.Folders(ctx, f.Account)
		must(t, err)
		return folders[0].DstMaxUID
	}
	m := sample(1)
	m.DstUID = 40
	must(t, s.Record(ctx, f.ID, []Message{m}))
	if got := highest(); got != 40 {
		t.Errorf("after the first record: %d", got)
	}
	adopted := sample(2)
	adopted.State, adopted.DstUID = Present, 90
	must(t, s.Record(ctx, f.ID, []Message{adopted}))
	if got := highest(); got != 90 {
		t.Errorf("after an adopted message: %d", got)
	}
	f.DstUIDValidity, f.DstMaxUID = m.DstUIDValidity, 12
	must(t, s.UpdateFolder(ctx, f))
	if got := highest(); got != 90 {
		t.Errorf("lowered by an update: %d", got)
	}
	f.DstUIDValidity = 7
	must(t, s.UpdateFolder(ctx, f))
	if got := highest(); got != 12 {
		t.Errorf("a new UIDVALIDITY starts anew: %d", got)
	}
	must(t, s.Record(ctx, f.ID, []Message{m}))
	if got := highest(); got != 12 {
		t.Errorf("a row of another UIDVALIDITY counts: %d", got)
	}
}

// A folder whose first copy was cut short has rows, and its numbers belong to
// them: a later write of the row, read before they were recorded, keeps both.
func TestFolderKnowsItsFirstRows(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	f, err := s.EnsureFolder(ctx, Folder{Account: f.Account, Source: "Archive", Target: "Archive"})
	must(t, err)
	m := sample(1)
	must(t, s.Record(ctx, f.ID, []Message{m}))
	check := func(when string) {
		t.Helper()
		folders, err := s.Folders(ctx, f.Account)
		must(t, err)
		if got := folders[0]; got.SrcUIDValidity != m.SrcUIDValidity || got.DstUIDValidity != m.DstUIDValidity || got.DstMaxUID != m.DstUID {
			t.Errorf("%s: UIDVALIDITYs %d and %d, highest UID %d; want %d, %d, %d", when,
				got.SrcUIDValidity, got.DstUIDValidity, got.DstMaxUID, m.SrcUIDValidity, m.DstUIDValidity, m.DstUID)
		}
		if totals, err := s.Totals(ctx); err != nil || totals.Messages[Copied].Messages != 1 {
			t.Errorf("%s: counted %v, %v", when, totals.Messages, err)
		}
	}
	check("recorded")
	f.Fault = "the listing was refused"
	must(t, s.UpdateFolder(ctx, f))
	check("updated from an older copy of the row")
	renumbered := m
	renumbered.SrcUIDValidity++
	must(t, s.Record(ctx, f.ID, []Message{renumbered}))
	check("recorded under another UIDVALIDITY of the source")
}
