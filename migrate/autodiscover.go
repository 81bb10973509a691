package migrate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Autodiscover is what was found for one domain or alias.
type Autodiscover struct {
	Domain string            `json:"domain"`
	Leads  bool              `json:"leads"` // to this server, by one of the URLs
	URLs   []AutodiscoverURL `json:"urls"`
	SRV    []string          `json:"srv,omitempty"` // host:port, in the order of priority
	SRVErr string            `json:"srv_error,omitempty"`
}

// AutodiscoverURL is what one address answered.
type AutodiscoverURL struct {
	URL      string `json:"url"`
	Leads    bool   `json:"leads"`              // to this server
	By       string `json:"by,omitempty"`       // how that is known: address, certificate, redirect
	Status   int    `json:"status,omitempty"`   // of HTTP; 401 is as it should be
	Redirect string `json:"redirect,omitempty"` // where it sends to
	Problem  string `json:"problem,omitempty"`
}

// Bounds of a look: of one try, of all of them, and of how many names are
// looked at together. Behind a firewall that swallows everything, each try
// takes its whole time.
const (
	autodiscoverTry   = 10 * time.Second
	autodiscoverTime  = 2 * time.Minute
	autodiscoverWidth = 16
)

const autodiscoverPath = "/autodiscover/autodiscover.xml"

// withDefaults fills in the system's resolver and dialer.
func (n Network) withDefaults() Network {
	if n.LookupHost == nil {
		n.LookupHost = net.DefaultResolver.LookupHost
	}
	if n.LookupSRV == nil {
		n.LookupSRV = net.DefaultResolver.LookupSRV
	}
	if n.Dial == nil {
		n.Dial = (&net.Dialer{}).DialContext
	}
	return n
}

// autodiscoverer looks for where Outlook is led to.
type autodiscoverer struct {
	net   Network
	roots *x509.CertPool // nil: the system's
	here  selfPortrait
}

// selfPortrait is by what this server is recognised. Only the target's own URL
// is asked for it: the names that people use may lead to the old server until
// the DNS change.
type selfPortrait struct {
	hosts       map[string]bool // names that are the server's, wherever they lead now
	addresses   map[string]bool
	certificate [sha256.Size]byte
	manner      string // how it answers a request for autodiscover
}

// recognises says how a server is known to be this one, "" if it isn't. Where
// only the certificate is the same, the answer must be, too: a certificate for
// all names of a domain may be on the old server as well.
func (p *selfPortrait) recognises(address string, certificate *x509.Certificate, manner string) (by string) {
	switch {
	case p.addresses[address]:
		return "address"
	case certificate != nil && sha256.Sum256(certificate.Raw) == p.certificate && manner == p.manner:
		return "certificate"
	}
	return ""
}

func (p *selfPortrait) isHost(name string) bool {
	return p.hosts[strings.ToLower(strings.TrimSuffix(name, "."))]
}

// mannerOf is what tells one server's answer from another's.
func mannerOf(res *http.Response) string {
	return fmt.Sprint(res.StatusCode, res.Header["Server"], res.Header["Www-Authenticate"])
}

// portray learns how this server looks at the target's own URL.
func (a *autodiscoverer) portray(ctx context.Context, u *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, autodiscoverTry)
	defer cancel()
	addresses, err := a.net.LookupHost(ctx, u.Hostname())
	if err != nil {
		return err
	}
	for _, address := range addresses {
		a.here.addresses[address] = true
	}
	conn, _, err := a.connect(ctx, u.Hostname(), addresses, cmp.Or(u.Port(), "443"))
	if err != nil {
		return err
	}
	if leaf := leafOf(conn); leaf != nil {
		a.here.certificate = sha256.Sum256(leaf.Raw)
	}
	res, err := a.get(ctx, conn, "https://"+u.Hostname()+autodiscoverPath) // closes the connection
	if err == nil {
		a.here.manner = mannerOf(res)
	}
	return err
}

// connect opens a TLS connection to the first of the addresses that answers.
// Whether its certificate is good for the name is looked at afterwards: no
// secret is sent.
func (a *autodiscoverer) connect(ctx context.Context, host string, addresses []string, port string) (*tls.Conn, string, error) {
	var failed error
	for _, address := range addresses[:min(len(addresses), 4)] {
		conn, err := a.net.Dial(ctx, "tcp", net.JoinHostPort(address, port))
		if err != nil {
			failed = err
			continue
		}
		secure := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, address, err
		}
		return secure, address, nil
	}
	return nil, "", failed
}

func leafOf(conn *tls.Conn) *x509.Certificate {
	if chain := conn.ConnectionState().PeerCertificates; len(chain) > 0 {
		return chain[0]
	}
	return nil
}

// look tries everything that Outlook, and bm-mapi at its start, try for one
// domain.
func (a *autodiscoverer) look(ctx context.Context, domain string) Autodiscover {
	d := Autodiscover{Domain: domain}
	for _, host := range []string{domain, "autodiscover." + domain} {
		u := a.try(ctx, host)
		d.Leads = d.Leads || u.Leads
		d.URLs = append(d.URLs, u)
	}
	ctx, cancel := context.WithTimeout(ctx, autodiscoverTry)
	defer cancel()
	_, records, err := a.net.LookupSRV(ctx, "autodiscover", "tcp", domain)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		err = nil // there is none
	}
	if err != nil {
		d.SRVErr = err.Error()
	}
	for _, r := range records {
		d.SRV = append(d.SRV, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), fmt.Sprint(r.Port)))
	}
	return d
}

// try asks one URL.
func (a *autodiscoverer) try(ctx context.Context, host string) AutodiscoverURL {
	u := AutodiscoverURL{URL: "https://" + host + autodiscoverPath}
	ctx, cancel := context.WithTimeout(ctx, autodiscoverTry)
	defer cancel()
	addresses, err := a.net.LookupHost(ctx, host)
	if err != nil || len(addresses) == 0 {
		u.Problem = "no address in DNS"
		if missing, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !missing.IsNotFound) {
			u.Problem = "DNS: " + err.Error()
		}
		return u
	}
	conn, address, err := a.connect(ctx, host, addresses, "443")
	if err != nil {
		u.Problem = err.Error()
		return u
	}
	leaf, chain := leafOf(conn), conn.ConnectionState().PeerCertificates
	res, err := a.get(ctx, conn, u.URL) // closes the connection
	if err != nil {
		u.Problem = err.Error()
		return u
	}
	u.By = a.here.recognises(address, leaf, mannerOf(res))
	u.Leads = u.By != ""
	u.judge(res, &a.here, a.verify(host, chain))
	return u
}

// get sends one request over a connection, and reads no more than the answer's
// head.
func (a *autodiscoverer) get(ctx context.Context, conn *tls.Conn, address string) (*http.Response, error) {
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return res, res.Body.Close()
}

// verify says what is wrong with a certificate for a name, nil if nothing is.
func (a *autodiscoverer) verify(host string, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("there is none")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: a.roots, Intermediates: between})
	return err
}

// judge reads an answer: where it leads, and whether Outlook can use it.
func (u *AutodiscoverURL) judge(res *http.Response, here *selfPortrait, trust error) {
	u.Status = res.StatusCode
	if location := res.Header.Get("Location"); res.StatusCode >= 300 && res.StatusCode < 400 && location != "" {
		u.Redirect = location
		to, err := url.Parse(location)
		there := err == nil && (to.Host == "" || here.isHost(to.Hostname()))
		switch {
		case there && !u.Leads && to.Host != "":
			u.Leads, u.By = true, "redirect"
		case !there:
			u.Leads, u.By, u.Problem = false, "", "sends to "+location
			return
		}
	}
	switch {
	case exchange(res.Header): // behind the same address, perhaps
		u.Leads, u.By, u.Problem = false, "", "an Exchange server answers"
	case !u.Leads:
		u.Problem = fmt.Sprintf("another server answers, with HTTP %d", res.StatusCode)
	case trust != nil:
		u.Problem = fmt.Sprintf("its certificate isn't good for that name: %v", trust)
	case res.StatusCode == http.StatusNotFound || res.StatusCode >= 500:
		u.Problem = fmt.Sprintf("this server answers HTTP %d: bm-mapi isn't installed, or doesn't run", res.StatusCode)
	}
}

// exchange recognises Microsoft's servers by what they add to each answer.
func exchange(h http.Header) bool {
	return strings.Contains(h.Get("Server"), "Microsoft-IIS") || h.Get("X-FEServer") != "" || h.Get("X-OWA-Version") != "" || h.Get("X-CalculatedBETarget") != ""
}

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
	looks := make([]Autodiscover, len(names))
	var g errgroup.Group
	g.SetLimit(autodiscoverWidth)
	for i, name := range names {
		if limited.Err() != nil {
			break
		}
		g.Go(func() error {
			if looks[i] = a.look(limited, name); limited.Err() != nil && !looks[i].Leads {
				looks[i] = Autodiscover{} // cut short: it says nothing
			}
			return nil // one name's failure never stops the others
		})
	}
	g.Wait()
	if ctx.Err() != nil {
		return
	}
	c.judgeAutodiscover(a, names, looks)
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
func (c *checkup) judgeAutodiscover(a *autodiscoverer, names []string, looks []Autodiscover) {
	lead, untried := 0, 0
	for i, look := range looks {
		if look.Domain == "" {
			looks[i].Domain, untried = names[i], untried+1
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
	if len(names) == 0 {
		c.found.add(checkAutodiscover, Moot, "no account has an address in a domain of the DNS", "")
		return
	}
	if c.Phase != PhaseAfterDNS {
		text := fmt.Sprintf("leads to this server for %d of %d names; before the DNS change it can't be otherwise", lead, len(names))
		if lead == len(names) {
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
		for _, u := range look.URLs {
			if u.Leads && u.Problem != "" {
				say(i, "leads to this server, and Outlook can't use it", "give the server a certificate for that name, or start bm-mapi", u.URL+": "+u.Problem)
			}
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
