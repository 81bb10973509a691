package imap_test

import (
	"slices"
	"testing"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// departed gives the source UIDs that are marked as vanished before anything is
// copied.
func (p *pair) departed() (uids []uint32) {
	p.t.Helper()
	before := map[uint32]imap.Fate{}
	for uid, o := range p.ledger.rows {
		before[uid] = o.Fate
	}
	p.opts.Departures = true
	if tally := p.mustCopy(); tally.Copied > 0 {
		p.t.Errorf("%d messages were copied", tally.Copied)
	}
	p.opts.Departures = false
	for uid, o := range p.ledger.rows {
		if o.Fate == imap.Vanished && before[uid] != imap.Vanished {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// What vanished is known before anything is copied, whatever the server offers to
// find it.
func TestDepartures(t *testing.T) {
	for name, quirks := range map[string]imaptest.Quirks{
		"ESEARCH": {}, "without extensions": {Without: []string{"ESEARCH", "CONDSTORE"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.src.SetQuirks(quirks)
			p.opts.Window = 10 // several windows
			p.fill(100)
			p.mustCopy()
			if got := p.departed(); len(got) != 0 {
				t.Errorf("of an untouched folder: %v", got)
			}
			p.fill(3)
			if got := p.departed(); len(got) != 0 {
				t.Errorf("beside new messages: %v", got)
			}
			gone := []uint32{1, 2, 3, 17, 55, 100}
			p.from.Expunge(append(gone, 102)...) // one that the ledger doesn't know
			if got := p.departed(); !slices.Equal(got, gone) {
				t.Errorf("got %v, want %v", got, gone)
			}
			if got := p.mustCopy(); got.Vanished != 0 || got.Copied != 2 {
				t.Errorf("afterwards: %+v", got)
			}
			p.from.Expunge(4)
			p.from.SetUIDValidity(p.from.UIDValidity() + 1)
			if got := p.departed(); len(got) != 0 {
				t.Errorf("under another UIDVALIDITY: %v", got)
			}
		})
	}
}
