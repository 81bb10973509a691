package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// TestFixesAreNoFormulas writes names that a spreadsheet would calculate.
func TestFixesAreNoFormulas(t *testing.T) {
	var out bytes.Buffer
	err := fixesCSV(&out, []objects.Fix{
		{Address: "=cmd|' /C calc'!A0@example.org", Login: "+1", Problem: "-2; \"x\"", Mend: "@SUM(A1)"},
		{Address: "ada@example.org", Problem: "\tlacks the address", Mend: "add it"},
	})
	want := "\ufeffaddress;login;problem;mend\r\n" +
		"'=cmd|' /C calc'!A0@example.org;'+1;\"'-2; \"\"x\"\"\";'@SUM(A1)\r\n" +
		"ada@example.org;;'\tlacks the address;add it\r\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%q\nwant\n%q", err, out.String(), want)
	}
}

// TestFixesFile is beside the configuration, and is there when there is
// something to mend; afterwards it is empty, not stale.
func TestFixesFile(t *testing.T) {
	var errs bytes.Buffer
	a := &app{stderr: &errs}
	dir := t.TempDir()
	path := fixesFile(filepath.Join(dir, "bmsync.yaml"), "")
	if err := a.writeFixes(path, nil); err != nil || errs.Len() > 0 {
		t.Fatalf("%v, %s", err, &errs)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("written without anything to mend")
	}
	if err := a.writeFixes(path, []objects.Fix{{Address: "ada@example.org", Problem: "lacks", Mend: "add"}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "ad-fixes.csv"))
	if err != nil || !strings.Contains(string(text), "ada@example.org;;lacks;add\r\n") || !strings.Contains(errs.String(), "1 line for the administrator of LDAP or AD: "+path) {
		t.Errorf("%v: %q, said %q", err, text, &errs)
	}
	if err := a.writeFixes(path, nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "ada") {
		t.Errorf("%v: %q", err, text)
	}
}

func TestObjectsText(t *testing.T) {
	r := migrate.ObjectsResult{
		Counts:  []migrate.ObjectCount{{Kind: objects.KindUser, Action: objects.Created, Count: 2}, {Kind: objects.KindUser, Action: objects.Conflict, Count: 2}, {Kind: objects.KindMember, Action: objects.AsWanted, Count: 1}},
		Notable: []objects.Outcome{{Kind: objects.KindUser, Name: "ada", Action: objects.Conflict, Reason: "taken", Mend: "rename"}, {Kind: objects.KindUser, Name: "bob", Action: objects.Conflict, Reason: "told with the account"}, {Kind: objects.KindShare, Name: "s", Action: objects.Changed, Changes: []objects.Change{{Field: "quota", From: "none", To: "5"}}}},
		Failed:  []migrate.ObjectFailure{{Kind: objects.KindGroup, Name: "g", Reason: "503", Mend: "run again"}},
		NotSet:  []migrate.RightNotSet{{Mailbox: "s", Grantee: "eve", From: "rights.csv:2", Reason: "not complete", Mend: "wait"}},
		Mailed:  1,
	}
	var out bytes.Buffer
	objectsText(&lines{w: &out}, r, false, map[string]bool{"bob": true})
	want := `  4 users: 2 created, 2 in conflict
  1 membership: 1 as wanted
  user ada: conflict: taken
      → rename
  share s: changed quota from "none" to "5"
  group g: not made sure of: 503
      → run again
  right of eve on s (rights.csv:2): not set: not complete
      → wait
  BlueMind sends 1 mail about new rights
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// TestRunAgain: what is to be typed again is what was typed.
func TestRunAgain(t *testing.T) {
	for want, r := range map[string]migrate.RunResult{
		"bmsync run --target test --final\n":   {Final: true},
		"bmsync run --target test --objects\n": {ObjectsOnly: true},
		"bmsync run --target test\n":           {},
	} {
		r.Target, r.NewRefusals = "test", true
		var b strings.Builder
		if err := runText(&b, r, "bmsync"); err != nil || !strings.HasSuffix(b.String(), "Running again is safe: "+want) {
			t.Errorf("%q, %v", b.String(), err)
		}
	}
}

// TestAgainWithItsFile: what is to be typed next finds the same file.
func TestAgainWithItsFile(t *testing.T) {
	for path, want := range map[string]string{
		"":               "bmsync",
		"bmsync.yaml":    "bmsync",
		"lab/a-1.yaml":   "bmsync -c lab/a-1.yaml",
		"été/b.yaml":     "bmsync -c été/b.yaml",
		"my files/b'c.y": `bmsync -c 'my files/b'\''c.y'`,
	} {
		if got := (&app{configPath: path}).again(); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	var b strings.Builder
	text := checkText{migrate.CheckResult{Target: "test", Blockers: 1}, "bmsync -c x"}
	if err := text.write(&b); err != nil || !strings.Contains(b.String(), "then: bmsync -c x check --target test\n") {
		t.Errorf("%q, %v", &b, err)
	}
	b.Reset()
	if err := (planSummary{}).text(&b, "bmsync -c x"); err != nil || !strings.HasSuffix(b.String(), "Next: bmsync -c x plan show, then bmsync -c x run --target …\n") {
		t.Errorf("%q, %v", &b, err)
	}
	b.Reset()
	done := migrate.RunResult{Target: "test"}
	if err := runText(&b, done, "bmsync -c x"); err != nil || !strings.HasSuffix(b.String(), "Next: bmsync -c x verify --target test\n") {
		t.Errorf("%q, %v", &b, err)
	}
}
