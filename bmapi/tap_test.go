package bmapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// tap collects all that a client lets out: errors, and the log at its finest.
type tap struct {
	t       *testing.T
	secrets []string
	log     bytes.Buffer
}

func (p *tap) listen(c *Client) {
	c.opts.Logger = slog.New(slog.NewJSONHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// clean finds secrets, or a good part of one, in any spelling.
func (p *tap) clean(what, text string) {
	p.t.Helper()
	for _, s := range p.secrets {
		for i, part := range []string{s, url.QueryEscape(s), url.PathEscape(s), asJSON(p.t, s), s[:len(s)-2], s[2:]} {
			if strings.Contains(text, strings.Trim(part, `"`)) {
				p.t.Errorf("%s shows %q (spelling %d): %s", what, s, i, text)
			}
		}
	}
}

func (p *tap) err(what string, err error) {
	p.t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		p.clean(what, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
}

// TestTap lets a server say back all it was told, in the spellings it may have and at
// lengths that are cut, and listens.
func TestTap(t *testing.T) {
	const key = "5f0c0000-dead-beef-0000-0123456789ab"
	for _, password := range []string{"hunter2-pass", `qu"ote\back`, "two  words & more", "per%cent+plus/slash", "<angle>", `"quoted"`, "long" + strings.Repeat("x", 290) + "tail"} {
		said := map[string]func(text string) string{
			"fault":     func(s string) string { return asJSON(t, map[string]string{"errorCode": "UNKNOWN", "message": s}) },
			"code":      func(s string) string { return asJSON(t, map[string]string{"errorCode": s, "errorType": s}) },
			"page":      func(s string) string { return "<html>" + s },
			"cut page":  func(s string) string { return strings.Repeat("p ", 145) + s },
			"cut fault": func(s string) string { return asJSON(t, map[string]string{"message": strings.Repeat("m", 295) + s}) },
		}
		for name, body := range said {
			for _, status := range []int{200, 401, 500, 503, 307} {
				t.Run(fmt.Sprintf("%s %d %.12q", name, status, password), func(t *testing.T) {
					c, mux, _ := setup(t)
					p := &tap{t: t, secrets: []string{password, key}}
					p.listen(c)
					mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
						sent, _ := io.ReadAll(r.Body)
						var text string
						if json.Unmarshal(sent, &text) != nil {
							text = string(sent)
						}
						w.Header().Set("Location", "https://elsewhere.org/?p="+url.QueryEscape(password)+key)
						w.WriteHeader(status)
						io.WriteString(w, body(text+" "+r.Header.Get("X-BM-ApiKey")+" "+r.RequestURI+" "+url.QueryEscape(text)))
					})
					s := c.session("adm", key).WithRenew(func(context.Context) (string, error) { return password, nil })
					ctx := t.Context()
					_, login := c.Login(ctx, "ada", password)
					_, validate := c.Validate(ctx, "ada", password)
					_, create := s.CreateKey(ctx, "run")
					_, read := s.User(ctx, "d", "u")
					for what, err := range map[string]error{"login": login, "validate": validate, "create key": create, "read": read,
						"user":     s.CreateUser(ctx, "d", "u", &User{Login: "u", Password: password}),
						"password": s.SetPassword(ctx, "d", "u", password), "drop": c.DropKey(ctx, key), "delete key": s.DeleteKey(ctx, key)} {
						p.err(what, err)
					}
					p.clean("log", p.log.String())
					if !strings.Contains(p.log.String(), "/auth/keys/…") {
						t.Errorf("the log says too little: %s", p.log.String())
					}
				})
			}
		}
	}
}

// TestTapOfShortSecrets: a password of three letters can't be cut out of a text.
func TestTapOfShortSecrets(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("POST /api/auth/login", func(w http.ResponseWriter, _ *http.Request) { faults(w, 500, CodeUnknown, "no such thing as abc") })
	if _, err := c.Login(t.Context(), "ada", "abc"); err == nil || strings.Contains(err.Error(), "abc") {
		t.Errorf("got %v", err)
	}
	if h := newHidden("k", []string{""}); h.clip("a key") != "a key" {
		t.Errorf("got %q", h.clip("a key"))
	}
}
