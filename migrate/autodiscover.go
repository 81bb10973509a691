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
	failed := errors.New("no address in DNS")
	for _, address := range addresses[:min(len(addresses), 4)] {
		conn, err := a.net.Dial(ctx, "tcp", net.JoinHostPort(address, port))
		if err != nil {
			failed = err
			continue
		}
		// Not checked here, for a wrong certificate is to be told, not to end it.
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

// lookAll looks at many names together. Those for which there was no time have
// no URLs.
func (a *autodiscoverer) lookAll(ctx context.Context, names []string) []Autodiscover {
	looks := make([]Autodiscover, len(names))
	var g errgroup.Group
	g.SetLimit(autodiscoverWidth)
	for i, name := range names {
		looks[i].Domain = name
		if ctx.Err() != nil {
			continue
		}
		g.Go(func() error {
			if look := a.look(ctx, name); look.Leads || ctx.Err() == nil { // else it was cut short, and says nothing
				looks[i] = look
			}
			return nil // one name's failure never stops the others
		})
	}
	g.Wait()
	return looks
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
	req.Header.Set("User-Agent", "bmsync")
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
