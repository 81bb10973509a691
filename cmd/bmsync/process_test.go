package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bmsync/migrate"
)

// process is bmsync in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer // whole once it has ended
	told   telling      // its standard error
	born   chan struct{}
	done   chan struct{}
	err    error // of waiting for it
}

// newProcess prepares a bmsync that runs in dir; start starts it.
func newProcess(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(self, args...), born: make(chan struct{}), done: make(chan struct{})}
	p.cmd.Args[0] = "bmsync" // what TestMain goes by
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.stdout, &p.told
	// Nothing of the environment that a configuration could come from.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.Getenv("TMPDIR"), "GORACE=atexit_sleep_ms=0"}
	return p
}

// start starts the process, and kills it at the test's end if it is there
// still.
func (p *process) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	close(p.born)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	p.t.Cleanup(p.kill)
}

// kill is SIGKILL, and waits for the end.
func (p *process) kill() {
	p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// signal says whether the process was there to get it.
func (p *process) signal(s os.Signal) bool {
	return p.cmd.Process.Signal(s) == nil
}

// code waits for the end and gives the exit code; -1 is a signal.
func (p *process) code() int {
	p.t.Helper()
	<-p.done
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode()
	}
	if p.err != nil {
		p.t.Fatalf("%s: %v", p, p.err)
	}
	return 0
}

// killed says whether it was SIGKILL that ended the process.
func (p *process) killed() bool {
	<-p.done
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// copied is what a run says in its result.
func (p *process) copied() int {
	p.t.Helper()
	<-p.done
	var res migrate.RunResult
	if err := json.Unmarshal(p.stdout.Bytes(), &res); err != nil {
		p.t.Fatalf("%v: %s", err, p)
	}
	return res.Copied
}

// String is what a failed test wants to know of a process.
func (p *process) String() string {
	return fmt.Sprintf("%s\n%s\n%s", strings.Join(p.cmd.Args, " "), p.told.String(), p.stdout.String())
}

// telling is what a process with --json writes to its standard error, as it
// comes. Safe for concurrent use.
type telling struct {
	mu      sync.Mutex
	text    []byte
	parsed  int // octets of text that are events already
	events  []migrate.Event
	waiting []*expectation
}

// expectation is somebody who waits for an event of one of these kinds.
type expectation struct {
	kinds []migrate.EventKind
	come  chan struct{}
}

func (t *telling) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	for {
		line, _, whole := bytes.Cut(t.text[t.parsed:], []byte("\n"))
		if !whole {
			return len(p), nil
		}
		t.parsed += len(line) + 1
		var e migrate.Event
		if json.Unmarshal(line, &e) != nil {
			continue // not an event: a panic, a report of the race detector
		}
		t.events = append(t.events, e)
		t.waiting = slices.DeleteFunc(t.waiting, func(x *expectation) bool {
			if !slices.Contains(x.kinds, e.Kind) {
				return false
			}
			close(x.come)
			return true
		})
	}
}

// first gives a channel that is closed with the first event of these kinds that
// comes from now on.
func (t *telling) first(kinds ...migrate.EventKind) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := &expectation{kinds, make(chan struct{})}
	t.waiting = append(t.waiting, x)
	return x.come
}

// of lists the events of one kind.
func (t *telling) of(kind migrate.EventKind) []migrate.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []migrate.Event
	for _, e := range t.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// String is the end of what was told.
func (t *telling) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(0, len(t.text)-8<<10):])
}
