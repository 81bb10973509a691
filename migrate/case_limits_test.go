package migrate_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// long is a letter with so many octets of text more.
func long(n, octets int) imaptest.Message {
	m := message(n)
	m.Body = append(m.Body, strings.Repeat("0123456789abcde\r\n", octets/17+1)...)
	return m
}

// fetched gives the UIDs whose bodies the source was asked for, by folder.
func (w *world) fetched() map[string][]string {
	out := map[string][]string{}
	for _, e := range w.source.Journal().Of("UID FETCH") {
		if set := strings.Fields(e.Line); strings.Contains(e.Line, "BODY") {
			out[e.Mailbox] = append(out[e.Mailbox], set[2])
		}
	}
	return out
}

// TestC8LiteralAboveLimit: a mail of 2 MB and a limit of 1 MB. It is named in
// the ledger and never begun, for BlueMind would hang up. Once the limit is raised
// a plain run takes it, and looks at nothing else.
func TestC8LiteralAboveLimit(t *testing.T) {
	for name, listed := range map[string]string{"as listed": "", "listed as small": "100", "listed without a size": "NIL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{MessageSizeLimit: 1 << 20}, "ada")
			w.letters("Before", 0, 5)
			box := w.letters("Letters", 10, 5)
			large := long(20, 2<<20)
			large.Odd.SizeText = listed
			uid := box.Append(large)
			w.letters("Letters", 30, 5)
			w.letters("Work", 40, 5) // after it
			w.plan()
			if listed == "" {
				fires(t, w.check(), "message size", migrate.Warning, "above BlueMind's limit", "ada@"+domain)
			}

			res := w.run()
			if res.Outcome() != migrate.Partial || !res.NewRefusals || res.States[migrate.AccountComplete] != 1 || res.Copied != 20 || res.Refused != 1 {
				t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
			}
			if n := len(w.sim.Journal().Logins()); n != 1 {
				t.Errorf("%d logins: the connection was lost", n)
			}
			uids, words := w.refusals()
			if want := map[string][]uint32{"ada@" + domain + " Letters": {uid}}; !maps.EqualFunc(uids, want, slices.Equal) {
				t.Errorf("refused: %v", uids)
			}
			if len(words) != 1 || !strings.HasPrefix(words[0], "too large: ") || !strings.HasSuffix(words[0], "the limit is 1048576") {
				t.Errorf("refused as %q", words)
			}
			w.balanced("below the limit")
			if again := w.complete(); again.Copied != 0 || again.NewRefusals {
				t.Errorf("a second run: %+v", again)
			}

			w.sim.SetMessageSizeLimit(10 << 20)
			w.source.ClearJournal()
			if res = w.complete(); res.Copied != 1 || res.Refused != 0 {
				t.Errorf("after the limit was raised: %+v", res)
			}
			if got := w.fetched(); len(got) != 1 || !slices.Equal(got["Letters"], []string{"6"}) && listed == "" {
				t.Errorf("fetched %v", got)
			}
			for _, e := range w.source.Journal().Of("UID FETCH") {
				if e.Mailbox != "Letters" {
					t.Errorf("a folder that it doesn't concern is gone through: %v", e)
				}
			}
			w.balanced("with the limit raised")
			w.proven("with the limit raised", 21)
		})
	}
}

// TestC9OverQuota gives one of two mailboxes room for 60 % of what it is to
// hold. Preflight says so; the run stops that account alone, and soon; once the
// quota is raised the next one takes what lacks, and reads nothing again.
func TestC9OverQuota(t *testing.T) {
	const each, mails = 4 << 10, 120
	conf := with(bmsim.User{Login: "ada", QuotaKiB: 2 * each * mails * 60 / 100 / 1024}, bmsim.User{Login: "bruno"})
	conf.QuotaMemory = -1
	w := newWorld(t, conf, "ada", "bruno")
	for _, row := range w.rows {
		for _, name := range []string{"First", "Second"} {
			box := w.source.User(row.Login).CreateMailbox(name, imaptest.MailboxOptions{})
			for n := range mails {
				box.Append(long(n, each))
			}
		}
	}
	w.plan()
	fires(t, w.check(), "quota", migrate.Blocker, "too small", "ada@"+domain)

	w.opts.Limits.BatchMessages = 4
	res := w.run()
	if res.Outcome() != migrate.Blocked || res.States[migrate.AccountBlocked] != 1 || res.States[migrate.AccountComplete] != 1 {
		t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
	}
	one := res.Notable[0]
	if one.Address != "ada@"+domain || !strings.Contains(one.Reason, "Over quota") || !strings.Contains(one.Mend, "raise the quota") || one.Refused > 0 {
		t.Errorf("ada's account: %+v", one)
	}
	stored := map[string]int{}
	for _, a := range w.sim.Journal().Appends() {
		stored[a.Who+" "+a.Folder]++
	}
	if first, second := stored["ada@"+domain+" First"], stored["ada@"+domain+" Second"]; first != mails || second == 0 || second > 30 {
		t.Fatalf("ada has %d and %d messages: %v", first, second, stored)
	}
	if again := w.run(); again.Outcome() != migrate.Blocked || again.Copied > 0 {
		t.Errorf("with the quota as it was: %+v", again)
	}

	admin := w.admin()
	user, err := admin.UserByLogin(t.Context(), domain, "ada")
	if err != nil {
		t.Fatal(err)
	}
	user.Quota = nil
	if err := admin.UpdateUser(t.Context(), domain, user); err != nil {
		t.Fatal(err)
	}
	silent(t, w.check(), "quota")
	w.source.ClearJournal()
	before := len(w.sim.Journal().Appends())
	if res = w.complete(); res.Copied != 2*mails-stored["ada@"+domain+" First"]-stored["ada@"+domain+" Second"] || len(w.sim.Journal().Appends())-before != res.Copied {
		t.Errorf("after the quota was raised %d were copied, and %d stored", res.Copied, len(w.sim.Journal().Appends())-before)
	}
	for _, e := range w.source.Journal().Of("UID FETCH") {
		if e.Mailbox != "Second" || e.User != "ada@old.example" {
			t.Errorf("a folder that was done is gone through: %v", e)
		}
	}
	for _, set := range w.fetched()["Second"] {
		first, err := strconv.Atoi(strings.FieldsFunc(set, func(r rune) bool { return r == ':' || r == ',' })[0])
		if err != nil || first <= stored["ada@"+domain+" Second"] {
			t.Errorf("UIDs %s are fetched again, and the first %d were there", set, stored["ada@"+domain+" Second"])
		}
	}
	w.same(w.opts.Target)
	w.balanced("at last")
	w.byKeysOnly()
}
