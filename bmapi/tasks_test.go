package bmapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	task      = `{"id":"t-1"}`
	wellDone  = `{"state":"Success","result":""}`
	underWay  = `{"state":"InProgress","steps":4.0,"progress":1.0}`
	endedBad  = `{"state":"InError","lastLogEntry":"no such entry"}`
	forgotten = ""
)

// TestTaskForgotten: a restart of the server forgets its tasks. What became of them is
// seen at the things themselves.
func TestTaskForgotten(t *testing.T) {
	for name, tc := range map[string]struct {
		tasks  []string // what each look at a task shows, the last one for ever
		exists []bool   // what each look at the thing shows, the same
		starts int
		fails  error
	}{
		"well done":                   {tasks: []string{underWay, wellDone}, starts: 1},
		"done before the restart":     {tasks: []string{forgotten}, exists: []bool{false}, starts: 1},
		"not done":                    {tasks: []string{underWay, forgotten, wellDone}, exists: []bool{true}, starts: 2},
		"forgotten twice":             {tasks: []string{forgotten}, exists: []bool{true}, starts: 2, fails: ErrTaskUnknown},
		"forgotten twice, then done":  {tasks: []string{forgotten}, exists: []bool{true, false}, starts: 2},
		"error, but nothing is there": {tasks: []string{endedBad}, exists: []bool{false}, starts: 1},
		"error, and it is there":      {tasks: []string{endedBad}, exists: []bool{true}, starts: 1, fails: &TaskError{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			starts, looks, things := 0, 0, 0
			mux.HandleFunc("DELETE /api/mailshares/d/m", func(w http.ResponseWriter, _ *http.Request) { starts++; io.WriteString(w, task) })
			mux.HandleFunc("GET /api/tasks/t-1", func(w http.ResponseWriter, _ *http.Request) {
				said := tc.tasks[min(looks, len(tc.tasks)-1)]
				looks++
				if said == forgotten {
					faults(w, 404, CodeNotFound, "Task t-1 not found")
					return
				}
				io.WriteString(w, said)
			})
			mux.HandleFunc("GET /api/mailshares/d/m/complete", func(w http.ResponseWriter, r *http.Request) {
				there := tc.exists[min(things, len(tc.exists)-1)]
				things++
				if !there {
					nothing(w, r)
					return
				}
				io.WriteString(w, `{"uid":"m","value":{"name":"support"}}`)
			})
			err := c.WithKey("adm").DeleteMailshare(t.Context(), "d", "m")
			switch {
			case tc.fails == nil && err != nil, tc.fails != nil && err == nil:
				t.Errorf("got %v", err)
			case errors.As(tc.fails, new(*TaskError)):
				if !errors.As(err, new(*TaskError)) {
					t.Errorf("got %v", err)
				}
			case !errors.Is(err, tc.fails):
				t.Errorf("got %v", err)
			}
			if starts != tc.starts {
				t.Errorf("started %d times", starts)
			}
		})
	}
}

func TestAliasesAfterAForgottenTask(t *testing.T) {
	for name, tc := range map[string]struct {
		has    string
		starts int
	}{
		"set":     {has: `["b.org","a.org"]`, starts: 1},
		"not set": {has: `["a.org"]`, starts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			starts := 0
			mux.HandleFunc("POST /api/domains/d/_aliases", func(w http.ResponseWriter, r *http.Request) {
				wantJSON(t, "aliases", body(t, r), `["a.org","b.org"]`)
				starts++
				io.WriteString(w, task)
			})
			mux.HandleFunc("GET /api/tasks/t-1", func(w http.ResponseWriter, _ *http.Request) {
				if starts < 2 {
					faults(w, 404, CodeNotFound, "")
					return
				}
				io.WriteString(w, wellDone)
			})
			mux.HandleFunc("GET /api/domains/d", answers(t, `{"uid":"d","value":{"name":"d","aliases":`+tc.has+`}}`))
			if err := c.WithKey("adm").SetAliases(t.Context(), "d", []string{"A.org", "b.org"}); err != nil || starts != tc.starts {
				t.Errorf("got %v after %d starts", err, starts)
			}
		})
	}
}

// TestSixteenTasks: more than BlueMind runs at a time would only wait there.
func TestSixteenTasks(t *testing.T) {
	c, mux, _ := setup(t)
	var running, most, looks atomic.Int32
	mux.HandleFunc("DELETE /api/users/d/{uid}", func(w http.ResponseWriter, _ *http.Request) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		io.WriteString(w, task)
	})
	mux.HandleFunc("GET /api/tasks/t-1", func(w http.ResponseWriter, _ *http.Request) {
		if looks.Add(1) < 200 {
			io.WriteString(w, underWay)
			return
		}
		running.Add(-1)
		io.WriteString(w, wellDone)
	})
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if err := c.WithKey("adm").DeleteUser(t.Context(), "d", "u"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() != maxTasks {
		t.Errorf("%d at a time", most.Load())
	}
	for range maxTasks {
		c.tasks <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.WithKey("adm").DeleteUser(ctx, "d", "u"); !errors.Is(err, context.Canceled) {
		t.Errorf("without a turn: %v", err)
	}
}

func TestDeleteDomain(t *testing.T) {
	c, mux, _ := setup(t)
	var did []string
	there := true
	mux.HandleFunc("DELETE /api/domains/d/_items", func(w http.ResponseWriter, _ *http.Request) {
		did = append(did, "items")
		if !there {
			faults(w, 404, CodeNotFound, "")
			return
		}
		io.WriteString(w, task)
	})
	mux.HandleFunc("GET /api/tasks/t-1", answers(t, wellDone))
	mux.HandleFunc("DELETE /api/domains/d", func(http.ResponseWriter, *http.Request) { did = append(did, "domain"); there = false })
	for range 2 {
		if err := c.WithKey("adm").DeleteDomain(t.Context(), "d"); err != nil {
			t.Error(err)
		}
	}
	if got := asJSON(t, did); got != `["items","domain","items"]` {
		t.Errorf("did %s", got)
	}
}

// TestDeleteUnknownExternalUser: BlueMind's fault says nothing of it.
func TestDeleteUnknownExternalUser(t *testing.T) {
	c, mux, _ := setup(t)
	there := false
	mux.HandleFunc("DELETE /api/externaluser/d/e", func(w http.ResponseWriter, _ *http.Request) {
		faults(w, 500, CodeUnknown, "Invalid user UID: e")
	})
	mux.HandleFunc("GET /api/externaluser/d/e/complete", func(w http.ResponseWriter, r *http.Request) {
		if !there {
			nothing(w, r)
			return
		}
		io.WriteString(w, `{"uid":"e","value":{}}`)
	})
	s := c.WithKey("adm")
	if err := s.DeleteExternalUser(t.Context(), "d", "e"); err != nil {
		t.Error(err)
	}
	there = true
	if err := s.DeleteExternalUser(t.Context(), "d", "e"); CodeOf(err) != CodeUnknown {
		t.Errorf("one that is there: %v", err)
	}
}
