package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// csv is a case with a groups.csv and a rights.csv.
func csv(conf bmsim.Config, groups, rights string, change func(w *world), users ...string) func(t *testing.T) migrate.CheckResult {
	return sim(conf, func(w *world) migrate.CheckResult {
		if change != nil {
			change(w)
		}
		return w.check(func(o *migrate.CheckOptions) {
			var err error
			if groups != "" {
				if o.Groups, err = migrate.ReadGroups(strings.NewReader(groups), "groups.csv"); err != nil {
					w.t.Fatal(err)
				}
			}
			if rights != "" {
				if o.Rights, err = migrate.ReadRights(strings.NewReader(rights), "rights.csv"); err != nil {
					w.t.Fatal(err)
				}
			}
		})
	}, users...)
}

// staff makes the group staff in BlueMind.
func staff(w *world) {
	if err := w.admin().CreateGroup(w.t.Context(), domain, "g1", &bmapi.Group{Name: "staff"}); err != nil {
		w.t.Fatal(err)
	}
}

func groupCases() []ruleCase {
	const head = "group;address;members;create\n"
	return []ruleCase{
		{rule: "groups", title: "none", text: "no groups", check: sim(people("ada"), plain, "ada")},
		{rule: "groups", title: "of rows and of people in BlueMind", text: "1 groups", check: csv(people("eve"), head+"staff;staff@example.org;ada@example.org, existing:eve@example.org, guest@elsewhere.org;yes\n", "", nil, "ada")},
		{rule: "groups", title: "there already", check: csv(people("ada"), head+"staff;;ada@example.org;no\n", "", staff, "ada")},
		{rule: "groups", title: "not there", fires: migrate.Blocker, text: "group staff is not in domain example.org", check: csv(people("ada"), head+"staff;;ada@example.org;no\n", "", nil, "ada")},
		{rule: "groups", title: "an unknown member", fires: migrate.Blocker, text: "not in BlueMind: somebody@example.org", check: csv(people("ada"), head+"staff;;ada@example.org, existing:somebody@example.org;yes\n", "", nil, "ada")},
		{rule: "groups", title: "an unknown group in it", fires: migrate.Blocker, text: "not in BlueMind: board", check: csv(people("ada"), head+"staff;;existing:group:board;yes\n", "", nil, "ada")},
		{rule: "groups", title: "an address that is a user's", fires: migrate.Blocker, text: "belongs to a user", check: csv(people("eve"), head+"staff;eve@example.org;ada@example.org;yes\n", "", nil, "ada")},
		{rule: "groups", title: "a row that names an unknown one", fires: migrate.Blocker, text: "neither in groups.csv nor in BlueMind", accounts: addresses("ada"), check: csv(people("ada"), head+"staff;;;yes\n", "", func(w *world) { w.rows[0].Groups = []string{"board"} }, "ada")},
		{rule: "groups", title: "a row that names one of BlueMind", check: csv(people("ada"), "", "", func(w *world) { staff(w); w.rows[0].Groups = []string{"staff"} }, "ada")},
		{rule: "groups", title: "of a row, that can't be asked for", fires: migrate.Blocker, text: "the row names a group that could not be asked for", accounts: addresses("ada"), check: csv(people("ada"), "", "", func(w *world) {
			w.rows[0].Groups = []string{"staff"}
			w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "FAILURE", Path: "/byName/"})
		}, "ada")},
		{rule: "groups", title: "that can't be asked for", fires: migrate.Blocker, text: "could not be looked at", check: csv(people("ada"), head+"staff;;ada@example.org;yes\n", "", func(w *world) {
			w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "FAILURE", Path: "/byName/"})
		}, "ada")},
	}
}

func rightCases() []ruleCase {
	const head = "mailbox;grantee;right\n"
	unresolved := func(w *world) {
		w.planned(func(a *migrate.PlanAccount) {
			a.Rights = []migrate.PlanRight{{Mailbox: a.Address, Grantee: migrate.PlanRef{Name: "zoe"}, From: "source old: zoe lrs", Unresolved: true, Reason: "in no row"}}
		})
	}
	shared := func(w *world) {
		w.sharedRow("support", "ada@"+domain)
		w.policy.Shares.Rights = migrate.RightsCSV
	}
	helped := func(writers ...string) bmsim.Config {
		conf := people(writers...)
		conf.Domains[0].Shares = []bmsim.Share{{Name: "support", Emails: addresses("support"), Writers: writers}}
		return conf
	}
	return []ruleCase{
		{rule: "rights", title: "none", text: "no rights", check: sim(people("ada"), plain, "ada")},
		{rule: "rights", title: "of rows", check: csv(people("ada"), "", head+"ada@example.org;bob@example.org;Read\n", nil, "ada", "bob")},
		{rule: "rights", title: "of nobody on a share", fires: migrate.Warning, text: "nobody gets a right on the share", accounts: addresses("support"), check: csv(people("ada"), "", "", shared, "ada")},
		{rule: "rights", title: "on a share, to send alone", fires: migrate.Warning, text: "nobody gets a right on the share", accounts: addresses("support"), check: csv(people("ada"), "", head+"support@example.org;ada@example.org;SendAs\n", shared, "ada")},
		{rule: "rights", title: "on a share", check: csv(people("ada"), "", head+"support@example.org;ada@example.org;Read\n", shared, "ada")},
		{rule: "rights", title: "on a share that is there, of its writer alone", fires: migrate.Warning, text: "nobody gets a right on the share", accounts: addresses("support"), check: csv(helped("ada"), "", "", shared, "ada")},
		{rule: "rights", title: "on a share that is there", check: csv(helped("ada", "eve"), "", "", shared, "ada")},
		{rule: "rights", title: "of somebody in BlueMind", check: csv(people("ada", "eve"), "", head+"ada@example.org;existing:eve@example.org;Read\n", nil, "ada")},
		{rule: "rights", title: "of a group in BlueMind", check: csv(people("ada"), "", head+"ada@example.org;existing:group:staff;Read\n", staff, "ada")},
		{rule: "rights", title: "of nobody", fires: migrate.Blocker, text: "in no row and not in BlueMind", accounts: addresses("ada"), check: csv(people("ada"), "", head+"ada@example.org;existing:eve@example.org;Read\n", nil, "ada")},
		{rule: "rights", title: "that the source gives to strangers", fires: migrate.Warning, text: "whom no row accounts for", accounts: addresses("ada"), check: csv(people("ada"), "", "", unresolved, "ada")},
		{rule: "rights", title: "that nobody wants set", text: "no rights", check: csv(people("ada"), "", "", func(w *world) {
			unresolved(w)
			w.policy.Shares.Rights = migrate.RightsNone
		}, "ada")},
	}
}

func shareCases() []ruleCase {
	well := people("ada")
	well.Domains[0].Shares = []bmsim.Share{{Name: "support", Emails: addresses("support"), Writers: []string{"ada"}}}
	written := func(writer string) func(w *world) { return func(w *world) { w.sharedRow("support", writer) } }
	technical := func(create bool) func(w *world) {
		return func(w *world) {
			w.sharedRow("support", "")
			w.policy.Shares.Writers, w.policy.Shares.Create = addresses("writer1"), create
		}
	}
	return []ruleCase{
		{rule: "shares", title: "none", text: "no shared mailboxes", check: sim(people("ada"), plain, "ada")},
		{rule: "shares", title: "there, with its writer", check: rows(well, written("ada@"+domain), "ada")},
		{rule: "shares", title: "new, with a writer who is there", check: rows(people("ada"), written("ada@"+domain), "ada")},
		{rule: "shares", title: "new, with a writer who is new", text: "writers will be created", check: rows(bmsim.Config{}, written("ada@"+domain), "ada")},
		{rule: "shares", title: "a technical writer", text: "writers will be created", check: rows(bmsim.Config{}, technical(true), "ada")},
		{rule: "shares", title: "a technical writer who may not be made", fires: migrate.Blocker, text: "is no user of BlueMind", accounts: addresses("support"), check: rows(bmsim.Config{}, technical(false), "ada")},
		{rule: "shares", title: "no writer", fires: migrate.Blocker, text: "nobody is named", accounts: addresses("support"), check: rows(people("ada"), written(""), "ada")},
		{rule: "shares", title: "a writer who is nobody", fires: migrate.Blocker, text: "is no user of BlueMind", accounts: addresses("support"), check: rows(people("ada"), written("eve@"+domain), "ada")},
		{rule: "shares", title: "a writer who is suspended", fires: migrate.Blocker, text: "can't write", accounts: addresses("support"), check: rows(with(bmsim.User{Login: "ada", Archived: true}), written("ada@"+domain), "bob")},
		{rule: "shares", title: "a writer who is a share", fires: migrate.Blocker, text: "can't write", accounts: addresses("sales"), check: rows(well, func(w *world) { w.sharedRow("sales", "support@"+domain) }, "ada")},
		{rule: "mailbox", title: "of a user, where a share is meant", fires: migrate.Blocker, text: "belongs to a user", accounts: addresses("bob"), check: rows(people("ada", "bob"), func(w *world) { w.sharedRow("bob", "ada@"+domain) }, "ada")},
		{rule: "mailbox", title: "of a share that may not be made", fires: migrate.Blocker, text: "no mailbox", accounts: addresses("support"), check: rows(people("ada"), func(w *world) {
			w.sharedRow("support", "ada@"+domain)
			w.policy.Shares.Create = false
		}, "ada")},
	}
}
