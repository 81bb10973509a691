package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestClaims looks a folder's copies up by target UID, repoints one and notes
// what differs.
func TestClaims(t *testing.T) {
	ctx := t.Context()
	s := openTest(t)
	a, err := s.EnsureAccount(ctx, Account{Source: "old", SourceLogin: "ada", Address: "ada@x.test", Kind: "user"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.EnsureFolder(ctx, Folder{Account: a.ID, Source: "INBOX", Target: "INBOX", SrcUIDValidity: 7, DstUIDValidity: 9})
	if err != nil {
		t.Fatal(err)
	}
	row := func(src, dst uint32, state MessageState) Message {
		return Message{SrcUIDValidity: 7, SrcUID: src, DstUIDValidity: 9, DstUID: dst, Size: 10, State: state, InternalDate: time.Unix(1e9, 0)}
	}
	batch := []Message{row(1, 30, Copied), row(2, 20, Copied), row(3, 0, Refused), row(4, 10, Present), row(5, 40, Copied)}
	if err := s.Record(ctx, f.ID, batch); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkVanished(ctx, f.ID, 7, []uint32{5}); err != nil {
		t.Fatal(err)
	}
	claims := func(first uint32) (uids []uint32) {
		for m, err := range s.Claims(ctx, f.ID, 7, first) {
			if err != nil {
				t.Fatal(err)
			}
			uids = append(uids, m.SrcUID)
		}
		return uids
	}
	if got := claims(15); !slices.Equal(got, []uint32{2, 1, 5}) {
		t.Errorf("claims from UID 15 on: source UIDs %v", got)
	}
	page := func(dstUIDValidity, first uint32, limit int) (uids []uint32) {
		for m, err := range s.ClaimsPage(ctx, f.ID, 7, dstUIDValidity, first, limit) {
			if err != nil {
				t.Fatal(err)
			}
			uids = append(uids, m.SrcUID)
		}
		return uids
	}
	if first, second, other := page(9, 1, 2), page(9, 21, 2), page(8, 1, 2); !slices.Equal(first, []uint32{4, 2}) || !slices.Equal(second, []uint32{1, 5}) || other != nil {
		t.Errorf("pages of source UIDs %v, %v, and %v under another UIDVALIDITY", first, second, other)
	}
	if err := s.Repoint(ctx, f.ID, 7, 2, 9, 50, &Sent{SHA1: [20]byte{4}, Size: 40}); err != nil {
		t.Fatal(err)
	}
	if err := s.Repoint(ctx, f.ID, 7, 2, 9, 50, nil); err != nil {
		t.Fatal(err)
	}
	if got := claims(31); !slices.Equal(got, []uint32{5, 2}) {
		t.Errorf("claims after repointing: source UIDs %v", got)
	}
	folders, err := s.Folders(ctx, a.ID)
	if err != nil || folders[0].DstMaxUID != 50 {
		t.Errorf("highest UID is %d, %v; want 50", folders[0].DstMaxUID, err)
	}
	for range 2 {
		if err := s.Annotate(ctx, f.ID, 7, map[uint32]string{1: "date differs"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Annotate(ctx, f.ID, 7, map[uint32]string{1: "flag lost"}); err != nil {
		t.Fatal(err)
	}
	for m, err := range s.MessagesBetween(ctx, f.ID, 7, 1, 2) {
		if err != nil {
			t.Fatal(err)
		}
		if m.SrcUID == 1 && m.Note != "date differs; flag lost" {
			t.Errorf("note is %q", m.Note)
		}
		if m.SrcUID == 2 && (m.Repaired == nil || m.Repaired.SHA1 != [20]byte{4} || m.Repaired.Size != 40) {
			t.Errorf("repointed to %+v", m.Repaired)
		}
	}
}

// TestMarkReturned makes vanished messages what they were, where the target
// has them.
func TestMarkReturned(t *testing.T) {
	ctx := t.Context()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	want := []MessageState{Copied, Present, Vanished}
	var batch []Message
	for i, st := range []MessageState{Copied, Present, Pending} {
		m := Message{SrcUIDValidity: 1, SrcUID: uint32(i + 1), DstUIDValidity: 3, Size: 10, State: st}
		if st != Pending {
			m.DstUID = uint32(i + 10)
		}
		batch = append(batch, m)
	}
	if err := s.Record(ctx, f.ID, batch); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkVanished(ctx, f.ID, 1, []uint32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.MarkReturned(ctx, f.ID, 1, []uint32{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
	}
	for m, err := range s.Messages(ctx, f.ID, 1) {
		if err != nil || m.State != want[m.SrcUID-1] {
			t.Errorf("source UID %d is %v, %v", m.SrcUID, m.State, err)
		}
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
}

// TestClaimsArePagedWithoutSorting: a folder of a million messages has a hundred
// pages, none of which may read the whole folder.
func TestClaimsArePagedWithoutSorting(t *testing.T) {
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	_, messages := batchOf(1, 500)
	if err := s.Record(t.Context(), f.ID, messages); err != nil {
		t.Fatal(err)
	}
	for name, query := range map[string]struct {
		where string
		args  []any
	}{"page": {claimsPage, []any{1, 2, 3, 4, 5}}, "all": {claimsFrom, []any{1, 2, 3}}} {
		rows, err := s.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN SELECT "+messageColumns+" FROM messages "+query.where, query.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan strings.Builder
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&plan, detail)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if got := plan.String(); !strings.Contains(got, "messages_by_copy") || !strings.Contains(got, "dst_uid>?") || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s: SQLite reads by\n%s", name, got)
		}
	}
}
