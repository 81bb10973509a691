package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// maxLine is how long a line of a backend during login may be.
const maxLine = 64 << 10

// relay logs in at the backend and passes octets both ways till one side is
// done; it says how many came from and went to the client.
func (s *session) relay(ctx context.Context, e *entry) (in, out int64, err error) {
	backend, err := s.cfg.Dial(ctx, "tcp", e.Backend)
	if err != nil {
		return 0, 0, s.unreachable(e, err)
	}
	defer backend.Close()
	stop := context.AfterFunc(ctx, func() { backend.Close() })
	defer stop()
	r := bufio.NewReaderSize(backend, 32<<10)
	answer, err := s.enter(backend, r, e)
	if err != nil {
		return 0, 0, s.unreachable(e, err)
	}
	e.secret = ""
	s.journal(Event{Kind: LoggedIn, Address: e.address, Login: e.Login, Backend: e.Backend})
	none := time.Time{}
	if err := errors.Join(s.client.SetDeadline(none), backend.SetDeadline(none), s.say(answer...)); err != nil {
		return 0, 0, err
	}
	return s.pump(backend, r)
}

// linger is how long a client may still send into the void when its backend has
// gone: it would lose the backend's last words by a reset otherwise.
const linger = time.Second

// pump passes octets both ways. A client that has said its last word may still
// hear the backend's answers; a backend that has closes the client.
func (s *session) pump(backend net.Conn, r *bufio.Reader) (in, out int64, err error) {
	var upward sync.WaitGroup
	var inErr error
	upward.Go(func() {
		in, inErr = io.Copy(backend, s.r)
		if inErr != nil {
			_, _ = io.Copy(io.Discard, s.r) // the backend hears no more; see linger
		}
		closeWrite(backend)
		end := time.Now().Add(s.cfg.Grace)
		if errors.Join(backend.SetReadDeadline(end), s.client.SetWriteDeadline(end)) != nil {
			backend.Close()
		}
	})
	out, err = io.Copy(s.client, r)
	closeWrite(s.client)
	backend.Close()
	if s.client.SetReadDeadline(time.Now().Add(linger)) != nil {
		s.client.Close()
	}
	upward.Wait()
	return in, out, errors.Join(unforced(err), unforced(inErr))
}

// enter logs in as BlueMind's proxy does, with the client's own tag and both
// strings as literals, and returns what the client is to see of the answer.
func (s *session) enter(backend net.Conn, r *bufio.Reader, e *entry) ([]string, error) {
	if err := backend.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return nil, err
	}
	greeting, err := backendLine(r)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if !strings.HasPrefix(greeting, "* OK") {
		return nil, fmt.Errorf("greeting %.100q", greeting)
	}
	steps := []string{
		fmt.Sprintf("%s LOGIN {%d}\r\n", e.tag, len(e.Login)),
		fmt.Sprintf("%s {%d}\r\n", e.Login, len(e.secret)),
		e.secret + "\r\n",
	}
	var answer []string
	for i, step := range steps {
		if _, err := io.WriteString(backend, step); err != nil {
			return nil, fmt.Errorf("login: %w", err)
		}
		for {
			line, err := backendLine(r)
			if err != nil {
				return nil, fmt.Errorf("login: %w", err)
			}
			if i < len(steps)-1 && strings.HasPrefix(line, "+") {
				break
			}
			answer = append(answer, line)
			if strings.HasPrefix(line, e.tag+" OK") && i == len(steps)-1 {
				return answer, nil
			}
			if !strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "* BYE") {
				return nil, fmt.Errorf("login refused by the backend: %.100q", line)
			}
		}
	}
	return nil, errors.New("login without an answer")
}

func backendLine(r *bufio.Reader) (string, error) {
	room := maxLine
	return readLine(r, &room)
}

// unreachable is what a client hears when the backend does not take it.
func (s *session) unreachable(e *entry, err error) error {
	s.journal(Event{Kind: Unreachable, Address: e.address, Login: e.Login, Backend: e.Backend, Err: err})
	_ = s.say("* BAD internal server error") // the client may have gone first
	return err
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only where the connection is gone
	}
}

// unforced leaves out the errors that the proxy's own closing and limits make.
func unforced(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
