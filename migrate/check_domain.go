package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bmsync/bmapi"
)

// domainFacts is what the target has for a domain of the rows.
type domainFacts struct {
	name   string        // on the target
	found  *bmapi.Domain // nil: it isn't there
	create bool          // a run makes it
	failed bool          // neither, or it could not be asked; told

	defaultQuota, maxQuota int64 // KiB, of users that are made; 0: none
}

// planned finds what is decided for a domain, by its name or an alias.
func (c *checkup) planned(name string) PlanDomain {
	domains := slices.Clone(c.Domains)
	if c.Plan != nil {
		domains = append(slices.Clone(c.Plan.Domains), domains...)
	}
	for _, d := range domains {
		if d.Name == name || slices.Contains(d.Aliases, name) {
			return d
		}
	}
	return PlanDomain{Name: name}
}

// lookAtDomains is rule 5: each address lies in a domain of the target, by name
// or alias, or in one that a run makes.
func (c *checkup) lookAtDomains(ctx context.Context) {
	var known []string
	for i, row := range c.Rows {
		_, name, _ := strings.Cut(row.Address, "@")
		d := c.domains[name]
		if d == nil {
			if ctx.Err() != nil {
				return
			}
			d = c.lookAtDomain(ctx, name)
			c.domains[name] = d
			if d.found != nil && !d.failed {
				known = append(known, d.name)
			}
		}
		if d.found == nil && !d.create && !d.failed {
			c.found.account(checkDomain, Blocker, fmt.Sprintf("domain %s is unknown in BlueMind", d.name),
				fmt.Sprintf("create it in BlueMind, or let a run do it: domains: [{name: %s, create: true}] in bmsync.yaml", name), c.member(i, ""))
		}
	}
	if len(known) > 0 {
		text := strings.Join(known[:min(len(known), 5)], ", ")
		if len(known) > 5 {
			text += fmt.Sprintf(" and %d more", len(known)-5)
		}
		c.found.add(checkDomain, Ok, text+" known", "")
	}
}

func (c *checkup) lookAtDomain(ctx context.Context, name string) *domainFacts {
	want := c.planned(name)
	d := &domainFacts{name: c.Target.domain(name)}
	admin := c.platform.admin
	var err error
	d.found, err = admin.LookupDomain(ctx, d.name)
	switch {
	case errors.Is(err, bmapi.ErrNotFound):
		d.found, d.create = nil, want.Create
		if want.Create {
			c.found.add(checkDomain, Ok, d.name+" will be created by a run", "")
		}
		return d
	case err != nil:
		d.found, d.failed = nil, true
		c.found.add(checkDomain, Blocker, fmt.Sprintf("domain %s could not be looked for: %v", d.name, err), "run bmsync check again")
		return d
	}
	if servers, err := admin.MailServers(ctx, d.found.UID); err == nil && len(servers) == 0 && !want.Create {
		d.failed = true
		c.found.add(checkDomain, Blocker, fmt.Sprintf("domain %s has no server that keeps its mail", d.name),
			fmt.Sprintf("assign one in BlueMind's console, or let a run do it: domains: [{name: %s, create: true}] in bmsync.yaml", name))
	}
	if settings, err := admin.Settings(ctx, d.found.UID); err == nil { // without them BlueMind's own refusal remains
		d.defaultQuota, d.maxQuota = kib(settings[bmapi.SettingDefaultUserQuota]), kib(settings[bmapi.SettingMaxUserQuota])
	}
	return d
}

// kib reads a quota of a domain's settings; what isn't one is none.
func kib(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}
