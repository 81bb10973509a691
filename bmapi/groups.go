package bmapi

import (
	"context"
	"encoding/json"
	"maps"
)

// Group is a list of people, with or without addresses. What the server says beyond
// these fields goes back with UpdateGroup.
type Group struct {
	UID           string // "" before creation
	Version       int64  // grows with changes
	ExternalID    string // what a directory (LDAP, AD) knows it by; "": it is BlueMind's own
	Name          string
	Description   string
	Emails        []Email
	Hidden        bool // from address books
	HiddenMembers bool
	MailArchived  bool              // keeps a copy in a mailbox of its own; needs DataLocation
	DataLocation  string            // server uid
	Properties    map[string]string // is_profile: one of the two groups that every domain has

	rest document
}

type groupWire struct {
	Name          string            `json:"name"`
	Description   *string           `json:"description"`
	Emails        []Email           `json:"emails"`
	Hidden        bool              `json:"hidden"`
	HiddenMembers bool              `json:"hiddenMembers"`
	MailArchived  bool              `json:"mailArchived"`
	DataLocation  *string           `json:"dataLocation"`
	Properties    map[string]string `json:"properties"`
}

// UnmarshalJSON reads the value of a group's item.
func (g *Group) UnmarshalJSON(data []byte) error {
	var w groupWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	if err := g.rest.read(data); err != nil {
		return err
	}
	*g = Group{rest: g.rest, Name: w.Name, Description: deref(w.Description), Emails: w.Emails, Hidden: w.Hidden,
		HiddenMembers: w.HiddenMembers, MailArchived: w.MailArchived, DataLocation: deref(w.DataLocation), Properties: w.Properties}
	return nil
}

// MarshalJSON writes the value for a group's item, over what was read.
func (g Group) MarshalJSON() ([]byte, error) {
	w := groupWire{Name: g.Name, Emails: lowerEmails(g.Emails), Hidden: g.Hidden, HiddenMembers: g.HiddenMembers,
		MailArchived: g.MailArchived, Properties: map[string]string{}}
	if g.Description != "" {
		w.Description = &g.Description
	}
	if g.DataLocation != "" {
		w.DataLocation = &g.DataLocation
	}
	maps.Copy(w.Properties, g.Properties)
	return g.rest.over(w)
}

// DefaultEmail is the main address, "" if there is none.
func (g *Group) DefaultEmail() string { return defaultEmail(g.Emails) }

// Profile tells whether it is one of the two groups that every domain has and that
// carry roles: user and admin.
func (g *Group) Profile() bool { return g.Properties["is_profile"] == "true" }

// UsersGroup is the name of the group that gives the web and sync roles. It exists in
// every domain; IMAP needs it not.
const UsersGroup = "user"

// Types of members.
const (
	MemberUser     = "user"
	MemberGroup    = "group"
	MemberExternal = "external_user"
)

// Member is an element of a group.
type Member struct {
	Type string `json:"type"` // MemberUser, MemberGroup, MemberExternal
	UID  string `json:"uid"`
}

func groupOf(it item[Group]) *Group {
	g := it.Value
	g.UID, g.Version, g.ExternalID = it.UID, it.Version, it.ExternalID
	return &g
}

func (s *Session) readGroup(ctx context.Context, to endpoint) (*Group, error) {
	it, err := get[Group](ctx, s, to)
	if err != nil {
		return nil, err
	}
	return groupOf(it), nil
}

// Group reads a group by uid, or ErrNotFound.
//
// GET /groups/{domainUid}/{uid}/complete
func (s *Session) Group(ctx context.Context, domainUID, uid string) (*Group, error) {
	return s.readGroup(ctx, at("/groups", domainUID, uid, "complete"))
}

// GroupByName finds a group by name.
//
// GET /groups/{domainUid}/byName/{name}
func (s *Session) GroupByName(ctx context.Context, domainUID, name string) (*Group, error) {
	return s.readGroup(ctx, at("/groups", domainUID, "byName", name))
}

// GroupByEmail finds a group by any of its addresses.
//
// GET /groups/{domainUid}/byEmail/{email}
func (s *Session) GroupByEmail(ctx context.Context, domainUID, address string) (*Group, error) {
	return s.readGroup(ctx, at("/groups", domainUID, "byEmail", lowered(address)))
}

// GroupByExtID finds a group by what a directory knows it by.
//
// GET /groups/{domainUid}/_extid/{extid}
func (s *Session) GroupByExtID(ctx context.Context, domainUID, extID string) (*Group, error) {
	return s.readGroup(ctx, at("/groups", domainUID, "_extid", extID))
}

// GroupUIDs lists the uids of all groups of a domain.
//
// GET /groups/{domainUid}/_alluids
func (s *Session) GroupUIDs(ctx context.Context, domainUID string) ([]string, error) {
	return s.texts(ctx, at("/groups", domainUID, "_alluids"))
}

// CreateGroup makes a group. Look first, and after ErrAlreadyExists with MaybeDone again.
//
// PUT /groups/{domainUid}/{uid}
func (s *Session) CreateGroup(ctx context.Context, domainUID, uid string, g *Group) error {
	if err := checkEmails(g.Emails); err != nil {
		return err
	}
	return s.do(ctx, "PUT", at("/groups", domainUID, uid), g, nil)
}

// UpdateGroup replaces a group by g, as read and changed. Its members stay.
//
// POST /groups/{domainUid}/{uid}
func (s *Session) UpdateGroup(ctx context.Context, domainUID string, g *Group) error {
	if err := checkEmails(g.Emails); err != nil {
		return err
	}
	return s.do(ctx, "POST", at("/groups", domainUID, g.UID), g, nil)
}

// DeleteGroup deletes a group and waits for it. One that does not exist is fine.
//
// DELETE /groups/{domainUid}/{uid}
func (s *Session) DeleteGroup(ctx context.Context, domainUID, uid string) error {
	return s.remove(ctx, at("/groups", domainUID, uid), func() (bool, error) {
		_, err := s.Group(ctx, domainUID, uid)
		return isGone(err)
	})
}

// Members lists a group's elements, without those of groups within.
//
// GET /groups/{domainUid}/{uid}/members
func (s *Session) Members(ctx context.Context, domainUID, groupUID string) ([]Member, error) {
	return s.members(ctx, at("/groups", domainUID, groupUID, "members"))
}

// ExpandedMembers lists the users and external users of a group and of groups within.
//
// GET /groups/{domainUid}/{uid}/expandedmembers
func (s *Session) ExpandedMembers(ctx context.Context, domainUID, groupUID string) ([]Member, error) {
	return s.members(ctx, at("/groups", domainUID, groupUID, "expandedmembers"))
}

func (s *Session) members(ctx context.Context, to endpoint) ([]Member, error) {
	var ms []Member
	err := s.do(ctx, "GET", to, nil, &ms)
	return ms, err
}

// AddMembers adds elements to a group; repeating it is harmless. Without members
// nothing is sent.
//
// PUT /groups/{domainUid}/{uid}/members
func (s *Session) AddMembers(ctx context.Context, domainUID, groupUID string, members ...Member) error {
	if len(members) == 0 {
		return nil
	}
	return s.do(ctx, "PUT", at("/groups", domainUID, groupUID, "members"), members, nil)
}

// RemoveMembers takes elements out of a group. Without members nothing is sent.
//
// DELETE /groups/{domainUid}/{uid}/members
func (s *Session) RemoveMembers(ctx context.Context, domainUID, groupUID string, members ...Member) error {
	if len(members) == 0 {
		return nil
	}
	return s.do(ctx, "DELETE", at("/groups", domainUID, groupUID, "members"), members, nil)
}

// AddToGroup adds users to a group given by name, such as UsersGroup. Its uid differs
// between versions.
func (s *Session) AddToGroup(ctx context.Context, domainUID, groupName string, userUIDs ...string) error {
	g, err := s.GroupByName(ctx, domainUID, groupName)
	if err != nil {
		return err
	}
	members := make([]Member, 0, len(userUIDs))
	for _, uid := range userUIDs {
		members = append(members, Member{Type: MemberUser, UID: uid})
	}
	return s.AddMembers(ctx, domainUID, g.UID, members...)
}

// GroupsOf lists the uids of the groups that a user is a member of, by himself or through
// other groups: Members tells which.
//
// GET /users/{domainUid}/{uid}/groupUids
func (s *Session) GroupsOf(ctx context.Context, domainUID, userUID string) ([]string, error) {
	return s.texts(ctx, at("/users", domainUID, userUID, "groupUids"))
}

// GroupParents lists the groups that a group is a direct member of.
//
// GET /groups/{domainUid}/{uid}/parents
func (s *Session) GroupParents(ctx context.Context, domainUID, groupUID string) ([]*Group, error) {
	return all(ctx, s, at("/groups", domainUID, groupUID, "parents"), groupOf)
}
