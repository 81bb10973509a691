package bmapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
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
		fault.read(data, hidden{})
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
