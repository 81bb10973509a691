package bmapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestRetries(t *testing.T) {
	half := 500 * time.Millisecond / 2
	for name, tc := range map[string]struct {
		answers []func(http.ResponseWriter)
		waits   []time.Duration
		fails   bool
	}{
		"bad gateway, then well": {answers: []func(http.ResponseWriter){plain(502), plain(504)}, waits: []time.Duration{half, 2 * half}},
		"until the tries are spent": {answers: []func(http.ResponseWriter){plain(503), plain(503), plain(503), plain(503)},
			waits: []time.Duration{half, 2 * half, 4 * half}, fails: true},
		"database trouble":    {answers: []func(http.ResponseWriter){coded(500, CodeSQLError)}, waits: []time.Duration{half}},
		"the core's time-out": {answers: []func(http.ResponseWriter){coded(500, CodeTimeout)}, waits: []time.Duration{half}},
		"another 500":         {answers: []func(http.ResponseWriter){coded(500, CodeUnknown)}, fails: true},
		"as long as asked":    {answers: []func(http.ResponseWriter){after(429, "7")}, waits: []time.Duration{7 * time.Second}},
		"until the date asked": {answers: []func(http.ResponseWriter){after(503, "Sat, 01 Jun 2024 12:00:30 GMT")},
			waits: []time.Duration{30 * time.Second}},
		"asked for too long": {answers: []func(http.ResponseWriter){after(503, "3600")}, fails: true},
		"cut connection":     {answers: []func(http.ResponseWriter){abort}, waits: []time.Duration{half}},
		"cut answer":         {answers: []func(http.ResponseWriter){cutShort}, waits: []time.Duration{half}},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, p := setup(t)
			c.dialect.version.Store(&Version{Major: 5})
			var n atomic.Int32
			mux.HandleFunc("POST /api/mail_items/f/_count", func(w http.ResponseWriter, r *http.Request) {
				wantJSON(t, "body of each try", body(t, r), `{"skipExpunged":true}`)
				if i := int(n.Add(1)); i <= len(tc.answers) {
					tc.answers[i-1](w)
					return
				}
				io.WriteString(w, `{"total":3}`)
			})
			total, err := c.WithKey("k").Count(t.Context(), "f", AllMessages())
			if (err != nil) != tc.fails || !tc.fails && total != 3 {
				t.Errorf("got %d, %v", total, err)
			}
			if !slices.Equal(p.list(), tc.waits) {
				t.Errorf("waited %v, want %v", p.list(), tc.waits)
			}
			if tc.fails != (int(n.Load()) == len(tc.answers)) {
				t.Errorf("%d tries", n.Load())
			}
		})
	}
}

func plain(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		io.WriteString(w, "<html>nginx</html>")
	}
}

func coded(status int, code Code) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { faults(w, status, code, "x") }
}

func after(status int, seconds string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", seconds)
		w.WriteHeader(status)
	}
}

func abort(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func cutShort(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, `{"total":`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestRepeatedCreateIsMarked(t *testing.T) {
	c, mux, _ := setup(t)
	var n atomic.Int32
	mux.HandleFunc("PUT /api/users/d/u", func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler) // done, but the answer is lost
		}
		faults(w, 500, CodeAlreadyExists, "taken")
	})
	err := c.WithKey("k").CreateUser(t.Context(), "d", "u", &User{Login: "u", FamilyNames: "U"})
	f, _ := errors.AsType[*Fault](err)
	if !errors.Is(err, ErrAlreadyExists) || !MaybeDone(err) || f == nil || !f.Repeated {
		t.Errorf("got %#v", err)
	}
	err = c.WithKey("k").CreateUser(t.Context(), "d", "u", &User{Login: "u", FamilyNames: "U"})
	if !errors.Is(err, ErrAlreadyExists) || MaybeDone(err) {
		t.Errorf("a first answer is ours: %#v", err)
	}
}

func TestEscaping(t *testing.T) {
	for _, tc := range []struct{ part, raw string }{
		{"ada+list@example.org", "ada%2Blist@example.org"},
		{"a/b", "a%2Fb"},
		{"user.ada^martin", "user.ada%5Emartin"},
		{"a b%", "a%20b%25"},
		{"é?#;=&", "%C3%A9%3F%23%3B%3D%26"},
		{"repair-u@d.org", "repair-u@d.org"},
		{"mailbox:acls-x!y~z_", "mailbox:acls-x!y~z_"},
		{"\x00\x7f\n", "%00%7F%0A"},
		{"…", "%E2%80%A6"},
	} {
		c, _, _ := setup(t)
		var seen atomic.Value
		c.http.Transport.(*http.Transport).DialContext = serve(t, func(w http.ResponseWriter, r *http.Request) {
			seen.Store(r.RequestURI)
			nothing(w, r)
		})
		_, err := c.WithKey("k").UserByEmail(t.Context(), "example.org", tc.part)
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", tc.part, err)
		}
		if want := "/api/users/example.org/byEmail/" + tc.raw; seen.Load() != want {
			t.Errorf("%q: sent %v, want %s", tc.part, seen.Load(), want)
		}
	}
}

// serve dials a server that sees requests before any mux cleans their path.
func serve(t *testing.T, h http.HandlerFunc) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}
}

func TestEmptyPartsAreNotSent(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	for _, part := range []string{"", ".", ".."} {
		if _, err := c.WithKey("k").User(t.Context(), "d", part); err == nil {
			t.Errorf("%q: no error", part)
		}
	}
}

func TestQueryKeepsPlus(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/mailboxes/d/_byemail", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "email=a%2Bb%40x.org" {
			t.Errorf("query %s", r.URL.RawQuery)
		}
		answers(t, `{"uid":"u","value":{"name":"a","quota":5}}`)(w, r)
	})
	m, err := c.WithKey("k").MailboxByEmail(t.Context(), "d", "A+b@x.org")
	if err != nil || m.UID != "u" || *m.Quota != 5 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestGzip(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip is not offered")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, `[{"sid":"s","displayName":"n"}]`)
		z.Close()
	})
	keys, err := c.WithKey("k").Keys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].SID != "s" {
		t.Errorf("got %v, %v", keys, err)
	}
}

func TestEndlessAnswerIsCut(t *testing.T) {
	c, mux, p := setup(t)
	c.limit = 3 << 20
	mux.HandleFunc("GET /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `[{"sid":"`)
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 10 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if _, err := c.WithKey("k").Keys(t.Context()); !errors.Is(err, errTooLong) || len(p.list()) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestRedirectKeepsTheKey(t *testing.T) {
	c, mux, _ := setup(t)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("redirect followed") }))
	defer other.Close()
	mux.HandleFunc("/api/auth/ping", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	err := c.WithKey("k").Ping(t.Context())
	if f, ok := errors.AsType[*Fault](err); !ok || f.Status != 307 {
		t.Errorf("got %v", err)
	}
}

func TestCertificateErrorsAreTyped(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(nothing))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	for name, tc := range map[string]struct {
		tls  *tls.Config
		want any
	}{
		"unknown authority": {tls: &tls.Config{RootCAs: x509.NewCertPool()}, want: new(x509.UnknownAuthorityError)},
		"other host":        {tls: &tls.Config{RootCAs: roots, ServerName: "mail.example.net"}, want: new(x509.HostnameError)},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pauses{}
			c, err := New(Options{BaseURL: srv.URL, TLS: tc.tls, Retry: Retry{Sleep: p.sleep}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.State(t.Context())
			conn, ok := errors.AsType[*ConnError](err)
			if !ok || conn.Sent || !errors.As(err, tc.want) || Temporary(err) || len(p.list()) != 0 {
				t.Errorf("got %v, after %v", err, p.list())
			}
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	p := &pauses{}
	c, err := New(Options{BaseURL: "https://mail.example.org", Retry: Retry{Sleep: p.sleep, Tries: 3},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.WithKey("k-secret").CreateKey(t.Context(), "run 1")
	// Nothing was sent, so that even this call is made again.
	if conn, ok := errors.AsType[*ConnError](err); !ok || conn.Sent || !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
	if len(p.list()) != 2 || !Temporary(err) || MaybeDone(err) {
		t.Errorf("waited %v", p.list())
	}
}

func TestSilentServer(t *testing.T) {
	c, mux, p := setup(t)
	c.opts.Timeout = 30 * time.Millisecond
	c.opts.Retry.Tries = 2
	release := make(chan struct{})
	defer close(release)
	mux.HandleFunc("GET /api/auth/ping", func(w http.ResponseWriter, r *http.Request) { <-release })
	mux.HandleFunc("GET /api/mail_items/f/eml/1", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "From: a")
		w.(http.Flusher).Flush()
		<-release
	})
	err := c.WithKey("k").Ping(t.Context())
	if conn, ok := errors.AsType[*ConnError](err); !ok || !conn.Sent || !errors.Is(err, os.ErrDeadlineExceeded) || len(p.list()) != 1 {
		t.Errorf("got %v after %v", err, p.list())
	}
	r, err := c.WithKey("k").EML(t.Context(), "f", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); string(data) != "From: a" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %q, %v", data, err)
	}
}

func TestCallerGivesUp(t *testing.T) {
	c, mux, p := setup(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	release := make(chan struct{})
	defer close(release)
	mux.HandleFunc("GET /api/auth/ping", func(http.ResponseWriter, *http.Request) { cancel(why); <-release })
	err := c.WithKey("k").Ping(ctx)
	if !errors.Is(err, why) || Temporary(err) || len(p.list()) != 0 {
		t.Errorf("got %v after %v", err, p.list())
	}
}

func TestNewRefusesOddURLs(t *testing.T) {
	for _, u := range []string{"", "mail.example.org", "ftp://mail.example.org", "https://", "https://u:hunter2@mail.example.org",
		"https://mail.example.org/?apikey=hunter2", "https://mail.example.org:port-hunter2"} {
		if _, err := New(Options{BaseURL: u}); err == nil || strings.Contains(err.Error(), "u:hunter2") {
			t.Errorf("%q: %v", u, err)
		}
	}
	for _, u := range []string{"https://mail.example.org", "https://mail.example.org/", "https://mail.example.org/api", "https://mail.example.org/api/"} {
		c, err := New(Options{BaseURL: u})
		if err != nil || c.BaseURL() != "https://mail.example.org/api" {
			t.Errorf("%q: %v", u, err)
		}
	}
}
