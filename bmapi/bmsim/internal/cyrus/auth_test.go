package cyrus

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// serveAuth runs the socket till the test ends.
func serveAuth(t *testing.T, path string, cfg AuthConfig) {
	t.Helper()
	waiting, cancelWait := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancelWait()
	ln, err := ListenAuth(waiting, path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ServeAuth(ctx, ln, cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// ask puts one question as Cyrus does.
func ask(t *testing.T, path string, parts ...string) string {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var question []byte
	for _, p := range parts {
		question = append(binary.BigEndian.AppendUint16(question, uint16(len(p))), p...)
	}
	if _, err := conn.Write(question); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || len(answer) < 2 || int(binary.BigEndian.Uint16(answer)) != len(answer)-2 {
		t.Fatalf("answer %q, %v", answer, err)
	}
	return string(answer[2:])
}

// socket is a path short enough for one.
func socket(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sasl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "mux")
}

func TestAuthAnswers(t *testing.T) {
	path := socket(t)
	var mu sync.Mutex
	var events []AuthEvent
	serveAuth(t, path, AuthConfig{
		Admin: "admin0", AdminSecret: "root",
		Auth: func(_ context.Context, login, domain, secret string) error {
			if login == "ada" && domain == "dst.example" && secret == "k\x00é"+strings.Repeat("y", 1000) {
				return nil
			}
			return errors.New("unknown")
		},
		Journal: func(e AuthEvent) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		},
	})
	tests := map[string]struct {
		question []string
		want     string
	}{
		"the right secret":                   {[]string{"ada", "k\x00é" + strings.Repeat("y", 1000), "imap", "dst.example"}, "OK"},
		"a wrong secret":                     {[]string{"ada", "x", "imap", "dst.example"}, "NO"},
		"another domain":                     {[]string{"ada", "k\x00é" + strings.Repeat("y", 1000), "imap", ""}, "NO"},
		"the administrator":                  {[]string{"admin0", "root", "imap", ""}, "OK"},
		"the administrator without a secret": {[]string{"admin0", "", "imap", ""}, "NO"},
	}
	for name, tt := range tests {
		if got := ask(t, path, tt.question...); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(events) != len(tests) {
		t.Errorf("journal: %+v", events)
	}
}

func TestAuthRemembers(t *testing.T) {
	for name, tt := range map[string]struct {
		remember time.Duration
		want     string
	}{
		"nothing unless told":      {0, "NO"},
		"a deleted key for a time": {time.Hour, "OK"},
		"and not longer":           {time.Nanosecond, "NO"},
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			asked := false
			serveAuth(t, path, AuthConfig{Remember: tt.remember, Auth: func(context.Context, string, string, string) error {
				if asked {
					return errors.New("the key is gone")
				}
				asked = true
				return nil
			}})
			if got := ask(t, path, "ada", "key", "imap", "dst.example"); got != "OK" {
				t.Fatal(got)
			}
			if got := ask(t, path, "ada", "key", "imap", "dst.example"); got != tt.want {
				t.Errorf("the second time: %s", got)
			}
			if got := ask(t, path, "ada", "another", "imap", "dst.example"); got != "NO" {
				t.Errorf("another key: %s", got)
			}
		})
	}
}

func TestListenAuthTakesTurns(t *testing.T) {
	path := socket(t)
	if err := os.WriteFile(path, nil, 0o600); err != nil { // what a killed process left
		t.Fatal(err)
	}
	first, err := ListenAuth(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("socket %v, %v", info.Mode(), err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ListenAuth(short, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second one has the socket too: %v", err)
	}
	next := make(chan error, 1)
	go func() {
		ln, err := ListenAuth(t.Context(), path)
		if err == nil {
			err = ln.Close()
		}
		next <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-next; err != nil {
		t.Error(err)
	}
}

func TestAuthSurvivesNonsense(t *testing.T) {
	path := socket(t)
	serveAuth(t, path, AuthConfig{Admin: "admin0", AdminSecret: "root"})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte{0, 9, 'x'}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := ask(t, path, "admin0", "root", "imap", ""); got != "OK" {
		t.Error(got)
	}
}
