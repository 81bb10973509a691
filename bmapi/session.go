package bmapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Session acts for somebody. It may be used by several goroutines.
type Session struct {
	c     *Client
	login string // as given to Login or Su; "" for a key
	user  AuthUser
	renew func(context.Context) (string, error)

	turn chan struct{} // held by the one who renews
	mu   sync.Mutex    // guards key
	key  string
}

func (c *Client) session(login, key string) *Session {
	return &Session{c: c, login: login, key: key, turn: make(chan struct{}, 1)}
}

// WithKey acts by an API key or a session id; nothing is sent.
func (c *Client) WithKey(key string) *Session { return c.session("", key) }

// Client is what the session goes through.
func (s *Session) Client() *Client { return s.c }

// Who is who BlueMind said we are, at Login or Su; see Whoami for a key.
func (s *Session) Who() AuthUser { return s.user }

// String hides the key.
func (s *Session) String() string { return "session of " + s.login }

// GoString hides the key.
func (s *Session) GoString() string { return s.String() }

// WithRenew lets a session that has died (20 idle minutes, maintenance of the server)
// log in anew: secret is asked, once for however many calls found it dead, and each
// of them is repeated once. It changes and returns s; call it before s is shared.
func (s *Session) WithRenew(secret func(context.Context) (string, error)) *Session {
	s.renew = secret
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
	cl.key = s.current()
	err := s.c.run(ctx, cl, take)
	if s.renew == nil || !errors.Is(err, ErrUnauthenticated) {
		return err
	}
	// 401 comes before the service is reached: nothing was done, even if the
	// call may be made only once.
	if err := s.revive(ctx, cl.key); err != nil {
		return fmt.Errorf("renew %s: %w", s, err)
	}
	cl.key = s.current()
	return s.c.run(ctx, cl, take)
}

// revive replaces the dead key, unless somebody else has.
func (s *Session) revive(ctx context.Context, dead string) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.current() != dead {
		return nil
	}
	secret, err := s.renew(ctx)
	if err != nil {
		return err
	}
	fresh, err := s.c.Login(ctx, s.login, secret)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = fresh.key
	return nil
}

// Holds tells whether a secret is what the session acts by.
func (s *Session) Holds(secret string) bool { return secret == s.current() }
