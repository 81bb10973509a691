package migrate

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// mailNames are the domains and aliases that people of the accounts have addresses
// in, as the target has them.
func (c *checkup) mailNames() []string {
	seen := map[string]bool{}
	for name, facts := range c.domains {
		planned := c.planned(name)
		for _, n := range append([]string{name, planned.Name}, planned.Aliases...) {
			seen[c.Target.domain(n)] = true
		}
		if facts.found != nil {
			for _, n := range append([]string{facts.found.Name}, facts.found.Aliases...) {
				seen[n] = true
			}
		}
	}
	var out []string
	for n := range seen {
		if n = strings.ToLower(n); inDNS(n) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// inDNS says whether a domain's name may be known outside of BlueMind.
func inDNS(name string) bool {
	return strings.Contains(name, ".") && !strings.HasSuffix(name, ".internal") && !strings.HasSuffix(name, ".virt")
}

// discover is rule 20: where autodiscover leads for each name. Before the DNS
// change it leads elsewhere by construction, and on a rehearsal's server it
// never will.
func (c *checkup) discover(ctx context.Context) {
	if c.Phase == PhaseRehearsal {
		c.found.add(checkAutodiscover, Later, "looked at on the server that people will use", "")
		return
	}
	a := &autodiscoverer{net: c.Network.withDefaults(), here: selfPortrait{hosts: map[string]bool{}, addresses: map[string]bool{}}}
	if c.Target.TLS != nil {
		a.roots = c.Target.TLS.RootCAs
	}
	limited, cancel := context.WithTimeout(ctx, autodiscoverTime)
	defer cancel()
	known := c.knownAs(ctx)
	for _, u := range known {
		a.here.hosts[strings.ToLower(u.Hostname())] = true
	}
	if err := a.portray(limited, known[0]); err != nil {
		c.found.add(checkAutodiscover, Skipped, "what this server itself answers could not be found out: "+err.Error(), "write https:// in url of target "+c.Target.Name)
		return
	}
	names := c.mailNames()
	looks := a.lookAll(limited, names)
	if ctx.Err() != nil {
		return
	}
	c.judgeAutodiscover(a, looks)
	if c.Phase != PhaseAfterDNS {
		return
	}
	for _, u := range known[1:] {
		if look := a.try(limited, u.Hostname()); !look.Leads {
			c.found.add(checkAutodiscover, Warning, fmt.Sprintf("%s, which BlueMind gives to people as its own name, does not lead to this server: %s", u.Hostname(), look.Problem),
				"correct the DNS, or the external URL in BlueMind's console")
		}
	}
}

// knownAs are the URLs that are this server's: the target's first, and those
// that BlueMind gives to people.
func (c *checkup) knownAs(ctx context.Context) []*url.URL {
	hosts := []string{c.Target.URL, c.facts.ExternalURL}
	for _, facts := range c.domains {
		if facts.found == nil {
			continue
		}
		if settings, err := c.platform.admin.Settings(ctx, facts.found.UID); err == nil { // without them the installation's name counts
			hosts = append(hosts, settings["external_url"])
		}
	}
	var out []*url.URL
	for _, host := range hosts {
		if host != "" && !strings.Contains(host, "://") {
			host = "https://" + host
		}
		u, err := url.Parse(host)
		if err != nil || u.Hostname() == "" || slices.ContainsFunc(out, func(have *url.URL) bool { return have.Host == u.Host }) {
			continue
		}
		out = append(out, u)
	}
	return out
}

// judgeAutodiscover says what all looks come to.
func (c *checkup) judgeAutodiscover(a *autodiscoverer, looks []Autodiscover) {
	lead, untried := 0, 0
	for _, look := range looks {
		if len(look.URLs) == 0 {
			untried++
			continue
		}
		c.facts.Autodiscover = append(c.facts.Autodiscover, look)
		if look.Leads {
			lead++
		}
	}
	if untried > 0 {
		c.found.add(checkAutodiscover, Skipped, fmt.Sprintf("%d names were not looked at, for it took too long", untried), "run bmsync check again, from a place that reaches the internet")
	}
	if len(looks) == 0 {
		c.found.add(checkAutodiscover, Moot, "no account has an address in a domain of the DNS", "")
		return
	}
	if c.Phase != PhaseAfterDNS {
		text := fmt.Sprintf("leads to this server for %d of %d names; before the DNS change it can't be otherwise", lead, len(looks))
		if lead == len(looks) {
			text = fmt.Sprintf("leads to this server for all %d names", lead)
		}
		c.found.add(checkAutodiscover, Later, text, "after the DNS change: restart bm-mapi, then bmsync check --target "+c.Target.Name+" --phase after-dns")
		return
	}
	c.judgeAfterDNS(a, looks, lead)
}

func (c *checkup) judgeAfterDNS(a *autodiscoverer, looks []Autodiscover, lead int) {
	const restart = "correct the DNS, then restart bm-mapi: systemctl restart bm-mapi (it matters where Outlook is used without the connector)"
	if lead > 0 {
		c.found.add(checkAutodiscover, Ok, fmt.Sprintf("leads to this server for %d of %d names", lead, len(looks)), "")
	} else {
		c.found.add(checkAutodiscover, Warning, "leads to this server for no name at all: bm-mapi will not start", restart)
	}
	say := func(i int, text, mend, note string) {
		c.found.account(checkAutodiscover, Warning, text, mend, member{row: i, address: looks[i].Domain, note: note})
	}
	for i, look := range looks {
		if len(look.URLs) == 0 {
			continue
		}
		if !look.Leads {
			say(i, "does not lead to this server", restart, look.URLs[0].Problem+"; autodiscover."+look.Domain+": "+look.URLs[1].Problem)
		}
		var unusable []string
		for _, u := range look.URLs {
			if u.Leads && u.Problem != "" {
				unusable = append(unusable, u.URL+": "+u.Problem)
			}
		}
		if len(unusable) > 0 {
			say(i, "leads to this server, and Outlook can't use it", "give the server a certificate for that name, or start bm-mapi", strings.Join(unusable, "; "))
		}
		elsewhere := slices.DeleteFunc(slices.Clone(look.SRV), func(target string) bool {
			host, _, _ := net.SplitHostPort(target)
			return a.here.isHost(host) || host == "autodiscover."+look.Domain && look.Leads
		})
		switch {
		case look.SRVErr != "":
			say(i, "its SRV record could not be looked up", "run bmsync check again", look.SRVErr)
		case len(elsewhere) > 0:
			say(i, "its SRV record _autodiscover._tcp leads elsewhere", "correct the record", strings.Join(elsewhere, ", "))
		case len(look.SRV) == 0:
			say(i, "has no SRV record _autodiscover._tcp", "add it: _autodiscover._tcp.DOMAIN SRV 0 0 443 "+c.hostName(), "")
		}
	}
}

// hostName is the name that people know this server by.
func (c *checkup) hostName() string {
	if c.facts.ExternalURL != "" {
		return strings.TrimPrefix(strings.TrimPrefix(c.facts.ExternalURL, "https://"), "http://")
	}
	u, err := url.Parse(c.Target.URL)
	if err != nil {
		return c.Target.URL
	}
	return u.Hostname()
}
