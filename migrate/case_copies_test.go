package migrate_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// stored gives how often the target was given each content, by its SHA-1, as
// its own journal has it.
func (w *world) stored() map[string]int {
	n := map[string]int{}
	for _, a := range w.sim.Journal().Appends() {
		n[a.SHA1]++
	}
	return n
}

// TestC1ReplyLost: each APPEND is stored and the connection closed before the
// tagged OK. However often it is run, there is one copy.
func TestC1ReplyLost(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("Letters", 0, 4)
	w.plan()
	w.opts.Limits.Retries = 1 // so that it takes several runs
	w.opts.Limits.BatchMessages = 1
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.DropStored, Times: 20}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		w.run()
		for sum, n := range w.stored() {
			if n != 1 {
				t.Fatalf("%s was stored %d times", sum, n)
			}
		}
	}
	unanswered := 0
	for _, a := range w.sim.Journal().Appends() {
		if a.Unanswered {
			unanswered++
		}
	}
	if unanswered != 4 {
		t.Errorf("%d answers were withheld", unanswered)
	}
	w.sim.Faults().Clear()
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("copied %d more", res.Copied)
	}
	w.wantCounts("at last", map[string]int{"Letters": 4})
	w.same(w.opts.Target)
	w.proven("at last", 4)
}

// TestC3NoMessageID: drafts, faxes and scans without a Message-ID, two of them
// the same in every octet, arrive unchanged and once each; they are known again
// by the state, and without it by their content.
func TestC3NoMessageID(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.policy.IntoNonEmpty = true
	box := w.source.User("ada@old.example").CreateMailbox("Scans", imaptest.MailboxOptions{})
	for i := range 100 {
		n := i
		if i == 71 {
			n = 23 // the same once more
		}
		m := imaptest.Message{Body: fmt.Appendf(nil, "From: scanner@old.example\r\nSubject: Scan\r\n\r\npage %d\r\n", n), Flags: []string{`\Seen`},
			InternalDate: time.Date(2012, 5, 6, 7, 8, n%60, 0, time.UTC)}
		switch n % 10 {
		case 1:
			m.Body = fmt.Appendf(nil, "\r\nno header at all %d\r\n", n)
		case 2:
			m.Body = fmt.Appendf(nil, "Message-ID:\r\nSubject: an empty one\r\n\r\n%d\r\n", n)
		}
		box.Append(m)
	}
	w.plan()
	w.complete()
	w.same(w.opts.Target) // octet for octet: no header was added
	if res := w.complete(); res.Copied > 0 {
		t.Errorf("copied %d in a second run", res.Copied)
	}
	w.opts.StateDir = filepath.Join(w.dir, "a lost state")
	w.complete()
	twice := 0
	for _, n := range w.stored() {
		if n == 2 {
			twice++
		}
	}
	if n := len(w.sim.Journal().Appends()); n != 100 || twice != 1 {
		t.Errorf("stored %d messages, %d of them twice; want 100, and one pair", n, twice)
	}
	w.wantCounts("state lost", map[string]int{"Scans": 100})
	w.proven("state lost", 100)
}

// TestC4SameHeaders: mails of a cron job that all have one Message-ID, one date
// and other bodies; the last two have the same size as well.
func TestC4SameHeaders(t *testing.T) {
	const header = "From: cron@old.example\r\nMessage-ID: <alert@old.example>\r\nDate: Mon, 7 May 2012 07:08:09 +0000\r\nSubject: alert\r\n\r\n"
	bodies := []string{"disk\r\n", "disk is full\r\n", "disk is gone\r\n"}
	w := newWorld(t, bmsim.Config{}, "ada")
	w.policy.IntoNonEmpty = true
	box := w.source.User("ada@old.example").CreateMailbox("Alerts", imaptest.MailboxOptions{})
	for _, b := range bodies {
		box.Append(imaptest.Message{Body: []byte(header + b), InternalDate: time.Date(2012, 5, 7, 7, 8, 9, 0, time.UTC)})
	}
	w.plan()
	// The answers to two of them are lost: what became of them is asked of the target.
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.DropStored, Skip: 1, Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.complete()
	w.same(w.opts.Target)
	w.proven("first run", 3)
	// The state is lost, and so is one of them: that very one comes again.
	expunge(w, "Alerts", 2)
	w.opts.StateDir = filepath.Join(w.dir, "a lost state")
	w.complete()
	if n := len(w.sim.Journal().Appends()); n != len(bodies)+1 {
		t.Errorf("stored %d messages", n)
	}
	w.same(w.opts.Target)
	w.proven("at last", 3)
}

// TestC27GoesOnWhereItWas ends a run at some instant, again and again, without
// letting it finish anything, and opens its state anew. What was recorded isn't
// read from the source once more, and nothing is copied twice.
func TestC27GoesOnWhereItWas(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	const mails, batch = 120, 4
	w.letters("Letters", 0, mails)
	w.plan()
	w.opts.Limits.BatchMessages = batch
	runs := 0
	for done := 0; done < mails; runs++ {
		ctx, kill := context.WithCancel(t.Context())
		progress := 0
		w.opts.Events = func(e migrate.Event) {
			if e.Kind == migrate.EventProgress {
				if progress++; progress == 2+runs%3 {
					kill()
				}
			}
		}
		w.source.ClearJournal()
		res, err := migrate.Run(ctx, w.opts)
		kill()
		if err != nil || runs > mails {
			t.Fatalf("run %d: %v, %v", runs, res.Outcome(), err)
		}
		for _, set := range w.fetched()["Letters"] {
			first, err := strconv.Atoi(strings.FieldsFunc(set, func(r rune) bool { return r == ':' || r == ',' })[0])
			if err != nil || first <= done {
				t.Errorf("run %d read UIDs %s again, and had recorded %d", runs, set, done)
			}
		}
		done = 0
		for _, m := range w.ledgerRows("Letters") {
			if m.State == state.Copied && int(m.SrcUID) == done+1 {
				done++
			}
		}
	}
	if runs < 5 {
		t.Errorf("only %d runs were needed", runs)
	}
	w.opts.Events = nil
	w.complete()
	for sum, n := range w.stored() {
		if n != 1 {
			t.Errorf("%s was stored %d times", sum, n)
		}
	}
	w.same(w.opts.Target)
	w.proven("at last", mails)
}

// TestC5NetworkGone cuts a run off one of the servers at the third folder of
// ten, and lets nobody in again until the account is given up: the final phase
// finds all servers up, and what nobody went through isn't taken for done.
func TestC5NetworkGone(t *testing.T) {
	for _, side := range []string{"source", "target"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{}, "ada")
			for n := range 10 {
				w.letters(fmt.Sprintf("Folder %d", n), 10*n, 3)
			}
			w.plan()
			source := w.opts.Sources["old"]
			addr := &source.Server.Addr
			if side == "target" {
				addr = &w.opts.Target.IMAP.Addr
			}
			direct := *addr
			link, err := imaptest.NewFaultProxy(t.Context(), direct)
			if err != nil {
				t.Fatal(err)
			}
			defer link.Close()
			*addr = link.Addr()
			w.opts.Sources["old"] = source
			done := 0
			w.opts.Events = func(e migrate.Event) {
				switch {
				case e.Kind == migrate.EventFolder && strings.HasPrefix(e.Folder, "Folder"):
					if done++; done == 3 {
						link.SetFaults(imaptest.Faults{Down: imaptest.Fault{CutAfter: -1}, Up: imaptest.Fault{CutAfter: -1}})
						link.Cut()
					}
				case e.Kind == migrate.EventAccountEnded:
					link.SetFaults() // the network is back
				}
			}
			w.opts.Limits.Retries = 3
			w.opts.Final = true
			res := w.run()
			if res.Outcome() != migrate.Partial || res.States[migrate.AccountPartial] != 1 || len(res.Notable) != 1 || res.Notable[0].Reason == "" || res.Notable[0].Mend != "run again" {
				t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
			}
			if res.Copied != 9 {
				t.Errorf("copied %d before the cut", res.Copied)
			}
			if a, _ := w.ledger(); a.State != migrate.AccountPartial || a.Phase != "" && a.Phase != "presync" {
				t.Errorf("the account is %s, and its phase %q", a.State, a.Phase)
			}
			if proof := w.verify(migrate.RereadNone); proof.OK != 0 {
				t.Error("proven")
			}

			w.opts.Events = nil
			w.source.ClearJournal()
			if res = w.complete(); res.Copied != 21 {
				t.Errorf("the next run copied %d, want the other 21", res.Copied)
			}
			for _, e := range w.source.Journal().Of("UID FETCH") {
				if strings.Contains(e.Line, "BODY") && slices.Contains([]string{"Folder 0", "Folder 1", "Folder 2"}, e.Mailbox) {
					t.Errorf("fetched again: %v", e)
				}
			}
			if n := len(w.sim.Journal().Appends()); n != 30 {
				t.Errorf("30 messages were stored %d times", n)
			}
			w.same(w.opts.Target)
			w.proven("at last", 30)
		})
	}
}

// ledger reads the first account of the state and its folders.
func (w *world) ledger() (a state.Account, folders []state.Folder) {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := state.OpenReadOnly(ctx, migrate.StatePath(w.opts.StateDir, w.opts.Target.Name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	for a, err = range s.Accounts(ctx) {
		if err == nil {
			folders, err = s.Folders(ctx, a.ID)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		break
	}
	return a, folders
}
