// Command bmsync moves mailboxes from IMAP servers into BlueMind: objects
// first, through the REST API, then the mail as each user, with a state that
// any run can resume and a proof at the end.
package main

import (
	"context"
	"errors"
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
	if !signal.Ignored(syscall.SIGHUP) { // else it was begun by nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	once := sync.OnceFunc(func() { close(stop) })
	go func() {
		// Once: finish what is in flight, record it, end. Twice: end now. Both
		// leave a state that resumes.
		asked := false
		for range signals {
			if asked {
				cancel()
			}
			asked = true
			once()
		}
	}()
	signal.Ignore(syscall.SIGPIPE) // which would end the process at once, with its keys alive
	a := &app{stdout: &heard{os.Stdout, once}, stderr: &heard{os.Stderr, once}, env: os.LookupEnv, stop: stop, network: network}
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

// heard is a stream that says so when its reader is gone: that is an interrupt.
type heard struct {
	w    io.Writer
	gone func()
}

func (h *heard) Write(p []byte) (int, error) {
	n, err := h.w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		h.gone()
		err = errUnread
	}
	return n, err
}

// errUnread ends a command whose result nobody reads any more.
var errUnread = errors.New("nobody reads the output any more")

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
