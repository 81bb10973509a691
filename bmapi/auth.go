package bmapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// AuthUser is who a session acts for.
type AuthUser struct {
	UID         string   `json:"uid"`
	DomainUID   string   `json:"domainUid"`
	DisplayName string   `json:"displayName"`
	Roles       []string `json:"roles"`
	Login       string   `json:"-"`
}

type authUserWire struct {
	AuthUser
	Value struct {
		Login string `json:"login"`
	} `json:"value"`
}

func (w authUserWire) user() AuthUser {
	w.AuthUser.Login = w.Value.Login
	return w.AuthUser
}

type loginResponse struct {
	Status   string       `json:"status"`
	Message  string       `json:"message"`
	AuthKey  string       `json:"authKey"`
	Latd     string       `json:"latd"`
	AuthUser authUserWire `json:"authUser"`
}

// Login opens a session by password or API key: an *AuthError if BlueMind does not
// want it. A login without @ is one of domain global.virt.
//
// POST /auth/login
func (c *Client) Login(ctx context.Context, login, secret string) (*Session, error) {
	to := at("/auth/login").with("login", login).with("origin", c.opts.Origin)
	to.secrets = []string{secret}
	var r loginResponse
	if err := c.do(ctx, "POST", to, secret, &r); err != nil {
		return nil, err
	}
	r.Message = newHidden("", to.secrets).clip(r.Message)
	s, err := c.opened(login, r)
	if refused, ok := errors.AsType[*AuthError](err); ok {
		refused.State = c.otherState(ctx)
	}
	return s, err
}

// otherState is the server's state if it is not Running, "" if it is or does not say.
func (c *Client) otherState(ctx context.Context) string {
	state, err := c.State(ctx)
	if err != nil || state == Running {
		return "" // the refusal is what counts; why is a help only
	}
	return clip(state)
}

// Su opens a session for a user of the domain; his login, not an address. Unknown
// and archived users are an *AuthError, a missing role mostly ErrPermission. In a
// domain with LDAP or AD import, it creates a user that is not yet imported.
//
// POST /auth/_su
func (s *Session) Su(ctx context.Context, login, domainUID string) (*Session, error) {
	fresh, err := s.su(ctx, login, domainUID)
	if err != nil {
		return nil, err
	}
	fresh.again = func(ctx context.Context) (*Session, error) { return s.su(ctx, login, domainUID) }
	return fresh, nil
}

func (s *Session) su(ctx context.Context, login, domainUID string) (*Session, error) {
	full := login + "@" + domainUID
	var r loginResponse
	if err := s.do(ctx, "POST", at("/auth/_su").with("login", full), nil, &r); err != nil {
		return nil, err
	}
	return s.c.opened(full, r)
}

func (c *Client) opened(login string, r loginResponse) (*Session, error) {
	if r.Status != "Ok" || r.AuthKey == "" {
		// Expired carries a session that can change the password and no more.
		return nil, &AuthError{Login: login, Status: clip(r.Status), Text: clip(r.Message)}
	}
	s := c.session(login, r.AuthKey)
	s.user = r.AuthUser.user()
	return s, nil
}

// Logout ends the session. One that is dead already is fine.
//
// POST /auth/logout
func (s *Session) Logout(ctx context.Context) error {
	s.end()
	err := s.c.run(ctx, call{method: "POST", to: at("/auth/logout"), key: s.current()}, func(a *answer) error { return a.into(nil) })
	if errors.Is(err, ErrUnauthenticated) {
		return nil
	}
	return err
}

// Ping tells whether the session lives, and keeps it alive.
//
// GET /auth/ping
func (s *Session) Ping(ctx context.Context) error {
	return s.do(ctx, "GET", at("/auth/ping"), nil, nil)
}

// Whoami asks who the session acts for.
//
// GET /auth
func (s *Session) Whoami(ctx context.Context) (AuthUser, error) {
	var w authUserWire
	err := s.do(ctx, "GET", at("/auth"), nil, &w)
	return w.user(), err
}

// What Validate answers.
const (
	ValidToken      = "TOKEN"
	ValidPassword   = "PASSWORD" // an API key may be told so too
	ExpiredPassword = "PASSWORDEXPIRED"
	ArchivedUser    = "ARCHIVED"
	NotValid        = "NONE"
)

// Validate tries a login and secret as the IMAP server would, without opening a
// session. A name that failed is remembered by the server: ask only for names
// that exist by now.
//
// POST /auth/validate
func (c *Client) Validate(ctx context.Context, login, secret string) (string, error) {
	to := at("/auth/validate").with("login", login).with("origin", c.opts.Origin)
	to.secrets = []string{secret}
	var kind string
	err := c.do(ctx, "POST", to, secret, &kind)
	return kind, err
}

// Key is an API key. Its SID is a secret: the password of its owner, without end.
// Printing and logging leave it out; nothing may store it.
type Key struct {
	SID         string `json:"sid"`
	DisplayName string `json:"displayName"`
	Subject     string `json:"subject"` // uid of the owner; "" from version 3
	DomainUID   string `json:"domainUid"`

	// Twins says that an answer to CreateKey was lost: a second key of the name
	// may come to be there, even later.
	Twins bool `json:"-"`
}

// String hides the SID.
func (k Key) String() string { return fmt.Sprintf("key %q of %s", k.DisplayName, k.Subject) }

// GoString hides the SID.
func (k Key) GoString() string { return k.String() }

// LogValue hides the SID.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// CreateKey makes an API key for the session's owner. The server would make one
// more at each repetition; so where an answer is lost, the owner's keys are read
// and one of this name is taken as ours. Give a name that belongs to this run
// alone. Only if there is none, after a pause, is the call made again; a key that
// the lost call made later than that is deleted.
//
// PUT /auth/keys. Version 5 has PUT /auth/keys/{key}, too, with a key of our choice;
// but a path is written into the proxy's log, where a living key has no business.
func (s *Session) CreateKey(ctx context.Context, displayName string) (Key, error) {
	for try := 1; ; try++ {
		var k Key
		err := s.once(ctx, "PUT", at("/auth/keys").with("displayName", displayName), nil, &k)
		if err == nil && k.SID == "" {
			return Key{}, errors.New("PUT /auth/keys: answer without a key")
		}
		if err == nil && try > 1 {
			s.dropTwins(ctx, k)
			k.Twins = true
		}
		if err == nil || !errors.Is(err, ErrOutcomeUnknown) || ctx.Err() != nil {
			return k, err
		}
		pause := s.c.opts.Retry.wait(try)
		if s.c.opts.Retry.Sleep(ctx, pause) != nil {
			return Key{}, err
		}
		if k, found, lookErr := s.keyNamed(ctx, displayName); found {
			k.Twins = true
			return k, nil
		} else if lookErr != nil {
			return Key{}, errors.Join(err, fmt.Errorf("look for the key: %w", lookErr))
		}
		if try >= s.c.opts.Retry.Tries {
			return Key{}, err
		}
	}
}

// dropTwins deletes other keys of the same name: calls made them whose answers were
// lost. One that stays is left for who sweeps keys by their names.
func (s *Session) dropTwins(ctx context.Context, ours Key) {
	keys, err := s.Keys(ctx)
	for _, k := range keys {
		if k.DisplayName == ours.DisplayName && k.SID != ours.SID {
			err = errors.Join(err, s.DeleteKey(ctx, k.SID))
		}
	}
	if err != nil {
		s.c.opts.Logger.WarnContext(ctx, "a second key may be left", "name", ours.DisplayName, "error", err)
	}
}

func (s *Session) keyNamed(ctx context.Context, displayName string) (Key, bool, error) {
	keys, err := s.Keys(ctx)
	for _, k := range keys {
		if k.DisplayName == displayName {
			return k, true, err
		}
	}
	return Key{}, false, err
}

// Keys lists the API keys of the session's owner.
//
// GET /auth/keys
func (s *Session) Keys(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := s.do(ctx, "GET", at("/auth/keys"), nil, &keys)
	return keys, err
}

// DeleteKey deletes a key of the session's owner; one that does not exist is
// fine. Sessions built under it live on until idle: see DropKey.
//
// DELETE /auth/keys/{sid}
func (s *Session) DeleteKey(ctx context.Context, sid string) error {
	return s.do(ctx, "DELETE", at("/auth/keys").secret(sid), nil, nil)
}

// DropKey deletes a key by its own right and ends the session built under it, so
// that it opens nothing any more. A key that is dead already is fine.
func (c *Client) DropKey(ctx context.Context, sid string) error {
	s := c.WithKey(sid)
	if err := s.DeleteKey(ctx, sid); err != nil {
		if errors.Is(err, ErrUnauthenticated) {
			return nil
		}
		return err
	}
	return s.Logout(ctx)
}
