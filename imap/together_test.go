package imap_test

import (
	"fmt"
	"testing"

	"bmsync/imap"
)

// Folders are made and subscribed to many at a time, whatever becomes of one.
func TestCreateAllInOneRoundTrip(t *testing.T) {
	p := newPair(t)
	wire := new(traffic)
	p.dialing = map[string]imap.Options{"target": wire.options()}
	_, dst, err := p.dial("")
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	names := []string{"Box", "R&D", "Été"} // the first is there
	for i := range 60 {
		names = append(names, fmt.Sprint("Folder ", i))
	}
	wire.reset()
	if err := dst.CreateAll(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	if err := dst.SubscribeAll(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	if wire.trips > 6 { // a server may answer in several pieces
		t.Error(wire)
	}
	for _, name := range names {
		if p.dst.User(user).Mailbox(name) == nil {
			t.Errorf("%q is not there", name)
		}
	}
}
