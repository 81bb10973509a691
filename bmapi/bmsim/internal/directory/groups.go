package directory

import (
	"slices"
	"strings"
)

// CreateGroup makes a group; extID is its id elsewhere, or "".
func (s *Store) CreateGroup(by, domainUID, uid, extID string, g Group) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil, noDomain(domainUID)
	}
	e := &Entry{Meta: s.meta(uid, by), Domain: domainUID, Kind: KindGroup}
	if err := s.prepareGroup(d, e, g); err != nil {
		return nil, err
	}
	if d.entries[uid] != nil || s.byUID[uid] != nil {
		return nil, Faultf(AlreadyExists, "uid %s already exists", uid)
	}
	e.ExternalID = Text(extID)
	return e, s.put(e)
}

// UpdateGroup replaces a group; its members stay.
func (s *Store) UpdateGroup(by, domainUID, uid string, g Group) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, old, err := s.find(domainUID, uid, KindGroup)
	if err != nil {
		return nil, err
	}
	n := *old
	if err := s.prepareGroup(d, &n, g); err != nil {
		return nil, err
	}
	n.Meta = s.touched(old.Meta, by)
	n.DisplayName = g.Name
	return &n, s.put(&n)
}

func (s *Store) prepareGroup(d *domain, e *Entry, g Group) error {
	g.DataLocation = s.place(d.UID, g.DataLocation)
	g.MemberCount = nil
	if strings.TrimSpace(string(g.Name)) == "" {
		return Faultf(InvalidParameter, "Group name must be set")
	}
	for _, o := range d.entries {
		if o.Group != nil && o.UID != e.UID && o.Group.Name == g.Name {
			return Faultf(AlreadyExists, "Group name: %s already used", g.Name)
		}
	}
	if g.MailArchived && g.DataLocation == "" {
		return Faultf(InvalidParameter, "Datalocation must be set")
	}
	g.Emails = lowered(g.Emails)
	if err := validEmails(g.Emails); err != nil {
		return err
	}
	if g.Properties == nil {
		g.Properties = map[string]string{}
	}
	e.Group, e.DisplayName = &g, g.Name
	return s.validateMailbox(d, e.UID, e.Mailbox())
}

// GroupByName finds a group by its exact name.
func (s *Store) GroupByName(domainUID, name string) (*Entry, bool) {
	for _, e := range s.Entries(domainUID) {
		if e.Group != nil && string(e.Group.Name) == name {
			return e, true
		}
	}
	return nil, false
}

// Groups lists the uids of a domain's groups.
func (s *Store) Groups(domainUID string) []string { return s.uids(domainUID, KindGroup) }

// AddMembers adds members to a group; those it has are left alone.
func (s *Store) AddMembers(by, domainUID, uid string, members []Member) error {
	return s.change(by, domainUID, uid, KindGroup, func(g *Entry) error {
		d := s.domains[domainUID]
		list := slices.Clone(g.Members)
		for _, m := range members {
			e := d.entries[m.UID]
			if e == nil || strings.ToLower(e.Kind) != string(m.Type) {
				return Faultf(InvalidParameter, "unknown member %s of type %s", m.UID, m.Type)
			}
			if e.Group != nil && (m.UID == uid || d.contains(e, uid)) {
				return Faultf(Unknown, "inclusion of group %s in %s makes a loop", m.UID, uid)
			}
			if !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
		g.Members = list
		return nil
	})
}

// contains tells whether a group holds an entry, directly or not.
func (d *domain) contains(g *Entry, uid string) bool {
	for _, m := range g.Members {
		if m.UID == uid {
			return true
		}
		if sub := d.entries[m.UID]; sub != nil && sub.Group != nil && d.contains(sub, uid) {
			return true
		}
	}
	return false
}

// RemoveMembers takes members out of a group.
func (s *Store) RemoveMembers(by, domainUID, uid string, members []Member) error {
	return s.change(by, domainUID, uid, KindGroup, func(g *Entry) error {
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return slices.Contains(members, m) })
		return nil
	})
}

// ExpandedMembers lists the users of a group, those of its groups included.
func (s *Store) ExpandedMembers(domainUID, uid string) ([]Member, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, g, err := s.find(domainUID, uid, KindGroup)
	if err != nil {
		return nil, err
	}
	all := []Member{}
	for _, e := range d.entries {
		if e.User != nil && d.contains(g, e.UID) {
			all = append(all, Member{Type: "user", UID: e.UID})
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.UID, b.UID) })
	return all, nil
}

// MemberOf lists the groups a user is in, directly or not.
func (s *Store) MemberOf(domainUID, uid string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.memberOf(domainUID, uid)
}

func (s *Store) memberOf(domainUID, uid string) []string {
	groups := []string{}
	if d := s.domains[domainUID]; d != nil {
		for _, e := range d.entries {
			if e.Group != nil && d.contains(e, uid) {
				groups = append(groups, e.UID)
			}
		}
	}
	slices.Sort(groups)
	return groups
}

// RolesOf are a user's own roles and those of its groups.
func (s *Store) RolesOf(domainUID, uid string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rolesOf(domainUID, uid)
}

func (s *Store) rolesOf(domainUID, uid string) []string {
	if domainUID == GlobalDomain {
		return []string{RoleSystem, "selfChangePassword"}
	}
	roles := []string{}
	d := s.domains[domainUID]
	if d == nil {
		return roles
	}
	if e := d.entries[uid]; e != nil {
		roles = append(roles, e.Roles...)
	}
	for _, g := range s.memberOf(domainUID, uid) {
		roles = append(roles, d.entries[g].Roles...)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// RoleSystem passes every permission check in every domain.
const RoleSystem = "systemManagement"

func userRoles() []string {
	return []string{"hasCTI", "hasCalendar", "hasEAS", "hasMail", "hasWebmail", "selfChangeMailIdentities", "selfChangePassword", "self"}
}

func adminRoles() []string {
	return []string{"domainManager", "manageDomain", "manageGroup", "manageMailshare", "manageUser", "sudo"}
}
