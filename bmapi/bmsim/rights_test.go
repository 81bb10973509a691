package bmsim_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

// TestNotices follows AclChangedNotificationHook: who would get a mail.
func TestNotices(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada, bob, gone := adm.uid("ada"), adm.uid("bob"), adm.uid("gone")
	names := map[string]string{ada: "ada", bob: "bob", gone: "gone", "g": "crew"}
	adm.ok("PUT", "/mailshares/example.org/m", `{"name":"m","routing":"internal"}`, nil)
	adm.ok("PUT", "/groups/example.org/g", `{"name":"crew"}`, nil)
	for _, step := range []struct {
		what string
		put  []ace
		told string
	}{
		{"new ones", []ace{{ada, "Read"}, {bob, "Write"}}, "added ada, added bob"},
		{"the same", []ace{{ada, "Read"}, {bob, "Write"}, {bob, "SendAs"}}, ""},
		{"one more right beside", []ace{{ada, "Read"}, {ada, "SendOnBehalf"}, {bob, "Write"}, {bob, "SendAs"}}, "added ada"},
		{"one more person", []ace{{ada, "Read"}, {ada, "SendOnBehalf"}, {bob, "Write"}, {bob, "SendAs"}, {gone, "Read"}}, "added gone"},
		{"a change and a group without an address", []ace{{ada, "Write"}, {ada, "SendAs"}, {bob, "Write"}, {bob, "SendAs"}, {gone, "Read"}, {"g", "Read"}}, "updated ada"},
		{"one goes, another comes: nobody hears", []ace{{ada, "Write"}, {ada, "SendAs"}, {bob, "Write"}, {bob, "SendAs"}, {"unknown", "Read"}}, ""},
		{"some go", []ace{{ada, "Write"}, {ada, "SendAs"}}, "removed bob"},
	} {
		before := len(sim.Journal().Notices())
		adm.ok("PUT", "/containers/_manage/mailbox:acls-m/_acl", step.put, nil)
		var told []string
		for _, n := range sim.Journal().Notices()[before:] {
			told = append(told, n.Kind+" "+names[n.Subject])
		}
		slices.Sort(told)
		if got := strings.Join(told, ", "); got != step.told {
			t.Errorf("%s: %q, want %q", step.what, got, step.told)
		}
	}
	old := start(t, version4())
	adm = admin(t, old)
	adm.ok("PUT", "/containers/_manage/mailbox:acls-"+adm.uid("bob")+"/_acl", []ace{{adm.uid("ada"), "Read"}}, nil)
	if n := old.Journal().Notices(); len(n) != 0 {
		t.Errorf("version 4 tells nobody: %+v", n)
	}
}

// TestSubscriptionDetails: any right keeps a subscription; the calls before an
// unknown container count; automount has a call of its own.
func TestSubscriptionDetails(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada, bob := adm.uid("ada"), adm.uid("bob")
	acl := "/containers/_manage/mailbox:acls-" + bob + "/_acl"
	base := "/users/" + exampleUID + "/subscriptions/" + ada
	type sub struct {
		ContainerUID           string
		OfflineSync, Automount bool
	}
	get := func() (found *sub) {
		t.Helper()
		var all []sub
		adm.ok("GET", base, nil, &all)
		for _, x := range all {
			if x.ContainerUID == "mailbox:acls-"+bob {
				found = &x
			}
		}
		return found
	}
	adm.ok("PUT", acl, []ace{{ada, "Read"}}, nil)
	adm.refused("POST", base+"/_subscribe", `[{"containerUid":"mailbox:acls-`+bob+`","offlineSync":false,"automount":true},{"containerUid":"mailbox:acls-none"}]`, 404, "NOT_FOUND")
	if got := get(); got == nil || got.OfflineSync || !got.Automount {
		t.Fatalf("the first one: %+v", got)
	}
	adm.ok("POST", base+"/_subscribe", `[{"containerUid":"mailbox:acls-`+bob+`","offlineSync":true,"automount":false}]`, nil)
	if got := get(); !got.OfflineSync || !got.Automount {
		t.Errorf("repeated: %+v", got)
	}
	adm.ok("POST", base+"/_automount", `[{"containerUid":"mailbox:acls-`+bob+`","automount":false}]`, nil)
	if got := get(); got.Automount {
		t.Errorf("automount: %+v", got)
	}
	adm.ok("PUT", acl, []ace{{ada, "Freebusy"}}, nil)
	if get() == nil {
		t.Error("another right does not keep it")
	}
	adm.ok("PUT", acl, []ace{}, nil)
	if get() != nil {
		t.Error("no right keeps it")
	}
}

// TestDescriptors tell of containers.
func TestDescriptors(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada, bob := adm.uid("ada"), adm.uid("bob")
	box := "mailbox:acls-" + bob
	adm.ok("PUT", "/containers/_manage/"+box+"/_acl", []ace{{ada, "Read"}}, nil)
	c := adm.su("ada@example.org")
	var d struct {
		UID, Owner, Type, DomainUID string
		Writable                    bool
		Verbs                       []string
	}
	for _, path := range []string{box, box + "/_descriptor", "_ifPresent/" + box, "_light/" + box} {
		c.ok("GET", "/containers/_manage/"+path, nil, &d)
		if d.UID != box || d.Owner != bob || d.Type != "mailboxacl" || d.DomainUID != exampleUID || d.Writable || !slices.Contains(d.Verbs, "Read") {
			t.Errorf("%s: %+v", path, d)
		}
	}
	c.refused("GET", "/containers/_manage/mailbox:acls-none", nil, 404, "NOT_FOUND")
	if a := c.do("GET", "/containers/_manage/_ifPresent/mailbox:acls-none", nil); a.status != 204 {
		t.Error(a.status)
	}
	for verb, want := range map[string]bool{"Read": true, "Write": false} {
		var can bool
		c.ok("POST", "/containers/_manage/"+box+"/_canAccess", []string{verb}, &can)
		if can != want {
			t.Errorf("%s: %v", verb, can)
		}
	}
	for _, call := range []struct{ path, body string }{
		{"_mget", `["` + box + `","mailbox:acls-none"]`},
		{"_list", `{"type":"mailboxacl","owner":"` + bob + `"}`},
		{"_listforuser?domainUid=" + exampleUID + "&userUid=" + ada, `{"owner":"` + bob + `","verb":["Read"]}`},
	} {
		var all []struct{ UID string }
		c.ok("POST", "/containers/_manage/"+call.path, call.body, &all)
		if len(all) != 1 || all[0].UID != box {
			t.Errorf("%s: %+v", call.path, all)
		}
	}
	if calls := sim.Journal().Writes(); len(calls) != 1 {
		t.Errorf("%+v", calls)
	}
}

// TestFilters keeps rules, forwarding and vacation; addresses outside the domain
// of a user without routing become a forward.
func TestFilters(t *testing.T) {
	adm := admin(t, start(t, config()))
	adm.ok("PUT", "/users/example.org/u1", `{"login":"u1","routing":"none",`+emails("u1@example.org", "u1@elsewhere.org")+`,"contactInfos":{"identification":{"name":{"familyNames":"U"}}}}`, nil)
	var f struct {
		Forwarding struct {
			Enabled bool
			Emails  []string
		}
		Vacation struct{ Subject string }
	}
	adm.ok("GET", "/mailboxes/example.org/u1/_filter", nil, &f)
	if !f.Forwarding.Enabled || strings.Join(f.Forwarding.Emails, " ") != "u1@elsewhere.org" {
		t.Errorf("%+v", f)
	}
	adm.ok("POST", "/mailboxes/example.org/u1/_vacation", `{"enabled":true,"subject":"away"}`, nil)
	adm.ok("POST", "/mailboxes/example.org/u1/_forwarding", `{"enabled":false,"emails":[]}`, nil)
	adm.ok("GET", "/mailboxes/example.org/u1/_filter", nil, &f)
	if f.Forwarding.Enabled || f.Vacation.Subject != "away" {
		t.Errorf("%+v", f)
	}
	adm.refused("GET", "/mailboxes/example.org/none/_filter", nil, 404, "NOT_FOUND")
}

// TestSubscribedAccounts shows how many accounts were bought.
func TestSubscribedAccounts(t *testing.T) {
	cfg := config()
	adm := admin(t, start(t, cfg))
	type info struct {
		Kind      string
		Valid     bool
		Indicator []struct {
			Kind                   string
			MaxValue, CurrentValue int
		}
	}
	var none info
	adm.ok("GET", "/system/installation/subscription", nil, &none)
	if none.Kind != "NONE" || len(none.Indicator) != 0 {
		t.Errorf("%+v", none)
	}
	cfg.Subscription = &bmsim.Subscription{FullUsers: 5, Ends: time.Now().Add(-time.Hour)}
	adm = admin(t, start(t, cfg))
	var over info
	adm.ok("GET", "/system/installation/subscription", nil, &over)
	if over.Kind != "PROD" || over.Valid || len(over.Indicator) != 1 || over.Indicator[0].MaxValue != 5 || over.Indicator[0].CurrentValue != 3 {
		t.Errorf("%+v", over)
	}
}

// TestLagOfShares: what REST says of a mailshare of version 4 is late, too.
func TestLagOfShares(t *testing.T) {
	cfg := version4()
	var later atomic.Int64
	cfg.Now, cfg.ReplicationLag = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }, time.Minute
	cfg.SessionIdle = time.Hour
	sim := start(t, cfg)
	adm := admin(t, sim)
	var m struct{ UID string }
	adm.ok("GET", "/mailboxes/example.org/_byname?name=support", nil, &m)
	var folders []struct {
		UID   string
		Value struct{ FullName string }
	}
	adm.ok("GET", "/mail_folders_container/subtree_18f0a_internal!"+m.UID+"/_all", nil, &folders)
	i := slices.IndexFunc(folders, func(f struct {
		UID   string
		Value struct{ FullName string }
	}) bool {
		return f.Value.FullName == "support/Sent"
	})
	if err := sim.Deliver(t.Context(), folders[i].UID, "Subject: x\r\n\r\nx", time.Now()); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		t.Helper()
		var n struct{ Total int }
		adm.ok("POST", "/mail_items/"+folders[i].UID+"/_count", `{}`, &n)
		return n.Total
	}
	if n := count(); n != 0 {
		t.Errorf("%d at once", n)
	}
	if a := adm.do("GET", "/mail_items/"+folders[i].UID+"/eml/1", nil); a.status != 404 {
		t.Errorf("a message that isn't shown can be read: %d", a.status)
	}
	later.Store(int64(2 * time.Minute))
	if n := count(); n != 1 {
		t.Errorf("%d after the lag", n)
	}
	if a := adm.do("GET", "/mail_items/"+folders[i].UID+"/eml/1", nil); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}
