package cyrus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processes is how many of Cyrus's processes must know a new partition before it
// is taken for usable: more than are kept waiting for connections.
const processes = 4

// partition is a domain's partition: server, two underscores, domain; dots are
// underscores.
func (s *Server) partition(domain string) string {
	return strings.ReplaceAll(s.cfg.ServerUID, ".", "_") + "__" + strings.ReplaceAll(domain, ".", "_")
}

// AddDomain makes a domain's partition, unless it is there: two lines in
// imapd.conf and a SIGHUP to the master, whose new processes know it. It returns
// when boxes can be made in it.
func (s *Server) AddDomain(ctx context.Context, domain string) error {
	s.domains.Lock()
	defer s.domains.Unlock()
	s.mu.Lock()
	ready := s.ready[domain]
	s.mu.Unlock()
	if ready {
		return nil
	}
	name := s.partition(domain)
	s.pool.clear() // kept sessions' processes won't know it
	added, err := s.configure(name)
	if err == nil && added {
		err = s.reload(ctx)
	}
	if err == nil {
		err = s.await(ctx, domain)
	}
	if err != nil {
		return fmt.Errorf("cyrus: partition %s: %w", name, err)
	}
	s.pool.clear() // nor will those of sessions kept meanwhile
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready[domain] = true
	return nil
}

// configure writes the partition into imapd.conf; added is false where it was
// already. A lock keeps out other simulators at the same Cyrus.
func (s *Server) configure(name string) (added bool, err error) {
	lock, err := os.Open(filepath.Dir(s.cfg.ConfPath))
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return false, err
	}
	conf, err := os.ReadFile(s.cfg.ConfPath)
	if err != nil {
		return false, err
	}
	lines := bufio.NewScanner(bytes.NewReader(conf))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "partition-"+name+":") {
			return false, nil
		}
	}
	conf = fmt.Appendf(conf, "partition-%s: %s\nmetapartition-%s: %s\n",
		name, filepath.Join(s.cfg.SpoolDir, name), name, filepath.Join(s.cfg.MetaDir, name))
	// Under another name first: a process that starts now must not read half of it.
	temp := s.cfg.ConfPath + ".new"
	if err := os.WriteFile(temp, conf, 0o644); err != nil {
		return false, err
	}
	return true, os.Rename(temp, s.cfg.ConfPath)
}

// reload has Cyrus read imapd.conf again. The master passes SIGHUP on, and an idle
// process goes; one that serves a session goes after it. But a process that is
// just starting, from the SIGHUP of another domain, misses it and would serve
// later sessions without knowing the partition: so each that was there before is
// told again, until it has gone or is surely at work.
func (s *Server) reload(ctx context.Context) error {
	before, err := children(s.cfg.MasterPID)
	if err != nil {
		return err
	}
	if err := syscall.Kill(s.cfg.MasterPID, syscall.SIGHUP); err != nil {
		return err
	}
	for range 20 {
		select {
		case <-time.After(15 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now, err := children(s.cfg.MasterPID)
		if err != nil {
			return err
		}
		before = slices.DeleteFunc(before, func(pid int) bool { return !slices.Contains(now, pid) })
		if len(before) == 0 {
			return nil
		}
		for _, pid := range before {
			if err := syscall.Kill(pid, syscall.SIGHUP); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// children lists the processes that a master has started.
func children(master int) ([]int, error) {
	if master <= 1 {
		return nil, fmt.Errorf("process %d is no Cyrus master", master)
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name) state ppid …; a name may hold anything, so from its end.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(master) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// await tries until Cyrus's waiting processes, too, have read the new file.
func (s *Server) await(ctx context.Context, domain string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		err := s.try(ctx, domain)
		var no *refusal
		if err == nil || errors.As(err, &no) && !strings.Contains(no.text, "partition") {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// try makes a mailbox in the partition, has it opened by other processes, and
// deletes it. A session is a process: held open, each is another one.
func (s *Server) try(ctx context.Context, domain string) error {
	var sessions []*client
	defer func() {
		for _, c := range sessions {
			c.close()
		}
	}()
	name := quote("bm-partition-check@" + domain)
	for i := range processes {
		c, err := s.pool.dial(ctx, "")
		if err != nil {
			return err
		}
		sessions = append(sessions, c)
		if i == 0 {
			_, err = createMailbox(ctx, c, "bm-partition-check@"+domain, " (PARTITION "+s.partition(domain)+")")
			if err == nil {
				err = setACL(ctx, c, "bm-partition-check@"+domain, s.cfg.Admin, rightsAll)
			}
		} else if err = c.do(ctx, nil, "EXAMINE %s", name); err != nil {
			err = fmt.Errorf("partition not everywhere: %s", err)
		}
		if err != nil {
			return err
		}
	}
	return sessions[0].do(ctx, nil, "DELETE %s", name)
}
