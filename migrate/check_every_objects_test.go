package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// rows is a case in which the rows are changed first.
func rows(conf bmsim.Config, change func(w *world), users ...string) func(t *testing.T) migrate.CheckResult {
	return sim(conf, func(w *world) migrate.CheckResult {
		change(w)
		return w.check()
	}, users...)
}

func rowCases() []ruleCase {
	well := sim(people("ada"), plain, "ada", "bob")
	return []ruleCase{
		{rule: "addresses", title: "of people", check: well},
		{rule: "addresses", title: "an administrator's", fires: migrate.Blocker, text: "as each user", accounts: []string{"admin0@" + domain}, check: rows(bmsim.Config{}, func(w *world) { w.rows[0].Address = "admin0@" + domain }, "ada")},
		{rule: "addresses", title: "an administrator's alias", fires: migrate.Blocker, text: "as each user", accounts: addresses("ada"), check: rows(bmsim.Config{}, func(w *world) { w.rows[0].Aliases = []string{"bmhiddensysadmin@" + domain} }, "ada")},
		{rule: "addresses", title: "with capitals", fires: migrate.Blocker, text: "capitals", accounts: []string{"Ada@" + domain}, check: rows(bmsim.Config{}, func(w *world) { w.rows[0].Address = "Ada@" + domain }, "ada")},
		{rule: "addresses", title: "with capitals in accounts.csv", fires: migrate.Warning, text: "otherwise than it is written", accounts: addresses("ada"), check: rows(bmsim.Config{}, func(w *world) { w.readRow("old;ada@old.example;Ada@Example.org") }, "ada")},
		{rule: "addresses", title: "that BlueMind refuses", fires: migrate.Blocker, text: "takes no such address", accounts: []string{"ada@example.123"}, check: sim(bmsim.Config{}, edited(func(o *migrate.CheckOptions) { o.Target.DomainMap = map[string]string{domain: "example.123"} }), "ada")},

		{rule: "duplicates", title: "none", check: well},
		{rule: "duplicates", title: "two accounts on one address", fires: migrate.Blocker, text: "the address is another row's", accounts: addresses("ada"), check: rows(bmsim.Config{}, func(w *world) { w.rows[1].Address = "ada@" + domain }, "ada", "bob")},
		{rule: "duplicates", title: "two domains that are one on the target", fires: migrate.Blocker, text: "the address is another row's", accounts: addresses("ada"), check: sim(bmsim.Config{}, func(w *world) migrate.CheckResult {
			w.rows[1].Address = "ada@example.com"
			return w.check(func(o *migrate.CheckOptions) { o.Target.DomainMap = map[string]string{"example.com": domain} })
		}, "ada", "bob")},
		{rule: "duplicates", title: "an alias that is another's address", fires: migrate.Blocker, text: "an alias is another row's", accounts: addresses("bob"), check: rows(bmsim.Config{}, func(w *world) { w.rows[1].Aliases = []string{"ada@" + domain} }, "ada", "bob")},
		{rule: "duplicates", title: "one account for two", fires: migrate.Blocker, text: "copied twice", accounts: addresses("bob"), check: rows(bmsim.Config{}, func(w *world) { w.rows[1].Login = w.rows[0].Login }, "ada", "bob")},
		{rule: "duplicates", title: "two folders of one account", check: rows(bmsim.Config{}, func(w *world) { w.rows[1].Login, w.rows[1].Folder = w.rows[0].Login, "Public/x" }, "ada", "bob")},
		{rule: "duplicates", title: "two addresses of one mailbox", fires: migrate.Warning, text: "go to one mailbox", accounts: addresses("ada", "countess"),
			check: sim(with(bmsim.User{Login: "ada", Emails: addresses("ada", "countess")}), plain, "ada", "countess")},
		{rule: "duplicates", title: "one login for two new mailboxes", fires: migrate.Blocker, text: "would create one mailbox", accounts: addresses("ada", "bob"), check: rows(bmsim.Config{}, func(w *world) { w.rows[1].TargetLogin = "ada" }, "ada", "bob")},
	}
}

// readRow replaces the rows by those of a file.
func (w *world) readRow(lines ...string) {
	w.t.Helper()
	list, err := migrate.ReadAccounts(strings.NewReader("source;source_login;target_address\n"+strings.Join(lines, "\n")+"\n"), "accounts.csv")
	if err != nil {
		w.t.Fatal(err)
	}
	w.rows = list
}

func domainCases() []ruleCase {
	elsewhere := func(w *world) { w.rows[0].Address = "ada@elsewhere.org" }
	configured := func(domains ...migrate.PlanDomain) func(*world) migrate.CheckResult {
		return func(w *world) migrate.CheckResult {
			elsewhere(w)
			return w.check(func(o *migrate.CheckOptions) { o.Domains = domains })
		}
	}
	return []ruleCase{
		{rule: "domain", title: "known", text: "example.org known", check: sim(bmsim.Config{}, plain, "ada")},
		{rule: "domain", title: "by an alias", check: rows(bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Aliases: []string{"elsewhere.org"}}}}, elsewhere, "ada")},
		{rule: "domain", title: "will be created", text: "elsewhere.org will be created", check: sim(bmsim.Config{}, configured(migrate.PlanDomain{Name: "elsewhere.org", Create: true}), "ada")},
		{rule: "domain", title: "an alias that will be added", text: "alias elsewhere.org will be added to example.org", check: sim(bmsim.Config{}, configured(migrate.PlanDomain{Name: domain, Aliases: []string{"elsewhere.org"}}), "ada")},
		{rule: "domain", title: "an alias that is another domain's", fires: migrate.Blocker, text: "alias other.org of elsewhere.org is a name of another domain in BlueMind (other.org)",
			check: sim(bmsim.Config{Domains: []bmsim.Domain{{Name: "other.org"}}}, configured(migrate.PlanDomain{Name: "elsewhere.org", Aliases: []string{"other.org"}, Create: true}), "ada")},
		{rule: "domain", title: "an alias of one that is there, that is another domain's", fires: migrate.Blocker, text: "alias other.org of elsewhere.org",
			check: sim(bmsim.Config{Domains: []bmsim.Domain{{Name: "other.org"}, {Name: "elsewhere.org"}}}, configured(migrate.PlanDomain{Name: "elsewhere.org", Aliases: []string{"other.org"}}), "ada")},
		{rule: "domain", title: "its own alias", check: sim(bmsim.Config{Domains: []bmsim.Domain{{Name: "elsewhere.org", Aliases: []string{"other.org"}}}}, configured(migrate.PlanDomain{Name: "elsewhere.org", Aliases: []string{"other.org"}}), "ada")},
		{rule: "domain", title: "of a group alone", fires: migrate.Blocker, text: "domain groups.org of group staff is unknown", check: sim(bmsim.Config{}, edited(func(o *migrate.CheckOptions) {
			o.Domains = []migrate.PlanDomain{{Name: domain}, {Name: "groups.org"}}
			o.Groups = []migrate.Group{{Name: "staff", Domain: "groups.org", Create: true}}
		}), "ada")},
		{rule: "domain", title: "of strangers", fires: migrate.Blocker, text: "elsewhere.org is unknown", accounts: []string{"ada@elsewhere.org"}, check: rows(bmsim.Config{}, elsewhere, "ada")},
		{rule: "domain", title: "without a mail server", fires: migrate.Blocker, text: "bare.org has no server", check: rows(bmsim.Config{}, func(w *world) {
			w.rows[0].Address = "ada@bare.org"
			if err := putDomain(w, "bare.org"); err != nil {
				w.t.Fatal(err)
			}
		}, "ada")},
	}
}

func mailboxCases() []ruleCase {
	const uid = "18f0a.internal"
	conf := func(users ...bmsim.User) bmsim.Config {
		c := with(users...)
		c.Domains[0].UID, c.Domains[0].Aliases = uid, []string{"example.net"}
		return c
	}
	alias := func(address string) func(w *world) { return func(w *world) { w.rows[0].Aliases = []string{address} } }
	taken := conf(bmsim.User{Login: "ada", Emails: []string{"lovelace@" + domain}})
	group := func(w *world) {
		if err := w.admin().CreateGroup(w.t.Context(), uid, "g1", &bmapi.Group{Name: "team", Emails: []bmapi.Email{{Address: "team@" + domain, IsDefault: true}}}); err != nil {
			w.t.Fatal(err)
		}
	}
	// A contact outside of another domain whose address is one of ours.
	contact := bmsim.Config{Domains: []bmsim.Domain{{Name: domain}, {Name: "other.org", Users: []bmsim.User{{Login: "eve", Emails: []string{"ada@" + domain}}}}}}
	made := func(change func(w *world)) func(t *testing.T) migrate.CheckResult { // of a domain that a run makes
		conf := bmsim.Config{Domains: []bmsim.Domain{{Name: "other.org", Users: []bmsim.User{{Login: "eve", Emails: []string{"ada@elsewhere.org"}}}}}}
		return sim(conf, func(w *world) migrate.CheckResult {
			w.rows[0].Address, w.rows[1].Address = "ada@elsewhere.org", "bob@elsewhere.org"
			change(w)
			return w.check(func(o *migrate.CheckOptions) {
				o.Domains = []migrate.PlanDomain{{Name: "elsewhere.org", Aliases: []string{"elsewhere.net"}, Create: true}}
			})
		}, "ada", "bob")
	}
	return []ruleCase{
		{rule: "mailbox", title: "of somebody known by another address", fires: migrate.Blocker, text: "only another one of somebody", accounts: []string{"ada@" + domain},
			check: sim(conf(bmsim.User{Login: "eve", Emails: []string{"eve@" + domain, "ada@" + domain}}), plain, "ada")},
		{rule: "mailbox", title: "known by another address, by login", text: "exists", check: sim(conf(bmsim.User{Login: "eve", Emails: []string{"eve@" + domain, "ada@" + domain}}), func(w *world) migrate.CheckResult {
			w.rows[0].TargetLogin = "eve"
			return w.check()
		}, "ada")},
		{rule: "elsewhere", title: "in a domain that is made", fires: migrate.Blocker, text: "main one of somebody in another domain", accounts: []string{"ada@elsewhere.org"}, check: made(func(*world) {})},
		{rule: "aliases", title: "of another domain, in one that is made", fires: migrate.Blocker, text: "lies in other.org", accounts: []string{"bob@elsewhere.org"}, check: made(func(w *world) { w.rows[1].Aliases = []string{"bob@other.org"} })},
		{rule: "aliases", title: "in a domain that is made", text: "no alias", check: made(func(w *world) { w.rows[1].Aliases = []string{"rob@elsewhere.net"} })},
		{rule: "shares", title: "without a writer, in a domain that is made", fires: migrate.Blocker, text: "the writer of the share is no user", accounts: []string{"info@elsewhere.org"}, check: made(func(w *world) {
			w.sharedRow("info", "nobody@elsewhere.org")
			w.rows[2].Address = "info@elsewhere.org"
		})},
		{rule: "shares", title: "in a domain that is made", check: made(func(w *world) {
			w.sharedRow("info", "bob@elsewhere.org")
			w.rows[2].Address = "info@elsewhere.org"
		})},
		{rule: "shares", title: "in a rehearsal's domain", text: "will be created", check: sim(bmsim.Config{Domains: []bmsim.Domain{{Name: "test.org"}}}, func(w *world) migrate.CheckResult {
			w.sharedRow("info", "ada@"+domain)
			return w.check(func(o *migrate.CheckOptions) { o.Target.DomainMap = map[string]string{domain: "test.org"} })
		}, "ada")},
		{rule: "elsewhere", title: "of an alias that is added", fires: migrate.Blocker, text: "main one of somebody in another domain", accounts: addresses("bob"), check: rows(
			bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "bob"}}}, {Name: "other.org", Users: []bmsim.User{{Login: "eve", Emails: addresses("lovelace")}}}}},
			func(w *world) { w.rows[0].Aliases = addresses("lovelace") }, "bob")},
		{rule: "mailbox", title: "exists", text: "exists", check: sim(people("ada"), plain, "ada")},
		{rule: "mailbox", title: "will be created", text: "will be created", check: sim(bmsim.Config{}, plain, "ada")},
		{rule: "mailbox", title: "may not be created", fires: migrate.Blocker, text: "no mailbox", accounts: addresses("ada"), check: rows(bmsim.Config{}, func(w *world) { w.policy.Users.Create = false }, "ada")},
		{rule: "mailbox", title: "of a group", fires: migrate.Blocker, text: "belongs to a group", accounts: addresses("team"), check: rows(conf(), group, "team")},
		{rule: "mailbox", title: "without folders", fires: migrate.Warning, text: "default folders", accounts: addresses("ada"), check: rows(bmsim.Config{}, func(w *world) {
			w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Hook})
			u := &bmapi.User{Login: "ada", FamilyNames: "Ada", Emails: []bmapi.Email{{Address: "ada@" + domain, IsDefault: true}}}
			if err := w.admin().CreateUser(w.t.Context(), domain, "u1", u); err != nil {
				w.t.Fatal(err)
			}
		}, "ada")},

		{rule: "login", title: "free", check: sim(conf(), plain, "ada")},
		{rule: "login", title: "nobody is new", text: "nobody", check: sim(people("ada"), plain, "ada")},
		{rule: "login", title: "taken", fires: migrate.Blocker, text: "taken by another mailbox", accounts: addresses("ada"), check: sim(taken, plain, "ada")},
		{rule: "login", title: "another one in the row", check: rows(taken, func(w *world) { w.rows[0].TargetLogin = "ada2" }, "ada")},
		{rule: "login", title: "that BlueMind refuses", fires: migrate.Blocker, text: "would refuse", accounts: addresses("_ada"), check: sim(bmsim.Config{}, plain, "_ada")},
		{rule: "login", title: "that is another in BlueMind", fires: migrate.Warning, text: "another login", accounts: addresses("ada"), check: rows(people("ada"), func(w *world) { w.rows[0].TargetLogin = "countess" }, "ada")},

		{rule: "aliases", title: "free", check: rows(conf(), alias("ada@example.net"), "ada")},
		{rule: "aliases", title: "none", text: "no alias", check: sim(conf(), plain, "ada")},
		{rule: "aliases", title: "there", check: rows(conf(bmsim.User{Login: "ada", Emails: addresses("ada", "lovelace")}), alias("lovelace@"+domain), "ada")},
		{rule: "aliases", title: "will be added", text: "will be added", check: rows(conf(bmsim.User{Login: "ada"}), alias("lovelace@"+domain), "ada")},
		{rule: "aliases", title: "may not be added", fires: migrate.Warning, text: "lacks in BlueMind", accounts: addresses("ada"), check: rows(conf(bmsim.User{Login: "ada"}), func(w *world) {
			alias("lovelace@" + domain)(w)
			w.policy.Users.Update = false
		}, "ada")},
		{rule: "aliases", title: "of another domain", fires: migrate.Blocker, text: "lies in other.org", accounts: addresses("ada"), check: rows(conf(), alias("ada@other.org"), "ada")},
		{rule: "aliases", title: "of another domain, of one who is there", fires: migrate.Blocker, text: "lies in other.org", accounts: addresses("ada"), check: rows(conf(bmsim.User{Login: "ada"}), alias("ada@other.org"), "ada")},
		{rule: "aliases", title: "a group's", fires: migrate.Blocker, text: "an alias belongs to a group", accounts: addresses("ada"), check: rows(conf(), func(w *world) { group(w); alias("team@" + domain)(w) }, "ada")},

		{rule: "elsewhere", title: "nobody's", check: sim(bmsim.Config{Domains: []bmsim.Domain{{Name: domain}, {Name: "other.org", Users: []bmsim.User{{Login: "eve"}}}}}, plain, "ada")},
		{rule: "elsewhere", title: "nobody is new", text: "nobody is to be created", check: sim(people("ada"), plain, "ada")},
		{rule: "elsewhere", title: "the main address of another domain's user", fires: migrate.Blocker, text: "main one of somebody in another domain", accounts: addresses("ada"), check: sim(contact, plain, "ada", "bob")},
		{rule: "elsewhere", title: "of an alias", fires: migrate.Blocker, text: "main one of somebody in another domain", accounts: addresses("bob"), check: rows(contact, func(w *world) {
			w.rows = w.rows[1:]
			w.rows[0].Aliases = addresses("ada")
		}, "ada", "bob")},

		{rule: "routing", title: "internal", check: sim(people("ada"), plain, "ada")},
		{rule: "usable", title: "not suspended", check: sim(people("ada"), plain, "ada")},
		{rule: "usable", title: "suspended", fires: migrate.Blocker, text: "suspended", accounts: addresses("ada"), check: sim(with(bmsim.User{Login: "ada", Archived: true}), plain, "ada")},
		{rule: "routing", title: "external, with a mailbox", fires: migrate.Warning, text: "still goes to mx.old.example", accounts: addresses("bob"), check: routed(bmapi.RoutingExternal, nil)},
		{rule: "routing", title: "external, without a mailbox", fires: migrate.Blocker, text: "no mailbox to fill", accounts: addresses("bob"), check: routed(bmapi.RoutingExternal, func(w *world) {
			w.overlay(map[string]func([]byte) []byte{"GET /mail_folders_container/.*": says("[]")})
		})},
		{rule: "routing", title: "external, on BlueMind 4", fires: migrate.Blocker, text: "no mailbox to fill", accounts: addresses("bob"), check: routed(bmapi.RoutingExternal, func(w *world) {
			w.overlay(map[string]func([]byte) []byte{"GET /system/installation/_infos": instead("5.1", "4.6")})
		})},
		{rule: "routing", title: "none", fires: migrate.Blocker, text: "routing none", accounts: addresses("bob"), check: routed(bmapi.RoutingInternal, func(w *world) {
			w.overlay(map[string]func([]byte) []byte{"GET /mailboxes/.*/_byemail": instead(`"routing":"internal"`, `"routing":"none"`)})
		})},
	}
}

// routed is a case of a user with that routing.
func routed(routing string, change func(*world)) func(t *testing.T) migrate.CheckResult {
	conf := bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Settings: map[string]string{bmapi.SettingRelay: "mx.old.example"}}}}
	return rows(conf, func(w *world) {
		u := &bmapi.User{Login: "bob", FamilyNames: "Bob", Routing: routing, Emails: []bmapi.Email{{Address: "bob@" + domain, IsDefault: true}}}
		if err := w.admin().CreateUser(w.t.Context(), domain, "u1", u); err != nil {
			w.t.Fatal(err)
		}
		if change != nil {
			change(w)
		}
	}, "bob")
}

// TestRoutingNamesWhoDecides holds that a split domain's directory group is
// named, whose members BlueMind's import routes elsewhere.
func TestRoutingNamesWhoDecides(t *testing.T) {
	for property, want := range map[string]string{"import_ldap_relay_mailbox_group": "the group not-yet of the directory", "other": "set the mail routing to internal in BlueMind"} {
		w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Settings: map[string]string{bmapi.SettingRelay: "mx.old.example"}, Properties: map[string]string{property: "not-yet"},
			Users: []bmsim.User{{Login: "bob"}}}}}, "bob")
		w.overlay(map[string]func([]byte) []byte{"GET /mailboxes/.*/_byemail": instead(`"routing":"internal"`, `"routing":"external"`)})
		if f := fires(t, w.check(), "routing", migrate.Warning, "external", "bob@"+domain); !strings.Contains(f.Mend, want) {
			t.Errorf("%s: %s", property, f.Mend)
		}
	}
}

func directoryCases() []ruleCase {
	imports := func(people ...bmsim.Person) bmsim.Config {
		return bmsim.Config{Domains: []bmsim.Domain{{UID: "18f0a.internal", Name: domain, Aliases: []string{domain}, Directory: &bmsim.Directory{Kind: bmsim.ActiveDirectory, People: people}}}}
	}
	jean := bmsim.Person{Login: "jdupont", Emails: []string{"jean.dupont@" + domain}, Member: true}
	waiting, bare := jean, jean
	waiting.Waits, bare.Member = true, false
	return []ruleCase{
		{rule: "directory", title: "none", text: "no domain imports", check: sim(people("ada"), plain, "ada")},
		{rule: "directory", title: "imported", check: sim(imports(jean), plain, "jean.dupont")},
		{rule: "directory", title: "not imported", fires: migrate.Blocker, text: "can't be filled yet", accounts: addresses("jean.dupont"), check: sim(imports(waiting), plain, "jean.dupont")},
		{rule: "directory", title: "without a role", fires: migrate.Warning, text: "something lacks", accounts: addresses("jean.dupont"), check: sim(imports(bare), plain, "jean.dupont")},
		{rule: "directory", title: "without an alias", fires: migrate.Warning, text: "something lacks", accounts: addresses("jean.dupont"), check: rows(imports(jean), func(w *world) { w.rows[0].Aliases = addresses("jd") }, "jean.dupont")},
	}
}

// TestCheckCreatesNobodyOfADirectory holds that a user who is not imported yet
// isn't by being looked at, and that what lacks is listed.
func TestCheckCreatesNobodyOfADirectory(t *testing.T) {
	people := []bmsim.Person{{Login: "jdupont", Emails: []string{"jean.dupont@" + domain}, Waits: true}, {Login: "amartin", Emails: []string{"ada.martin@" + domain}}}
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{UID: "18f0a.internal", Name: domain, Aliases: []string{domain}, Directory: &bmsim.Directory{People: people}}}}, "jean.dupont", "ada.martin")
	res := w.check(probing)
	if len(res.Fixes) < 2 {
		t.Errorf("fixes %+v", res.Fixes)
	}
	for _, c := range w.sim.Journal().Calls() {
		if strings.Contains(c.Path, "_su") && strings.Contains(c.Query, "jdupont") || c.Method == "PUT" && !strings.HasPrefix(c.Path, "/auth/keys") {
			t.Errorf("%s %s?%s", c.Method, c.Path, c.Query)
		}
	}
	if _, err := w.admin().UserByLogin(t.Context(), "18f0a.internal", "jdupont"); err == nil {
		t.Error("jdupont was imported")
	}
}
