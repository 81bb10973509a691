package migrate

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// formerPlan is the plan that is about to be replaced; its zero value is none.
type formerPlan struct {
	plan     *Plan
	accounts map[string]formerAccount // by key
}

type formerAccount struct {
	digest string
	writer string // of a share
	rights uint64
	offset int64
}

func (f formerPlan) close() {
	if f.plan != nil {
		f.plan.Close() // it was only read
	}
}

// previous reads the plan that is there. One that can't be read has nothing to
// say.
func (b *planBuilder) previous() formerPlan {
	plan, err := OpenPlan(b.Path)
	if err != nil {
		return formerPlan{}
	}
	f := formerPlan{plan: plan, accounts: map[string]formerAccount{}}
	for a, err := range plan.heads() {
		if err != nil {
			f.close()
			return formerPlan{}
		}
		f.accounts[a.Key()] = formerAccount{a.Digest, a.Writer, a.rightsSum, a.offset}
	}
	return f
}

// keep gives an account that can't be looked at now what was decided for it
// before, so that a source which is down for an hour undoes no plan. It
// returns the rights of then.
func (f formerPlan) keep(a *PlanAccount, p Policy) []PlanRight {
	a.Folders = nil
	before, ok := f.accounts[a.Key()]
	if !ok || f.plan.Header.PolicyDigest != p.Digest() {
		return nil
	}
	was, err := f.plan.at(before.offset)
	if err != nil || !reflect.DeepEqual(was.Exception, a.Exception) {
		return nil
	}
	a.Folders, a.Survey = was.Folders, was.Survey
	return was.Rights
}

// diff tells how an account changed against the plan that was there.
func (r *PlanResult) diff(old formerPlan, a *PlanAccount) {
	if old.plan == nil {
		return
	}
	switch before, ok := old.accounts[a.Key()]; {
	case !ok:
		r.Changes = append(r.Changes, "new: "+a.Address)
	case before.digest != a.Digest:
		r.Changes = append(r.Changes, "decided otherwise: "+a.Address)
	case before.rights != a.rightsSum:
		r.Changes = append(r.Changes, "other rights on: "+a.Address)
	}
}

func (r *PlanResult) gone(old formerPlan, seen map[string]bool) {
	var gone []string
	for key := range old.accounts {
		if !seen[key] {
			gone = append(gone, "no longer planned: "+key[strings.LastIndexByte(key, 0)+1:])
		}
	}
	slices.Sort(gone)
	r.Changes = append(r.Changes, gone...)
}

// diffGroup tells how a group changed.
func (r *PlanResult) diffGroup(old formerPlan, g PlanGroup) {
	if old.plan == nil {
		return
	}
	i := slices.IndexFunc(old.plan.Groups, func(was PlanGroup) bool { return was.Name == g.Name && was.Domain == g.Domain })
	switch {
	case i < 0:
		r.Changes = append(r.Changes, "new group: "+g.Name+"@"+g.Domain)
	case !sameGroup(old.plan.Groups[i], g):
		r.Changes = append(r.Changes, "another group: "+g.Name+"@"+g.Domain)
	}
}

// sameGroup compares groups, members in whatever order.
func sameGroup(a, b PlanGroup) bool {
	sorted := func(members []PlanRef) []PlanRef {
		return slices.SortedFunc(slices.Values(members), func(x, y PlanRef) int {
			return cmp.Or(strings.Compare(x.Kind, y.Kind), strings.Compare(x.Name, y.Name))
		})
	}
	same := slices.Equal(sorted(a.Members), sorted(b.Members))
	a.Members, b.Members, a.Line, b.Line = nil, nil, "", ""
	return same && reflect.DeepEqual(a, b)
}

func (r *PlanResult) goneGroups(old formerPlan, groups []PlanGroup) {
	if old.plan == nil {
		return
	}
	for _, was := range old.plan.Groups {
		if !slices.ContainsFunc(groups, func(g PlanGroup) bool { return was.Name == g.Name && was.Domain == g.Domain }) {
			r.Changes = append(r.Changes, "no longer planned: group "+was.Name+"@"+was.Domain)
		}
	}
}
