package migrate

import (
	"testing"
	"time"
)

// TestSizing works out a plan of 1 TB with the numbers of the guide.
func TestSizing(t *testing.T) {
	const gb = 1_000_000_000
	totals := PlanTrailer{Accounts: 300, Messages: 10_000_000, Bytes: 1000 * gb}
	longest := Longest{Address: "ada@example.org", Bytes: 20<<30 + 10_000_000}
	type want struct {
		low, high int64
		free      bool
	}
	tests := []struct {
		major     int
		disks     map[string]want
		low, high int64
		memory    int64
		least     time.Duration
	}{
		{major: 4, disks: map[string]want{
			"/var/spool/cyrus/data": {1000 * gb, 1000 * gb, false}, "/var/spool/cyrus/meta": {100 * gb, 100 * gb, false},
			"/var/spool/bm-replication": {250 * gb, 250 * gb, true}, "/var/spool/bm-elasticsearch": {200 * gb, 250 * gb, false},
			"/var/lib/postgresql": {100 * gb, 100 * gb, false}, "/var/log/bm/replication.log": {gb, gb, true},
		}, low: 1651 * gb, high: 1701 * gb, memory: 3 * gb / 2},
		{major: 5, disks: map[string]want{
			"/var/spool/cyrus/data": {1000 * gb, 1000 * gb, false}, "/var/spool/bm-elasticsearch": {200 * gb, 250 * gb, false},
			"/var/lib/postgresql": {100 * gb, 100 * gb, false},
		}, low: 1300 * gb, high: 1350 * gb, least: 20 * 1024 * time.Second},
	}
	for _, tt := range tests {
		s := newSizing(tt.major, totals, longest, 10_000_000)
		if len(s.Disks) != len(tt.disks) {
			t.Errorf("BlueMind %d: %d lines", tt.major, len(s.Disks))
		}
		for _, l := range s.Disks {
			if got := (want{l.Low, l.High, l.Free}); got != tt.disks[l.Where] {
				t.Errorf("BlueMind %d, %s: %+v, want %+v", tt.major, l.Where, got, tt.disks[l.Where])
			}
		}
		if s.Low != tt.low || s.High != tt.high || s.Elasticsearch != tt.memory || s.Longest.Least != tt.least {
			t.Errorf("BlueMind %d: %d to %d, memory %d, longest %v", tt.major, s.Low, s.High, s.Elasticsearch, s.Longest.Least)
		}
	}
	if s := newSizing(5, PlanTrailer{}, Longest{}, 10_000_000); s.High != 0 || s.Longest.Least != 0 {
		t.Errorf("of nothing: %+v", s)
	}
}
