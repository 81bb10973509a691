package bmsim

import (
	"context"

	"bmsync/bmapi/bmsim/internal/directory"
)

func (s *Sim) groupRoutes() {
	r := &s.router
	create := func(c *call) (any, error) {
		v, d, err := adminBody[directory.Group](c)
		if err != nil {
			return nil, err
		}
		_, err = s.dir.CreateGroup(c.who(), d, c.p("uid"), c.p("extid"), v)
		return void{}, err
	}
	r.add("PUT", "/groups/{d}/{uid}", create)
	r.add("PUT", "/groups/{d}/{uid}/{extid}/createwithextid", create)
	r.add("POST", "/groups/{d}/{uid}", func(c *call) (any, error) {
		v, d, err := adminBody[directory.Group](c)
		if err != nil {
			return nil, err
		}
		c.owned(d, c.p("uid"))
		_, err = s.dir.UpdateGroup(c.who(), d, c.p("uid"), v)
		return void{}, err
	})
	s.find("/groups/{d}/_extid/{key}", func(d, key string) (any, error) {
		return groupOrNull(s.dir.ByExternalID(d, directory.KindGroup, key))
	})
	s.find("/groups/{d}/byName/{key}", func(d, key string) (any, error) { return groupOrNull(s.dir.GroupByName(d, key)) })
	s.find("/groups/{d}/byEmail/{key}", func(d, key string) (any, error) { return groupOrNull(s.dir.ByEmail(d, lower(key))) })
	s.find("/groups/{d}/{key}/complete", func(d, key string) (any, error) { return groupOrNull(s.dir.Entry(d, key)) })
	s.find("/groups/{d}/_alluids", func(d, _ string) (any, error) { return s.dir.Groups(d), nil })
	// BlueMind does not bind this one's parameter.
	r.add("GET", "/groups/{d}/{uid}", func(*call) (any, error) { return nil, exception("NullPointerException", "") })
	r.add("POST", "/groups/{d}/_search", func(c *call) (any, error) {
		q, d, err := adminBody[directory.GroupQuery](c)
		if err != nil {
			return nil, err
		}
		return s.dir.SearchGroups(d, q), nil
	})
	if s.level >= 4 {
		r.add("POST", "/groups/{d}/{uid}/_extId", func(c *call) (any, error) {
			id, d, err := adminBody[string](c)
			if err != nil {
				return nil, err
			}
			c.owned(d, c.p("uid"))
			return void{}, s.dir.SetExternalID(c.who(), d, c.p("uid"), directory.KindGroup, id)
		})
	}
	r.add("DELETE", "/groups/{d}/{uid}", s.deleteGroup)
	s.memberRoutes()
}

func groupOrNull(e *directory.Entry, ok bool) (any, error) {
	if !ok || e.Group == nil {
		return null{}, nil
	}
	return e.GroupItem(), nil
}

// deleteGroup ends in Success of an unknown one, too.
func (s *Sim) deleteGroup(c *call) (any, error) {
	d, err := c.adminOf()
	if err != nil {
		return nil, err
	}
	uid := c.p("uid")
	c.owned(d, uid)
	return s.task(c, "", func(ctx context.Context, m *monitor) (string, error) {
		m.step("Deleting group " + uid + "@" + d)
		e, ok := s.dir.Entry(d, uid)
		if !ok || e.Group == nil {
			return "", nil
		}
		return "Group deleted", s.remove(ctx, e)
	})
}
