package bmsim

import (
	"context"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

func lower(s string) string { return strings.ToLower(s) }

// lookIn adds a read of a domain's directory, which its users may make.
func (s *Sim) lookIn(rest string, look func(c *call, domainUID string) (any, error)) {
	s.router.add("GET", "/directory/{d}/"+rest, func(c *call) (any, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.ownDomain(d); err != nil {
			return nil, err
		}
		return look(c, d)
	})
}

// askIn is lookIn for a question with a body.
func askIn[T any](s *Sim, rest string, check func(T) error, answer func(domainUID string, q T) any) {
	s.router.add("POST", "/directory/{d}/"+rest, func(c *call) (any, error) {
		q, err := need[T](c)
		if err != nil {
			return nil, err
		}
		if check(q) != nil {
			return nil, badParameter("body")
		}
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.ownDomain(d); err != nil {
			return nil, err
		}
		return answer(d, q), nil
	})
}

func (s *Sim) directoryRoutes() {
	s.lookIn("_byEmail/{key}", func(c *call, d string) (any, error) {
		if !strings.Contains(c.p("key"), "@") {
			return nil, exception("ArrayIndexOutOfBoundsException", "Index 1 out of bounds for length 1")
		}
		return dirEntryOrNull(s.dir.ByEmail(d, lower(c.p("key"))))
	})
	s.lookIn("entry-uid/{uid}", func(c *call, d string) (any, error) {
		return dirEntryOrNull(s.dir.Entry(d, c.p("uid")))
	})
	s.lookIn("entry-uid/{uid}/rolesfor_", func(c *call, _ string) (any, error) {
		return append([]string{}, c.session.Roles...), nil
	})
	askIn(s, "_search", directory.Query.Check, func(d string, q directory.Query) any {
		values, total := s.dir.Search(d, q)
		return map[string]any{"values": values, "total": total}
	})
	s.router.add("DELETE", "/directory/{d}/_byentryuid/{uid}", s.deleteEntry)
	if s.level < 4 {
		return
	}
	askIn(s, "_mget", func([]string) error { return nil }, func(d string, uids []string) any {
		all := []directory.Item[directory.DirEntry]{}
		for _, uid := range uids {
			if e, ok := s.dir.Entry(d, uid); ok {
				all = append(all, directory.Item[directory.DirEntry]{Value: e.DirEntry(), Meta: e.Meta})
			}
		}
		return all
	})
}

func dirEntryOrNull(e *directory.Entry, ok bool) (any, error) {
	if !ok {
		return null{}, nil
	}
	return e.DirEntry(), nil
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
