package migrate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// TestC13CutInLiteral has the source's connection end at octet N of a body of
// every size: of those that are read into memory, and of those that go to a
// file. No part of a message is ever appended; each arrives once, whole.
func TestC13CutInLiteral(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
	cuts := map[string]func(int64) int64{"none": func(int64) int64 { return 0 }, "one": func(int64) int64 { return 1 },
		"half": nil, "all but one": func(n int64) int64 { return n - 1 }, "all": func(n int64) int64 { return n }}
	var traps []imaptest.Trap
	for n, size := range []int{150, 5000, 70_000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2 << 20} {
		for name, part := range cuts {
			if size > 100_000 && name != "half" && name != "all but one" {
				continue
			}
			m := message(len(traps))
			m.Body = append(m.Body, fmt.Sprintf("%d, %s\r\n", n, name)...)
			m.Body = append(m.Body, strings.Repeat("x", size-len(m.Body))...)
			traps = append(traps, imaptest.Trap{UID: box.Append(m), Times: 1, Action: imaptest.CutLiteral, Part: part})
		}
	}
	w.plan()
	w.source.SetTraps(traps...)
	w.opts.SpoolDir, w.opts.Limits.Retries = filepath.Join(w.dir, "spool"), 50
	if err := os.Mkdir(w.opts.SpoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	w.complete()
	for i, n := range w.source.Sprung() {
		if n != 1 {
			t.Errorf("trap %d has sprung %d times", i, n)
		}
	}
	whole := map[string]bool{}
	for _, m := range box.Messages() {
		whole[fmt.Sprintf("%x", m.SHA1)] = true
	}
	for sum, n := range w.stored() {
		if n != 1 || !whole[sum] {
			t.Errorf("%s was stored %d times; a message of the source: %v", sum, n, whole[sum])
		}
	}
	if files, err := os.ReadDir(w.opts.SpoolDir); err != nil || len(files) > 0 {
		t.Errorf("files are left: %v, %v", files, err)
	}
	w.same(w.opts.Target)
	w.proven("at last", int64(len(traps)))
}

// TestC13GivesUp: a message in which the connection ends each time is left out
// in the end, and named with its reason; the others arrive, and the account
// isn't complete before it does.
func TestC13GivesUp(t *testing.T) {
	for name, size := range map[string]int{"in memory": 3000, "in a file": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			box := w.letters("Letters", 0, 5)
			uid := box.Append(long(90, size))
			w.letters("Letters", 10, 5)
			w.plan()
			w.source.SetTraps(imaptest.Trap{UID: uid, Action: imaptest.CutLiteral})
			var notes []string
			w.opts.Events = func(e migrate.Event) {
				if e.Kind == migrate.EventWarning {
					notes = append(notes, e.Text)
				}
			}
			res := w.run()
			if res.Outcome() != migrate.Partial || res.Copied != 10 || !strings.Contains(res.Notable[0].Reason, "pending") {
				t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
			}
			const why = "the source ended the connection each of the 4 times it was fetched"
			if !slices.ContainsFunc(notes, func(s string) bool {
				return strings.Contains(s, fmt.Sprintf("source UID %d ", uid)) && strings.Contains(s, why)
			}) {
				t.Errorf("told: %q", notes)
			}
			if n := w.source.Sprung()[0]; n != 4 {
				t.Errorf("it was tried %d times", n)
			}
			if m := w.row("Letters", uid); m.State != state.Pending || m.Reason != why {
				t.Errorf("the ledger says %v: %q", m.State, m.Reason)
			}
			w.source.SetTraps()
			w.complete()
			w.same(w.opts.Target)
		})
	}
}

// TestC13RenumberedMeanwhile: while the connection is gone the source numbers
// its messages anew, so that the UIDs that were left to fetch are other
// messages' now.
func TestC13RenumberedMeanwhile(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 30)
	w.plan()
	w.source.SetTraps(imaptest.Trap{UID: 20, Times: 1, Action: imaptest.CutLiteral})
	w.opts.Limits.BatchMessages = 4
	retries := 0
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventRetry {
			if retries++; retries == 1 {
				box.SetUIDValidity(box.UIDValidity() + 1)
				box.Renumber(7) // old UIDs are in use again
			}
		}
	}
	w.complete()
	if n := len(w.sim.Journal().Appends()); n != 30 || retries == 0 {
		t.Errorf("30 messages were stored %d times, after %d cuts", n, retries)
	}
	w.same(w.opts.Target)
	w.proven("at last", 30)
}

// ledgerRows reads the ledger's rows of a folder of ada's.
func (w *world) ledgerRows(folder string) (rows []state.Message) {
	w.t.Helper()
	_, folders := w.ledger()
	s, err := state.OpenReadOnly(w.t.Context(), migrate.StatePath(w.opts.StateDir, w.opts.Target.Name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	for _, f := range folders {
		if f.Source != folder {
			continue
		}
		for m, err := range s.Messages(w.t.Context(), f.ID, 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			rows = append(rows, m)
		}
	}
	return rows
}

// row is the one of a message.
func (w *world) row(folder string, uid uint32) state.Message {
	w.t.Helper()
	for _, m := range w.ledgerRows(folder) {
		if m.SrcUID == uid {
			return m
		}
	}
	w.t.Fatalf("no row of UID %d in folder %q", uid, folder)
	return state.Message{}
}

// TestC14WrongSizes: RFC822.SIZE is off by two, 0, NIL, or out of this world.
// The octets that come count; the folder is told of once, and the plan's survey
// takes the numbers for what they are.
func TestC14WrongSizes(t *testing.T) {
	w := newWorld(t, bmsim.Config{MessageSizeLimit: 100_000}, "ada")
	box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
	odd := func(n, size int, listed string) uint32 {
		m := long(n, size)
		if listed == "+2" || listed == "-2" {
			by := map[string]int{"+2": 2, "-2": -2}[listed]
			listed = fmt.Sprint(len(m.Body) + by)
		}
		m.Odd.SizeText = listed
		return box.Append(m)
	}
	for i, listed := range []string{"", "+2", "-2", "0", "NIL", "4294967295", "99999999999", "105000"} {
		odd(2*i, 500, listed)
		odd(2*i+1, 60_000, listed)
	}
	large := []uint32{odd(50, 150_000, ""), odd(51, 150_000, "0"), odd(52, 150_000, "4294967295")}
	w.plan()
	var notes []string
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventWarning && strings.Contains(e.Text, "RFC822.SIZE") {
			notes = append(notes, e.Text)
		}
	}
	if res := w.run(); res.Copied != 16 || res.Refused != 3 || res.States[migrate.AccountComplete] != 1 {
		t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
	}
	uids, _ := w.refusals()
	if got := uids["ada@"+domain+" Letters"]; !slices.Equal(got, large) {
		t.Errorf("refused: %v, want %v", got, large)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "16 messages") {
		t.Errorf("told: %q", notes)
	}
	w.balanced("wrong sizes")
	w.unrefused = true
	w.same(w.opts.Target)
	if res := w.complete(); res.Copied > 0 || res.NewRefusals {
		t.Errorf("a second run: %+v", res)
	}
	w.sim.SetMessageSizeLimit(10 << 20)
	if res := w.complete(); res.Copied != 3 {
		t.Errorf("with the limit raised: %+v", res)
	}
	w.proven("with the limit raised", 19)
}

// TestC15OneMailUnavailable: the source says NO to UID 17, every time. After a
// few tries it stands in the ledger with the source's words, the next mails are
// copied, and the account is done; later it comes after all.
func TestC15OneMailUnavailable(t *testing.T) {
	const words = "[UNAVAILABLE] Cannot read this message"
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 16)
	sick := message(16)
	sick.Odd = imaptest.Odd{FetchNo: words, FetchNoTimes: 8}
	uid := box.Append(sick)
	w.letters("Letters", 20, 30)
	w.letters("Next", 60, 5)
	w.plan()
	w.opts.RetryDelays = []time.Duration{10 * time.Millisecond, 20 * time.Millisecond}
	res := w.run()
	if res.Outcome() != migrate.Partial || !res.NewRefusals || res.States[migrate.AccountComplete] != 1 || res.Copied != 51 {
		t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
	}
	m := w.row("Letters", uid)
	if uid != 17 || m.State != state.Refused || m.By != "source" || m.Reason != "fetch: NO "+words {
		t.Errorf("the ledger says of UID %d: %v by %q: %q", uid, m.State, m.By, m.Reason)
	}
	tries := 0
	for _, set := range w.fetched()["Letters"] {
		if set == "17" {
			tries++
		}
	}
	if tries != 3 {
		t.Errorf("asked for it alone %d times", tries)
	}
	w.balanced("without UID 17")
	if res = w.complete(); res.NewRefusals || res.Copied > 0 {
		t.Errorf("a second run: %+v", res)
	}
	if res = w.complete(); res.Copied != 1 || res.Refused != 0 {
		t.Errorf("once it was there again: %+v", res)
	}
	w.same(w.opts.Target)
	w.proven("once it was there again", 52)
}

// TestC15SickSource: UIDs 100 to 400 are all refused. That isn't three hundred
// broken mails but a server that is ill: the account stops soon, what is well
// has been copied, no more than the budget is recorded as refused, and no run
// ends green. Who knows better says so.
func TestC15SickSource(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bruno")
	box := w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{})
	for n := range 500 {
		m := message(n)
		if n+1 >= 100 && n+1 <= 400 {
			m.Odd.FetchNo = "Internal error occurred"
		}
		box.Append(m)
	}
	w.source.User("bruno@old.example").Mailbox("INBOX").Append(message(1))
	w.plan()
	w.opts.Limits.MessageErrors = migrate.DefaultLimits().MessageErrors
	for range 2 {
		w.source.ClearJournal()
		res := w.run()
		if res.Outcome() != migrate.Partial || res.States[migrate.AccountPartial] != 1 || res.States[migrate.AccountComplete] != 1 || res.Refused > 50 {
			t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
		}
		if one := res.Notable[0]; !strings.Contains(one.Reason, `51 of 200 messages side by side in folder "Letters": NO Internal error`) || !strings.Contains(one.Mend, "message_errors: 0") {
			t.Errorf("told as %q, %q", one.Reason, one.Mend)
		}
		if n := len(w.source.Journal().Of("UID FETCH")); n > 200 {
			t.Errorf("%d requests to a server that is ill", n)
		}
	}
	w.wantCounts("while the source is ill", map[string]int{"Letters": 199})

	w.opts.Limits.MessageErrors = 0
	if res := w.run(); res.Outcome() != migrate.Partial || !res.NewRefusals || res.Refused != 301 || res.States[migrate.AccountComplete] != 2 {
		t.Errorf("with no limit: %v, %+v", res.Outcome(), res)
	}
	w.balanced("with no limit")
}
