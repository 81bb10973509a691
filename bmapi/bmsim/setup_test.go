package bmsim_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

const secret = "Adm1n!secret"

// example is a domain whose uid is not its mail domain, as today's console
// makes them.
func example() bmsim.Domain {
	return bmsim.Domain{
		UID: "18f0a.internal", Name: "example.org", Aliases: []string{"example.org", "example.net"},
		Users: []bmsim.User{
			{Login: "ada", Password: "Pa55 word", Name: "Lovelace", Emails: []string{"ada@example.org", "countess@example.org"}},
			{Login: "bob", Password: "s3cret!", Name: "Babbage", Emails: []string{"bob@example.org"}},
			{Login: "gone", Password: "s3cret!", Name: "Gone", Emails: []string{"gone@example.org"}, Archived: true},
		},
		Shares: []bmsim.Share{{Name: "support", Emails: []string{"support@example.org"}, Writers: []string{"ada"}}},
	}
}

const exampleUID = "18f0a.internal"

func config() bmsim.Config {
	return bmsim.Config{AdminPassword: secret, Domains: []bmsim.Domain{example()}, RefusalDelay: -1}
}

// version4 is the same in BlueMind 4, without a Cyrus.
func version4() bmsim.Config {
	cfg := config()
	cfg.Version = 4
	return cfg
}

func start(t *testing.T, cfg bmsim.Config) *bmsim.Sim {
	t.Helper()
	sim, err := bmsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return sim
}

// client speaks to the API as whoever has the key.
type client struct {
	t    *testing.T
	url  string
	http *http.Client
	key  string
}

func anonymous(t *testing.T, sim *bmsim.Sim) *client {
	t.Helper()
	return clientOf(t, sim.URL(), sim.CAPEM())
}

func clientOf(t *testing.T, url string, ca []byte) *client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no authority")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{t, url, &http.Client{Transport: tr, Timeout: 20 * time.Second}, ""}
}

func (c *client) with(key string) *client {
	n := *c
	n.key = key
	return &n
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) fault() (f struct{ ErrorCode, ErrorType, Message, Code string }) {
	json.Unmarshal([]byte(a.body), &f)
	return f
}

// raw sends a request as it stands; path goes out without being cleaned.
func (c *client) raw(method, path string, body io.Reader, change func(*http.Request)) answer {
	c.t.Helper()
	a, err := c.send(method, path, body, change)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *client) send(method, path string, body io.Reader, change func(*http.Request)) (answer, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url, body)
	if err != nil {
		return answer{}, err
	}
	p, q, _ := strings.Cut(path, "?")
	req.URL.Opaque, req.URL.RawQuery = "/api"+p, q
	req.Header.Set("Accept", "application/json")
	if c.key != "" {
		req.Header.Set("X-BM-ApiKey", c.key)
	}
	if change != nil {
		change(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// try sends JSON and tells whether the answer was 200; it may be called from
// other goroutines than the test's.
func (c *client) try(method, path, body string) bool {
	a, err := c.send(method, path, strings.NewReader(body), nil)
	return err == nil && a.status == http.StatusOK
}

// do sends JSON: a string is JSON already, nil is no body.
func (c *client) do(method, path string, body any) answer {
	c.t.Helper()
	switch b := body.(type) {
	case nil:
		return c.raw(method, path, nil, nil)
	case string:
		return c.raw(method, path, bytes.NewReader([]byte(b)), nil)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		return c.raw(method, path, bytes.NewReader(j), nil)
	}
}

// ok is do where HTTP 200 is a must; into may be nil.
func (c *client) ok(method, path string, body, into any) {
	c.t.Helper()
	a := c.do(method, path, body)
	if a.status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
}

// refused wants a status and an errorCode.
func (c *client) refused(method, path string, body any, status int, code string) answer {
	c.t.Helper()
	a := c.do(method, path, body)
	if a.status != status || a.fault().ErrorCode != code {
		c.t.Errorf("%s %s: %d %s, want %d %s", method, path, a.status, a.body, status, code)
	}
	return a
}

type login struct {
	Status, AuthKey, Latd string
	AuthUser              struct {
		UID, DomainUID string
		Roles          []string
	}
}

func (c *client) login(name, secret string) (l login) {
	c.t.Helper()
	c.ok("POST", "/auth/login?origin=test&login="+url.QueryEscape(name), quoted(secret), &l)
	return l
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// admin is a client with a session of admin0.
func admin(t *testing.T, sim *bmsim.Sim) *client {
	t.Helper()
	c := anonymous(t, sim)
	l := c.login("admin0@global.virt", secret)
	if l.Status != "Ok" {
		t.Fatal("admin0 is not let in")
	}
	return c.with(l.AuthKey)
}

// su is a client with a session of a user.
func (c *client) su(name string) *client {
	c.t.Helper()
	var l login
	c.ok("POST", "/auth/_su?login="+url.QueryEscape(name), nil, &l)
	if l.Status != "Ok" {
		c.t.Fatalf("_su %s: %s", name, l.Status)
	}
	return c.with(l.AuthKey)
}

type apiKey struct{ SID, DisplayName, Subject, DomainUID string }

func (c *client) newKey(name string) (k apiKey) {
	c.t.Helper()
	c.ok("PUT", "/auth/keys?displayName="+url.QueryEscape(name), nil, &k)
	return k
}

// uid finds a user by login.
func (c *client) uid(login string) string {
	c.t.Helper()
	var u struct{ UID string }
	c.ok("GET", "/users/"+exampleUID+"/byLogin/"+login, nil, &u)
	return u.UID
}

type taskStatus struct {
	State, LastLogEntry string
}

// task waits for the task a call starts.
func (c *client) task(method, path string, body any) (st taskStatus) {
	c.t.Helper()
	var ref struct{ ID string }
	c.ok(method, path, body, &ref)
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		c.ok("GET", "/tasks/"+url.PathEscape(ref.ID), nil, &st)
		if st.State == "Success" || st.State == "InError" {
			return st
		}
		time.Sleep(2 * time.Millisecond)
	}
	c.t.Fatalf("task %s stays %s", ref.ID, st.State)
	return st
}
