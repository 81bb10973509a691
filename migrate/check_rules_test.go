package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

func TestCheckRefusesAdministrators(t *testing.T) { // rule 4
	w := newWorld(t, bmsim.Config{}, "ada", "bob", "eve", "boss")
	silent(t, w.check(), "addresses")
	w.rows[0].Address = "admin0@" + domain
	w.rows[1].Address = "bmhiddensysadmin@" + domain
	w.rows[2].Address = "eve@global.virt"
	res := w.check(func(o *migrate.CheckOptions) { o.Target.Admin = "boss@" + domain })
	f := fires(t, res, "addresses", migrate.Blocker, "administrator", "admin0@"+domain, "bmhiddensysadmin@"+domain, "eve@global.virt")
	fires(t, res, "addresses", migrate.Warning, "provisions", "boss@"+domain)
	if f.Rule != 4 {
		t.Errorf("%+v", f)
	}
	mapped := w.check(func(o *migrate.CheckOptions) {
		o.Target.DomainMap = map[string]string{domain: "global.virt"}
		o.Rows = o.Rows[3:]
	})
	fires(t, mapped, "addresses", migrate.Blocker, "administrator", "boss@global.virt")
}

func TestCheckLooksForDomains(t *testing.T) { // rule 5
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{UID: "18f0a.internal", Name: domain, Aliases: []string{"example.net"}}}}, "ada", "bob")
	w.rows[1].Address = "bob@example.net"
	silent(t, w.check(), "domain", "mailbox")

	w.rows[1].Address = "bob@elsewhere.org"
	f := fires(t, w.check(), "domain", migrate.Blocker, "elsewhere.org is unknown", "bob@elsewhere.org")
	if f.Rule != 5 || !strings.Contains(f.Mend, "create: true") {
		t.Errorf("%+v", f)
	}
	create := []migrate.PlanDomain{{Name: "else.org", Aliases: []string{"elsewhere.org"}, Create: true}}
	silent(t, w.check(func(o *migrate.CheckOptions) { o.Domains = create }), "domain", "mailbox")
	silent(t, w.check(func(o *migrate.CheckOptions) { o.Target.DomainMap = map[string]string{"elsewhere.org": "example.net"} }), "domain", "mailbox")

	w.rows[1].Address = "bob@example.net"
	w.rows[1].Aliases = []string{"bob@other.org"}
	fires(t, w.check(), "aliases", migrate.Blocker, "other.org, which is no name", "bob@example.net")
}

func TestCheckLooksForTheDomainsMailServer(t *testing.T) { // rule 5
	w := newWorld(t, bmsim.Config{}, "ada")
	w.rows[0].Address = "ada@bare.org"
	if err := putDomain(w, "bare.org"); err != nil {
		t.Fatal(err)
	}
	fires(t, w.check(), "domain", migrate.Blocker, "bare.org has no server")
}

// putDomain makes a domain whose making is cut before it has servers.
func putDomain(w *world, name string) error {
	w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable, Method: "GET", Path: "/servers/"})
	defer w.sim.Faults().Clear()
	client, err := bmapi.New(bmapi.Options{BaseURL: w.opts.Target.URL, TLS: w.opts.Target.TLS, Retry: bmapi.Retry{Tries: 1}})
	if err != nil {
		return err
	}
	defer client.Close()
	admin, err := client.Login(w.t.Context(), "admin0@global.virt", adminSecret)
	if err != nil {
		return err
	}
	if _, err := admin.CreateDomain(w.t.Context(), bmapi.NewDomain{UID: name}); err == nil {
		return errors.New("the making was not cut")
	}
	return nil
}

func TestCheckLooksForMailboxes(t *testing.T) { // rule 6
	const uid = "18f0a.internal" // another name than the mail's, or each login would be an address
	conf := with(bmsim.User{Login: "ada", Emails: []string{"ada@" + domain, "countess@" + domain}}, bmsim.User{Login: "x", Emails: []string{"bob.x@" + domain}})
	conf.Domains[0].UID = uid
	conf.Domains[0].Shares = []bmsim.Share{{Name: "support", Emails: []string{"support@" + domain}}}
	w := newWorld(t, conf, "ada", "bob", "team", "support", "x", "countess")
	if err := w.admin().CreateGroup(t.Context(), uid, "g1", &bmapi.Group{Name: "team", Emails: []bmapi.Email{{Address: "team@" + domain, IsDefault: true}}}); err != nil {
		t.Fatal(err)
	}
	w.rows[1].Aliases = []string{"team@" + domain}
	res := w.check()
	fires(t, res, "mailbox", migrate.Blocker, "belongs to a group", "team@"+domain)
	fires(t, res, "aliases", migrate.Blocker, "belongs to a group", "bob@"+domain)
	fires(t, res, "mailbox", migrate.Blocker, "belongs to a mailshare", "support@"+domain)
	f := fires(t, res, "login", migrate.Blocker, "login is taken", "x@"+domain)
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "bob.x@"+domain) {
		t.Errorf("notes %q", f.Notes)
	}
	fires(t, res, "duplicates", migrate.Warning, "go to one mailbox", "ada@"+domain, "countess@"+domain)

	w.rows = w.rows[1:2]
	w.rows[0].Aliases = nil
	silent(t, w.check(), "mailbox") // bob will be created
	w.policy.Users.Create = false
	fires(t, w.check(), "mailbox", migrate.Blocker, "no mailbox", "bob@"+domain)
}

func TestCheckKnowsWhomItFilled(t *testing.T) { // rule 6
	w := newWorld(t, with(bmsim.User{Login: "ada"}), "ada")
	w.plan()
	w.complete()
	admin := w.admin()
	u, err := admin.UserByLogin(t.Context(), domain, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.DeleteUser(t.Context(), domain, u.UID); err != nil {
		t.Fatal(err)
	}
	again := &bmapi.User{Login: "ada", FamilyNames: "Ada", Emails: []bmapi.Email{{Address: "ada@" + domain, IsDefault: true}}}
	if err := admin.CreateUser(t.Context(), domain, "another-uid", again); err != nil {
		t.Fatal(err)
	}
	fires(t, w.check(), "mailbox", migrate.Blocker, "another entry", "ada@"+domain)
}

func TestCheckMissesDefaultFolders(t *testing.T) { // rule 6
	w := newWorld(t, bmsim.Config{}, "ada")
	w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Hook})
	u := &bmapi.User{Login: "ada", FamilyNames: "Ada", Emails: []bmapi.Email{{Address: "ada@" + domain, IsDefault: true}}}
	if err := w.admin().CreateUser(t.Context(), domain, "u1", u); err != nil {
		t.Fatal(err)
	}
	fires(t, w.check(), "mailbox", migrate.Warning, "default folders", "ada@"+domain)
}

func TestCheckWantsInternalRouting(t *testing.T) { // rule 8
	conf := with(bmsim.User{Login: "ada"})
	conf.Domains[0].Settings = map[string]string{"mail_routing_relay": "mx.old.example"}
	w := newWorld(t, conf, "ada", "bob")
	out := &bmapi.User{Login: "bob", FamilyNames: "Bob", Routing: bmapi.RoutingExternal, Emails: []bmapi.Email{{Address: "bob@" + domain, IsDefault: true}}}
	if err := w.admin().CreateUser(t.Context(), domain, "u1", out); err != nil {
		t.Fatal(err)
	}
	f := fires(t, w.check(), "routing", migrate.Warning, "still goes to mx.old.example", "bob@"+domain)
	if f.Rule != 8 || !strings.Contains(f.Mend, "when the user moves") {
		t.Errorf("%+v", f)
	}
	w.rows = w.rows[:1]
	silent(t, w.check(), "routing")
}

func TestCheckWantsUsableAccounts(t *testing.T) { // rule 9
	w := newWorld(t, with(bmsim.User{Login: "ada"}, bmsim.User{Login: "gone", Archived: true}), "ada", "gone")
	f := fires(t, w.check(), "usable", migrate.Blocker, "suspended", "gone@"+domain)
	if f.Rule != 9 {
		t.Errorf("%+v", f)
	}
	w.rows = w.rows[:1]
	silent(t, w.check(probing), "usable")

	w.holdKey("bmsync elsewhere until " + time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	f = fires(t, w.check(probing), "usable", migrate.Blocker, "no key", "ada@"+domain)
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "elsewhere") {
		t.Errorf("notes %q", f.Notes)
	}
	w.dropKeys()

	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.UnknownError, Verb: "SELECT"}); err != nil {
		t.Fatal(err)
	}
	fires(t, w.check(probing), "mailbox", migrate.Blocker, "INBOX can't be opened", "ada@"+domain)
	w.byKeysOnly()
}

func TestCheckGivesUpAnIMAPServerThatFails(t *testing.T) { // rules 9 and 25
	var users []bmsim.User
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("u%d", i))
		users = append(users, bmsim.User{Login: names[i]})
	}
	w := newWorld(t, with(users...), names...)
	res := w.check(probing, func(o *migrate.CheckOptions) { o.Target.IMAP.Addr, o.Workers = nobody(t), 1 })
	fires(t, res, "running", migrate.Blocker, "fails", "u0@"+domain, "u1@"+domain, "u2@"+domain)
	for _, f := range res.Findings {
		if f.Name == "usable" && f.Severity == migrate.Skipped && f.Count != 9 {
			t.Errorf("%+v", f)
		}
	}
	if alive := w.sim.Journal().KeysAlive(); len(alive) > 0 {
		t.Errorf("keys alive: %v", alive)
	}
}

func TestCheckCountsQuotas(t *testing.T) { // rule 10
	conf := with(bmsim.User{Login: "ada", QuotaKiB: 8}, bmsim.User{Login: "bob", QuotaKiB: 1 << 20}, bmsim.User{Login: "eve"})
	w := newWorld(t, conf, "ada", "bob", "eve", "new", "rich")
	big := imaptest.Message{Body: []byte("Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef", 2048))}
	for _, row := range w.rows {
		w.source.User(row.Login).Mailbox("INBOX").Append(big)
	}
	w.plan()
	f := fires(t, w.check(), "quota", migrate.Blocker, "too small", "ada@"+domain)
	if f.Rule != 10 || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "needs 24.6 kB more") || !strings.HasSuffix(f.Notes[0], "; KIB at least 33") || !strings.Contains(f.Mend, "two minutes") {
		t.Errorf("%+v", f)
	}
	set := func(key, value string) {
		admin := w.admin()
		settings, err := admin.Settings(t.Context(), domain)
		if err != nil {
			t.Fatal(err)
		}
		settings[key] = value
		if err := admin.PutSettings(t.Context(), domain, settings); err != nil {
			t.Fatal(err)
		}
	}
	w.rows = w.rows[3:] // neither exists
	silent(t, w.check(), "quota")
	set(bmapi.SettingDefaultUserQuota, "16")
	fires(t, w.check(), "quota", migrate.Blocker, "too small", "new@"+domain, "rich@"+domain)
	w.rows[1].Quota = migrate.Quota{Stated: true, Bytes: 64 << 10}
	fires(t, w.check(), "quota", migrate.Blocker, "too small", "new@"+domain)
	set(bmapi.SettingMaxUserQuota, "48")
	fires(t, w.check(), "quota", migrate.Blocker, "above what domain", "rich@"+domain)
}

func TestCheckCountsWhatWasCopiedOnce(t *testing.T) { // rule 10
	w := newWorld(t, with(bmsim.User{Login: "ada", QuotaKiB: 48}), "ada")
	w.source.User("ada@old.example").Mailbox("INBOX").Append(imaptest.Message{Body: []byte("Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef", 2048))})
	w.plan()
	w.complete()
	silent(t, w.check(), "quota")
}

func TestCheckMeasuresMessages(t *testing.T) { // rule 11
	w := newWorld(t, bmsim.Config{Domains: with(bmsim.User{Login: "ada"}).Domains, MessageSizeLimit: 20 << 10}, "ada", "bob", "new")
	body := func(kib int) imaptest.Message {
		return imaptest.Message{Body: []byte("Subject: s\r\n\r\n" + strings.Repeat("0123456789abcdef", kib*64))}
	}
	w.source.User("ada@old.example").Mailbox("INBOX").Append(body(30))
	w.source.User("bob@old.example").Mailbox("INBOX").Append(body(10))
	w.source.User("new@old.example").Mailbox("INBOX").Append(body(2000))
	w.plan()
	f := fires(t, w.check(), "message size", migrate.Warning, "limit of 20.5 kB; they would be reported, not copied", "ada@"+domain, "new@"+domain)
	if f.Rule != 11 || f.Count != 2 || len(f.Notes) != 2 || !strings.Contains(f.Notes[1], "largest 2.05 MB") || !strings.Contains(f.Mend, "to 2 MiB or more") {
		t.Errorf("%+v", f)
	}
	w.sim.SetMessageSizeLimit(4 << 20)
	silent(t, w.check(), "message size")
}

func TestCheckWantsBlankMailboxes(t *testing.T) { // rule 12
	w := newWorld(t, with(bmsim.User{Login: "ada"}, bmsim.User{Login: "bob"}, bmsim.User{Login: "eve"}), "ada", "bob", "eve")
	w.plan()
	silent(t, w.check(), "blank target")
	inbox := w.source.User("ada@old.example").Mailbox("INBOX")
	for n := range 5 {
		inbox.Append(message(n))
	}
	w.source.User("bob@old.example").Mailbox("INBOX").Append(message(9))
	w.plan()
	w.complete()
	fresh := func(o *migrate.CheckOptions) { o.StateDir = t.TempDir() }
	res := w.check(fresh)
	f := fires(t, res, "blank target", migrate.Blocker, "holds mail", "ada@"+domain)
	if f.Rule != 12 || len(f.Notes) != 1 || f.Notes[0] != "holds 5 messages" || !strings.Contains(f.Mend, "policy.into_non_empty") {
		t.Errorf("%+v", f)
	}
	fires(t, res, "blank target", migrate.Warning, "welcome", "bob@"+domain)
	w.policy.IntoNonEmpty = true
	fires(t, w.check(fresh), "blank target", migrate.Warning, "recognised by content", "ada@"+domain, "bob@"+domain)
}

func TestCheckLogsInAtSources(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bob", "eve")
	silent(t, w.check(), "source login")
	if got := w.source.Journal(); len(got) == 0 {
		t.Error("nobody logged in")
	}
	s := w.opts.Sources["old"]
	right := s.Credentials
	s.Credentials = func(ctx context.Context, login string) (imap.Credentials, error) {
		cred, err := right(ctx, login)
		switch {
		case strings.HasPrefix(login, "bob"):
			cred.Secret = "not his password"
		case strings.HasPrefix(login, "eve"):
			err = errors.New("OLD_EVE is not set")
		}
		return cred, err
	}
	w.rows[0].Source = "elsewhere"
	w.rows = append(w.rows, w.rows[0])
	w.rows[3].Source, w.rows[3].Address = "old", "ada.two@"+domain
	res := w.check(func(o *migrate.CheckOptions) { o.Sources = map[string]migrate.Source{"old": s} })
	fires(t, res, "source login", migrate.Blocker, `source "elsewhere" is not configured`, "ada@"+domain)
	f := fires(t, res, "source login", migrate.Blocker, "login is refused [AUTHENTICATIONFAILED]", "bob@"+domain)
	fires(t, res, "source login", migrate.Blocker, "secret could not be had", "eve@"+domain)
	fires(t, res, "source login", migrate.Ok, "1 logins succeed")
	if len(f.Notes) != 1 || !strings.HasPrefix(f.Notes[0], "bob@old.example") || strings.Contains(described(res), "not his password") {
		t.Errorf("notes %q", f.Notes)
	}
}

func TestCheckGivesUpASourceThatRefusesAll(t *testing.T) {
	w := newWorld(t, bmsim.Config{})
	for i := range 40 {
		w.rows = append(w.rows, migrate.Row{Source: "old", Login: fmt.Sprintf("nobody%d", i), Address: fmt.Sprintf("n%d@%s", i, domain), Kind: migrate.KindUser})
	}
	one := func(edit func(*migrate.Source)) migrate.CheckResult {
		s := w.opts.Sources["old"]
		s.Connections = 1
		edit(&s)
		return w.check(func(o *migrate.CheckOptions) { o.Sources = map[string]migrate.Source{"old": s} })
	}
	count := func(res migrate.CheckResult, s migrate.Severity) (n int) {
		for _, f := range res.Findings {
			if f.Name == "source login" && f.Severity == s {
				n += f.Count
			}
		}
		return n
	}
	res := one(func(*migrate.Source) {})
	if tried, left := count(res, migrate.Blocker), count(res, migrate.Skipped); tried != 20 || left != 20 {
		t.Errorf("%d tried, %d not, want 20 and 20:%s", tried, left, described(res))
	}
	res = one(func(s *migrate.Source) { s.Server.Addr = nobody(t) })
	if tried, left := count(res, migrate.Blocker), count(res, migrate.Skipped); tried != 3 || left != 37 {
		t.Errorf("%d tried, %d not, want 3 and 37:%s", tried, left, described(res))
	}
	res = one(func(s *migrate.Source) { s.Server.TLS = w.opts.Target.TLS })
	fires(t, res, "source login", migrate.Blocker, "certificate isn't trusted", "n0@"+domain, "n1@"+domain, "n2@"+domain)
}

func TestCheckPassesNothingThatItCouldNotAsk(t *testing.T) {
	tests := []struct {
		path, name string
		s          migrate.Severity
		text       string
		accounts   []string
	}{
		{"/_byemail", "mailbox", migrate.Blocker, "could not be looked at", []string{"ada@" + domain, "bob@" + domain}},
		{"/directory/", "mailbox", migrate.Blocker, "could not be looked at", []string{"bob@" + domain}},
		{"/_byname", "mailbox", migrate.Blocker, "could not be looked at", []string{"bob@" + domain}},
		{"/_config", "mailbox", migrate.Blocker, "could not be looked at", []string{"ada@" + domain}},
		{"/_quota", "quota", migrate.Warning, "doesn't say how full", []string{"ada@" + domain}},
		{"/mail_folders_container/", "mailbox", migrate.Blocker, "could not be looked at", []string{"ada@" + domain}},
		{"/domains/_lookup", "domain", migrate.Blocker, "could not be looked for", nil},
		{"/domains/global.virt", "administrator", migrate.Blocker, "could not be identified", nil},
		{"/auth/login", "administrator", migrate.Blocker, "login of admin0@global.virt", nil},
		{"/system/installation/state", "running", migrate.Blocker, "could not be asked", nil},
		{"/system/installation/_infos", "target", migrate.Blocker, "FAILURE", nil},
	}
	w := newWorld(t, with(bmsim.User{Login: "ada", QuotaKiB: 1 << 20}), "ada", "bob")
	w.plan()
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			defer w.sim.Faults().Clear()
			w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "FAILURE", Path: tt.path})
			fires(t, w.check(), tt.name, tt.s, tt.text, tt.accounts...)
		})
	}
	silent(t, w.check(), everyRule...)
}
