package imap_test

import (
	"errors"
	"testing"

	"bmsync/imap"
)

// TestNamesThatCannotBeSent refuses them before a byte leaves, and the session
// goes on.
func TestNamesThatCannotBeSent(t *testing.T) {
	p := newPair(t)
	src, dst, err := p.dial("")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	defer dst.Close()
	name := "Box\r\nx LOGOUT"
	var e *imap.Error
	if _, err := src.ExamineWire(t.Context(), name); !errors.As(err, &e) || e.Kind != imap.KindRefused {
		t.Errorf("EXAMINE: %v", err)
	}
	if err := src.Noop(t.Context()); err != nil {
		t.Errorf("the session ended: %v", err)
	}
	if _, err := src.Examine(t.Context(), "Box"); err != nil {
		t.Errorf("the session is of no use: %v", err)
	}
}
