package bmapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Session acts for somebody. It may be used by several goroutines.
type Session struct {
	c      *Client
	login  string // as given to Login or Su; "" for a key
	user   AuthUser
	bearer bool // acts by an API key, without a login
	again  func(context.Context) (*Session, error)

	mu      sync.Mutex // guards what follows
	key     string
	flight  *renewal // the one under way
	refused error    // why there is no sense in another
}

// renewal is one attempt to replace a dead key; who finds the key dead meanwhile
// waits for it.
type renewal struct {
	done     chan struct{}
	err      error // read after done
	deserted bool  // whoever made it gave up: no answer for those who wait
}

func (c *Client) session(login, key string) *Session { return &Session{c: c, login: login, key: key} }

// WithKey acts by an API key or a session id; nothing is sent.
func (c *Client) WithKey(key string) *Session {
	s := c.session("", key)
	s.bearer = true
	return s
}

// Client is what the session goes through.
func (s *Session) Client() *Client { return s.c }

// Who is who BlueMind said we are, at Login or Su; see Whoami for a key.
func (s *Session) Who() AuthUser { return s.user }

// String hides the key.
func (s *Session) String() string { return "session of " + s.login }

// GoString hides the key.
func (s *Session) GoString() string { return s.String() }

// WithRenew lets a session that has died (20 idle minutes, a restart or maintenance of
// the server) log in anew: secret is asked, once for however many calls found it
// dead, and each of them is repeated once. If BlueMind refuses the login, the session
// is lost for good: no further login is tried, for three refusals may lock the login
// out, and every call that finds it dead ends with ErrSessionLost. WithRenew changes
// and returns s; call it before s is shared.
//
// Sessions by Su renew themselves, through the session that made them.
func (s *Session) WithRenew(secret func(context.Context) (string, error)) *Session {
	s.again = func(ctx context.Context) (*Session, error) {
		text, err := secret(ctx)
		if err != nil {
			return nil, err
		}
		return s.c.Login(ctx, s.login, text)
	}
	return s
}

func (s *Session) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// do makes a call that may be repeated, and decodes its answer.
func (s *Session) do(ctx context.Context, method string, to endpoint, body, into any) error {
	return s.run(ctx, call{method: method, to: to, body: body}, func(a *answer) error { return a.into(into) })
}

// once makes a call that must not be repeated blindly.
func (s *Session) once(ctx context.Context, method string, to endpoint, body, into any) error {
	return s.run(ctx, call{method: method, to: to, body: body, once: true}, func(a *answer) error { return a.into(into) })
}

// do makes a call for nobody.
func (c *Client) do(ctx context.Context, method string, to endpoint, body, into any) error {
	return c.run(ctx, call{method: method, to: to, body: body}, func(a *answer) error { return a.into(into) })
}

func (s *Session) run(ctx context.Context, cl call, take func(*answer) error) error {
	if err := s.c.tooOld(s, cl); err != nil {
		return err
	}
	cl.key = s.current()
	err := s.c.run(ctx, cl, take)
	if errors.Is(err, ErrNoRoute) {
		return s.c.missing(ctx, cl, err)
	}
	if s.again == nil || !errors.Is(err, ErrUnauthenticated) {
		return err
	}
	// 401 comes before the service is reached: nothing was done, even if the
	// call may be made only once.
	if err := s.revive(ctx, cl.key); err != nil {
		return err
	}
	cl.key = s.current()
	return s.c.run(ctx, cl, take)
}

// revive replaces the dead key, unless somebody else has or does.
func (s *Session) revive(ctx context.Context, dead string) error {
	for {
		f, mine, err := s.board(dead)
		if f == nil {
			return err
		}
		if mine {
			return s.renew(ctx, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return fmt.Errorf("renew %s: %w", s, context.Cause(ctx))
		}
		if !f.deserted {
			return f.err
		}
	}
}

// board joins the renewal under way or begins one. There is none if the key has been
// replaced, or can't be.
func (s *Session) board(dead string) (f *renewal, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.key != dead:
		return nil, false, nil
	case s.refused != nil:
		return nil, false, s.refused
	case s.flight != nil:
		return s.flight, false, nil
	}
	s.flight = &renewal{done: make(chan struct{}), deserted: true}
	return s.flight, true, nil
}

func (s *Session) renew(ctx context.Context, f *renewal) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		close(f.done)
	}()
	fresh, err := s.again(ctx)
	f.deserted = ctx.Err() != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	switch refusal, ok := errors.AsType[*AuthError](err); {
	case err == nil && s.user.UID != "" && fresh.user.UID != s.user.UID:
		f.err = fmt.Errorf("%s: %w: the login is of another user now", s, ErrSessionLost)
		s.refused = f.err
	case err == nil:
		s.key = fresh.key
		f.deserted = false
	case ok && refusal.State == "":
		f.err = fmt.Errorf("%s: %w: %w", s, ErrSessionLost, err)
		s.refused = f.err
	default:
		f.err = fmt.Errorf("renew %s: %w", s, err)
	}
	return f.err
}

// end keeps the session from being renewed.
func (s *Session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = fmt.Errorf("%s: %w: it was ended", s, ErrSessionLost)
	}
}

// Holds tells whether a secret is what the session acts by.
func (s *Session) Holds(secret string) bool { return secret == s.current() }
