package migrate_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// estate is a world with everything that a BlueMind must hold beside mail.
type estate struct {
	*world
	accounts, groups, rights string // CSVs, without their first lines
	domains                  []migrate.PlanDomain
}

const (
	accountsHead = "source;source_login;target_address;kind;login;display_name;last_name;aliases;groups;label;writer;quota;wave\n"
	groupsHead   = "group;address;description;members;create\n"
	rightsHead   = "mailbox;grantee;right\n"
)

// newEstate starts a source without users and a BlueMind.
func newEstate(t *testing.T, conf bmsim.Config) *estate {
	t.Helper()
	if conf.Domains == nil {
		conf.Domains = []bmsim.Domain{}
	}
	e := &estate{world: newWorld(t, conf)}
	e.policy.Shares.Writers = []string{"robot@a.example"}
	return e
}

// small is the plan that is cut at each of its calls: 3 users, 1 share, 1
// group, 2 domains.
func small(t *testing.T, conf bmsim.Config) *estate {
	t.Helper()
	e := newEstate(t, conf)
	e.domains = []migrate.PlanDomain{{Name: "a.example", Aliases: []string{"alias.example"}, Create: true, Language: "fr"}, {Name: "b.example", Create: true}}
	e.accounts = "old;ada;ada@a.example;user;;Ada Martin;Martin;ada.martin@alias.example;;;;2GB;\n" +
		"old;bruno;bruno@a.example;user;bru;;Dupont;;;;;;\n" +
		"old;chloe;chloe@b.example;user;;;Petit;;;;;;\n" +
		"old;support;support@a.example;share;;;;;;Aide & Support;;;\n"
	e.groups = "staff;staff@a.example;all of us;ada@a.example bruno@a.example;\n"
	e.rights = "support@a.example;ada@a.example;write\nsupport@a.example;group:staff;read\nbruno@a.example;ada@a.example;read\n"
	e.replan()
	return e
}

// replan reads the CSVs and makes the plan.
func (e *estate) replan() {
	e.t.Helper()
	rows, err := migrate.ReadAccounts(strings.NewReader(accountsHead+e.accounts), "accounts.csv")
	if err != nil {
		e.t.Fatal(err)
	}
	e.rows = rows
	for _, row := range rows {
		if e.source.User(row.Login) == nil {
			e.source.AddUser(row.Login, "pw-"+row.Login)
		}
	}
	groups, err := migrate.ReadGroups(strings.NewReader(groupsHead+e.groups), "groups.csv")
	if err != nil {
		e.t.Fatal(err)
	}
	rights, err := migrate.ReadRights(strings.NewReader(rightsHead+e.rights), "rights.csv")
	if err != nil {
		e.t.Fatal(err)
	}
	path := filepath.Join(e.dir, "plan.jsonl")
	res, err := migrate.BuildPlan(e.t.Context(), migrate.PlanOptions{Path: path, Rows: rows, Groups: groups, Rights: rights,
		Domains: e.domains, Sources: e.opts.Sources, Policy: e.policy})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, p := range res.Unsurveyed {
		e.t.Errorf("not surveyed: %v", p)
	}
	if e.opts.Plan != nil {
		e.opts.Plan.Close()
	}
	if e.opts.Plan, err = migrate.OpenPlan(path); err != nil {
		e.t.Fatal(err)
	}
}

// objects runs the bulk pass alone, and wants it complete.
func (e *estate) objects() migrate.RunResult {
	e.t.Helper()
	opts := e.opts
	opts.Objects = true
	res, err := migrate.Run(e.t.Context(), opts)
	if err != nil {
		e.t.Fatalf("run --objects: %v", err)
	}
	if res.Outcome() != migrate.Complete {
		e.t.Fatalf("run --objects ended with %v: %+v", res.Outcome(), res.Objects)
	}
	return res
}

// quiet runs do, and wants it to change nothing on the target.
func (e *estate) quiet(what string, do func()) {
	e.t.Helper()
	before := len(e.sim.Journal().Writes())
	do()
	for _, c := range e.sim.Journal().Writes()[before:] {
		e.t.Errorf("%s: %s %s", what, c.Method, c.Path)
	}
}

// keyless wants no key to be left.
func (e *estate) keyless() {
	e.t.Helper()
	if alive := e.sim.Journal().KeysAlive(); len(alive) > 0 {
		e.t.Errorf("keys alive: %v", alive)
	}
}

// large is a plan of so many users, shares and groups in three domains with
// aliases.
func large(t *testing.T, conf bmsim.Config, users, shares, groups int) *estate {
	t.Helper()
	e := newEstate(t, conf)
	e.enlarge([]string{"a.example", "b.example", "c.example"}, users, shares, groups)
	return e
}

// enlarge plans that in domains of these names.
func (e *estate) enlarge(names []string, users, shares, groups int) {
	e.t.Helper()
	e.policy.Shares.Writers = nil
	for _, name := range names {
		e.policy.Shares.Writers = append(e.policy.Shares.Writers, "robot@"+name)
		e.domains = append(e.domains, migrate.PlanDomain{Name: name, Aliases: []string{"www." + name, "old." + name}, Create: true})
	}
	var accounts, lists strings.Builder
	members := map[string][]string{}
	for i := range users {
		d := names[i%3]
		address := fmt.Sprintf("user%03d@%s", i, d)
		group := fmt.Sprintf("team%02d", i/3%max(groups/3, 1))
		fmt.Fprintf(&accounts, "old;user%03d;%s;user;;User %d;Name%d;alias%03d@old.%s;;;;;\n", i, address, i, i, i, d)
		members[group+"@"+d] = append(members[group+"@"+d], address)
	}
	for i := range shares {
		d := names[i%3]
		fmt.Fprintf(&accounts, "old;share%02d;share%02d@%s;share;;;;;;Share %d;robot@%s;;\n", i, i, d, i, d)
	}
	for _, group := range slices.Sorted(mapsKeys(members)) {
		name, d, _ := strings.Cut(group, "@")
		fmt.Fprintf(&lists, "%s;%s-%s@%s;;%s;\n", group, name, d[:1], d, strings.Join(members[group], " "))
	}
	e.accounts, e.groups = accounts.String(), lists.String()
	e.replan()
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
