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

// TestFindingsShowNoControlCharacters: what a source calls itself and its
// folders writes no line of ours, and clears no screen.
func TestFindingsShowNoControlCharacters(t *testing.T) {
	f := newFindings()
	f.account(checkNotMail, Warning, "of \x1b[2Jdomain", "mend\r\nit", member{address: "a\u202e@x.org", note: "Évil\nok       target            fine"})
	f.command(checkNotMail, Warning, "of \x1b[2Jdomain", "rm\n-rf")
	got := f.list()[0]
	for have, want := range map[string]string{got.Text: "of  [2Jdomain", got.Mend: "mend  it", got.Accounts[0]: "a @x.org", got.Notes[0]: "Évil ok       target            fine", got.Command: "rm -rf"} {
		if have != want {
			t.Errorf("%q, want %q", have, want)
		}
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
