package bmsim

import (
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

// subscriptionRoutes take the real uid of the domain, no alias.
func (s *Sim) subscriptionRoutes() {
	if s.level < 4 {
		s.oldSubscriptionRoutes()
		return
	}
	const path = "/users/{d}/subscriptions/"
	subscribe := changeSubs(s, func(c *call, subs []directory.Subscription) error {
		return s.dir.Subscribe(c.p("d"), c.p("uid"), subs)
	})
	s.router.add("POST", path+"{uid}/_subscribe", subscribe)
	s.router.add("POST", path+"{uid}/_unsubscribe", changeSubs(s, func(c *call, uids []string) error {
		return s.dir.Unsubscribe(c.p("d"), c.p("uid"), uids)
	}))
	s.router.add("GET", path+"{uid}", func(c *call) (any, error) {
		if err := c.self(c.p("d"), c.p("uid")); err != nil {
			return nil, err
		}
		if t := c.q("type"); t != "" && t != aclType {
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
	if s.level >= 5 {
		s.router.add("POST", path+"{uid}/_automount", changeSubs(s, func(c *call, subs []directory.Subscription) error {
			return s.dir.SetAutomount(c.p("d"), c.p("uid"), subs)
		}))
	}
}

// changeSubs adds the checks of calls that change a user's subscriptions.
func changeSubs[T any](s *Sim, change func(*call, T) error) func(*call) (any, error) {
	return func(c *call) (any, error) {
		v, err := need[T](c)
		if err != nil {
			return nil, err
		}
		if err := c.self(c.p("d"), c.p("uid")); err != nil {
			return nil, err
		}
		return void{}, change(c, v)
	}
}

// oldSubscriptionRoutes are those of 3.5, which names no domain where it can do
// without.
func (s *Sim) oldSubscriptionRoutes() {
	const path = "/containers/_manage/"
	s.router.add("PUT", path+"_subscription/{uid}", func(c *call) (any, error) {
		subs, err := need[[]directory.Subscription](c)
		if err != nil {
			return nil, err
		}
		d, err := c.domainOfUser()
		if err != nil {
			return nil, err
		}
		return void{}, s.dir.Subscribe(d, c.p("uid"), subs)
	})
	s.router.add("DELETE", path+"_subscription/{uid}", func(c *call) (any, error) {
		uids, err := need[[]string](c)
		if err != nil {
			return nil, err
		}
		d, err := c.domainOfUser()
		if err != nil {
			return nil, err
		}
		return void{}, s.dir.Unsubscribe(d, c.p("uid"), uids)
	})
	list := func(c *call) (any, error) {
		uid, d, _ := strings.Cut(c.p("who"), "@")
		if err := c.self(d, uid); err != nil {
			return nil, err
		}
		all := []descriptor{}
		for _, sub := range s.dir.Subscriptions(d, uid) {
			if e, err := s.dir.Container(sub.ContainerUID); err == nil && (c.p("type") == "" || c.p("type") == aclType) {
				x := s.descriptor(c, e)
				x.OfflineSync = sub.OfflineSync
				all = append(all, x)
			}
		}
		return all, nil
	}
	s.router.add("GET", path+"_subscriptions/{who}", list)
	s.router.add("GET", path+"_subscriptions/{who}/{type}", list)
}

// domainOfUser finds the domain of the user in the path and asks for the right to
// change his subscriptions; of an unknown user it is "".
func (c *call) domainOfUser() (string, error) {
	d := c.sim.dir.DomainOf(c.p("uid"))
	return d, c.self(d, c.p("uid"))
}
