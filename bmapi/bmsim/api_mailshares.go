package bmsim

import (
	"context"

	"bmsync/bmapi/bmsim/internal/directory"
)

func (s *Sim) mailshareRoutes() {
	r := &s.router
	r.add("PUT", "/mailshares/{d}/{uid}", func(c *call) (any, error) {
		v, d, err := adminBody[directory.Mailshare](c)
		if err != nil {
			return nil, err
		}
		e, err := s.dir.CreateMailshare(c.who(), d, c.p("uid"), v)
		if err != nil {
			return nil, err
		}
		return void{}, s.makeBox(c, e)
	})
	r.add("POST", "/mailshares/{d}/{uid}", func(c *call) (any, error) {
		v, d, err := adminBody[directory.Mailshare](c)
		if err != nil {
			return nil, err
		}
		e, err := s.dir.UpdateMailshare(c.who(), d, c.p("uid"), v)
		if err != nil {
			return nil, err
		}
		return void{}, s.updateBox(e)
	})
	s.find("/mailshares/{d}/{key}/complete", func(d, key string) (any, error) {
		e, ok := s.dir.Entry(d, key)
		if !ok || e.Mailshare == nil {
			return null{}, nil
		}
		return e.MailshareItem(), nil
	})
	s.find("/mailshares/{d}/_complete", func(d, _ string) (any, error) {
		all := []directory.Item[directory.Mailshare]{}
		for _, e := range s.dir.Entries(d) {
			if e.Mailshare != nil {
				all = append(all, e.MailshareItem())
			}
		}
		return all, nil
	})
	r.add("DELETE", "/mailshares/{d}/{uid}", s.deleteMailshare)
}

// deleteMailshare ends InError of an unknown one.
func (s *Sim) deleteMailshare(c *call) (any, error) {
	d, err := c.adminOf()
	if err != nil {
		return nil, err
	}
	uid := c.p("uid")
	return s.task(c, "", func(ctx context.Context, m *monitor) (string, error) {
		m.step("Deleting mailshare " + uid + "@" + d)
		e, ok := s.dir.Entry(d, uid)
		if !ok || e.Mailshare == nil {
			return "", directory.Faultf(directory.NotFound, "mailshare %s not found", uid)
		}
		return "Mailshare deleted", s.remove(ctx, e)
	})
}
