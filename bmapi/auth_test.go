package bmapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const okLogin = `{"status":"Ok","message":null,"authKey":"key-1","latd":"admin0@global.virt","authUser":{"uid":"admin0_global.virt",
 "domainUid":"global.virt","displayName":"admin0","value":{"login":"admin0"},"roles":["systemManagement"],"settings":{}}}`

func TestLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		answer, status string
	}{
		"taken":       {answer: okLogin},
		"refused":     {answer: `{"status":"Bad","message":null,"authKey":null,"authUser":null}`, status: "Bad"},
		"expired":     {answer: `{"status":"Expired","authKey":"only-for-the-password"}`, status: "Expired"},
		"without key": {answer: `{"status":"Ok","authKey":null}`, status: "Ok"},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			mux.HandleFunc("POST /api/auth/login", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery != "login=admin0%40global.virt&origin=bmsync" || r.Header.Get("X-BM-ApiKey") != "" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("query %s, head %v", r.URL.RawQuery, r.Header)
				}
				wantJSON(t, "body", body(t, r), `"p\"<&>"`)
				io.WriteString(w, tc.answer)
			})
			s, err := c.Login(t.Context(), "admin0@global.virt", `p"<&>`)
			if tc.status != "" {
				if e, ok := errors.AsType[*AuthError](err); !ok || e.Status != tc.status || e.Login != "admin0@global.virt" || s != nil {
					t.Errorf("got %v, %v", s, err)
				}
				return
			}
			if err != nil || s.Who().UID != "admin0_global.virt" || s.Who().Login != "admin0" || s.Who().Roles[0] != "systemManagement" || s.key != "key-1" {
				t.Errorf("got %+v, %v", s.Who(), err)
			}
		})
	}
}

func TestSuAndKey(t *testing.T) {
	c, mux, _ := setup(t)
	var did []string
	note := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			did = append(did, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api")+" by "+r.Header.Get("X-BM-ApiKey"))
			h(w, r)
		}
	}
	mux.HandleFunc("POST /api/auth/_su", note(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("login") != "ada@d.org" {
			t.Errorf("su as %s", r.URL.Query().Get("login"))
		}
		if got := body(t, r); got != nil {
			t.Errorf("body %v", got)
		}
		answers(t, `{"status":"Ok","authKey":"ada-1","authUser":{"uid":"u1","domainUid":"d.org"}}`)(w, r)
	}))
	mux.HandleFunc("PUT /api/auth/keys", note(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("displayName") != "run 7" {
			t.Errorf("name %q", r.URL.Query().Get("displayName"))
		}
		answers(t, `{"sid":"sid-1","displayName":"run 7","subject":"u1","domainUid":"d.org"}`)(w, r)
	}))
	mux.HandleFunc("DELETE /api/auth/keys/sid-1", note(func(w http.ResponseWriter, _ *http.Request) {}))
	mux.HandleFunc("POST /api/auth/logout", note(func(w http.ResponseWriter, _ *http.Request) { faults(w, 401, CodeAuthenticationFail, "") }))
	ada, err := c.WithKey("adm").Su(t.Context(), "ada", "d.org")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ada.CreateKey(t.Context(), "run 7")
	if err != nil || k != (Key{SID: "sid-1", DisplayName: "run 7", Subject: "u1", DomainUID: "d.org"}) {
		t.Errorf("got %v, %v", k, err)
	}
	if err := c.DropKey(t.Context(), k.SID); err != nil {
		t.Error(err)
	}
	want := "POST /auth/_su by adm, PUT /auth/keys by ada-1, DELETE /auth/keys/sid-1 by sid-1, POST /auth/logout by sid-1"
	if got := strings.Join(did, ", "); got != want {
		t.Errorf("did  %s\nwant %s", got, want)
	}
}

func TestSuRefused(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("POST /api/auth/_su", answers(t, `{"status":"Bad"}`))
	_, err := c.WithKey("adm").Su(t.Context(), "nobody", "d.org")
	if e, ok := errors.AsType[*AuthError](err); !ok || e.Login != "nobody@d.org" {
		t.Errorf("got %v", err)
	}
}

// TestKeyAfterALostAnswer cuts the connection after the server has made the key, or
// before, and wants one key in the end.
func TestKeyAfterALostAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		lose func(n int) (made, lost bool)
		puts int
		fail bool
	}{
		"made":               {lose: func(int) (bool, bool) { return true, true }, puts: 1},
		"not made":           {lose: func(n int) (bool, bool) { return n > 1, n == 1 }, puts: 2},
		"never made":         {lose: func(int) (bool, bool) { return false, true }, puts: 4, fail: true},
		"no answer is lost":  {lose: func(int) (bool, bool) { return true, false }, puts: 1},
		"lost, then refused": {lose: func(n int) (bool, bool) { return false, n == 1 }, puts: 2, fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			var puts int
			keys := []string{`{"sid":"old","displayName":"another run"}`}
			mux.HandleFunc("PUT /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
				puts++
				made, lost := tc.lose(puts)
				if made {
					keys = append(keys, `{"sid":"ours","displayName":"run 7"}`)
				}
				switch {
				case lost && puts%2 == 0:
					w.WriteHeader(504)
				case lost:
					panic(http.ErrAbortHandler)
				case made:
					io.WriteString(w, keys[len(keys)-1])
				default:
					faults(w, 500, CodeUnknown, "no")
				}
			})
			mux.HandleFunc("GET /api/auth/keys", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "["+strings.Join(keys, ",")+"]") })
			k, err := c.WithKey("k").CreateKey(t.Context(), "run 7")
			if puts != tc.puts || tc.fail != (err != nil) || !tc.fail && (k.SID != "ours" || len(keys) != 2) {
				t.Errorf("got %v, %v after %d calls; keys %v", k.SID, err, puts, keys)
			}
			if lost := name == "made" || name == "not made"; !tc.fail && k.Twins != lost {
				t.Errorf("twins: %t", k.Twins)
			}
			if tc.fail && !errors.Is(err, ErrOutcomeUnknown) && CodeOf(err) != CodeUnknown {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	c, mux, _ := setup(t)
	var logins, asked atomic.Int32
	var alive atomic.Value
	alive.Store("key-0")
	mux.HandleFunc("POST /api/auth/login", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "secret", body(t, r), `"fresh"`)
		logins.Add(1)
		alive.Store("key-1")
		io.WriteString(w, okLogin)
	})
	mux.HandleFunc("PUT /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-BM-ApiKey") != alive.Load() {
			faults(w, 401, CodeAuthenticationFail, "dead")
			return
		}
		io.WriteString(w, `{"sid":"s","displayName":"n"}`)
	})
	s := c.session("admin0@global.virt", "key-0").WithRenew(func(context.Context) (string, error) { asked.Add(1); return "fresh", nil })
	if _, err := s.CreateKey(t.Context(), "n"); err != nil || logins.Load() != 0 {
		t.Fatalf("alive: %v, %d logins", err, logins.Load())
	}
	alive.Store("none") // twenty idle minutes
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.CreateKey(t.Context(), "n"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if logins.Load() != 1 || asked.Load() != 1 {
		t.Errorf("%d logins, secret asked %d times", logins.Load(), asked.Load())
	}
}

func TestRenewalThatFails(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/auth/ping", func(w http.ResponseWriter, _ *http.Request) { faults(w, 401, CodeAuthenticationFail, "dead") })
	mux.HandleFunc("POST /api/auth/login", answers(t, `{"status":"Bad"}`))
	s := c.session("admin0@global.virt", "k")
	if err := s.Ping(t.Context()); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("without renewal: %v", err)
	}
	why := errors.New("vault is locked")
	if err := s.WithRenew(func(context.Context) (string, error) { return "", why }).Ping(t.Context()); !errors.Is(err, why) {
		t.Errorf("no secret: %v", err)
	}
	err := s.WithRenew(func(context.Context) (string, error) { return "old", nil }).Ping(t.Context())
	if _, ok := errors.AsType[*AuthError](err); !ok {
		t.Errorf("refused: %v", err)
	}
}

func TestRenewedOnce(t *testing.T) {
	c, mux, _ := setup(t)
	var pings int
	mux.HandleFunc("GET /api/auth/ping", func(w http.ResponseWriter, _ *http.Request) { pings++; faults(w, 401, CodeAuthenticationFail, "dead") })
	mux.HandleFunc("POST /api/auth/login", answers(t, okLogin))
	s := c.session("a", "k").WithRenew(func(context.Context) (string, error) { return "x", nil })
	if err := s.Ping(t.Context()); !errors.Is(err, ErrUnauthenticated) || pings != 2 {
		t.Errorf("got %v after %d calls", err, pings)
	}
}

func TestValidateAndWhoami(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("POST /api/auth/validate", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "secret", body(t, r), `"sid"`)
		if r.URL.Query().Get("login") != "ada@d.org" {
			t.Errorf("login %s", r.URL.Query().Get("login"))
		}
		io.WriteString(w, `"TOKEN"`)
	})
	mux.HandleFunc("GET /api/auth", answers(t, `{"uid":"u1","domainUid":"d","value":{"login":"ada"}}`))
	if kind, err := c.Validate(t.Context(), "ada@d.org", "sid"); kind != ValidToken || err != nil {
		t.Errorf("got %q, %v", kind, err)
	}
	if u, err := c.WithKey("sid").Whoami(t.Context()); u.Login != "ada" || u.UID != "u1" || err != nil {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestDropDeadKey(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("DELETE /api/auth/keys/gone", func(w http.ResponseWriter, _ *http.Request) { faults(w, 401, CodeAuthenticationFail, "") })
	if err := c.DropKey(t.Context(), "gone"); err != nil {
		t.Error(err)
	}
}
