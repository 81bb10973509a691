package bmsim

import "bmsync/bmapi/bmsim/internal/directory"

func (s *Sim) memberRoutes() {
	change := func(f func(by, d, uid string, m []directory.Member) error) func(*call) (any, error) {
		return func(c *call) (any, error) {
			v, d, err := adminBody[[]directory.Member](c)
			if err != nil {
				return nil, err
			}
			c.owned(d, c.p("uid"))
			for _, m := range v {
				c.owned(d, m.UID)
			}
			return void{}, f(c.who(), d, c.p("uid"), v)
		}
	}
	s.router.add("PUT", "/groups/{d}/{uid}/members", change(s.dir.AddMembers))
	s.router.add("DELETE", "/groups/{d}/{uid}/members", change(s.dir.RemoveMembers))
	s.group("members", func(e *directory.Entry) any { return append([]directory.Member{}, e.Members...) })
	s.find("/groups/{d}/{key}/expandedmembers", func(d, key string) (any, error) {
		all, err := s.dir.ExpandedMembers(d, key)
		if err != nil {
			return nil, err
		}
		return all, nil
	})
	s.find("/groups/{d}/{key}/expandedusersmembers", func(d, key string) (any, error) {
		all, err := s.dir.ExpandedMembers(d, key)
		if err != nil {
			return nil, err
		}
		users := []directory.Member{}
		for _, m := range all {
			if m.Type == "user" {
				users = append(users, m)
			}
		}
		return users, nil
	})
	s.group("parents", func(e *directory.Entry) any { return s.groupItems(e.Domain, s.dir.MemberOf(e.Domain, e.UID)) })
	s.group("roles", func(e *directory.Entry) any { return append([]string{}, e.Roles...) })
	s.router.add("POST", "/groups/{d}/{uid}/roles", func(c *call) (any, error) {
		v, d, err := adminBody[[]string](c)
		if err != nil {
			return nil, err
		}
		c.owned(d, c.p("uid"))
		return void{}, s.dir.SetRoles(c.who(), d, c.p("uid"), directory.KindGroup, v)
	})
}

// group adds a read of a group that must be there.
func (s *Sim) group(part string, read func(*directory.Entry) any) {
	s.find("/groups/{d}/{key}/"+part, func(d, key string) (any, error) {
		e, ok := s.dir.Entry(d, key)
		if !ok || e.Group == nil {
			return nil, directory.Faultf(directory.NotFound, "Group uid:%s doesn't exist !", key)
		}
		return read(e), nil
	})
}

func (s *Sim) groupItems(domainUID string, uids []string) []directory.Item[directory.Group] {
	all := []directory.Item[directory.Group]{}
	for _, uid := range uids {
		if e, ok := s.dir.Entry(domainUID, uid); ok && e.Group != nil {
			all = append(all, e.GroupItem())
		}
	}
	return all
}

// externalRoutes serve external users, whom BlueMind 4 and 5 have.
func (s *Sim) externalRoutes() {
	const path = "/externaluser/{d}/{uid}"
	create := func(c *call) (any, error) {
		v, d, err := adminBody[directory.ExternalUser](c)
		if err != nil {
			return nil, err
		}
		return void{}, s.dir.CreateExternal(c.who(), d, c.p("uid"), c.p("extid"), v)
	}
	s.router.add("PUT", path, create)
	s.router.add("PUT", path+"/{extid}/createwithextid", create)
	s.router.add("POST", path, func(c *call) (any, error) {
		v, d, err := adminBody[directory.ExternalUser](c)
		if err != nil {
			return nil, err
		}
		return void{}, s.dir.UpdateExternal(c.who(), d, c.p("uid"), v)
	})
	s.router.add("DELETE", path, func(c *call) (any, error) {
		d, err := c.adminOf()
		if err != nil {
			return nil, err
		}
		if e, ok := s.dir.Entry(d, c.p("uid")); !ok || e.External == nil {
			return nil, directory.Faultf(directory.Unknown, "Invalid user UID: %s", c.p("uid"))
		}
		_, err = s.dir.Delete(d, c.p("uid"))
		return void{}, err
	})
	s.find("/externaluser/{d}/{key}/complete", func(d, key string) (any, error) {
		return externalOrNull(s.dir.Entry(d, key))
	})
	s.find("/externaluser/{d}/byExtId/{key}", func(d, key string) (any, error) {
		return externalOrNull(s.dir.ByExternalID(d, directory.KindExternal, key))
	})
	for part, read := range map[string]func(d string, groups []string) any{
		"groups":    func(d string, groups []string) any { return s.groupItems(d, groups) },
		"groupUids": func(_ string, groups []string) any { return groups },
	} {
		s.find("/externaluser/{d}/{key}/"+part, func(d, key string) (any, error) {
			if e, ok := s.dir.Entry(d, key); !ok || e.External == nil {
				return nil, directory.Faultf(directory.Unknown, "Invalid user UID: %s", key)
			}
			return read(d, s.dir.MemberOf(d, key)), nil
		})
	}
}

func externalOrNull(e *directory.Entry, ok bool) (any, error) {
	if !ok || e.External == nil {
		return null{}, nil
	}
	return e.ExternalItem(), nil
}
