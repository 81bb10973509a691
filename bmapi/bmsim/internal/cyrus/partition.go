package cyrus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	added, err := s.configure(name)
	if err == nil && added {
		err = syscall.Kill(s.cfg.MasterPID, syscall.SIGHUP)
	}
	if err == nil {
		err = s.await(ctx, domain)
	}
	if err != nil {
		return fmt.Errorf("cyrus: partition %s: %w", name, err)
	}
	s.pool.clear() // kept sessions' processes don't know it
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
