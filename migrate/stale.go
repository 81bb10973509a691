package migrate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Stale is what the files say otherwise than a plan, which is what a run goes by.
type Stale struct {
	Rows    []string // addresses of rows that say otherwise, with what
	Gone    []string // addresses in the plan that no row has any more
	Groups  []string // by name
	Domains []string // by name
}

// Stale compares the inputs with a plan. Rows that the plan lacks are not told:
// an exception may skip them.
func (in Inputs) Stale(p *Plan) (s Stale, err error) {
	r := in.resolve()
	rows := r.byKey()
	for a, err := range p.Accounts() {
		if err != nil {
			return s, err
		}
		if i, ok := rows[a.Key()]; !ok {
			s.Gone = append(s.Gone, a.Address)
		} else if fields := r.otherwise(&r.in.Rows[i], a); len(fields) > 0 {
			s.Rows = append(s.Rows, a.Address+" ("+strings.Join(fields, ", ")+")")
		}
	}
	s.Groups, s.Domains = r.staleGroups(p), r.staleDomains(p)
	return s, nil
}

// byKey finds rows as a plan knows them.
func (r *resolved) byKey() map[string]int {
	rows := make(map[string]int, len(r.in.Rows))
	for i, row := range r.in.Rows {
		rows[planKey(row)] = i
	}
	return rows
}

// otherwise names what a row says of its account, and the plan doesn't.
func (r *resolved) otherwise(row *Row, a *PlanAccount) (fields []string) {
	now := r.account(row)
	differs := func(name string, same bool) {
		if !same {
			fields = append(fields, name)
		}
	}
	differs("login", now.Login == a.Login)
	differs("display_name", now.DisplayName == a.DisplayName)
	differs("first_name", now.FirstName == a.FirstName)
	differs("last_name", now.LastName == a.LastName)
	differs("label", now.Label == a.Label)
	differs("aliases", slices.Equal(now.Aliases, a.Aliases))
	differs("groups", slices.Equal(now.Groups, a.Groups))
	differs("account_type", row.AccountType == "" || row.AccountType == a.AccountType)
	differs("data_location", now.DataLocation == a.DataLocation)
	differs("wave", now.Wave == a.Wave)
	differs("writer", now.Writer == "" || now.Writer == a.Writer)
	differs("new_password", (now.Password == GivenPassword) == (a.Password == GivenPassword))
	if a.QuotaFrom == "accounts.csv" || now.QuotaStated {
		differs("quota", now.QuotaKiB == a.QuotaKiB && now.QuotaStated == a.QuotaStated)
	}
	differs("rights", slices.Equal(fromFile(r.rights[row.Address]), fromFile(a.Rights)))
	return fields
}

// fromFile are the rights that rights.csv gives, in an order that can be
// compared.
func fromFile(list []PlanRight) (out []string) {
	for _, r := range list {
		if strings.HasPrefix(r.From, "rights.csv") && len(r.Verbs) > 0 {
			out = append(out, fmt.Sprint(r.Grantee, slices.Sorted(slices.Values(r.Verbs))))
		}
	}
	slices.Sort(out)
	return out
}

// staleGroups names groups that groups.csv has otherwise than a plan, or only one
// of the two.
func (r *resolved) staleGroups(p *Plan) (names []string) {
	for _, g := range r.groups {
		if !slices.ContainsFunc(p.Groups, func(was PlanGroup) bool { return was.Name == g.Name && was.Domain == g.Domain && sameGroup(was, g) }) {
			names = append(names, g.Name)
		}
	}
	for _, was := range p.Groups {
		if !slices.ContainsFunc(r.groups, func(g PlanGroup) bool { return was.Name == g.Name && was.Domain == g.Domain }) {
			names = append(names, was.Name)
		}
	}
	return names
}

// staleDomains names domains that bmsync.yaml has otherwise than a plan.
func (r *resolved) staleDomains(p *Plan) (names []string) {
	for _, d := range r.in.Domains {
		if !slices.ContainsFunc(p.Domains, func(was PlanDomain) bool { return reflect.DeepEqual(plainDomain(was), plainDomain(d)) }) {
			names = append(names, d.Name)
		}
	}
	return names
}

// plainDomain is a domain as it can be compared.
func plainDomain(d PlanDomain) PlanDomain {
	if d.Line = ""; len(d.Aliases) == 0 {
		d.Aliases = nil
	}
	return d
}
