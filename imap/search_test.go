package imap

import (
	"slices"
	"testing"
)

func TestSearchHeader(t *testing.T) {
	s := source(t, "", func(p *peer) {
		tag, _ := p.examine()
		p.send(tag, "* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "$ OK [READ-ONLY] done")
		p.answer(`UID SEARCH HEADER "Message-ID" "<a\\"b\\\\c@old\.example>"`, "* 4 EXISTS", "* SEARCH 17 4", "* search 9 17 (MODSEQ 12)", "* 2 FETCH (FLAGS (\\Seen))")
		p.answer(`UID SEARCH HEADER "Message-ID" "none"`, "* SEARCH")
		p.answer(`UID SEARCH HEADER "Message-ID" "silent"`)
		tag = p.expect(`UID SEARCH HEADER "X-Odd" ""`)
		p.send(tag, "$ NO [CANNOT] not here")
		p.answer("NOOP")
		p.bye()
	})
	if _, err := s.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	got, err := s.SearchHeader(t.Context(), "Message-ID", `<a"b\c@old.example>`)
	if want := []uint32{4, 9, 17}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, value := range []string{"none", "silent"} {
		if got, err := s.SearchHeader(t.Context(), "Message-ID", value); err != nil || len(got) != 0 {
			t.Errorf("%s: got %v, %v", value, got, err)
		}
	}
	_, err = s.SearchHeader(t.Context(), "X-Odd", "")
	if e := wantError(t, err, KindNo); e.Code != "CANNOT" {
		t.Errorf("code %q", e.Code)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Error("the session ended with a refused search:", err)
	}
}

// TestSearchHeaderSendsNothingOdd holds that what can't be sent between quotes
// is refused before a byte leaves.
func TestSearchHeaderSendsNothingOdd(t *testing.T) {
	s := source(t, "", func(p *peer) { p.bye() })
	for _, c := range [][2]string{{"", "x"}, {"Message-ID:", "x"}, {"Message ID", "x"}, {"Message-ID", "é"},
		{"Message-ID", "a\r\nb LOGOUT"}, {"Message-ID", "a\x00"}, {"Message-\x7f", "x"}} {
		_, err := s.SearchHeader(t.Context(), c[0], c[1])
		wantError(t, err, KindRefused)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
