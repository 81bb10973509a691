package migrate

import (
	"slices"
	"testing"
)

func TestFindingsNameAllAccounts(t *testing.T) {
	f := newFindings()
	for row := 99; row >= 0; row-- { // workers finish in any order
		f.account(checkBlank, Blocker, "not empty", "", member{row: row, address: string(rune('0'+row/10)) + string(rune('0'+row%10))})
	}
	f.account(checkAPI, Ok, "fine", "", member{row: 1, address: "x"})
	got := f.list()
	if len(got) != 2 || got[0].Count != 1 || got[0].Accounts != nil {
		t.Fatalf("%+v", got)
	}
	if a := got[1].Accounts; got[1].Count != 100 || len(a) != 100 || a[0] != "00" || a[99] != "99" || !slices.IsSorted(a) {
		t.Errorf("%+v", got[1])
	}
	if got[1].Notes != nil {
		t.Error("empty notes are kept")
	}
}

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.ID == "" || seen[r.ID] || r.Name == "" || r.Asks == "" || r.Phase == "" || r.How == "" {
			t.Errorf("%+v", r)
		}
		seen[r.ID] = true
	}
	for n := 1; n <= 32; n++ {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Number == n }) {
			t.Errorf("rule %d of the preflight table is not there", n)
		}
	}
}

func TestBreakerTripsAtFailuresInARow(t *testing.T) {
	b := breaker{limit: 3}
	for _, failed := range []bool{true, true, false, true, true} {
		if b.note(failed); b.tripped() {
			t.Fatal("tripped though one succeeded between")
		}
	}
	if b.note(true); !b.tripped() {
		t.Error("not tripped by three in a row")
	}
}
