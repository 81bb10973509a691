package bmsim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
)

func TestRestartKeepsAll(t *testing.T) {
	cfg := config()
	cfg.Dir = t.TempDir()
	first, err := bmsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	adm := admin(t, first)
	ada := adm.su("ada@example.org")
	k := ada.newKey("token")
	adm.ok("PUT", "/users/example.org/eve", user("eve", `"password":"t0p"`), nil)
	adm.ok("PUT", "/groups/example.org/g", `{"name":"staff"}`, nil)
	adm.ok("PUT", "/domains/"+exampleUID+"/_settings", `{"lang":"fr"}`, nil)
	uid := adm.uid("ada")
	calls := len(first.Journal().Calls())
	ca := first.CAPEM()
	cfg.ListenREST = strings.TrimPrefix(first.URL(), "https://")
	cfg.ListenIMAP, cfg.ListenIMAPS = first.IMAPAddr(), first.IMAPSAddr()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	// What a killed process leaves: half a line of journal, half a record.
	j, err := os.OpenFile(filepath.Join(cfg.Dir, "journal.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	j.WriteString(`{"time":"20`)
	j.Close()
	if err := os.WriteFile(filepath.Join(cfg.Dir, "directory", "keys", "000000000099.json.tmp"), []byte(`{"row`), 0o600); err != nil {
		t.Fatal(err)
	}

	cfg.AdminPassword = ""
	sim := start(t, cfg)
	if sim.URL() != first.URL() || sim.IMAPAddr() != cfg.ListenIMAP || string(sim.CAPEM()) != string(ca) {
		t.Error("other ports or another authority")
	}
	again := anonymous(t, sim)
	if got := again.with(adm.key).uid("ada"); got != uid {
		t.Errorf("uid %s, was %s", got, uid)
	}
	again.with(ada.key).ok("GET", "/auth/keys/"+k.SID, nil, nil)
	again.with(k.SID).ok("GET", "/auth/ping", nil, nil)
	for name, secret := range map[string]string{"eve@" + exampleUID: "t0p", "admin0@global.virt": secret} {
		if l := again.login(name, secret); l.Status != "Ok" {
			t.Errorf("%s: %+v", name, l)
		}
	}
	again.with(adm.key).ok("GET", "/groups/example.org/g/complete", nil, nil)
	var set map[string]string
	again.with(adm.key).ok("GET", "/domains/"+exampleUID+"/_settings", nil, &set)
	if set["lang"] != "fr" {
		t.Errorf("%v", set)
	}
	if got := len(sim.Journal().Calls()); got < calls {
		t.Errorf("%d calls in the journal, were %d", got, calls)
	}
	again.with(adm.key).refused("GET", "/tasks/whatever", nil, 404, "NOT_FOUND")

	// All lines but the torn one can be read by another process.
	text, err := os.ReadFile(filepath.Join(cfg.Dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines, whole := strings.Split(strings.TrimSpace(string(text)), "\n"), 0
	for _, line := range lines {
		if json.Valid([]byte(line)) {
			whole++
		}
	}
	if whole != len(lines)-1 || whole != len(sim.Journal().Events()) {
		t.Errorf("%d lines, %d whole, %d events", len(lines), whole, len(sim.Journal().Events()))
	}
}
