package bmapi

import (
	"context"
	"strings"
)

// Mailbox is what a user, a mailshare, a group or a resource keeps mail in.
type Mailbox struct {
	UID          string  `json:"-"`    // that of its owner
	Name         string  `json:"name"` // login or mailshare name
	Type         string  `json:"type"` // user, mailshare, group, resource
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
	it.Value.UID = it.UID
	return &it.Value, nil
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
	return s.mailbox(ctx, at("/mailboxes", domainUID, "_byemail").with("email", strings.ToLower(address)))
}

// MailboxByName finds a mailbox by login or mailshare name, which share one name space.
//
// GET /mailboxes/{domainUid}/_byname
func (s *Session) MailboxByName(ctx context.Context, domainUID, name string) (*Mailbox, error) {
	return s.mailbox(ctx, at("/mailboxes", domainUID, "_byname").with("name", name))
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
