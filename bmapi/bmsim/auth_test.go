package bmsim_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

func TestLogin(t *testing.T) {
	sim := start(t, config())
	c := anonymous(t, sim)
	for _, tc := range []struct{ name, login, secret, status, latd string }{
		{"admin0", "admin0@global.virt", secret, "Ok", "admin0@global.virt"},
		{"admin0 without a domain", "admin0", secret, "Ok", "admin0@global.virt"},
		{"login on the uid", "ada@" + exampleUID, "Pa55 word", "Ok", "ada@" + exampleUID},
		{"address on an alias", "countess@example.org", "Pa55 word", "Ok", "ada@" + exampleUID},
		{"an alias that is not in the address", "ada@example.net", "Pa55 word", "Bad", ""},
		{"wrong password", "ada@example.org", "Pa55 wordy", "Bad", ""},
		{"archived", "gone@example.org", "s3cret!", "Bad", ""},
		{"mailshare", "support@example.org", "x", "Bad", ""},
		{"unknown domain", "ada@example.com", "Pa55 word", "Bad", ""},
		{"empty secret", "ada@example.org", "", "Bad", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := c.login(tc.login, tc.secret)
			if l.Status != tc.status || l.Latd != tc.latd || (l.AuthKey != "") != (tc.status == "Ok") {
				t.Errorf("%+v", l)
			}
		})
	}
}

func TestSudo(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	status := func(c *client, name string) string {
		var l login
		c.ok("POST", "/auth/_su?login="+url.QueryEscape(name), nil, &l)
		return l.Status
	}
	for name, want := range map[string]string{
		"ada@example.org": "Ok", "ada@" + exampleUID: "Ok", "ada@example.net": "Ok",
		"countess@example.org": "Bad", "nobody@example.org": "Bad", "ada@example.com": "Bad", "gone@example.org": "Bad",
	} {
		if got := status(adm, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if a := adm.do("POST", "/auth/_su?login=ada", nil); a.status != 500 || a.fault().ErrorCode != "" {
		t.Errorf("without @: %d %s", a.status, a.body)
	}
	adm.su("ada@example.org").refused("POST", "/auth/_su?login=bob@example.org", nil, 403, "PERMISSION_DENIED")
}

func TestFailedNamesAreRemembered(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.uid("ada")
	if l := adm.login("ada@fresh.org", "Pa55 word"); l.Status != "Bad" {
		t.Fatal(l)
	}
	if st := adm.task("POST", "/domains/"+exampleUID+"/_aliases", []string{"example.org", "example.net", "fresh.org"}); st.State != "Success" {
		t.Fatal(st)
	}
	var u map[string]any
	adm.ok("GET", "/users/example.org/"+ada+"/complete", nil, &u)
	value := u["value"].(map[string]any)
	emails := value["emails"].([]any)
	for _, e := range emails {
		if m := e.(map[string]any); m["address"] == "ada@example.org" {
			m["allAliases"] = true
		}
	}
	// The address counts on the new alias, and the user was written: forgotten.
	value["emails"] = emails[:0]
	for _, e := range emails {
		if a := e.(map[string]any)["address"]; a != "ada@"+exampleUID {
			value["emails"] = append(value["emails"].([]any), e)
		}
	}
	adm.ok("POST", "/users/example.org/"+ada, value, nil)
	if l := adm.login("ada@fresh.org", "Pa55 word"); l.Status != "Ok" {
		t.Errorf("after the user was written: %+v", l)
	}

	// Only the alias is new: the name keeps failing.
	if l := adm.login("ada@late.org", "Pa55 word"); l.Status != "Bad" {
		t.Fatal(l)
	}
	adm.task("POST", "/domains/"+exampleUID+"/_aliases", []string{"example.org", "example.net", "fresh.org", "late.org"})
	if l := adm.login("ada@late.org", "Pa55 word"); l.Status != "Bad" {
		t.Errorf("the failed name was forgotten: %+v", l)
	}
	adm.ok("POST", "/users/example.org/"+ada, value, nil)
	if l := adm.login("ada@late.org", "Pa55 word"); l.Status != "Ok" {
		t.Errorf("after the user was written again: %+v", l)
	}
}

func TestKeys(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.su("ada@example.org")
	validate := func(name, secret string) (kind string) {
		adm.with("").ok("POST", "/auth/validate?origin=t&login="+url.QueryEscape(name), quoted(secret), &kind)
		return kind
	}

	k := ada.newKey("bmsync run 1")
	if len(k.SID) != 36 || strings.ToLower(k.SID) != k.SID || k.Subject != adm.uid("ada") || k.DomainUID != exampleUID {
		t.Errorf("%+v", k)
	}
	ada.refused("PUT", "/auth/keys?displayName=+", nil, 500, "UNKNOWN")

	t.Run("the same name repeats", func(t *testing.T) {
		again := ada.newKey("bmsync run 1")
		var all []apiKey
		ada.ok("GET", "/auth/keys", nil, &all)
		if len(all) != 2 || again.SID == k.SID {
			t.Errorf("%+v", all)
		}
		ada.ok("DELETE", "/auth/keys/"+again.SID, nil, nil)
	})
	t.Run("anyone may read one by its sid", func(t *testing.T) {
		var got apiKey
		adm.with("").ok("GET", "/auth/keys/"+k.SID, nil, &got)
		if got != k {
			t.Errorf("%+v", got)
		}
		if a := adm.do("GET", "/auth/keys/unknown", nil); a.status != 204 {
			t.Error(a.status)
		}
	})
	t.Run("a sid of one's own", func(t *testing.T) {
		const sid = "0b0e6a3c-0000-4000-8000-000000000001"
		var got apiKey
		ada.ok("PUT", "/auth/keys/"+sid+"?displayName=mine", nil, &got)
		if got.SID != sid {
			t.Errorf("%+v", got)
		}
		ada.ok("DELETE", "/auth/keys/"+sid, nil, nil)
	})
	t.Run("only the caller's own are deleted", func(t *testing.T) {
		adm.su("bob@example.org").ok("DELETE", "/auth/keys/"+k.SID, nil, nil)
		if a := adm.do("GET", "/auth/keys/"+k.SID, nil); a.status != 200 {
			t.Error("bob deleted ada's key")
		}
	})
	t.Run("what validate says", func(t *testing.T) {
		for _, tc := range []struct{ login, secret, want string }{
			{"ada@example.org", k.SID, "PASSWORD"},
			{"bob@example.org", k.SID, "NONE"},
			{"ada@example.org", ada.key, "TOKEN"},
			{"bob@example.org", ada.key, "NONE"},
			{"ada@example.org", "Pa55 word", "PASSWORD"},
			{"gone@example.org", "s3cret!", "ARCHIVED"},
			{"ada@example.org", "no", "NONE"},
			{"nobody@example.org", "no", "NONE"},
		} {
			if got := validate(tc.login, tc.secret); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.login, got, tc.want)
			}
		}
	})
	t.Run("deleted, its session lives on until logout", func(t *testing.T) {
		byKey := adm.with(k.SID)
		byKey.ok("GET", "/auth/ping", nil, nil)
		if got := validate("ada@example.org", k.SID); got != "TOKEN" {
			t.Errorf("with a REST session under it: %s", got)
		}
		byKey.ok("DELETE", "/auth/keys/"+k.SID, nil, nil)
		byKey.ok("GET", "/auth/ping", nil, nil)
		byKey.ok("POST", "/auth/logout", nil, nil)
		byKey.refused("GET", "/auth/ping", nil, 401, "AUTHENTICATION_FAIL")
		if got := validate("ada@example.org", k.SID); got != "NONE" {
			t.Error(got)
		}
		if alive := sim.Journal().KeysAlive(); len(alive) != 0 {
			t.Errorf("keys alive: %v", alive)
		}
	})
	t.Run("a key is rebuilt after the sessions ended", func(t *testing.T) {
		k := adm.newKey("permanent")
		byKey := adm.with(k.SID)
		byKey.ok("GET", "/domains", nil, nil)
		sim.ExpireSessions()
		ada.refused("GET", "/auth/keys", nil, 401, "AUTHENTICATION_FAIL")
		byKey.ok("GET", "/domains", nil, nil)
	})
}

func TestIdleSessionsEnd(t *testing.T) {
	cfg := config()
	cfg.SessionIdle = 200 * time.Millisecond
	sim := start(t, cfg)
	adm := admin(t, sim)
	for range 6 { // used often, it lives longer than that
		time.Sleep(50 * time.Millisecond)
		adm.ok("GET", "/auth/ping", nil, nil)
	}
	time.Sleep(300 * time.Millisecond)
	adm.refused("GET", "/auth/ping", nil, 401, "AUTHENTICATION_FAIL")
}

func TestMaintenance(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	sim.SetState(bmsim.Maintenance)
	adm.refused("GET", "/auth/ping", nil, 401, "AUTHENTICATION_FAIL")
	c := anonymous(t, sim)
	if l := c.login("ada@example.org", "Pa55 word"); l.Status != "Bad" {
		t.Errorf("%+v", l)
	}
	if l := c.login("admin0@global.virt", secret); l.Status != "Ok" {
		t.Errorf("%+v", l)
	}
}
