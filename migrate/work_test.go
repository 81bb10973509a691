package migrate_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"bmsync/state"
)

// verbs counts commands among what a meter saw sent, messages aside.
func verbs(lines []string) (total int, text string) {
	counts := map[string]int{}
	for _, line := range lines {
		verb, _, _ := strings.Cut(strings.Replace(line, "UID ", "UID-", 1), " ")
		switch verb {
		case "LOGIN", "CAPABILITY", "ID", "NAMESPACE", "LIST", "LSUB", "XLIST", "STATUS", "EXAMINE", "SELECT", "UNSELECT", "CLOSE", "CREATE", "SUBSCRIBE",
			"APPEND", "UID-FETCH", "UID-SEARCH", "UID-STORE", "NOOP", "LOGOUT":
			counts[verb]++
			total++
		}
	}
	for _, verb := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf(" %d %s", counts[verb], verb)
	}
	return total, text
}

// TestWorkOfAnAccount holds what an account of five folders with ten messages each
// takes: forty of them are mostly that. A number that falls is to be put in here.
func TestWorkOfAnAccount(t *testing.T) {
	w := smallWorld(t, "ada")
	src, dst := w.meterBoth()
	type side struct{ commands, trips int }
	for pass, most := range []struct {
		state    state.Work // eight transactions are the run's and the account's
		src, dst side
	}{
		// Fifty APPENDs: this target takes no MULTIAPPEND.
		{state.Work{Transactions: 18, Statements: 69}, side{20, 20}, side{80, 22}},
		{state.Work{Transactions: 5, Statements: 76}, side{6, 6}, side{21, 7}},
	} {
		src.took()
		dst.took()
		res := w.complete()
		if got := res.StateWork; got.Transactions > most.state.Transactions || got.Statements > most.state.Statements {
			t.Errorf("pass %d: the state took %+v, not %+v", pass+1, got, most.state)
		}
		for _, s := range []struct {
			name string
			*meter
			most side
		}{{"source", src, most.src}, {"target", dst, most.dst}} {
			trips, _, lines := s.took()
			if n, text := verbs(lines); n > s.most.commands || n == 0 || trips > s.most.trips {
				t.Errorf("pass %d: the %s took %d commands and %d round trips, not %+v:%s", pass+1, s.name, n, trips, s.most, text)
			}
		}
	}
}
