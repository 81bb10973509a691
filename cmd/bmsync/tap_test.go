package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"bmsync/bmapi/bmsim"
)

// secretSet is what must never be told. Safe for concurrent use.
type secretSet struct {
	mu   sync.Mutex
	kind map[string]string // by the secret's text
}

func (s *secretSet) add(kind, text string) {
	if len(text) < 8 {
		return // too short to be told from other text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kind == nil {
		s.kind = map[string]string{}
	}
	s.kind[text] = kind
}

// in says which secret a text holds, "" if none, also in the form that SASL
// and HTTP give it.
func (s *secretSet) in(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for secret, kind := range s.kind {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret), url.PathEscape(secret)} {
			if strings.Contains(text, form) {
				return kind
			}
		}
	}
	return ""
}

func (s *secretSet) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kind)
}

// tap passes REST calls on to a BlueMind and learns the secrets in them: keys,
// sessions, and the passwords of users that are made.
type tap struct {
	server *httptest.Server
}

var (
	keyInAnswer     = regexp.MustCompile(`"(?:authKey|sid)"\s*:\s*"([^"]+)"`)
	passwordInOrder = regexp.MustCompile(`"password"\s*:\s*"([^"]+)"`)
)

func newTap(sim *bmsim.Sim, secrets *secretSet) (*tap, error) {
	to, err := url.Parse(sim.URL())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(sim.CAPEM()) {
		return nil, errors.New("the simulator has no certificate authority")
	}
	learn := func(kind string, pattern *regexp.Regexp, body []byte) {
		for _, m := range pattern.FindAllSubmatch(body, -1) {
			secrets.add(kind, string(m[1]))
		}
	}
	quiet := log.New(io.Discard, "", 0) // clients that go, or don't trust us, are part of the play
	proxy := &httputil.ReverseProxy{
		ErrorLog:  quiet,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			if key := r.In.Header.Get("X-BM-ApiKey"); key != "" {
				secrets.add("a key or a session", key)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasPrefix(r.Request.URL.Path, "/api/auth") {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			learn("a key or a session", keyInAnswer, body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			return err
		},
	}
	pass := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/users/") && r.ContentLength > 0 {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			learn("the password of a user", passwordInOrder, body)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(w, r)
	})
	server := httptest.NewUnstartedServer(pass)
	server.Config.ErrorLog = quiet
	server.StartTLS()
	return &tap{server}, nil
}

func (t *tap) close() { t.server.Close() }

func TestSecretSetFindsEachForm(t *testing.T) {
	var s secretSet
	s.add("a password", "pass+word/1")
	for _, text := range []string{"x pass+word/1 y", "AUTH cGFzcyt3b3JkLzE=", "?password=pass%2Bword%2F1", "/pass+word%2F1"} {
		if s.in(text) != "a password" {
			t.Errorf("not found in %q", text)
		}
	}
	if s.in("password") != "" {
		t.Error("found where it isn't")
	}
}
