package bmsim

import (
	"bmsync/bmapi/bmsim/internal/directory"
)

// keyRoutes serve API keys, the tokens of users.
func (s *Sim) keyRoutes() {
	s.router.add("GET", "/auth/keys", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		return s.dir.Keys(c.session), nil
	})
	s.router.add("PUT", "/auth/keys", func(c *call) (any, error) {
		return s.addKey(c, directory.NewUUID())
	})
	if s.level >= 5 {
		s.router.add("PUT", "/auth/keys/{sid}", func(c *call) (any, error) {
			return s.addKey(c, c.p("sid"))
		})
	}
	if s.level >= 4 {
		s.router.add("GET", "/auth/keys/{sid}", func(c *call) (any, error) {
			k, ok := s.dir.Key(c.p("sid"))
			if !ok {
				return null{}, nil
			}
			return k, nil
		})
	}
	s.router.add("DELETE", "/auth/keys/{sid}", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		_, err := s.dir.DeleteKey(c.session, c.p("sid"))
		return void{}, err
	})
}

func (s *Sim) addKey(c *call, sid string) (any, error) {
	if err := c.known(); err != nil {
		return nil, err
	}
	k, err := s.dir.AddKey(c.session, sid, c.q("displayName"))
	if err != nil {
		return nil, err
	}
	return k, nil
}
