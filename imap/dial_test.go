package imap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDialReadsCapabilitiesAnewAfterLogin(t *testing.T) {
	s := source(t, "ID UIDPLUS", func(p *peer) {
		p.answer(`ID ("name" "bmsync")`, `* ID ("name" "BlueMind" "version" "5.1.0" "os" NIL)`)
		p.bye()
	})
	if !s.Can("uidplus") || s.Can("AUTH=PLAIN") {
		t.Errorf("capabilities %q are not those after the login", s.Capabilities())
	}
	if id := s.ServerID(); id["name"] != "BlueMind" || id["version"] != "5.1.0" || len(id) != 2 {
		t.Errorf("server ID %q", id)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantError(t, s.Noop(t.Context()), KindClosed)
}

func TestDialGreetings(t *testing.T) {
	for name, c := range map[string]struct {
		greeting string
		kind     Kind
		text     string
	}{
		"bye":     {"* BYE [UNAVAILABLE] too many connections", KindBye, "too many connections"},
		"preauth": {"* PREAUTH welcome", KindPreauth, "welcome"},
		"other":   {"220 smtp.example ESMTP", KindProtocol, "not an IMAP greeting"},
		"empty":   {"", KindProtocol, "not an IMAP greeting"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
				p.send("", c.greeting)
				p.eof()
			}))
			if e := wantError(t, err, c.kind); !strings.HasPrefix(e.Text, c.text) || e.Session != "test" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestDialRefusedLoginTellsCodeAndNoSecret(t *testing.T) {
	_, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
		p.send("", "* OK hi")
		p.answer("CAPABILITY", capsOld)
		tag := p.expect("LOGIN .*")
		p.send(tag, `* OK [ALERT] attempt with s3cret logged`, `$ NO [AUTHENTICATIONFAILED] no "user@old.example" "s3cret" `+
			base64.StdEncoding.EncodeToString([]byte("\x00user@old.example\x00s3cret")))
	}))
	e := wantError(t, err, KindNo)
	if e.Alert != "attempt with *** logged" {
		t.Errorf("alert %q", e.Alert)
	}
	if e.Code != "AUTHENTICATIONFAILED" || e.Command != "LOGIN" || !strings.Contains(e.Text, `"***" ***`) {
		t.Errorf("got %+v", e)
	}
}

func TestLoginForms(t *testing.T) {
	plain := func(c Credentials) string {
		return base64.StdEncoding.EncodeToString([]byte(c.AuthzID + "\x00" + c.Login + "\x00" + c.Secret))
	}
	for name, c := range map[string]struct {
		caps string
		cred Credentials
		play func(p *peer, c Credentials)
	}{
		"escapes": {"", Credentials{Login: `a\b`, Secret: `say "x"\`}, func(p *peer, _ Credentials) {
			p.answer(`LOGIN "a\\b" "say \"x\"\\"`)
		}},
		"another's mailbox": {"AUTH=PLAIN", Credentials{Login: "admin", AuthzID: "user", Secret: "pw"}, func(p *peer, c Credentials) {
			tag := p.expect("AUTHENTICATE PLAIN")
			p.send(tag, "+") // BlueMind's form: no space
			if got := p.line(); got != plain(c) {
				panic("got " + got)
			}
			p.send(tag, "$ OK in")
		}},
		"login disabled": {"LOGINDISABLED AUTH=PLAIN", Credentials{Login: "user", Secret: "pw"}, func(p *peer, c Credentials) {
			tag := p.expect("AUTHENTICATE PLAIN")
			p.send(tag, "+ ")
			p.line()
			p.send(tag, "$ OK in")
		}},
		"8-bit secret, PLAIN": {"AUTH=PLAIN", Credentials{Login: "user", Secret: "pâté"}, func(p *peer, c Credentials) {
			tag := p.expect("AUTHENTICATE PLAIN")
			p.send(tag, "+ ")
			if got := p.line(); got != plain(c) {
				panic("got " + got)
			}
			p.send(tag, "$ OK in")
		}},
		"8-bit secret, literals": {"", Credentials{Login: "user", Secret: "pâté"}, func(p *peer, c Credentials) {
			tag := p.expect(`LOGIN \{4\}`)
			p.send(tag, "+ go")
			if got := p.line(); got != "user {6}" {
				panic("got " + got)
			}
			p.send(tag, "+ go")
			if got := p.line(); got != "pâté" {
				panic("got " + got)
			}
			p.send(tag, "$ OK in")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := DialSource(t.Context(), plainServer, c.cred, scripted(t, func(p *peer) {
				p.send("", "* OK hi")
				p.answer("CAPABILITY", capsOld+" "+c.caps)
				c.play(p, c.cred)
				p.answer("CAPABILITY", capsOld)
				p.bye()
			}))
			if err != nil {
				t.Fatal(err)
			}
			if tr := s.Trace(); strings.Contains(tr, c.cred.Secret) || strings.Contains(tr, plain(c.cred)) || !strings.Contains(tr, "***") {
				t.Errorf("trace: %s", tr)
			}
			s.Close()
		})
	}
}

// TestDialAsksNoMoreThanItMust: what a server tells by itself isn't asked for,
// and what is asked for leaves together. What held before the login doesn't after.
func TestDialAsksNoMoreThanItMust(t *testing.T) {
	for how, answer := range map[string][]string{
		"in the answer": {"$ OK [CAPABILITY IMAP4rev1 ID NAMESPACE UIDPLUS] Logged in"},
		"before it":     {"* CAPABILITY IMAP4rev1 ID NAMESPACE UIDPLUS", "$ OK Logged in"},
	} {
		s, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
			p.send("", "* OK [CAPABILITY IMAP4rev1 X-BEFORE] ready")
			p.send(p.expect("LOGIN .*"), answer...)
			id, ns := p.expect("ID .*"), p.expect("NAMESPACE")
			p.send(id, `* ID ("name" "Cyrus")`, "$ OK done")
			p.send(ns, `* NAMESPACE (("" "/")) NIL NIL`, "$ OK done")
			p.bye()
		}))
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if !s.Can("UIDPLUS") || s.Can("X-BEFORE") || s.ServerID()["name"] != "Cyrus" {
			t.Errorf("%s: got %v, %v", how, s.Capabilities(), s.ServerID())
		}
		if ns, err := s.Namespace(t.Context()); err != nil || len(ns.Personal) != 1 {
			t.Errorf("%s: got %+v, %v", how, ns, err)
		}
		s.Close()
	}
}

func TestLoginImpossible(t *testing.T) {
	_, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
		p.send("", "* OK hi")
		p.answer("CAPABILITY", capsOld+" LOGINDISABLED")
		p.eof()
	}))
	if wantError(t, err, KindNo); !errors.Is(err, errNoLogin) {
		t.Errorf("got %v", err)
	}
}

func TestAuthenticateRefusedWithoutTag(t *testing.T) {
	_, err := DialSource(t.Context(), plainServer, Credentials{Login: "a", AuthzID: "b", Secret: "s3cret"}, scripted(t, func(p *peer) {
		p.send("", "* OK hi")
		p.answer("CAPABILITY", capsOld)
		p.expect("AUTHENTICATE PLAIN")
		p.send("", "* BAD what is PLAIN")
		p.eof()
	}))
	wantError(t, err, KindBad)
}

func TestDialTargetRefusesAdministratorsBeforeDialling(t *testing.T) {
	opts := Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, io.EOF
	}}
	for _, a := range []string{"admin0", "Admin0 ", "admin0@global.virt", "admin0@new.example", "bmhiddensysadmin@new.example",
		"BMHIDDENSYSADMIN", "someone@global.virt", " someone@GLOBAL.virt "} {
		_, err := DialTarget(t.Context(), plainServer, Token{Address: a, Secret: "x"}, opts)
		if wantError(t, err, KindRefused); !errors.Is(err, ErrAdministrator) {
			t.Errorf("%q: %v", a, err)
		}
	}
}

func TestTokenHidesItsSecret(t *testing.T) {
	if s := testToken.String() + testToken.GoString(); strings.Contains(s, "s3cret") {
		t.Error(s)
	}
}

func TestDialSilentServerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		opts := scripted(t, func(p *peer) { p.eof() })
		opts.Idle = time.Minute
		_, err := DialSource(t.Context(), plainServer, testLogin, opts)
		if wantError(t, err, KindTimeout); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestDialEndOfContext(t *testing.T) {
	why := errors.New("the operator said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := DialSource(ctx, plainServer, testLogin, scripted(t, func(p *peer) {
		p.send("", "* OK hi")
		p.expect("CAPABILITY")
		cancel(why)
		p.eof()
	}))
	if wantError(t, err, KindInterrupted); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// authority makes a certificate authority and a certificate for name.
func authority(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// protect makes the script's side speak TLS.
func (p *peer) protect(cert tls.Certificate) {
	tc := tls.Server(p.conn, &tls.Config{Certificates: []tls.Certificate{cert}})
	if err := tc.Handshake(); err != nil {
		panic(errGone)
	}
	p.conn = tc
	p.br.Reset(tc)
}

func TestTLS(t *testing.T) {
	cert, pool := authority(t, "mail.old.example")
	for _, sec := range []Security{ImplicitTLS, StartTLS} {
		play := func(p *peer) {
			if sec == StartTLS {
				p.send("", "* OK hi")
				p.answer("CAPABILITY", capsOld+" STARTTLS LOGINDISABLED X-BEFORE")
				p.answer("STARTTLS")
			}
			p.protect(cert)
			if sec == ImplicitTLS {
				p.send("", "* OK hi")
			}
			p.answer("CAPABILITY", capsOld)
			p.answer("LOGIN .*")
			p.answer("CAPABILITY", capsOld)
			p.bye()
		}
		server := Server{Addr: "mail.old.example:143", Security: sec, TLS: &tls.Config{RootCAs: pool}}
		s, err := DialSource(t.Context(), server, testLogin, scriptedTCP(t, play))
		if err != nil {
			t.Fatal(err)
		}
		s.Close()

		server.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		_, err = DialSource(t.Context(), server, testLogin, scriptedTCP(t, play))
		var unknown x509.UnknownAuthorityError
		if wantError(t, err, KindTLS); !errors.As(err, &unknown) {
			t.Errorf("unknown authority: %v", err)
		}

		server = Server{Addr: "other.example:143", Security: sec, TLS: &tls.Config{RootCAs: pool}}
		_, err = DialSource(t.Context(), server, testLogin, scriptedTCP(t, play))
		var host x509.HostnameError
		if wantError(t, err, KindTLS); !errors.As(err, &host) {
			t.Errorf("wrong host: %v", err)
		}
	}
}

func TestTLSToAClearTextServer(t *testing.T) {
	_, err := DialSource(t.Context(), Server{Addr: "mail.old.example:143"}, testLogin, scriptedTCP(t, func(p *peer) {
		go p.eof()
		p.send("", "* OK hi")
	}))
	wantError(t, err, KindTLS)
}

func TestStartTLSNeverFallsBack(t *testing.T) {
	server := Server{Addr: "mail.old.example:143", Security: StartTLS}
	for name, play := range map[string]func(p *peer){
		"not announced": func(p *peer) { p.answer("CAPABILITY", capsOld) },
		"refused": func(p *peer) {
			p.answer("CAPABILITY", capsOld+" STARTTLS")
			p.send(p.expect("STARTTLS"), "$ NO not today")
		},
		"octets after the answer": func(p *peer) {
			p.answer("CAPABILITY", capsOld+" STARTTLS")
			tag := p.expect("STARTTLS")
			p.raw(tag + " OK go\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DialSource(t.Context(), server, testLogin, scriptedTCP(t, func(p *peer) {
				p.send("", "* OK hi")
				play(p)
				if rest, _ := io.ReadAll(p.br); len(rest) > 0 {
					t.Errorf("went on with %q", rest)
				}
			}))
			wantError(t, err, KindTLS)
		})
	}
}
