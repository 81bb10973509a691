package imap_test

import (
	"errors"
	"slices"
	"testing"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// vanishing gives the source UIDs that Vanishing finds.
func (p *pair) vanishing() (uids []uint32) {
	p.t.Helper()
	src, dst, err := p.dial("")
	if err != nil {
		p.t.Fatal(err)
	}
	defer src.Close()
	defer dst.Close()
	books := func(uint32, uint32) imap.Ledger { return p.ledger }
	if _, err := imap.Vanishing(p.t.Context(), src, books, p.state, p.opts, func(k imap.Known) error {
		uids = append(uids, k.SrcUID)
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
	return uids
}

// What vanished is known before anything is copied, whatever the server offers to
// find it, and nothing is marked by looking.
func TestVanishing(t *testing.T) {
	for name, quirks := range map[string]imaptest.Quirks{
		"ESEARCH": {}, "without extensions": {Without: []string{"ESEARCH", "CONDSTORE"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.src.SetQuirks(quirks)
			p.opts.Window = 10 // several windows
			p.fill(100)
			p.mustCopy()
			if got := p.vanishing(); len(got) != 0 {
				t.Errorf("of an untouched folder: %v", got)
			}
			p.fill(3)
			if got := p.vanishing(); len(got) != 0 {
				t.Errorf("beside new messages: %v", got)
			}
			gone := []uint32{1, 2, 3, 17, 55, 100}
			p.from.Expunge(append(gone, 102)...) // one that the ledger doesn't know
			if got := p.vanishing(); !slices.Equal(got, gone) {
				t.Errorf("got %v, want %v", got, gone)
			}
			if got := p.mustCopy(); got.Vanished != len(gone) {
				t.Errorf("%d are marked by the copy", got.Vanished)
			}
			if got := p.vanishing(); len(got) != 0 {
				t.Errorf("after the copy: %v", got)
			}
			p.from.SetUIDValidity(p.from.UIDValidity() + 1)
			if got := p.vanishing(); len(got) != 0 {
				t.Errorf("under another UIDVALIDITY: %v", got)
			}
		})
	}
}

func TestVanishingEndsWithItsCaller(t *testing.T) {
	p := newPair(t)
	p.fill(3)
	p.mustCopy()
	p.from.Expunge(1, 2)
	src, dst, err := p.dial("")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	defer dst.Close()
	enough, calls := errors.New("enough"), 0
	_, err = imap.Vanishing(t.Context(), src, func(uint32, uint32) imap.Ledger { return p.ledger }, p.state, p.opts, func(imap.Known) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%d calls, then %v", calls, err)
	}
}
