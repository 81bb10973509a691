package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// job is one tool's run into mailboxes of its own.
type job struct {
	*bench
	*place
	scenario
	work loopWork // the place's, by way of what stands between
	dir  string
}

// limit runs the loop, as a process of its own.
func (j job) limit(ctx context.Context) (r result, err error) {
	text, err := json.Marshal(j.work)
	if err != nil {
		return r, err
	}
	path := filepath.Join(j.dir, "work")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	err = j.weighed(&r, func() error { return j.timed(ctx, &r, self, "-loop", path) })
	return r, err
}

const bmsyncYAML = `version: 1
sources:
  old:
    imap: %s
    tls: none
    connections: 100
targets:
  test:
    url: %s
    ca_file: %s
    imap: %s
    tls: none
    connections: 100
    secret_file: %s
    rehearsal: true
domains:
  - name: %s
policy:
  limits:
    accounts: %d
`

// bmsync runs plan, which isn't timed, and run twice; and once more, where
// nothing stands between it and the servers, with somebody counting.
func (j job) bmsync(ctx context.Context) (r result, err error) {
	file, err := j.configure(j.work)
	if err != nil {
		return r, err
	}
	if err := j.timed(ctx, &result{}, j.bench.bmsync, "--config", file, "plan"); err != nil {
		return r, err
	}
	if err := j.weighed(&r, func() error { return j.timed(ctx, &r, j.bench.bmsync, "--config", file, "run", "--target", "test") }); err != nil {
		return r, err
	}
	if j.Rate > 0 {
		r.Shares = j.shares(j.scenario)
	}
	var second result
	err = j.timed(ctx, &second, j.bench.bmsync, "--config", file, "run", "--target", "test")
	r.Second = second.Took
	if err != nil || j.work.Source != j.place.work.Source {
		return r, err
	}
	w, between, err := newLines(j.work, 0)
	if err != nil {
		return r, err
	}
	defer between.end()
	if file, err = j.configure(w); err != nil {
		return r, err
	}
	err = j.timed(ctx, &result{}, j.bench.bmsync, "--config", file, "run", "--target", "test")
	r.Trips = between.trips()
	return r, err
}

// configure writes what bmsync reads.
func (j job) configure(w loopWork) (file string, err error) {
	config := fmt.Sprintf(bmsyncYAML, w.Source, j.url, j.ca, w.Target, j.secret, j.domain, w.Parallel)
	file = filepath.Join(j.dir, "bmsync.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(j.dir, "accounts.csv"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	rows := csv.NewWriter(f)
	rows.Write([]string{"source", "source_login", "target_address", "secret_file"})
	for i, a := range w.Accounts {
		name := fmt.Sprintf("secret-%d", i)
		if err := os.WriteFile(filepath.Join(j.dir, name), []byte(a.SourceSecret), 0o600); err != nil {
			return "", err
		}
		rows.Write([]string{"old", a.SourceLogin, a.TargetLogin, name})
	}
	rows.Flush()
	return file, rows.Error()
}

// mbsync runs a process for each account, as many at a time as the others have
// connections, for it takes one account after the other by itself.
func (j job) mbsync(ctx context.Context) (r result, err error) {
	for pass := range 2 {
		var one result
		results := make([]result, len(j.work.Accounts))
		if err := j.weighed(&one, func() error {
			began := time.Now()
			err := j.mbsyncs(ctx, results)
			one.Took = time.Since(began)
			return err
		}); err != nil {
			return r, err
		}
		for _, x := range results {
			one.CPU += x.CPU
			one.Peak = max(one.Peak, x.Peak*int64(j.work.Parallel))
		}
		if pass == 0 {
			r = one
		} else {
			r.Second = one.Took
		}
	}
	return r, nil
}

func (j job) mbsyncs(ctx context.Context, results []result) error {
	var g errgroup.Group
	g.SetLimit(j.work.Parallel)
	for i, a := range j.work.Accounts {
		g.Go(func() error {
			config := filepath.Join(j.dir, fmt.Sprintf("mbsyncrc-%d", i))
			if err := os.WriteFile(config, []byte(j.mbsyncrc(a, i)), 0o600); err != nil {
				return err
			}
			return j.timed(ctx, &results[i], "mbsync", "-q", "-c", config, "-a")
		})
	}
	return g.Wait()
}

func (j job) mbsyncrc(a account, i int) string {
	var b strings.Builder
	side := func(name, addr, login, secret string) {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(&b, "IMAPStore %s\nHost %s\nPort %s\nUser %s\nPass %s\nAuthMechs LOGIN\nSSLType None\nTimeout 300\n\n", name, host, port, login, secret)
	}
	side("far", j.work.Source, a.SourceLogin, a.SourceSecret)
	side("near", j.work.Target, a.TargetLogin, a.TargetSecret)
	fmt.Fprintf(&b, "Channel all\nFar :far:\nNear :near:\nPatterns %s\nCreate Near\nSync PullNew\nCopyArrivalDate yes\nSyncState %s/\n",
		strings.Join(j.work.Folders, " "), filepath.Join(j.dir, fmt.Sprintf("state-%d", i)))
	os.MkdirAll(filepath.Join(j.dir, fmt.Sprintf("state-%d", i)), 0o700)
	return b.String()
}

// timed runs a program and says what it took.
func (j job) timed(ctx context.Context, r *result, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it doesn't outlive us
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { r.Peak = peak(cmd.Process.Pid, ended) })
	err := cmd.Wait()
	r.Took = time.Since(began)
	close(ended)
	watch.Wait()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, out.Bytes())
	}
	r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return nil
}

// peak watches a process's memory. The kernel's figure for a process that has
// ended begins with that of the process it was forked from, which is us.
func peak(pid int, ended <-chan struct{}) (most int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-tick.C: // the first look would still see us
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok && err == nil {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				most = max(most, kib<<10)
			}
		}
	}
}
