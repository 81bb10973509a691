package imap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestUIDSpansAreASet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s uidSpans
		model := map[uint32]bool{}
		for range r.IntN(60) {
			first := 1 + r.Uint32N(200)
			if r.IntN(2) == 0 && len(s) > 0 {
				first = s[len(s)-1].last + r.Uint32N(3)
			}
			last := first + r.Uint32N(4)
			s.add(first, last)
			for u := first; u <= last; u++ {
				model[u] = true
			}
		}
		n := 0
		for u := uint32(1); u < 400; u++ {
			if s.has(u) != model[u] {
				t.Fatalf("%v has %d: %v", s, u, s.has(u))
			}
			if model[u] && u >= 50 && u <= 120 {
				n++
			}
		}
		if s.count(50, 120) != n {
			t.Fatalf("%v counts %d from 50 to 120, not %d", s, s.count(50, 120), n)
		}
		for i := 1; i < len(s); i++ {
			if s[i].first <= s[i-1].last {
				t.Fatalf("%v overlaps", s)
			}
		}
	}
}

func TestParseSpans(t *testing.T) {
	var s uidSpans
	if !parseSpans("3,7:9,10,4294967295", &s) || !slices.Equal(s, uidSpans{{3, 3}, {7, 10}, {1<<32 - 1, 1<<32 - 1}}) {
		t.Errorf("got %v", s)
	}
	for _, bad := range []string{"0", "1:*", "1,,2", "a", "1:", ":3", "4294967296"} {
		if parseSpans(bad, new(uidSpans)) {
			t.Errorf("%q is a set", bad)
		}
	}
}

// Which UIDs there are is found whatever the server makes of the searches: an
// answer that isn't one, or a window whose numbers have moved, is not believed.
func TestPresence(t *testing.T) {
	fetched := []string{"* 1 FETCH (UID 4)", "* 2 FETCH (UID 9)", "* 3 FETCH (FLAGS (\\Seen))"}
	for name, c := range map[string]struct {
		caps   string
		script func(p *peer)
		want   uidSpans
	}{
		"by ESEARCH": {"ESEARCH", func(p *peer) {
			p.answer(`UID SEARCH RETURN \(ALL\) 1:\*`, "* 4 EXISTS", `* ESEARCH (TAG "B1") UID ALL 2:5,8`)
		}, uidSpans{{2, 5}, {8, 8}}},
		"nothing there": {"ESEARCH", func(p *peer) { p.answer(`UID SEARCH RETURN \(ALL\) 1:\*`, `* ESEARCH (TAG "B1") UID`) }, nil},
		"not announced": {"", func(p *peer) { p.answer(`UID FETCH 1:\* \(UID\)`, fetched...) }, uidSpans{{4, 4}, {9, 9}}},
		"refused": {"ESEARCH", func(p *peer) {
			tag := p.expect(`UID SEARCH RETURN \(ALL\) 1:\*`)
			p.send(tag, "$ BAD what?")
			p.answer(`UID FETCH 1:\* \(UID\)`, fetched...)
		}, uidSpans{{4, 4}, {9, 9}}},
		"no answer": {"ESEARCH", func(p *peer) {
			p.answer(`UID SEARCH RETURN \(ALL\) 1:\*`)
			p.answer(`UID FETCH 1:\* \(UID\)`, fetched...)
		}, uidSpans{{4, 4}, {9, 9}}},
		"an answer of RFC 3501": {"ESEARCH", func(p *peer) {
			p.answer(`UID SEARCH RETURN \(ALL\) 1:\*`, "* SEARCH 1 2 3")
			p.answer(`UID FETCH 1:\* \(UID\)`, fetched...)
		}, uidSpans{{4, 4}, {9, 9}}},
		"an answer in sequence numbers": {"ESEARCH", func(p *peer) {
			p.answer(`UID SEARCH RETURN \(ALL\) 1:\*`, `* ESEARCH (TAG "B1") ALL 1:3`)
			p.answer(`UID FETCH 1:\* \(UID\)`, fetched...)
		}, uidSpans{{4, 4}, {9, 9}}},
		"numbers moved": {"ESEARCH", func(p *peer) {
			p.answer(`UID SEARCH RETURN \(ALL\) 1:\*`, `* ESEARCH (TAG "B1") UID ALL 2:5,8`, "* 2 EXPUNGE")
			p.answer(`UID FETCH 1:\* \(UID\)`, fetched...)
		}, uidSpans{{4, 4}, {9, 9}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, c.caps, func(p *peer) {
				tag, _ := p.examine()
				p.send(tag, "* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "$ OK [READ-ONLY] done")
				c.script(p)
				p.bye()
			})
			st, err := s.Examine(t.Context(), "INBOX")
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.presence(st.Messages).all(t.Context())
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// A big folder is searched in windows, whose answers fit into a line however the
// UIDs lie.
func TestPresenceOfAMillion(t *testing.T) {
	const exists = 120_000
	window := func(from, to int) string { // every second UID
		var b strings.Builder
		for i := from; i <= to; i++ {
			fmt.Fprintf(&b, ",%d", 4_000_000_000+2*i)
		}
		return `* ESEARCH (TAG "x") UID ALL ` + b.String()[1:]
	}
	s := source(t, "ESEARCH", func(p *peer) {
		tag, _ := p.examine()
		p.send(tag, fmt.Sprintf("* %d EXISTS", exists), "* OK [UIDVALIDITY 7] x", "$ OK [READ-ONLY] done")
		p.answer(`UID SEARCH RETURN \(ALL\) 1:50000`, window(1, 50_000))
		p.answer(`UID SEARCH RETURN \(ALL\) 50001:100000`, window(50_001, 100_000))
		p.answer(`UID SEARCH RETURN \(ALL\) 100001:\*`, window(100_001, exists))
		p.bye()
	})
	st, err := s.Examine(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.presence(st.Messages).all(t.Context())
	if err != nil || len(got) != exists || got.count(1, 1<<32-1) != exists || !got.has(4_000_000_002) || got.has(4_000_000_003) {
		t.Errorf("got %d spans, %v", len(got), err)
	}
}
