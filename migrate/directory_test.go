package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// company is a domain whose users come from an Active Directory: a uid of
// BlueMind's making, logins that are no local part, one user not imported yet,
// one who lacks an alias, one without a role.
func company() bmsim.Domain {
	return bmsim.Domain{UID: "18f0b.internal", Name: "example.com", Aliases: []string{"example.com", "example.net"},
		Directory: &bmsim.Directory{Kind: bmsim.ActiveDirectory, People: []bmsim.Person{
			{Login: "jdupont", Password: "his", Name: "Dupont", FirstName: "Jean", Emails: []string{"jean.dupont@example.com"}, Groups: []string{"sales"}, Member: true},
			{Login: "amartin", Password: "hers", Name: "Martin", Emails: []string{"anne.martin@example.com"}, Waits: true},
			{Login: "norole", Name: "Norole", Emails: []string{"no.role@example.com"}},
		}}}
}

// TestDirectoryUsersAreNeverWritten copies the mail of users that an AD owns,
// by keys of their own, and changes nothing of them; who is missing is blocked
// and stands in the list for the directory's administrator.
func TestDirectoryUsersAreNeverWritten(t *testing.T) {
	e := newEstate(t, bmsim.Config{Domains: []bmsim.Domain{company()}})
	e.policy.Shares.Writers = nil
	e.accounts = "old;jean;jean.dupont@example.com;user;;;Otherwise;j.dupont@example.com;sales;;;5GB;\n" +
		"old;anne;anne.martin@example.com;user;;;Martin;;;;;;\n" +
		"old;norole;no.role@example.com;user;;;;;;;;;\n" +
		"old;compta;compta@example.com;share;;;;;;Compta;jean.dupont@example.com;;\n"
	e.groups = "sales;;;;no\n"
	e.rights = "compta@example.com;no.role@example.com;read\n"
	e.replan()
	for i, row := range e.rows {
		e.source.User(row.Login).CreateMailbox("Letters", imaptest.MailboxOptions{}).Append(message(i))
	}
	e.replan()
	e.quiet("a dry run", func() {
		dry, err := migrate.DryRun(t.Context(), e.opts)
		if err != nil || len(dry.Objects.Fixes) == 0 {
			t.Errorf("dry run: %v, %+v", err, dry.Objects)
		}
	})
	res := e.final()
	if res.States[migrate.AccountComplete] != 3 || res.States[migrate.AccountBlocked] != 1 || res.Copied != 3 || res.Outcome() != migrate.Blocked {
		t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	for _, c := range e.sim.Journal().Writes() {
		// That a mailbox appears to somebody is no change of him.
		if strings.HasPrefix(c.Path, "/users/") && !strings.Contains(c.Path, "/subscriptions/") || strings.HasPrefix(c.Path, "/groups/") || c.Imported != "" {
			t.Errorf("%s %s %s", c.Method, c.Path, c.Imported)
		}
	}
	fixes := map[string]string{}
	for _, f := range res.Objects.Fixes {
		if f.Problem == "" || f.Mend == "" {
			t.Errorf("fix %+v", f)
		}
		fixes[f.Address] += f.Problem + "\n"
	}
	for address, says := range map[string]string{"jean.dupont@example.com": "j.dupont@example.com", "anne.martin@example.com": "not brought", "no.role@example.com": "role"} {
		if !strings.Contains(fixes[address], says) {
			t.Errorf("fixes of %s: %q", address, fixes[address])
		}
	}
	if n := res.Objects.Count(objects.KindUser, objects.Created) + res.Objects.Count(objects.KindUser, objects.Changed); n > 0 {
		t.Errorf("%d users written: %+v", n, res.Objects.Notable)
	}
	for _, l := range e.sim.Journal().Logins() {
		if l.Secret != "key" {
			t.Errorf("IMAP login %+v", l)
		}
	}
	e.keyless()
}
