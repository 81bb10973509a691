package imaptest

import (
	"fmt"
	"strings"
)

// idle answers IDLE, RFC 2177: it reports until the client says DONE.
func (s *session) idle(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	s.line("+ idling")
	s.idling = true
	done := make(chan error, 1)
	go func() { done <- s.awaitDone() }()
	err := s.reportUntil(done)
	s.idling = false
	if err != nil {
		s.ended = true
		return bad("DONE expected")
	}
	return ok("Idle ended")
}

func (s *session) awaitDone() error {
	line, _, err := readLine(s.in, s.srv.opts.MaxLine)
	if err == nil && !strings.EqualFold(string(line), "DONE") {
		err = fmt.Errorf("%q instead of DONE", line)
	}
	return err
}

func (s *session) reportUntil(done <-chan error) error {
	for {
		s.srv.mu.Lock()
		changed := s.srv.changed
		s.srv.mu.Unlock()
		if s.view != nil {
			s.report(true)
		}
		if s.out.Flush() != nil || s.ended {
			s.raw.Close() // which ends awaitDone
			return <-done
		}
		select {
		case err := <-done:
			return err
		case <-changed:
		}
	}
}
