package migrate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// inputs reads the three CSVs from text; groups and rights may be empty.
func inputs(t *testing.T, accounts, groups, rights string) Inputs {
	t.Helper()
	in := Inputs{Policy: DefaultPolicy(), Domains: []PlanDomain{{Name: "example.org", Aliases: []string{"example.com"}}, {Name: "example.net"}}}
	var err error
	if in.Rows, err = ReadAccounts(strings.NewReader("source;source_login;source_folder;target_address;kind;login;writer;quota;groups;aliases\n"+accounts), "a"); err != nil {
		t.Fatal(err)
	}
	if groups != "" {
		if in.Groups, err = ReadGroups(strings.NewReader("group;address;members;create\n"+groups), "g"); err != nil {
			t.Fatal(err)
		}
	}
	if rights != "" {
		if in.Rights, err = ReadRights(strings.NewReader("mailbox;grantee;right\n"+rights), "r"); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

const soundRows = `old;ada;;ada@example.org;;;;;staff;
old;bob;;bob@example.org;;;;;Staff|sales;b@example.com
old;zoe;;zoe@example.net;;;;;;
old;info;;info@example.org;share;;ada@example.org;;;
`

const soundGroups = `staff;staff@example.org;group:sales existing:old.timer@example.org external@elsewhere.example;
sales@example.org;;b@example.com, group:Helpers;
Helpers@example.org;;;no
`

const soundRights = `info@example.org;bob@example.org;Write
info@example.org;group:STAFF;Read
bob@example.org;ada@example.org;SendOnBehalf
b@example.com;ada@example.org;Read
info@example.org;somebody.else@example.org;Read
`

func TestInputsResolve(t *testing.T) {
	in := inputs(t, soundRows, soundGroups, soundRights)
	r := in.resolve()
	if len(r.problems) > 0 {
		t.Fatalf("problems: %v", r.problems)
	}
	groups := []PlanGroup{
		{Name: "staff", Domain: "example.org", Address: "staff@example.org", Create: true, Members: []PlanRef{{RefGroup, "sales"}, {RefUser, "old.timer@example.org"}, {RefExternal, "external@elsewhere.example"}}},
		{Name: "sales", Domain: "example.org", Create: true, Members: []PlanRef{{RefUser, "bob@example.org"}, {RefGroup, "Helpers"}}},
		{Name: "Helpers", Domain: "example.org"},
	}
	if !reflect.DeepEqual(r.groups, groups) {
		t.Errorf("groups\n%+v\nwant\n%+v", r.groups, groups)
	}
	rights := map[string][]PlanRight{
		"info@example.org": {
			{Mailbox: "info@example.org", Grantee: PlanRef{RefUser, "bob@example.org"}, Verbs: []string{"Write"}, From: "rights.csv:2"},
			{Mailbox: "info@example.org", Grantee: PlanRef{RefGroup, "staff"}, Verbs: []string{"Read"}, From: "rights.csv:3"},
			{Mailbox: "info@example.org", Grantee: PlanRef{RefUser, "somebody.else@example.org"}, Verbs: []string{"Read"}, From: "rights.csv:6"},
		},
		"bob@example.org": {{Mailbox: "bob@example.org", Grantee: PlanRef{RefUser, "ada@example.org"}, Verbs: []string{"Read", "SendOnBehalf"}, From: "rights.csv:4"}},
	}
	if !reflect.DeepEqual(r.rights, rights) {
		t.Errorf("rights\n%+v\nwant\n%+v", r.rights, rights)
	}
}

// TestInputsProblems: what each file allows by itself and all of them together
// don't. The first part of each case is told, and nothing else.
func TestInputsProblems(t *testing.T) {
	kib := func(n int64) *int64 { return &n }
	for name, tt := range map[string]struct {
		accounts, groups, rights string
		change                   func(*Inputs)
		want                     []string
	}{
		"two on one login": {accounts: "old;a;;ada@example.org;;jd;;;;\nold;b;;bob@example.org;;jd;;;;\nold;c;;jd@example.net;;;;;;\n",
			want: []string{"a:3: login: the login jd is taken in example.org by line 2: users and shares have one name space (write another into the column login)"}},
		"an unknown domain, and a group of it": {accounts: "old;a;;ada@nowhere.org;;;;;staff;\nold;b;;bob@example.org;;;;;x;\n", groups: "staff@example.org;;;\n",
			want: []string{`a:3: groups: there is no group "x" of domain example.org in groups.csv (add it there; with create: no, if it is in BlueMind already)`}},
		"a login and a share's name": {accounts: "old;a;;ada@example.org;;info;;;;\nold;b;;info@example.org;share;;ada@example.org;;;\n",
			want: []string{"a:3: login: the share's name info is taken in example.org by line 2: users and shares have one name space (write another address for the share, whose name is its left part, or another into the column login of a user)"}},
		"a group and a share's name": {accounts: "old;a;;ada@example.org;;;;;;\nold;b;;_staff@example.org;share;;ada@example.org;;;\n", groups: "Staff@example.org;;;\n",
			want: []string{"g:2: group: BlueMind keeps the group as _Staff, and that name is taken in example.org by line 3 (give one of them another name)"}},
		"a technical user's login": {accounts: "old;a;;ada@example.org;;writer;;;;\n", change: func(in *Inputs) { in.Policy.Shares.Writers = []string{"writer@example.org"} },
			want: []string{"policy::shares::writers::0: the login writer is taken in example.org by line 2 (give the technical user another address)"}},
		"one address by all_aliases": {accounts: "old;a;;ada@example.org;;;;;;\nold;b;;ada@example.com;;ada2;;;;\n",
			want: []string{"a:3: target_address: with policy.users.all_aliases ada@example.com is an address of ada@example.org (line 2) too (give one of them another left part, or set policy.users.all_aliases: false)"}},
		"an alias by all_aliases": {accounts: "old;a;;ada@example.org;;;;;;ada@example.com|a@example.org\nold;b;;bob@example.org;;;;;;ada@example.net\nold;c;;cyd@example.org;;;;;;bob@example.com\n",
			want: []string{"a:4: aliases: with policy.users.all_aliases bob@example.com is an address of bob@example.org (line 3) too (give one of them another left part, or set policy.users.all_aliases: false)"}},
		"a group's address by all_aliases": {accounts: "old;a;;ada@example.org;;;;;;\n", groups: "x;ada@example.com;;\n",
			want: []string{"g:2: address: with policy.users.all_aliases ada@example.com is an address of ada@example.org (line 2) too (give one of them another left part, or set policy.users.all_aliases: false)"}},
		"no all_aliases": {accounts: "old;a;;ada@example.org;;;;;;\nold;b;;ada@example.com;;ada2;;;;\n", change: func(in *Inputs) { in.Policy.Users.AllAliases = false }},
		"quotas above the domain's": {accounts: "old;a;;ada@example.org;;;;5GB;;\nold;b;;bob@example.org;;;;unlimited;;\nold;c;;cyd@example.org;;;;4GB;;\nold;d;;dan@example.net;;;;9GB;;\nold;e;;info@example.org;share;;ada@example.org;3GB;;\n",
			change: func(in *Inputs) {
				in.Domains[0].UserQuotaMaxKiB, in.Domains[0].ShareQuotaMaxKiB, in.Domains[1].UserQuotaMaxKiB = kib(4<<20), kib(2<<20), kib(0)
			},
			want: []string{"a:2: quota: 5GB is more than example.org allows in a mailbox of its domain (user_quota_max: 4GB) (lower it, or raise user_quota_max under domains:)",
				"a:3: quota: unlimited is more than example.org allows in a mailbox of its domain (user_quota_max: 4GB) (lower it, or raise user_quota_max under domains:)",
				"a:6: quota: 3GB is more than example.org allows in a mailbox of its domain (share_quota_max: 2GB) (lower it, or raise share_quota_max under domains:)"}},
		"a share without a writer": {accounts: "old;a;;info@example.org;share;;;;;\nold;b;;hr@example.net;share;;;;;\n", change: func(in *Inputs) { in.Policy.Shares.Writers = []string{"w@example.com"} },
			want: []string{"a:3: writer: a share without a writer: nobody can log in as a share, so a user has to fill it (write the address of a user of example.net, or name technical users of that domain under policy.shares.writers in bmsync.yaml)"}},
		"writers that can't write": {accounts: "old;a;;info@example.org;share;;hr@example.org;;;\nold;b;;hr@example.org;share;;zoe@example.net;;;\nold;c;;it@example.org;share;;ad@example.org;;;\nold;d;;ok@example.org;share;;unlisted@example.org;;;\nold;e;;ada@example.org;;;;;;\nold;z;;zoe@example.net;;;;;;\n",
			want: []string{"a:2: writer: hr@example.org is a share itself (line 3) (name a user)",
				"a:3: writer: zoe@example.net isn't in domain example.org of the share (name a user of the same domain: rights end at its border)",
				"a:4: writer: ad@example.org is in no row (did you mean ada@example.org? One who is in BlueMind only may be listed under policy.shares.writers)"}},
		"the policy's writers": {accounts: "old;a;;info@example.org;share;;ada@example.org;;;\nold;e;;ada@example.org;;;;;;\n",
			change: func(in *Inputs) { in.Policy.Shares.Writers = []string{"info@example.org", "x@elsewhere.example"} },
			want: []string{"policy::shares::writers::0: info@example.org is a share (line 2) (name a user)",
				"policy::shares::writers::1: x@elsewhere.example is in none of the domains (write a user of example.org or example.net)"}},
		"groups that aren't there": {accounts: "old;a;;ada@example.org;;;;;stafff|x;\nold;z;;zoe@example.net;;;;;staff;\n", groups: "staff@example.org;;;\n",
			want: []string{`a:2: groups: there is no group "stafff" of domain example.org in groups.csv (did you mean staff?)`,
				`a:2: groups: there is no group "x" of domain example.org in groups.csv (add it there; with create: no, if it is in BlueMind already)`,
				`a:3: groups: there is no group "staff" of domain example.net in groups.csv (add it there; with create: no, if it is in BlueMind already)`}},
		"the policy's groups": {accounts: "old;a;;ada@example.org;;;;;;\nold;z;;zoe@example.net;;;;;;\n", groups: "staff@example.org;;;\n", change: func(in *Inputs) { in.Policy.Users.Groups = []string{"staff"} },
			want: []string{`policy::users::groups::0: there is no group "staff" of domain example.net in groups.csv (add it there; with create: no, if it is in BlueMind already)`}},
		"members that can't be": {accounts: soundRows, groups: "staff@example.org;;adda@example.org zoe@example.net info@example.org group:stuff existing:group:gone x@exmaple.org existing:adda2@example.org;\nsales@example.org;;;\n",
			want: []string{"g:2: members: adda@example.org is in no row of accounts.csv (did you mean ada@example.org? If it is in BlueMind, write existing:adda@example.org)",
				"g:2: members: zoe@example.net is of domain example.net, and not of example.org (name somebody of the same domain: groups and rights end at its border)",
				"g:2: members: info@example.org is a share, and BlueMind's groups hold users, groups and external addresses (take it out; give rights on the share in rights.csv)",
				`g:2: members: there is no group "stuff" of domain example.org in groups.csv (did you mean staff?)`,
				"g:2: members: exmaple.org is none of the domains (did you mean example.org? If it is an external address, write existing:x@exmaple.org)"}},
		"groups that hold each other": {accounts: "old;a;;ada@example.org;;;;;;\n", groups: "a@example.org;;group:b;\nb@example.org;;group:c;\nc@example.org;;group:b;\nd@example.org;;group:d;\n",
			want: []string{"g:4: members: groups hold each other: b → c → b (take one of them out of the other)", "g:5: members: groups hold each other: d → d (take one of them out of the other)"}},
		"domains of groups": {accounts: "old;a;;ada@example.org;;;;;;\n", groups: "a;;;\nb@elsewhere.example;;;\nc@example.org;c@example.net;;\nd@example.org;ada@example.org;;\ne@example.org;e@example.org;;\nf@example.org;e@example.org;;\nG;g@example.org;;\ng@example.org;;;\n",
			want: []string{`g:2: group: the domain of group "a" can't be told (write name@domain)`,
				"g:3: group: elsewhere.example is none of the domains (write name@domain with one of example.org or example.net)",
				"g:4: address: c@example.net isn't in domain example.org of the group (use one of its names, or correct the domain)",
				"g:5: address: ada@example.org is an address of line 2 in accounts.csv (give the group another address)",
				"g:7: address: e@example.org is the address of the group on line 6 (keep one)",
				`g:9: group: the group "g" of domain example.org is on line 8 already, written otherwise (write the name alike on all of its lines)`}},
		"rights that can't be": {accounts: soundRows, groups: soundGroups, rights: "adda@example.org;ada@example.org;Read\nnobody@example.org;ada@example.org;Read\ninfo@example.org;x@elsewhere.example;Read\ninfo@example.org;zoe@example.net;Read\nbob@example.org;info@example.org;Read\nbob@example.org;b@example.com;Read\ninfo@example.org;group:stafff;Read\ninfo@example.org;bbob@example.org;Read\n",
			want: []string{"r:2: mailbox: adda@example.org is in no row of accounts.csv (did you mean ada@example.org?)",
				"r:3: mailbox: nobody@example.org is in no row of accounts.csv (rights are set on mailboxes that are migrated; add the row, or remove this line)",
				"r:4: grantee: x@elsewhere.example is in none of the domains, and BlueMind gives rights inside a domain only (name a user or a group of example.org)",
				"r:5: grantee: zoe@example.net is of domain example.net, and not of example.org (name somebody of the same domain: groups and rights end at its border)",
				"r:6: grantee: info@example.org is a share, and nobody acts as one (name a user or a group)",
				"r:7: grantee: bob@example.org has every right on its own mailbox (remove the line)",
				`r:8: grantee: there is no group "stafff" of domain example.org in groups.csv (did you mean staff?)`,
				"r:9: grantee: bbob@example.org is in no row of accounts.csv (did you mean bob@example.org? If it is in BlueMind, write existing:bbob@example.org)"}},
		"rights where none are set": {accounts: soundRows, groups: soundGroups, rights: "info@example.org;bob@example.org;Read\n", change: func(in *Inputs) { in.Policy.Shares.Rights = RightsNone },
			want: []string{"r:2: policy.shares.rights is none, and here are rights (set it to csv, or remove the file)"}},
		"passwords to be given": {accounts: "old;a;;ada@example.org;;;;;;\nold;b;;info@example.org;share;;ada@example.org;;;\n", change: func(in *Inputs) { in.Policy.Users.Password = GivenPassword },
			want: []string{"a:2: new_password_file: policy.users.password is given, and the row doesn't say where its password is kept (fill new_password_file, new_password_env or new_password_command, or set the policy to generated or none)"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputs(t, tt.accounts, tt.groups, tt.rights)
			if tt.change != nil {
				tt.change(&in)
			}
			problems := in.Problems()
			NewInputError(problems) // sorts
			var got []string
			for _, p := range problems {
				p.Column = 0
				got = append(got, p.Error())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("problems\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// TestInputsForeignDomain: without domains: in bmsync.yaml, a domain that one
// row has and that looks like the others' is told.
func TestInputsForeignDomain(t *testing.T) {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "old;u%d;;u%d@example.org;;;;;;\n", i, i)
	}
	in := inputs(t, b.String()+"old;a;;ada@exmaple.org;;;;;;\nold;b;;bob@example.net;;;;;;\n", "", "")
	in.Domains = nil
	got := in.Problems()
	if len(got) != 1 || got[0].Line != 22 || !strings.Contains(got[0].Text, "exmaple.org differs by one letter from example.org, where 20 rows are") {
		t.Errorf("problems %v", got)
	}
}

func TestOneEdit(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"ada", "ada"}: false, {"ada", "adda"}: true, {"ada", "ad"}: true, {"ada", "aba"}: true, {"ada", "aad"}: true, {"ada", "daa"}: true,
		{"abcd", "badc"}: false, {"", "a"}: true, {"", ""}: false, {"ab", "ba"}: true, {"ada", "adaxx"}: false, {"abc", "axd"}: false,
	} {
		if got := oneEdit(pair[0], pair[1]); got != want {
			t.Errorf("%q and %q: %v", pair[0], pair[1], got)
		}
	}
}

// TestInputsOfManyRows: 50,000 rows in groups are checked in seconds, also
// where thousands of members stand in no row.
func TestInputsOfManyRows(t *testing.T) {
	in := Inputs{Policy: DefaultPolicy(), Domains: []PlanDomain{{Name: "example.org"}}}
	g := Group{File: "g", Name: "all", Create: true}
	for i := range 50_000 {
		address := fmt.Sprintf("user%05d@example.org", i)
		in.Rows = append(in.Rows, Row{File: "a", Line: i + 2, Source: "old", Login: address, Address: address, Kind: KindUser, TargetLogin: localPart(address), Groups: []string{"all"}})
		g.Members = append(g.Members, Mention{PlanRef: PlanRef{RefUser, fmt.Sprintf("other.person%d@example.org", i)}, Line: 2})
	}
	in.Groups = []Group{g}
	start := time.Now()
	if problems := in.Problems(); len(problems) > 0 {
		t.Errorf("%d problems, first %v", len(problems), problems[0])
	}
	t.Logf("%v", time.Since(start))
}
