package bmsim_test

import (
	"slices"
	"strings"
	"testing"
)

func TestMailshares(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	share := func(name, more string) string {
		return `{"name":` + quoted(name) + `,"routing":"internal"` + more + `}`
	}
	for _, tc := range []struct{ name, uid, body, code string }{
		{"without an address", "s1", share("sales", ""), ""},
		{"with a label", "s2", share("press", `,"card":{"identification":{"formatedName":{"value":"Press desk"}}},"emails":[{"address":"press@example.org","isDefault":true}]`), ""},
		{"a space", "s3", share("two words", ""), "INVALID_PARAMETER"},
		{"a capital", "s3", share("Sales", ""), "INVALID_PARAMETER"},
		{"an accent", "s3", share("modèle", ""), "INVALID_PARAMETER"},
		{"no name", "s3", share("", ""), "INVALID_PARAMETER"},
		{"no routing", "s3", `{"name":"s3"}`, "INVALID_PARAMETER"},
		{"name of a user", "s3", share("ada", ""), "ALREADY_EXISTS"},
		{"name of a share", "s3", share("support", ""), "ALREADY_EXISTS"},
		{"address of a user", "s3", share("s3", `,"emails":[{"address":"ada@example.org","isDefault":true}]`), "ALREADY_EXISTS"},
		{"capital in an address", "s3", share("s3", `,"emails":[{"address":"S3@example.org","isDefault":true}]`), "INVALID_PARAMETER"},
		{"uid taken", "s1", share("s3", ""), "ALREADY_EXISTS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := "/mailshares/example.org/" + tc.uid
			if tc.code != "" {
				adm.refused("PUT", path, tc.body, 500, tc.code)
				return
			}
			adm.ok("PUT", path, tc.body, nil)
			adm.ok("GET", path+"/complete", nil, nil)
		})
	}
	var d struct{ DisplayName, Kind string }
	adm.ok("GET", "/directory/example.org/entry-uid/s2", nil, &d)
	if d.DisplayName != "Press desk" || d.Kind != "MAILSHARE" {
		t.Errorf("%+v", d)
	}
	var m struct {
		UID   string
		Value struct{ Name, Type, Routing string }
	}
	adm.ok("GET", "/mailboxes/example.org/_byname?name=press", nil, &m)
	if m.UID != "s2" || m.Value.Type != "mailshare" || m.Value.Routing != "internal" {
		t.Errorf("%+v", m)
	}
	var folders []struct{ Value struct{ FullName string } }
	adm.ok("GET", "/mail_folders_container/subtree_18f0a_internal!s1/_all", nil, &folders)
	var names []string
	for _, f := range folders {
		names = append(names, f.Value.FullName)
	}
	if strings.Join(names, " ") != "sales sales/Sent sales/Trash" {
		t.Errorf("%v", names)
	}
	if st := adm.task("DELETE", "/mailshares/example.org/s1", nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
	if st := adm.task("DELETE", "/mailshares/example.org/s1", nil); st.State != "InError" {
		t.Errorf("of an unknown one: %+v", st)
	}
	adm.refused("POST", "/mailshares/example.org/s1", share("s1", ""), 404, "NOT_FOUND")
	adm.ok("POST", "/mailshares/example.org/s2", share("media", ""), nil)
	adm.ok("GET", "/mailboxes/example.org/_byname?name=media", nil, nil)
	if a := adm.do("GET", "/mail_folders/18f0a_internal/media/byName/media%2FSent", nil); a.status != 200 {
		t.Errorf("folders did not follow: %d %s", a.status, a.body)
	}
}

type ace struct{ Subject, Verb string }

func verbsOf(list []ace, subject string) string {
	var v []string
	for _, a := range list {
		if a.Subject == subject {
			v = append(v, a.Verb)
		}
	}
	slices.Sort(v)
	return strings.Join(v, " ")
}

func TestACL(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada, bob := adm.uid("ada"), adm.uid("bob")
	adm.ok("PUT", "/mailshares/example.org/m", `{"name":"m","routing":"internal"}`, nil)
	const path = "/containers/_manage/mailbox:acls-m/_acl"
	put := func(body any) { t.Helper(); adm.ok("PUT", path, body, nil) }
	get := func() (list []ace) { t.Helper(); adm.ok("GET", path, nil, &list); return list }

	put([]ace{{ada, "Write"}, {bob, "Read"}})
	if got := verbsOf(get(), ada); got != "Freebusy Invitation Read SendAs SendOnBehalf Write" {
		t.Errorf("a new writer of a mailshare: %s", got)
	}
	if got := verbsOf(get(), bob); got != "Freebusy Invitation Read" {
		t.Errorf("%s", got)
	}
	if n := sim.Journal().Notices(); len(n) < 2 || n[len(n)-1].Entry != "m" {
		t.Errorf("new subjects are told: %+v", n)
	}
	told := len(sim.Journal().Notices())
	put(get())
	if len(sim.Journal().Notices()) != told {
		t.Error("the same list again tells people")
	}
	put([]ace{{ada, "Read"}, {bob, "Read"}})
	if got := verbsOf(get(), ada); got != "Freebusy Invitation Read" {
		t.Errorf("SendAs stays when Write goes: %s", got)
	}
	put([]ace{{ada, "All"}})
	if got := verbsOf(get(), ada); got != "All Freebusy Invitation Manage Read ReadExtended SendAs SendOnBehalf Write" {
		t.Errorf("%s", got)
	}
	for name, tc := range map[string]struct {
		body any
		code string
	}{
		"public":     {[]ace{{exampleUID, "Read"}}, "FORBIDDEN"},
		"no verb":    {`[{"subject":"x"}]`, "FAILURE"},
		"no subject": {`[{"verb":"Read"}]`, "FAILURE"},
		"no such":    {`[{"subject":"x","verb":"Eat"}]`, "UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) { adm.refused("PUT", path, tc.body, 500, tc.code) })
	}
	put([]ace{{"nobody-at-all", "Read"}})
	adm.refused("GET", "/containers/_manage/mailbox:acls-none/_acl", nil, 404, "NOT_FOUND")
	adm.su("bob@example.org").refused("GET", path, nil, 403, "PERMISSION_DENIED")

	var own []ace
	adm.su("ada@example.org").ok("GET", "/mailboxes/example.org/"+ada+"/_acls", nil, &own)
	if !strings.HasPrefix(verbsOf(own, ada), "All ") {
		t.Errorf("the owner of a box: %v", own)
	}
	before := len(sim.Journal().Notices())
	adm.ok("PUT", "/containers/_manage/mailbox:acls-"+ada+"/_acl", []ace{{bob, "Read"}}, nil)
	if n := sim.Journal().Notices(); len(n) != before {
		t.Errorf("without the owner's line nobody new is told: %+v", n[before:])
	}
}

func TestSubscriptions(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	bob := adm.uid("bob")
	adm.ok("PUT", "/mailshares/example.org/m", `{"name":"m","routing":"internal"}`, nil)
	const base = "/users/" + exampleUID + "/subscriptions/"
	adm.refused("POST", base+bob+"/_subscribe", `[{"containerUid":"mailbox:acls-none"}]`, 404, "NOT_FOUND")
	adm.ok("PUT", "/containers/_manage/mailbox:acls-m/_acl", []ace{{bob, "Write"}}, nil)
	self := adm.su("bob@example.org")
	for range 2 {
		self.ok("POST", base+bob+"/_subscribe", `[{"containerUid":"mailbox:acls-m","offlineSync":true,"automount":true}]`, nil)
	}
	adm.ok("POST", base+"unknown-user/_subscribe", `[{"containerUid":"mailbox:acls-m"}]`, nil)
	var subs []struct {
		ContainerUID, Owner, Name string
		DefaultContainer          bool
	}
	self.ok("GET", base+bob+"?type=mailboxacl", nil, &subs)
	if len(subs) != 2 || !subs[0].DefaultContainer || subs[1].Owner != "m" {
		t.Errorf("%+v", subs)
	}
	var who []string
	adm.ok("GET", base+"_subscribers/mailbox:acls-m", nil, &who)
	if strings.Join(who, " ") != bob {
		t.Errorf("%v", who)
	}
	adm.su("ada@example.org").refused("GET", base+bob, nil, 403, "PERMISSION_DENIED")
	adm.ok("PUT", "/containers/_manage/mailbox:acls-m/_acl", []ace{}, nil)
	self.ok("GET", base+bob, nil, &subs)
	if len(subs) != 1 {
		t.Errorf("the right is gone, the subscription stays: %+v", subs)
	}
}

func TestGroups(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.uid("ada")
	adm.ok("PUT", "/groups/example.org/g1", `{"name":"staff","emails":[{"address":"Staff@example.org","isDefault":true}]}`, nil)
	adm.ok("PUT", "/groups/example.org/g2", `{"name":"all"}`, nil)
	adm.refused("PUT", "/groups/example.org/g3", `{"name":"staff"}`, 500, "ALREADY_EXISTS")
	adm.refused("PUT", "/groups/example.org/g3", `{"name":"x","emails":[{"address":"ada@example.org"}]}`, 500, "ALREADY_EXISTS")
	adm.refused("PUT", "/groups/example.org/g3", `{}`, 500, "INVALID_PARAMETER")
	member := func(kind, uid string) string { return `[{"type":"` + kind + `","uid":"` + uid + `"}]` }
	for range 2 {
		adm.ok("PUT", "/groups/example.org/g1/members", member("user", ada), nil)
	}
	adm.ok("PUT", "/groups/example.org/g2/members", member("group", "g1"), nil)
	if a := adm.do("PUT", "/groups/example.org/g1/members", member("group", "g2")); a.status != 500 {
		t.Errorf("a loop: %d %s", a.status, a.body)
	}
	adm.refused("PUT", "/groups/example.org/g1/members", member("user", "none"), 500, "INVALID_PARAMETER")
	adm.refused("PUT", "/groups/example.org/none/members", member("user", ada), 404, "NOT_FOUND")
	var all []struct{ Type, UID string }
	adm.ok("GET", "/groups/example.org/g2/expandedmembers", nil, &all)
	if len(all) != 1 || all[0].UID != ada {
		t.Errorf("%+v", all)
	}
	var g struct {
		UID   string
		Value struct{ MemberCount int }
	}
	adm.ok("GET", "/groups/example.org/byName/staff", nil, &g)
	if g.UID != "g1" || g.Value.MemberCount != 1 {
		t.Errorf("%+v", g)
	}
	adm.ok("GET", "/groups/example.org/byEmail/staff@example.org", nil, &g)

	// A right of a group counts for sessions made after the membership.
	adm.ok("PUT", "/mailshares/example.org/m", `{"name":"m","routing":"internal"}`, nil)
	adm.ok("PUT", "/containers/_manage/mailbox:acls-m/_acl", []ace{{"g2", "Read"}}, nil)
	adm.su("ada@example.org").ok("GET", "/mail_folders_container/subtree_18f0a_internal!m/_all", nil, nil)
	bob := adm.su("bob@example.org")
	adm.ok("PUT", "/groups/example.org/g1/members", member("user", adm.uid("bob")), nil)
	bob.refused("GET", "/mail_folders_container/subtree_18f0a_internal!m/_all", nil, 403, "PERMISSION_DENIED")
	adm.su("bob@example.org").ok("GET", "/mail_folders_container/subtree_18f0a_internal!m/_all", nil, nil)

	adm.raw("DELETE", "/groups/example.org/g1/members", strings.NewReader(member("user", ada)), nil)
	adm.ok("GET", "/groups/example.org/g1/members", nil, &all)
	if len(all) != 1 || all[0].UID == ada {
		t.Errorf("%+v", all)
	}
	if st := adm.task("DELETE", "/groups/example.org/g1", nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
}
