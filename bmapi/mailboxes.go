package bmapi

import (
	"context"
	"fmt"
	"slices"
)

// Mailbox is what a user, a mailshare, a group or a resource keeps mail in.
type Mailbox struct {
	UID          string  `json:"-"`    // that of its owner
	Name         string  `json:"name"` // login or mailshare name
	Type         string  `json:"type"` // BoxUser, …
	Routing      string  `json:"routing"`
	Emails       []Email `json:"emails"`
	DataLocation string  `json:"dataLocation"`
	Quota        *int64  `json:"quota"` // KiB; nil: none
	Hidden       bool    `json:"hidden"`
	System       bool    `json:"system"`
	Archived     bool    `json:"archived"`
}

// DefaultEmail is the main address, "" if there is none.
func (m *Mailbox) DefaultEmail() string { return defaultEmail(m.Emails) }

func (s *Session) mailbox(ctx context.Context, to endpoint) (*Mailbox, error) {
	it, err := get[Mailbox](ctx, s, to)
	if err != nil {
		return nil, err
	}
	return mailboxOf(it), nil
}

func mailboxOf(it item[Mailbox]) *Mailbox {
	m := it.Value
	m.UID = it.UID
	return &m
}

// Mailboxes lists all mailboxes of a domain, of whatever kind. A large domain makes a
// long answer: MailboxUIDs and MailboxesOf go in parts.
//
// GET /mailboxes/{domainUid}/_list
func (s *Session) Mailboxes(ctx context.Context, domainUID string) ([]*Mailbox, error) {
	return all(ctx, s, at("/mailboxes", domainUID, "_list"), mailboxOf)
}

// MailboxUIDs lists the uids of all mailboxes of a domain.
//
// GET /mailboxes/{domainUid}/_listUids
func (s *Session) MailboxUIDs(ctx context.Context, domainUID string) ([]string, error) {
	return s.texts(ctx, at("/mailboxes", domainUID, "_listUids"))
}

// Kinds of mailboxes, in the words of Mailbox.Type.
const (
	BoxUser      = "user"
	BoxMailshare = "mailshare"
	BoxGroup     = "group"
	BoxResource  = "resource"
)

// MailboxUIDsByType lists the uids of all mailboxes of a kind, such as BoxMailshare.
//
// GET /mailboxes/{domainUid}/_byType
func (s *Session) MailboxUIDsByType(ctx context.Context, domainUID, kind string) ([]string, error) {
	// The parameter's name is BlueMind's own slip.
	return s.texts(ctx, at("/mailboxes", domainUID, "_byType").with("email", kind))
}

// MailboxUIDsByRouting lists the uids of all mailboxes of a routing, such as RoutingExternal.
//
// GET /mailboxes/{domainUid}/_byRouting
func (s *Session) MailboxUIDsByRouting(ctx context.Context, domainUID, routing string) ([]string, error) {
	return s.texts(ctx, at("/mailboxes", domainUID, "_byRouting").with("email", routing))
}

// MailboxesOf reads mailboxes by uid, in any order; those that are gone are left out.
//
// POST /mailboxes/{domainUid}/_mget
func (s *Session) MailboxesOf(ctx context.Context, domainUID string, uids []string) ([]*Mailbox, error) {
	boxes := make([]*Mailbox, 0, len(uids))
	for part := range slices.Chunk(uids, MaxItems) {
		some, err := list(ctx, s, "POST", at("/mailboxes", domainUID, "_mget"), part, mailboxOf)
		if err != nil {
			return nil, err
		}
		boxes = append(boxes, some...)
	}
	return boxes, nil
}

// Mailbox reads a mailbox by the uid of its owner.
//
// GET /mailboxes/{domainUid}/{uid}/complete
func (s *Session) Mailbox(ctx context.Context, domainUID, uid string) (*Mailbox, error) {
	return s.mailbox(ctx, at("/mailboxes", domainUID, uid, "complete"))
}

// MailboxByEmail finds a mailbox by any address, of whatever kind it is.
//
// GET /mailboxes/{domainUid}/_byemail
func (s *Session) MailboxByEmail(ctx context.Context, domainUID, address string) (*Mailbox, error) {
	return s.mailbox(ctx, at("/mailboxes", domainUID, "_byemail").with("email", lowered(address)))
}

// MailboxByName finds a mailbox by login or mailshare name, which share one name space.
//
// GET /mailboxes/{domainUid}/_byname
func (s *Session) MailboxByName(ctx context.Context, domainUID, name string) (*Mailbox, error) {
	var box *Mailbox
	ask := func() (err error) {
		box, err = s.mailbox(ctx, at("/mailboxes", domainUID, "_byname").with("name", name))
		return err
	}
	search := func() (err error) {
		box, err = s.mailboxNamed(ctx, domainUID, name)
		return err
	}
	err := either(&s.c.dialect.noNames, isNoRoute, ask, search)
	return box, err
}

// mailboxNamed looks through all mailboxes, where the server can't be asked for one.
func (s *Session) mailboxNamed(ctx context.Context, domainUID, name string) (*Mailbox, error) {
	boxes, err := s.Mailboxes(ctx, domainUID)
	for _, m := range boxes {
		if m.Name == name {
			return m, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("mailbox %q: %w", name, ErrNotFound)
	}
	return nil, err
}

// MailboxConfig is what limits a mailbox.
type MailboxConfig struct {
	Quota          *int64 `json:"quota"`          // KiB; nil: none
	MessageMaxSize int64  `json:"messageMaxSize"` // bytes; 0: never configured, the server's own default counts
}

// MailboxConfig reads the limits of a mailbox.
//
// GET /mailboxes/{domainUid}/{uid}/_config
func (s *Session) MailboxConfig(ctx context.Context, domainUID, uid string) (MailboxConfig, error) {
	var c MailboxConfig
	err := s.do(ctx, "GET", at("/mailboxes", domainUID, uid, "_config"), nil, &c)
	return c, err
}

// MailboxQuota is how full a mailbox is, in KiB.
type MailboxQuota struct {
	Used  int64  `json:"used"` // version 5: summed by the search index, late after a copy
	Quota *int64 `json:"quota"`
}

// MailboxQuota reads how full a mailbox is. No figure to verify by.
//
// GET /mailboxes/{domainUid}/{uid}/_quota
func (s *Session) MailboxQuota(ctx context.Context, domainUID, uid string) (MailboxQuota, error) {
	var q MailboxQuota
	err := s.do(ctx, "GET", at("/mailboxes", domainUID, uid, "_quota"), nil, &q)
	return q, err
}
