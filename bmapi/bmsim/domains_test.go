package bmsim_test

import (
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
)

func TestCreateDomain(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	for _, tc := range []struct{ name, uid, body, code string }{
		{"plain", "plain.org", `{"label":"plain.org","name":"plain.org"}`, ""},
		{"lower-cased", "lower.org", `{"label":"L","name":"Lower.ORG","aliases":["A.Lower.org"],"defaultAlias":"A.LOWER.org"}`, ""},
		{"an internal uid", "18f0b.internal", `{"label":"x","name":"18f0b.internal","aliases":["y.org"],"defaultAlias":"y.org"}`, ""},
		{"again", "plain.org", `{"label":"plain.org","name":"plain.org"}`, "ALREADY_EXISTS"},
		{"name is not the uid", "a.org", `{"label":"b","name":"b.org"}`, "INVALID_PARAMETER"},
		{"a capital in the uid", "A.org", `{"label":"b","name":"A.org"}`, "INVALID_PARAMETER"},
		{"no label", "c.org", `{"name":"c.org"}`, "INVALID_PARAMETER"},
		{"not usable after @", "c_d", `{"label":"x","name":"c_d"}`, "INVALID_DOMAIN_NAME"},
		{"an alias of another", "d.org", `{"label":"x","name":"d.org","aliases":["example.net"]}`, "INVALID_DOMAIN_NAME"},
		{"another's alias as name", "example.net", `{"label":"x","name":"example.net"}`, "INVALID_DOMAIN_NAME"},
		{"default alias is none", "e.org", `{"label":"x","name":"e.org","defaultAlias":"z.org"}`, "INVALID_PARAMETER"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.code != "" {
				adm.refused("PUT", "/domains/"+tc.uid, tc.body, 500, tc.code)
				return
			}
			adm.ok("PUT", "/domains/"+tc.uid, tc.body, nil)
			var groups []string
			adm.ok("GET", "/groups/"+tc.uid+"/_alluids", nil, &groups)
			if strings.Join(groups, " ") != tc.uid+"_admin_group "+tc.uid+"_user_group" {
				t.Errorf("%v", groups)
			}
		})
	}
	if a := adm.do("PUT", "/domains/n.org", `{"label":"x","name":"n.org","aliases":null}`); a.status != 500 || a.fault().ErrorType != "NullPointerException" {
		t.Errorf("aliases null: %d %s", a.status, a.body)
	}
	adm.su("ada@example.org").refused("PUT", "/domains/q.org", `{"label":"q.org","name":"q.org"}`, 403, "PERMISSION_DENIED")

	var d struct {
		UID   string
		Value struct {
			Name, DefaultAlias string
			Aliases            []string
		}
	}
	adm.ok("GET", "/domains/_lookup?name=a.lower.org", nil, &d)
	if d.UID != "lower.org" || d.Value.DefaultAlias != "a.lower.org" {
		t.Errorf("%+v", d)
	}
	if a := adm.do("GET", "/domains/_lookup?name=Plain.org", nil); a.status != 204 {
		t.Errorf("lookup ignores case: %d", a.status)
	}
	if a := adm.do("GET", "/domains/unknown.org", nil); a.status != 204 {
		t.Errorf("%d", a.status)
	}
}

func TestAliases(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	path := "/domains/" + exampleUID
	adm.refused("POST", path+"/_aliases", `["example.net"]`, 500, "INVALID_PARAMETER")
	adm.refused("POST", path+"/_aliases", `["example.org","bad_name"]`, 500, "INVALID_DOMAIN_NAME")
	adm.refused("POST", "/domains/unknown.org/_aliases", `["example.org"]`, 404, "NOT_FOUND")
	if st := adm.task("POST", path+"/_aliases", `["example.org","new.org"]`); st.State != "Success" {
		t.Errorf("%+v", st)
	}
	adm.refused("POST", path+"/_default_alias", `"example.net"`, 500, "INVALID_PARAMETER")
	adm.ok("POST", path+"/_default_alias", `"new.org"`, nil)
	st := adm.task("POST", path+"/_aliases", `["new.org"]`)
	if st.State != "InError" || !strings.Contains(st.LastLogEntry, "still in use") {
		t.Errorf("an alias in use: %+v", st)
	}
	adm.refused("POST", path, `{"label":"x","name":"18f0a.internal","aliases":["example.org"],"defaultAlias":"example.org"}`, 500, "INVALID_PARAMETER")
	adm.ok("POST", path, `{"label":"renamed","name":"18f0a.internal","aliases":["example.org","new.org"],"defaultAlias":"new.org"}`, nil)
	adm.refused("POST", "/domains/unknown.org", `{"label":"x","name":"unknown.org"}`, 404, "NOT_FOUND")
	adm.refused("DELETE", path, nil, 500, "UNKNOWN")
	if st := adm.task("DELETE", path+"/_items", nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
	adm.ok("DELETE", path, nil, nil)
	adm.refused("DELETE", path, nil, 404, "NOT_FOUND")
}

func TestSettings(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	adm.ok("PUT", "/domains/"+exampleUID+"/_settings", `{"mailbox_default_user_quota":"1024"}`, nil)
	var got map[string]string
	adm.ok("GET", "/domains/"+exampleUID+"/_settings", nil, &got)
	if got["mailbox_default_user_quota"] != "1024" || got["lang"] == "" {
		t.Errorf("%v", got)
	}
	var global map[string]string
	adm.ok("GET", "/domains/example.org/_settings", nil, &global)
	if global["mailbox_default_user_quota"] != "" || global["lang"] == "" {
		t.Errorf("an alias must read the global settings alone: %v", global)
	}
	adm.refused("PUT", "/domains/"+exampleUID+"/_settings", `{"lang":"xx"}`, 500, "INVALID_PARAMETER")
	adm.refused("PUT", "/domains/"+exampleUID+"/_settings", `{"mail_forward_unknown_to_relay":"true"}`, 500, "INVALID_PARAMETER")
}

func TestServers(t *testing.T) {
	cfg := config()
	cfg.Domains = nil
	sim := start(t, cfg)
	adm := admin(t, sim)
	adm.ok("PUT", "/domains/new.org", `{"label":"new.org","name":"new.org"}`, nil)
	var servers []struct {
		UID   string
		Value struct{ Tags []string }
	}
	adm.ok("GET", "/servers/default/_complete", nil, &servers)
	if len(servers) != 1 || servers[0].UID != "bm-master" || len(servers[0].Value.Tags) == 0 {
		t.Fatalf("%+v", servers)
	}
	user := `{"login":"x","routing":"internal","contactInfos":{"identification":{"name":{"familyNames":"X"}}}}`
	a := adm.refused("PUT", "/users/new.org/x", user, 500, "INVALID_PARAMETER")
	if !strings.Contains(a.body, "Datalocation") {
		t.Error(a.body)
	}
	const path = "/servers/default/new.org/assignments/"
	adm.refused("POST", path+"nobody/_assign?tag=mail/imap", nil, 404, "NOT_FOUND")
	adm.refused("POST", "/servers/default/nowhere.org/assignments/bm-master/_assign?tag=mail/imap", nil, 404, "NOT_FOUND")
	adm.refused("POST", path+"bm-master/_assign?tag=bm/none", nil, 500, "UNKNOWN")
	for range 2 {
		adm.ok("POST", path+"bm-master/_assign?tag=mail/imap", nil, nil)
	}
	var uids []string
	adm.ok("GET", "/servers/default/new.org/byAssignment?tag=mail/imap", nil, &uids)
	if strings.Join(uids, " ") != "bm-master" {
		t.Errorf("%v", uids)
	}
	var g struct{ Value struct{ DataLocation string } }
	adm.ok("GET", "/groups/new.org/byName/user", nil, &g)
	if g.Value.DataLocation != "bm-master" {
		t.Errorf("the default group has no server: %+v", g)
	}
	adm.ok("PUT", "/users/new.org/x", user, nil)
	var tmpl struct {
		Kinds []struct {
			ID   string
			Tags []struct {
				Value      string
				AutoAssign bool
			}
		}
	}
	adm.ok("GET", "/system/domaintemplate", nil, &tmpl)
	found := false
	for _, k := range tmpl.Kinds {
		for _, tag := range k.Tags {
			found = found || tag.Value == "mail/smtp" && tag.AutoAssign
		}
	}
	if !found {
		t.Errorf("%+v", tmpl)
	}
	adm.refused("GET", "/servers/other/_complete", nil, 404, "NOT_FOUND")
}

func TestGlobalDomainIdentifiesTheInstallation(t *testing.T) {
	born := func(sim *bmsim.Sim) (v struct{ Created int64 }) {
		admin(t, sim).ok("GET", "/domains/global.virt", nil, &v)
		return v
	}
	cfg := config()
	cfg.Dir = t.TempDir()
	first, err := bmsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	was := born(first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if again := born(start(t, cfg)); again != was || was.Created == 0 {
		t.Errorf("%v after a restart, %v before", again, was)
	}
	other := config()
	other.Dir = t.TempDir()
	if born(start(t, other)) == was {
		t.Error("two installations look the same")
	}
}
