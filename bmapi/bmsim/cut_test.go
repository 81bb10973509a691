package bmsim_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

// TestCutCalls: the client hears nothing; the journal and the directory know.
func TestCutCalls(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	for _, tc := range []struct {
		kind  bmsim.FaultKind
		wrote bool
	}{{bmsim.CutBefore, false}, {bmsim.CutAfter, true}} {
		t.Run(string(tc.kind), func(t *testing.T) {
			path := "/users/example.org/" + string(tc.kind)
			sim.Faults().Add(bmsim.Fault{Kind: tc.kind, Skip: 1, Times: 1})
			adm.ok("GET", "/auth/ping", nil, nil)
			if a, err := adm.send("PUT", path, strings.NewReader(user(string(tc.kind), "")), nil); err == nil {
				t.Fatalf("%d %s", a.status, a.body)
			}
			calls := sim.Journal().Writes()
			if c := calls[len(calls)-1]; c.Status != 0 || !c.Write || c.Wrote != tc.wrote {
				t.Errorf("%+v", c)
			}
			want := http.StatusNoContent
			if tc.wrote {
				want = http.StatusOK
			}
			if a := adm.do("GET", path+"/complete", nil); a.status != want {
				t.Errorf("afterwards: %d", a.status)
			}
		})
	}
}

// TestWatchCancels ends a client's context at the third call, before it is done.
func TestWatchCancels(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int32
	sim.Faults().Watch(func(c bmsim.Call) {
		if c.Method == "GET" && n.Add(1) == 3 {
			cancel()
		}
	})
	var made int
	for ctx.Err() == nil && made < 10 {
		adm.ok("GET", "/auth/ping", nil, nil)
		made++
	}
	if made != 3 {
		t.Errorf("%d calls", made)
	}
	sim.Faults().Watch(nil)
	adm.ok("GET", "/auth/ping", nil, nil)
	if n.Load() != 3 {
		t.Errorf("%d calls were watched", n.Load())
	}
}

func TestSessionsEndMidRun(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.su("ada@example.org")
	key := ada.newKey("token")
	sim.Faults().Add(bmsim.Fault{Kind: bmsim.Sessions, Path: "/domains", Skip: 1, Times: 1})
	adm.ok("GET", "/domains", nil, nil)
	adm.refused("GET", "/domains", nil, 401, "AUTHENTICATION_FAIL")
	ada.refused("GET", "/auth/keys", nil, 401, "AUTHENTICATION_FAIL")
	ada.with(key.SID).ok("GET", "/auth/keys", nil, nil)
	admin(t, sim).ok("GET", "/domains", nil, nil)
}

// TestRestart loses tasks that run, and what they would have done.
func TestRestart(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	bob := adm.uid("bob")
	sim.Faults().Add(bmsim.Fault{Kind: bmsim.SlowTask, Delay: time.Hour, Times: 1}, bmsim.Fault{Kind: bmsim.Restarting, Path: "/auth/ping", Times: 1})
	var ref struct{ ID string }
	adm.ok("DELETE", "/users/example.org/"+bob, nil, &ref)
	adm.ok("GET", "/tasks/"+ref.ID, nil, nil)
	if a := adm.do("GET", "/auth/ping", nil); a.status != http.StatusBadGateway {
		t.Errorf("at the restart: %d", a.status)
	}
	adm.refused("GET", "/tasks/"+ref.ID, nil, 404, "NOT_FOUND")
	adm.ok("GET", "/users/example.org/"+bob+"/complete", nil, nil)
	if st := adm.task("DELETE", "/users/example.org/"+bob, nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
}

// TestSixteenTasks run at a time.
func TestSixteenTasks(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	sim.Faults().Add(bmsim.Fault{Kind: bmsim.SlowTask, Delay: time.Hour, Times: 16})
	var last struct{ ID string }
	for i := range 17 {
		adm.ok("DELETE", fmt.Sprintf("/users/example.org/none%d", i), nil, &last)
	}
	var st taskStatus
	adm.ok("GET", "/tasks/"+last.ID, nil, &st)
	if st.State != "NotStarted" {
		t.Errorf("the 17th is %s", st.State)
	}
}

// TestHookWithoutACL leaves a box without the container of its rights, which a
// repair makes.
func TestHookWithoutACL(t *testing.T) {
	for _, tc := range []struct {
		cfg bmsim.Config
		ops string
	}{
		{config(), `{"opIdentifiers":["mailboxAclsContainer"]}`},
		{version4(), `["mailboxAcls"]`},
	} {
		t.Run(fmt.Sprintf("version %d", tc.cfg.Version), func(t *testing.T) {
			sim := start(t, tc.cfg)
			adm := admin(t, sim)
			sim.Faults().Add(bmsim.Fault{Kind: bmsim.HookACL, Times: 1})
			adm.ok("PUT", "/mailshares/example.org/bare", `{"name":"bare","routing":"internal"}`, nil)
			const acl = "/containers/_manage/mailbox:acls-bare/_acl"
			adm.refused("GET", acl, nil, 404, "NOT_FOUND")
			sub := "/users/" + exampleUID + "/subscriptions/" + adm.uid("bob") + "/_subscribe"
			adm.refused("POST", sub, `[{"containerUid":"mailbox:acls-bare"}]`, 404, "NOT_FOUND")
			adm.task("POST", "/directory/example.org/bare/mgmt/_maintenance/repair", tc.ops)
			adm.ok("GET", acl, nil, nil)
		})
	}
}

// TestSnapshot is the same for the same end, whatever the way.
func TestSnapshot(t *testing.T) {
	one, two := start(t, config()), start(t, config())
	if a, b := one.Snapshot(), two.Snapshot(); a != b {
		t.Fatalf("%s\nis not\n%s", a, b)
	}
	lead := func(c *client) {
		c.ok("PUT", "/users/example.org/eve", user("eve", `"password":"x1","quota":1024`), nil)
		c.ok("PUT", "/groups/example.org/g", `{"name":"crew"}`, nil)
		c.ok("PUT", "/groups/example.org/g/members", `[{"type":"user","uid":"eve"}]`, nil)
		c.ok("PUT", "/containers/_manage/mailbox:acls-eve/_acl", `[{"subject":"g","verb":"Read"}]`, nil)
	}
	lead(admin(t, one))
	adm := admin(t, two)
	adm.ok("PUT", "/users/example.org/tmp", user("tmp", ""), nil)
	adm.task("DELETE", "/users/example.org/tmp", nil)
	lead(adm)
	adm.ok("POST", "/users/example.org/eve", user("eve", `"quota":2048`), nil)
	if one.Snapshot() == two.Snapshot() {
		t.Error("another quota is not seen")
	}
	adm.ok("POST", "/users/example.org/eve", user("eve", `"quota":1024`), nil)
	if a, b := one.Snapshot(), two.Snapshot(); a != b {
		t.Errorf("%s\nis not\n%s", a, b)
	}
	for _, want := range []string{`"USER eve"`, `"GROUP _crew: Read"`, `"INBOX"`, `"password": true`} {
		if !strings.Contains(one.Snapshot(), want) {
			t.Errorf("no %s in %s", want, one.Snapshot())
		}
	}
	key := adm.su("eve@" + exampleUID).newKey("token")
	if s := two.Snapshot(); !strings.Contains(s, `"eve@18f0a.internal": 1`) || strings.Contains(s, key.SID) {
		t.Errorf("keys: %s", s)
	}
}
