package migrate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap"
)

// testPlatform is an administrator's session on an embedded BlueMind with the
// user ada.
func testPlatform(t *testing.T) (*platform, *bmsim.Sim) {
	t.Helper()
	return platformOf(t, bmsim.Domain{Name: "example.org", Users: []bmsim.User{{Login: "ada"}}})
}

func platformOf(t *testing.T, d bmsim.Domain) (*platform, *bmsim.Sim) {
	t.Helper()
	// Not with the test's context, which ends before the administrator logs out.
	sim, err := bmsim.Start(context.Background(), bmsim.Config{AdminPassword: "his secret", Domains: []bmsim.Domain{d}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CAPEM())
	p, err := openPlatform(t.Context(), Target{Name: "test", URL: sim.URL(), TLS: &tls.Config{RootCAs: roots}, IMAP: imap.Server{Addr: sim.IMAPSAddr(), TLS: &tls.Config{RootCAs: roots}}, Admin: "admin0@global.virt",
		AdminSecret: func(context.Context) (string, error) { return "his secret", nil }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.close(context.Background()) })
	return p, sim
}

// TestTokenIsNoAdministratorsSecret is law 1 where BlueMind would hand out, as
// a user's key, what the administrator logs in with, or his session.
func TestTokenIsNoAdministratorsSecret(t *testing.T) {
	p, _ := testPlatform(t)
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

// TestKeyIsRenewed: a renewal leaves one key of the run, with a later term;
// what was there before is no key any more, and the end leaves none.
func TestKeyIsRenewed(t *testing.T) {
	p, sim := testPlatform(t)
	box, err := p.admin.MailboxByEmail(t.Context(), "example.org", "ada@example.org")
	if err != nil {
		t.Fatal(err)
	}
	e := &entry{Domain: &bmapi.Domain{UID: "example.org"}, UID: box.UID, Login: "ada", Address: "ada@example.org"}
	k, err := openKey(t.Context(), p, e, "run", nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		first := k.secret()
		if err := k.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := sim.Journal().KeysAlive(); len(n) != 1 || k.secret() == first {
			t.Errorf("after a renewal: %v", n)
		}
		if answer, err := p.client.Validate(t.Context(), "ada@example.org", first); err != nil || answer != bmapi.NotValid {
			t.Errorf("the key before: %v, %v", answer, err)
		}
		sim.ExpireSessions() // as after 20 idle minutes
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.close(done); err != nil { // also for who was interrupted
		t.Fatal(err)
	}
	if n := sim.Journal().KeysAlive(); len(n) > 0 {
		t.Errorf("keys alive at the end: %v", n)
	}
}

// TestKeyNames: no two runs share one, and all are found again.
func TestKeyNames(t *testing.T) {
	until := time.Date(2026, 11, 24, 6, 30, 0, 0, time.UTC)
	for _, run := range []string{"20261124T063000Z-host-7-a1b2c3", ""} {
		got, term, ours := parseKeyName(keyName(run, until))
		if !ours || got != run || !term.Equal(until) {
			t.Errorf("%q: %q %v %t", run, got, term, ours)
		}
	}
	for _, name := range []string{"bmsyncother until 2026-11-24T06:30:00Z", "Outlook", ""} {
		if _, _, ours := parseKeyName(name); ours {
			t.Errorf("%q is taken for ours", name)
		}
	}
}
