package migrate_test

import (
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
