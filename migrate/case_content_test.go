package migrate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// oddFolder puts the twelve malformed messages of imaptest among sound ones.
func oddFolder(u *imaptest.User) *imaptest.Mailbox {
	box := u.CreateMailbox("Odd", imaptest.MailboxOptions{})
	for i, a := range imaptest.Awkward() {
		box.Append(message(i))
		box.Append(a.Message)
	}
	return box
}

// rows are the rows of an account's folder, by source UID.
func (w *world) ledgerOf(address, folder string) map[uint32]state.Message {
	w.t.Helper()
	s, err := state.OpenReadOnly(w.t.Context(), migrate.StatePath(w.opts.StateDir, w.opts.Target.Name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	accounts, err := s.AccountByAddress(w.t.Context(), address)
	if err != nil || len(accounts) != 1 {
		w.t.Fatal(accounts, err)
	}
	found, err := s.FindMessages(w.t.Context(), accounts[0].ID, state.Query{Source: folder})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[uint32]state.Message{}
	for _, f := range found {
		out[f.Message.SrcUID] = f.Message
	}
	return out
}

// malformed runs without repairs, with a quarantine, and with repairs, and wants
// of the messages that this target refuses that each is told, kept and repaired,
// and that no other is touched.
func (w *world) malformed(refuses map[string]bool) {
	t, address := w.t, w.rows[0].Address
	t.Helper()
	w.plan()
	if res := w.run(); res.Outcome() != migrate.Partial || !res.NewRefusals || res.States[migrate.AccountComplete] != 1 {
		t.Fatalf("without repairs the run ended with %v: %+v", res.Outcome(), res.Notable)
	}
	for uid, m := range w.ledgerOf(address, "Odd") {
		name := ""
		if uid%2 == 0 {
			name = imaptest.Awkward()[uid/2-1].Name
		}
		if want := refuses[name]; (m.State == state.Refused) != want {
			t.Errorf("UID %d (%s) is %v: %s", uid, name, m.State, m.Reason)
		}
	}
	w.opts.Quarantine = filepath.Join(w.dir, "quarantine")
	if res := w.run(); res.Copied != 0 {
		t.Errorf("with a quarantine %d messages were copied", res.Copied)
	}
	files, err := filepath.Glob(filepath.Join(w.opts.Quarantine, "test", address, "*.eml"))
	if err != nil || len(files) != len(refuses) {
		t.Errorf("%d files in the quarantine, want %d (%v)", len(files), len(refuses), err)
	}
	for uid, m := range w.ledgerOf(address, "Odd") {
		if m.State != state.Refused {
			continue
		}
		kept, err := os.ReadFile(filepath.Join(w.opts.Quarantine, strings.TrimPrefix(m.Note, imap.QuarantineNote)))
		if was := imaptest.Awkward()[uid/2-1].Message.Body; err != nil || !bytes.Equal(kept, was) {
			t.Errorf("UID %d is kept as %q, %v", uid, kept, err)
		}
	}
	w.policy.Repairs = migrate.Repairs()
	w.plan()
	if res := w.run(); res.Copied != len(refuses) || res.Outcome() != migrate.Complete || res.Refused != 0 {
		t.Errorf("with repairs the run ended with %v, %d copied, want %d: %+v", res.Outcome(), res.Copied, len(refuses), res.Notable)
	}
	for uid, m := range w.ledgerOf(address, "Odd") {
		repaired := uid%2 == 0 && refuses[imaptest.Awkward()[uid/2-1].Name]
		if m.State != state.Copied || strings.Contains(m.Note, imap.RepairedNote) != repaired {
			t.Errorf("UID %d is %v, noted as %q", uid, m.State, m.Note)
		}
		found := w.where(migrate.WhereOptions{Address: address, Folder: "Odd", UID: uid})
		if len(found.Fates) != 1 || found.Fates[0].Now != migrate.NowThere || (found.Fates[0].SentSHA256 != "") != (m.Repaired != nil) {
			t.Errorf("UID %d is where? %+v", uid, found)
		}
	}
	for range 2 {
		if res := w.verify(migrate.RereadAll); res.OK != 1 || res.Reread != res.Messages || res.Messages != 24 {
			t.Errorf("verify: %+v", res)
		}
		if res := w.complete(); res.Copied != 0 {
			t.Errorf("once more, %d were copied", res.Copied)
		}
		if err := os.RemoveAll(w.opts.StateDir); err != nil { // what is there is found by content
			t.Fatal(err)
		}
		w.policy.IntoNonEmpty = true
		w.plan()
		if res := w.complete(); res.Copied != 0 {
			t.Errorf("without the state %d were copied anew", res.Copied)
		}
	}
	w.byKeysOnly()
}

// TestC16MalformedMail: twelve malformed messages cost nobody else anything, are
// refused by name where the target takes none such, and arrive once repairs are
// allowed.
func TestC16MalformedMail(t *testing.T) {
	t.Run("BlueMind 5", func(t *testing.T) {
		w := newWorld(t, bmsim.Config{}, "dora")
		oddFolder(w.source.User("dora@old.example"))
		w.malformed(map[string]bool{"empty": true, "NUL in the header": true})
	})
	t.Run("BlueMind 4", func(t *testing.T) {
		w, _ := labWorld(t, "dora")
		embedded := newWorld(t, bmsim.Config{}, "dora")
		w.opts.Sources, w.rows[0].Login = embedded.opts.Sources, "dora@old.example"
		oddFolder(embedded.source.User("dora@old.example"))
		refuses := map[string]bool{}
		for _, a := range imaptest.Awkward() {
			refuses[a.Name] = true
		}
		w.malformed(refuses)
	})
}

// TestC22FlagsRefused: no message is lost for a flag, and each flag that is says
// so in the ledger and in the report.
func TestC22FlagsRefused(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "dora")
	long := strings.Repeat("k", 60)
	w.flags(w.source.User("dora@old.example"), long)
	w.policy.Flags.Map = map[string]string{"nonjunk": "", "Important": `\Flagged`}
	w.plan()
	w.complete()
	w.keptFlags(long, nil)
}

// TestLabFlagsRefused is case C22 on Cyrus, whose folders hold a hundred keywords.
func TestLabFlagsRefused(t *testing.T) {
	w, _ := labWorld(t, "dora")
	embedded := newWorld(t, bmsim.Config{}, "dora")
	w.opts.Sources, w.rows[0].Login = embedded.opts.Sources, "dora@old.example"
	long := strings.Repeat("k", 60)
	dora := embedded.source.User("dora@old.example")
	w.flags(dora, long)
	many := dora.CreateMailbox("Many", imaptest.MailboxOptions{})
	for i := range 130 {
		m := message(1000 + i)
		m.Flags = []string{`\Seen`, "first", fmt.Sprintf("key%d", i)}
		many.Append(m)
	}
	w.policy.Flags.Map = map[string]string{"nonjunk": "", "Important": `\Flagged`}
	w.plan()
	w.complete()
	w.keptFlags(long, nil)
	lost := 0
	for _, m := range w.ledgerOf(w.rows[0].Address, "Many") {
		if m.State != state.Copied {
			t.Errorf("UID %d is %v: %s", m.SrcUID, m.State, m.Reason)
		}
		if strings.Contains(m.Note, "flags not kept: key") {
			lost++
		}
	}
	if lost < 30 || lost > 35 {
		t.Errorf("%d keywords were lost of 131, where a folder holds 100", lost)
	}
	for _, items := range w.read(w.opts.Target, w.rows[0].Address)["Many"] {
		if !slices.Contains(items.Flags, "first") || !slices.Contains(items.Flags, `\Seen`) {
			t.Errorf("UID %d has %v", items.UID, items.Flags)
		}
	}
	before := len(w.sim.Journal().Logins())
	if res := w.complete(); res.Copied != 0 || before == 0 {
		t.Errorf("again: %+v", res)
	}
}

// flags makes a message for each odd flag.
func (w *world) flags(u *imaptest.User, long string) {
	box := u.CreateMailbox("Flags", imaptest.MailboxOptions{})
	for i, f := range []string{"plain", `\Junk`, "NonJunk", "$mdnsent", "$forwarded", long, "caf\u00e9", "[odd]", `qu"oted`, "important", "per%cent"} {
		m := message(100 + i)
		m.Flags = []string{`\Seen`, f, "Beside"}
		box.Append(m)
	}
}

// keptFlags compares what arrived of them.
func (w *world) keptFlags(long string, _ []string) {
	w.t.Helper()
	want := [][]string{{"plain"}, nil, nil, {"$MDNSent"}, {"$Forwarded"}, {long}, nil, {"[odd]"}, nil, {`\Flagged`}, nil}
	there := w.read(w.opts.Target, w.rows[0].Address)["Flags"]
	if len(there) != len(want) {
		w.t.Fatalf("%d messages arrived, want %d", len(there), len(want))
	}
	lost := map[uint32]bool{2: true, 7: true, 9: true, 11: true}
	rows := w.ledgerOf(w.rows[0].Address, "Flags")
	for i, item := range there {
		flags := append([]string{`\Seen`, "Beside"}, want[i]...)
		slices.Sort(flags)
		got := slices.Clone(item.Flags)
		slices.Sort(got)
		if !slices.Equal(got, flags) {
			w.t.Errorf("message %d has %v, want %v", i+1, got, flags)
		}
		uid := uint32(i + 1)
		if strings.Contains(rows[uid].Note, "flags not kept") != lost[uid] {
			w.t.Errorf("message %d is noted as %q", uid, rows[uid].Note)
		}
	}
	report, err := migrate.OpenReport(w.t.Context(), migrate.ReportOptions{Target: w.opts.Target, StateDir: w.opts.StateDir})
	if err != nil {
		w.t.Fatal(err)
	}
	defer report.Close()
	for c, err := range report.Certificates(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		n := 0
		for r, err := range c.Remarks(w.t.Context()) {
			if err != nil {
				w.t.Fatal(err)
			}
			if r.Folder == "Flags" && strings.Contains(r.Note, "flags not kept") {
				n++
			}
		}
		if n != len(lost) || c.Notes[migrate.NoteKeywordsLost] < int64(n) {
			w.t.Errorf("the report tells of %d losses, %d by kind", n, c.Notes[migrate.NoteKeywordsLost])
		}
	}
}

// datedMail is what case C23 is about: what the source says and the header, and
// what arrives with absurd dates kept, and with them taken from headers.
func datedMail() (list []sourceDate) {
	india := time.FixedZone("", 5*3600+1800)
	date := time.Date(2003, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	received := date.Add(48 * time.Hour).UTC()
	const both = "Received: from a by b; Thu, 06 Mar 2003 04:06:07 +0000 (UTC)\r\nReceived: from c by a; Mon, 3 Mar 2003 00:00:00 +0000\r\nDate: Tue, 4 Mar 2003 05:06:07 +0100\r\n"
	const alone = "broken line\r\nDate: Tue, 4 Mar 2003 05:06:07 +0100 (CET)\r\n"
	one := time.Date(1999, 7, 1, 2, 3, 4, 0, india)
	future := time.Date(2099, 12, 31, 23, 59, 59, 0, india)
	old := time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC)
	return []sourceDate{
		{says: one, header: both, keep: one, headers: one, noted: ""},
		{says: future, header: both, keep: future, headers: received, noted: imap.AbsurdNote},
		{says: future, header: "Subject: x\r\n", keep: future, headers: future, noted: imap.AbsurdNote},
		{says: old, header: alone, keep: old, headers: date, noted: imap.AbsurdNote},
		{text: `"00-Jan-0000 00:00:00 +0000"`, header: both, keep: received, headers: received, noted: imap.UndatedNote},
		{text: `"garbage"`, header: alone, keep: date, headers: date, noted: imap.UndatedNote},
		{says: time.Unix(0, 0), header: both, keep: received, headers: received, noted: imap.UndatedNote},
		{says: time.Unix(0, 0), header: "Subject: x\r\n", keep: time.Unix(1, 0), headers: time.Unix(1, 0), noted: imap.UndatedNote},
		{text: `"nothing"`, header: "Received: x; Fri, 31 Dec 2099 00:00:00 +0000\r\nDate: Tue, 04 Mar 03 05:06:07 CET\r\n", keep: date, headers: date, noted: imap.UndatedNote},
		{text: `" 7-Mar-2003 01:02:03 +0530"`, header: both, keep: time.Date(2003, 3, 7, 1, 2, 3, 0, india), headers: time.Date(2003, 3, 7, 1, 2, 3, 0, india)},
		{text: `"7-Mar-2003 01:02:04 +0530"`, header: both, keep: time.Date(2003, 3, 7, 1, 2, 4, 0, india), headers: time.Date(2003, 3, 7, 1, 2, 4, 0, india)},
	}
}

type sourceDate struct {
	says          time.Time
	text, header  string
	keep, headers time.Time
	noted         string // the note where the date isn't the source's
}

// TestC23Dates: INTERNALDATE's instant arrives; one that is missing, or that the
// policy calls absurd, is the last Received's, else Date's, and the row says which.
func TestC23Dates(t *testing.T) {
	for _, policy := range []migrate.Dates{migrate.KeepDates, migrate.HeaderDates} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t, bmsim.Config{}, "dora")
			w.dates(w.source.User("dora@old.example"), policy)
		})
		t.Run(string(policy)+" on Cyrus", func(t *testing.T) {
			w, _ := labWorld(t, "dora")
			embedded := newWorld(t, bmsim.Config{}, "dora")
			w.opts.Sources, w.rows[0].Login = embedded.opts.Sources, "dora@old.example"
			w.dates(embedded.source.User("dora@old.example"), policy)
		})
	}
}

func (w *world) dates(u *imaptest.User, policy migrate.Dates) {
	box := u.CreateMailbox("Dates", imaptest.MailboxOptions{})
	for i, d := range datedMail() {
		header := strings.ReplaceAll(d.header, "broken line\r\n", "broken : line\r\n")
		if w.opts.Target.Name == "test" && w.domain != domain { // Cyrus takes no such line
			header = strings.ReplaceAll(d.header, "broken line\r\n", "")
		}
		box.Append(imaptest.Message{Body: fmt.Appendf(nil, "%sX-N: %d\r\n\r\nx\r\n", header, i), InternalDate: d.says, Odd: imaptest.Odd{DateText: d.text}})
	}
	w.policy.Messages.AbsurdDates = policy
	w.plan()
	w.complete()
	rows := w.ledgerOf(w.rows[0].Address, "Dates")
	for i, item := range w.read(w.opts.Target, w.rows[0].Address)["Dates"] {
		d := datedMail()[i]
		want := d.keep
		if policy == migrate.HeaderDates {
			want = d.headers
		}
		row := rows[uint32(i+1)]
		if !item.InternalDate.Equal(want) || !row.InternalDate.Equal(want) {
			w.t.Errorf("message %d arrived as of %v, in the ledger as of %v, want %v", i+1, item.InternalDate, row.InternalDate, want)
		}
		_, offset := row.InternalDate.Zone()
		if _, zone := want.Zone(); d.text == "" && d.says.Unix() > 5 && want.Equal(d.says) && zone != offset {
			w.t.Errorf("message %d lost its zone: %v", i+1, row.InternalDate)
		}
		noted := d.noted
		if policy == migrate.KeepDates && noted == imap.AbsurdNote {
			noted = ""
		}
		if noted == "" != (row.Note == "") || !strings.Contains(row.Note, noted) {
			w.t.Errorf("message %d is noted as %q, want %q", i+1, row.Note, noted)
		}
		if changed := noted != "" && !want.Equal(d.says); changed != (row.DateText != "") {
			w.t.Errorf("message %d: the row keeps %q as the source's date", i+1, row.DateText)
		}
	}
	if res := w.complete(); res.Copied != 0 {
		w.t.Errorf("a second run copied %d", res.Copied)
	}
	if res := w.verify(migrate.RereadNone); res.OK != 1 {
		w.t.Errorf("verify: %+v", res)
	}
}

// TestFaithlessTargetIsStoppedEarly: a BlueMind that changes what it stores, and
// says in its answers that it didn't, gets a few messages of an account, also when
// the run is started again.
func TestFaithlessTargetIsStoppedEarly(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "dora")
	inbox := w.source.User("dora@old.example").Mailbox("INBOX")
	for n := range 300 {
		inbox.Append(message(n))
	}
	w.plan()
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.AlteredHidden}); err != nil {
		t.Fatal(err)
	}
	for run := 1; run <= 2; run++ {
		res := w.run()
		if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "other bytes") {
			t.Fatalf("run %d ended with %v: %+v", run, res.Outcome(), res.Notable)
		}
		if n := len(w.read(w.opts.Target, w.rows[0].Address)["INBOX"]); n > run*16 { // the guard's
			t.Errorf("%d messages were written in %d runs", n, run)
		}
	}
}
