package directory

import "strings"

// CreateMailshare makes a mailshare and, in the directory, its mailbox.
func (s *Store) CreateMailshare(by, domainUID, uid string, m Mailshare) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil, noDomain(domainUID)
	}
	e := &Entry{Meta: s.meta(uid, by), Domain: domainUID, Kind: KindMailshare}
	if err := s.prepareShare(d, e, m); err != nil {
		return nil, err
	}
	if d.entries[uid] != nil || s.byUID[uid] != nil {
		return nil, Faultf(AlreadyExists, "uid %s already exists", uid)
	}
	return e, s.put(e)
}

// UpdateMailshare replaces a mailshare.
func (s *Store) UpdateMailshare(by, domainUID, uid string, m Mailshare) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, old, err := s.find(domainUID, uid, KindMailshare)
	if err != nil {
		return nil, err
	}
	n := *old
	if err := s.prepareShare(d, &n, m); err != nil {
		return nil, err
	}
	n.Meta.Version, n.Meta.Updated, n.Meta.UpdatedBy = old.Version+1, s.opts.Now().UnixMilli(), Text(by)
	return &n, s.put(&n)
}

// prepareShare validates before it lower-cases: a capital in an address is
// refused although the sanitizer that follows would mend it.
func (s *Store) prepareShare(d *domain, e *Entry, m Mailshare) error {
	m.DataLocation = s.place(d.UID, m.DataLocation)
	m.Card = m.Card.filled("")
	switch {
	case strings.TrimSpace(string(m.Name)) == "":
		return Faultf(InvalidParameter, "Mailshare.name must be set")
	case !emailForm.MatchString(string(m.Name) + "@test.com"):
		return Faultf(InvalidParameter, "Mailshare.name (%s) is not mailbox compatible", m.Name)
	case m.Routing == "":
		return Faultf(InvalidParameter, "Mailshare.routing must be set")
	}
	if err := validEmails(m.Emails); err != nil {
		return err
	}
	m.Emails = lowered(m.Emails)
	if m.Quota == nil {
		q, err := s.defaultQuota(d, defaultShareQuota, maxShareQuota)
		if err != nil {
			return err
		}
		m.Quota = q
	}
	e.Mailshare = &m
	if err := s.validateMailbox(d, e.UID, e.Mailbox()); err != nil {
		return err
	}
	m.Quota = unlimited(m.Quota)
	if e.DisplayName = Text(m.Card.FormattedName()); e.DisplayName == "" {
		e.DisplayName = m.Name
	}
	return nil
}
