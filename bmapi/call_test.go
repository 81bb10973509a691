package bmapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
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

func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		status  int
		head    http.Header
		body    string
		is      error
		isNot   error
		code    Code
		text    string
		excerpt string
	}{
		"already exists by HTTP 500": {status: 500, body: `{"errorCode":"ALREADY_EXISTS","errorType":"ServerFault","message":"login taken"}`,
			is: ErrAlreadyExists, code: CodeAlreadyExists, text: "GET /domains: HTTP 500 ALREADY_EXISTS: login taken"},
		"address taken":      {status: 500, body: `{"errorCode":"EMAIL_ALREADY_USED"}`, is: ErrAlreadyExists, code: CodeEmailAlreadyUsed},
		"not found":          {status: 404, body: `{"errorCode":"NOT_FOUND","message":null}`, is: ErrNotFound, isNot: ErrNoRoute, code: CodeNotFound},
		"denied":             {status: 403, body: `{"errorCode":"PERMISSION_DENIED"}`, is: ErrPermission, code: CodePermissionDenied},
		"dead key":           {status: 401, body: `{"errorCode":"AUTHENTICATION_FAIL"}`, is: ErrUnauthenticated, code: CodeAuthenticationFail},
		"401 without a body": {status: 401, is: ErrUnauthenticated},
		"java exception": {status: 500, body: `{"errorType":"NullPointerException","message":null}`, isNot: ErrNotFound,
			text: "GET /domains: HTTP 500: NullPointerException"},
		"no such route": {status: 500, body: `{"code":"NOT_FOUND","message":"no service registered on GET /domains","stackTrace":[]}`,
			is: ErrNoRoute, isNot: ErrNotFound, code: CodeNotFound},
		"a proxy's 404":    {status: 404, body: "<html>\n<h1>404</h1>", isNot: ErrNotFound, excerpt: "<html> <h1>404</h1>"},
		"a page with 200":  {status: 200, body: "<!DOCTYPE html><html>login</html>", isNot: ErrNotFound, excerpt: "<!DOCTYPE html><html>login</html>"},
		"nothing with 200": {status: 200, isNot: ErrNotFound},
		"redirect": {status: 302, head: http.Header{"Location": {"https://elsewhere.example/api?x=1"}}, body: "<html>",
			text: "GET /domains: HTTP 302: redirect to https://elsewhere.example, not followed"},
		"other JSON":      {status: 500, body: `["x"]`, excerpt: `["x"]`},
		"odd field types": {status: 500, body: `{"errorCode":7,"message":{"a":1}}`, excerpt: `{"errorCode":7,"message":{"a":1}}`},
		"terminal controls": {status: 500, body: "{\"errorCode\":\"FAILURE\",\"message\":\"a\\u001b[31m\\nb\"}", code: CodeFailure,
			text: "GET /domains: HTTP 500 FAILURE: a [31m b"},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, p := setup(t)
			mux.HandleFunc("GET /api/domains", func(w http.ResponseWriter, r *http.Request) {
				for k, v := range tc.head {
					w.Header()[k] = v
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			_, err := c.WithKey("k-secret").Domains(t.Context())
			f, ok := errors.AsType[*Fault](err)
			if !ok {
				t.Fatalf("got %v, want a fault", err)
			}
			if f.Status != tc.status || f.ErrorCode != tc.code || f.Method != "GET" || f.Path != "/domains" || f.Excerpt != tc.excerpt {
				t.Errorf("got %+v", f)
			}
			if tc.is != nil && !errors.Is(err, tc.is) || tc.isNot != nil && errors.Is(err, tc.isNot) {
				t.Errorf("%v: is %v: %v, is %v: %v", err, tc.is, errors.Is(err, tc.is), tc.isNot, errors.Is(err, tc.isNot))
			}
			if tc.text != "" && err.Error() != tc.text {
				t.Errorf("got  %s\nwant %s", err, tc.text)
			}
			if len(p.list()) != 0 {
				t.Errorf("tried again after %v", p.list())
			}
		})
	}
}

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
	mux.HandleFunc("GET /api/auth/keys", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `[{"sid":"`)
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 70 {
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

// TestNoSecretIsShown makes each call that carries a secret meet a server which
// repeats all it was told, and looks for them in errors, logs and queries.
func TestNoSecretIsShown(t *testing.T) {
	secrets := []string{"hunter2-pass", "5f0c0000-dead-beef-0000-0123456789ab", "sid-1111-2222"}
	c, mux, _ := setup(t)
	var log bytes.Buffer
	c.opts.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		for _, s := range secrets {
			if strings.Contains(r.URL.RawQuery, s) {
				t.Errorf("secret in the query of %s", r.URL)
			}
		}
		faults(w, 500, CodeUnknown, fmt.Sprint("cannot ", r.URL.Path, " ", r.Header, " ", string(data)))
	})
	mux.HandleFunc("/api/auth/login", answers(t, `{"status":"Bad","message":"hunter2-pass is wrong"}`))
	ctx, s := t.Context(), c.WithKey(secrets[1])
	calls := map[string]error{"create": s.CreateUser(ctx, "d", "u", &User{Login: "l", Password: secrets[0]}),
		"password": s.SetPassword(ctx, "d", "u", secrets[0]), "delete": s.DeleteKey(ctx, secrets[2]), "drop": c.DropKey(ctx, secrets[2])}
	_, calls["login"] = c.Login(ctx, "ada", secrets[0])
	_, calls["validate"] = c.Validate(ctx, "ada", secrets[0])
	_, calls["key"] = s.CreateKey(ctx, "name")
	for name, err := range calls {
		for _, s := range secrets {
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), s) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	key := Key{SID: secrets[2], DisplayName: "n", Subject: "u"}
	log.WriteString(fmt.Sprintf("%v %+v %#v %v %#v", key, &key, key, s, s))
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key, "session", s)
	for _, s := range secrets {
		if strings.Contains(log.String(), s) {
			t.Errorf("secret in the log:\n%s", log.String())
		}
	}
	if !strings.Contains(log.String(), "path=/auth/keys/…") {
		t.Errorf("the log says too little:\n%s", log.String())
	}
}

func FuzzFault(f *testing.F) {
	for _, s := range []string{`{"errorCode":"NOT_FOUND","errorType":"ServerFault","message":"x"}`, `{"code":"NOT_FOUND","message":"no service registered on GET /x"}`,
		"<html>502 Bad Gateway</html>", `{"errorCode":null,"message":null}`, "", "null", `{"message":"a\u0000\ud800"}`, "\xff\xfe{", `[{}]`, `"text"`} {
		f.Add([]byte(s), 500)
	}
	f.Fuzz(func(t *testing.T, data []byte, status int) {
		fault := &Fault{Status: status, Method: "GET", Path: "/x"}
		fault.read(data)
		text := fault.Error()
		if strings.ContainsAny(text, "\r\n\x1b\x00") || len(text) > 4*4*310 {
			t.Errorf("unfit to be shown: %q", text)
		}
		for _, target := range []error{ErrNotFound, ErrAlreadyExists, ErrPermission, ErrUnauthenticated, ErrNoRoute, ErrOutcomeUnknown} {
			_ = errors.Is(fault, target)
		}
		if errors.Is(fault, ErrNotFound) && errors.Is(fault, ErrNoRoute) {
			t.Errorf("both no route and not found: %q", data)
		}
		if fault.ErrorCode == "" && fault.ErrorType == "" && fault.Message == "" && len(data) > 0 && strings.TrimSpace(string(data)) != "" && fault.Excerpt == "" {
			if clip(string(data)) != "" {
				t.Errorf("nothing is left of %q", data)
			}
		}
	})
}
