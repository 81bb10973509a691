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

// GroupQuery selects groups by name, or by a property.
type GroupQuery struct {
	Name       string            `json:"name"`
	Properties map[string]string `json:"properties"`
}

// SearchGroups lists the groups that a query selects, by name.
func (s *Store) SearchGroups(domainUID string, q GroupQuery) []Item[Group] {
	all := []Item[Group]{}
	for _, e := range s.Entries(domainUID) {
		if e.Group == nil || q.Name != "" && string(e.Group.Name) != q.Name {
			continue
		}
		fits := true
		for k, v := range q.Properties {
			fits = fits && e.Group.Properties[k] == v
		}
		if fits {
			all = append(all, e.GroupItem())
		}
	}
	return all
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
		if e.User != nil && e.User.AccountType == "SIMPLE" {
			return simpleRoles() // whatever the groups give
		}
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

func simpleRoles() []string {
	return []string{"hasMailWebapp", "mailForwarding", "readDomainFilters", "selfChangeMailIdentities", "selfChangeMailboxFilter", "selfChangePassword", "selfChangeSettings"}
}

func adminRoles() []string {
	return []string{"domainManager", "manageDomain", "manageGroup", "manageMailshare", "manageUser", "sudo"}
}
