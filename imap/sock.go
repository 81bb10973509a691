package imap

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// sock is the socket under a session: while an answer is due, a connection on
// which no byte moves for idle is dead. Progress in one direction extends the
// limit of the other, so that a server that stops reading while it works
// through an upload, or answers slowly, lives.
type sock struct {
	net.Conn
	idle  time.Duration
	quick func() // asks for an immediate TCP acknowledgement; nil: can't

	mu   sync.Mutex
	due  int       // answers that the server owes
	last time.Time // of the last progress
}

func newSock(nc net.Conn, idle time.Duration) *sock {
	return &sock{Conn: nc, idle: idle, quick: quickAck(nc)}
}

// expect changes the number of answers due.
func (s *sock) expect(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due += n
	s.last = time.Now()
	s.arm()
}

// arm sets both deadlines from what is due; s.mu is held.
func (s *sock) arm() {
	if s.due > 0 {
		s.Conn.SetDeadline(s.last.Add(s.idle))
	} else {
		s.Conn.SetDeadline(time.Time{})
	}
}

// touch notes progress, or the start of a read or write.
func (s *sock) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	s.arm()
}

// overdue says whether an error of a read or write stands: a deadline that
// fired while the other direction moved doesn't.
func (s *sock) overdue(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due > 0 && time.Since(s.last) >= s.idle {
		return true
	}
	s.arm()
	return false
}

func (s *sock) Read(p []byte) (int, error) {
	s.touch()
	for {
		n, err := s.Conn.Read(p)
		if n > 0 {
			s.touch()
			if s.quick != nil {
				s.quick()
			}
			return n, err
		}
		if err == nil || s.overdue(err) {
			return n, err
		}
	}
}

func (s *sock) Write(p []byte) (int, error) {
	const piece = 64 << 10 // the grain of progress
	s.touch()
	done := 0
	for done < len(p) {
		n, err := s.Conn.Write(p[done:min(done+piece, len(p))])
		done += n
		if n > 0 {
			s.touch()
		}
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) && s.overdue(err) {
			return done, err
		}
	}
	return done, nil
}

// The limits are sock's own: those that crypto/tls sets are passed over.

func (s *sock) SetDeadline(time.Time) error      { return nil }
func (s *sock) SetReadDeadline(time.Time) error  { return nil }
func (s *sock) SetWriteDeadline(time.Time) error { return nil }
