package migrate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// stale tells what the files say otherwise than the plan, which is what a run
// goes by: who has mended accounts.csv after check told of it has to plan anew.
func (c *checkup) stale(row int, a *PlanAccount) {
	if fields := c.otherwise(&c.Rows[row], a); len(fields) > 0 {
		const text = "accounts.csv or rights.csv say otherwise than the plan, and a run goes by the plan"
		c.found.account(checkPlan, Warning, text, "bmsync plan", c.member(row, strings.Join(fields, ", ")))
		c.found.command(checkPlan, Warning, text, "bmsync plan")
	}
}

// otherwise names what a row says of its account, and the plan doesn't.
func (c *checkup) otherwise(row *Row, a *PlanAccount) (fields []string) {
	now := c.wish.account(row)
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
	differs("rights", slices.Equal(fromFile(c.wish.rights[row.Address]), fromFile(a.Rights)))
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

// staleObjects does so for groups and domains.
func (c *checkup) staleObjects() {
	say := func(what string, names []string) {
		if len(names) > 0 {
			text := fmt.Sprintf("%s otherwise than the plan, and a run goes by the plan: %s", what, few(names, 5))
			c.found.add(checkPlan, Warning, text, "bmsync plan")
			c.found.command(checkPlan, Warning, text, "bmsync plan")
		}
	}
	var groups, domains []string
	for _, g := range c.wish.groups {
		if !slices.ContainsFunc(c.Plan.Groups, func(was PlanGroup) bool { return was.Name == g.Name && was.Domain == g.Domain && sameGroup(was, g) }) {
			groups = append(groups, g.Name)
		}
	}
	for _, was := range c.Plan.Groups {
		if !slices.ContainsFunc(c.wish.groups, func(g PlanGroup) bool { return was.Name == g.Name && was.Domain == g.Domain }) {
			groups = append(groups, was.Name)
		}
	}
	for _, d := range c.Domains {
		if !slices.ContainsFunc(c.Plan.Domains, func(was PlanDomain) bool { return reflect.DeepEqual(plainDomain(was), plainDomain(d)) }) {
			domains = append(domains, d.Name)
		}
	}
	say("groups.csv says of groups", groups)
	say("bmsync.yaml says of domains", domains)
}

// plainDomain is a domain as it can be compared.
func plainDomain(d PlanDomain) PlanDomain {
	if d.Line = ""; len(d.Aliases) == 0 {
		d.Aliases = nil
	}
	return d
}
