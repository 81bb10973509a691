// Command bmsync moves mailboxes from IMAP servers into BlueMind: objects
// first, through the REST API, then the mail as each user, with a state that
// any run can resume and a proof at the end.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		// Once: finish what is in flight, record it, end. Twice: end now. Both
		// leave a state that resumes.
		var once sync.Once
		for range signals {
			ended := true
			once.Do(func() { ended = false; close(stop) })
			if ended {
				cancel()
			}
		}
	}()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.LookupEnv, stop)
	cancel()
	os.Exit(code)
}

// run is the whole program, but for signals: it reads args, writes results to
// stdout and all else to stderr, and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env func(string) (string, bool), stop <-chan struct{}) int {
	a := &app{stdout: stdout, stderr: &lockedWriter{w: stderr}, env: env, stop: stop}
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	return a.exit(err)
}

// lockedWriter lets events, log and errors share one stream.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
