package bmsim_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

func TestFaults(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)

	t.Run("unavailable", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable, Path: "/auth/ping", Times: 2, Skip: 1})
		var got []int
		for range 4 {
			got = append(got, adm.do("GET", "/auth/ping", nil).status)
		}
		if got[0] != 200 || got[1] != 503 || got[2] != 503 || got[3] != 200 {
			t.Errorf("%v", got)
		}
	})
	t.Run("another status, and an error code", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable, Status: 502, Times: 1}, bmsim.Fault{Kind: bmsim.Failing, Times: 1})
		if st := adm.do("GET", "/auth/ping", nil).status; st != 502 {
			t.Error(st)
		}
		adm.refused("GET", "/auth/ping", nil, 500, "SQL_ERROR")
		adm.ok("GET", "/auth/ping", nil, nil)
	})
	t.Run("late: executed all the same", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Late, Method: "PUT", Times: 1})
		if a := adm.do("PUT", "/users/example.org/late", user("late", "")); a.status != 504 || strings.Contains(a.body, "errorCode") {
			t.Errorf("%d %s", a.status, a.body)
		}
		adm.refused("PUT", "/users/example.org/late", user("late", ""), 500, "ALREADY_EXISTS")
	})
	t.Run("slow", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Slow, Times: 1, Delay: 100 * time.Millisecond})
		began := time.Now()
		adm.ok("GET", "/auth/ping", nil, nil)
		if took := time.Since(began); took < 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("for a time", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable, For: 50 * time.Millisecond})
		if st := adm.do("GET", "/auth/ping", nil).status; st != 503 {
			t.Error(st)
		}
		time.Sleep(80 * time.Millisecond)
		if st := adm.do("GET", "/auth/ping", nil).status; st != 200 {
			t.Error(st)
		}
	})
	t.Run("hook: a box without folders, mended by repair", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Hook, Times: 1})
		adm.ok("PUT", "/users/example.org/bare", user("bare", ""), nil)
		folders := "/mail_folders_container/subtree_18f0a_internal!user.bare/_all"
		adm.refused("GET", folders, nil, 404, "NOT_FOUND")
		const path = "/directory/example.org/bare/mgmt/_maintenance"
		var ops []*struct{ Identifier string }
		adm.ok("GET", path, nil, &ops)
		if len(ops) < 2 || ops[0] != nil {
			t.Errorf("%v", ops)
		}
		adm.task("POST", path+"/repair", `{"opIdentifiers":["mailboxDefaultFolders"],"dry":true}`)
		adm.refused("GET", folders, nil, 404, "NOT_FOUND")
		if st := adm.task("POST", path+"/repair", `{"opIdentifiers":["nonsense"]}`); st.State != "Success" {
			t.Errorf("unknown operations are ignored: %+v", st)
		}
		adm.refused("GET", folders, nil, 404, "NOT_FOUND")
		if st := adm.task("POST", path+"/repair", `{"opIdentifiers":["mailboxDefaultFolders"]}`); st.State != "Success" || st.LastLogEntry != "" {
			t.Errorf("%+v", st)
		}
		adm.ok("GET", folders, nil, nil)
		adm.refused("POST", "/directory/example.org/none/mgmt/_maintenance/repair", `{}`, 404, "NOT_FOUND")
	})
	t.Run("tasks", func(t *testing.T) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.SlowTask, Path: "repair", Times: 1, Delay: 100 * time.Millisecond})
		const path = "/directory/example.org/late/mgmt/_maintenance/repair"
		var ref struct{ ID string }
		adm.ok("POST", path, `{}`, &ref)
		if ref.ID != "repair-late@example.org" {
			t.Errorf("%+v", ref)
		}
		adm.refused("POST", path, `{}`, 500, "UNKNOWN")
		var st taskStatus
		for st.State != "Success" {
			adm.ok("GET", "/tasks/"+url.PathEscape(ref.ID), nil, &st)
			if st.State == "InError" {
				t.Fatal(st)
			}
			time.Sleep(5 * time.Millisecond)
		}
		var logs []string
		adm.ok("GET", "/tasks/"+url.PathEscape(ref.ID)+"/_currentLogs?offset=1", nil, &logs)
		if len(logs) < 2 {
			t.Errorf("%v", logs)
		}
		if a := adm.do("GET", "/tasks/"+url.PathEscape(ref.ID)+"/_log", nil); !strings.Contains(a.body, `"end":true`) {
			t.Error(a.body)
		}
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.FailedTask, Times: 1})
		if st := adm.task("POST", path, `{}`); st.State != "InError" {
			t.Errorf("%+v", st)
		}
	})
	t.Run("sessions expire now", func(t *testing.T) {
		sim.ExpireSessions()
		adm.refused("GET", "/auth/ping", nil, 401, "AUTHENTICATION_FAIL")
	})
}

func TestControl(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	send := func(method, path, password, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, sim.URL()+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Sim-Password", password)
		resp, err := adm.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, tc := range []struct {
		name, method, path, password, body string
		want                               int
	}{
		{"wrong password", "GET", "/sim/journal", "no", "", 403},
		{"journal", "GET", "/sim/journal", secret, "", 200},
		{"no such", "GET", "/sim/none", secret, "", 404},
		{"unknown order", "POST", "/sim/faults", secret, `{"fault":1}`, 400},
		{"unknown fault", "POST", "/sim/faults", secret, `{"faults":[{"kind":"none"}]}`, 400},
		{"unknown IMAP fault", "POST", "/sim/faults", secret, `{"imap":[{"kind":"none"}]}`, 400},
		{"faults", "POST", "/sim/faults", secret, `{"faults":[{"kind":"unavailable","times":1}],"imap":[{"kind":"lost"}],"messageSizeLimit":77}`, 200},
	} {
		if got := send(tc.method, tc.path, tc.password, tc.body); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
	if st := adm.do("GET", "/auth/ping", nil).status; st != 503 {
		t.Errorf("the fault is not there: %d", st)
	}
	if sim.MessageSizeLimit() != 77 {
		t.Error(sim.MessageSizeLimit())
	}
	send("POST", "/sim/faults", secret, `{"clear":true,"expireSessions":true,"state":"CORE_STATE_MAINTENANCE"}`)
	adm.refused("GET", "/auth/ping", nil, 401, "AUTHENTICATION_FAIL")
	if a := adm.with("").do("GET", "/system/installation/state", nil); a.body != `"CORE_STATE_MAINTENANCE"` {
		t.Error(a.body)
	}
	if a := adm.with("").do("GET", "/sim/journal", nil); a.status != 500 {
		t.Errorf("the control is no part of the API: %d", a.status)
	}
}
