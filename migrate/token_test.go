package migrate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap"
)

// TestTokenIsNoAdministratorsSecret is law 1 where BlueMind would hand out, as
// a user's key, what the administrator logs in with, or his session.
func TestTokenIsNoAdministratorsSecret(t *testing.T) {
	sim, err := bmsim.Start(t.Context(), bmsim.Config{AdminPassword: "his secret", Domains: []bmsim.Domain{{Name: "example.org", Users: []bmsim.User{{Login: "ada"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CAPEM())
	p, err := openPlatform(t.Context(), Target{Name: "test", URL: sim.URL(), TLS: &tls.Config{RootCAs: roots}, Admin: "admin0@global.virt",
		AdminSecret: func(context.Context) (string, error) { return "his secret", nil }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close(t.Context())
	e := &entry{Domain: &bmapi.Domain{UID: "example.org"}, UID: "ada", Login: "ada", Address: "ada@example.org"}
	session := p.admin
	p.admin = p.client.WithKey("his live session")
	for _, secret := range []string{"", "his secret", "his live session"} {
		k := &key{p: p, e: e, sid: secret}
		if token, err := k.token(); !errors.Is(err, imap.ErrAdministrator) || token != (imap.Token{}) {
			t.Errorf("a token was made: %v", err)
		}
		if _, err := k.dial(t.Context()); !errors.Is(err, imap.ErrAdministrator) || judge(err).scope != accountHalt {
			t.Errorf("a session was dialled: %v", err)
		}
	}
	p.admin = session
	k := &key{p: p, e: e, sid: "a-key"}
	if token, err := k.token(); err != nil || token.Secret != "a-key" {
		t.Errorf("a user's key makes no token: %v", err)
	}
}
