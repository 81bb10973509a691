package bmsim

import "bmsync/bmapi/bmsim/internal/directory"

func (s *Sim) serverRoutes() {
	// guarded adds a call of the one container of servers, for administrators.
	guarded := func(method, rest string, handle func(*call) (any, error)) {
		s.router.add(method, "/servers/{container}"+rest, func(c *call) (any, error) {
			if c.p("container") != "default" {
				return nil, directory.Faultf(directory.NotFound, "container %s not found", c.p("container"))
			}
			if err := c.admin(); err != nil {
				return nil, err
			}
			return handle(c)
		})
	}
	guarded("GET", "/_complete", func(*call) (any, error) { return s.dir.Servers(), nil })
	guarded("GET", "/{d}/complete", func(c *call) (any, error) {
		srv, ok := s.dir.Server(c.p("d"))
		if !ok {
			return null{}, nil
		}
		return srv, nil
	})
	guarded("GET", "/{d}/assignments", func(c *call) (any, error) { return s.dir.Assignments(c.p("d")), nil })
	guarded("GET", "/{d}/byAssignment", func(c *call) (any, error) {
		return s.dir.ByAssignment(c.p("d"), c.q("tag")), nil
	})
	guarded("GET", "/{d}/serverAssignments", func(c *call) (any, error) { return s.dir.ServerAssignments(c.p("d")), nil })
	guarded("POST", "/{d}/assignments/{server}/_assign", func(c *call) (any, error) {
		return void{}, s.dir.Assign(c.who(), c.p("d"), c.p("server"), c.q("tag"))
	})
	guarded("POST", "/{d}/assignments/{server}/_unassign", func(c *call) (any, error) {
		return void{}, s.dir.Unassign(c.who(), c.p("d"), c.p("server"), c.q("tag"))
	})
}
