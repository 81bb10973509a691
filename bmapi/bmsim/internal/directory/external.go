package directory

import (
	"slices"
	"strings"
)

// ExternalUser is somebody outside, known by one address, whom groups can hold.
type ExternalUser struct {
	Base
	ContactInfos Card `json:"contactInfos"`
}

// CreateExternal makes an external user; extID is the id elsewhere, or "".
func (s *Store) CreateExternal(by, domainUID, uid, extID string, x ExternalUser) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[domainUID]
	if d == nil {
		return noDomain(domainUID)
	}
	e := &Entry{Meta: s.meta(uid, by), Domain: domainUID, Kind: KindExternal}
	if err := s.prepareExternal(d, e, x); err != nil {
		return err
	}
	if d.entries[uid] != nil || s.byUID[uid] != nil {
		return Faultf(AlreadyExists, "uid %s already exists", uid)
	}
	e.ExternalID = Text(extID)
	return s.put(e)
}

// UpdateExternal replaces an external user.
func (s *Store) UpdateExternal(by, domainUID, uid string, x ExternalUser) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, old, err := s.find(domainUID, uid, KindExternal)
	if err != nil {
		return err
	}
	n := *old
	if err := s.prepareExternal(d, &n, x); err != nil {
		return err
	}
	n.Meta.Version, n.Meta.Updated, n.Meta.UpdatedBy = old.Version+1, s.opts.Now().UnixMilli(), Text(by)
	return s.put(&n)
}

// prepareExternal validates. Only an address in the domain is compared with
// others.
func (s *Store) prepareExternal(d *domain, e *Entry, x ExternalUser) error {
	x.DataLocation = s.place(d.UID, x.DataLocation)
	x.ContactInfos = x.ContactInfos.filled("")
	mails, _ := x.ContactInfos.part("communications")["emails"].([]any)
	if x.DefaultEmail() == "" || len(x.Emails) != 1 || len(mails) == 0 {
		return Faultf(InvalidParameter, "Invalid parameter, an external user should have at least one email.")
	}
	if err := validEmails(x.Emails); err != nil {
		return err
	}
	switch {
	case x.ContactInfos.FormattedName() == "":
		return Faultf(InvalidParameter, "the formatted name must be set")
	case x.DataLocation == "":
		return Faultf(InvalidParameter, "the data location must be set")
	case x.ContactInfos.FamilyNames() == "":
		return Faultf(EmptyLastName, "An external user should have a last name.")
	}
	_, right, _ := strings.Cut(x.DefaultEmail(), "@")
	if right == d.UID || slices.Contains(d.Value.Aliases, right) {
		if len(s.taken(d, e.UID, x.Emails)) > 0 {
			return Faultf(AlreadyExists, "Email of external user is already in use: %s", x.DefaultEmail())
		}
	}
	e.External, e.DisplayName = &x, Text(x.ContactInfos.FormattedName())
	return nil
}

// ExternalItem is an external user as the API returns it.
func (e *Entry) ExternalItem() Item[ExternalUser] {
	return Item[ExternalUser]{Value: *e.External, Meta: e.Meta}
}
