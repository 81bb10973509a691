package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Inputs is what the operator wrote of objects: the CSVs, the policy, the
// domains. Each has been read by itself; together they may still contradict
// each other.
type Inputs struct {
	Rows    []Row
	Groups  []Group
	Rights  []RightRow
	Policy  Policy
	Domains []PlanDomain
}

// Problems checks the inputs against each other. One without File is about
// bmsync.yaml: its Field is then a key path from the top, joined with "::".
//
// Who is named and stands in no CSV may be in BlueMind already: that is for a
// run to find out. Only a name that differs from a known one by a letter is
// told here, unless "existing:" stands before it.
func (in Inputs) Problems() []Problem { return in.resolve().problems }

// resolved is what the inputs mean once names are looked up.
type resolved struct {
	in       Inputs
	homes    map[string]string // domain or alias → the domain's name
	ours     []string          // names of domains, in order
	people   map[string]int    // address or alias → row
	groupAt  map[[2]string]int // domain, groupKey → groups
	byMail   map[string]int    // address → groups
	groups   []PlanGroup       // in the order of in.Groups
	rights   map[string][]PlanRight
	problems []Problem
	guesses  int // searches for what a name was meant to be
}

func (in Inputs) resolve() *resolved {
	r := &resolved{in: in, homes: map[string]string{}, people: map[string]int{}, groupAt: map[[2]string]int{}, byMail: map[string]int{}, rights: map[string][]PlanRight{}}
	r.domains()
	for i, row := range in.Rows {
		for _, address := range append([]string{row.Address}, row.Aliases...) {
			r.people[address] = i
		}
	}
	r.placeGroups()
	r.names()
	for i := range in.Rows {
		r.row(&in.Rows[i])
	}
	r.policy()
	for i := range in.Groups {
		r.members(i)
	}
	r.loops()
	r.readRights()
	return r
}

func (r *resolved) add(file string, line, column int, field, text, mend string) {
	r.problems = append(r.problems, Problem{File: file, Line: line, Column: column, Field: field, Text: text, Mend: mend})
}

func (r *resolved) rowProblem(row *Row, column, text, mend string) {
	r.add(row.File, row.Line, 0, column, text, mend)
}

// domains finds out which domains there are. Without domains: in bmsync.yaml
// they are those of the rows.
func (r *resolved) domains() {
	for _, d := range r.in.Domains {
		r.ours = append(r.ours, d.Name)
		for _, name := range append([]string{d.Name}, d.Aliases...) {
			r.homes[name] = d.Name
		}
	}
	if len(r.in.Domains) > 0 {
		return
	}
	first, rows := map[string]int{}, map[string]int{}
	for i, row := range r.in.Rows {
		d := domainOf(row.Address)
		if rows[d]++; rows[d] == 1 {
			first[d] = i
			r.homes[d] = d
			r.ours = append(r.ours, d)
		}
	}
	for _, d := range r.ours {
		i := slices.IndexFunc(r.ours, func(other string) bool { return rows[other] >= 10*rows[d] && oneEdit(d, other) })
		if i >= 0 {
			r.rowProblem(&r.in.Rows[first[d]], colAddress, fmt.Sprintf("%s differs by one letter from %s, where %d rows are", d, r.ours[i], rows[r.ours[i]]),
				"did you mean "+r.ours[i]+"? Else list both under domains: in bmsync.yaml")
		}
	}
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

func localPart(address string) string {
	local, _, _ := strings.Cut(address, "@")
	return local
}

// loginOf is a user's login in BlueMind, or a share's name.
func loginOf(row *Row) string { return cmp.Or(row.TargetLogin, localPart(row.Address)) }

// home is the domain in which an address lies, "" if it is none of ours.
func (r *resolved) home(address string) string { return r.homes[domainOf(address)] }

// domain is what bmsync.yaml says of a domain.
func (r *resolved) domain(name string) PlanDomain {
	for _, d := range r.in.Domains {
		if d.Name == name {
			return d
		}
	}
	return PlanDomain{Name: name}
}

// where says where a row stands, for a message about another.
func (r *resolved) where(i int) string { return fmt.Sprintf("line %d", r.in.Rows[i].Line) }

// names finds what two entries claim: logins, names of shares and, with _ in
// front, of groups are one name space in a domain.
func (r *resolved) names() {
	taken := map[[2]string]string{} // domain and name → who
	claim := func(home, name, who string) (other string, free bool) {
		key := [2]string{home, strings.ToLower(name)}
		if other, ok := taken[key]; ok {
			return other, false
		}
		taken[key] = who
		return "", true
	}
	for i := range r.in.Rows {
		row := &r.in.Rows[i]
		what := map[string]string{KindUser: "the login", KindShare: "the share's name"}[row.Kind]
		mend := "write another into the column login"
		if row.Kind == KindShare {
			mend = "write another address for the share, whose name is its left part, or another into the column login of a user"
		}
		if other, free := claim(r.home(row.Address), loginOf(row), r.where(i)); !free {
			r.rowProblem(row, colTargetLogin, fmt.Sprintf("%s %s is taken in %s by %s: users and shares have one name space", what, loginOf(row), r.home(row.Address), other), mend)
		}
	}
	for i, g := range r.groups {
		if at, placed := r.groupAt[[2]string{g.Domain, groupKey(g.Name)}]; !placed || at != i {
			continue // told already
		}
		if other, free := claim(g.Domain, "_"+g.Name, "a group"); !free {
			r.add(r.in.Groups[i].File, r.in.Groups[i].Line, 0, colGroup, fmt.Sprintf("BlueMind keeps the group as _%s, and that name is taken in %s by %s", g.Name, g.Domain, other), "give one of them another name")
		}
	}
	for i, writer := range r.in.Policy.Shares.Writers {
		if _, isRow := r.people[writer]; isRow || r.home(writer) == "" {
			continue
		}
		if other, free := claim(r.home(writer), localPart(writer), "a writer of shares"); !free && other != "a writer of shares" {
			r.add("", 0, 0, fmt.Sprintf("policy::shares::writers::%d", i), fmt.Sprintf("the login %s is taken in %s by %s", localPart(writer), r.home(writer), other), "give the technical user another address")
		}
	}
	r.everyAlias()
}

// everyAlias finds addresses that all_aliases makes one.
func (r *resolved) everyAlias() {
	if !r.in.Policy.Users.AllAliases {
		return
	}
	owner := map[[2]string]int{} // domain and left part → row
	for i, row := range r.in.Rows {
		key := [2]string{r.home(row.Address), localPart(row.Address)}
		if _, taken := owner[key]; !taken {
			owner[key] = i
		}
	}
	const mend = "give one of them another left part, or set policy.users.all_aliases: false"
	text := func(address string, other int) string {
		return fmt.Sprintf("with policy.users.all_aliases %s is an address of %s (%s) too", address, r.in.Rows[other].Address, r.where(other))
	}
	for i := range r.in.Rows {
		row := &r.in.Rows[i]
		for k, address := range append([]string{row.Address}, row.Aliases...) {
			other, ok := owner[[2]string{r.home(address), localPart(address)}]
			if !ok || other == i || r.home(address) == "" || r.people[address] != i {
				continue
			}
			if k == 0 && loginOf(row) == loginOf(&r.in.Rows[other]) {
				continue // told already
			}
			r.rowProblem(row, map[bool]string{true: colAddress, false: colAliases}[k == 0], text(address, other), mend)
		}
	}
	for i, g := range r.in.Groups {
		if other, ok := owner[[2]string{r.home(g.Address), localPart(g.Address)}]; ok && g.Address != "" && r.home(g.Address) != "" {
			if _, told := r.people[g.Address]; !told {
				r.add(r.in.Groups[i].File, g.Line, 0, colMailAddress, text(g.Address, other), mend)
			}
		}
	}
}

// row checks one row of accounts.csv against the rest.
func (r *resolved) row(row *Row) {
	r.quota(row)
	if row.Kind == KindShare {
		r.writer(row)
		return
	}
	home := r.home(row.Address)
	for _, name := range row.Groups {
		if _, ok := r.groupAt[[2]string{home, groupKey(name)}]; !ok && home != "" { // else told with the domains
			r.rowProblem(row, colGroups, r.unknownGroup(name, home), r.groupMend(name, home))
		}
	}
	if r.in.Policy.Users.Password == GivenPassword && row.PasswordEnv+row.PasswordFile+row.PasswordCommand == "" {
		r.rowProblem(row, colNewFile, "policy.users.password is given, and the row doesn't say where its password is kept", "fill new_password_file, new_password_env or new_password_command, or set the policy to generated or none")
	}
}

// quota compares a row's with the most that its domain allows: BlueMind
// refuses what is above, and no limit with it.
func (r *resolved) quota(row *Row) {
	d := r.domain(r.home(row.Address))
	most, key := d.UserQuotaMaxKiB, "user_quota_max"
	if row.Kind == KindShare {
		most, key = d.ShareQuotaMaxKiB, "share_quota_max"
	}
	if most == nil || *most == 0 || !row.Quota.Stated || row.Quota.Bytes > 0 && row.Quota.KiB() <= *most {
		return
	}
	r.rowProblem(row, colQuota, fmt.Sprintf("%s is more than %s allows in a mailbox of its domain (%s: %s)", row.Quota, d.Name, key, FormatSize(*most<<10)), "lower it, or raise "+key+" under domains:")
}

// writer makes sure that somebody can fill a share.
func (r *resolved) writer(row *Row) {
	home := r.home(row.Address)
	if row.Writer == "" {
		if len(r.writersFor(home)) == 0 {
			r.rowProblem(row, colWriter, "a share without a writer: nobody can log in as a share, so a user has to fill it",
				"write the address of a user of "+home+", or name technical users of that domain under policy.shares.writers in bmsync.yaml")
		}
		return
	}
	i, isRow := r.people[row.Writer]
	switch {
	case r.home(row.Writer) != home:
		r.rowProblem(row, colWriter, fmt.Sprintf("%s isn't in domain %s of the share", row.Writer, home), "name a user of the same domain: rights end at its border")
	case isRow && r.in.Rows[i].Kind == KindShare:
		r.rowProblem(row, colWriter, fmt.Sprintf("%s is a share itself (%s)", row.Writer, r.where(i)), "name a user")
	case !isRow && !slices.Contains(r.in.Policy.Shares.Writers, row.Writer):
		if near := r.near(row.Writer); near != "" {
			r.rowProblem(row, colWriter, row.Writer+" is in no row", "did you mean "+near+"? One who is in BlueMind only may be listed under policy.shares.writers")
		}
	}
}

// writersFor are the technical users who may fill shares of a domain.
func (r *resolved) writersFor(home string) []string {
	var out []string
	for _, w := range r.in.Policy.Shares.Writers {
		if r.home(w) == home {
			out = append(out, r.ownAddress(w))
		}
	}
	return out
}

// ownAddress is the address by which a row goes, of one of its aliases.
func (r *resolved) ownAddress(address string) string {
	if i, ok := r.people[address]; ok {
		return r.in.Rows[i].Address
	}
	return address
}

// policy checks what the policy names.
func (r *resolved) policy() {
	for i, w := range r.in.Policy.Shares.Writers {
		field := fmt.Sprintf("policy::shares::writers::%d", i)
		n, isRow := r.people[w]
		switch {
		case r.home(w) == "":
			r.add("", 0, 0, field, w+" is in none of the domains", "write a user of "+Alternatives(r.ours))
		case isRow && r.in.Rows[n].Kind == KindShare:
			r.add("", 0, 0, field, fmt.Sprintf("%s is a share (%s)", w, r.where(n)), "name a user")
		}
	}
	users := map[string]bool{}
	for i := range r.in.Rows {
		if r.in.Rows[i].Kind == KindUser {
			users[r.home(r.in.Rows[i].Address)] = true
		}
	}
	for i, name := range r.in.Policy.Users.Groups {
		for _, home := range r.ours {
			if _, ok := r.groupAt[[2]string{home, groupKey(name)}]; !ok && users[home] {
				r.add("", 0, 0, fmt.Sprintf("policy::users::groups::%d", i), r.unknownGroup(name, home), r.groupMend(name, home))
			}
		}
	}
}

func (r *resolved) unknownGroup(name, home string) string {
	return fmt.Sprintf("there is no group %s of domain %s in groups.csv", quoteShort(name), home)
}

func (r *resolved) groupMend(name, home string) string {
	var names []string
	for _, g := range r.groups {
		if g.Domain == home {
			names = append(names, g.Name)
		}
	}
	if near := Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "add it there; with create: no, if it is in BlueMind already"
}

// mostGuesses bounds the searches among all rows: each looks at every address.
const mostGuesses = 1000

// near finds the address of a row that differs by one letter from one that is
// in no row.
func (r *resolved) near(address string) string {
	if r.guesses++; r.guesses > mostGuesses {
		return ""
	}
	for i := range r.in.Rows {
		if oneEdit(address, r.in.Rows[i].Address) {
			return r.in.Rows[i].Address
		}
	}
	return ""
}

// oneEdit says whether two words differ by one letter put in, left out or
// replaced, or by two neighbours exchanged.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
