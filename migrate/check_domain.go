package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// domainFacts is what the target has for a domain of the rows.
type domainFacts struct {
	name      string        // on the target
	names     []string      // its aliases there, those that a run adds with them
	found     *bmapi.Domain // nil: it isn't there
	create    bool          // a run makes it
	failed    bool          // neither, or it could not be asked; told
	directory bool          // users come from LDAP or AD
	settings  map[string]string

	// Quotas of mailboxes that are made, KiB; 0: none.
	defaultQuota, maxQuota, defaultShareQuota, maxShareQuota int64

	newcomers map[string]int // users that a run makes, by type of account; guarded by checkup.mu
}

// has tells whether an address may lie under that name.
func (d *domainFacts) has(name string) bool {
	return name == d.name || slices.Contains(d.names, name) || d.found != nil && d.found.Has(name)
}

// relayed says where mail of users goes that are routed elsewhere.
func (d *domainFacts) relayed() string {
	return cmp.Or(d.settings[bmapi.SettingRelay], "another server")
}

// splitGroups are the domain's properties that name the directory's group
// whose members the import routes to the relay, and takes back when they leave
// it. The second is what the import from AD would call it.
var splitGroups = []string{"import_ldap_relay_mailbox_group", "import_ad_relay_mailbox_group"}

// routingMend says who decides about a user's routing.
func (d *domainFacts) routingMend() string {
	for _, p := range splitGroups {
		if group := d.found.Properties[p]; group != "" && d.settings[bmapi.SettingRelay] != "" {
			return fmt.Sprintf("when the user moves: take them out of the group %s of the directory, whose members BlueMind routes elsewhere; its import sets the routing to internal", group)
		}
	}
	return "when the user moves: set the mail routing to internal in BlueMind"
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
		c.found.add(checkDomain, Ok, few(known, 5)+" known", "")
	}
	c.domainsOfGroups(ctx)
	c.aliasesOfDomains(ctx)
}

// domainsOfGroups looks at the domains that groups alone name, before others
// read what is known of all.
func (c *checkup) domainsOfGroups(ctx context.Context) {
	for _, g := range c.wish.groups {
		if g.Domain == "" || c.domains[g.Domain] != nil || ctx.Err() != nil {
			continue // refused as a row of groups.csv, or looked at
		}
		d := c.lookAtDomain(ctx, g.Domain)
		c.domains[g.Domain] = d
		if d.found == nil && !d.create && !d.failed {
			c.found.add(checkDomain, Blocker, fmt.Sprintf("domain %s of group %s is unknown in BlueMind", d.name, g.Name),
				fmt.Sprintf("create it in BlueMind, or let a run do it: domains: [{name: %s, create: true}] in bmsync.yaml", g.Domain))
		}
	}
}

// aliasesOfDomains makes sure that no other domain has an alias that a run
// will give to one.
func (c *checkup) aliasesOfDomains(ctx context.Context) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.domains)) {
		d, want := c.domains[name], c.planned(name)
		if seen[want.Name] || d.failed || d.found == nil && !d.create || d.found != nil && !c.Policy.Users.Update {
			continue
		}
		seen[want.Name] = true
		for _, alias := range want.Aliases {
			alias = c.Target.domain(alias)
			if alias == d.name || d.found != nil && d.found.Has(alias) {
				continue
			}
			other, err := c.platform.admin.LookupDomain(ctx, alias)
			switch {
			case errors.Is(err, bmapi.ErrNotFound):
			case err != nil:
				c.found.add(checkDomain, Blocker, fmt.Sprintf("alias %s of %s could not be looked for: %v", alias, d.name, err), "run bmsync check again")
			case d.found == nil || other.UID != d.found.UID:
				c.found.add(checkDomain, Blocker, fmt.Sprintf("alias %s of %s is a name of another domain in BlueMind (%s)", alias, d.name, other.UID),
					"take it away from one of the two: in BlueMind, or under domains: in bmsync.yaml")
			}
		}
	}
}

func (c *checkup) lookAtDomain(ctx context.Context, name string) *domainFacts {
	want := c.planned(name)
	d := &domainFacts{name: c.Target.domain(name), newcomers: map[string]int{}}
	for _, alias := range want.Aliases {
		d.names = append(d.names, c.Target.domain(alias))
	}
	admin := c.platform.admin
	var err error
	d.found, err = admin.LookupDomain(ctx, d.name)
	if errors.Is(err, bmapi.ErrNotFound) && want.Name != name && c.Policy.Users.Update {
		// An alias that the configuration has and BlueMind has not yet.
		if d.found, err = admin.LookupDomain(ctx, c.Target.domain(want.Name)); err == nil {
			c.found.add(checkDomain, Ok, fmt.Sprintf("alias %s will be added to %s by a run", d.name, c.Target.domain(want.Name)), "")
		}
	}
	switch {
	case errors.Is(err, bmapi.ErrNotFound):
		d.found, d.create = nil, want.Create
		d.limitsOf(want)
		if want.Create {
			c.found.add(checkDomain, Ok, d.name+" will be created by a run", "")
		}
		return d
	case err != nil:
		d.found, d.failed = nil, true
		c.found.add(checkDomain, Blocker, fmt.Sprintf("domain %s could not be looked for: %v", d.name, err), "run bmsync check again")
		return d
	}
	d.directory = objects.IsDirectoryDomain(d.found)
	if servers, err := admin.MailServers(ctx, d.found.UID); err == nil && len(servers) == 0 && !want.Create {
		d.failed = true
		c.found.add(checkDomain, Blocker, fmt.Sprintf("domain %s has no server that keeps its mail", d.name),
			fmt.Sprintf("assign one in BlueMind's console, or let a run do it: domains: [{name: %s, create: true}] in bmsync.yaml", name))
	}
	if d.settings, err = admin.Settings(ctx, d.found.UID); err == nil { // without them BlueMind's own refusal remains
		d.defaultQuota, d.maxQuota = kib(d.settings[bmapi.SettingDefaultUserQuota]), kib(d.settings[bmapi.SettingMaxUserQuota])
		d.defaultShareQuota, d.maxShareQuota = kib(d.settings[bmapi.SettingDefaultShareQuota]), kib(d.settings[bmapi.SettingMaxShareQuota])
	}
	if c.Policy.Users.Update {
		d.limitsOf(want)
	}
	return d
}

// limitsOf takes the quotas that a run will set.
func (d *domainFacts) limitsOf(want PlanDomain) {
	for to, from := range map[*int64]*int64{&d.defaultQuota: want.UserQuotaKiB, &d.maxQuota: want.UserQuotaMaxKiB,
		&d.defaultShareQuota: want.ShareQuotaKiB, &d.maxShareQuota: want.ShareQuotaMaxKiB} {
		if from != nil {
			*to = *from
		}
	}
}

// kib reads a quota of a domain's settings; what isn't one is none.
func kib(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// elsewhere is what BlueMind refuses beside what it has in a domain itself: an
// address that is the main one of an entry in any other domain of the
// installation, be it somebody's contact outside (MailboxStore.emailAlreadyUsed).
type elsewhere struct {
	known  map[string][]string // main address → uids of the domains that have it
	failed error
}

// gather reads the main addresses of all domains, and keeps those under the
// names that rows use.
func (c *checkup) gather(ctx context.Context) elsewhere {
	e := elsewhere{known: map[string][]string{}}
	domains, err := c.platform.admin.Domains(ctx)
	if err != nil {
		return elsewhere{failed: err}
	}
	domains = slices.DeleteFunc(domains, func(d *bmapi.Domain) bool { return d.Global || d.UID == bmapi.GlobalDomain })
	ours, names := map[string]bool{}, map[string]bool{}
	for _, d := range c.domains {
		all := append([]string{d.name}, d.names...)
		uid := "" // of one that is to be made
		if d.found != nil {
			uid, all = d.found.UID, append(append(all, d.found.Name), d.found.Aliases...)
		}
		ours[uid] = true
		for _, name := range all {
			names[name] = true
		}
	}
	for _, d := range domains {
		if len(ours) == 1 && ours[d.UID] {
			continue // what it has is looked for by address
		}
		for entry, err := range c.platform.admin.Entries(ctx, d.UID, bmapi.DirQuery{WithSystem: true}) {
			if err != nil {
				return elsewhere{failed: err}
			}
			address := strings.ToLower(entry.Email)
			if _, name, _ := strings.Cut(address, "@"); names[name] {
				e.known[address] = append(e.known[address], d.UID)
			}
		}
	}
	return e
}

// nobodysElsewhere makes sure that no other domain has one of the addresses
// that a mailbox is to get.
func (a *accountCheck) nobodysElsewhere(ctx context.Context, addresses ...string) (bool, error) {
	a.elsewhereOnce.Do(func() { a.elsewhere = a.gather(ctx) })
	if a.elsewhere.failed != nil {
		return false, fmt.Errorf("addresses of other domains: %w", a.elsewhere.failed)
	}
	for _, address := range addresses {
		address = a.Target.Address(address)
		for _, uid := range a.elsewhere.known[address] {
			if a.domain.found != nil && uid == a.domain.found.UID {
				continue
			}
			a.find(checkElsewhere, Blocker, "an address is the main one of somebody in another domain of the installation, which BlueMind refuses",
				"take it away there, or give the row another address", fmt.Sprintf("%s: domain %s", address, uid))
			return false, nil
		}
	}
	a.find(checkElsewhere, Ok, "none of the new addresses", "", "")
	return true, nil
}
