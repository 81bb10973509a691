package state

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestMessageRoundTrip(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	full := Message{SrcUIDValidity: 4294967295, SrcUID: 4294967294, DstUIDValidity: 4294967293, DstUID: 4294967292, Size: 1 << 40,
		InternalDate: time.Date(2024, 2, 29, 23, 59, 59, 0, time.FixedZone("", -(3*60+30)*60)), DateText: "odd", Flags: []string{`\Seen`, "Work"},
		SHA1: [20]byte{19: 1}, SHA256: [32]byte{31: 1}, State: Vanished, Reason: "why", By: "target", Repaired: &Sent{SHA1: [20]byte{19: 2}, SHA256: [32]byte{31: 3}, Size: 4},
		Wrote: true, DstGone: true, Removed: true, Left: true, Note: "keyword x lost"}
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	for i, test := range []struct {
		name string
		m    Message
	}{
		{"all fields", full},
		{"hardly a field", Message{SrcUIDValidity: 1, Size: -1, State: Pending}},
		{"copied", sample(5)},
		{"before 1970, east", Message{SrcUIDValidity: 1, State: Present, InternalDate: time.Date(1969, 7, 20, 20, 17, 40, 0, time.FixedZone("", 5*3600+45*60))}},
		{"at the epoch, in UTC", Message{SrcUIDValidity: 1, State: Present, InternalDate: time.Unix(0, 0).UTC()}},
		{"2099", Message{SrcUIDValidity: 1, State: Present, InternalDate: time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC)}},
		{"unreadable date", Message{SrcUIDValidity: 1, State: Refused, DateText: `"0-Jan-0000 \x00"`, Reason: "Message contains NUL characters", By: "target"}},
		{"excluded", Message{SrcUIDValidity: 1, State: Excluded, Reason: "older than 2 years"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.m.SrcUID == 0 {
				test.m.SrcUID = uint32(i + 100)
			}
			must(t, s.Record(ctx, f.ID, []Message{test.m}))
			found, err := s.FindMessages(ctx, f.Account, Query{SrcUID: test.m.SrcUID})
			must(t, err)
			if len(found) != 1 {
				t.Fatalf("%d found", len(found))
			}
			got := found[0].Message
			_, offset := got.InternalDate.Zone()
			_, want := test.m.InternalDate.Zone()
			if !got.InternalDate.Equal(test.m.InternalDate) || offset != want {
				t.Errorf("date %v, want %v", got.InternalDate, test.m.InternalDate)
			}
			got.InternalDate = test.m.InternalDate
			if !reflect.DeepEqual(got, test.m) {
				t.Errorf("got  %+v\nwant %+v", got, test.m)
			}
		})
	}
}

// The numbers are in files: they must not change.
func TestStatesAreStable(t *testing.T) {
	for state, want := range map[MessageState]string{1: "copied", 2: "present", 3: "excluded", 4: "refused", 5: "vanished", 6: "pending", 0: "unknown", 7: "unknown"} {
		if state.String() != want {
			t.Errorf("%d is %s, want %s", state, state, want)
		}
	}
	if Copied != 1 || Present != 2 || Excluded != 3 || Refused != 4 || Vanished != 5 || Pending != 6 {
		t.Error("a state has another number")
	}
}

func TestRecordIsWholeOrNothing(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	intents, messages := batchOf(1, 10)
	must(t, s.Begin(ctx, f.ID, intents))
	messages[7].State = 0
	if err := s.Record(ctx, f.ID, messages); err == nil {
		t.Fatal("a row without a state was taken")
	}
	if open, err := s.Intents(ctx, f.ID); err != nil || len(open) != 10 || len(all(t, s, f.ID)) != 0 {
		t.Errorf("%d intents, %d rows after a refused batch (%v)", len(open), len(all(t, s, f.ID)), err)
	}
	if err := s.Record(ctx, 99, messages[:1]); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown folder: %v", err)
	}
	messages[7].State = Refused
	must(t, s.Record(ctx, f.ID, messages[3:]))
	if open, err := s.Intents(ctx, f.ID); err != nil || len(open) != 3 || open[2].SrcUID != 3 {
		t.Errorf("open intents %+v, %v", open, err)
	}
	must(t, s.Record(ctx, f.ID, messages)) // again, with the rest
	if got := all(t, s, f.ID); len(got) != 10 {
		t.Errorf("%d rows", len(got))
	}
	must(t, s.Check(ctx))
}

func TestMessagesAreOneSnapshot(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	_, messages := batchOf(1, 1000)
	slices.Reverse(messages)
	old := sample(5)
	old.SrcUIDValidity = 3
	must(t, s.Record(ctx, f.ID, append(messages, old)))
	var last uint32
	for m, err := range s.Messages(ctx, f.ID, messages[0].SrcUIDValidity) {
		must(t, err)
		if m.SrcUID != last+1 || m.State != Copied {
			t.Fatalf("UID %d, %v after %d", m.SrcUID, m.State, last)
		}
		if last = m.SrcUID; last%100 == 1 { // writes and other reads go on
			must(t, s.MarkVanished(ctx, f.ID, m.SrcUIDValidity, []uint32{last + 50}))
			must(t, s.Record(ctx, f.ID, []Message{sample(1000 + last)}))
			_, err := s.AccountSums(ctx, f.Account)
			must(t, err)
		}
	}
	if last != 1000 {
		t.Errorf("ended at UID %d", last)
	}
	got := all(t, s, f.ID)
	if len(got) != 1011 || got[0].SrcUIDValidity != 3 || got[51].State != Vanished {
		t.Errorf("%d rows, first of UIDVALIDITY %d, then %v", len(got), got[0].SrcUIDValidity, got[51].State)
	}
	must(t, s.CloseEpoch(ctx, f.ID, 3))
	if got := all(t, s, f.ID); len(got) != 1011 || got[0].SrcUIDValidity != 3 || got[0].State != Vanished {
		t.Errorf("%d rows, the first %+v", len(got), got[0])
	}
	must(t, s.Check(ctx))
}

func TestWhatHappensToAMessageLater(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	copied, adopted, waiting := sample(1), sample(2), sample(3)
	adopted.State, adopted.Wrote = Present, true // a mistake of the caller
	waiting.State, waiting.Wrote, waiting.DstUID = Pending, false, 0
	must(t, s.Record(ctx, f.ID, []Message{copied, adopted, waiting}))
	must(t, s.MarkVanished(ctx, f.ID, copied.SrcUIDValidity, []uint32{1, 2, 3, 77}))
	for i, m := range all(t, s, f.ID) {
		if m.State != Vanished || m.Wrote != (i == 0) || (m.DstUID == 0) != (i == 2) || m.SHA1 != sample(m.SrcUID).SHA1 {
			t.Errorf("vanished: %+v", m)
		}
	}
	must(t, s.Record(ctx, f.ID, []Message{copied})) // it was only a gap in a listing
	must(t, s.UpdateFlags(ctx, f.ID, []FlagChange{
		{SrcUIDValidity: copied.SrcUIDValidity, SrcUID: 1, Flags: []string{"Work", `\Flagged`}},
		{SrcUIDValidity: copied.SrcUIDValidity, SrcUID: 77}, // no such row
	}))
	must(t, s.SetDstGone(ctx, f.ID, copied.SrcUIDValidity, []uint32{1, 2}, true))
	must(t, s.SetDstGone(ctx, f.ID, copied.SrcUIDValidity, []uint32{2}, false))
	got := all(t, s, f.ID)
	if m := got[0]; m.State != Copied || !m.Wrote || !m.DstGone || !slices.Equal(m.Flags, []string{`\Flagged`, "Work"}) {
		t.Errorf("copied: %+v", m)
	}
	if m := got[1]; m.DstGone || m.Wrote || !slices.Equal(m.Flags, adopted.Flags) {
		t.Errorf("adopted: %+v", m)
	}
	if len(got) != 3 {
		t.Errorf("%d rows", len(got))
	}
}

func TestFindMessages(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	inbox := folderTest(t, s, "a@x.test")
	sent, err := s.EnsureFolder(ctx, Folder{Account: inbox.Account, Source: "Gesendet", Target: "Sent"})
	must(t, err)
	other := folderTest(t, s, "b@x.test")
	_, messages := batchOf(1, 20)
	for _, f := range []Folder{inbox, sent, other} {
		must(t, s.Record(ctx, f.ID, messages))
	}
	older := sample(3)
	older.SrcUIDValidity, older.DstUID = 2, 500
	must(t, s.Record(ctx, sent.ID, []Message{older}))
	for _, test := range []struct {
		name string
		q    Query
		want int
	}{
		{"source folder and UID", Query{Source: "INBOX", SrcUID: 3}, 1},
		{"source UID under two UIDVALIDITYs", Query{Source: "Gesendet", SrcUID: 3}, 2},
		{"source UID anywhere", Query{SrcUID: 3}, 3},
		{"target folder and UID", Query{Target: "Sent", DstUID: 10}, 1},
		{"target UID after a recreation", Query{Target: "Sent", DstUID: 500}, 1},
		{"hash", Query{SHA1: sample(3).SHA1}, 3},
		{"another folder's name", Query{Source: "Sent", SrcUID: 3}, 0},
		{"no such UID", Query{SrcUID: 21}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, err := s.FindMessages(ctx, inbox.Account, test.q)
			if err != nil || len(found) != test.want {
				t.Errorf("%d found, want %d (%v)", len(found), test.want, err)
			}
			for _, hit := range found {
				if hit.Folder.Account != inbox.Account || test.q.Source != "" && hit.Folder.Source != test.q.Source {
					t.Errorf("found in %+v", hit.Folder)
				}
			}
		})
	}
	same, err := s.MessagesBySHA1(ctx, sent.ID, sample(3).SHA1, sample(9).SHA1, [20]byte{1})
	if err != nil || len(same) != 3 {
		t.Errorf("by hash: %d, %v", len(same), err)
	}
}
