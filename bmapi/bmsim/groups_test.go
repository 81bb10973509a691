package bmsim_test

import (
	"slices"
	"strings"
	"testing"
)

type member struct{ Type, UID string }

func (c *client) members(path string) string {
	c.t.Helper()
	var list []member
	c.ok("GET", path, nil, &list)
	var all []string
	for _, m := range list {
		all = append(all, m.Type+" "+m.UID)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestGroupMembers(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	const path = "/groups/example.org/"
	ada, bob := adm.uid("ada"), adm.uid("bob")
	for _, g := range []string{"inner", "middle", "outer"} {
		adm.ok("PUT", path+g, `{"name":"`+g+`"}`, nil)
	}
	adm.ok("PUT", "/externaluser/example.org/ext", external("guest@other.org"), nil)
	put := func(group, kind, uid string) {
		t.Helper()
		adm.ok("PUT", path+group+"/members", []map[string]string{{"type": kind, "uid": uid}}, nil)
	}
	put("inner", "user", ada)
	put("inner", "user", ada) // again
	put("inner", "external_user", "ext")
	put("middle", "group", "inner")
	put("outer", "group", "middle")
	put("outer", "user", bob)
	if got := adm.members(path + "outer/members"); got != "group middle, user "+bob {
		t.Errorf("members: %s", got)
	}
	if got := adm.members(path + "outer/expandedmembers"); got != "external_user ext, user "+min(ada, bob)+", user "+max(ada, bob) {
		t.Errorf("expanded: %s", got)
	}
	if got := adm.members(path + "outer/expandedusersmembers"); strings.Contains(got, "ext") || strings.Count(got, "user") != 2 {
		t.Errorf("users: %s", got)
	}
	for _, tc := range []struct{ name, group, body, code string }{
		{"itself", "inner", `[{"type":"group","uid":"inner"}]`, "INCLUSION_GROUP_LOOP"},
		{"a loop", "inner", `[{"type":"group","uid":"outer"}]`, "INCLUSION_GROUP_LOOP"},
		{"nobody", "inner", `[{"type":"user","uid":"none"}]`, "INVALID_PARAMETER"},
		{"another type", "inner", `[{"type":"group","uid":"` + ada + `"}]`, "INVALID_PARAMETER"},
		{"no type", "inner", `[{"uid":"` + ada + `"}]`, "INVALID_PARAMETER"},
		{"a word that is no type", "inner", `[{"type":"person","uid":"` + ada + `"}]`, "UNKNOWN"},
	} {
		adm.refused("PUT", path+tc.group+"/members", tc.body, 500, tc.code)
	}
	adm.refused("PUT", path+"none/members", `[]`, 404, "NOT_FOUND")
	adm.refused("GET", path+"none/members", nil, 404, "NOT_FOUND")
	adm.refused("DELETE", path+"inner/members", `[{"type":"user","uid":"none"}]`, 500, "INVALID_PARAMETER")
	adm.ok("DELETE", path+"inner/members", `[{"type":"user","uid":"`+bob+`"}]`, nil) // is none
	adm.ok("DELETE", path+"inner/members", `[{"type":"user","uid":"`+ada+`"}]`, nil)
	if got := adm.members(path + "inner/members"); got != "external_user ext" {
		t.Errorf("members: %s", got)
	}
	var uids []string
	adm.ok("GET", "/externaluser/example.org/ext/groupUids", nil, &uids)
	if strings.Join(uids, " ") != "inner middle outer" {
		t.Errorf("groups of the guest: %v", uids)
	}
	adm.task("DELETE", path+"inner", nil)
	if got := adm.members(path + "middle/members"); got != "" {
		t.Errorf("members after a group is gone: %s", got)
	}
	if st := adm.task("DELETE", path+"inner", nil); st.State != "Success" {
		t.Errorf("again: %+v", st)
	}
}

func TestGroupReads(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	const path = "/groups/example.org/"
	adm.ok("PUT", path+"g1/ldap:%2F%2F17/createwithextid", `{"name":"Équipe A","emails":[{"address":"equipe@example.org","isDefault":true}],"properties":{"x":"y"}}`, nil)
	type found struct {
		UID, ExternalID string
		Value           struct{ Name string }
	}
	for _, by := range []string{"g1/complete", "byName/%C3%89quipe%20A", "byEmail/EQUIPE@example.org", "_extid/ldap:%2F%2F17"} {
		var g found
		adm.ok("GET", path+by, nil, &g)
		if g.UID != "g1" || g.ExternalID != "ldap://17" || g.Value.Name != "Équipe A" {
			t.Errorf("%s: %+v", by, g)
		}
	}
	for _, by := range []string{"none/complete", "byName/none", "byEmail/ada@example.org", "_extid/none"} {
		if a := adm.do("GET", path+by, nil); a.status != 204 {
			t.Errorf("%s: %d", by, a.status)
		}
	}
	if a := adm.do("GET", path+"g1", nil); a.status != 500 || a.fault().ErrorCode != "" {
		t.Errorf("the unusable one: %d %s", a.status, a.body)
	}
	var some []found
	adm.ok("POST", path+"_search", `{"properties":{"is_profile":"true"}}`, &some)
	if len(some) != 2 {
		t.Errorf("profiles: %+v", some)
	}
	adm.refused("PUT", path+"g2", `{"name":"Équipe A"}`, 500, "ALREADY_EXISTS")
	adm.refused("PUT", path+"g2", `{"name":"two","emails":[{"address":"ada@example.org","isDefault":true}]}`, 500, "ALREADY_EXISTS")
	adm.refused("PUT", path+"g2", `{"name":" "}`, 500, "INVALID_PARAMETER")
	adm.refused("PUT", path+"g1", `{"name":"two"}`, 500, "ALREADY_EXISTS")
	adm.refused("POST", path+"none", `{"name":"two"}`, 404, "NOT_FOUND")
	adm.ok("POST", path+"g1/roles", `["hasMail"]`, nil)
	var roles []string
	adm.ok("GET", path+"g1/roles", nil, &roles)
	if len(roles) != 1 {
		t.Errorf("%v", roles)
	}
	// A group's name lives with a "_" before it in the name space of mailboxes,
	// where logins can't come.
	adm.ok("PUT", path+"g3", `{"name":"ada"}`, nil)
	var m found
	adm.ok("GET", "/mailboxes/example.org/_byname?name=_ada", nil, &m)
	if m.UID != "g3" {
		t.Errorf("%+v", m)
	}
}

func external(address string) string {
	return `{"emails":[{"address":"` + address + `","isDefault":true}],"contactInfos":{"identification":{"name":{"familyNames":"Guest"},` +
		`"formatedName":{"value":"A Guest"}},"communications":{"emails":[{"value":"` + address + `"}]}}}`
}

func TestExternalUsers(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	const path = "/externaluser/example.org/"
	adm.ok("PUT", path+"x1/hr-1/createwithextid", external("guest@other.org"), nil)
	for _, tc := range []struct{ body, code string }{
		{external("ada@example.org"), "ALREADY_EXISTS"},
		{external("Guest@other.org"), "INVALID_PARAMETER"},
		{strings.Replace(external("a@other.org"), `"Guest"`, `""`, 1), "EMPTY_LASTNAME"},
		{`{"emails":[],"contactInfos":{}}`, "INVALID_PARAMETER"},
	} {
		adm.refused("PUT", path+"x2", tc.body, 500, tc.code)
	}
	var x struct {
		UID   string
		Value struct{ Emails []struct{ Address string } }
	}
	adm.ok("GET", path+"byExtId/hr-1", nil, &x)
	if x.UID != "x1" || x.Value.Emails[0].Address != "guest@other.org" {
		t.Errorf("%+v", x)
	}
	var d struct{ EntryUID, Kind string }
	adm.ok("GET", "/directory/example.org/_byEmail/guest@other.org", nil, &d)
	if d.EntryUID != "x1" || d.Kind != "EXTERNALUSER" {
		t.Errorf("%+v", d)
	}
	if a := adm.do("GET", "/mailboxes/example.org/_byemail?email=guest@other.org", nil); a.status != 204 {
		t.Errorf("it has no mailbox: %d", a.status)
	}
	adm.ok("POST", path+"x1", external("guest2@other.org"), nil)
	adm.refused("POST", path+"none", external("guest2@other.org"), 404, "NOT_FOUND")
	adm.ok("DELETE", path+"x1", nil, nil)
	adm.refused("DELETE", path+"x1", nil, 500, "UNKNOWN")
}

func TestAccountTypes(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	limits := func(body string) { adm.ok("PUT", "/domains/"+exampleUID+"/_settings", body, nil) }
	kind := func(uid string) string {
		t.Helper()
		var d struct{ AccountType string }
		adm.ok("GET", "/directory/example.org/entry-uid/"+uid, nil, &d)
		return d.AccountType
	}
	simple := func(login string) string { return user(login, `"accountType":"SIMPLE"`) }
	adm.refused("PUT", "/users/example.org/s1", simple("s1"), 500, "UNKNOWN")
	limits(`{"domain_max_basic_account":"0"}`)
	adm.refused("PUT", "/users/example.org/s1", simple("s1"), 500, "UNKNOWN")
	limits(`{"domain_max_basic_account":"1","domain_max_users":"4"}`)
	adm.ok("PUT", "/users/example.org/s1", simple("s1"), nil)
	adm.refused("PUT", "/users/example.org/s2", simple("s2"), 500, "FORBIDDEN")
	adm.ok("PUT", "/users/example.org/f1", user("f1", ""), nil) // the fourth full one: simple ones don't count
	adm.refused("PUT", "/users/example.org/f2", user("f2", ""), 500, "FORBIDDEN")
	adm.refused("POST", "/users/example.org/s1/roles", `["hasMail"]`, 500, "FORBIDDEN")
	var roles []string
	adm.ok("GET", "/users/example.org/s1/roles_resolved", nil, &roles)
	if slices.Contains(roles, "hasMail") || !slices.Contains(roles, "hasMailWebapp") {
		t.Errorf("%v", roles)
	}
	adm.ok("POST", "/users/example.org/s1", user("s1", `"accountType":"FULL"`), nil)
	if got := kind("s1"); got != "SIMPLE" {
		t.Errorf("an update made it %s", got)
	}
	adm.ok("POST", "/users/example.org/_updateAccountType/s1", `"FULL"`, nil)
	adm.ok("POST", "/users/example.org/_updateAccountType/f1", `"SIMPLE"`, nil)
	if kind("s1") != "FULL" || kind("f1") != "FULL" {
		t.Errorf("%s, and down to %s", kind("s1"), kind("f1"))
	}
}
