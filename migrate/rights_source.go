package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// translator turns the access lists of sources into rights in BlueMind. It is
// built once and only read afterwards.
type translator struct {
	r       *resolved
	sources map[string]Source
	logins  map[[2]string]int    // source, sourceKey of a login → row of a user
	shares  map[[2]string]int    // the same, of a share with a login of its own
	locals  map[[2]string][]int  // source, left part of a login → rows of users
	groups  map[[2]string]string // domain, what sources call a group → name
}

func newTranslator(r *resolved, sources map[string]Source) *translator {
	t := &translator{r: r, sources: sources, logins: map[[2]string]int{}, shares: map[[2]string]int{}, locals: map[[2]string][]int{}, groups: map[[2]string]string{}}
	for i := range r.in.Rows {
		row := &r.in.Rows[i]
		if row.Folder != "" {
			continue
		}
		key := [2]string{row.Source, sourceKey(row.Login)}
		if row.Kind == KindShare {
			t.shares[key] = i
			continue
		}
		t.logins[key] = i
		local := [2]string{row.Source, localPart(row.Login)}
		t.locals[local] = append(t.locals[local], i)
	}
	for i, g := range r.groups {
		for _, name := range append([]string{g.Name, g.Address}, r.in.Groups[i].SourceNames...) {
			if name != "" {
				t.groups[[2]string{g.Domain, groupKey(name)}] = g.Name
			}
		}
	}
	return t
}

// rights are what the plan says of an account's mailbox: the lines of
// rights.csv, and of the source's list what they don't speak of.
func (t *translator) rights(a *PlanAccount, acl *sourceACL) []PlanRight {
	stated := t.r.rights[a.Address]
	var out []PlanRight
	for _, s := range stated {
		if len(s.Verbs) > 0 {
			out = append(out, s)
		}
	}
	for _, r := range t.translate(a, acl) {
		if !decided(stated, r) {
			out = append(out, r)
		}
	}
	return out
}

// decided says whether rights.csv speaks of a right of the source.
func decided(stated []PlanRight, r PlanRight) bool {
	return slices.ContainsFunc(stated, func(s PlanRight) bool { return s.Grantee == r.Grantee })
}

func (t *translator) translate(a *PlanAccount, acl *sourceACL) []PlanRight {
	if acl == nil || len(acl.folders) == 0 {
		return nil
	}
	if acl.mineOnly {
		return t.own(a, acl)
	}
	var out []PlanRight
	for _, g := range acl.grantees() {
		if !g.negative && t.owns(a, g.identifier) {
			continue
		}
		r := PlanRight{Mailbox: a.Address, Grantee: PlanRef{Name: g.String()}, From: fmt.Sprintf("source %s: %s %s", a.Source, g, letters(acl, g))}
		ref, why := t.whom(a, g)
		verbs, less := commonVerbs(acl, g)
		switch {
		case why == "" && len(verbs) == 0 && less == "":
			continue // nothing that counts
		case why != "":
			r.Unresolved, r.Reason = true, why
		case len(verbs) == 0:
			r.Grantee, r.Unresolved, r.Reason = ref, true, less
		default:
			r.Grantee, r.Verbs, r.Reason = ref, verbs, less
		}
		out = joinRight(out, r)
	}
	return out
}

// joinRight adds a right; two names of one grantee at the source are one here.
func joinRight(list []PlanRight, r PlanRight) []PlanRight {
	i := slices.IndexFunc(list, func(have PlanRight) bool {
		return have.Grantee == r.Grantee && r.Grantee.Kind != "" && !have.Unresolved && !r.Unresolved
	})
	if i < 0 {
		return append(list, r)
	}
	list[i].Verbs = joinVerbs(list[i].Verbs, r.Verbs)
	list[i].Reason = cmp.Or(list[i].Reason, r.Reason)
	return list
}

func (g sourceGrantee) String() string {
	if g.negative {
		return "-" + g.identifier
	}
	return g.identifier
}

// letters are the rights as the source has them: the root's, or the first
// folder's that has any.
func letters(acl *sourceACL, g sourceGrantee) string {
	for _, f := range acl.folders {
		if s := acl.grants[g][f]; s != "" {
			return s
		}
	}
	return "without rights"
}

// everybodyElse stands for all whom the source doesn't name.
const everybodyElse = "*"

// own is what is known where the list can't be read: what the login may do by
// which a subtree of others is copied.
func (t *translator) own(a *PlanAccount, acl *sourceACL) []PlanRight {
	if a.SourceFolder == "" {
		return nil // its own mailbox
	}
	from := fmt.Sprintf("source %s: %s %s", a.Source, a.SourceLogin, cmp.Or(acl.mine, "without rights"))
	const rest = "the source doesn't show this login who else has rights"
	unknown := PlanRight{Mailbox: a.Address, Grantee: PlanRef{Name: everybodyElse}, From: from, Unresolved: true, Reason: rest + "; write them into rights.csv"}
	ref, why := t.whom(a, sourceGrantee{identifier: a.SourceLogin})
	verbs, _ := verbsOf(acl.mine)
	if why != "" || len(verbs) == 0 {
		return []PlanRight{unknown}
	}
	return []PlanRight{{Mailbox: a.Address, Grantee: ref, Verbs: verbs, From: from}, unknown}
}

// owns says whether an identifier is the mailbox's owner, or who administers
// the source.
func (t *translator) owns(a *PlanAccount, identifier string) bool {
	if identifier == "owner" || identifier != "" && identifier == t.sources[a.Source].Admin {
		return true
	}
	if a.SourceFolder != "" {
		return false
	}
	login := a.SourceLogin
	return sourceKey(identifier) == sourceKey(login) ||
		strings.Contains(identifier, "@") != strings.Contains(login, "@") && localPart(identifier) == localPart(login)
}

// whom finds out who an identifier is, in the domain of the mailbox; else why
// not.
func (t *translator) whom(a *PlanAccount, g sourceGrantee) (PlanRef, string) {
	home := t.r.home(a.Address)
	if g.negative {
		return PlanRef{}, "rights that are taken away have no like in BlueMind"
	}
	switch g.identifier {
	case "anyone", "anonymous", "authenticated":
		if group, known := t.groups[[2]string{home, g.identifier}]; known {
			return PlanRef{RefGroup, group}, ""
		}
		return PlanRef{}, "BlueMind gives rights on mailboxes to people and groups, not to everybody; write " + g.identifier + " as source_name of a group"
	}
	if name, ok := groupIdentifier(g.identifier); ok {
		if group, known := t.groups[[2]string{home, groupKey(name)}]; known {
			return PlanRef{RefGroup, group}, ""
		}
		return PlanRef{}, fmt.Sprintf("no group of domain %s in groups.csv is called %s, nor has it as source_name", home, quoteShort(name))
	}
	i, ok := t.user(a.Source, strings.TrimPrefix(g.identifier, "#"))
	if !ok {
		if group, known := t.groups[[2]string{home, groupKey(g.identifier)}]; known && strings.Contains(g.identifier, "@") {
			return PlanRef{RefGroup, group}, "" // a distribution list
		}
		if _, share := t.shares[[2]string{a.Source, sourceKey(g.identifier)}]; share {
			return PlanRef{}, "it is the login of a share, and nobody acts as one in BlueMind"
		}
		return PlanRef{}, "no row of accounts.csv has this login"
	}
	row := &t.r.in.Rows[i]
	if other := t.r.home(row.Address); other != home {
		return PlanRef{}, fmt.Sprintf("%s is of domain %s, and rights end at the border of %s", row.Address, other, home)
	}
	return PlanRef{RefUser, row.Address}, ""
}

// user finds the row of a login, by its whole or, where one of the two has no
// domain, by what stands before the @.
func (t *translator) user(source, identifier string) (int, bool) {
	if i, ok := t.logins[[2]string{source, sourceKey(identifier)}]; ok {
		return i, true
	}
	found := t.locals[[2]string{source, localPart(identifier)}]
	if len(found) != 1 {
		return 0, false
	}
	login := t.r.in.Rows[found[0]].Login
	return found[0], strings.Contains(login, "@") != strings.Contains(identifier, "@")
}

// groupIdentifier reads how servers write groups: "group:staff" on Cyrus,
// "$staff" and "!$staff" on Dovecot.
func groupIdentifier(s string) (name string, ok bool) {
	for _, prefix := range []string{"group:", "!$", "$"} {
		if name, ok := strings.CutPrefix(s, prefix); ok {
			return name, true
		}
	}
	return "", false
}

// someFolders is how many folders a reason names.
const someFolders = 3

// commonVerbs are what a grantee may do with each of the folders: BlueMind's
// rights are on whole mailboxes, and nobody gets more than he had. Less says
// where he had more, or what has no like.
func commonVerbs(acl *sourceACL, g sourceGrantee) (verbs []string, less string) {
	byFolder := acl.grants[g]
	lost := ""
	for i, f := range acl.folders {
		here, not := verbsOf(byFolder[f])
		lost = cmp.Or(lost, not)
		if i == 0 {
			verbs = here
			continue
		}
		verbs = meetVerbs(verbs, here)
	}
	var more []string
	for _, f := range acl.folders {
		if here, _ := verbsOf(byFolder[f]); len(here) > 0 && !slices.Equal(here, verbs) {
			more = append(more, fmt.Sprintf("%q (%s)", f, strings.Join(here, ", ")))
		}
	}
	var reasons []string
	if len(more) > 0 {
		named := more[:min(len(more), someFolders)]
		text := fmt.Sprintf("more on %d of %d folders, such as %s: BlueMind gives rights on whole mailboxes", len(more), len(acl.folders), strings.Join(named, ", "))
		if len(verbs) == 0 {
			text = fmt.Sprintf("on %d of %d folders only, such as %s: BlueMind gives rights on whole mailboxes", len(more), len(acl.folders), strings.Join(named, ", "))
		}
		reasons = append(reasons, text)
	}
	if lost != "" {
		reasons = append(reasons, "no like in BlueMind: "+lost)
	}
	if len(acl.unread) > 0 && len(verbs) > 0 {
		verbs = nil
		reasons = append(reasons, fmt.Sprintf("the lists of %d more folders, such as %q, can't be read", len(acl.unread), acl.unread[0]))
	}
	return verbs, strings.Join(reasons, "; ")
}

// meetVerbs are the verbs that both lists hold, Write holding Read.
func meetVerbs(a, b []string) []string {
	var out []string
	for _, v := range mailboxVerbs {
		if slices.Contains(joinHeld(a), v) && slices.Contains(joinHeld(b), v) {
			out = append(out, v)
		}
	}
	return joinVerbs(out, nil)
}

// joinHeld adds Read where there is Write.
func joinHeld(verbs []string) []string {
	if slices.Contains(verbs, VerbWrite) {
		return append([]string{VerbRead}, verbs...)
	}
	return verbs
}
