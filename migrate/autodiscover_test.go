package migrate_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// offline is a network in which nothing is known.
var offline = migrate.Network{
	LookupHost: func(_ context.Context, host string) ([]string, error) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	},
	LookupSRV: func(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	},
	Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the test has no network")
	},
}

// internet is a network of names, addresses and web servers.
type internet struct {
	t     *testing.T
	hosts map[string]string           // name → address
	srv   map[string]string           // domain → host:port; "broken": an error
	at    map[string]*httptest.Server // by address
	asked atomic.Int32

	authority *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newInternet(t *testing.T) *internet {
	t.Helper()
	in := &internet{t: t, hosts: map[string]string{}, srv: map[string]string{}, at: map[string]*httptest.Server{}}
	in.authority, in.key = in.certificate(nil, nil, "authority")
	return in
}

// certificate makes one for names, signed by parent, or by itself.
func (in *internet) certificate(parent *x509.Certificate, signer *ecdsa.PrivateKey, names ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	in.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		in.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		in.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: parent == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		in.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		in.t.Fatal(err)
	}
	return parsed, key
}

// pair is a server's certificate for names.
func (in *internet) pair(names ...string) tls.Certificate {
	c, key := in.certificate(in.authority, in.key, names...)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// serve puts a web server at an address.
func (in *internet) serve(address string, pair tls.Certificate, handler http.HandlerFunc) {
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = nil
	s.StartTLS()
	in.t.Cleanup(s.Close)
	in.at[address] = s
}

func (in *internet) network() migrate.Network {
	return migrate.Network{
		LookupHost: func(ctx context.Context, host string) ([]string, error) {
			in.asked.Add(1)
			if address, ok := in.hosts[host]; ok {
				return []string{address}, nil
			}
			return offline.LookupHost(ctx, host)
		},
		LookupSRV: func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
			if service != "autodiscover" || proto != "tcp" {
				in.t.Errorf("asked for _%s._%s", service, proto)
			}
			target, ok := in.srv[name]
			if !ok {
				return offline.LookupSRV(ctx, service, proto, name)
			}
			if target == "broken" {
				return "", nil, errors.New("the server misbehaves")
			}
			return "", []*net.SRV{{Target: target + ".", Port: 443}}, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			s, ok := in.at[host]
			if !ok {
				return nil, fmt.Errorf("dial %s: connection refused", address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		},
	}
}

// asksPassword answers autodiscover as bm-mapi does.
func asksPassword(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/autodiscover/autodiscover.xml" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="bm"`)
	w.WriteHeader(http.StatusUnauthorized)
}

// here and elsewhere are addresses of the internet: of the target, and of the
// server of before.
const here, elsewhere = "192.0.2.1", "192.0.2.99"

// dnsWorld is a BlueMind with example.org and its alias example.net, known to
// people as mail.example.org, and an internet in which the DNS change is done.
func dnsWorld(t *testing.T) (*world, *internet) {
	t.Helper()
	w := newWorld(t, bmsim.Config{ExternalURL: "mail.example.org", Domains: []bmsim.Domain{{Name: domain, Aliases: []string{"example.net"}, Users: []bmsim.User{{Login: "ada"}}}}}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	in := newInternet(t)
	own := in.pair("*.example.org", "example.org", "*.example.net", "example.net")
	in.serve(here, own, asksPassword)
	in.serve("127.0.0.1", own, asksPassword) // the target's own URL leads there without DNS
	in.hosts["127.0.0.1"] = "127.0.0.1"
	in.hosts["localhost"] = "127.0.0.1"
	in.hosts["mail.example.org"] = "127.0.0.1"
	for _, name := range []string{"example.org", "example.net"} {
		in.hosts[name], in.hosts["autodiscover."+name] = "127.0.0.1", "127.0.0.1"
		in.srv[name] = "mail.example.org"
	}
	w.opts.Target.TLS.RootCAs.AddCert(in.authority)
	return w, in
}

func (in *internet) after(o *migrate.CheckOptions) {
	o.Phase, o.Network = migrate.PhaseAfterDNS, in.network()
}

func TestAutodiscoverAfterTheDNSChange(t *testing.T) {
	const alias = "example.net"
	tests := []struct {
		title string
		edit  func(*internet)
		text  string // "": all is well
		names []string
		note  string
	}{
		{title: "all is well", edit: func(*internet) {}},
		{title: "one of two addresses is enough", edit: func(in *internet) { delete(in.hosts, alias); delete(in.hosts, "autodiscover.example.org") }},
		{title: "by the certificate, where the address is another", edit: func(in *internet) { in.hosts[alias], in.hosts["autodiscover."+alias] = here, here }},
		{title: "a redirect to the server's own name", edit: func(in *internet) {
			in.serve(elsewhere, in.pair(alias, "autodiscover."+alias), func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://mail.example.org/autodiscover/autodiscover.xml", http.StatusFound)
			})
			in.hosts[alias], in.hosts["autodiscover."+alias] = elsewhere, elsewhere
		}},
		{title: "no address", edit: func(in *internet) { delete(in.hosts, alias); delete(in.hosts, "autodiscover."+alias) },
			text: "does not lead to this server", names: []string{alias}, note: "no address in DNS; autodiscover.example.net: no address in DNS"},
		{title: "another server", edit: func(in *internet) {
			in.serve(elsewhere, in.pair(alias), asksPassword)
			in.hosts[alias], in.hosts["autodiscover."+alias] = elsewhere, elsewhere
		}, text: "does not lead to this server", names: []string{alias}, note: "another server answers, with HTTP 401"},
		{title: "another server with the same certificate", edit: func(in *internet) {
			own := in.at[here].TLS.Certificates[0]
			in.serve(elsewhere, own, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
			in.hosts[alias], in.hosts["autodiscover."+alias] = elsewhere, elsewhere
		}, text: "does not lead to this server", names: []string{alias}, note: "another server answers"},
		{title: "Exchange behind the same address", edit: func(in *internet) {
			in.serve(here, in.pair("example.net"), func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-FEServer", "EX01")
				w.WriteHeader(http.StatusUnauthorized)
			})
			in.hosts[alias], in.hosts["autodiscover."+alias] = here, here
		}, text: "does not lead to this server", names: []string{alias}, note: "an Exchange server answers"},
		{title: "a redirect elsewhere", edit: func(in *internet) {
			in.serve(elsewhere, in.pair(alias), func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://autodiscover-s.outlook.com/", http.StatusFound)
			})
			in.hosts[alias], in.hosts["autodiscover."+alias] = elsewhere, elsewhere
		}, text: "does not lead to this server", names: []string{alias}, note: "sends to https://autodiscover-s.outlook.com/"},
		{title: "nobody listens", edit: func(in *internet) { in.hosts[alias], in.hosts["autodiscover."+alias] = "192.0.2.7", "192.0.2.7" },
			text: "does not lead to this server", names: []string{alias}, note: "connection refused"},
		{title: "a certificate for other names", edit: func(in *internet) {
			in.serve("127.0.0.1", in.pair("mail.example.org"), asksPassword)
		}, text: "Outlook can't use it", names: []string{alias, "example.org"}, note: "certificate isn't good for that name"},
		{title: "no bm-mapi", edit: func(in *internet) {
			in.serve("127.0.0.1", in.at[here].TLS.Certificates[0], http.NotFound)
		}, text: "Outlook can't use it", names: []string{alias, "example.org"}, note: "this server answers HTTP 404: bm-mapi isn't installed, or doesn't run"},
		{title: "no SRV record", edit: func(in *internet) { delete(in.srv, alias) }, text: "has no SRV record", names: []string{alias}},
		{title: "an SRV record elsewhere", edit: func(in *internet) { in.srv[alias] = "old.example.net" }, text: "leads elsewhere", names: []string{alias}, note: "old.example.net:443"},
		{title: "an SRV record that can't be asked for", edit: func(in *internet) { in.srv[alias] = "broken" }, text: "could not be looked up", names: []string{alias}, note: "misbehaves"},
		{title: "people's name leads elsewhere", edit: func(in *internet) {
			in.serve(elsewhere, in.pair("mail.example.org"), http.NotFound)
			in.hosts["mail.example.org"] = elsewhere
		}, text: "mail.example.org, which BlueMind gives to people as its own name, does not lead to this server: another server answers"},
	}
	for _, tt := range tests {
		t.Run(tt.title, func(t *testing.T) {
			w, in := dnsWorld(t)
			tt.edit(in)
			res := w.check(in.after)
			if tt.text == "" {
				silent(t, res, "autodiscover")
			} else {
				f := fires(t, res, "autodiscover", migrate.Warning, tt.text, tt.names...)
				if tt.note != "" && !strings.Contains(strings.Join(f.Notes, "\n"), tt.note) {
					t.Errorf("notes %q, want %q", f.Notes, tt.note)
				}
			}
			if len(res.Autodiscover) != 2 {
				t.Errorf("%+v", res.Autodiscover)
			}
		})
	}
}

func TestAutodiscoverForNobody(t *testing.T) {
	w, in := dnsWorld(t)
	for name := range in.srv {
		delete(in.hosts, name)
		delete(in.hosts, "autodiscover."+name)
	}
	res := w.check(in.after)
	fires(t, res, "autodiscover", migrate.Warning, "for no name at all: bm-mapi will not start")
	if f := fires(t, res, "autodiscover", migrate.Warning, "does not lead", "example.net", "example.org"); !strings.Contains(f.Mend, "systemctl restart bm-mapi") {
		t.Errorf("mend %q", f.Mend)
	}
}

// TestAutodiscoverNeedsTheServersOwnAnswer: without it nothing can be told.
func TestAutodiscoverNeedsTheServersOwnAnswer(t *testing.T) {
	for _, edit := range []func(*internet){func(in *internet) { delete(in.at, "127.0.0.1") }, func(in *internet) { delete(in.hosts, "127.0.0.1"); delete(in.hosts, "localhost") }} {
		w, in := dnsWorld(t)
		edit(in)
		res := w.check(in.after)
		fires(t, res, "autodiscover", migrate.Skipped, "what this server itself answers could not be found out")
		if len(res.Autodiscover) > 0 {
			t.Errorf("%+v", res.Autodiscover)
		}
	}
}

// TestAutodiscoverBeforeTheDNSChange: it can't be otherwise, so it is no
// warning; and the names that people use teach nothing of what this server is.
func TestAutodiscoverBeforeTheDNSChange(t *testing.T) {
	w, in := dnsWorld(t)
	in.serve(elsewhere, in.pair("*.example.org", "example.org"), asksPassword)
	for name := range in.hosts {
		if strings.Contains(name, "example") {
			in.hosts[name] = elsewhere
		}
	}
	res := w.check(func(o *migrate.CheckOptions) { o.Network = in.network() })
	if res.Phase != migrate.PhaseBefore {
		t.Errorf("phase %s", res.Phase)
	}
	f := fires(t, res, "autodiscover", migrate.Later, "for 0 of 2 names; before the DNS change it can't be otherwise")
	if !strings.Contains(f.Mend, "restart bm-mapi") || !strings.Contains(f.Mend, "--phase after-dns") {
		t.Errorf("mend %q", f.Mend)
	}
	if n := len(slices.DeleteFunc(slices.Clone(res.Findings), func(f migrate.Finding) bool { return f.ID != "autodiscover" })); n != 1 {
		t.Errorf("%d findings of autodiscover: %s", n, described(res))
	}
}

func TestAutodiscoverIsNotLookedForOnARehearsal(t *testing.T) {
	w, in := dnsWorld(t)
	w.opts.Target = w.target("test", w.sim, true)
	res := w.check(func(o *migrate.CheckOptions) { o.Network = in.network() })
	fires(t, res, "autodiscover", migrate.Later, "on the server that people will use")
	if n := in.asked.Load(); n > 0 {
		t.Errorf("DNS was asked %d times", n)
	}
}

// TestAutodiscoverOfDomainsOfGroups: a domain that groups alone name is looked
// for, too, whichever is done first.
func TestAutodiscoverOfDomainsOfGroups(t *testing.T) {
	w, in := dnsWorld(t)
	if err := putDomain(w, "groups.org"); err != nil {
		t.Fatal(err)
	}
	res := w.check(in.after, func(o *migrate.CheckOptions) {
		o.Domains = []migrate.PlanDomain{{Name: domain}, {Name: "groups.org"}}
		o.Groups = []migrate.Group{{Name: "staff", Domain: "groups.org", Create: true}}
	})
	silent(t, res, "groups")
	fires(t, res, "autodiscover", migrate.Warning, "does not lead to this server", "groups.org")
}
