package state

import (
	"slices"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags []string
		text  string
		back  []string
	}{
		{"none", nil, "", nil},
		{"system flags in any order", []string{`\Seen`, `\Draft`, `\Answered`}, "AST", []string{`\Answered`, `\Seen`, `\Draft`}},
		{"system flags in any case", []string{`\SEEN`, `\seen`}, "S", []string{`\Seen`}},
		{"keywords keep their case", []string{"Work", `\Flagged`, "$Forwarded", "work"}, "F $Forwarded Work work",
			[]string{`\Flagged`, "$Forwarded", "Work", "work"}},
		{"keywords alone", []string{"b", "a", "b"}, " a b", []string{"a", "b"}},
		{"a keyword that is a letter", []string{"S"}, " S", []string{"S"}},
		{"an unknown flag of the server", []string{`\Junk`}, ` \Junk`, []string{`\Junk`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := packFlags(test.flags)
			if err != nil || text != test.text {
				t.Errorf("packed %q, %v; want %q", text, err, test.text)
			}
			if back := unpackFlags(text); !slices.Equal(back, test.back) {
				t.Errorf("back %q; want %q", back, test.back)
			}
		})
	}
	for _, bad := range []string{"", "two words", "a\r\nb"} {
		if _, err := packFlags([]string{bad}); err == nil {
			t.Errorf("flag %q was taken", bad)
		}
	}
}

func FuzzFlags(f *testing.F) {
	f.Add(`\Seen,$MDNSent,NonJunk`)
	f.Add(`\SEEN,\seen,é,AS,A`)
	f.Fuzz(func(t *testing.T, list string) {
		text, err := packFlags(strings.Split(list, ","))
		if err != nil {
			return
		}
		again, err := packFlags(unpackFlags(text))
		if err != nil || again != text {
			t.Errorf("%q became %q, then %q (%v)", list, text, again, err)
		}
		if n := len(unpackFlags(text)); n == 0 || n > strings.Count(list, ",")+1 {
			t.Errorf("%q has %d flags in the end", list, n)
		}
	})
}
