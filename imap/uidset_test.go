package imap

import (
	"slices"
	"strings"
	"testing"
)

func TestUIDChunks(t *testing.T) {
	sets := func(uids []uint32, count int) []string {
		var out []string
		for _, c := range uidChunks(uids, count) {
			out = append(out, c.set)
		}
		return out
	}
	for _, c := range []struct {
		uids  []uint32
		count int
		want  []string
	}{
		{nil, 0, nil},
		{[]uint32{7}, 0, []string{"7"}},
		{[]uint32{1, 2, 3, 5, 7, 8}, 0, []string{"1:3,5,7:8"}},
		{[]uint32{1, 2, 3, 5, 7, 8}, 2, []string{"1:2", "3,5", "7:8"}},
		{[]uint32{3, 3, 3, 4}, 0, []string{"3:4"}},
		{[]uint32{4294967294, 4294967295}, 0, []string{"4294967294:4294967295"}},
	} {
		if got := sets(c.uids, c.count); !slices.Equal(got, c.want) {
			t.Errorf("%v by %d: got %q, want %q", c.uids, c.count, got, c.want)
		}
	}
	var odd []uint32
	for u := uint32(4294000001); u > 4290000000 && len(odd) < 100_000; u -= 2 {
		odd = append(odd, u)
	}
	slices.Sort(odd)
	n := 0
	for _, c := range uidChunks(odd, 0) {
		if len(c.set) > maxSet {
			t.Fatalf("a set of %d octets", len(c.set))
		}
		if got := strings.Count(c.set, ",") + 1; got != len(c.uids) {
			t.Fatalf("%d UIDs in a set for %d", got, len(c.uids))
		}
		n += len(c.uids)
	}
	if n != len(odd) {
		t.Errorf("%d of %d UIDs", n, len(odd))
	}
}

func TestParseUIDs(t *testing.T) {
	for _, c := range []struct {
		set  string
		want []uint32
		n    int
	}{
		{"7", []uint32{7}, 1},
		{"1:2", []uint32{1, 2}, 2},
		{"3,5:6", []uint32{3, 5, 6}, 3},
		{"6:5,3", []uint32{5, 6, 3}, 3},
		{"4294967295", []uint32{4294967295}, 1},
		{"1:3", nil, 2},
		{"1", nil, 2},
		{"1:4294967295", nil, 3},
		{"", nil, 1},
		{"0", nil, 1},
		{"1,", nil, 1},
		{"1:", nil, 1},
		{"1:*", nil, 1},
		{"x", nil, 1},
		{"4294967296", nil, 1},
		{"1 2", nil, 2},
	} {
		if got := parseUIDs(c.set, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%q of %d: got %v, want %v", c.set, c.n, got, c.want)
		}
	}
}
