package bmapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hands is a clock that moves only when the client sleeps.
type hands struct {
	pauses
	now atomic.Int64 // since 2024
}

func (h *hands) sleep(ctx context.Context, d time.Duration) error {
	h.now.Add(int64(d))
	return h.pauses.sleep(ctx, d)
}

func (h *hands) time() time.Time {
	return time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(h.now.Load()))
}

// away gives a client whose server can be away, and counts what was asked of it. Before
// it goes it has answered once, unless it is new to us.
func away(t *testing.T, retry Retry, known bool, gone func(w http.ResponseWriter, since time.Duration) bool) (*Session, *hands, *atomic.Int32) {
	t.Helper()
	c, mux, _ := setup(t)
	h := &hands{}
	retry.Sleep, retry.Now, retry.Rand = h.sleep, h.time, func() float64 { return 0.5 }
	c.opts.Retry = retry.withDefaults()
	var asked atomic.Int32
	mux.HandleFunc("GET /api/auth/ping", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /api/users/d/u", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !gone(w, time.Duration(h.now.Load())) {
			w.WriteHeader(200)
		}
	})
	s := c.WithKey("key")
	if known {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s, h, &asked
}

func create(t *testing.T, s *Session) error {
	return s.CreateUser(t.Context(), "d", "u", &User{Login: "u", FamilyNames: "U"})
}

// unavailable says 503 for a time.
func unavailable(d time.Duration) func(http.ResponseWriter, time.Duration) bool {
	return func(w http.ResponseWriter, since time.Duration) bool {
		if since < d {
			plain(503)(w)
		}
		return since < d
	}
}

func TestMinuteOf503IsRiddenOut(t *testing.T) {
	s, h, asked := away(t, Retry{}, true, unavailable(time.Minute))
	if err := create(t, s); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n < 5 || n > 15 || h.time().Sub(time.Date(2024, 6, 1, 12, 1, 0, 0, time.UTC)) > outagePause {
		t.Errorf("%d calls, back at %s", n, h.time())
	}
}

func TestOutageHasAnEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		retry  Retry
		known  bool
		answer func(http.ResponseWriter)
		from   time.Duration // waited in all
		to     time.Duration
	}{
		"two minutes":           {known: true, answer: plain(503), from: 2 * time.Minute, to: 2*time.Minute + outagePause},
		"as long as told":       {retry: Retry{Outage: 20 * time.Second}, known: true, answer: plain(502), from: 20 * time.Second, to: 30 * time.Second},
		"never seen before":     {known: false, answer: plain(503), from: time.Second, to: 4 * time.Second},
		"not wanted":            {retry: Retry{Outage: -1}, known: true, answer: plain(504), from: time.Second, to: 4 * time.Second},
		"each call once":        {retry: Retry{Tries: 1}, known: true, answer: plain(503)},
		"other trouble":         {known: true, answer: coded(500, CodeSQLError), from: time.Second, to: 4 * time.Second},
		"a wait longer than ok": {known: true, answer: after(503, "3600")},
	} {
		t.Run(name, func(t *testing.T) {
			s, h, _ := away(t, tc.retry, tc.known, func(w http.ResponseWriter, _ time.Duration) bool { tc.answer(w); return true })
			err := create(t, s)
			if waited := time.Duration(h.now.Load()); err == nil || !Temporary(err) || waited < tc.from || waited > tc.to {
				t.Errorf("waited %s, %v", waited, err)
			}
		})
	}
}

// TestSlowProxyCounts: a proxy that takes its time for each 504 spends the patience, too.
func TestSlowProxyCounts(t *testing.T) {
	var h *hands
	s, h, asked := away(t, Retry{}, true, func(w http.ResponseWriter, _ time.Duration) bool {
		h.now.Add(int64(70 * time.Second))
		plain(504)(w)
		return true
	})
	if err := create(t, s); err == nil || asked.Load() != 2 {
		t.Errorf("%d calls, %v", asked.Load(), err)
	}
}

func TestRefusedConnectionIsAnOutage(t *testing.T) {
	s, h, asked := away(t, Retry{}, true, func(http.ResponseWriter, time.Duration) bool { return false })
	dial := s.c.http.Transport.(*http.Transport).DialContext
	s.c.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if time.Duration(h.now.Load()) < 40*time.Second {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		return dial(ctx, network, addr)
	}
	s.c.http.CloseIdleConnections()
	if err := create(t, s); err != nil || asked.Load() != 1 || h.now.Load() < int64(40*time.Second) {
		t.Errorf("%v after %s", err, time.Duration(h.now.Load()))
	}
}

func TestOutageEndsWithTheCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, h, asked := away(t, Retry{}, true, func(w http.ResponseWriter, _ time.Duration) bool {
		cancel()
		plain(503)(w)
		return true
	})
	s.c.opts.Retry.Sleep = func(ctx context.Context, d time.Duration) error { h.now.Add(int64(d)); return sleep(ctx, d) }
	if err := s.CreateUser(ctx, "d", "u", &User{Login: "u", FamilyNames: "U"}); err == nil || asked.Load() != 1 {
		t.Errorf("%d calls, %v", asked.Load(), err)
	}
}

// TestKeyInAnOutage: 503 may hide that the key was made, so each call is followed by
// a look before the next.
func TestKeyInAnOutage(t *testing.T) {
	c, mux, _ := setup(t)
	h := &hands{}
	c.opts.Retry.Sleep, c.opts.Retry.Now = h.sleep, h.time
	mux.HandleFunc("GET /api/auth/ping", func(http.ResponseWriter, *http.Request) {})
	gone := func() bool { return h.now.Load() < int64(time.Minute) }
	var did []string
	mux.HandleFunc("PUT /api/auth/keys", func(w http.ResponseWriter, _ *http.Request) {
		did = append(did, "put")
		if gone() {
			plain(503)(w)
			return
		}
		io.WriteString(w, `{"sid":"ours","displayName":"run"}`)
	})
	var deleted string
	mux.HandleFunc("GET /api/auth/keys", func(w http.ResponseWriter, _ *http.Request) {
		if gone() {
			plain(503)(w)
			return
		}
		did = append(did, "look")
		if len(did) > 3 { // by now the lost call has been done, late
			io.WriteString(w, `[{"sid":"late","displayName":"run"},{"sid":"ours","displayName":"run"},{"sid":"x","displayName":"other"}]`)
			return
		}
		io.WriteString(w, `[]`)
	})
	mux.HandleFunc("DELETE /api/auth/keys/{sid}", func(_ http.ResponseWriter, r *http.Request) { deleted += r.PathValue("sid") })
	s := c.WithKey("key")
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	k, err := s.CreateKey(t.Context(), "run")
	if err != nil || k.SID != "ours" || deleted != "late" {
		t.Errorf("got %q, %v, deleted %q", k.SID, err, deleted)
	}
	if got, want := asJSON(t, did), `["put","look","put","look"]`; got != want {
		t.Errorf("did %s, want %s", got, want)
	}
}

func TestBodyTooLargeIsNotSent(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	members := slices.Repeat([]Member{{Type: MemberUser, UID: UserUID("d", "a@d.org")}}, 200_000)
	if err := c.WithKey("key").AddMembers(t.Context(), "d", "g", members...); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}
