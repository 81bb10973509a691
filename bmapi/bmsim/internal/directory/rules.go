package directory

import (
	"slices"
	"strconv"
	"strings"
)

// Settings of a domain that bound quotas, in KiB.
const (
	maxUserQuota      = "mailbox_max_user_quota"
	defaultUserQuota  = "mailbox_default_user_quota"
	maxShareQuota     = "mailbox_max_publicfolder_quota"
	defaultShareQuota = "mailbox_default_publicfolder_quota"
)

// validateMailbox holds the rules that all mailboxes obey.
func (s *Store) validateMailbox(d *domain, uid string, m Mailbox) error {
	_, known := d.entries[uid]
	if m.Routing == "external" && s.settings(d.UID)["mail_routing_relay"] == "" {
		code := Unknown
		if m.Type == "user" {
			code = InvalidHostName
		}
		return Faultf(code, "Cannot set external routing, relay host is not configured")
	}
	name := m.Name
	if !known {
		name = strings.ToLower(name)
	}
	if other := d.names[name]; other != nil && other.UID != uid {
		return Faultf(AlreadyExists, "Mail name: %s already used", m.Name)
	}
	if err := validEmails(m.Emails); err != nil {
		return err
	}
	if err := coherent(m.Emails); err != nil {
		return err
	}
	if used := s.taken(d, uid, m.Emails); len(used) > 0 {
		return Faultf(AlreadyExists, "Following emails of mailbox %s:%s are already in use: %s", uid, m.Name, strings.Join(used, ","))
	}
	if err := s.validateLocation(d, m); err != nil {
		return err
	}
	if m.Type == "user" && m.Routing != "none" && len(m.Emails) == 0 {
		return Faultf(InvalidParameter, "No email address for mailbox: %s, routing: %s", m.Name, m.Routing)
	}
	return s.validateQuota(d, uid, m)
}

func (s *Store) validateLocation(d *domain, m Mailbox) error {
	if m.DataLocation == "" {
		if m.Type == "group" {
			return nil
		}
		return Faultf(InvalidParameter, "Datalocation must be set")
	}
	if _, ok := s.Server(string(m.DataLocation)); !ok {
		return Faultf(InvalidParameter, "Datalocation %s must exist for mailbox %s", m.DataLocation, m.Name)
	}
	if !slices.Contains(s.byAssignment(d.UID, TagIMAP), string(m.DataLocation)) {
		return Faultf(InvalidParameter, "Datalocation %s not assigned to: %s as mail/imap", m.DataLocation, d.UID)
	}
	return nil
}

func (s *Store) validateQuota(d *domain, uid string, m Mailbox) error {
	key := map[string]string{"user": maxUserQuota, "mailshare": maxShareQuota}[m.Type]
	limit, err := s.quotaSetting(d, key)
	if err != nil || limit == 0 {
		return err
	}
	if m.Quota == nil || *m.Quota == 0 || *m.Quota > limit {
		return Faultf(InvalidParameter, "Invalid quota for %s. Quota must be less than %d MiB", uid, limit/1024)
	}
	return nil
}

func (s *Store) quotaSetting(d *domain, key string) (int64, error) {
	v, ok := s.settings(d.UID)[key]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, Exception("NumberFormatException", `For input string: "`+v+`"`)
	}
	return n, nil
}

// defaultQuota is the domain's default, else its maximum, else none.
func (s *Store) defaultQuota(d *domain, defaultKey, maxKey string) (*int64, error) {
	for _, key := range []string{defaultKey, maxKey} {
		if n, err := s.quotaSetting(d, key); err != nil || n != 0 {
			return &n, err
		}
	}
	return nil, nil
}

// unlimited reads 0 as none, as BlueMind stores it.
func unlimited(q *int64) *int64 {
	if q != nil && *q == 0 {
		return nil
	}
	return q
}
