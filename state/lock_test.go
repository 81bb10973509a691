package state

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// childVariable makes the test binary play a part in another process.
const childVariable = "BMSYNC_STATE_TEST_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch part, path, _ := strings.Cut(os.Getenv(childVariable), ":"); part {
	case "":
		os.Exit(m.Run())
	case "hold":
		err = childHolds(path)
	case "write":
		err = childWrites(path)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// child starts the test binary in a part and gives its output.
func child(t *testing.T, part, path string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+part+":"+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, bufio.NewReader(out)
}

// childHolds opens the state, begins a run and waits until it is killed, or
// until its parent is gone and its stdin at an end.
func childHolds(path string) error {
	s, err := Open(context.Background(), path, testIdentity)
	if err != nil {
		return err
	}
	if _, err := s.BeginRun(context.Background(), Run{Name: "night-1"}); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}

func TestLockBetweenProcesses(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "test.db")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=hold:"+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	host, err := os.Hostname()
	must(t, err)
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(path, link))
	for _, name := range []string{path, link} {
		_, err = Open(ctx, name, testIdentity)
		var locked *LockedError
		if !errors.As(err, &locked) {
			t.Fatalf("got %v", err)
		}
		if h := locked.Holder; h.PID != cmd.Process.Pid || h.Host != host || h.Run != "night-1" || h.Started.IsZero() {
			t.Errorf("holder %+v", h)
		}
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "run night-1") {
			t.Errorf("error %q", err)
		}
	}
	r, err := OpenReadOnly(ctx, path)
	must(t, err)
	if runs, err := r.Runs(ctx); err != nil || len(runs) != 1 {
		t.Errorf("runs while another process writes: %v, %v", runs, err)
	}
	must(t, r.Close())
	must(t, cmd.Process.Kill())
	cmd.Wait() // says that it was killed
	s, err := Open(ctx, path, testIdentity)
	must(t, err)
	if _, err := Open(ctx, path, testIdentity); !errors.As(err, new(*LockedError)) {
		t.Errorf("second store of one process: %v", err)
	}
	must(t, s.Close())
	text, err := os.ReadFile(path + ".lock")
	if err != nil || json.Valid(text) {
		t.Errorf("lock file after closing: %q, %v", text, err)
	}
}
