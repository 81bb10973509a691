package migrate_test

import (
	"context"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

func planCases() []ruleCase {
	one := func(survey func(a *migrate.PlanAccount)) func(t *testing.T) migrate.CheckResult {
		return seen(people("ada"), survey, nil, "ada")
	}
	well := one(func(*migrate.PlanAccount) {})
	folder := func(f ...migrate.PlanFolder) func(a *migrate.PlanAccount) {
		return func(a *migrate.PlanAccount) { a.Folders = append(a.Folders, f...) }
	}
	product := func(name string) func(a *migrate.PlanAccount) {
		return func(a *migrate.PlanAccount) { a.Survey.Server = name }
	}
	calendar := migrate.NotMail{Folder: "Calendar", Kind: migrate.NotMailCalendar, Messages: 7}
	outbox := migrate.PlanFolder{Source: "Outbox", Role: migrate.RoleOutbox, Rule: migrate.RuleOutbox}
	full := outbox
	full.Survey.Messages = 3
	return []ruleCase{
		{rule: "folder-names", title: "kept", check: one(folder(migrate.PlanFolder{Source: "Sent Items", Target: "Sent", Role: migrate.RoleSent, Reason: "known by its name"}, migrate.PlanFolder{Source: "a", Target: "a"}))},
		{rule: "folder-names", title: "changed", fires: migrate.Warning, text: "folders get other names: characters", accounts: addresses("ada"), items: 2, check: one(folder(
			migrate.PlanFolder{Source: "a:\"b\"", Target: "a:_b_", Reason: "characters that the target refuses were replaced"},
			migrate.PlanFolder{Source: "c\\d", Target: "c_d", Reason: "characters that the target refuses were replaced"},
			migrate.PlanFolder{Source: "c\\d/e", Target: "c_d/e", Reason: "follows its parent"}))},
		{rule: "folder-names", title: "taken", fires: migrate.Warning, text: "folders get other names: another folder has the name", accounts: addresses("ada"), items: 1, check: one(folder(
			migrate.PlanFolder{Source: "sent", Target: "sent (2)", Reason: `the name "sent" is taken`}))},
		{rule: "outbox", title: "empty", check: one(folder(outbox))},
		{rule: "outbox", title: "full", fires: migrate.Warning, text: "messages in an Outbox are not copied", accounts: addresses("ada"), items: 3, check: one(folder(full))},
		{rule: "archive-stubs", title: "none", check: well},
		{rule: "archive-stubs", title: "some", fires: migrate.Blocker, text: "messages are stubs", accounts: addresses("ada"), items: 12, check: one(func(a *migrate.PlanAccount) { a.Survey.Archived = 12 })},
		{rule: "not-mail", title: "mail alone", check: well},
		{rule: "not-mail", title: "a calendar", fires: migrate.Warning, text: "entries of folders that hold a calendar", accounts: addresses("ada"), items: 7, check: one(func(a *migrate.PlanAccount) { a.Survey.NotMail = []migrate.NotMail{calendar} })},
		{rule: "own-migrator", title: "neither", check: one(product(migrate.ServerDovecot))},
		{rule: "own-migrator", title: "Exchange", fires: migrate.Warning, text: "Microsoft Exchange: BlueMind recommends its own migrator", accounts: addresses("ada"), check: one(product(migrate.ServerExchange))},
		{rule: "own-migrator", title: "Domino", fires: migrate.Warning, text: "HCL Domino", accounts: addresses("ada"), check: one(product(migrate.ServerDomino))},
		{rule: "own-migrator", title: "no plan", fires: migrate.Skipped, text: "bmsync plan first", check: sim(people("ada"), plain, "ada")},
	}
}

func sourceCases() []ruleCase {
	entered := func(edit func(s *migrate.Source)) func(t *testing.T) migrate.CheckResult {
		return sim(people("ada"), func(w *world) migrate.CheckResult {
			s := w.opts.Sources["old"]
			edit(&s)
			return w.check(func(o *migrate.CheckOptions) { o.Sources = map[string]migrate.Source{"old": s} })
		}, "ada")
	}
	return []ruleCase{
		{rule: "source-login", title: "succeeds", text: "1 logins succeed", check: sim(people("ada"), plain, "ada")},
		{rule: "source-login", title: "is refused", fires: migrate.Blocker, text: "the login is refused", accounts: addresses("ada"), check: entered(func(s *migrate.Source) {
			s.Credentials = func(_ context.Context, login string) (imap.Credentials, error) {
				return imap.Credentials{Login: login, Secret: "another"}, nil
			}
		})},
	}
}

func autodiscoverCases() []ruleCase {
	after := func(change func(in *internet)) func(t *testing.T) migrate.CheckResult {
		return func(t *testing.T) migrate.CheckResult {
			w, in := dnsWorld(t)
			change(in)
			return w.check(in.after)
		}
	}
	return []ruleCase{
		{rule: "autodiscover", title: "leads here", check: after(func(*internet) {})},
		{rule: "autodiscover", title: "leads nowhere", fires: migrate.Warning, text: "does not lead to this server", accounts: []string{"example.net"}, check: after(func(in *internet) {
			delete(in.hosts, "example.net")
			delete(in.hosts, "autodiscover.example.net")
		})},
	}
}

// TestRenamedFoldersAreKnown holds that what a mapping says of a changed name
// is told by check, and what it says of others isn't.
func TestRenamedFoldersAreKnown(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	for _, name := range []string{"Drafts", "a\"b", "Clients", "clients", "Clients/2024", "x^y/z"} {
		w.source.User("ada@old.example").CreateMailbox(name, imaptest.MailboxOptions{})
	}
	w.plan()
	res := w.check()
	got := 0
	for _, f := range res.Findings {
		if f.ID == "folder-names" && f.Severity == migrate.Warning {
			got += int(f.Items)
		}
	}
	if got != 3 {
		t.Errorf("%d folders renamed, want 3 (two with refused characters, one by a number):%s", got, described(res))
	}
}
