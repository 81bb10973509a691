package state

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestEpochs carries what a source has numbered anew, and closes the old one.
func TestEpochs(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	row := func(uid uint32, st MessageState) Message {
		m := sample(uid)
		m.SrcUIDValidity, m.State = 3, st
		if st == Refused {
			m.DstUID, m.DstUIDValidity = 0, 0
		}
		return m
	}
	must(t, s.Record(ctx, f.ID, []Message{row(1, Copied), row(2, Present), row(3, Refused), row(4, Copied), row(5, Copied), row(6, Refused)}))
	must(t, s.MarkVanished(ctx, f.ID, 3, []uint32{1, 2}))
	must(t, s.SetDstGone(ctx, f.ID, 3, []uint32{1}, true))
	must(t, s.Annotate(ctx, f.ID, 3, map[uint32]string{1: "a note"}))
	must(t, s.AddDoubts(ctx, f.ID, []Doubt{{SrcUIDValidity: 3, SrcUID: 4, DstUIDValidity: 7, Since: time.Unix(1, 0)}}))
	taken := sample(14)
	taken.SrcUIDValidity, taken.DstUID = 9, 777
	must(t, s.Record(ctx, f.ID, []Message{taken}))

	before := byUID(all(t, s, f.ID))
	must(t, s.Carry(ctx, f.ID, 3, 9, []Carried{{1, 11, -1}, {2, 12, 99}, {3, 13, -1}, {4, 14, -1}, {8, 18, -1}}))
	after := byUID(all(t, s, f.ID))
	want := before[1]
	want.SrcUIDValidity, want.SrcUID, want.State = 9, 11, Copied
	if got := after[11]; !reflect.DeepEqual(got, want) {
		t.Errorf("carried %+v, want %+v", got, want)
	}
	if got := after[12]; got.State != Present || got.Size != 99 || got.Wrote {
		t.Errorf("an adopted one became %+v", got)
	}
	if after[13].State != Refused || after[1].SrcUID+after[2].SrcUID+after[3].SrcUID != 0 {
		t.Errorf("rows after: %v", after)
	}
	if after[14].DstUID != 777 || after[4].DstUID == 0 {
		t.Errorf("a row with a copy was replaced: %+v, %+v", after[14], after[4])
	}
	if d, err := s.Doubts(ctx, f.ID); err != nil || len(d) != 1 || d[0].SrcUIDValidity != 3 {
		t.Errorf("doubts %+v, %v", d, err)
	}
	if list, err := s.Epochs(ctx, f.ID); err != nil || !slices.Equal(list, []Epoch{{3, false}, {9, false}}) {
		t.Errorf("epochs %v, %v", list, err)
	}
	must(t, s.CloseEpoch(ctx, f.ID, 3))
	if list, err := s.Epochs(ctx, f.ID); err != nil || !slices.Equal(list, []Epoch{{3, true}, {9, false}}) {
		t.Errorf("epochs %v, %v", list, err)
	}
	after = byUID(all(t, s, f.ID))
	if after[4].State != Vanished || after[5].State != Vanished || !after[5].Wrote || after[6].SrcUID != 0 {
		t.Errorf("rows of the closed epoch: %v", after)
	}
	must(t, s.Carry(ctx, f.ID, 3, 9, []Carried{{5, 15, -1}}))
	if got := byUID(all(t, s, f.ID))[15]; got.State != Copied || got.DstUID != before[5].DstUID {
		t.Errorf("it came back as %+v", got)
	}
	must(t, s.Check(ctx))
}

// TestReaddress moves copies to their UIDs under another target UIDVALIDITY.
func TestReaddress(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	adopted := sample(2)
	adopted.State = Present
	must(t, s.Record(ctx, f.ID, []Message{sample(1), adopted, sample(3)}))
	old := byUID(all(t, s, f.ID))
	must(t, s.Readdress(ctx, f.ID, old[1].SrcUIDValidity, 55, []Readdressed{{1, 500}, {2, 400}, {9, 1}}))
	now := byUID(all(t, s, f.ID))
	for uid, dst := range map[uint32]uint32{1: 500, 2: 400} {
		want := old[uid]
		want.DstUIDValidity, want.DstUID = 55, dst
		if !reflect.DeepEqual(now[uid], want) {
			t.Errorf("row %d is %+v, want %+v", uid, now[uid], want)
		}
	}
	if now[3].DstUIDValidity != old[3].DstUIDValidity {
		t.Errorf("an unnamed row moved: %+v", now[3])
	}
	var uids []uint32
	must(t, s.ClaimedUIDs(ctx, f.ID, 55, 450, func(uid uint32) { uids = append(uids, uid) }))
	if !slices.Equal(uids, []uint32{500}) {
		t.Errorf("claimed %v", uids)
	}
}

func byUID(list []Message) map[uint32]Message {
	out := map[uint32]Message{}
	for _, m := range list {
		out[m.SrcUID] = m
	}
	return out
}
