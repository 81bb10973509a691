package bmsim

import "bmsync/bmapi/bmsim/internal/directory"

// filterRoutes serve a mailbox's rules, forwarding and vacation. Version 5 has
// the parts by themselves, too.
func (s *Sim) filterRoutes() {
	const path = "/mailboxes/{d}/{uid}/"
	filterPart(s, path+"_filter", func(f *directory.Filter) *directory.Filter { return f })
	if s.level < 5 {
		return
	}
	filterPart(s, path+"_rules", func(f *directory.Filter) *[]any { return &f.Rules })
	filterPart(s, path+"_forwarding", func(f *directory.Filter) *directory.Forwarding { return &f.Forwarding })
	filterPart(s, path+"_vacation", func(f *directory.Filter) *directory.Vacation { return &f.Vacation })
}

func filterPart[T any](s *Sim, path string, part func(*directory.Filter) *T) {
	find := func(c *call) (*directory.Entry, error) {
		d, err := c.domain()
		if err != nil {
			return nil, err
		}
		if err := c.self(d, c.p("uid")); err != nil {
			return nil, err
		}
		e, ok := s.dir.Entry(d, c.p("uid"))
		if !ok || !e.HasMailbox() {
			return nil, directory.Faultf(directory.NotFound, "mailbox %s not found", c.p("uid"))
		}
		return e, nil
	}
	s.router.add("GET", path, func(c *call) (any, error) {
		e, err := find(c)
		if err != nil {
			return nil, err
		}
		f := e.Filtering()
		return part(&f), nil
	})
	s.router.add("POST", path, func(c *call) (any, error) {
		v, err := need[T](c)
		if err != nil {
			return nil, err
		}
		e, err := find(c)
		if err != nil {
			return nil, err
		}
		return void{}, s.dir.SetFilter(c.who(), e, func(f *directory.Filter) { *part(f) = v })
	})
}
