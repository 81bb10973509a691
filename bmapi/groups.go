package bmapi

import "context"

// Group is a list of people, with or without addresses.
type Group struct {
	UID           string            `json:"-"`
	Name          string            `json:"name"`
	Description   string            `json:"description"`
	Emails        []Email           `json:"emails"`
	Hidden        bool              `json:"hidden"`
	HiddenMembers bool              `json:"hiddenMembers"`
	MailArchived  bool              `json:"mailArchived"` // keeps a copy in a mailbox of its own; needs DataLocation
	DataLocation  string            `json:"dataLocation,omitempty"`
	Properties    map[string]string `json:"properties"`
}

// UsersGroup is the name of the group that gives the web and sync roles. It exists in
// every domain; IMAP needs it not.
const UsersGroup = "user"

// Member is an element of a group.
type Member struct {
	Type string `json:"type"` // user, group, external_user
	UID  string `json:"uid"`
}

// GroupByName finds a group by name.
//
// GET /groups/{domainUid}/byName/{name}
func (s *Session) GroupByName(ctx context.Context, domainUID, name string) (*Group, error) {
	it, err := get[Group](ctx, s, at("/groups", domainUID, "byName", name))
	if err != nil {
		return nil, err
	}
	it.Value.UID = it.UID
	return &it.Value, nil
}

// CreateGroup makes a group. Look first, and after ErrAlreadyExists with MaybeDone again.
//
// PUT /groups/{domainUid}/{uid}
func (s *Session) CreateGroup(ctx context.Context, domainUID, uid string, g *Group) error {
	sent := *g
	sent.Emails = lowerEmails(g.Emails)
	if sent.Properties == nil {
		sent.Properties = map[string]string{}
	}
	return s.do(ctx, "PUT", at("/groups", domainUID, uid), sent, nil)
}

// Members lists a group's elements, without those of groups within.
//
// GET /groups/{domainUid}/{uid}/members
func (s *Session) Members(ctx context.Context, domainUID, groupUID string) ([]Member, error) {
	var ms []Member
	err := s.do(ctx, "GET", at("/groups", domainUID, groupUID, "members"), nil, &ms)
	return ms, err
}

// AddMembers adds elements to a group; repeating it is harmless.
//
// PUT /groups/{domainUid}/{uid}/members
func (s *Session) AddMembers(ctx context.Context, domainUID, groupUID string, members ...Member) error {
	return s.do(ctx, "PUT", at("/groups", domainUID, groupUID, "members"), members, nil)
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
		members = append(members, Member{Type: "user", UID: uid})
	}
	return s.AddMembers(ctx, domainUID, g.UID, members...)
}
