package bmsim

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

// operation is a repair that an entry offers.
type operation struct {
	Identifier  string `json:"identifier"`
	Description string `json:"description"`
}

// operations lists what a kind of entry offers. BlueMind's list may hold null.
func (s *Sim) operations(e *directory.Entry) []*operation {
	names := strings.Fields("mailboxExists mailboxIndexExists mailboxAclsContainer mailboxPostfixMaps mailboxSubscription " +
		"mailboxDefaultFolders replication.subtree replication.minbox replication.records.in.dir message_bodies")
	if s.level < 5 {
		names = strings.Fields("mailboxExists mailboxIndexExists mailboxAcls mailboxDefaultFolders mailboxImapHierarchy " +
			"mailboxQuota mailboxSharedSeen replication.subtree replication.parentUid default.partition message_bodies")
	}
	if !e.HasMailbox() || e.Kind == directory.KindGroup {
		names = []string{"containers"}
	} else if e.Kind == directory.KindUser && s.level >= 5 {
		names = append(names, "identities", "owner.subscriptions")
	}
	all := []*operation{nil}
	for _, n := range names {
		all = append(all, &operation{n, n})
	}
	return all
}

// oldRepairRoutes are what BlueMind had before 5, and 3.5 alone.
func (s *Sim) oldRepairRoutes() {
	for word, dry := range map[string]bool{"_check": true, "_check-and-repair": false} {
		s.router.add("POST", "/mailboxes/{d}/{uid}/"+word, func(c *call) (any, error) {
			e, err := c.repairable()
			if err != nil {
				return nil, err
			}
			c.dry = dry
			return s.task(c, "", func(_ context.Context, m *monitor) (string, error) {
				m.step(word + " of " + e.MailboxName())
				if dry {
					return "", nil
				}
				return "", errors.Join(s.settleBox(e), s.dir.SetNoACL(e, false))
			})
		})
	}
}

func (s *Sim) maintenanceRoutes() {
	const path = "/directory/{d}/{uid}/mgmt/_maintenance"
	s.router.add("GET", path, func(c *call) (any, error) {
		e, err := c.repairable()
		if err != nil {
			return nil, err
		}
		return s.operations(e), nil
	})
	s.router.add("POST", path+"/repair", func(c *call) (any, error) { return s.repair(c, false) })
	if s.level < 5 {
		s.router.add("POST", path+"/check", func(c *call) (any, error) { return s.repair(c, true) })
	}
}

func (c *call) repairable() (*directory.Entry, error) {
	d, err := c.adminOf()
	if err != nil {
		return nil, err
	}
	e, ok := c.sim.dir.Entry(d, c.p("uid"))
	if !ok {
		return nil, directory.Faultf(directory.NotFound, "entry %s not found", c.p("uid"))
	}
	return e, nil
}

// repairConfig is RepairConfig of version 5; version 4 takes the bare list.
type repairConfig struct {
	Operations []string `json:"opIdentifiers"`
	Dry        bool     `json:"dry"`
}

func (s *Sim) repair(c *call, check bool) (any, error) {
	cfg := repairConfig{Dry: check}
	var err error
	if s.level >= 5 {
		cfg, err = need[repairConfig](c)
	} else {
		cfg.Operations, err = need[[]string](c)
	}
	if err != nil {
		return nil, err
	}
	e, err := c.repairable()
	if err != nil {
		return nil, err
	}
	c.dry = cfg.Dry
	// The id bears the domain as written in the path.
	id := "repair-" + e.UID + "@" + c.p("d")
	return s.task(c, id, func(_ context.Context, m *monitor) (string, error) {
		for _, op := range s.operations(e) {
			if op == nil || len(cfg.Operations) > 0 && !slices.Contains(cfg.Operations, op.Identifier) {
				continue // unknown operations are ignored without a word
			}
			m.step(op.Identifier)
			if cfg.Dry {
				continue
			}
			if err := s.mend(e, op.Identifier); err != nil {
				return "", err
			}
		}
		return "", nil
	})
}

// mend does the repairs that something here can need.
func (s *Sim) mend(e *directory.Entry, op string) error {
	switch op {
	case "mailboxDefaultFolders", "mailboxExists":
		return s.settleBox(e)
	case "mailboxAclsContainer":
		return s.dir.SetNoACL(e, false)
	case "mailboxAcls":
		return errors.Join(s.dir.SetNoACL(e, false), s.granted(s.ctx, directory.ACLContainer(e.UID), nil))
	}
	return nil
}
