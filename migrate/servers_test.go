package migrate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
)

// TestOpenPlatformRefuses: nothing is begun on a BlueMind that can't be worked
// on, somebody has to see to it, and no session stays behind.
func TestOpenPlatformRefuses(t *testing.T) {
	for _, c := range []struct {
		title, admin, state, text, mend string
		logins                          int
	}{
		{"a user", "boss@example.org", bmsim.Running, "boss@example.org has not the rights that provisioning needs", "admin: admin0@global.virt", 1},
		{"in maintenance", "admin0@global.virt", bmsim.Maintenance, "BlueMind is in state CORE_STATE_MAINTENANCE", "wait until it is running", 0},
		{"starting", "admin0@global.virt", "CORE_STATE_STARTING", "BlueMind is in state CORE_STATE_STARTING", "wait until it is running", 0},
	} {
		t.Run(c.title, func(t *testing.T) {
			sim, err := bmsim.Start(t.Context(), bmsim.Config{AdminPassword: "his secret",
				Domains: []bmsim.Domain{{Name: "example.org", Users: []bmsim.User{{Login: "boss", Password: "his secret"}}}}})
			if err != nil {
				t.Fatal(err)
			}
			defer sim.Close()
			sim.SetState(c.state)
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(sim.CAPEM())
			_, err = openPlatform(t.Context(), Target{Name: "test", URL: sim.URL(), TLS: &tls.Config{RootCAs: roots}, Admin: c.admin,
				AdminSecret: func(context.Context) (string, error) { return "his secret", nil }}, slog.New(slog.DiscardHandler))
			b, ok := errors.AsType[*BlockedError](err)
			if !ok || !strings.Contains(err.Error(), c.text) || !strings.Contains(b.Mend, c.mend) {
				t.Errorf("%v, not %s → %s", err, c.text, c.mend)
			}
			if left := sim.Journal().Sessions(); len(left) > 0 {
				t.Errorf("sessions: %v", left)
			}
			logins := slices.DeleteFunc(sim.Journal().Calls(), func(c bmsim.Call) bool { return c.Path != "/auth/login" })
			if len(logins) != c.logins {
				t.Errorf("%d logins, not %d", len(logins), c.logins)
			}
		})
	}
}
