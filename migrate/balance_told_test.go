package migrate

import (
	"testing"
)

// TestNews: only a refusal that wasn't told before is news.
func TestNews(t *testing.T) {
	a, b, c := "aaaaaaaa", "bbbbbbbb", "cccccccc"
	for _, tc := range []struct {
		told, before string
		want         bool
	}{
		{"", "", false}, {"", a + b, false}, {a, "", true}, {a + b, a + b, false},
		{a, a + b, false}, {b + a, a + b, false}, {a + c, a + b, true}, {a + b + c, a + b, true},
		{"aaaabbbb", "xxxxaaaabbbbyyyy", true}, // not at a boundary
		{toldWhole + a, toldWhole + a, false}, {toldWhole + a, toldWhole + b, true}, {a, toldWhole + a, true}, {"", toldWhole + a, false},
	} {
		if got := news(tc.told, tc.before); got != tc.want {
			t.Errorf("news(%q, %q) = %v", tc.told, tc.before, got)
		}
	}
}
