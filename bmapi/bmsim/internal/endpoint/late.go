package endpoint

import (
	"context"
	"errors"
)

// hold is what the reader keeps back for a LateCommit.
type hold struct {
	fault Fault
	tasks []*task // all that came since; only appends are stored in the end
	count int     // appends among them
}

// heldBack keeps a command that comes while a LateCommit gathers messages, or
// begins one. In BlueMind what comes behind an append waits for it.
func (s *session) heldBack(t *task) (held bool, err error) {
	if s.hold == nil {
		if t.append == nil {
			return false, nil
		}
		f, ok := s.strike(t.verb, t.folder, LateCommit)
		if !ok {
			return false, nil
		}
		s.hold = &hold{fault: f}
	}
	s.hold.tasks = append(s.hold.tasks, t)
	if t.append != nil {
		s.hold.count++
	}
	if s.hold.count >= s.hold.fault.Count {
		return true, errors.New("enough messages were received")
	}
	return true, nil
}

// commitLate cuts the connection and, when what had been queued before is done,
// stores what was held back. It goes on when the connection is forgotten, and
// ends with Serve.
func (s *session) commitLate(ctx context.Context, done <-chan struct{}) {
	s.left.Store(true)
	s.conn.Close()
	h := s.hold
	s.srv.work.Go(func() {
		defer func() {
			for _, t := range h.tasks {
				t.discard()
			}
		}()
		<-done
		if sleep(ctx, h.fault.Delay) != nil {
			return
		}
		first := true
		for _, t := range h.tasks {
			if t.append == nil {
				continue
			}
			if !first && sleep(ctx, h.fault.Gap) != nil {
				return
			}
			first = false
			if err := s.commitOne(ctx, t); err != nil {
				s.note(Event{Kind: Faulted, Fault: LateCommit, Verb: t.verb, Folder: t.folder, Err: err})
			}
		}
	})
}

// commitOne is APPEND without anybody to answer to.
func (s *session) commitOne(ctx context.Context, t *task) error {
	a, cmd := s.acct.Load(), t.append
	if a == nil || cmd.draft == nil {
		return bad("Rejected")
	}
	p, ok := a.resolve(ctx, cmd.folder)
	if !ok {
		return bad("Rejected")
	}
	unlock, err := s.srv.Store.Owner(p.box).Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = s.storeMessage(ctx, p, cmd, "", true)
	return err
}

// spoil lets faults have their way with a command about to run, and says whether
// that is all that happens to it.
func (s *session) spoil(ctx context.Context, t *task) bool {
	if f, ok := s.strike(t.verb, t.folder, Slow); ok && sleep(ctx, f.Delay) != nil {
		return true
	}
	f, ok := s.strike(t.verb, t.folder, Bye, Silent, UnknownError)
	if !ok {
		return false
	}
	switch f.Kind {
	case Bye:
		s.out.line("* BYE %s", oneLine(f.Text))
		s.hangUp()
	case Silent:
		s.drain()
	case UnknownError:
		s.spendUID(ctx, t)
		s.out.line("%s NO unknown error: %s", t.tag, oneLine(f.Text))
	}
	return true
}

// spendUID leaves the gap that a message leaves which BlueMind couldn't parse.
func (s *session) spendUID(ctx context.Context, t *task) {
	a := s.acct.Load()
	if t.append == nil || a == nil {
		return
	}
	p, ok := a.resolve(ctx, t.folder)
	if !ok {
		return
	}
	if _, err := s.burn(ctx, p.folder.UID); err != nil {
		s.note(Event{Kind: Faulted, Fault: UnknownError, Verb: t.verb, Folder: t.folder, Err: err})
	}
}
