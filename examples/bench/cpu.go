package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// others says what a tool's run cost those that it isn't charged for: the servers
// on both sides, and the simulator, which is this process. In a real migration
// none of them is on the client's machine; here all share its processors.
type others struct {
	Servers, Simulator time.Duration
}

// weighed does something and notes what CPU time the others took meanwhile.
func (b *bench) weighed(r *result, do func() error) error {
	before, err := b.servers()
	if err != nil {
		return err
	}
	own := ownCPU()
	if err := do(); err != nil {
		return err
	}
	r.Others.Simulator = ownCPU() - own // before the look through all processes
	after, err := b.servers()
	r.Others.Servers = after - before
	return err
}

// servers is the CPU time that the lab's servers have taken so far.
func (b *bench) servers() (time.Duration, error) {
	if b.lab == nil {
		return 0, nil
	}
	return cpuOf(b.lab.lab.DovecotPID, b.lab.lab.CyrusPID)
}

func ownCPU() time.Duration {
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) != nil {
		return 0 // it can't fail
	}
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

// cpuOf sums the CPU time of processes and all their descendants, also of those
// that have ended and been waited for.
func cpuOf(roots ...int) (total time.Duration, err error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	own, children := map[int]time.Duration{}, map[int][]int{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		pid, parent, used, err := readStat(string(text))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		own[pid], children[parent] = used, append(children[parent], pid)
	}
	for len(roots) > 0 {
		pid := roots[0]
		roots = append(roots[1:], children[pid]...)
		total += own[pid]
	}
	return total, nil
}

// tick is the kernel's unit in /proc (USER_HZ).
const tick = 10 * time.Millisecond

// readStat reads proc_pid_stat(5): fields 1, 4 and 14 to 17, the second being a
// name that may hold spaces and parentheses.
func readStat(text string) (pid, parent int, used time.Duration, err error) {
	head, rest, _ := strings.Cut(text, " (")
	fields := strings.Fields(rest[strings.LastIndexByte(rest, ')')+1:])
	if pid, err = strconv.Atoi(head); err != nil || len(fields) < 15 {
		return 0, 0, 0, fmt.Errorf("unexpected form: %q", text)
	}
	numbers := make([]int, 5)
	for i, at := range []int{1, 11, 12, 13, 14} {
		if numbers[i], err = strconv.Atoi(fields[at]); err != nil {
			return 0, 0, 0, err
		}
	}
	return pid, numbers[0], time.Duration(numbers[1]+numbers[2]+numbers[3]+numbers[4]) * tick, nil
}
