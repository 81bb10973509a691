package bmapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// pauses stands for the clock: it notes how long the client would have slept.
type pauses struct {
	mu  sync.Mutex
	all []time.Duration
}

func (p *pauses) sleep(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, d)
	return ctx.Err()
}

func (p *pauses) list() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// setup gives a client and the mux that it speaks to, under /api.
func setup(t *testing.T) (*Client, *http.ServeMux, *pauses) {
	t.Helper()
	mux := http.NewServeMux()
	// One handler's end comes before the next one's beginning, also where the
	// connection between them was cut, so that handlers may share variables.
	var order sync.Mutex
	pass := func() {
		order.Lock()
		defer order.Unlock()
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pass()
		defer pass()
		if r.Header.Get("Accept") == "" {
			t.Errorf("%s %s: no Accept header", r.Method, r.URL)
		}
		if len(r.TransferEncoding) != 0 || r.ContentLength < 0 {
			t.Errorf("%s %s: sent in chunks", r.Method, r.URL)
		}
		if (r.Method == "PUT" || r.Method == "POST") && r.Header.Get("Content-Length") == "" {
			t.Errorf("%s %s: no Content-Length", r.Method, r.URL)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p := &pauses{}
	c, err := New(Options{BaseURL: srv.URL, Timeout: 20 * time.Second, Retry: Retry{Sleep: p.sleep, Rand: func() float64 { return 0 },
		Now: func() time.Time { return time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC) }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, mux, p
}

// answers replies with a text that must be JSON.
func answers(t *testing.T, body string) http.HandlerFunc {
	t.Helper()
	if !json.Valid([]byte(body)) {
		t.Fatalf("not JSON: %s", body)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body)
	}
}

func faults(w http.ResponseWriter, status int, code Code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errorCode": code, "errorType": "ServerFault", "message": message})
}

func nothing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// body reads what was sent, as JSON.
func body(t *testing.T, r *http.Request) any {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if len(data) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Errorf("%s %s: body is not JSON: %q", r.Method, r.URL, data)
	}
	return v
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func wantJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		t.Fatalf("want is not JSON: %v", err)
	}
	var seen any
	if err := json.Unmarshal([]byte(asJSON(t, got)), &seen); err != nil {
		t.Fatal(err)
	}
	if g, w := asJSON(t, seen), asJSON(t, v); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
