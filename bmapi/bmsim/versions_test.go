package bmsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
)

// version35 is the same in BlueMind 3.5.
func version35() bmsim.Config {
	cfg := config()
	cfg.Version = 3
	return cfg
}

// TestVersion35 has the calls of 3.5 and no others.
func TestVersion35(t *testing.T) {
	sim := start(t, version35())
	adm := admin(t, sim)
	var infos struct{ SoftwareVersion, ReleaseName string }
	adm.with("").ok("GET", "/system/installation/_infos", nil, &infos)
	if !strings.HasPrefix(infos.SoftwareVersion, "3.1.") || !strings.HasPrefix(infos.ReleaseName, "3.5.") {
		t.Errorf("%+v", infos)
	}
	ada, bob := adm.uid("ada"), adm.uid("bob")
	for _, call := range []string{
		"GET /users/" + exampleUID + "/subscriptions/" + ada, "POST /users/" + exampleUID + "/subscriptions/" + ada + "/_subscribe",
		"GET /mail_folders_container/subtree_18f0a_internal!user." + ada + "/_all", "POST /mail_items/x/_count",
		"GET /directory/example.org/" + ada + "/mgmt/_maintenance", "POST /domains/" + exampleUID + "/_default_alias",
		"PUT /externaluser/example.org/x", "POST /users/example.org/_updateAccountType/" + ada, "GET /mailboxes/example.org/_listUids",
	} {
		method, path, _ := strings.Cut(call, " ")
		if a := adm.do(method, path, `[]`); a.status != http.StatusInternalServerError || !strings.Contains(a.body, "no service registered") {
			t.Errorf("%s: %d %s", call, a.status, a.body)
		}
	}
	key := adm.su("ada@example.org").newKey("token")
	adm.with(key.SID).refused("GET", "/auth/keys", nil, 401, "AUTHENTICATION_FAIL")
	var kind string
	adm.with("").ok("POST", "/auth/validate?login="+url.QueryEscape("ada@example.org"), quoted(key.SID), &kind)
	if kind != "PASSWORD" {
		t.Errorf("a key is %s", kind)
	}

	acl := "/containers/_manage/mailbox:acls-" + bob + "/_acl"
	adm.refused("PUT", acl, []ace{{ada, "SendOnBehalf"}}, 500, "UNKNOWN")
	adm.ok("PUT", acl, []ace{{ada, "Write"}}, nil)
	var list []ace
	adm.ok("GET", acl, nil, &list)
	if got := verbsOf(list, ada); got != "Freebusy Invitation Read Write" {
		t.Errorf("Write holds %s", got)
	}
	adm.ok("PUT", "/containers/_manage/_subscription/"+ada, `[{"containerUid":"mailbox:acls-`+bob+`","offlineSync":true}]`, nil)
	adm.refused("PUT", "/containers/_manage/_subscription/"+ada, `[{"containerUid":"mailbox:acls-none"}]`, 404, "NOT_FOUND")
	adm.ok("PUT", "/containers/_manage/_subscription/none", `[{"containerUid":"mailbox:acls-`+bob+`"}]`, nil)
	boxes := func() (names []string) {
		t.Helper()
		var subs []struct {
			UID, Type, Name string
			OfflineSync     bool
		}
		adm.ok("GET", "/containers/_manage/_subscriptions/"+ada+"@"+exampleUID+"/mailboxacl", nil, &subs)
		for _, s := range subs {
			names = append(names, s.Name)
		}
		return names
	}
	if got := strings.Join(boxes(), " "); got != "ada support bob" {
		t.Errorf("subscriptions: %s", got)
	}
	adm.ok("DELETE", "/containers/_manage/_subscription/"+ada, `["mailbox:acls-`+bob+`"]`, nil)
	if got := strings.Join(boxes(), " "); got != "ada support" {
		t.Errorf("subscriptions: %s", got)
	}
	if st := adm.task("POST", "/mailboxes/example.org/"+ada+"/_check-and-repair", nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
}

// TestReleaseNameDecides what is served, whatever is behind.
func TestReleaseNameDecides(t *testing.T) {
	cfg := config()
	cfg.ReleaseName = "3.5.12"
	adm := admin(t, start(t, cfg))
	if a := adm.do("GET", "/mailboxes/example.org/_listUids", nil); !strings.Contains(a.body, "no service registered") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestVerbsByVersion: a word that a version does not have can't be read.
func TestVerbsByVersion(t *testing.T) {
	for _, tc := range []struct {
		cfg  bmsim.Config
		verb string
		ok   bool
	}{
		{version4(), "SendOnBehalf", true},
		{version4(), "SendAs", false},
		{version4(), "ReadExtended", false},
		{config(), "SendAs", true},
	} {
		adm := admin(t, start(t, tc.cfg))
		path := "/containers/_manage/mailbox:acls-" + adm.uid("bob") + "/_acl"
		if !tc.ok {
			adm.refused("PUT", path, []ace{{"x", tc.verb}}, 500, "UNKNOWN")
			continue
		}
		adm.ok("PUT", path, []ace{{"x", tc.verb}}, nil)
	}
}

func TestTemplateByVersion(t *testing.T) {
	for _, tc := range []struct {
		cfg            bmsim.Config
		has, has2, not string
	}{{version4(), "bm/hps", "mail/imap", "bm/keycloak"}, {config(), "bm/keycloak", "bm/es-data", "bm/hps"}} {
		adm := admin(t, start(t, tc.cfg))
		body := adm.do("GET", "/system/domaintemplate", nil).body
		if !strings.Contains(body, `"`+tc.has+`"`) || !strings.Contains(body, `"`+tc.has2+`"`) || strings.Contains(body, `"`+tc.not+`"`) {
			t.Errorf("version %d: %s", tc.cfg.Version, body)
		}
	}
}

// TestSeveralServers are taken in turn, unless one is named.
func TestSeveralServers(t *testing.T) {
	cfg := config()
	cfg.Domains = nil
	cfg.Servers = []bmsim.Server{{UID: "bm-master"}, {UID: "mail2", Tags: []string{"mail/imap"}}, {UID: "edge", Tags: []string{"mail/smtp-edge"}}}
	adm := admin(t, start(t, cfg))
	adm.ok("PUT", "/domains/d.org", `{"label":"d.org","name":"d.org"}`, nil)
	const assign = "/servers/default/d.org/assignments/"
	adm.ok("POST", assign+"bm-master/_assign?tag=mail/imap", nil, nil)
	adm.refused("PUT", "/users/d.org/u0", user("u0", `"dataLocation":"mail2"`), 500, "INVALID_PARAMETER")
	adm.ok("POST", assign+"mail2/_assign?tag=mail/imap", nil, nil)
	adm.refused("POST", assign+"edge/_assign?tag=mail/imap", nil, 500, "UNKNOWN")
	adm.refused("POST", assign+"none/_assign?tag=mail/imap", nil, 404, "NOT_FOUND")
	where := map[string]int{}
	for _, u := range []string{"u1", "u2", "u3", "u4"} {
		adm.ok("PUT", "/users/d.org/"+u, user(u, ""), nil)
		var d struct{ DataLocation string }
		adm.ok("GET", "/directory/d.org/entry-uid/"+u, nil, &d)
		where[d.DataLocation]++
	}
	if where["bm-master"] != 2 || where["mail2"] != 2 {
		t.Errorf("%v", where)
	}
	adm.ok("PUT", "/users/d.org/u5", user("u5", `"dataLocation":"mail2"`), nil)
	var servers []struct{ UID string }
	adm.ok("GET", "/servers/default/_complete", nil, &servers)
	if len(servers) != 3 {
		t.Errorf("%+v", servers)
	}
}
