package imap_test

import (
	"testing"

	"bmsync/imap"
)

// TestTargetIsNotAskedAgain holds that a folder's numbers are those with which the
// target opened it for the proof, and those that it showed before: STATUS is for
// what neither says.
func TestTargetIsNotAskedAgain(t *testing.T) {
	for _, test := range []struct {
		name          string
		shown         func(imap.Status) imap.Status
		first, second int // STATUS commands
	}{
		{"never shown", func(imap.Status) imap.Status { return imap.Status{} }, 1, 1},
		{"shown before", func(st imap.Status) imap.Status { return st }, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, "MULTIAPPEND")
			p.fill(20)
			status := func() imap.Status {
				t.Helper()
				_, dst, err := p.dial("")
				if err != nil {
					t.Fatal(err)
				}
				defer dst.Close()
				st, err := dst.Status(t.Context(), "Box")
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			p.opts.Shown = test.shown(status())
			asked := func() int { return len(p.dst.Journal().Of("STATUS")) }
			before := asked()
			p.mustCopy()
			if n := asked() - before; n != test.first {
				t.Errorf("%d STATUS commands, not %d", n, test.first)
			}
			st := status()
			if got := (imap.Status{Messages: p.state.DstExists, UIDNext: p.state.DstUIDNext, UIDValidity: p.state.DstUIDValidity, HighestModSeq: p.state.DstModSeq}); got.Messages != 20 ||
				got.Messages != st.Messages || got.UIDNext != st.UIDNext || got.UIDValidity != st.UIDValidity || got.HighestModSeq != st.HighestModSeq {
				t.Errorf("kept %+v, and the target shows %+v", got, st)
			}
			before = asked()
			if tally := p.mustCopy(); !tally.Unmoved { // what was shown is old by now
				t.Errorf("%+v", tally)
			}
			if n := asked() - before; n != test.second {
				t.Errorf("%d STATUS commands in the second pass, not %d", n, test.second)
			}
			p.equal()
		})
	}
}
