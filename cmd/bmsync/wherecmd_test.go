package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestWhereCommand follows messages through a whole migration, by the command
// line alone.
func TestWhereCommand(t *testing.T) {
	l := newCheckLab(t)
	source := filledSource(t, l)
	l.bmsync(0, "plan")
	_, errs := l.bmsync(exitUsage, "where", "ada@example.org", "--message-id", "1@x.test")
	hasLine(t, errs, "bmsync:", "nothing was run on target test yet")
	l.bmsync(0, "run", "--target", "test")

	out, _ := l.bmsync(0, "where", "ada@example.org", "--message-id", "1@x.test")
	hasLine(t, out, `"INBOX" UID 1 → "INBOX" UID 1, copied; on the target now: yes, same SHA-1`, "")
	hasLine(t, out, "message of 2020-02-29 22:00:00 UTC, ", "SHA-1 ")
	hasLine(t, out, "the folder was last gone through 20", " UTC")
	out, _ = l.bmsync(0, "where", "ada@example.org", "--message-id", "<2@x.test>")
	hasLine(t, out, `"Spam" UID 1: excluded by rule junk (folder)`, "")
	out, _ = l.bmsync(0, "where", "ada@example.org", "--uid", "2", "--folder", "INBOX")
	hasLine(t, out, `"INBOX" UID 2: excluded by rule deleted`, "")

	source.User("ada").Mailbox("INBOX").Append(imaptest.Message{Body: []byte("Message-ID: <new@x.test>\r\n\r\n")})
	out, _ = l.bmsync(0, "where", "ada@example.org", "--message-id", "new@x.test")
	hasLine(t, out, `"INBOX" UID 3: not seen yet: run again`, "")

	out, _ = l.bmsync(exitPartial, "where", "ada@example.org", "--target-uid", "77", "--target-folder", "INBOX", "--json")
	var found migrate.Whereabouts
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Address != "ada@example.org" || len(found.Fates) != 0 {
		t.Errorf("%v in %s", err, out)
	}
	out, _ = l.bmsync(exitPartial, "where", "bob@example.org", "--message-id", "1@x.test")
	hasLine(t, out, "bob@example.org: no such message was found", "")
	_, errs = l.bmsync(exitUsage, "where", "eve@example.org", "--message-id", "1@x.test")
	hasLine(t, errs, "bmsync:", "no run has met account eve@example.org")
}

// filledSource puts another source, with mail, in the place of the lab's.
func filledSource(t *testing.T, l *checkLab) *imaptest.Server {
	t.Helper()
	source, err := imaptest.NewServer(imaptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	addr, err := source.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	source.AddUser("bob", "pw")
	ada := source.AddUser("ada", "pw")
	letter := func(n int, flags ...string) imaptest.Message {
		return imaptest.Message{Body: fmt.Appendf(nil, "Message-ID: <%d@x.test>\r\nSubject: letter %d\r\n\r\nwords\r\n", n, n), Flags: flags, InternalDate: at(-480)}
	}
	ada.Mailbox("INBOX").Append(letter(1))
	ada.Mailbox("INBOX").Append(letter(3, `\Deleted`))
	ada.CreateMailbox("Spam", imaptest.MailboxOptions{SpecialUse: `\Junk`}).Append(letter(2))
	l.write("old.pem", string(source.CAPEM()))
	l.write("bmsync.yaml", fmt.Sprintf(`version: 1
sources: { old: { imap: "%s", ca_file: old.pem, secret_file: old-secret } }
targets: { test: { url: "%s", imap: "%s", ca_file: "%s", secret_file: admin-secret, rehearsal: true } }
`, addr, l.sim.URL(), l.sim.IMAPSAddr(), l.sim.CAFile()))
	return source
}

func TestWhereCommandWantsOneQuestion(t *testing.T) {
	d := newDesk(t)
	for _, args := range [][]string{
		{"ada@example.org"}, {}, {"a@x", "b@x", "--message-id", "1"}, {"a@x", "--message-id", "1", "--uid", "2", "--folder", "INBOX"},
		{"a@x", "--uid", "2"}, {"a@x", "--folder", "INBOX"}, {"a@x", "--target-uid", "2"}, {"a@x", "--target-folder", "INBOX"}, {"a@x", "--uid", "-1", "--folder", "INBOX"},
	} {
		if code, out, errs := d.bmsync(append([]string{"where", "--target", "live"}, args...)...); code != exitUsage || out != "" || errs == "" {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// TestFateText says each fate in a line of its own.
func TestFateText(t *testing.T) {
	base := migrate.Fate{Folder: "INBOX", UID: 17, Target: "INBOX", TargetUID: 5, Now: migrate.NowThere}
	for want, set := range map[string]func(*migrate.Fate){
		`"INBOX" UID 17 → "INBOX" UID 5, copied; on the target now: yes, same SHA-1`:                                 func(f *migrate.Fate) { f.Fate = "copied" },
		`"INBOX" UID 17 → "INBOX" UID 5, copied; on the target now: no, deleted or moved there since`:                func(f *migrate.Fate) { f.Fate, f.Now = "copied", migrate.NowGone },
		`"INBOX" UID 17 → "INBOX" UID 5, copied; on the target now: yes, WITH ANOTHER SHA-1`:                         func(f *migrate.Fate) { f.Fate, f.Now = "copied", migrate.NowAltered },
		`"INBOX" UID 17 → "INBOX" UID 5, was there already, found by content; on the target now: unknown`:            func(f *migrate.Fate) { f.Fate, f.Now = "present", migrate.NowUnknown },
		`"INBOX" UID 17 → "INBOX" UID 5, copied, and gone from the source since; on the target now: yes, same SHA-1`: func(f *migrate.Fate) { f.Fate = "vanished" },
		`"INBOX" UID 17: vanished from the source before it was copied`:                                              func(f *migrate.Fate) { f.Fate, f.TargetUID = "vanished", 0 },
		`"INBOX" UID 17: refused by target: [TOOBIG] no`:                                                             func(f *migrate.Fate) { f.Fate, f.By, f.Reason = "refused", "target", "[TOOBIG] no" },
		`"INBOX" UID 17: seen, not copied yet: run again`:                                                            func(f *migrate.Fate) { f.Fate = "pending" },
		`"INBOX" UID 17: not seen yet: run again (the folder is new)`:                                                func(f *migrate.Fate) { f.Fate, f.Reason = migrate.FateUnseen, "the folder is new" },
		`"INBOX" UID 17: excluded by rule policy (folder): named`:                                                    func(f *migrate.Fate) { f.Fate, f.Rule, f.Reason = migrate.FateLeftOut, "policy", "named" },
		`target "INBOX" UID 5: on the target now, and not from bmsync`:                                               func(f *migrate.Fate) { f.Fate = migrate.FateForeign },
	} {
		f := base
		set(&f)
		if got := fateText(f); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	var b strings.Builder
	if err := whereText(&b, migrate.Whereabouts{Address: "a@x", Remarks: []string{"source old can't be asked: no connection"}}); err != nil {
		t.Fatal(err)
	}
	if want := "note: source old can't be asked: no connection\na@x: no such message was found\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
