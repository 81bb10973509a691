package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// million fills one folder, in two runs of which the first is killed, and has
// every other command tell of it.
func (j job) million(ctx context.Context) (r result, err error) {
	file, err := j.configure(j.work)
	if err != nil {
		return r, err
	}
	do := func(name string, args ...string) error {
		s := step{Name: name}
		var one result
		err := j.timed(ctx, &one, j.bench.bmsync, append([]string{"--config", file}, args...)...)
		s.Took, s.CPU, s.Peak = one.Took, one.CPU, one.Peak
		j.say("%s: %s: %.1f s, CPU %.1f s, %d MB", j.Name, name, s.Took.Seconds(), s.CPU.Seconds(), s.Peak>>20)
		r.Steps, r.Peak = append(r.Steps, s), max(r.Peak, s.Peak)
		return err
	}
	if err := do("plan", "plan"); err != nil {
		return r, err
	}
	killed, err := j.killedHalfway(ctx, file)
	if err != nil {
		return r, err
	}
	r.Steps, r.Peak = append(r.Steps, killed), max(r.Peak, killed.Peak)
	run := []string{"run", "--target", "test"}
	if err := do("run, after it was killed half-way", run...); err != nil {
		return r, err
	}
	last := r.Steps[len(r.Steps)-1]
	r.Took, r.CPU = killed.Took+last.Took, killed.CPU+last.CPU
	if err := do("run again, nothing has changed", run...); err != nil {
		return r, err
	}
	r.Second = r.Steps[len(r.Steps)-1].Took
	if err := storeOne(j.place.work.Target, j.work.Accounts[0]); err != nil {
		return r, err
	}
	r.Foreign++
	for _, s := range []struct {
		name string
		args []string
	}{
		{"run again, somebody wrote to the target's folder", run},
		{"status", []string{"status", "--target", "test"}},
		{"verify", []string{"verify", "--target", "test"}},
		{"report", []string{"report", "--target", "test"}},
		{"report, JSON", []string{"report", "--target", "test", "--format", "json"}},
		{"where, by Message-ID", []string{"where", j.work.Accounts[0].TargetLogin, "--target", "test", "--message-id", fmt.Sprintf("%d.%s", j.Messages/2, j.work.Accounts[0].SourceLogin)}},
	} {
		if err := do(s.name, s.args...); err != nil {
			return r, err
		}
	}
	return r, nil
}

// killedHalfway begins a run and ends it without a warning.
func (j job) killedHalfway(ctx context.Context, file string) (s step, err error) {
	s.Name = "run, killed half-way"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.bench.bmsync, "--config", file, "run", "--target", "test")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	ended, waited, peaks := make(chan struct{}), make(chan error, 1), make(chan int64, 1)
	go func() { peaks <- peak(cmd.Process.Pid, ended) }()
	go func() { waited <- cmd.Wait(); close(ended) }()
	for n := 0; n < j.Messages/2 && err == nil; {
		select {
		case <-time.After(200 * time.Millisecond):
			n, err = count(j.place.work)
		case <-ended:
			err = errors.New("the run ended before it could be killed")
		}
	}
	cancel()
	<-ended
	s.Took, s.Peak = time.Since(began), <-peaks
	s.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil {
		err = fmt.Errorf("%w: %v: %s", err, <-waited, out.Bytes())
	}
	return s, err
}
