package state

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"
)

func TestBegin(t *testing.T) {
	other := [20]byte{1}
	for _, test := range []struct {
		name    string
		row     func(*Message) // edits the row the ledger has; nil: none
		open    bool           // an intent is open
		intent  func(*Intent)
		refused bool
	}{
		{name: "a new message"},
		{name: "again for the same octets", open: true, intent: func(in *Intent) { in.DstUIDNext, in.Run = 99, 2 }},
		{name: "again for other octets", open: true, intent: func(in *Intent) { in.SHA1 = other }, refused: true},
		{name: "copied", row: func(*Message) {}, refused: true},
		{name: "present", row: func(m *Message) { m.State = Present }, refused: true},
		{name: "copied, gone since", row: func(m *Message) { m.DstGone = true }},
		{name: "copied under another target UIDVALIDITY", row: func(m *Message) { m.DstUIDValidity = 3 }},
		{name: "refused before", row: func(m *Message) { m.State = Refused }},
		{name: "pending", row: func(m *Message) { m.State = Pending }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := context.Background()
			s := openTest(t)
			f := folderTest(t, s, "a@x.test")
			m := sample(5)
			if test.row != nil {
				test.row(&m)
				must(t, s.Record(ctx, f.ID, []Message{m}))
			}
			in, want := intentOf(sample(5)), 0
			if test.open {
				must(t, s.Begin(ctx, f.ID, []Intent{in}))
				want = 1
			}
			if test.intent != nil {
				test.intent(&in)
			}
			err := s.Begin(ctx, f.ID, []Intent{intentOf(sample(4)), in})
			var refused *IntentError
			if errors.As(err, &refused) != test.refused || err != nil && !test.refused {
				t.Fatalf("got %v", err)
			}
			if !test.refused {
				want = 2
			} else if refused.SrcUID != 5 || refused.Folder != f.ID {
				t.Errorf("refused %+v", refused)
			}
			open, err := s.Intents(ctx, f.ID)
			if err != nil || len(open) != want {
				t.Fatalf("%d intents open, want %d (%v)", len(open), want, err)
			}
			if !test.refused {
				got := open[1]
				if !got.InternalDate.Equal(in.InternalDate) {
					t.Errorf("date %v, want %v", got.InternalDate, in.InternalDate)
				}
				got.InternalDate = in.InternalDate
				if !reflect.DeepEqual(got, in) {
					t.Errorf("got  %+v\nwant %+v", got, in)
				}
			}
		})
	}
}

func TestIntentsAndDoubtsByAccount(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	a, b := folderTest(t, s, "a@x.test"), folderTest(t, s, "b@x.test")
	folderTest(t, s, "idle@x.test")
	intents, messages := batchOf(1, 5)
	must(t, s.Begin(ctx, a.ID, intents))
	must(t, s.Begin(ctx, b.ID, intents[:2]))
	must(t, s.Record(ctx, a.ID, messages[:1]))
	must(t, s.AddDoubts(ctx, b.ID, []Doubt{{SrcUIDValidity: 1, SrcUID: 1}, {SrcUIDValidity: 1, SrcUID: 2}}))
	if got, err := s.OpenIntents(ctx); err != nil || !maps.Equal(got, map[int64]int64{a.Account: 4, b.Account: 2}) {
		t.Errorf("open intents %v, %v", got, err)
	}
	if got, err := s.OpenDoubts(ctx); err != nil || !maps.Equal(got, map[int64]int64{b.Account: 2}) {
		t.Errorf("doubts %v, %v", got, err)
	}
	totals, err := s.Totals(ctx)
	if err != nil || totals.Intents != 6 || totals.Doubts != 2 || totals.Accounts["pending"] != 3 || totals.Messages[Copied].Messages != 1 {
		t.Errorf("totals %+v, %v", totals, err)
	}
}

func TestDoubts(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := Doubt{SrcUIDValidity: 1, SrcUID: 2, DstUIDValidity: 3, DstUIDNext: 40, Size: 5,
		InternalDate: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), SHA1: [20]byte{7}, Munged: [20]byte{8}, Since: at}
	get := func() Doubt {
		t.Helper()
		got, err := s.Doubts(ctx, f.ID)
		must(t, err)
		if len(got) != 1 {
			t.Fatalf("%d doubts", len(got))
		}
		return got[0]
	}
	must(t, s.AddDoubts(ctx, f.ID, []Doubt{first}))
	if got := get(); got != first {
		t.Errorf("got %+v", got)
	}
	later := first
	later.DstUIDNext, later.Since = 50, at.Add(time.Hour)
	must(t, s.AddDoubts(ctx, f.ID, []Doubt{later}))
	if got := get(); got.DstUIDNext != 40 || !got.Since.Equal(later.Since) {
		t.Errorf("a second doubt must be looked for from the first's UID on, and not before its own time is over: %+v", got)
	}
	later.DstUIDValidity = 4
	must(t, s.AddDoubts(ctx, f.ID, []Doubt{later}))
	if got := get(); got.DstUIDNext != 50 || got.DstUIDValidity != 4 || !got.Since.Equal(later.Since) {
		t.Errorf("under a new UIDVALIDITY: %+v", got)
	}
	must(t, s.ClearDoubts(ctx, f.ID, 9, []uint32{2})) // of another source UIDVALIDITY
	get()
	must(t, s.ClearDoubts(ctx, f.ID, 1, []uint32{2, 3}))
	if got, err := s.Doubts(ctx, f.ID); err != nil || len(got) != 0 {
		t.Errorf("%d doubts after clearing (%v)", len(got), err)
	}
}

// TestIntentOfRepaired: while an APPEND of one form of a message is open, none
// of another may begin; and a repaired message is found by either hash.
func TestIntentOfRepaired(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	in := Intent{SrcUIDValidity: f.SrcUIDValidity, SrcUID: 7, DstUIDValidity: 5, DstUIDNext: 9, Size: 3, SHA1: [20]byte{1}, SHA256: [32]byte{2},
		Repaired: &Sent{SHA1: [20]byte{3}, SHA256: [32]byte{4}, Size: 5}, DateText: "odd", Note: "repaired"}
	must(t, s.Begin(ctx, f.ID, []Intent{in}))
	got, err := s.Intents(ctx, f.ID)
	must(t, err)
	if len(got) != 1 || got[0].Repaired == nil || *got[0].Repaired != *in.Repaired || got[0].DateText != "odd" || got[0].Note != "repaired" {
		t.Fatalf("kept %+v", got)
	}
	must(t, s.Begin(ctx, f.ID, []Intent{in}))
	original := in
	original.Repaired = nil
	if err := s.Begin(ctx, f.ID, []Intent{original}); !errors.As(err, new(*IntentError)) {
		t.Errorf("the original began beside its repaired form: %v", err)
	}
	must(t, s.Record(ctx, f.ID, []Message{{SrcUIDValidity: f.SrcUIDValidity, SrcUID: 7, DstUIDValidity: 5, DstUID: 9, Size: 3, SHA1: in.SHA1,
		SHA256: in.SHA256, Repaired: in.Repaired, State: Copied}}))
	for _, sum := range [][20]byte{in.SHA1, in.Repaired.SHA1} {
		found, err := s.FindMessages(ctx, f.Account, Query{SHA1: sum})
		must(t, err)
		rows, err := s.MessagesBySHA1(ctx, f.ID, sum)
		must(t, err)
		if len(found) != 1 || len(rows) != 1 {
			t.Errorf("%x is found %d and %d times", sum[:2], len(found), len(rows))
		}
	}
	sha1, sha256, size := (&Message{SHA1: in.SHA1, Repaired: in.Repaired}).OnTarget()
	if sha1 != in.Repaired.SHA1 || sha256 != in.Repaired.SHA256 || size != 5 {
		t.Error("the copy's hashes aren't those of what was sent")
	}
}
