package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// planning is a source, and what is to be planned from it.
type planning struct {
	t    *testing.T
	srv  *imaptest.Server
	opts migrate.PlanOptions
}

func newPlanning(t *testing.T, o imaptest.Options, accounts, groups, rights string) *planning {
	t.Helper()
	if o.Capabilities == nil {
		o.Capabilities = append(imaptest.DefaultCapabilities(), "ACL", "QUOTA", "METADATA")
	}
	srv, err := imaptest.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	addr, err := srv.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &planning{t: t, srv: srv}
	p.opts = migrate.PlanOptions{Path: filepath.Join(t.TempDir(), "plan.jsonl"), Tool: "test", Policy: migrate.DefaultPolicy(),
		Domains: []migrate.PlanDomain{{Name: "example.org", Aliases: []string{"example.com"}}, {Name: "example.net"}},
		Sources: map[string]migrate.Source{"old": {Name: "old", Admin: "cyrus", Server: imap.Server{Addr: addr, Security: imap.ImplicitTLS, TLS: srv.ClientTLS()},
			Credentials: func(_ context.Context, login string) (imap.Credentials, error) {
				return imap.Credentials{Login: login, Secret: "pw"}, nil
			}}}}
	p.read(accounts, groups, rights)
	return p
}

// read makes the rows, and a user at the source for each login.
func (p *planning) read(accounts, groups, rights string) {
	p.t.Helper()
	var err error
	if p.opts.Rows, err = migrate.ReadAccounts(strings.NewReader("source;source_login;source_folder;target_address;kind;writer;quota;aliases\n"+accounts), "accounts.csv"); err != nil {
		p.t.Fatal(err)
	}
	if groups != "" {
		if p.opts.Groups, err = migrate.ReadGroups(strings.NewReader("group;source_name;members\n"+groups), "groups.csv"); err != nil {
			p.t.Fatal(err)
		}
	}
	if rights != "" {
		if p.opts.Rights, err = migrate.ReadRights(strings.NewReader("mailbox;grantee;right\n"+rights), "rights.csv"); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, row := range p.opts.Rows {
		p.srv.AddUser(row.Login, "pw")
	}
}

// build plans, and gives the plan back as it was written.
func (p *planning) build() (*migrate.Plan, migrate.PlanResult, map[string]*migrate.PlanAccount) {
	p.t.Helper()
	res, err := migrate.BuildPlan(p.t.Context(), p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	plan, err := migrate.OpenPlan(p.opts.Path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { plan.Close() })
	accounts := map[string]*migrate.PlanAccount{}
	for a, err := range plan.Accounts() {
		if err != nil {
			p.t.Fatal(err)
		}
		accounts[a.Address] = a
	}
	return plan, res, accounts
}

func rightsText(t *testing.T, plan *migrate.Plan) []string {
	t.Helper()
	var out []string
	for r, err := range plan.Rights() {
		if err != nil {
			t.Fatal(err)
		}
		who := r.Grantee.Kind + ":" + r.Grantee.Name
		if r.Unresolved {
			out = append(out, fmt.Sprintf("%s %s ? %s [%s]", r.Mailbox, who, r.Reason, r.From))
			continue
		}
		text := fmt.Sprintf("%s %s %s [%s]", r.Mailbox, who, strings.Join(r.Verbs, ","), r.From)
		if r.Reason != "" {
			text += " " + r.Reason
		}
		out = append(out, text)
	}
	return out
}

func lines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRightsOfTheSource: what BlueMind has is translated, nobody gets more
// than he had, and all the rest is told.
func TestRightsOfTheSource(t *testing.T) {
	p := newPlanning(t, imaptest.Options{Shared: "Public/", Others: "Others/"}, `old;ada@old.example;;ada@example.org;;;;
old;bob@old.example;;bob@example.org;;;;
old;cyd@old.example;;cyd@example.org;;;;
old;zoe@old.example;;zoe@example.net;;;;
old;info@old.example;;info@example.org;share;ada@example.org;;
old;ada@old.example;Public/Compta;compta@example.org;share;ada@example.org;;
`, "staff@example.org;gs|authenticated;bob@example.org\nTwo Words@example.org;;\n", "info@example.org;cyd@example.org;none\ninfo@example.org;source:-bob@old.example;none\ninfo@example.org;source:!$nobody;none\ninfo@example.org;group:Two Words;Manage\nbob@example.org;cyd@example.org;SendAs\n")
	ada := p.srv.User("ada@old.example")
	ada.Mailbox("INBOX").SetACL("bob@old.example", "lrs", "cyd", "lrswipkxte", "cyrus", "lrswipkxtea", "owner", "lrs", "zoe@old.example", "lr")
	ada.CreateMailbox("Private", imaptest.MailboxOptions{}).SetACL("cyd", "lrs")
	ada.CreateMailbox("Junk", imaptest.MailboxOptions{SpecialUse: `\Junk`}) // not copied: it doesn't count
	info := p.srv.User("info@old.example")
	info.Mailbox("INBOX").SetACL("bob@old.example", "lrswit", "-bob@old.example", "t", "cyd@old.example", "lrs", "group:gs", "lrsip", "$two words", "lr", "!$nobody", "lr", "$none", "lr", "authenticated", "lr",
		"anyone", "lr", "ghost", "lr", "ada@old.example", "p", "info@old.example", "lrswipkxtea", "#cyd", "l")
	public := ada.CreateMailbox("Public/Compta", imaptest.MailboxOptions{})
	public.SetACL("bob@old.example", "lrswipkxte", "info@old.example", "lr", "-cyd@old.example", "r")

	plan, _, _ := p.build()
	lines(t, "rights", rightsText(t, plan), []string{
		`ada@example.org user:bob@example.org ? on 1 of 2 folders only, such as "INBOX" (Read): BlueMind gives rights on whole mailboxes [source old: bob@old.example lrs]`,
		`ada@example.org user:cyd@example.org Read [source old: cyd lrswipkxte] more on 1 of 2 folders, such as "INBOX" (Write): BlueMind gives rights on whole mailboxes`,
		`ada@example.org :zoe@old.example ? zoe@example.net is of domain example.net, and rights end at the border of example.org [source old: zoe@old.example lr]`,
		`bob@example.org user:cyd@example.org SendAs [rights.csv:6]`,
		`info@example.org group:Two Words Manage [rights.csv:5]`,
		`info@example.org :$none ? no group of domain example.org in groups.csv is called "none", nor has it as source_name [source old: $none lr]`,
		`info@example.org :anyone ? BlueMind gives rights on mailboxes to people and groups, not to everybody; write anyone as source_name of a group [source old: anyone lr]`,
		`info@example.org group:staff Read [source old: authenticated lr] no like in BlueMind: to add without deleting`,
		`info@example.org user:bob@example.org Write [source old: bob@old.example lrswit]`,
		`info@example.org :ghost ? no row of accounts.csv has this login [source old: ghost lr]`,
		`compta@example.org user:ada@example.org Write,Manage [source old: ada@old.example lrswipkxtea]`,
		`compta@example.org user:bob@example.org Write [source old: bob@old.example lrswipkxte]`,
		`compta@example.org :-cyd@old.example ? rights that are taken away have no like in BlueMind [source old: -cyd@old.example r]`,
		`compta@example.org :info@old.example ? it is the login of a share, and nobody acts as one in BlueMind [source old: info@old.example lr]`,
	})
}

// TestRightsThatCantBeRead: without the right to administer a folder the
// source tells what the login itself may do, and a person writes the rest.
func TestRightsThatCantBeRead(t *testing.T) {
	p := newPlanning(t, imaptest.Options{Shared: "Public/"}, `old;pub;;pub@example.org;;;;
old;bob;Public/Compta;compta@example.org;share;bob@example.org;;
old;bob;;bob@example.org;;;;
`, "", "")
	public := p.srv.User("pub").CreateMailbox("Public/Compta", imaptest.MailboxOptions{})
	public.SetACL("bob", "lrs")
	p.srv.User("bob").Show(public)
	plan, _, _ := p.build()
	const unknown = "compta@example.org :* ? the source doesn't show this login who else has rights; write them into rights.csv [source old: bob lrs]"
	lines(t, "rights", rightsText(t, plan), []string{"compta@example.org user:bob@example.org Read [source old: bob lrs]", unknown})

	p.opts.Policy.Shares.Rights = migrate.RightsCSV
	plan, _, _ = p.build()
	lines(t, "rights of rights.csv alone", rightsText(t, plan), nil)
}

// TestRightsStayWhileTheSourceIsDown: a source that can't be asked undoes no
// right; rights.csv still wins.
func TestRightsStayWhileTheSourceIsDown(t *testing.T) {
	p := newPlanning(t, imaptest.Options{}, "old;ada;;ada@example.org;;;;\nold;bob;;bob@example.org;;;;\nold;cyd;;cyd@example.org;;;;\n", "", "")
	p.srv.User("ada").Mailbox("INBOX").SetACL("bob", "lrs", "cyd", "lrs")
	first, res, _ := p.build()
	want := []string{"ada@example.org user:bob@example.org Read [source old: bob lrs]", "ada@example.org user:cyd@example.org Read [source old: cyd lrs]"}
	lines(t, "rights", rightsText(t, first), want)
	if len(res.Changes) > 0 || res.Trailer.Rights != 2 || res.Trailer.Unresolved != 0 {
		t.Errorf("changes %q, trailer %+v", res.Changes, res.Trailer)
	}
	down := p.opts.Sources["old"]
	p.opts.Sources = map[string]migrate.Source{"old": {Name: "old", Credentials: func(context.Context, string) (imap.Credentials, error) { return imap.Credentials{}, errors.New("down") }}}
	second, res, _ := p.build()
	lines(t, "rights of a source that is down", rightsText(t, second), want)
	lines(t, "changes", res.Changes, nil)
	p.read("old;ada;;ada@example.org;;;;\nold;bob;;bob@example.org;;;;\nold;cyd;;cyd@example.org;;;;\n", "", "ada@example.org;bob@example.org;Write\n")
	third, res, _ := p.build()
	lines(t, "rights.csv over a source that is down", rightsText(t, third), []string{"ada@example.org user:bob@example.org Write [rights.csv:2]", want[1]})
	lines(t, "changes", res.Changes, []string{"other rights on: ada@example.org"})
	p.opts.Sources = map[string]migrate.Source{"old": down}
	fourth, _, _ := p.build()
	lines(t, "rights.csv over a source", rightsText(t, fourth), []string{"ada@example.org user:bob@example.org Write [rights.csv:2]", want[1]})
}

// TestPublicFolders: a folder of everybody is copied once, by whichever login;
// one that nobody takes is told.
func TestPublicFolders(t *testing.T) {
	const two = "old;ada;;ada@example.org;;;;\nold;bob;;bob@example.org;;;;\n"
	p := newPlanning(t, imaptest.Options{Shared: "Public/", Others: "Others/", Delimiter: '/'}, two+"old;bob;Public/Compta;compta@example.org;share;ada@example.org;;\n", "", "")
	for _, name := range []string{"Public/Compta", "Public/Compta/2019", "Public/Sales/A", "Public/Sales/B", "Others/cyd"} {
		m := p.srv.User("ada").CreateMailbox(name, imaptest.MailboxOptions{})
		p.srv.User("bob").Show(m)
	}
	p.srv.User("bob").CreateMailbox("Own/Team", imaptest.MailboxOptions{})
	p.srv.User("ada").CreateMailbox("Own/Team", imaptest.MailboxOptions{})
	plan, res, accounts := p.build()
	if want := []migrate.PlanPublic{{Line: "public", Source: "old", Folder: "Public/Sales", Logins: 2}}; !reflect.DeepEqual(plan.Public, want) || res.Trailer.Public != 1 {
		t.Errorf("public %+v, trailer %+v", plan.Public, res.Trailer)
	}
	if a := accounts["compta@example.org"]; len(a.Folders) != 2 || a.Folders[0].Target != "compta" || a.Folders[1].Target != "compta/2019" {
		t.Errorf("folders %+v", a.Folders)
	}

	for folders, want := range map[[2]string]string{
		{"Public/Compta", "Public/Compta"}:      "accounts.csv:5: source_folder: Public/Compta is copied by line 4 already, which takes Public/Compta: whoever logs in, it is the same mail (keep one of the two rows)",
		{"Public/Compta/2019", "public/compta"}: "accounts.csv:5: source_folder: Public/Compta is copied by line 4 already, which takes Public/Compta/2019: whoever logs in, it is the same mail (keep one of the two rows)",
		{"Others/cyd", "Others/cyd"}:            "accounts.csv:5: source_folder: Others/cyd is copied by line 4 already, which takes Others/cyd: whoever logs in, it is the same mail (keep one of the two rows)",
		{"Own/Team", "Own/Team"}:                "", // two mailboxes of one name
		{"Public/Compta", "Public/Sales"}:       "",
	} {
		p.read(two+"old;bob;"+folders[0]+";a@example.org;share;ada@example.org;;\nold;ada;"+folders[1]+";b@example.org;share;ada@example.org;;\n", "", "")
		before, err := os.ReadFile(p.opts.Path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = migrate.BuildPlan(t.Context(), p.opts)
		var input *migrate.InputError
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", folders, err)
		case want != "" && (!errors.As(err, &input) || err.Error() != want):
			t.Errorf("%s: %v\nwant %s", folders, err, want)
		}
		if after, err := os.ReadFile(p.opts.Path); want != "" && (err != nil || !bytes.Equal(before, after)) {
			t.Errorf("%s: the plan was replaced, %v", folders, err)
		}
	}
}

// TestWritersOfShares: the largest share goes to who has least to do, and who
// wrote one before goes on.
func TestWritersOfShares(t *testing.T) {
	const rows = `old;a;;a@example.org;share;;;
old;b;;b@example.org;share;;;
old;c;;c@example.org;share;;;
old;d;;d@example.org;share;w1@example.org;;
old;e;;e@example.net;share;;;
old;ada;;ada@example.org;;;;ada.m@example.org
`
	p := newPlanning(t, imaptest.Options{}, rows, "", "")
	p.opts.Policy.Shares.Writers = []string{"w1@example.org", "ada.m@example.com", "w2@example.org", "w3@example.net"}
	for login, size := range map[string]int{"a": 100, "b": 3000, "c": 2000, "d": 2500, "ada": 9000} {
		p.srv.User(login).Mailbox("INBOX").Append(imaptest.Message{Body: make([]byte, size)})
	}
	p.opts.Policy.Users.AllAliases = false // ada.m@example.com is nobody then
	if _, err := migrate.BuildPlan(t.Context(), p.opts); err != nil {
		t.Fatal(err)
	}
	writers := func(accounts map[string]*migrate.PlanAccount) string {
		var out []string
		for _, name := range []string{"a@example.org", "b@example.org", "c@example.org", "d@example.org", "e@example.net"} {
			local, _, _ := strings.Cut(accounts[name].Writer, "@")
			out = append(out, local)
		}
		return strings.Join(out, " ")
	}
	p.opts.Path = filepath.Join(t.TempDir(), "plan.jsonl")
	p.opts.Policy.Shares.Writers = []string{"w1@example.org", "ada.m@example.org", "w2@example.org", "w3@example.net"}
	_, _, accounts := p.build()
	if got := writers(accounts); got != "w1 w2 w1 w1 w3" && got != "w2 w2 w1 w1 w3" {
		t.Errorf("writers %s", got)
	}
	if accounts["e@example.net"].Writer != "w3@example.net" {
		t.Errorf("e is written by %s", accounts["e@example.net"].Writer)
	}
	was := writers(accounts)
	p.srv.User("a").Mailbox("INBOX").Append(imaptest.Message{Body: make([]byte, 90000)})
	_, res, accounts := p.build()
	if got := writers(accounts); got != was || len(res.Changes) > 0 {
		t.Errorf("writers %s after %s; changes %q", got, was, res.Changes)
	}
	p.opts.Policy.Shares.Writers = []string{"w2@example.org", "w3@example.net"}
	_, _, accounts = p.build()
	if got := writers(accounts); got != "w2 w2 w2 w1 w3" {
		t.Errorf("writers %s without w1", got)
	}
}

// TestSurveyTells: what preflight and provisioning need to know of an account.
func TestSurveyTells(t *testing.T) {
	p := newPlanning(t, imaptest.Options{ID: []string{"name", "Microsoft.Exchange.Imap4.Imap4Server", "version", "15.20"}, Shared: "Public/"},
		"old;ada;;ada@example.org;;;;\nold;bob;;bob@example.org;;;3GB;\nold;cyd;;cyd@example.org;;;;\nold;pub;;pub@example.org;share;ada@example.org;;\nold;dan;;dan@example.net;;;;\n", "", "")
	p.opts.Policy.Users.Quota = migrate.QuotaSource
	most := int64(1 << 20)
	p.opts.Domains[1].UserQuotaMaxKiB = &most
	ada := p.srv.User("ada")
	for name, quota := range map[string]int64{"ada": 5 << 20, "bob": 1 << 20, "pub": 1, "dan": 2 << 20} {
		p.srv.User(name).SetQuota(quota)
	}
	p.srv.User("pub").Mailbox("INBOX").Append(imaptest.Message{Body: make([]byte, 3<<20)})
	big := func(m *imaptest.Mailbox, size string, flags ...string) {
		m.Append(imaptest.Message{Body: []byte("A: b"), Flags: flags, Odd: imaptest.Odd{SizeText: size}})
	}
	for i := range 12 {
		big(ada.Mailbox("INBOX"), fmt.Sprint(10_000_001+i))
	}
	big(ada.Mailbox("INBOX"), "10000000", "bmarchived")
	big(ada.Mailbox("INBOX"), "500000000", `\Deleted`)
	archive := ada.CreateMailbox("Archive", imaptest.MailboxOptions{})
	big(archive, "120000000")
	big(archive, "20000001", "Bmarchived", "x")
	big(ada.CreateMailbox("Junk", imaptest.MailboxOptions{SpecialUse: `\Junk`}), "700000000", "Bmarchived")
	for name, kind := range map[string]string{"Calendrier/Équipe": "", "Notes": "", "Projets": "event.default", "Agenda": "mail", "Contacts": ""} {
		m := ada.CreateMailbox(name, imaptest.MailboxOptions{})
		m.Append(imaptest.Message{Body: []byte("A: b")})
		if kind != "" {
			m.SetAnnotation("/shared/vendor/kolab/folder-type", kind)
		}
	}
	p.opts.Policy.Folders.Map = map[string]string{"Contacts": "Contacts"}
	_, _, accounts := p.build()
	s := accounts["ada@example.org"].Survey
	if s.Server != migrate.ServerExchange || s.ServerID != "Microsoft.Exchange.Imap4.Imap4Server 15.20" || s.Archived != 2 || s.Largest != 120_000_000 {
		t.Errorf("survey %+v", s)
	}
	if want := (&migrate.SizesAbove{Over10M: 14, Over20M: 2, Over50M: 1, Over100M: 1}); !reflect.DeepEqual(s.Above, want) {
		t.Errorf("above %+v", s.Above)
	}
	if len(s.Large) != 10 || s.Large[0] != (migrate.LargeMessage{Folder: "Archive", UID: 1, Size: 120_000_000}) || s.Large[2] != (migrate.LargeMessage{Folder: "INBOX", UID: 12, Size: 10_000_012}) || s.Large[9].Size != 10_000_005 {
		t.Errorf("large %+v", s.Large)
	}
	slices.SortFunc(s.NotMail, func(a, b migrate.NotMail) int { return strings.Compare(a.Folder, b.Folder) })
	if want := []migrate.NotMail{{"Calendrier/Équipe", "calendar", 1}, {"Notes", "notes", 1}, {"Projets", "calendar", 1}}; !reflect.DeepEqual(s.NotMail, want) {
		t.Errorf("not mail %+v", s.NotMail)
	}
	for limit, want := range map[int64]int64{10_000_000: 14, 20_000_000: 2, 20_000_001: 1, 100_000_000: 1, 120_000_000: 0, 10_000_006: 8} {
		if n, exact := s.AboveSize(limit); n != want || !exact {
			t.Errorf("above %d: %d, %v", limit, n, exact)
		}
	}
	if n, exact := s.AboveSize(10_000_003); n != 14 || exact {
		t.Errorf("above 10000003: %d, %v", n, exact)
	}
	for address, want := range map[string]string{"ada@example.org": "5242880 source", "bob@example.org": "3145728 accounts.csv", "cyd@example.org": "0 ", "pub@example.org": "262144 source", "dan@example.net": "1048576 source"} {
		a := accounts[address]
		if got := fmt.Sprintf("%d %s", a.QuotaKiB, a.QuotaFrom); got != want || a.QuotaStated != (a.QuotaFrom != "") {
			t.Errorf("%s: quota %s, stated %v, want %s", address, got, a.QuotaStated, want)
		}
	}
	if q := accounts["dan@example.net"].Survey.Quota; q == nil || *q != (migrate.SourceQuota{LimitKiB: 2 << 20}) {
		t.Errorf("dan's quota %+v", q)
	}
}

// TestSurveyOfASourceThatDiesOfQuota: the rest is surveyed, unless the policy
// takes quotas from the source.
func TestSurveyOfASourceThatDiesOfQuota(t *testing.T) {
	for from, failed := range map[migrate.QuotaFrom]bool{migrate.DefaultPolicy().Users.Quota: false, migrate.QuotaSource: true} {
		p := newPlanning(t, imaptest.Options{}, "old;ada;;ada@example.org;;;;\n", "", "")
		p.srv.SetQuirks(imaptest.Quirks{DieOfQuota: true})
		p.opts.Policy.Users.Quota = from
		p.srv.User("ada").Mailbox("INBOX").Append(imaptest.Message{Body: []byte("A: b")})
		_, _, accounts := p.build()
		s := accounts["ada@example.org"].Survey
		if got := s.Error != ""; got != failed || !failed && s.Messages != 1 {
			t.Errorf("quota from %q: survey %+v", from, s)
		}
	}
}

// TestPlanOfObjects: groups and what rows say of accounts arrive in the plan,
// and what changed is told.
func TestPlanOfObjects(t *testing.T) {
	p := newPlanning(t, imaptest.Options{}, "old;ada;;ada@example.org;;;;ada@example.com|a@example.org\n", "staff@example.org;;ada@example.org\n", "")
	var many strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&many, "person%04d.unlisted@example.org ", i*7)
	}
	p.read("old;ada;;ada@example.org;;;;ada@example.com|a@example.org\n", "staff@example.org;;ada@example.org\nall@example.org;;"+many.String()+"\n", "")
	p.opts.Policy.Users.Groups = []string{"STAFF"}
	p.opts.Policy.Users.AccountType = migrate.AccountSimple
	p.opts.Rows[0].PasswordFile = "pw"
	plan, res, accounts := p.build()
	if len(plan.Groups) != 2 || len(plan.Groups[1].Members) != 2500 || plan.Groups[0].Members[0] != (migrate.PlanRef{Kind: "user", Name: "ada@example.org"}) || res.Trailer.Groups != 2 {
		t.Fatalf("groups %d, trailer %+v", len(plan.Groups), res.Trailer)
	}
	a := accounts["ada@example.org"]
	if a.Login != "ada" || !slices.Equal(a.Groups, []string{"staff"}) || a.AccountType != migrate.AccountSimple || a.Password != migrate.GivenPassword || !slices.Equal(a.Aliases, []string{"a@example.org"}) {
		t.Errorf("account %+v", a)
	}
	p.read("old;ada;;ada@example.org;;;;\n", "staff@example.org;;\nnew@example.org;;group:staff\n", "")
	_, res, _ = p.build()
	lines(t, "changes", res.Changes, []string{"another group: staff@example.org", "new group: new@example.org", "no longer planned: group all@example.org", "decided otherwise: ada@example.org"})
}

// TestPlanRefusesContradictions: nothing is looked at and no plan is touched.
func TestPlanRefusesContradictions(t *testing.T) {
	p := newPlanning(t, imaptest.Options{}, "old;ada;;ada@example.org;share;;;\n", "", "")
	_, err := migrate.BuildPlan(t.Context(), p.opts)
	var input *migrate.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "a share without a writer") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(p.opts.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a plan was written: %v", err)
	}
}
