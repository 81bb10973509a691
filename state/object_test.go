package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// names lists the objects of a kind as they are yielded; "?" marks those whose
// end nobody saw.
func names(t *testing.T, s *Store, kind string) []string {
	t.Helper()
	list := []string{}
	for o, err := range s.Objects(context.Background(), kind) {
		must(t, err)
		if o.Done.IsZero() {
			o.Name += "?"
		}
		list = append(list, o.Name)
	}
	return list
}

func TestObjectsLife(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	now := time.Unix(1_800_000_000, 0).UTC()
	s.now = func() time.Time { now = now.Add(time.Second); return now }
	ada := Object{Kind: "user", DomainUID: "d", UID: "u1", Name: "ada", Run: 7}
	in := Object{Kind: "member", DomainUID: "d", UID: "u1", Name: "ada", Part: "g1", Run: 7}
	must(t, s.BeginObject(ctx, ada))
	must(t, s.BeginObject(ctx, in))
	if got := names(t, s, ""); !slices.Equal(got, []string{"ada?", "ada?"}) {
		t.Errorf("begun: %v", got)
	}
	must(t, s.EndObject(ctx, ada))
	other := in
	other.Part = "g2"
	if has, err := s.HasObject(ctx, other); has || err != nil {
		t.Errorf("another part: %v, %v", has, err)
	}
	if has, err := s.HasObject(ctx, in); !has || err != nil {
		t.Errorf("a begun object: %v, %v", has, err)
	}
	if err := s.EndObject(ctx, other); !errors.Is(err, ErrNotFound) {
		t.Errorf("done without a beginning: %v", err)
	}
	must(t, s.DropObject(ctx, in))
	must(t, s.DropObject(ctx, in))
	must(t, s.DropObject(ctx, ada)) // it is done: it stays
	if got := names(t, s, ""); !slices.Equal(got, []string{"ada"}) {
		t.Errorf("after a refusal: %v", got)
	}
	must(t, s.WithdrawObject(ctx, ada))
	must(t, s.WithdrawObject(ctx, ada))
	if has, err := s.HasObject(ctx, ada); has || err != nil {
		t.Errorf("a withdrawn object: %v, %v", has, err)
	}
	must(t, s.BeginObject(ctx, ada)) // made again: a row of its own
	must(t, s.EndObject(ctx, ada))
	counts, err := s.ObjectCounts(ctx)
	if err != nil || !slices.Equal(counts, []ObjectCount{{Kind: "user", Made: 1, Withdrawn: 1}}) {
		t.Errorf("counts %+v, %v", counts, err)
	}
	must(t, s.Check(ctx))
}

// TestObjectBegunAgain is an object that somebody deleted behind our back, and
// that is made once more: whether it is there is open again.
func TestObjectBegunAgain(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	ada := Object{Kind: "user", DomainUID: "d", UID: "u1", Name: "ada", Run: 1}
	must(t, s.BeginObject(ctx, ada))
	must(t, s.EndObject(ctx, ada))
	var first Object
	for o, err := range s.ObjectsOf(ctx, "user", "d", "u1") {
		must(t, err)
		first = o
	}
	log := func() int64 {
		info, err := os.Stat(s.path + "-wal")
		must(t, err)
		return info.Size()
	}
	before := log()
	for range 100 {
		must(t, s.EndObject(ctx, ada)) // each run says it again
	}
	if now := log(); now != before {
		t.Errorf("what is noted was written again: the log grew from %d to %d octets", before, now)
	}
	ada.Run, ada.Name, ada.Detail = 2, "ada@x.test", "as made"
	must(t, s.BeginObject(ctx, ada))
	n := 0
	for o, err := range s.ObjectsOf(ctx, "user", "d", "u1") {
		must(t, err)
		if n++; !o.Done.IsZero() || o.Run != 2 || o.Name != "ada@x.test" || o.Detail != "as made" || o.ID != first.ID || first.Done.IsZero() {
			t.Errorf("before %+v, now %+v", first, o)
		}
	}
	if n != 1 {
		t.Errorf("%d rows", n)
	}
	must(t, s.DropObject(ctx, ada))
	if got := names(t, s, ""); len(got) > 0 {
		t.Errorf("refused the second time, and noted: %v", got)
	}
}

// TestObjectsOutliveTheProcess has a run note an object and die.
func TestObjectsOutliveTheProcess(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	for _, name := range []string{"a", "b", "c"} {
		must(t, s.BeginObject(ctx, Object{Kind: "user", DomainUID: "d", UID: name, Name: name}))
	}
	must(t, s.EndObject(ctx, Object{Kind: "user", DomainUID: "d", UID: "b", Name: "b"}))
	must(t, s.Close())
	ro, err := OpenReadOnly(ctx, path)
	must(t, err)
	defer ro.Close()
	if got := names(t, ro, "user"); !slices.Equal(got, []string{"c?", "b", "a?"}) {
		t.Errorf("newest first: %v", got)
	}
	if got := names(t, ro, "domain"); len(got) > 0 {
		t.Errorf("of another kind: %v", got)
	}
	if err := ro.BeginObject(ctx, Object{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("written while reading: %v", err)
	}
}
