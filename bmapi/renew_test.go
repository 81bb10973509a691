package bmapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// guarded is a server that knows the sessions that are alive, and lets in whom login
// says.
type guarded struct {
	*Client
	logins, calls atomic.Int32
	mu            sync.Mutex
	alive         string
	login         string // answer to a login
	state         string
}

func guard(t *testing.T) *guarded {
	t.Helper()
	c, mux, _ := setup(t)
	g := &guarded{Client: c, alive: "s-0", login: `{"status":"Ok","authKey":"s-1","authUser":{"uid":"adm"}}`, state: `"CORE_STATE_RUNNING"`}
	said := func(f func() string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			g.mu.Lock()
			defer g.mu.Unlock()
			io.WriteString(w, f())
		}
	}
	mux.HandleFunc("POST /api/auth/login", said(func() string {
		g.logins.Add(1)
		if strings.Contains(g.login, "Ok") {
			g.alive = "s-1"
		}
		return g.login
	}))
	mux.HandleFunc("GET /api/system/installation/state", said(func() string { return g.state }))
	mux.HandleFunc("POST /api/auth/logout", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /api/auth/ping", func(w http.ResponseWriter, r *http.Request) {
		g.calls.Add(1)
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.Header.Get("X-BM-ApiKey") != g.alive {
			faults(w, 401, CodeAuthenticationFail, "dead")
		}
	})
	return g
}

func (g *guarded) set(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func (g *guarded) admin() *Session {
	s := g.session("admin0@global.virt", "s-0")
	s.user.UID = "adm"
	return s.WithRenew(func(context.Context) (string, error) { return "secret", nil })
}

func TestRefusedRenewalIsNotRepeated(t *testing.T) {
	g := guard(t)
	s := g.admin()
	g.set(func() { g.alive, g.login = "none", `{"status":"Bad"}` })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := s.Ping(t.Context())
			if _, refused := errors.AsType[*AuthError](err); !refused || !errors.Is(err, ErrSessionLost) || !errors.Is(err, ErrUnauthenticated) || Temporary(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if err := s.Ping(t.Context()); !errors.Is(err, ErrSessionLost) || strings.Contains(err.Error(), "secret") {
		t.Errorf("later: %v", err)
	}
	if n := g.logins.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestRenewalInMaintenance: BlueMind refuses all but admin0 then, and the password is
// as good as before.
func TestRenewalInMaintenance(t *testing.T) {
	g := guard(t)
	s := g.admin()
	good := g.login
	g.set(func() { g.alive, g.login, g.state = "none", `{"status":"Bad"}`, `"CORE_STATE_MAINTENANCE"` })
	err := s.Ping(t.Context())
	if refused, ok := errors.AsType[*AuthError](err); !ok || refused.State != "CORE_STATE_MAINTENANCE" || errors.Is(err, ErrSessionLost) ||
		!Temporary(err) || !strings.Contains(err.Error(), "CORE_STATE_MAINTENANCE") {
		t.Errorf("got %v", err)
	}
	g.set(func() { g.login, g.state = good, `"CORE_STATE_RUNNING"` })
	if err := s.Ping(t.Context()); err != nil || g.logins.Load() != 2 {
		t.Errorf("afterwards: %v", err)
	}
}

// TestWhoRenewsGivesUp leaves the renewal to the next who waits for it.
func TestWhoRenewsGivesUp(t *testing.T) {
	g := guard(t)
	var asked atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	s := g.admin().WithRenew(func(ctx context.Context) (string, error) {
		if asked.Add(1) == 1 {
			<-waiting
			cancel()
			return "", context.Cause(ctx)
		}
		return "secret", nil
	})
	g.set(func() { g.alive = "none" })
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Ping(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
	})
	for asked.Load() == 0 {
		runtime.Gosched()
	}
	wg.Go(func() {
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("who waited: %v", err)
		}
	})
	for g.calls.Load() < 2 {
		runtime.Gosched()
	}
	close(waiting)
	wg.Wait()
	if asked.Load() != 2 || g.logins.Load() != 1 {
		t.Errorf("secret asked %d times, %d logins", asked.Load(), g.logins.Load())
	}
}

func TestRenewalAsSomebodyElse(t *testing.T) {
	g := guard(t)
	s := g.admin()
	g.set(func() { g.alive, g.login = "none", `{"status":"Ok","authKey":"s-1","authUser":{"uid":"another"}}` })
	for range 2 {
		if err := s.Ping(t.Context()); !errors.Is(err, ErrSessionLost) {
			t.Errorf("got %v", err)
		}
	}
	if g.logins.Load() != 1 || s.Holds("s-1") {
		t.Errorf("%d logins", g.logins.Load())
	}
}

func TestEndedSessionStaysEnded(t *testing.T) {
	g := guard(t)
	s := g.admin()
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.set(func() { g.alive = "none" })
	if err := s.Ping(t.Context()); !errors.Is(err, ErrSessionLost) || g.logins.Load() != 0 {
		t.Errorf("got %v after %d logins", err, g.logins.Load())
	}
}

// TestSuRenewsItself: the session of a user is made anew by the one that made it, which
// may have died as well.
func TestSuRenewsItself(t *testing.T) {
	c, mux, _ := setup(t)
	var sus, logins int
	alive := map[string]bool{"s-0": true}
	mux.HandleFunc("POST /api/auth/login", func(w http.ResponseWriter, _ *http.Request) {
		logins++
		alive["s-1"] = true
		io.WriteString(w, `{"status":"Ok","authKey":"s-1","authUser":{"uid":"adm"}}`)
	})
	mux.HandleFunc("POST /api/auth/_su", func(w http.ResponseWriter, r *http.Request) {
		if !alive[r.Header.Get("X-BM-ApiKey")] {
			faults(w, 401, CodeAuthenticationFail, "")
			return
		}
		sus++
		key := []string{"", "u-1", "u-2"}[sus]
		alive[key] = true
		io.WriteString(w, `{"status":"Ok","authKey":"`+key+`","authUser":{"uid":"u"}}`)
	})
	mux.HandleFunc("GET /api/auth/ping", func(w http.ResponseWriter, r *http.Request) {
		if !alive[r.Header.Get("X-BM-ApiKey")] {
			faults(w, 401, CodeAuthenticationFail, "")
		}
	})
	admin := c.session("adm", "s-0").WithRenew(func(context.Context) (string, error) { return "secret", nil })
	user, err := admin.Su(t.Context(), "u", "d")
	if err != nil {
		t.Fatal(err)
	}
	clear(alive) // a restart in maintenance mode
	if err := user.Ping(t.Context()); err != nil || sus != 2 || logins != 1 || !user.Holds("u-2") {
		t.Errorf("got %v: %d su, %d logins", err, sus, logins)
	}
}
