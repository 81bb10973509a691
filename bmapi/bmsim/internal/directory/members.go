package directory

import (
	"cmp"
	"slices"
	"strings"
)

// AddMembers adds members to a group; repeating it is harmless.
func (s *Store) AddMembers(by, domainUID, uid string, members []Member) error {
	return s.change(by, domainUID, uid, KindGroup, func(g *Entry) error {
		d := s.domains[domainUID]
		if err := d.validMembers(members); err != nil {
			return err
		}
		list := slices.Clone(g.Members)
		for _, m := range members {
			if e := d.entries[m.UID]; e.Group != nil && (m.UID == uid || d.contains(e, uid)) {
				return Faultf(GroupLoop, "Group loop detected")
			}
			if !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
		g.Members = list
		return nil
	})
}

// RemoveMembers takes members out of a group. They must exist; that they are
// members isn't asked.
func (s *Store) RemoveMembers(by, domainUID, uid string, members []Member) error {
	return s.change(by, domainUID, uid, KindGroup, func(g *Entry) error {
		if err := s.domains[domainUID].validMembers(members); err != nil {
			return err
		}
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return slices.Contains(members, m) })
		return nil
	})
}

// memberType is what an entry is called as a member of a group; "": it can't be
// one.
func memberType(e *Entry) MemberType {
	switch e.Kind {
	case KindUser:
		return "user"
	case KindGroup:
		return "group"
	case KindExternal:
		return "external_user"
	}
	return ""
}

func (d *domain) validMembers(members []Member) error {
	for _, m := range members {
		if m.Type == "" || m.UID == "" {
			return Faultf(InvalidParameter, "Invalid member")
		}
		if e := d.entries[m.UID]; e == nil || memberType(e) != m.Type {
			return Faultf(InvalidParameter, "No %s with uid %s found", strings.ReplaceAll(string(m.Type), "_", " "), m.UID)
		}
	}
	return nil
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

// ExpandedMembers lists the users and external users of a group, those of its
// groups included.
func (s *Store) ExpandedMembers(domainUID, uid string) ([]Member, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, g, err := s.find(domainUID, uid, KindGroup)
	if err != nil {
		return nil, err
	}
	all := d.expand(g, []Member{})
	slices.SortFunc(all, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.UID, b.UID)) })
	return slices.Compact(all), nil
}

func (d *domain) expand(g *Entry, all []Member) []Member {
	for _, m := range g.Members {
		e := d.entries[m.UID]
		switch {
		case e == nil:
		case e.Group != nil:
			all = d.expand(e, all)
		default:
			all = append(all, m)
		}
	}
	return all
}

// MemberOf lists the uids of the groups that an entry is in, directly or not.
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
