package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the behaviours in testdata/script, each as a user would
// meet it: bmsync in a process of its own, files in a folder, servers on the
// loopback. Beside testscript's own commands there are:
//
//	lab LOGIN...        a source with these mailboxes, BlueMinds test and production, and the files of a migration
//	bluemind NAME       one more BlueMind; $NAME_URL and $NAME_IMAP are its addresses
//	expand FILE...      replace $NAME in files by the environment
//	edit FILE OLD NEW   replace the one OLD in a file, $NAME expanded in both
//	cutline FILE        take the last line away
//	exits CODE bmsync…  run a command that ends with this very code, telling no secret
//	start NAME bmsync…  run one in the background; until NAME PATTERN waits for what it tells,
//	                    until source PATTERN for a command at the source, signal NAME SIGNAL interrupts it, ends NAME CODE waits for its end
//	json FILE           the file, or stdout, is one JSON value and nothing else
//	jsonlines FILE      the file, or stderr, has a JSON object on each line
//	mark                what follows is counted from here
//	untouched           since then, no server was changed, and nobody logged in to a mailbox of a BlueMind
//	unvisited           since then, no server was even spoken to
//	appends SIM N       since then, so many messages were stored
//	keys SIM N          so many API keys are alive
//	fault SIM JSON      a fault of its API, until heal SIM
//	limit SIM BYTES     its message_size_limit
//	lease SIM LOGIN RUN DURATION   a key as a run elsewhere makes it
//	learned N           so many secrets at least have gone over the wire, or are in files
//	public FOLDER N LOGIN...   a folder of everybody at the source with so many messages, seen by these logins; the first owns it
//	acl LOGIN FOLDER ID RIGHTS...   who may do what with a mailbox of the source
//	slow DURATION       the source takes so long for each response line
//
// At its end, no file of a script but those in secrets/ holds a secret.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector makes each process end a second late
			l := newLab(env)
			env.Values[labKey{}] = l
			env.Defer(func() { l.close(env.T()) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab": cmdLab, "bluemind": cmdBlueMind, "expand": cmdExpand, "edit": cmdEdit, "cutline": cmdCutLine,
			"exits": cmdExits, "start": cmdStart, "until": cmdUntil, "signal": cmdSignal, "ends": cmdEnds,
			"json": cmdJSON, "jsonlines": cmdJSONLines,
			"mark": cmdMark, "untouched": cmdUntouched, "unvisited": cmdUnvisited, "appends": cmdAppends, "keys": cmdKeys,
			"fault": cmdFault, "heal": cmdHeal, "limit": cmdLimit, "lease": cmdLease, "learned": cmdLearned, "slow": cmdSlow,
			"public": cmdPublic, "letters": cmdLetters, "acl": cmdACL,
		},
	})
}

type labKey struct{}

func labOf(ts *testscript.TestScript) *lab { return ts.Value(labKey{}).(*lab) }

// usage ends a script that calls a command wrongly.
func usage(ts *testscript.TestScript, neg bool, args []string, least int, text string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", text)
	}
}

func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "expand FILE...")
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "edit FILE OLD NEW")
	unescape := strings.NewReplacer(`\n`, "\n", `\r`, "\r")
	text, from, to := ts.ReadFile(args[0]), os.Expand(unescape.Replace(args[1]), ts.Getenv), os.Expand(unescape.Replace(args[2]), ts.Getenv)
	if n := strings.Count(text, from); n != 1 {
		ts.Fatalf("%s holds %q %d times:\n%s", args[0], from, n, text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, from, to, 1)), 0o600))
}

func cmdCutLine(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "cutline FILE")
	text := strings.TrimSuffix(ts.ReadFile(args[0]), "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text[:strings.LastIndex(text, "\n")+1]), 0o600))
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "exits CODE bmsync ARGS...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if got := exitCode(err); got != want {
		ts.Fatalf("exit code %d, want %d (%v)", got, want, err)
	}
	labOf(ts).noSecret(ts, "stdout", stdout)
	labOf(ts).noSecret(ts, "stderr", stderr)
}

func exitCode(err error) int {
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return 0
	case ok:
		return exit.ExitCode()
	}
	return -1
}

// background is a command in the background.
type background struct {
	cmd            *exec.Cmd
	stdout, stderr sharedBuffer
}

// sharedBuffer may be read while a process writes to it.
type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sharedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sharedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "start NAME bmsync ARGS...")
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	b := &background{cmd: exec.Command(path, args[2:]...)}
	b.cmd.Dir, b.cmd.Env = ts.MkAbs("."), labOf(ts).environ(ts)
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	ts.Check(b.cmd.Start())
	labOf(ts).jobs[args[0]] = b
}

func jobOf(ts *testscript.TestScript, name string) *background {
	b := labOf(ts).jobs[name]
	if b == nil {
		ts.Fatalf("no command %q runs in the background", name)
	}
	return b
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "until NAME PATTERN")
	l, pattern := labOf(ts), regexp.MustCompile("(?m)"+args[1])
	told := func() string { return l.source.Journal()[l.sourceSeen:].String() }
	if args[0] != "source" {
		b := jobOf(ts, args[0])
		told = func() string { return b.stdout.String() + b.stderr.String() }
	}
	for end := time.Now().Add(time.Minute); !pattern.MatchString(told()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s never told %q:\n%s", args[0], args[1], told())
		}
	}
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "signal NAME INT|TERM|HUP")
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	ts.Check(jobOf(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// cmdEnds leaves what the command wrote in NAME.out and NAME.err.
func cmdEnds(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "ends NAME CODE")
	b := jobOf(ts, args[0])
	delete(labOf(ts).jobs, args[0])
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	late := time.AfterFunc(time.Minute, func() { b.cmd.Process.Kill() })
	err = b.cmd.Wait()
	late.Stop()
	for name, text := range map[string]string{".out": b.stdout.String(), ".err": b.stderr.String()} {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+name), []byte(text), 0o600))
	}
	if got := exitCode(err); got != want {
		ts.Fatalf("exit code %d, want %d (%v)\n%s%s", got, want, err, b.stdout.String(), b.stderr.String())
	}
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "json FILE")
	text := ts.ReadFile(args[0])
	d := json.NewDecoder(strings.NewReader(text))
	var v any
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s is not JSON: %v\n%s", args[0], err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("%s holds more than one JSON value:\n%s", args[0], text)
	}
}

func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "jsonlines FILE")
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			ts.Fatalf("%s holds a line that is no JSON object: %v\n%s", args[0], err, line)
		}
	}
}
