package migrate_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// sharedRoot is where BlueMind has its shares over IMAP.
const sharedRoot = "Dossiers partagés/"

// sharing is a BlueMind with people, a technical writer, and three shares, one
// of which bears another name than its address tells.
func sharing() bmsim.Config {
	return bmsim.Config{Domains: []bmsim.Domain{{Name: domain,
		Users: []bmsim.User{{Login: "ada"}, {Login: "bruno"}, {Login: "zoe"}, {Login: "robot"}},
		Shares: []bmsim.Share{
			{Name: "support", Emails: []string{"support@" + domain}, Writers: []string{"robot"}},
			{Name: "comptabilite", Emails: []string{"compta@" + domain, "accounts@" + domain}, Writers: []string{"ada"}},
			{Name: "archive", Emails: []string{"archive@" + domain}, Writers: []string{"robot"}},
		}}}}
}

// share adds a row for a shared mailbox.
func (w *world) share(login, folder, name, writer string) {
	w.rows = append(w.rows, migrate.Row{File: "accounts.csv", Line: len(w.rows) + 2, Source: "old", Login: login, Folder: folder,
		Address: name + "@" + w.domain, Kind: migrate.KindShare, Writer: writer + "@" + w.domain, Label: "Share " + name})
}

// publicWorld has, at the source, a login of a shared mailbox's own, public
// folders that everybody sees, and another user's mailbox.
func publicWorld(t *testing.T) *world {
	t.Helper()
	w := newWorldFrom(t, imaptest.Options{Others: "Others/", Shared: "Public/"}, sharing(), "ada", "bruno")
	w.fill(40)
	own := w.source.AddUser("support@old.example", "pw-support")
	own.Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: 7, Messages: 60, Address: "support@old.example", OddNames: true}))
	ada, bruno := w.source.User("ada@old.example"), w.source.User("bruno@old.example")
	letters := 0
	for _, name := range []string{"Public/Compta", "Public/Compta/2019", "Public/Compta/Envoyés", "Public/Compta/envoyés", "Public/Compta/a^b/ç", "Public/Old", "Others/zoe", "Others/zoe/Drafts", "Others/zoe/INBOX"} {
		opts := imaptest.MailboxOptions{NoSelect: name == "Others/zoe"}
		box := ada.CreateMailbox(name, opts)
		bruno.Show(box)
		for range 5 {
			if letters++; !opts.NoSelect {
				m := message(letters)
				m.Flags = [][]string{{`\Seen`}, {`\Flagged`, "$label1"}, nil}[letters%3]
				box.Append(m)
			}
		}
	}
	w.share("support@old.example", "", "support", "robot")
	w.share("ada@old.example", "Public/Compta", "compta", "ada")
	w.share("bruno@old.example", "public/old", "archive", "robot")
	w.renamed = true
	w.rows = append(w.rows, migrate.Row{File: "accounts.csv", Line: 7, Source: "old", Login: "bruno@old.example", Folder: "Others/zoe",
		Address: "zoe@" + domain, Kind: migrate.KindUser, LastName: "zoe"})
	w.plan()
	return w
}

// sameShares compares accounts by what their plan says, each as the user sees
// it who may.
func (w *world) sameShares() {
	w.t.Helper()
	for _, row := range w.rows {
		root := ""
		if row.Kind == migrate.KindShare {
			root = sharedRoot
		}
		mapping := w.mapping(row.Address)
		if len(mapping) == 0 {
			w.t.Errorf("%s: nothing is planned", row.Address)
		}
		src, dst := labtest.Account{}, labtest.Account{}
		for name, items := range w.readSource(row) {
			if to, planned := mapping[name]; planned && to != "" {
				src[name] = slices.DeleteFunc(items, func(i labtest.Item) bool { return slices.Contains(i.Flags, `\Deleted`) })
			}
		}
		full := map[string]string{}
		for source, to := range mapping {
			if to == "" {
				continue
			}
			full[source] = root + w.named(row.Address, to)
		}
		for name, items := range w.readAs(row.Address) {
			if len(items) > 0 || used(full, name) {
				dst[name] = items
			}
		}
		undate(src, dst)
		for _, d := range labtest.Compare(src, dst, full) {
			w.t.Errorf("%s: %s", row.Address, d)
		}
	}
}

// named is a planned folder by the name that BlueMind has: of one share it is
// another than its address tells.
func (w *world) named(address, target string) string {
	if strings.HasPrefix(address, "compta@") && w.renamed {
		return "comptabilite" + strings.TrimPrefix(target, "compta")
	}
	return target
}

// undate leaves the date out of messages with the same bytes as another:
// BlueMind 5 keeps the first one's for ten minutes.
func undate(accounts ...labtest.Account) {
	often := map[string]int{}
	for _, items := range accounts[0] {
		for _, i := range items {
			often[i.SHA256]++
		}
	}
	for _, a := range accounts {
		for _, items := range a {
			for i := range items {
				if often[items[i].SHA256] > 1 {
					items[i].InternalDate = time.Time{}
				}
			}
		}
	}
}

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

// unsubscribe takes a user's subscription to a share away.
func (w *world) unsubscribe(login, share string) {
	w.t.Helper()
	admin := w.admin()
	d, user, box := w.uids(admin, login, share)
	if err := admin.Unsubscribe(w.t.Context(), d, user, box); err != nil {
		w.t.Fatal(err)
	}
}

// uids finds the uids of the domain, of a user, and of a share by its name.
func (w *world) uids(admin *bmapi.Session, login, share string) (d, user, box string) {
	w.t.Helper()
	dom, err := admin.LookupDomain(w.t.Context(), w.domain)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := admin.MailboxByName(w.t.Context(), dom.UID, login)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := admin.MailboxByName(w.t.Context(), dom.UID, share)
	if err != nil {
		w.t.Fatal(err)
	}
	return dom.UID, u.UID, b.UID
}

// TestShareNobodyIsSubscribedTo: BlueMind 5 doesn't list it, and opens it all
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

func (w *world) subscribe(login, share string) {
	w.t.Helper()
	admin := w.admin()
	d, user, box := w.uids(admin, login, share)
	if err := admin.Subscribe(w.t.Context(), d, user, box); err != nil {
		w.t.Fatal(err)
	}
}

// fillLogin puts mail into a source login that is nobody's row yet.
func (w *world) fillLogin(name string) {
	w.source.AddUser(name+"@old.example", "pw-"+name).Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: 7, Messages: 40, Address: name + "@old.example"}))
}

// TestShareOverQuota: the share's quota counts, and not its writer's; who is
// full keeps nobody else.
func TestShareOverQuota(t *testing.T) {
	conf := sharing()
	conf.Domains[0].Users[3].QuotaKiB = 10
	conf.QuotaMemory = -1
	w := newWorld(t, conf)
	for _, name := range []string{"support", "archive"} {
		box := w.source.AddUser(name+"@old.example", "pw-"+name).CreateMailbox("Letters", imaptest.MailboxOptions{})
		for i := range 60 {
			m := message(i)
			m.Body = append(m.Body, strings.Repeat("long line\r\n", 500)...)
			box.Append(m)
		}
		w.share(name+"@old.example", "", name, "robot")
	}
	w.plan()
	admin := w.admin()
	d, _, box := w.uids(admin, "robot", "archive")
	m, err := admin.Mailshare(t.Context(), d, box)
	if err != nil {
		t.Fatal(err)
	}
	quota := int64(100)
	m.Quota = &quota
	if err := admin.UpdateMailshare(t.Context(), d, m); err != nil {
		t.Fatal(err)
	}
	res := w.run()
	if res.States[migrate.AccountBlocked] != 1 || res.States[migrate.AccountComplete] != 1 || !strings.Contains(res.Notable[0].Reason, sharedRoot+"archive") {
		t.Fatalf("one share over quota: %+v", res)
	}
	m.Quota = nil
	if err := admin.UpdateMailshare(t.Context(), d, m); err != nil {
		t.Fatal(err)
	}
	w.complete()
	w.sameShares()
	w.byKeysOnly()
}

// TestShareIsNotBlank: mail that is in a share already blocks it, or is adopted
// where the policy says so.
func TestShareIsNotBlank(t *testing.T) {
	w := newWorld(t, sharing())
	w.fillLogin("support")
	w.share("support@old.example", "", "support", "robot")
	w.plan()
	w.complete()
	w.opts.StateDir = filepath.Join(w.dir, "another")
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "messages already") {
		t.Fatalf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	w.policy.IntoNonEmpty = true
	w.plan()
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("copied %d, want all adopted", res.Copied)
	}
	w.sameShares()
}

// TestShareClaims: a share is filled from one place only, by one row.
func TestShareClaims(t *testing.T) {
	w := publicWorld(t)
	w.rows = w.rows[3:4] // compta
	w.plan()
	w.complete()
	other := w.rows[0]
	other.Folder, other.Address = "Public/Old", "accounts@"+domain
	w.rows = append(w.rows, other)
	w.plan()
	res := w.run()
	if res.States[migrate.AccountBlocked] == 0 || res.Copied > 0 || !strings.Contains(res.Notable[0].Reason, "mailbox") {
		t.Errorf("two addresses of one share: %+v", res)
	}
	w.rows = w.rows[:1]
	w.rows[0].Folder = "Public/Compta/2019"
	w.plan()
	for _, recopy := range [][]string{nil, {w.rows[0].Address}} {
		w.opts.Recopy = recopy
		if res = w.run(); res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "was filled from folder") {
			t.Errorf("another source folder, --recopy %v: %+v", recopy, res.Notable)
		}
	}
	w.opts.Recopy = nil
	w.rows[0].Folder = "Public/Compta"
	w.plan()
	w.complete()
	w.byKeysOnly()
}

// TestCorrectedRows: what a row said before it was corrected holds nobody up,
// as long as nothing was filled by it; nor does a row that others have taken
// the place of.
func TestCorrectedRows(t *testing.T) {
	w := newWorld(t, sharing(), "ada", "bruno")
	w.fill(5)
	w.source.AddUser("ada@old.example", "changed")
	w.source.AddUser("bruno@old.example", "changed")
	w.planUnsurveyed()
	if res := w.run(); res.States[migrate.AccountBlocked] != 2 {
		t.Fatalf("wrong passwords: %+v", res)
	}
	w.source.AddUser("ada@old.example", "pw-ada")
	w.source.AddUser("bruno@old.example", "pw-bruno")
	w.rows[0].Address, w.rows[1].Address = w.rows[1].Address, w.rows[0].Address
	w.plan()
	w.complete()
	w.same(w.opts.Target)
	w.rows[0].Address, w.rows[1].Address = w.rows[1].Address, w.rows[0].Address
	w.plan()
	if res := w.run(); res.States[migrate.AccountBlocked] != 2 || !strings.Contains(res.Notable[0].Reason, "an earlier run filled") {
		t.Errorf("swapped once filled: %+v", res)
	}
}

// planUnsurveyed plans where sources can't be surveyed.
func (w *world) planUnsurveyed() {
	w.t.Helper()
	path := filepath.Join(w.dir, "plan.jsonl")
	_, err := migrate.BuildPlan(w.t.Context(), migrate.PlanOptions{Path: path, Rows: w.rows, Sources: w.opts.Sources, Policy: w.policy})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.opts.Plan, err = migrate.OpenPlan(path); err != nil {
		w.t.Fatal(err)
	}
}

// TestShareSourceFolders: one that isn't there, or may be two, is told; one that
// is shown only to who asks for it by name is found.
func TestShareSourceFolders(t *testing.T) {
	w := publicWorld(t)
	rows := w.rows
	for folder, words := range map[string]string{"Public/Comptabilité": "no folder", "PUBLIC/COMPTA/ENVOYÉS": "may be", "Public/C*": "no folder"} {
		w.rows = slices.Clone(rows[3:4])
		w.rows[0].Folder = folder
		path := filepath.Join(w.dir, "plan.jsonl")
		res, err := migrate.BuildPlan(t.Context(), migrate.PlanOptions{Path: path, Rows: w.rows, Sources: w.opts.Sources, Policy: w.policy})
		if err != nil || len(res.Unsurveyed) != 1 || !strings.Contains(res.Unsurveyed[0].Text, words) || !strings.Contains(res.Unsurveyed[0].Mend, "source_folder") {
			t.Errorf("%s: %v, %v", folder, res.Unsurveyed, err)
		}
		if w.opts.Plan, err = migrate.OpenPlan(path); err != nil {
			t.Fatal(err)
		}
		run := w.run()
		if run.Outcome() != migrate.Blocked || !strings.Contains(run.Notable[0].Reason, words) || !strings.Contains(run.Notable[0].Mend, "source_folder") {
			t.Errorf("%s: ended with %v: %+v", folder, run.Outcome(), run.Notable)
		}
	}
	w.source.SetQuirks(imaptest.Quirks{HideForeign: true})
	w.rows = rows[3:4]
	w.plan()
	w.complete()
	w.source.SetQuirks(imaptest.Quirks{})
	w.sameShares()
	if n := len(w.mapping("compta@" + domain)); n < 5 {
		t.Errorf("%d folders", n)
	}
}

// TestShareWriters: an administrator is no writer, and who is none at all
// blocks the share alone.
func TestShareWriters(t *testing.T) {
	for _, writer := range []string{"admin0", "bmhiddensysadmin"} {
		w := newWorld(t, sharing())
		w.fillLogin("support")
		w.share("support@old.example", "", "support", writer)
		w.plan()
		w.refusesAdministrators()
	}
}

// TestShareReaders: once the writer's right is gone, a share is proven through
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
	if res := w.verify(migrate.RereadNone); res.OK != 1 || len(res.Failed) != 1 || !strings.Contains(strings.Join(res.Failed[0].Findings, " "), "nobody may read") {
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

// readAs reads an account's own mail, with who may.
func (w *world) readAs(address string) labtest.Account {
	w.t.Helper()
	i := slices.IndexFunc(w.rows, func(r migrate.Row) bool { return r.Address == address })
	row := w.rows[i]
	if row.Kind != migrate.KindShare {
		got := w.read(w.opts.Target, address)
		maps.DeleteFunc(got, func(name string, _ []labtest.Item) bool { return strings.HasPrefix(name, sharedRoot) })
		return got
	}
	name, _, _ := strings.Cut(address, "@")
	top := sharedRoot + w.named(address, name)
	got := w.read(w.opts.Target, row.Writer)
	maps.DeleteFunc(got, func(folder string, _ []labtest.Item) bool {
		return folder != top && !strings.HasPrefix(folder, top+"/")
	})
	return got
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

// TestShareUnderFaults cuts connections again and again while shares of one
// writer, and the writer's own mailbox, are filled side by side.
func TestShareUnderFaults(t *testing.T) {
	tests := map[string]bmsim.IMAPFault{
		"late commits":       {Kind: bmsim.LateCommit, Times: 6, Skip: 3, Count: 9, Delay: 30 * time.Millisecond},
		"stored, not told":   {Kind: bmsim.DropStored, Times: 9, Skip: 2},
		"cut in the literal": {Kind: bmsim.CutLiteral, Times: 9, Skip: 2, Bytes: 20},
		"BYE at any command": {Kind: bmsim.Bye, Verb: "*", Times: 9, Skip: 7},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := publicWorld(t)
			if err := w.sim.Faults().AddIMAP(fault); err != nil {
				t.Fatal(err)
			}
			for try := 0; ; try++ {
				res := w.run()
				if res.Outcome() == migrate.Complete {
					break
				}
				if try > 8 {
					t.Fatalf("never complete: %+v", res.Notable)
				}
			}
			w.sameShares()
			w.byKeysOnly()
			if res := w.verify(migrate.RereadNone); res.OK != len(w.rows) {
				t.Errorf("verify: %+v", res.Failed)
			}
		})
	}
}

// TestKilledRunOnShare leaves a key with the writer of a share, who has no
// account of his own: the next run deletes it, whatever it was asked for.
func TestKilledRunOnShare(t *testing.T) {
	w := newWorld(t, sharing(), "bruno")
	w.fillLogin("support")
	w.fill(5)
	w.share("support@old.example", "", "support", "robot")
	w.plan()
	w.complete()
	run := ""
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventRunStarted {
			run = e.Text
		}
	}
	w.complete()
	w.opts.Events = nil
	s, err := state.Open(t.Context(), migrate.StatePath(w.opts.StateDir, "test"), identityOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.AccountByAddress(t.Context(), "support@"+domain)
	if err != nil || len(rows) != 1 || rows[0].Writer != "robot@"+domain {
		t.Fatalf("%+v, %v", rows, err)
	}
	rows[0].State = migrate.AccountRunning
	if err := s.UpdateAccount(t.Context(), rows[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	robot, err := w.admin().Su(t.Context(), "robot", domain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := robot.CreateKey(t.Context(), fmt.Sprintf("bmsync %s until %s", run, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))); err != nil {
		t.Fatal(err)
	}
	w.opts.Only = []string{"bruno@" + domain}
	w.complete()
	w.byKeysOnly()
}
