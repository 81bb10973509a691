package migrate

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
)

// hosts knows which servers let nobody in, so that a server that is down costs
// each of its accounts no more than a look: 600 of them would else try it for
// half a minute each.
type hosts struct {
	limit int // sessions that failed one after the other, until a server is down
	now   func() time.Time
	down  func(host string, err error) // told once

	mu    sync.Mutex
	state map[string]*hostState
}

type hostState struct {
	failed int
	met    bool      // it has let somebody in
	last   time.Time // tried
	err    error
}

// hostPause is how long a server that is down is left alone between two tries.
const hostPause = 30 * time.Second

// HostDownError says that a server was not tried, or not once more, since it
// had let nobody in for some time.
type HostDownError struct {
	Host string
	Err  error // what was seen last
}

func (e *HostDownError) Error() string { return e.Host + " lets nobody in: " + e.Err.Error() }

// Unwrap gives what was seen last.
func (e *HostDownError) Unwrap() error { return e.Err }

// enter dials or calls, unless the server is down, and notes what came of it. Only what
// tells of the server counts, not what tells of a login.
func (h *hosts) enter(host string, dial func() error) error {
	h.mu.Lock()
	s := h.state[host]
	if s == nil {
		s = &hostState{}
		h.state[host] = s
	}
	if s.failed > h.limit && h.now().Sub(s.last) < hostPause {
		defer h.mu.Unlock()
		return &HostDownError{host, s.err}
	}
	s.last = h.now()
	h.mu.Unlock()

	err := dial()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && judge(err).scope == interrupted:
	case err == nil || !unreached(err):
		s.failed, s.met = 0, s.met || err == nil
	default:
		s.failed, s.err, s.last = s.failed+1, err, h.now()
		if s.failed == h.limit+1 {
			h.down(host, err)
		}
		if s.failed > h.limit {
			return &HostDownError{host, err}
		}
	}
	return err
}

// met says whether a host lets accounts in, as far as this run has seen.
func (h *hosts) met(host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.state[host]
	return s != nil && s.met && s.failed == 0
}

// unreached says that a server didn't come so far as to judge what was asked.
func unreached(err error) bool {
	if c, ok := errors.AsType[*bmapi.ConnError](err); ok {
		return bmapi.Temporary(c)
	}
	e, ok := errors.AsType[*imap.Error](err)
	return ok && (e.Kind == imap.KindClosed || e.Kind == imap.KindTimeout || e.Kind == imap.KindTLS && brokenOff(e) || e.Kind == imap.KindBye && !authCodes[e.Code]) && !atCapacity(e)
}

func (r *runner) hostDown(host string, err error) {
	r.event(Event{Kind: EventWarning, Text: host + " lets nobody in; its accounts are left for another run", Reason: err.Error(),
		Mend: fmt.Sprintf("it is tried again every %s", hostPause)})
}
