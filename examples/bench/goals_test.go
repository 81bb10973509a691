package main

import (
	"strings"
	"testing"
	"time"
)

func TestTableSaysWhatIsMet(t *testing.T) {
	run := func(took, second time.Duration, mb int64, trips *trips, shares ...float64) []result {
		return []result{{Took: took, Second: second, CPU: 2 * time.Second, Peak: mb << 20, Trips: trips, Shares: shares}}
	}
	all := []measured{
		{Scenario: "small", Text: "near", Medium: "ext4", Accounts: 1, Messages: 20_000, Folders: 1, Results: map[string][]result{
			"limit": run(7*time.Second, 0, 9, nil), "bmsync": run(10*time.Second, time.Second, 119, &trips{6, 7}), "mbsync": run(21*time.Second, 0, 9, nil)}},
		{Scenario: "small", Text: "far", Medium: "ext4", Accounts: 1, Messages: 20_000, Folders: 1, RTT: 20 * time.Millisecond, Results: map[string][]result{
			"bmsync": run(17*time.Second, 0, 120, nil)}},
		{Scenario: "rate", Text: "held", Accounts: 2, Messages: 2, Folders: 1, Results: map[string][]result{"bmsync": run(time.Second, 0, 400, nil, 0.99, 0.94)}},
	}
	var out strings.Builder
	if err := newTable(all).write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| near | ext4 | none | rate | at least 0.7 of the limit's | 0.70 | met |",
		"| near | ext4 | none | rate | at least twice mbsync's | 2.10 | met |",
		"| near | ext4 | none | second pass | less than 1 s | 1.00 s | **missed** |",
		"to either server | at most folders + 5 | 7.0 | **missed** |",
		"| 0.100 ms | met |",
		"| near | ext4 | none | peak memory | less than 120 MB | 119 MB | met |",
		"| far | ext4 | 20ms | rate | at least 0.6 of the near one | 0.59 | **missed** |",
		"at least 0.95 | 0.940 | **missed** |",
		"| peak memory | less than 400 MB | 400 MB | **missed** |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line with %q in\n%s", want, out.String())
		}
	}
}
