package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench has a folder of its own and, once a scenario needs it, the lab.
type bench struct {
	options
	dir      string
	lab      *labWorld // nil: not opened yet
	progress io.Writer
	made     int // places, and mailboxes of the lab
}

// adminSecret is admin0's, of every simulator here.
const adminSecret = "bench-Secret.7"

func newBench(ctx context.Context, o options, progress io.Writer) (b *bench, err error) {
	b = &bench{options: o, progress: progress}
	if b.dir, err = os.MkdirTemp(o.work, "bmbench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := os.WriteFile(filepath.Join(b.dir, "secret"), []byte(adminSecret), 0o600); err != nil {
		return b, err
	}
	if b.bmsync == "" {
		b.bmsync = filepath.Join(b.dir, "bmsync")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.bmsync, "bmsync/cmd/bmsync").CombinedOutput(); err != nil {
			return b, fmt.Errorf("go build: %w: %s", err, out)
		}
	}
	return b, nil
}

func (b *bench) close() (err error) {
	if b.lab != nil {
		err = b.lab.close(b.keep)
	}
	if b.keep {
		return err
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}

// result is what one tool did in one run.
type result struct {
	Took, Second time.Duration
	CPU          time.Duration
	Others       others
	Peak         int64     // octets of memory, at most
	Trips        *trips    `json:",omitempty"` // of a pass that finds nothing to do
	Shares       []float64 `json:",omitempty"` // of the rate that each account may have
	Steps        []step    `json:",omitempty"` // of the scenario million
	Foreign      int       // messages on the target that no tool wrote
}

// step is one command.
type step struct {
	Name string
	Took time.Duration
	CPU  time.Duration
	Peak int64
}

// measure runs every tool, in turn and in another order each time, into
// mailboxes of its own.
func (b *bench) measure(ctx context.Context, s scenario, rtt time.Duration) (map[string][]result, error) {
	out := map[string][]result{}
	order := b.toolsOf(s)
	runs := b.runs
	if s.Once {
		runs = 1
	}
	for run := range runs {
		for i := range order {
			tool := order[(i+run)%len(order)]
			if enough(tool, out[tool]) {
				continue
			}
			r, err := b.patiently(ctx, s, rtt, tool)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", tool, err)
			}
			b.say("%s at %s, run %d of %d: %s %.2f s, again %.2f s, CPU %.2f s, %d MB", s.Name, roundTrip(rtt), run+1, runs, tool,
				r.Took.Seconds(), r.Second.Seconds(), r.CPU.Seconds(), r.Peak>>20)
			out[tool] = append(out[tool], r)
		}
	}
	return out, nil
}

// enough says that mbsync, which takes minutes where the others take seconds,
// was run three times and two minutes.
func enough(tool string, had []result) bool {
	var took time.Duration
	for _, r := range had {
		took += r.Took
	}
	return tool == "mbsync" && len(had) >= 3 && took > 2*time.Minute
}

// toolsOf are the tools of a scenario that were asked for.
func (b *bench) toolsOf(s scenario) []string {
	asked := strings.Split(b.tools, ",")
	if s.Tools == "" {
		return asked
	}
	return slices.DeleteFunc(strings.Split(s.Tools, ","), func(tool string) bool { return !slices.Contains(asked, tool) })
}

// tries is how often a run is begun that a server spoils: Cyrus answers "System
// I/O error" now and then, soon after it was told of a new partition.
const tries = 3

// patiently is once, and once more where that failed.
func (b *bench) patiently(ctx context.Context, s scenario, rtt time.Duration, tool string) (r result, err error) {
	for try := 1; ; try++ {
		if r, err = b.once(ctx, s, rtt, tool); err == nil || ctx.Err() != nil || try == tries {
			return r, err
		}
		b.say("%s with %s failed, and is tried again: %v", s.Name, tool, err)
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
		}
	}
}

// once makes mailboxes, lets a tool fill them, counts what is there, and takes
// them away.
func (b *bench) once(ctx context.Context, s scenario, rtt time.Duration, tool string) (r result, err error) {
	p, err := b.place(ctx, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	p.work.Parallel = s.Parallel
	j := job{bench: b, place: p, scenario: s, dir: filepath.Join(b.dir, fmt.Sprintf("%s-%d", tool, b.made))}
	if err := os.Mkdir(j.dir, 0o700); err != nil {
		return r, err
	}
	if !b.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(j.dir)) }()
	}
	j.work = p.work
	if rtt > 0 {
		var between *lines
		if j.work, between, err = newLines(p.work, rtt); err != nil {
			return r, err
		}
		defer between.end()
	}
	switch {
	case s.Name == million:
		r, err = j.million(ctx)
	case tool == "limit":
		r, err = j.limit(ctx)
	case tool == "bmsync":
		r, err = j.bmsync(ctx)
	case tool == "mbsync":
		r, err = j.mbsync(ctx)
	default:
		err = fmt.Errorf("there is no tool %q", tool)
	}
	if err != nil {
		return r, err
	}
	n, err := count(p.work)
	if err == nil && n != s.total()+r.Foreign {
		err = fmt.Errorf("%d messages arrived, %d were sent", n, s.total()+r.Foreign)
	}
	return r, err
}

// storeOne writes a small message into a target's INBOX.
func storeOne(addr string, a account) error {
	c, err := dialLoop(addr, a.TargetLogin, a.TargetSecret)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	const text = "Subject: probe\r\n\r\nprobe\r\n"
	_, err = c.command(fmt.Sprintf("APPEND INBOX () {%d+}\r\n%s", len(text), text))
	return err
}

// count asks the target for what has arrived.
func count(w loopWork) (n int, err error) {
	for _, a := range w.Accounts {
		c, err := dialLoop(w.Target, a.TargetLogin, a.TargetSecret)
		if err != nil {
			return n, err
		}
		for _, folder := range w.Folders {
			err := c.collect("STATUS "+quote(folder)+" (MESSAGES)", func(text string) {
				var one int
				fmt.Sscanf(between(text[strings.LastIndexByte(text, '(')+1:], "MESSAGES ", ")"), "%d", &one)
				n += one
			})
			if err != nil {
				return n, errors.Join(err, c.conn.Close())
			}
		}
		c.conn.Close()
	}
	return n, nil
}

// median of some figures.
func median[T ~int64 | ~float64](of []T) T {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}
