package bmsim

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

func (s *Sim) mailboxRoutes() {
	s.find("/mailboxes/{d}/{key}/complete", func(d, key string) (any, error) { return mailboxOrNull(s.dir.Entry(d, key)) })
	s.router.add("GET", "/mailboxes/{d}/_byemail", func(c *call) (any, error) {
		d, err := c.adminOf()
		if err != nil {
			return nil, err
		}
		_, right, ok := strings.Cut(c.q("email"), "@")
		if !ok {
			return nil, directory.Faultf(directory.InvalidParameter, "%s is not an address", c.q("email"))
		}
		if named, ok := s.dir.LookupDomain(right); !ok || named.UID != d {
			return null{}, nil
		}
		return mailboxOrNull(s.dir.ByEmail(d, c.q("email")))
	})
	s.router.add("GET", "/mailboxes/{d}/_byname", func(c *call) (any, error) {
		d, err := c.adminOf()
		if err != nil {
			return nil, err
		}
		return mailboxOrNull(s.dir.ByName(d, c.q("name")))
	})
	// Both parameters really are called email.
	s.mailboxUIDs("_byType", func(m directory.Mailbox, v string) bool { return m.Type == v })
	s.mailboxUIDs("_byRouting", func(m directory.Mailbox, v string) bool { return string(m.Routing) == v })
	if s.level >= 4 {
		s.mailboxUIDs("_listUids", func(directory.Mailbox, string) bool { return true })
	}
	s.find("/mailboxes/{d}/_list", func(d, _ string) (any, error) {
		all := []directory.Item[directory.Mailbox]{}
		for _, e := range s.mailboxes(d) {
			all = append(all, e.MailboxItem())
		}
		return all, nil
	})
	s.router.add("POST", "/mailboxes/{d}/_mget", func(c *call) (any, error) {
		uids, d, err := adminBody[[]string](c)
		if err != nil {
			return nil, err
		}
		all := []directory.Item[directory.Mailbox]{}
		for _, e := range s.mailboxes(d) {
			if slices.Contains(uids, e.UID) {
				all = append(all, e.MailboxItem())
			}
		}
		return all, nil
	})
	s.mailboxFigures()
}

func mailboxOrNull(e *directory.Entry, ok bool) (any, error) {
	if !ok || !e.HasMailbox() {
		return null{}, nil
	}
	return e.MailboxItem(), nil
}

func (s *Sim) mailboxes(domainUID string) []*directory.Entry {
	return slices.DeleteFunc(s.dir.Entries(domainUID), func(e *directory.Entry) bool { return !e.HasMailbox() })
}

func (s *Sim) mailboxUIDs(part string, fits func(m directory.Mailbox, v string) bool) {
	s.router.add("GET", "/mailboxes/{d}/"+part, func(c *call) (any, error) {
		d, err := c.adminOf()
		if err != nil {
			return nil, err
		}
		uids := []string{}
		for _, e := range s.mailboxes(d) {
			if fits(e.Mailbox(), c.q("email")) {
				uids = append(uids, e.UID)
			}
		}
		return uids, nil
	})
}

// figures resolves a mailbox for a reader of it; nil: there is none.
func (c *call) figures() (*directory.Entry, error) {
	d, err := c.domain()
	if err != nil {
		return nil, err
	}
	e, ok := c.sim.dir.Entry(d, c.p("uid"))
	if !ok {
		return nil, c.admin()
	}
	return e, c.reader(e)
}

// reader lets those pass who may read the box of an entry.
func (c *call) reader(e *directory.Entry) error {
	if c.session != nil && c.session.Domain == e.Domain && c.sim.dir.Allowed(c.session.UID, c.session.Groups, e, "Read") {
		return nil
	}
	return c.admin()
}

func (s *Sim) mailboxFigures() {
	s.router.add("GET", "/mailboxes/{d}/{uid}/_quota", func(c *call) (any, error) {
		e, err := c.figures()
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, exception("NullPointerException", "")
		}
		used, err := s.view.Used(c.req.Context(), box(e))
		if err != nil && !errors.Is(err, mail.ErrNotFound) {
			return nil, err
		}
		return map[string]any{"used": used / 1024, "quota": e.Mailbox().Quota}, nil
	})
	s.router.add("GET", "/mailboxes/{d}/{uid}/_config", func(c *call) (any, error) {
		e, err := c.figures()
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, directory.Faultf(directory.NotFound, "mailbox %s not found", c.p("uid"))
		}
		return map[string]any{"quota": e.Mailbox().Quota, "messageMaxSize": s.MessageSizeLimit()}, nil
	})
	s.router.add("GET", "/mailboxes/{d}/_unread", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		return s.unseen(c.req.Context(), c.session.Domain, c.session.UID)
	})
	if s.level >= 4 {
		s.router.add("GET", "/inbox/{d}/{uid}/_unseen", func(c *call) (any, error) {
			if err := c.self(c.p("d"), c.p("uid")); err != nil {
				return nil, err
			}
			return s.unseen(c.req.Context(), c.p("d"), c.p("uid"))
		})
	}
	s.router.add("POST", "/mgmt/mailbox/{d}/{uid}/_consolidate", s.consolidate)
	s.router.add("POST", "/mgmt/mailbox/{d}/_consolidate", s.consolidate)
}

// unseen counts what is not seen in a user's INBOX; 0 when there is none.
func (s *Sim) unseen(ctx context.Context, domainUID, uid string) (any, error) {
	e, ok := s.dir.Entry(domainUID, uid)
	if !ok {
		return 0, nil
	}
	folders, err := s.view.Folders(ctx, box(e))
	if err != nil && !errors.Is(err, mail.ErrNotFound) {
		return nil, err
	}
	for _, f := range folders {
		if f.FullName == "INBOX" {
			recs, err := s.view.Records(ctx, f.UID)
			if err != nil {
				return nil, err
			}
			return itemFilter{MustNot: []string{"Deleted", "Seen"}}.count(recs), nil
		}
	}
	return 0, nil
}

// consolidate brings the search index up to date: here there's nothing to do.
func (s *Sim) consolidate(c *call) (any, error) {
	if err := c.admin(); err != nil {
		return nil, err
	}
	return s.task(c, "", func(_ context.Context, m *monitor) (string, error) {
		m.step("consolidating " + c.p("uid"))
		return "", nil
	})
}
