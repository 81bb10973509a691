package bmsim

import (
	"context"

	"bmsync/bmapi/bmsim/internal/directory"
)

func (s *Sim) userRoutes() {
	r := &s.router
	r.add("PUT", "/users/{d}/{uid}", s.createUser)
	r.add("PUT", "/users/{d}/{uid}/{extid}/createwithextid", s.createUser)
	r.add("POST", "/users/{d}/{uid}", func(c *call) (any, error) {
		v, d, err := adminBody[directory.User](c)
		if err != nil {
			return nil, err
		}
		c.owned(d, c.p("uid"))
		e, err := s.dir.UpdateUser(c.who(), d, c.p("uid"), v)
		if err != nil {
			return nil, err
		}
		return void{}, s.updateBox(e)
	})
	r.add("DELETE", "/users/{d}/{uid}", s.deleteUser)
	r.add("GET", "/users/{d}/{uid}/complete", func(c *call) (any, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.self(d, c.p("uid")); err != nil {
			return nil, err
		}
		return userOrNull(s.dir.Entry(d, c.p("uid")))
	})
	s.find("/users/{d}/byLogin/{key}", func(d, key string) (any, error) { return userOrNull(s.dir.ByLogin(d, key)) })
	s.find("/users/{d}/byEmail/{key}", func(d, key string) (any, error) { return userOrNull(s.dir.ByEmail(d, lower(key))) })
	s.find("/users/{d}/byExtId/{key}", func(d, key string) (any, error) {
		return userOrNull(s.dir.ByExternalID(d, directory.KindUser, key))
	})
	s.find("/users/{d}/_alluids", func(d, _ string) (any, error) { return s.dir.Users(d), nil })
	s.userPartRoutes()
}

// find adds a search that only the administrator may make.
func (s *Sim) find(pattern string, look func(domainUID, key string) (any, error)) {
	s.router.add("GET", pattern, func(c *call) (any, error) {
		d, err := c.adminOf()
		if err != nil {
			return nil, err
		}
		return look(d, c.p("key"))
	})
}

// adminBody reads the body, then resolves {d}, then asks for the right to
// change: bm-core's order.
func adminBody[T any](c *call) (T, string, error) {
	v, err := need[T](c)
	if err != nil {
		return v, "", err
	}
	d, err := c.adminOf()
	return v, d, err
}

func userOrNull(e *directory.Entry, ok bool) (any, error) {
	if !ok || e.User == nil {
		return null{}, nil
	}
	return e.UserItem(), nil
}

func (s *Sim) createUser(c *call) (any, error) {
	v, d, err := adminBody[directory.User](c)
	if err != nil {
		return nil, err
	}
	c.owned(d, c.p("uid"))
	e, err := s.dir.CreateUser(c.who(), d, c.p("uid"), c.p("extid"), v)
	if err != nil {
		return nil, err
	}
	return void{}, s.makeBox(c, e)
}

// deleteUser ends in Success of an unknown user, too.
func (s *Sim) deleteUser(c *call) (any, error) {
	d, err := c.adminOf()
	if err != nil {
		return nil, err
	}
	uid := c.p("uid")
	c.owned(d, uid)
	return s.task(c, "", func(ctx context.Context, m *monitor) (string, error) {
		m.step("Deleting user " + uid + "@" + d)
		e, ok := s.dir.Entry(d, uid)
		if !ok || e.User == nil {
			return "no user for " + uid, nil
		}
		if e.UID == directory.AdminUID {
			return "Can't delete admin0", nil
		}
		return "User deleted", s.remove(ctx, e)
	})
}

func (s *Sim) userPartRoutes() {
	r := &s.router
	r.add("POST", "/users/{d}/{uid}/password_", s.setPassword)
	changeUser(s, "POST", "/users/{d}/{uid}/roles", func(c *call, d string, roles []string) error {
		return s.dir.SetRoles(c.who(), d, c.p("uid"), directory.KindUser, roles)
	})
	changeUser(s, "POST", "/users/{d}/{uid}/_settings", func(c *call, d string, v map[string]string) error {
		return s.dir.SetUserSettings(c.who(), d, c.p("uid"), v)
	})
	if s.level >= 4 {
		changeUser(s, "POST", "/users/{d}/{uid}/_extId", func(c *call, d string, id string) error {
			return s.dir.SetExternalID(c.who(), d, c.p("uid"), directory.KindUser, id)
		})
		changeUser(s, "POST", "/users/{d}/_updateAccountType/{uid}", func(c *call, d string, t directory.AccountType) error {
			return s.dir.SetAccountType(c.who(), d, c.p("uid"), t)
		})
	}
	s.readUser("roles", func(e *directory.Entry) any { return append([]string{}, e.Roles...) })
	s.readUser("roles_resolved", func(e *directory.Entry) any { return s.dir.RolesOf(e.Domain, e.UID) })
	s.readUser("groupUids", func(e *directory.Entry) any { return s.dir.MemberOf(e.Domain, e.UID) })
	s.readUser("groups", func(e *directory.Entry) any { return s.groupItems(e.Domain, s.dir.MemberOf(e.Domain, e.UID)) })
	s.readUser("_settings", func(e *directory.Entry) any {
		all := s.dir.Settings(e.Domain)
		for k, v := range e.Settings {
			all[k] = v
		}
		return all
	})
}

func (s *Sim) readUser(part string, read func(*directory.Entry) any) {
	s.router.add("GET", "/users/{d}/{uid}/"+part, func(c *call) (any, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.self(d, c.p("uid")); err != nil {
			return nil, err
		}
		e, ok := s.dir.Entry(d, c.p("uid"))
		if !ok || e.User == nil {
			return nil, directory.Faultf(directory.NotFound, "user %s not found", c.p("uid"))
		}
		return read(e), nil
	})
}

// changeUser adds a call that changes one thing of a user.
func changeUser[T any](s *Sim, method, pattern string, change func(c *call, domainUID string, v T) error) {
	s.router.add(method, pattern, func(c *call) (any, error) {
		v, d, err := adminBody[T](c)
		if err != nil {
			return nil, err
		}
		c.owned(d, c.p("uid"))
		return void{}, change(c, d, v)
	})
}

// setPassword is for the administrator, and for the user who knows the present
// one.
func (s *Sim) setPassword(c *call) (any, error) {
	type passwords struct{ CurrentPassword, NewPassword string }
	v, err := need[passwords](c)
	if err != nil {
		return nil, err
	}
	d, err := c.domain()
	if err != nil {
		return nil, err
	}
	if v.CurrentPassword != "" {
		err = c.self(d, c.p("uid"))
	} else {
		err = c.admin()
	}
	if err != nil {
		return nil, err
	}
	c.owned(d, c.p("uid"))
	return void{}, s.dir.SetPassword(c.who(), d, c.p("uid"), v.CurrentPassword, v.NewPassword)
}
