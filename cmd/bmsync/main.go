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

	"bmsync/migrate"
)

func main() { os.Exit(mainWith(migrate.Network{})) }

// mainWith is this process as bmsync: its arguments, streams, environment and
// signals.
func mainWith(network migrate.Network) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
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
	a := &app{stdout: os.Stdout, stderr: os.Stderr, env: os.LookupEnv, stop: stop, network: network}
	return a.run(ctx, os.Args[1:])
}

// run is the whole program, but for signals: it reads args, writes results to
// stdout and all else to stderr, and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env func(string) (string, bool), stop <-chan struct{}) int {
	a := &app{stdout: stdout, stderr: stderr, env: env, stop: stop}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	a.stderr = &lockedWriter{w: a.stderr}
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
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
