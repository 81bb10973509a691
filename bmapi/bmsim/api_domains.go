package bmsim

import (
	"context"

	"bmsync/bmapi/bmsim/internal/directory"
)

func (s *Sim) domainRoutes() {
	r := &s.router
	r.add("GET", "/domains", func(c *call) (any, error) {
		if c.admin() == nil {
			return s.dir.Domains(), nil
		}
		if err := c.known(); err != nil {
			return nil, err
		}
		own := []directory.Item[directory.Domain]{}
		if d, ok := s.dir.Domain(c.session.Domain); ok {
			own = append(own, d)
		}
		return own, nil
	})
	r.add("GET", "/domains/_lookup", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		d, ok := s.dir.LookupDomain(c.q("name"))
		if !ok {
			return null{}, nil
		}
		return d, c.ownDomain(d.UID)
	})
	r.add("GET", "/domains/{uid}", func(c *call) (any, error) {
		if err := c.ownDomain(c.p("uid")); err != nil {
			return nil, err
		}
		d, ok := s.dir.Domain(c.p("uid"))
		if !ok {
			return null{}, nil
		}
		return d, nil
	})
	s.domainChanges()
	s.settingRoutes()
}

func (s *Sim) domainChanges() {
	r := &s.router
	r.add("PUT", "/domains/{uid}", func(c *call) (any, error) { return s.putDomain(c, s.dir.CreateDomain) })
	r.add("POST", "/domains/{uid}", func(c *call) (any, error) { return s.putDomain(c, s.dir.UpdateDomain) })
	r.add("DELETE", "/domains/{uid}", func(c *call) (any, error) {
		if err := c.admin(); err != nil {
			return nil, err
		}
		return void{}, s.dir.DeleteDomain(c.p("uid"))
	})
	r.add("DELETE", "/domains/{uid}/_items", s.deleteItems)
	r.add("POST", "/domains/{uid}/_aliases", s.setAliases)
	if s.level < 4 {
		return
	}
	r.add("POST", "/domains/{uid}/_default_alias", func(c *call) (any, error) {
		alias, err := c.text()
		if err != nil {
			return nil, err
		}
		if err := c.admin(); err != nil {
			return nil, err
		}
		return void{}, s.dir.SetDefaultAlias(c.who(), c.p("uid"), alias)
	})
}

func (c *call) ownDomain(uid string) error {
	if c.session != nil && c.session.Domain == uid {
		return nil
	}
	return c.admin()
}

func (s *Sim) putDomain(c *call, put func(by, uid string, v directory.Domain) error) (any, error) {
	// "aliases": null is an exception; left out, it is the empty set.
	type shape struct {
		directory.Domain
		Aliases *[]string `json:"aliases"`
	}
	v := shape{Aliases: &[]string{}}
	if c.chunked || len(c.body) == 0 {
		if _, err := need[shape](c); err != nil {
			return nil, err
		}
	}
	if err := unmarshal(c.body, &v); err != nil {
		return nil, err
	}
	if err := c.admin(); err != nil {
		return nil, err
	}
	if v.Aliases == nil {
		return nil, exception("NullPointerException", "")
	}
	v.Domain.Aliases = *v.Aliases
	return void{}, put(c.who(), c.p("uid"), v.Domain)
}

func (s *Sim) setAliases(c *call) (any, error) {
	aliases, err := need[[]string](c)
	if err != nil {
		return nil, err
	}
	if err := c.admin(); err != nil {
		return nil, err
	}
	uid, by := c.p("uid"), c.who()
	if err := s.dir.CheckAliases(uid, aliases); err != nil {
		return nil, err
	}
	return s.task(c, "", func(_ context.Context, m *monitor) (string, error) {
		m.step("update domain " + uid + " aliases")
		return "domain updated", s.dir.ApplyAliases(by, uid, aliases)
	})
}

// deleteItems deletes all entries of a domain.
func (s *Sim) deleteItems(c *call) (any, error) {
	if err := c.admin(); err != nil {
		return nil, err
	}
	uid := c.p("uid")
	if _, ok := s.dir.Domain(uid); !ok {
		return nil, noDomain(uid)
	}
	return s.task(c, "", func(ctx context.Context, m *monitor) (string, error) {
		for _, e := range s.dir.Entries(uid) {
			m.step("deleting " + e.UID)
			if err := s.remove(ctx, e); err != nil {
				return "", err
			}
		}
		return "", nil
	})
}

// remove deletes an entry and its box.
func (s *Sim) remove(ctx context.Context, e *directory.Entry) error {
	if _, err := s.dir.Delete(e.Domain, e.UID); err != nil {
		return err
	}
	if e.Kind == directory.KindGroup || !e.HasMailbox() {
		return nil
	}
	return s.boxes.Drop(ctx, box(e))
}

func (s *Sim) settingRoutes() {
	s.router.add("GET", "/domains/{uid}/_settings", func(c *call) (any, error) {
		if err := c.ownDomain(c.p("uid")); err != nil {
			return nil, err
		}
		return s.dir.Settings(c.p("uid")), nil
	})
	s.router.add("PUT", "/domains/{uid}/_settings", func(c *call) (any, error) {
		v, err := need[map[string]string](c)
		if err != nil {
			return nil, err
		}
		if err := c.admin(); err != nil {
			return nil, err
		}
		return void{}, s.dir.SetSettings(c.who(), c.p("uid"), v)
	})
	s.router.add("GET", "/domains/{uid}/externalurl", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		if url := s.dir.Settings(c.p("uid"))["external_url"]; url != "" {
			return url, nil
		}
		return nil, directory.Faultf(directory.NotFound, "no external url")
	})
}
