package main

import (
	"encoding/json"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/migrate"
)

func TestResetTokensCommand(t *testing.T) {
	l := newCheckLab(t)
	ada := l.become("ada")
	for _, name := range []string{"bmsync run-of-yesterday until 2999-01-01T00:00:00Z", "her phone"} {
		if _, err := ada.CreateKey(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := l.bmsync(0, "reset", "--tokens")
	hasLine(t, out, "target test: 1 API key of bmsync deleted; looked at 2 accounts, 1 of which have a user there", "")
	out, _ = l.bmsync(0, "reset", "--tokens", "--json", "ada@example.org", "--target", "test")
	var res migrate.Sweep
	if err := json.Unmarshal([]byte(out), &res); err != nil || res.Keys != 0 || res.Accounts != 1 {
		t.Errorf("%v in %s", err, out)
	}
	if alive := l.sim.Journal().KeysAlive(); len(alive) != 1 {
		t.Errorf("keys alive: %v", alive)
	}
}

// become acts as a user of the lab.
func (l *checkLab) become(login string) *bmapi.Session {
	l.t.Helper()
	tls, err := tlsConfig(l.sim.CAFile(), nil, "127.0.0.1")
	if err != nil {
		l.t.Fatal(err)
	}
	client, err := bmapi.New(bmapi.Options{BaseURL: l.sim.URL(), TLS: tls})
	if err != nil {
		l.t.Fatal(err)
	}
	admin, err := client.Login(l.t.Context(), "admin0@global.virt", labAdminSecret)
	if err != nil {
		l.t.Fatal(err)
	}
	domain, err := admin.LookupDomain(l.t.Context(), "example.org")
	if err != nil {
		l.t.Fatal(err)
	}
	user, err := admin.Su(l.t.Context(), login, domain.UID)
	if err != nil {
		l.t.Fatal(err)
	}
	return user
}

func TestResetAccountCommand(t *testing.T) {
	d := newDesk(t)
	d.fill()
	code, out, errs := d.bmsync("reset", "ada@example.org", "--target", "live")
	if code != exitUsage || !strings.Contains(errs, "nothing was forgotten; --yes does it") || !strings.Contains(out, "would forget ada@example.org of target live (complete): 5 copied") ||
		!strings.Contains(out, "bmsync run --target live --recopy ada@example.org") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if code, out, errs = d.bmsync("reset", "ada@example.org", "--target", "live", "--yes"); code != 0 || !strings.Contains(out, "forgot ada@example.org") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	if code, out, _ = d.bmsync("status", "--target", "live"); code != 0 || !strings.Contains(out, "last run: reset ada@example.org") || strings.Contains(out, "1 complete") {
		t.Errorf("exit %d, %s", code, out)
	}
	if code, _, errs = d.bmsync("reset", "ada@example.org", "--target", "live", "--yes"); code != exitUsage || !strings.Contains(errs, "no run has met account") {
		t.Errorf("again: exit %d, %s", code, errs)
	}
	live := d.books("live")
	defer live.Close()
	if code, _, errs = d.bmsync("reset", "bea@example.org", "--target", "live", "--yes"); code != exitBlocked || !strings.Contains(errs, "is in use by process") {
		t.Errorf("while a run is at work: exit %d, %s", code, errs)
	}
}

func TestResetCommandRefuses(t *testing.T) {
	d := newDesk(t)
	for want, args := range map[string][]string{
		"only the state knows what runs made there": {"--undo", "--target", "live"}, "reset what?": {}, "nothing was run on target live yet": {"ada@example.org", "--target", "live"},
	} {
		if code, out, errs := d.bmsync(append([]string{"reset"}, args...)...); code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}
