package bmsim

import (
	"context"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

func lower(s string) string { return strings.ToLower(s) }

func (s *Sim) directoryRoutes() {
	s.router.add("GET", "/directory/{d}/_byEmail/{key}", func(c *call) (any, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.ownDomain(d); err != nil {
			return nil, err
		}
		if !strings.Contains(c.p("key"), "@") {
			return nil, exception("ArrayIndexOutOfBoundsException", "Index 1 out of bounds for length 1")
		}
		e, ok := s.dir.ByEmail(d, lower(c.p("key")))
		if !ok {
			return null{}, nil
		}
		return e.DirEntry(), nil
	})
	s.router.add("GET", "/directory/{d}/entry-uid/{uid}", func(c *call) (any, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.ownDomain(d); err != nil {
			return nil, err
		}
		e, ok := s.dir.Entry(d, c.p("uid"))
		if !ok {
			return null{}, nil
		}
		return e.DirEntry(), nil
	})
	s.router.add("POST", "/directory/{d}/_search", func(c *call) (any, error) {
		q, err := need[directory.Query](c)
		if err != nil {
			return nil, err
		}
		if q.Check() != nil {
			return nil, badParameter("body")
		}
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.ownDomain(d); err != nil {
			return nil, err
		}
		values, total := s.dir.Search(d, q)
		return map[string]any{"values": values, "total": total}, nil
	})
	s.router.add("GET", "/directory/{d}/entry-uid/{uid}/rolesfor_", func(c *call) (any, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.ownDomain(d); err != nil {
			return nil, err
		}
		return append([]string{}, c.session.Roles...), nil
	})
	s.router.add("DELETE", "/directory/{d}/_byentryuid/{uid}", s.deleteEntry)
	if s.level >= 4 {
		s.router.add("POST", "/directory/{d}/_mget", func(c *call) (any, error) {
			uids, err := need[[]string](c)
			if err != nil {
				return nil, err
			}
			d, err := c.domain()
			if err != nil {
				return nil, err
			}
			all := []directory.Item[directory.DirEntry]{}
			for _, uid := range uids {
				if e, ok := s.dir.Entry(d, uid); ok {
					all = append(all, directory.Item[directory.DirEntry]{Value: e.DirEntry(), Meta: e.Meta})
				}
			}
			return all, c.ownDomain(d)
		})
	}
}

// deleteEntry deletes an entry of any kind.
func (s *Sim) deleteEntry(c *call) (any, error) {
	d, err := c.adminOf()
	if err != nil {
		return nil, err
	}
	e, ok := s.dir.Entry(d, c.p("uid"))
	if !ok {
		return nil, directory.Faultf(directory.NotFound, "entry %s not found", c.p("uid"))
	}
	c.owned(d, e.UID)
	return s.task(c, "", func(ctx context.Context, m *monitor) (string, error) {
		m.step("Deleting " + e.UID + "@" + d)
		return "", s.remove(ctx, e)
	})
}
