package imap

import (
	"maps"
	"testing"
)

// TestReaches asks servers of all manners whether messages are as long as they
// are listed.
func TestReaches(t *testing.T) {
	s := source(t, "", func(p *peer) {
		whole := p.expect(`UID FETCH 5 \(UID BODY.PEEK\[\]<10.1>\)`)
		end := p.expect(`UID FETCH 6 \(UID BODY.PEEK\[\]<10.1>\)`)
		none := p.expect(`UID FETCH 7 \(UID BODY.PEEK\[\]<4294967294.1>\)`)
		long := p.expect(`UID FETCH 8 \(UID BODY.PEEK\[\]<3.1>\)`)
		short := p.expect(`UID FETCH 9 \(UID BODY.PEEK\[\]<30.1>\)`)
		gone := p.expect(`UID FETCH 10 .*`)
		p.send(whole, `* 1 FETCH (FLAGS (\Seen) UID 5 BODY[]<10> {1}`, `x)`, `$ OK done`)
		p.send(end, `* 2 FETCH (UID 6 BODY[]<10> "")`, `* 9 FETCH (UID 99 BODY[]<10> "x")`, `$ OK done`)
		p.send(none, `* 3 FETCH (BODY[]<4294967294> NIL UID 7)`, `* 4 FETCH (FLAGS ())`, `$ OK done`)
		p.send(long, `* 4 FETCH (UID 8 BODY[] {10}`, `0123456789)`, `$ OK done`) // ranges are nothing to it
		p.send(short, `* 5 FETCH (UID 9 BODY[] {10}`, `0123456789)`, `$ OK done`)
		p.send(gone, `* 6 EXPUNGE`, `$ OK done`)
		p.send(p.expect("UID FETCH 5 .*"), "$ BAD what is this?")
		p.answer("NOOP")
		p.bye()
	})
	got, err := s.reaches(t.Context(), map[uint32]int64{5: 10, 6: 10, 7: 1 << 40, 8: 3, 9: 30, 10: 1})
	if want := map[uint32]bool{5: true, 6: false, 7: false, 8: true, 9: false}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := s.reaches(t.Context(), map[uint32]int64{5: 10}); err != nil || len(got) > 0 {
		t.Errorf("refused: %v, %v", got, err)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}
