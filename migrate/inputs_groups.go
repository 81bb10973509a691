package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// placeGroups finds the domain of each group, and indexes them.
func (r *resolved) placeGroups() {
	for i, g := range r.in.Groups {
		home, field := r.groupHome(g), colGroup
		p := PlanGroup{Name: g.Name, Domain: home, Address: g.Address, Description: g.Description, Hidden: g.Hidden, Create: g.Create}
		r.groups = append(r.groups, p)
		bad := func(text, mend string) { r.add(g.File, g.Line, 0, field, text, mend) }
		if home == "" {
			if g.Domain != "" {
				bad(g.Domain+" is none of the domains", "write name@domain with one of "+Alternatives(r.ours))
			} else if len(r.ours) > 0 {
				bad(fmt.Sprintf("the domain of group %s can't be told", quoteShort(g.Name)), "write name@domain")
			}
			continue
		}
		key := [2]string{home, groupKey(g.Name)}
		if other, taken := r.groupAt[key]; taken {
			bad(fmt.Sprintf("the group %s of domain %s is on line %d already, written otherwise", quoteShort(g.Name), home, r.in.Groups[other].Line), "write the name alike on all of its lines")
			continue
		}
		r.groupAt[key] = i
		r.placeGroupAddress(i, home)
	}
}

func (r *resolved) placeGroupAddress(i int, home string) {
	g := r.in.Groups[i]
	if g.Address == "" {
		return
	}
	bad := func(text, mend string) { r.add(g.File, g.Line, 0, colMailAddress, text, mend) }
	if r.home(g.Address) != home {
		bad(fmt.Sprintf("%s isn't in domain %s of the group", g.Address, home), "use one of its names, or correct the domain")
		return
	}
	if n, taken := r.people[g.Address]; taken {
		bad(fmt.Sprintf("%s is an address of %s in accounts.csv", g.Address, r.where(n)), "give the group another address")
		return
	}
	if other, taken := r.byMail[g.Address]; taken {
		bad(fmt.Sprintf("%s is the address of the group on line %d", g.Address, r.in.Groups[other].Line), "keep one")
		return
	}
	r.byMail[g.Address] = i
}

// groupHome is the domain that a group belongs to: the one written, that of
// its address, that of its members, or the only one there is; "" if it can't
// be told.
func (r *resolved) groupHome(g Group) string {
	switch {
	case g.Domain != "":
		return r.homes[g.Domain]
	case g.Address != "" && r.home(g.Address) != "":
		return r.home(g.Address)
	case len(r.ours) == 1:
		return r.ours[0]
	}
	for _, m := range g.Members {
		if m.Kind == RefUser && r.home(m.Name) != "" {
			return r.home(m.Name)
		}
	}
	return ""
}

// members looks up who belongs to a group.
func (r *resolved) members(i int) {
	g := r.in.Groups[i]
	home := r.groups[i].Domain
	if home == "" {
		return // told already
	}
	seen := map[PlanRef]bool{}
	for _, m := range g.Members {
		bad := func(text, mend string) { r.add(g.File, m.Line, m.Column, colMembers, text, mend) }
		ref, ok := r.mention(m, home, bad)
		if !ok {
			continue
		}
		if ref.Kind == RefShare {
			bad(m.Name+" is a share, and BlueMind's groups hold users, groups and external addresses", "take it out; give rights on the share in rights.csv")
			continue
		}
		if !seen[ref] {
			seen[ref] = true
			r.groups[i].Members = append(r.groups[i].Members, ref)
		}
	}
}

// mention finds out what is named, seen from a domain. It reports what can't
// be, and then ok is false.
func (r *resolved) mention(m Mention, home string, bad func(text, mend string)) (ref PlanRef, ok bool) {
	if m.Kind == RefGroup {
		if i, known := r.groupAt[[2]string{home, groupKey(m.Name)}]; known {
			return PlanRef{RefGroup, r.groups[i].Name}, true
		}
		if m.Existing {
			return m.PlanRef, true
		}
		bad(r.unknownGroup(m.Name, home), r.groupMend(m.Name, home))
		return ref, false
	}
	at := r.home(m.Name)
	if i, isRow := r.people[m.Name]; isRow && at == home {
		if r.in.Rows[i].Kind == KindShare {
			return PlanRef{RefShare, r.in.Rows[i].Address}, true
		}
		return PlanRef{RefUser, r.in.Rows[i].Address}, true
	}
	if i, isGroup := r.byMail[m.Name]; isGroup && at == home {
		return PlanRef{RefGroup, r.groups[i].Name}, true
	}
	switch near := ""; {
	case at == home:
		if !m.Existing {
			near = r.near(m.Name)
		}
		if near != "" {
			bad(m.Name+" is in no row of accounts.csv", "did you mean "+near+"? If it is in BlueMind, write "+existingPrefix+m.Name)
			return ref, false
		}
		return m.PlanRef, true
	case at != "":
		bad(fmt.Sprintf("%s is of domain %s, and not of %s", m.Name, at, home), "name somebody of the same domain: groups and rights end at its border")
		return ref, false
	}
	if near := Nearest(domainOf(m.Name), r.known()); near != "" && !m.Existing && oneEdit(domainOf(m.Name), near) {
		bad(domainOf(m.Name)+" is none of the domains", "did you mean "+near+"? If it is an external address, write "+existingPrefix+m.Name)
		return ref, false
	}
	return PlanRef{RefExternal, m.Name}, true
}

// known are all names of domains.
func (r *resolved) known() []string {
	var out []string
	for name := range r.homes {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// loops finds groups that are members of themselves, over others too.
func (r *resolved) loops() {
	state := make([]int, len(r.groups)) // 0: not seen, 1: on the way, 2: done
	var visit func(i int, path []string)
	visit = func(i int, path []string) {
		g := r.groups[i]
		path = append(path, g.Name)
		state[i] = 1
		for _, m := range g.Members {
			next, ok := r.groupAt[[2]string{g.Domain, groupKey(m.Name)}]
			if m.Kind != RefGroup || !ok {
				continue
			}
			switch state[next] {
			case 0:
				visit(next, path)
			case 1:
				from := slices.Index(path, r.groups[next].Name)
				r.add(r.in.Groups[i].File, r.in.Groups[i].Line, 0, colMembers, "groups hold each other: "+strings.Join(append(path[from:len(path):len(path)], r.groups[next].Name), " → "), "take one of them out of the other")
			}
		}
		state[i] = 2
	}
	for i := range r.groups {
		if state[i] == 0 {
			visit(i, nil)
		}
	}
}

// readRights looks up whom rights.csv names.
func (r *resolved) readRights() {
	if len(r.in.Rights) > 0 && r.in.Policy.Shares.Rights == RightsNone {
		first := r.in.Rights[0]
		r.add(first.File, first.Line, 0, "", "policy.shares.rights is none, and here are rights", "set it to csv, or remove the file")
	}
	for _, row := range r.in.Rights {
		r.right(row)
	}
}

func (r *resolved) right(row RightRow) {
	bad := func(field string) func(text, mend string) {
		return func(text, mend string) { r.add(row.File, row.Line, 0, field, text, mend) }
	}
	i, ok := r.people[row.Mailbox]
	if !ok {
		mend := "rights are set on mailboxes that are migrated; add the row, or remove this line"
		if near := r.near(row.Mailbox); near != "" {
			mend = "did you mean " + near + "?"
		}
		bad(colMailbox)(row.Mailbox+" is in no row of accounts.csv", mend)
		return
	}
	box := &r.in.Rows[i]
	if row.Grantee.Kind == "" { // decided: nothing
		r.rights[box.Address] = append(r.rights[box.Address], PlanRight{Mailbox: box.Address, Grantee: row.Grantee.PlanRef, From: fmt.Sprintf("rights.csv:%d", row.Line)})
		return
	}
	ref, ok := r.mention(row.Grantee, r.home(box.Address), bad(colGrantee))
	switch {
	case !ok:
		return
	case ref.Kind == RefShare:
		bad(colGrantee)(row.Grantee.Name+" is a share, and nobody acts as one", "name a user or a group")
		return
	case ref.Kind == RefExternal:
		bad(colGrantee)(row.Grantee.Name+" is in none of the domains, and BlueMind gives rights inside a domain only", "name a user or a group of "+r.home(box.Address))
		return
	case ref == PlanRef{RefUser, box.Address}:
		bad(colGrantee)(box.Address+" has every right on its own mailbox", "remove the line")
		return
	}
	same := func(p PlanRight) bool { return p.Grantee == ref }
	if k := slices.IndexFunc(r.rights[box.Address], same); k >= 0 { // by another of its addresses
		have := &r.rights[box.Address][k]
		have.Verbs = joinVerbs(have.Verbs, row.Verbs)
		return
	}
	r.rights[box.Address] = append(r.rights[box.Address], PlanRight{Mailbox: box.Address, Grantee: ref, Verbs: row.Verbs, From: fmt.Sprintf("rights.csv:%d", row.Line)})
}
