package bmsim_test

import (
	"fmt"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

func TestProxyDecision(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	adm.ok("PUT", "/groups/example.org/g", `{"name":"staff","emails":[{"address":"staff@example.org","isDefault":true}]}`, nil)
	adm.ok("PUT", "/users/example.org/wide", user("wide", emails("*w@example.org")+`,"password":"s3cret!"`), nil)
	ada := adm.su("ada@example.org")
	k := ada.newKey("token")
	bobs := adm.su("bob@example.org").newKey("token")
	gone := adm.uid("gone")
	const latd = "ada@" + exampleUID
	for _, tc := range []struct{ name, address, secret, want, kind string }{
		{"key on the default address", "ada@example.org", k.SID, latd, "key"},
		{"key on another address", "countess@example.org", k.SID, latd, "key"},
		{"key on login@uid", latd, k.SID, latd, "key"},
		{"password", "ada@example.org", "Pa55 word", latd, "password"},
		{"session", "ada@example.org", ada.key, latd, "session"},
		{"capitals", "Ada@Example.ORG", k.SID, latd, "key"},
		{"address valid in all aliases", "w@example.net", "s3cret!", "wide@" + exampleUID, "password"},
		{"another's key", "ada@example.org", bobs.SID, "", "refused"},
		{"another's session", "bob@example.org", ada.key, "", "refused"},
		{"wrong password", "ada@example.org", "Pa55 word ", "", "refused"},
		{"login on an alias that is no address", "ada@example.net", k.SID, "", "refused"},
		{"without @", "ada", "Pa55 word", "", "refused"},
		{"a mailshare", "support@example.org", k.SID, "", "refused"},
		{"a group", "staff@example.org", k.SID, "", "refused"},
		{"archived", "gone@example.org", "s3cret!", "", "refused"},
		{"admin0", "admin0", secret, "", "refused"},
		{"admin0 with its domain", "admin0@global.virt", secret, "", "refused"},
		{"admin0 in a domain", "admin0@example.org", secret, "", "refused"},
		{"the administrator's session", "ada@example.org", adm.key, "", "refused"},
		{"the hidden administrator", "bmhiddensysadmin@" + exampleUID, secret, "", "refused"},
		{"unknown domain", "ada@example.com", k.SID, "", "refused"},
		{"no secret", "ada@example.org", "", "", "refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := sim.Admit(t.Context(), tc.address, tc.secret)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("%q %v", got, err)
			}
			all := sim.Journal().Logins()
			last := all[len(all)-1]
			if last.Address != tc.address || last.Secret != tc.kind || (last.Reason != "") != (tc.want == "") {
				t.Errorf("%+v", last)
			}
		})
	}
	t.Run("a key of an archived user opens REST only", func(t *testing.T) {
		u := `{"login":"gone","routing":"internal","archived":%s,"contactInfos":{"identification":{"name":{"familyNames":"G"}}},"emails":[{"address":"gone@example.org","isDefault":true}]}`
		path := "/users/example.org/" + gone
		adm.ok("POST", path, fmt.Sprintf(u, "false"), nil)
		k := adm.su("gone@example.org").newKey("token")
		adm.ok("POST", path, fmt.Sprintf(u, "true"), nil)
		adm.with(k.SID).ok("GET", "/auth/keys", nil, nil)
		if _, err := sim.Admit(t.Context(), "gone@example.org", k.SID); err == nil {
			t.Error("let in over IMAP")
		}
		if _, err := sim.Authenticate(t.Context(), "gone@"+exampleUID, k.SID); err == nil {
			t.Error("let in behind the proxy")
		}
	})
	t.Run("a deleted key is refused at once", func(t *testing.T) {
		ada.ok("DELETE", "/auth/keys/"+k.SID, nil, nil)
		if _, err := sim.Admit(t.Context(), "ada@example.org", k.SID); err == nil {
			t.Error("let in")
		}
	})
	t.Run("not running", func(t *testing.T) {
		sim.SetState(bmsim.Maintenance)
		if _, err := sim.Admit(t.Context(), "ada@example.org", "Pa55 word"); err == nil {
			t.Error("let in")
		}
	})
}

func TestKeyCacheOfVersion4(t *testing.T) {
	for name, tc := range map[string]struct {
		life time.Duration
		want bool
	}{"ten minutes": {0, true}, "switched off": {-1, false}, "over": {time.Nanosecond, false}} {
		t.Run(name, func(t *testing.T) {
			cfg := version4()
			cfg.KeyCache = tc.life
			sim := start(t, cfg)
			ada := admin(t, sim).su("ada@example.org")
			k := ada.newKey("token")
			if _, err := sim.Admit(t.Context(), "ada@example.org", k.SID); err != nil {
				t.Fatal(err)
			}
			ada.ok("DELETE", "/auth/keys/"+k.SID, nil, nil)
			if _, err := sim.Admit(t.Context(), "ada@example.org", k.SID); (err == nil) != tc.want {
				t.Errorf("after DELETE: %v", err)
			}
			if _, err := sim.Admit(t.Context(), "bob@example.org", k.SID); err == nil {
				t.Error("somebody else is let in")
			}
		})
	}
}
