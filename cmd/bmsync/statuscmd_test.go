package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bmsync/migrate"
	"bmsync/state"
)

var updateReports = flag.Bool("update-reports", false, "write testdata/reports/*.golden anew")

// desk is a folder with a configuration and, made by hand, the states of a
// rehearsal that is done and of a production that is not.
type desk struct {
	t   *testing.T
	dir string
}

const deskYAML = `version: 1
sources: { old: { imap: mail.old.example, insecure_skip_verify: [mail.old.example], secret_env: S } }
targets:
  test: { url: "https://test.bm.example", secret_env: A, rehearsal: true }
  live: { url: "https://live.bm.example", secret_env: A }
`

const deskCSV = "source,source_login,target_address,secret_env\n" +
	"old,ada,ada@example.org,S\nold,bea,bea@example.org,S\nold,cleo,cleo@example.org,S\n"

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir()}
	d.write("bmsync.yaml", deskYAML)
	d.write("accounts.csv", deskCSV)
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	d.must(os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600))
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// bmsync runs a command as a user types it.
func (d *desk) bmsync(args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	var out, errs bytes.Buffer
	env := func(name string) (string, bool) { return "secret of " + name, name == "A" || name == "S" }
	code = run(d.t.Context(), append([]string{"-c", filepath.Join(d.dir, "bmsync.yaml")}, args...), &out, &errs, env, make(chan struct{}))
	return code, out.String(), errs.String()
}

var recent = regexp.MustCompile(`20(2[4-9]|[3-9]\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)`)

// golden compares a command's stdout with a file.
func (d *desk) golden(name, got string) {
	d.t.Helper()
	got = strings.ReplaceAll(got, d.dir, "DIR")
	got = strings.ReplaceAll(got, version(), "bmsync VERSION")
	got = recent.ReplaceAllString(got, "NOW")
	path := filepath.Join("testdata", "reports", name+".golden")
	if *updateReports {
		d.must(os.MkdirAll(filepath.Dir(path), 0o755))
		d.must(os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	d.must(err)
	if got != string(want) {
		d.t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

const (
	deskPolicy   = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed"
	deskValidity = 1_500_000_000
)

// books opens a target's state to be made by hand.
func (d *desk) books(target string) *state.Store {
	d.t.Helper()
	s, err := state.Open(d.t.Context(), migrate.StatePath(filepath.Join(d.dir, "state"), target), state.Identity{
		Target: target, Installation: "bm-" + target, Version: 5, Rehearsal: target == "test", URL: "https://" + target + ".bm.example"})
	d.must(err)
	return s
}

func at(minute int) time.Time { return time.Date(2020, 3, 1, 6, minute, 0, 0, time.UTC) }

// account makes one in a state.
func (d *desk) account(s *state.Store, name string, set func(*state.Account)) state.Account {
	d.t.Helper()
	a, err := s.EnsureAccount(d.t.Context(), state.Account{Source: "old", SourceLogin: name, Address: name + "@example.org", Kind: migrate.KindUser})
	d.must(err)
	a.PolicyDigest, a.AccountDigest, a.DomainUID, a.EntryUID = deskPolicy, "digest-of-"+name, "d1", "uid-"+name
	a.StartedAt, a.EndedAt = at(1), at(9)
	set(&a)
	d.must(s.UpdateAccount(d.t.Context(), a))
	return a
}

func (d *desk) folder(s *state.Store, f state.Folder, messages ...state.Message) {
	d.t.Helper()
	f.SrcUIDValidity, f.DstUIDValidity, f.ListedAt = deskValidity, 7, at(8)
	row, err := s.EnsureFolder(d.t.Context(), f)
	d.must(err)
	d.must(s.Record(d.t.Context(), row.ID, messages))
}

func letter(uid uint32, set func(*state.Message)) state.Message {
	m := state.Message{SrcUIDValidity: deskValidity, SrcUID: uid, DstUIDValidity: 7, DstUID: uid, Size: 123_456, State: state.Copied, InternalDate: at(0)}
	m.SHA1[0], m.SHA256[0] = byte(uid), byte(uid)
	if set != nil {
		set(&m)
	}
	return m
}

// fill makes both states.
func (d *desk) fill() {
	d.t.Helper()
	test := d.books("test")
	a := d.account(test, "ada", func(a *state.Account) { a.State = migrate.AccountComplete })
	d.must(test.RecordVerification(d.t.Context(), state.Verification{Account: a.ID, PolicyDigest: deskPolicy, OK: true, At: at(20)}))
	d.must(test.Close())

	live := d.books("live")
	defer func() { d.must(live.Close()) }()
	id, err := live.BeginRun(d.t.Context(), state.Run{Name: "r1", Host: "here", PID: 7, Command: "run", PolicyDigest: deskPolicy, WithoutRehearsal: "the old server is dying", Started: at(0)})
	d.must(err)
	ada := d.account(live, "ada", func(a *state.Account) {
		a.State, a.Created, a.Reason = migrate.AccountComplete, true, "2 messages were refused; bmsync report names them"
	})
	d.folder(live, state.Folder{Account: ada.ID, Source: "INBOX", Target: "INBOX", SrcExists: 7, Complete: true},
		letter(1, nil), letter(2, func(m *state.Message) { m.State = state.Present }),
		letter(3, func(m *state.Message) { m.State, m.Reason = state.Excluded, "deleted" }),
		letter(4, func(m *state.Message) {
			m.State, m.DstUID, m.Size, m.By, m.Reason = state.Refused, 0, 45_000_000, "message_size_limit", "too large: 45000000 of at most 20000000 octets"
		}),
		letter(5, func(m *state.Message) {
			m.State, m.DstUID, m.InternalDate, m.By, m.Reason, m.Note = state.Refused, 0, time.Time{}, "target", "Message contains invalid header", "kept as live/ada@example.org/INBOX-5-deadbeef.eml"
		}),
		letter(6, func(m *state.Message) { m.DstGone = true }),
		letter(7, func(m *state.Message) { m.Note = "flags not kept: $odd" }))
	d.folder(live, state.Folder{Account: ada.ID, Source: "INBOX.Été", Target: "Été", Late: true, SrcExists: 1, Complete: true}, letter(1, nil), letter(2, nil))
	d.folder(live, state.Folder{Account: ada.ID, Source: "Spam", Rule: "junk", SrcExists: 12, Complete: true})
	d.folder(live, state.Folder{Account: ada.ID, Source: "Shared", Rule: "namespace", Complete: true})
	d.must(live.RecordVerification(d.t.Context(), state.Verification{Account: ada.ID, PolicyDigest: deskPolicy, AccountDigest: ada.AccountDigest,
		At: at(30), Messages: 5, Bytes: 617_280, Findings: []string{`folder "INBOX": 1 of 4 messages are missing in BlueMind's core`}}))
	bea := d.account(live, "bea", func(a *state.Account) {
		a.State, a.Reason, a.Mend = migrate.AccountPartial, `folder "INBOX": 1 messages are pending`, "run again"
	})
	d.folder(live, state.Folder{Account: bea.ID, Source: "INBOX", Target: "INBOX", SrcExists: 2, Fault: "1 messages are pending"},
		letter(1, func(m *state.Message) { m.State = state.Vanished }), letter(2, func(m *state.Message) { m.State, m.DstUID = state.Pending, 0 }))
	d.account(live, "cleo", func(a *state.Account) {
		a.State, a.EntryUID, a.DomainUID = migrate.AccountBlocked, "", ""
		a.Reason, a.Mend = "cleo@example.org has no mailbox in BlueMind", "create the user in BlueMind, or set policy.users.create: true"
	})
	d.must(live.EndRun(d.t.Context(), id, 4, "1 blocked, 1 complete, 1 partial"))
}

func TestStatusCommand(t *testing.T) {
	d := newDesk(t)
	code, out, errs := d.bmsync("status", "--target", "live")
	if code != exitUsage || out != "" || !strings.Contains(errs, "nothing was run on target live yet (bmsync run --target live)") {
		t.Errorf("without a state: exit %d, %q, %q", code, out, errs)
	}
	d.fill()
	code, out, errs = d.bmsync("status", "--target", "live")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	d.golden("status", out)
	code, out, errs = d.bmsync("status", "--target", "test", "--json")
	var st migrate.Status
	if err := json.Unmarshal([]byte(out), &st); code != 0 || err != nil || st.Accounts["complete"] != 1 || !st.Rehearsal {
		t.Errorf("exit %d, %v, %s%s", code, err, out, errs)
	}
	if code, _, errs := d.bmsync("status"); code != exitUsage || !strings.Contains(errs, "which target? --target ") {
		t.Errorf("which target: exit %d, %q", code, errs)
	}
}

func TestStatusCommandWhileARunWrites(t *testing.T) {
	d := newDesk(t)
	d.fill()
	live := d.books("live")
	defer live.Close()
	host, err := os.Hostname()
	d.must(err)
	_, err = live.BeginRun(t.Context(), state.Run{Name: "r2", Host: host, PID: os.Getpid(), Command: "run", Started: at(40)})
	d.must(err)
	want := fmt.Sprintf("last run: run, at work since 2020-03-01 06:40:00 UTC (process %d on %s)", os.Getpid(), host)
	if code, out, errs := d.bmsync("status", "--target", "live"); code != 0 || !strings.Contains(out, want) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.00 kB", 9994: "9.99 kB", 9996: "10.0 kB", 99_960: "100 kB", 999_499: "999 kB",
		999_600: "1.00 MB", 20_000_000: "20.0 MB", 1 << 62: "4.61 EB"} {
		if got := migrate.AboutSize(n); got != want {
			t.Errorf("migrate.AboutSize(%d) = %s, want %s", n, got, want)
		}
	}
}
