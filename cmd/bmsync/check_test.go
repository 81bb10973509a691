package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// checkLab is a configuration for an embedded source, with ada and bob, and an
// embedded BlueMind, where ada exists.
type checkLab struct {
	t   *testing.T
	dir string
	sim *bmsim.Sim
}

const labAdminSecret = "Adm1n!secret"

func newCheckLab(t *testing.T) *checkLab {
	t.Helper()
	l := &checkLab{t: t, dir: t.TempDir()}
	source, err := imaptest.NewServer(imaptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	source.AddUser("ada", "pw")
	source.AddUser("bob", "pw")
	addr, err := source.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.sim, err = bmsim.Start(t.Context(), bmsim.Config{AdminPassword: labAdminSecret, RefusalDelay: -1,
		Domains: []bmsim.Domain{{Name: "example.org", Users: []bmsim.User{{Login: "ada"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.sim.Close() })
	l.write("old-secret", "pw\n")
	l.write("admin-secret", labAdminSecret+"\n")
	l.write("old.pem", string(source.CAPEM()))
	l.write("bmsync.yaml", fmt.Sprintf(`version: 1
sources: { old: { imap: "%s", ca_file: old.pem, secret_file: old-secret } }
targets: { test: { url: "%s", imap: "%s", ca_file: "%s", secret_file: admin-secret, rehearsal: true } }
`, addr, l.sim.URL(), l.sim.IMAPSAddr(), l.sim.CAFile()))
	l.write("accounts.csv", "source;source_login;target_address\nold;ada;ada@example.org\nold;bob;bob@example.org\n")
	return l
}

func (l *checkLab) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// bmsync runs a command and wants an exit code.
func (l *checkLab) bmsync(want int, args ...string) (stdout, stderr string) {
	l.t.Helper()
	var out, errs bytes.Buffer
	env := func(string) (string, bool) { return "", false }
	args = append(args, "--config", filepath.Join(l.dir, "bmsync.yaml"))
	if got := run(context.WithoutCancel(l.t.Context()), args, &out, &errs, env, nil); got != want {
		l.t.Errorf("bmsync %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, &out, &errs)
	}
	if text := out.String() + errs.String(); strings.Contains(text, labAdminSecret) {
		l.t.Errorf("the administrator's secret is told:\n%s", text)
	}
	return out.String(), errs.String()
}

// hasLine wants a line that begins with start and holds part.
func hasLine(t *testing.T, text, start, part string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), start) && strings.Contains(line, part) {
			return
		}
	}
	t.Errorf("no line %q … %q in\n%s", start, part, text)
}

func TestCheckCommandWhereAllIsWell(t *testing.T) {
	l := newCheckLab(t)
	out, _ := l.bmsync(0, "check")
	hasLine(t, out, "skip  10 quota", "bmsync plan first")
	hasLine(t, out, "ok     6 mailbox", "will be created by a run (1 account)")
	hasLine(t, out, "target test, BlueMind 5.1, 2 accounts: 0 blockers, 0 warnings", "")
	hasLine(t, out, "Nobody was logged in", "--probe")

	l.bmsync(0, "plan")
	out, _ = l.bmsync(0, "check", "--target", "test", "--probe")
	hasLine(t, out, "ok    10 quota", "no quota")
	hasLine(t, out, "ok     9 usable", "logs in by a key")
	if strings.Contains(out, "--probe") || strings.Contains(out, "skip") {
		t.Error(out)
	}
	if alive := l.sim.Journal().KeysAlive(); len(alive) > 0 {
		t.Errorf("keys alive: %v", alive)
	}
}

func TestCheckCommandBlocks(t *testing.T) {
	l := newCheckLab(t)
	l.write("accounts.csv", "source;source_login;target_address\nold;ada;ada@example.org\nold;nobody;nobody@elsewhere.org\n")
	out, _ := l.bmsync(exitBlocked, "check")
	hasLine(t, out, "BLOCK  5 domain            domain elsewhere.org is unknown in BlueMind (1 account)", "")
	hasLine(t, out, "nobody@elsewhere.org", "")
	hasLine(t, out, "→ create it in BlueMind", "")
	hasLine(t, out, "BLOCK    source login", "the login is refused [AUTHENTICATIONFAILED] (1 account)")
	hasLine(t, out, "nobody@elsewhere.org: nobody", "")

	out, _ = l.bmsync(0, "check", "--only", "ada@example.org")
	hasLine(t, out, "target test", "1 account: 0 blockers")
	_, errs := l.bmsync(exitUsage, "check", "--only", "eve@example.org")
	hasLine(t, errs, "bmsync:", "eve@example.org")

	l.write("admin-secret", "another secret\n")
	out, _ = l.bmsync(exitBlocked, "check", "--only", "ada@example.org")
	hasLine(t, out, "BLOCK    administrator", "wrong name or secret")
	hasLine(t, out, "skip   6 mailbox", "could not be asked")
}

func TestCheckCommandLeavesOutExceptions(t *testing.T) {
	l := newCheckLab(t)
	yaml, err := os.ReadFile(filepath.Join(l.dir, "bmsync.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l.write("bmsync.yaml", string(yaml)+"exceptions: [{address: bob@example.org, reason: left the company, skip: true}]\n")
	out, _ := l.bmsync(0, "check")
	hasLine(t, out, "target test", "1 account")
}

func TestCheckCommandWritesJSON(t *testing.T) {
	l := newCheckLab(t)
	out, errs := l.bmsync(0, "check", "--json")
	var res migrate.CheckResult
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if res.Target != "test" || res.Accounts != 2 || len(res.Findings) < 12 {
		t.Errorf("%+v", res)
	}
	if strings.Count(errs, `"kind":"account.checked"`) != 2 {
		t.Errorf("events:\n%s", errs)
	}
}

func TestCheckCommandMixesNothingOnStdout(t *testing.T) {
	l := newCheckLab(t)
	for _, other := range []string{"--json", "--guide"} {
		_, errs := l.bmsync(exitUsage, "check", other, "--fixes", "-")
		if !strings.Contains(errs, "would mix two things on stdout") {
			t.Error(errs)
		}
	}
}

func TestCheckCommandRefusesABrokenPlan(t *testing.T) {
	l := newCheckLab(t)
	l.write("plan.jsonl", "{}\n")
	_, errs := l.bmsync(exitUsage, "check")
	hasLine(t, errs, "bmsync:", "plan.jsonl:1")
}

func TestCheckTextNamesTheFirst(t *testing.T) {
	f := migrate.Finding{Rule: 12, Name: "blank target", Phase: migrate.PhaseRehearsal, Severity: migrate.Warning, Text: "not empty", Count: 30}
	for i := range 30 {
		f.Accounts, f.Notes = append(f.Accounts, fmt.Sprintf("u%d@x.org", i)), append(f.Notes, "")
	}
	f.Notes[1] = "holds 3 messages"
	var out bytes.Buffer
	if err := (checkText{migrate.CheckResult{Target: "test", Accounts: 30, Warnings: 1, Findings: []migrate.Finding{f}}, "bmsync"}).write(&out); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(out.String(), "\n")
	want := map[int]string{0: "From the rehearsal on:", 1: "warn  12 blank target      not empty (30 accounts)", 2: "          u0@x.org", 3: "          u1@x.org: holds 3 messages",
		21: "          u19@x.org", 22: "          … and 10 more; --json has them all", 23: "target test, 30 accounts: 0 blockers, 1 warning"}
	for i, line := range want {
		if len(got) < 24 || got[i] != line {
			t.Fatalf("line %d is not %q:\n%s", i, line, out.String())
		}
	}
}

// TestCheckOnlySomeKnowsTheOthers: who is in a row that is not looked at may
// write to a share, and be in a group.
func TestCheckOnlySomeKnowsTheOthers(t *testing.T) {
	l := newCheckLab(t)
	l.write("accounts.csv", "source;source_login;target_address;kind;writer\nold;ada;ada@example.org;;\nold;bob;info@example.org;share;dan@example.org\nold;dan;dan@example.org;;\n")
	l.write("groups.csv", "group;address;members\nstaff;;ada@example.org dan@example.org\n")
	out, _ := l.bmsync(0, "check", "--only", "info@example.org")
	hasLine(t, out, "ok    32 shares", "will be created")
	hasLine(t, out, "target test", "1 account: 0 blockers, 0 warnings")
}
