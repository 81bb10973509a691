package bmsim

import (
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

// loginResponse is LoginResponse. Refused logins are HTTP 200 with status Bad.
type loginResponse struct {
	Status  string         `json:"status"`
	Message directory.Text `json:"message"`
	AuthKey directory.Text `json:"authKey"`
	Latd    directory.Text `json:"latd"`
	User    *authUser      `json:"authUser"`
}

type authUser struct {
	UID         string              `json:"uid"`
	DomainUID   string              `json:"domainUid"`
	DisplayName directory.Text      `json:"displayName"`
	Value       directory.User      `json:"value"`
	Roles       []string            `json:"roles"`
	RolesByOU   map[string][]string `json:"rolesByOU"`
	Settings    map[string]string   `json:"settings"`
}

func bad(message string) loginResponse {
	return loginResponse{Status: "Bad", Message: directory.Text(message)}
}

func (s *Sim) authRoutes() {
	s.router.add("POST", "/auth/login", s.authLogin)
	s.router.add("POST", "/auth/loginWithParams", s.authLogin)
	s.router.add("POST", "/auth/validate", s.authValidate)
	s.router.add("POST", "/auth/_su", s.authSudo)
	s.router.add("POST", "/auth/_suWithParams", s.authSudo)
	s.router.add("GET", "/auth/ping", func(*call) (any, error) { return void{}, nil })
	s.router.add("POST", "/auth/logout", func(c *call) (any, error) {
		if c.session != nil {
			s.dir.Logout(c.session.ID)
		}
		return void{}, nil
	})
	s.router.add("GET", "/auth", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		e, ok := s.dir.Entry(c.session.Domain, c.session.UID)
		if !ok {
			return null{}, nil
		}
		return s.authUser(e, c.session), nil
	})
	s.keyRoutes()
}

func (s *Sim) authUser(e *directory.Entry, x *directory.Session) *authUser {
	settings := s.dir.Settings(e.Domain)
	for k, v := range e.Settings {
		settings[k] = v
	}
	return &authUser{
		UID: e.UID, DomainUID: e.Domain, DisplayName: e.DisplayName, Value: *e.User,
		Roles: x.Roles, RolesByOU: map[string][]string{}, Settings: settings,
	}
}

func (s *Sim) enter(e *directory.Entry, origin, status string) (any, error) {
	x, err := s.dir.OpenSession(e, origin)
	if err != nil {
		return nil, err
	}
	return s.loggedIn(e, x, status), nil
}

func (s *Sim) loggedIn(e *directory.Entry, x *directory.Session, status string) loginResponse {
	return loginResponse{
		Status: status, AuthKey: directory.Text(x.ID), Latd: directory.Text(login(e)), User: s.authUser(e, x),
	}
}

// authLogin is POST /auth/login.
func (s *Sim) authLogin(c *call) (any, error) {
	secret, err := c.text()
	if err != nil {
		return nil, err
	}
	name := c.q("login")
	isAdmin := c.session != nil && c.session.Admin()
	if s.State() != Running && !isAdmin && name != directory.AdminLogin+"@"+directory.GlobalDomain {
		return bad("Authentication denied while system is in maintenance mode"), nil
	}
	v := s.dir.Check(name, secret)
	if v.Entry == nil {
		if e, ok := s.dir.ImportByPassword(name, secret); ok {
			if err := s.imported(c, e); err != nil {
				return nil, err
			}
			v = s.dir.Check(name, secret)
		}
	}
	switch {
	case v.Entry == nil || v.Entry.Archived():
		return bad(""), nil
	case v.Secret == "":
		return bad("Result auth is UNKNOWN for login: " + name), nil
	case v.Session != nil:
		return s.loggedIn(v.Entry, v.Session, "Ok"), nil
	case v.Expired:
		return s.enter(v.Entry, c.q("origin"), "Expired")
	}
	return s.enter(v.Entry, c.q("origin"), "Ok")
}

// authValidate is POST /auth/validate: it makes no session.
func (s *Sim) authValidate(c *call) (any, error) {
	secret, err := c.text()
	if err != nil {
		return nil, err
	}
	type kind string // an enum: quoted, whatever the Accept header
	v := s.dir.Check(c.q("login"), secret)
	switch {
	case v.Secret == "":
		return kind("NONE"), nil
	case v.Session != nil:
		return kind("TOKEN"), nil
	case v.Entry.Archived():
		return kind("ARCHIVED"), nil
	case v.Expired:
		return kind("PASSWORDEXPIRED"), nil
	}
	return kind("PASSWORD"), nil
}

// authSudo is POST /auth/_su. The left part is the login and nothing else.
func (s *Sim) authSudo(c *call) (any, error) {
	parts := strings.FieldsFunc(c.q("login"), func(r rune) bool { return r == '@' })
	if len(parts) < 2 {
		return nil, exception("NoSuchElementException", "")
	}
	d, ok := s.dir.LookupDomain(strings.TrimSpace(parts[1]))
	if !ok {
		return bad(""), nil
	}
	if err := c.admin(); err != nil {
		if c.session == nil || c.session.Domain != d.UID {
			return bad(""), nil // the caller may not read users there, which counts as not found
		}
		return nil, err
	}
	name := strings.TrimSpace(parts[0])
	e, ok := s.dir.ByLogin(d.UID, name)
	if !ok {
		var err error
		if e, err = s.dir.Import(d.UID, name); err != nil {
			return bad(""), nil
		}
		if err := s.imported(c, e); err != nil {
			return nil, err
		}
	}
	if e.Archived() {
		return bad(""), nil
	}
	return s.enter(e, c.session.Origin, "Ok")
}

// imported makes the box of a user that the call took from a directory: the trap
// of logging in as, or becoming, somebody who isn't there yet.
func (s *Sim) imported(c *call, e *directory.Entry) error {
	c.imported = login(e)
	return s.makeBox(c, e)
}
