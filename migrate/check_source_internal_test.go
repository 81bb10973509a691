package migrate

import (
	"errors"
	"testing"

	"bmsync/imap"
)

// TestASourceIsLostByFailuresInARow: connections that fail between others that
// succeed, and secrets that lack, give up no source.
func TestASourceIsLostByFailuresInARow(t *testing.T) {
	cut := error(&imap.Error{Kind: imap.KindClosed, Text: "closed"})
	refused := error(&imap.Error{Kind: imap.KindNo, Command: "LOGIN", Code: "AUTHENTICATIONFAILED"})
	secret := error(&SecretError{Err: errors.New("none")})
	tests := []struct {
		name string
		seen []error
		lost bool
	}{
		{"none has succeeded", []error{cut, cut}, false},
		{"between others", []error{nil, cut, cut, cut, nil, cut, cut, cut}, false},
		{"refusals are answers", []error{nil, cut, cut, cut, refused, cut}, false},
		{"as many as the connections", []error{nil, cut, cut, cut, cut}, true},
		{"secrets that lack say nothing", []error{nil, cut, cut, secret, cut, cut}, true},
		{"for good", []error{nil, cut, cut, cut, cut, nil}, true},
	}
	for _, tt := range tests {
		r := reach{width: 4}
		for _, err := range tt.seen {
			r.note(sourceLogin{}, err)
		}
		if r.hopeless() != tt.lost {
			t.Errorf("%s: given up %t", tt.name, r.hopeless())
		}
	}
}
