package bmsim

import (
	"context"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

func (s *Sim) containerRoutes() {
	const path = "/containers/_manage/{container}/"
	s.router.add("GET", path+"_acl", func(c *call) (any, error) { return s.getACL(c, c.p("container")) })
	s.router.add("PUT", path+"_acl", func(c *call) (any, error) { return s.setACL(c, c.p("container")) })
	s.router.add("GET", path+"_itemCount", s.itemCount)
	s.router.add("GET", "/mailboxes/{d}/{uid}/_acls", func(c *call) (any, error) {
		return s.getACL(c, directory.ACLContainer(c.p("uid")))
	})
	s.router.add("POST", "/mailboxes/{d}/{uid}/_acls", func(c *call) (any, error) {
		return s.setACL(c, directory.ACLContainer(c.p("uid")))
	})
	s.descriptorRoutes()
}

// manager lets those pass who may manage the box of an entry.
func (c *call) manager(e *directory.Entry) error {
	if c.session != nil && c.session.Domain == e.Domain && c.sim.dir.Allowed(c.session.UID, c.session.Groups, e, "Manage") {
		return nil
	}
	return c.admin()
}

func (s *Sim) getACL(c *call, container string) (any, error) {
	e, err := s.dir.Container(container)
	if err != nil {
		return nil, err
	}
	if err := c.manager(e); err != nil {
		return nil, err
	}
	list, err := s.dir.ACL(container)
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (s *Sim) setACL(c *call, container string) (any, error) {
	list, err := need[[]directory.ACE](c)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if !s.dir.Knows(a.Verb) {
			return nil, badParameter("body")
		}
	}
	e, err := s.dir.Container(container)
	if err != nil {
		return nil, err
	}
	if err := c.manager(e); err != nil {
		return nil, err
	}
	if err := s.dir.SetACL(c.who(), container, list); err != nil {
		return nil, err
	}
	if _, ok := s.faults.take(HookRights, c.req.Method, c.path); ok {
		s.journal.add(Event{Note: "rights on " + container + " kept from the mail server on purpose"})
		return void{}, nil
	}
	// Not with the call's context: BlueMind finishes what it began, whether or
	// not the client is still there.
	return void{}, s.granted(s.ctx, container, e.ACL)
}

// granted tells the backend of new rights.
func (s *Sim) granted(ctx context.Context, container string, before []directory.ACE) error {
	e, err := s.dir.Container(container)
	if err != nil {
		return err
	}
	return s.back.granted(ctx, s, e, before)
}

// itemCount counts what a user's container holds, or a folder's records, expunged
// ones included.
func (s *Sim) itemCount(c *call) (any, error) {
	uid, ok := strings.CutPrefix(c.p("container"), "mbox_records_")
	if !ok {
		owner, home, err := s.dir.Home(c.p("container"))
		if err != nil {
			return nil, err
		}
		if err := c.self(owner.Domain, owner.UID); err != nil {
			return nil, err
		}
		return map[string]int{"total": home.Items}, nil
	}
	recs, err := c.records(uid, true)
	if err != nil {
		return nil, err
	}
	return map[string]int{"total": len(recs)}, nil
}
