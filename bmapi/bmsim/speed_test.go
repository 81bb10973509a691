package bmsim_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

// provision makes 300 users, 20 shares and 15 groups in three domains, eight
// calls at a time, with what a careful client asks beside: look, make, member,
// rights, subscription, read again.
func provision(t *testing.T, sim *bmsim.Sim, domains []string) {
	t.Helper()
	adm := admin(t, sim)
	work := make(chan func(c *client), 16)
	var hands sync.WaitGroup
	for range 8 {
		hands.Go(func() {
			for do := range work {
				do(adm)
			}
		})
	}
	domain := func(i int) string { return domains[i%3] }
	fail := func(c *client, method, path, body string) {
		if !c.try(method, path, body) {
			t.Errorf("%s %s", method, path)
		}
	}
	for i := range 300 {
		work <- func(c *client) {
			d, u := domain(i), fmt.Sprintf("u%d", i)
			c.try("GET", "/users/"+d+"/byLogin/"+u, "") // 204
			c.try("GET", "/directory/"+d+"/_byEmail/"+u+"@"+d, "")
			fail(c, "PUT", "/users/"+d+"/"+u, user(u, `"password":"Long enough 1","quota":1048576,`+emails(u+"@"+d)))
			fail(c, "PUT", "/groups/"+d+"/"+d+"_user_group/members", `[{"type":"user","uid":"`+u+`"}]`)
			fail(c, "GET", "/users/"+d+"/"+u+"/complete", "")
			fail(c, "GET", "/mail_folders_container/"+url.PathEscape("subtree_"+strings.ReplaceAll(d, ".", "_")+"!user."+u)+"/_all", "")
		}
	}
	close(work)
	hands.Wait()
	for i := range 20 {
		d, s := domain(i), fmt.Sprintf("s%d", i)
		adm.do("GET", "/mailboxes/"+d+"/_byname?name="+s, nil)
		adm.ok("PUT", "/mailshares/"+d+"/"+s, `{"name":"`+s+`","routing":"internal",`+emails(s+"@"+d)+`}`, nil)
		acl := "/containers/_manage/mailbox:acls-" + s + "/_acl"
		adm.ok("GET", acl, nil, nil)
		adm.ok("PUT", acl, fmt.Sprintf(`[{"subject":"u%d","verb":"Write"},{"subject":"%s_user_group","verb":"Read"}]`, i, d), nil)
		adm.ok("POST", fmt.Sprintf("/users/%s/subscriptions/u%d/_subscribe", d, i), `[{"containerUid":"mailbox:acls-`+s+`","offlineSync":true}]`, nil)
	}
	for i := range 15 {
		d, g := domain(i), fmt.Sprintf("g%d", i)
		adm.do("GET", "/groups/"+d+"/byName/"+g, nil)
		adm.ok("PUT", "/groups/"+d+"/"+g, `{"name":"`+g+`","emails":[]}`, nil)
		for k := range 20 {
			adm.ok("PUT", "/groups/"+d+"/"+g+"/members", fmt.Sprintf(`[{"type":"user","uid":"u%d"}]`, i%3+3*k), nil)
		}
	}
}

// timed provisions three domains whose names begin with a word.
func timed(t *testing.T, cfg bmsim.Config, word string) time.Duration {
	t.Helper()
	var names []string
	for i := range 3 {
		name := fmt.Sprintf("%s%d.org", word, i)
		names, cfg.Domains = append(names, name), append(cfg.Domains, bmsim.Domain{Name: name})
	}
	sim := start(t, cfg)
	began := time.Now()
	provision(t, sim, names)
	took := time.Since(began)
	t.Logf("%d calls in %v", len(sim.Journal().Calls()), took.Round(time.Millisecond))
	return took
}

// TestLabProvision measures the same with a real Cyrus behind.
func TestLabProvision(t *testing.T) {
	cfg := lab4(t)
	cfg.Domains = nil
	timed(t, cfg, fmt.Sprintf("p%x", time.Now().UnixNano()))
}

func TestProvisionIsFast(t *testing.T) {
	for _, tc := range []struct {
		name    string
		version int
		keep    bool
	}{{"version 5 in memory", 5, false}, {"version 5 kept", 5, true}, {"version 4 kept", 4, true}} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := bmsim.Config{Version: tc.version, AdminPassword: secret}
			if tc.keep {
				cfg.Dir = t.TempDir()
			}
			if took := timed(t, cfg, "d"); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
