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
	s.subscriptionRoutes()
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
	return void{}, s.granted(c.req.Context(), container, e.ACL)
}

// granted tells the backend of new rights.
func (s *Sim) granted(ctx context.Context, container string, before []directory.ACE) error {
	e, err := s.dir.Container(container)
	if err != nil {
		return err
	}
	return s.back.granted(ctx, s, e, before)
}

// itemCount counts a folder's records, expunged ones included.
func (s *Sim) itemCount(c *call) (any, error) {
	uid, ok := strings.CutPrefix(c.p("container"), "mbox_records_")
	if !ok {
		return nil, directory.Faultf(directory.NotFound, "container %s not found", c.p("container"))
	}
	recs, err := c.records(uid, true)
	if err != nil {
		return nil, err
	}
	return map[string]int{"total": len(recs)}, nil
}

// subscriptionRoutes take the real uid of the domain, no alias.
func (s *Sim) subscriptionRoutes() {
	const path = "/users/{d}/subscriptions/"
	s.router.add("POST", path+"{uid}/_subscribe", func(c *call) (any, error) {
		subs, err := need[[]directory.Subscription](c)
		if err != nil {
			return nil, err
		}
		if err := c.self(c.p("d"), c.p("uid")); err != nil {
			return nil, err
		}
		return void{}, s.dir.Subscribe(c.who(), c.p("d"), c.p("uid"), subs)
	})
	s.router.add("POST", path+"{uid}/_unsubscribe", func(c *call) (any, error) {
		uids, err := need[[]string](c)
		if err != nil {
			return nil, err
		}
		if err := c.self(c.p("d"), c.p("uid")); err != nil {
			return nil, err
		}
		return void{}, s.dir.Unsubscribe(c.p("d"), c.p("uid"), uids)
	})
	s.router.add("GET", path+"{uid}", func(c *call) (any, error) {
		if err := c.self(c.p("d"), c.p("uid")); err != nil {
			return nil, err
		}
		if t := c.q("type"); t != "" && t != "mailboxacl" {
			return []directory.SubscriptionItem{}, nil
		}
		return s.dir.Subscriptions(c.p("d"), c.p("uid")), nil
	})
	s.router.add("GET", path+"_subscribers/{container}", func(c *call) (any, error) {
		if err := c.admin(); err != nil {
			return nil, err
		}
		return s.dir.Subscribers(c.p("d"), c.p("container")), nil
	})
}
