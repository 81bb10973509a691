package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestShares fills shared mailboxes from a login of their own and from public
// folders, and a user's from a subtree, beside the users themselves.
func TestShares(t *testing.T) {
	w := publicWorld(t)
	w.complete()
	w.sameShares()
	w.byKeysOnly()
	users := map[string]bool{}
	for _, l := range w.sim.Journal().Logins() {
		users[l.Address] = true
	}
	for _, share := range []string{"support@", "compta@", "archive@", "accounts@"} {
		if users[share+domain] {
			t.Errorf("somebody logged in as the share %s", share)
		}
	}
	appends := len(w.sim.Journal().Appends())
	if res := w.complete(); res.Copied != 0 || len(w.sim.Journal().Appends()) != appends {
		t.Errorf("the second run copied %d", res.Copied)
	}
	if res := w.verify(migrate.RereadAll); res.OK != len(w.rows) || res.Reread != res.Messages || res.Messages == 0 {
		t.Errorf("verify: %+v", res)
	}
	if writes := w.source.Journal().Writes(); len(writes) > 0 {
		t.Errorf("the source saw %v", writes)
	}
	w.byKeysOnly()

	// A delta: new mail, a new folder, flags.
	box := w.source.User("ada@old.example").Mailbox("Public/Compta")
	box.Append(message(500))
	box.SetFlags(1, `\Answered`)
	w.source.User("ada@old.example").CreateMailbox("Public/Compta/2020/été", imaptest.MailboxOptions{}).Append(message(501))
	if res := w.complete(); res.Copied != 2 {
		t.Errorf("the delta copied %d", res.Copied)
	}
	w.plan()
	w.sameShares()
	if res := w.verify(migrate.RereadNone); res.OK != len(w.rows) {
		t.Errorf("verify after the delta: %+v", res)
	}
}

// the same.
func TestShareNobodyIsSubscribedTo(t *testing.T) {
	w := newWorld(t, sharing(), "support")
	w.rows = nil
	w.fillLogin("support")
	w.share("support@old.example", "", "support", "robot")
	w.policy.Shares.Subscribe = false
	w.plan()
	w.unsubscribe("robot", "support")
	for name := range w.read(w.opts.Target, "robot@"+domain) {
		if strings.HasPrefix(name, sharedRoot+"support") {
			t.Fatalf("%q is listed", name)
		}
	}
	w.complete()
	if res := w.verify(migrate.RereadAll); res.OK != 1 || res.Messages == 0 {
		t.Errorf("verify: %+v", res)
	}
	w.subscribe("robot", "support")
	w.sameShares()
}

// the eyes of somebody who may read it, himself or by a group.
func TestShareReaders(t *testing.T) {
	w := newWorld(t, sharing())
	w.fillLogin("support")
	w.share("support@old.example", "", "support", "robot")
	w.plan()
	w.complete()
	admin := w.admin()
	d, bruno, box := w.uids(admin, "bruno", "support")
	rights := func(acl ...bmapi.AccessEntry) {
		t.Helper()
		if err := admin.SetACL(t.Context(), box, acl); err != nil {
			t.Fatal(err)
		}
	}
	logins := len(w.sim.Journal().Logins())
	by := func(who string, ok int) {
		t.Helper()
		res := w.verify(migrate.RereadSample)
		if res.OK != ok {
			t.Errorf("%s: %+v", who, res)
		}
		for _, l := range w.sim.Journal().Logins()[logins:] {
			if !strings.HasPrefix(l.Address, who+"@") {
				t.Errorf("%s logged in, want %s", l.Address, who)
			}
		}
		logins = len(w.sim.Journal().Logins())
		w.byKeysOnly()
	}
	by("robot", 1)
	rights(bmapi.AccessEntry{Subject: bruno, Verb: bmapi.VerbRead})
	by("bruno", 1)
	group, _ := admin.GroupByName(t.Context(), d, bmapi.UsersGroup)
	_, zoe, _ := w.uids(admin, "zoe", "support")
	if err := admin.CreateGroup(t.Context(), d, "readers", &bmapi.Group{Name: "readers"}); err != nil || group == nil {
		t.Fatal(err)
	}
	if err := admin.AddMembers(t.Context(), d, "readers", bmapi.Member{Type: "user", UID: zoe}); err != nil {
		t.Fatal(err)
	}
	rights(bmapi.AccessEntry{Subject: "readers", Verb: bmapi.VerbWrite})
	by("zoe", 1)
	rights()
	by("nobody", 0)
}

// TestShareAtTheEnd: with the final run a technical writer loses what he was
// given, and who may read the share then proves it. Another run fills it again.
func TestShareAtTheEnd(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "bruno"}}}}}, "ada")
	w.fill(5)
	w.fillLogin("support")
	w.share("support@old.example", "", "support", "robot")
	w.policy.Shares.Writers, w.policy.Shares.Rights = []string{"robot@" + domain}, migrate.RightsNone
	w.plan()
	w.complete()
	w.opts.Final = true
	w.complete()
	w.opts.Final = false
	if res := w.verify(migrate.RereadNone); res.OK != 1 || len(res.Failed) != 1 || !strings.Contains(strings.Join(res.Failed[0].Findings, " "), "nobody may read") || !strings.Contains(strings.Join(res.Failed[0].Findings, " "), "give somebody the right Read") {
		t.Errorf("without anybody who may read it: %+v", res)
	}
	admin := w.admin()
	_, bruno, box := w.uids(admin, "bruno", "support")
	if err := admin.SetACL(t.Context(), box, []bmapi.AccessEntry{{Subject: bruno, Verb: bmapi.VerbRead}}); err != nil {
		t.Fatal(err)
	}
	if res := w.verify(migrate.RereadAll); res.OK != 2 {
		t.Errorf("through bruno's eyes: %+v", res)
	}
	w.source.User("support@old.example").Mailbox("INBOX").Append(message(900))
	if res := w.complete(); res.Copied != 1 {
		t.Errorf("after the end %d were copied", res.Copied)
	}
	w.sameShares()
	w.byKeysOnly()
}

// TestShareDryRun says what would be done to shares, those too that don't exist
// yet, and is right.
func TestShareDryRun(t *testing.T) {
	w := publicWorld(t)
	w.fillLogin("fresh")
	w.share("fresh@old.example", "", "fresh", "robot")
	w.plan()
	dry := func() map[string]migrate.AccountResult {
		t.Helper()
		res, err := migrate.DryRun(t.Context(), w.opts)
		if err != nil || res.Outcome() != migrate.Complete {
			t.Fatalf("%v: %+v", err, res)
		}
		out := map[string]migrate.AccountResult{}
		for _, one := range res.Notable {
			out[one.Address] = one
		}
		return out
	}
	before := dry()
	if one := before["compta@"+domain]; one.Copied != 25 || !strings.Contains(one.Would, "create 4 folders, copy 25") {
		t.Errorf("a share that is there: %+v", one)
	}
	if one := before["fresh@"+domain]; !one.Created || !strings.Contains(one.Would, "fresh@"+domain) || one.Copied == 0 {
		t.Errorf("a share that is not: %+v", one)
	}
	if n := len(w.sim.Journal().Appends()) + len(w.sim.Journal().Logins()) + len(w.sim.Journal().KeysAlive()); n > 0 {
		t.Error("it touched the target's mail")
	}
	w.complete()
	for address, one := range before {
		if !strings.Contains(one.Would, "copy") {
			continue
		}
		n := 0
		for _, items := range w.readAs(address) {
			n += len(items)
		}
		if n != one.Copied {
			t.Errorf("%s: %d were announced, %d arrived", address, one.Copied, n)
		}
	}
	if after := dry(); len(after) != 0 {
		t.Errorf("after the run: %+v", after)
	}
}

// TestShareWhere finds messages of a share, by names as the plan and as IMAP
// have them.
func TestShareWhere(t *testing.T) {
	w := publicWorld(t)
	w.rows = w.rows[3:4]
	w.plan()
	w.complete()
	ask := func(o migrate.WhereOptions) migrate.Whereabouts {
		t.Helper()
		o.RunOptions, o.Address = w.opts, "compta@"+domain
		got, err := migrate.Where(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := ask(migrate.WhereOptions{MessageID: "7@x.test"})
	if len(got.Fates) != 1 || got.Fates[0].Target != "compta/2019" || got.Fates[0].Now != migrate.NowThere || got.Fates[0].Folder != "Public/Compta/2019" {
		t.Fatalf("by Message-ID: %+v", got)
	}
	uid := got.Fates[0].TargetUID
	for _, name := range []string{"compta/2019", "comptabilite/2019", sharedRoot + "comptabilite/2019"} {
		got := ask(migrate.WhereOptions{TargetFolder: name, TargetUID: uid})
		if len(got.Fates) != 1 || got.Fates[0].UID != 2 || got.Fates[0].Now != migrate.NowThere {
			t.Errorf("by %q: %+v", name, got)
		}
	}
	if got := ask(migrate.WhereOptions{Folder: "Public/Compta", UID: 1}); len(got.Fates) != 1 || got.Fates[0].Target != "compta" {
		t.Errorf("by source UID: %+v", got)
	}
	if got := ask(migrate.WhereOptions{MessageID: "28@x.test"}); len(got.Fates) != 0 {
		t.Errorf("a message of another folder: %+v", got)
	}
	w.source.Disconnect("")
	w.source.AddUser("ada@old.example", "changed")
	if got := ask(migrate.WhereOptions{MessageID: "<7@x.test>"}); len(got.Fates) != 1 || got.Fates[0].Target != "compta/2019" || len(got.Remarks) != 1 {
		t.Errorf("without the source: %+v", got)
	}
}
