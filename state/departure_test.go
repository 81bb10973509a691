package state

import (
	"context"
	"iter"
	"slices"
	"testing"
)

// TestDepartures follows rows from vanishing to the removal of their copies, and
// back.
func TestDepartures(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	_, messages := batchOf(1, 9)
	v, dv := messages[0].SrcUIDValidity, messages[0].DstUIDValidity
	messages[7].State = Present
	messages[8].DstUIDValidity++
	must(t, s.Record(ctx, f.ID, messages))
	uids := func(seq iter.Seq2[Message, error]) (out []uint32) {
		t.Helper()
		for m, err := range seq {
			must(t, err)
			out = append(out, m.SrcUID)
		}
		return out
	}
	want := func(what string, open, due, claimed []uint32) {
		t.Helper()
		if got := uids(s.Departures(ctx, f.ID, v, dv, 0, 100)); !slices.Equal(got, open) {
			t.Errorf("%s: open %v, want %v", what, got, open)
		}
		if got := uids(s.DueRemovals(ctx, f.ID, v, dv, 0, 100)); !slices.Equal(got, due) {
			t.Errorf("%s: due %v, want %v", what, got, due)
		}
		got := uids(s.ClaimsPage(ctx, f.ID, v, dv, 1, 100))
		if slices.Sort(got); !slices.Equal(got, claimed) {
			t.Errorf("%s: claimed %v, want %v", what, got, claimed)
		}
	}
	eight := []uint32{1, 2, 3, 4, 5, 6, 7, 8}
	want("at first", nil, nil, eight)
	must(t, s.SettleDepartures(ctx, f.ID, []Departure{{SrcUIDValidity: v, SrcUID: 1}})) // it hasn't vanished
	must(t, s.MarkVanished(ctx, f.ID, v, []uint32{1, 2, 3, 4, 5, 8, 9}))
	must(t, s.SetDstGone(ctx, f.ID, v, []uint32{5}, true))
	want("vanished", []uint32{1, 2, 3, 4, 5}, nil, eight)
	must(t, s.SettleDepartures(ctx, f.ID, []Departure{{v, 1, false, "moved"}, {v, 2, false, ""}, {v, 3, true, "touched"}, {v, 5, true, ""}}))
	want("settled", []uint32{4}, []uint32{1, 2}, eight)
	must(t, s.SettleDepartures(ctx, f.ID, []Departure{{v, 1, false, "moved"}, {v, 2, true, "touched"}}))
	want("settled anew", []uint32{4}, []uint32{1}, eight)
	must(t, s.SetDstGone(ctx, f.ID, v, []uint32{1}, true))
	want("removed", []uint32{4}, nil, eight[1:])
	got := all(t, s, f.ID)
	if m := got[0]; !m.Removed || m.Left || m.Note != "moved" || m.State != Vanished || m.DstUID == 0 {
		t.Errorf("removed: %+v", m)
	}
	if m := got[1]; m.Removed || !m.Left || m.Note != "touched" {
		t.Errorf("left: %+v", m)
	}
	must(t, s.MarkReturned(ctx, f.ID, v, []uint32{2, 3}))
	if m := all(t, s, f.ID)[2]; m.Left || m.State != Copied {
		t.Errorf("returned: %+v", m)
	}
	places := 0
	for p, err := range s.Living(ctx, f.Account) {
		must(t, err)
		if places++; p.Folder != f.ID || p.SHA1 == [20]byte{} {
			t.Errorf("%+v", p)
		}
	}
	if places != 4 { // 2, 3, 6, 7
		t.Errorf("%d are alive", places)
	}
	must(t, s.VanishFolder(ctx, f.ID))
	want("folder vanished", []uint32{2, 3, 4, 6, 7}, nil, eight[1:])
	must(t, s.Check(ctx))
}
