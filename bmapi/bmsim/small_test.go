package bmsim_test

import (
	"slices"
	"strings"
	"testing"
)

// TestSmallCalls walks through the calls that read or change one thing.
func TestSmallCalls(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.uid("ada")
	user := "/users/example.org/" + ada
	strs := func(path string) (list []string) { t.Helper(); adm.ok("GET", path, nil, &list); return list }

	adm.ok("POST", user+"/roles", `["hasMail","manageUser"]`, nil)
	if got := strs(user + "/roles"); strings.Join(got, " ") != "hasMail manageUser" {
		t.Errorf("roles: %v", got)
	}
	if got := strs(user + "/roles_resolved"); !slices.Contains(got, "manageUser") || !slices.Contains(got, "self") {
		t.Errorf("resolved: %v", got)
	}
	adm.refused("GET", "/users/example.org/none/roles", nil, 404, "NOT_FOUND")
	adm.refused("POST", "/users/example.org/none/roles", `[]`, 404, "NOT_FOUND")

	adm.ok("POST", user+"/_settings", `{"lang":"fr"}`, nil)
	var set map[string]string
	adm.ok("GET", user+"/_settings", nil, &set)
	if set["lang"] != "fr" || set["timezone"] == "" {
		t.Errorf("settings: %v", set)
	}
	adm.ok("POST", user+"/_extId", `"hr-17"`, nil)
	adm.ok("GET", "/users/example.org/byExtId/hr-17", nil, nil)
	if got := strs("/users/example.org/_alluids"); len(got) != 3 {
		t.Errorf("uids: %v", got)
	}

	adm.ok("PUT", "/groups/example.org/g", `{"name":"staff"}`, nil)
	adm.ok("PUT", "/groups/example.org/g/members", `[{"type":"user","uid":"`+ada+`"}]`, nil)
	adm.ok("POST", "/groups/example.org/g", `{"name":"crew","emails":[{"address":"CREW@example.org","isDefault":true}]}`, nil)
	var g struct {
		Value struct {
			MemberCount int
			Emails      []struct{ Address string }
		}
	}
	adm.ok("GET", "/groups/example.org/byName/crew", nil, &g)
	if g.Value.MemberCount != 1 || g.Value.Emails[0].Address != "crew@example.org" {
		t.Errorf("%+v", g)
	}

	subs := "/users/" + exampleUID + "/subscriptions/" + ada
	adm.ok("POST", subs+"/_unsubscribe", `["mailbox:acls-`+ada+`"]`, nil)
	var all []struct{ ContainerUID string }
	adm.ok("GET", subs, nil, &all)
	if len(all) != 2 {
		t.Errorf("the own box can't be left: %+v", all)
	}

	var as []struct{ DomainUID, ServerUID, Tag string }
	adm.ok("GET", "/servers/default/"+exampleUID+"/assignments", nil, &as)
	n := len(as)
	adm.ok("POST", "/servers/default/"+exampleUID+"/assignments/bm-master/_unassign?tag=bm/es", nil, nil)
	adm.ok("GET", "/servers/default/bm-master/serverAssignments", nil, &as)
	if len(as) != n-1 {
		t.Errorf("%d assignments, were %d", len(as), n)
	}
	adm.refused("POST", "/servers/default/"+exampleUID+"/assignments/none/_unassign?tag=bm/es", nil, 404, "NOT_FOUND")
	if a := adm.do("GET", "/servers/default/none/complete", nil); a.status != 204 {
		t.Error(a.status)
	}

	var me struct{ UID, DomainUID string }
	adm.su("ada@example.org").ok("GET", "/auth", nil, &me)
	if me.UID != ada || me.DomainUID != exampleUID {
		t.Errorf("%+v", me)
	}
}

func TestSearchFilters(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	for query, want := range map[string]string{
		`{"kindsFilter":["USER"]}`:                                     "Babbage Gone Lovelace",
		`{"kindsFilter":["USER"],"stateFilter":"Archived"}`:            "Gone",
		`{"kindsFilter":["USER"],"stateFilter":"Active"}`:              "Babbage Lovelace",
		`{"kindsFilter":["USER","MAILSHARE"],"from":1,"size":2}`:       "Gone Lovelace",
		`{"nameFilter":"LACE"}`:                                        "Lovelace",
		`{"emailFilter":"countess@"}`:                                  "Lovelace",
		`{"nameOrEmailFilter":"bob"}`:                                  "Babbage",
		`{"dataLocation":"elsewhere"}`:                                 "",
		`{"kindsFilter":["GROUP"]}`:                                    "",
		`{"kindsFilter":["GROUP"],"hiddenFilter":false}`:               "admin user",
		`{"kindsFilter":["USER"],"accountTypeFilter":"SIMPLE"}`:        "",
		`{"kindsFilter":["USER"],"entryUidFilter":["` + "none" + `"]}`: "",
	} {
		var found struct {
			Values []struct{ DisplayName string }
		}
		adm.ok("POST", "/directory/example.org/_search", query, &found)
		var names []string
		for _, v := range found.Values {
			names = append(names, v.DisplayName)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
