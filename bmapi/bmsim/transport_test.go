package bmsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTransport(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.uid("ada")

	t.Run("void is 200, empty, called JSON", func(t *testing.T) {
		a := adm.do("GET", "/auth/ping", nil)
		if a.status != 200 || a.body != "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %q %s", a.status, a.body, a.header)
		}
	})
	t.Run("null is 204", func(t *testing.T) {
		if a := adm.do("GET", "/users/example.org/byLogin/nobody", nil); a.status != 204 || a.body != "" {
			t.Errorf("%d %q", a.status, a.body)
		}
	})
	t.Run("a string without Accept is raw", func(t *testing.T) {
		adm.ok("PUT", "/domains/"+exampleUID+"/_settings", map[string]string{"external_url": "mail.example.org"}, nil)
		path := "/domains/" + exampleUID + "/externalurl"
		if a := adm.do("GET", path, nil); a.body != `"mail.example.org"` {
			t.Error(a.body)
		}
		if a := adm.raw("GET", path, nil, func(r *http.Request) { r.Header.Del("Accept") }); a.body != "mail.example.org" {
			t.Error(a.body)
		}
	})
	t.Run("plus is a space in a path", func(t *testing.T) {
		adm.ok("PUT", "/mailshares/"+exampleUID+"/plus", `{"name":"a+b","routing":"internal","emails":[{"address":"a+b@example.org","isDefault":true}]}`, nil)
		if a := adm.do("GET", "/directory/example.org/_byEmail/a+b@example.org", nil); a.status != 204 {
			t.Errorf("a raw plus finds it: %d", a.status)
		}
		if a := adm.do("GET", "/directory/example.org/_byEmail/a%2Bb@example.org", nil); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("chunked bodies are refused", func(t *testing.T) {
		body := struct{ io.Reader }{strings.NewReader(`{"label":"x"}`)} // no length to be seen
		a := adm.raw("PUT", "/domains/chunked.org", body, nil)
		if a.status != 500 || a.fault().ErrorCode != "UNKNOWN" || !strings.Contains(a.body, "body") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("slashes", func(t *testing.T) {
		for path, java := range map[string]string{
			"/users//example.org/_alluids":        "IllegalStateException",
			"/users/example.org/byLogin/":         "IllegalStateException",
			"/users/example.org//byLogin/ada":     "IllegalStateException",
			"/tasks/":                             "IllegalStateException",
			"/users/example.org/" + ada + "/xyz/": "",
		} {
			a := adm.do("GET", path, nil)
			if a.status != 500 || a.fault().ErrorCode != "" || a.fault().ErrorType != java {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		if a := adm.do("GET", "/auth//ping", nil); a.status != 200 {
			t.Errorf("without parameters a doubled slash is skipped: %d %s", a.status, a.body)
		}
	})
	t.Run("unknown route", func(t *testing.T) {
		a := adm.do("PATCH", "/domains", nil)
		if a.status != 500 || a.fault().Code != "NOT_FOUND" || a.fault().ErrorCode != "" || !strings.Contains(a.body, "no service registered") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("a dead key", func(t *testing.T) {
		a := adm.with("dead-key").refused("GET", "/domains", nil, 401, "AUTHENTICATION_FAIL")
		if a.header.Get("WWW-authenticate") != "Bearer" || len(a.header.Values("Set-Cookie")) == 0 {
			t.Error(a.header)
		}
	})
	t.Run("the key as a query parameter", func(t *testing.T) {
		if a := adm.with("").do("GET", "/domains?apikey="+adm.key, nil); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("no key at all", func(t *testing.T) {
		adm.with("").refused("GET", "/domains", nil, 403, "PERMISSION_DENIED")
		adm.with("").refused("GET", "/auth/keys", nil, 403, "PERMISSION_DENIED")
		for _, path := range []string{"/system/installation/_infos", "/system/installation/state"} {
			if a := adm.with("").do("GET", path, nil); a.status != 200 {
				t.Errorf("%s: %d", path, a.status)
			}
		}
	})
	t.Run("the body is read before domain and rights", func(t *testing.T) {
		bob := adm.su("bob@example.org")
		bob.refused("PUT", "/users/nowhere.org/x", `{"login":`, 500, "UNKNOWN")
		bob.refused("PUT", "/users/nowhere.org/x", `{}`, 404, "NOT_FOUND")
		bob.refused("PUT", "/users/example.org/x", `{}`, 403, "PERMISSION_DENIED")
		adm.refused("PUT", "/users/example.org/x", `{"routing":"Internal"}`, 500, "UNKNOWN")
		if a := adm.do("PUT", "/users/example.org/x", nil); a.status != 500 || a.fault().ErrorType != "NullPointerException" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("what isn't known in JSON is ignored", func(t *testing.T) {
		adm.ok("PUT", "/domains/more.org", `{"label":"more.org","name":"more.org","novelty":{"a":[1]}}`, nil)
	})
	t.Run("the journal holds no key", func(t *testing.T) {
		k := adm.su("bob@example.org").newKey("token")
		adm.ok("GET", "/auth/keys/"+k.SID, nil, nil)
		adm.with("").ok("GET", "/auth/keys?apikey="+k.SID, nil, nil)
		for _, c := range sim.Journal().Calls() {
			line, _ := json.Marshal(c)
			for _, s := range []string{k.SID, adm.key, secret} {
				if strings.Contains(string(line), s) {
					t.Errorf("a secret in %s", line)
				}
			}
		}
	})
}

func TestVersions(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	var infos struct{ SoftwareVersion, ReleaseName string }
	adm.with("").ok("GET", "/system/installation/_infos", nil, &infos)
	if infos.ReleaseName != "5.1" || !strings.HasPrefix(infos.SoftwareVersion, "5.1.") {
		t.Errorf("%+v", infos)
	}
	var v struct {
		VersionName  string
		NeedsUpgrade bool
	}
	adm.ok("GET", "/system/installation/version", nil, &v)
	if v.VersionName != "5.1" || v.NeedsUpgrade {
		t.Errorf("%+v", v)
	}
	adm.with("").refused("GET", "/system/installation/version", nil, 403, "PERMISSION_DENIED")
	if a := adm.with("").do("GET", "/system/installation/state", nil); a.body != `"CORE_STATE_RUNNING"` {
		t.Error(a.body)
	}
	var conf struct{ Values map[string]string }
	adm.ok("GET", "/configuration", nil, &conf)
	if conf.Values["message_size_limit"] != "10000000" {
		t.Errorf("%v", conf)
	}
	adm.su("ada@example.org").refused("GET", "/configuration", nil, 403, "PERMISSION_DENIED")
}
