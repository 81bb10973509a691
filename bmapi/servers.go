package bmapi

import (
	"context"
	"slices"
	"time"
)

// Tags of servers that matter here.
const (
	TagIMAP  = "mail/imap"
	TagSMTP  = "mail/smtp"
	TagCore  = "bm/core"
	TagIndex = "bm/es"
)

// Server is a machine of the installation. Its UID is what users have as dataLocation.
type Server struct {
	UID     string    `json:"-"`
	Created time.Time `json:"-"`
	IP      string    `json:"ip"`
	FQDN    string    `json:"fqdn"`
	Name    string    `json:"name"`
	Tags    []string  `json:"tags"`
}

// Has tells whether the server carries a tag.
func (s Server) Has(tag string) bool { return slices.Contains(s.Tags, tag) }

// Servers lists the machines of the installation.
//
// GET /servers/default/_complete
func (s *Session) Servers(ctx context.Context) ([]Server, error) {
	var items []item[Server]
	if err := s.do(ctx, "GET", at("/servers/default/_complete"), nil, &items); err != nil {
		return nil, err
	}
	servers := make([]Server, 0, len(items))
	for _, it := range items {
		it.Value.UID, it.Value.Created = it.UID, it.Created.time()
		servers = append(servers, it.Value)
	}
	return servers, nil
}

// Assignment is a server's work for a domain.
type Assignment struct {
	DomainUID string `json:"domainUid"`
	ServerUID string `json:"serverUid"`
	Tag       string `json:"tag"`
}

// Assignments lists which servers work for a domain.
//
// GET /servers/default/{domainUid}/assignments
func (s *Session) Assignments(ctx context.Context, domainUID string) ([]Assignment, error) {
	var as []Assignment
	err := s.do(ctx, "GET", at("/servers/default", domainUID, "assignments"), nil, &as)
	return as, err
}

// MailServers lists the uids of the servers that keep the domain's mail. None: no
// mailbox can be made there, see AssignServers.
//
// GET /servers/default/{domainUid}/byAssignment
func (s *Session) MailServers(ctx context.Context, domainUID string) ([]string, error) {
	var uids []string
	err := s.do(ctx, "GET", at("/servers/default", domainUID, "byAssignment").with("tag", TagIMAP), nil, &uids)
	return uids, err
}

// Assign gives a server work for a domain; repeating it is harmless.
//
// POST /servers/default/{domainUid}/assignments/{serverUid}/_assign
func (s *Session) Assign(ctx context.Context, domainUID, serverUID, tag string) error {
	return s.do(ctx, "POST", at("/servers/default", domainUID, "assignments", serverUID, "_assign").with("tag", tag), nil, nil)
}

// Unassign takes work for a domain from a server; where it has none, nothing happens.
//
// POST /servers/default/{domainUid}/assignments/{serverUid}/_unassign
func (s *Session) Unassign(ctx context.Context, domainUID, serverUID, tag string) error {
	return s.do(ctx, "POST", at("/servers/default", domainUID, "assignments", serverUID, "_unassign").with("tag", tag), nil, nil)
}

// AutoTags lists the tags that every new domain gets from every server.
//
// GET /system/domaintemplate
func (s *Session) AutoTags(ctx context.Context) ([]string, error) {
	var t struct {
		Kinds []struct {
			Tags []struct {
				Value      string `json:"value"`
				AutoAssign bool   `json:"autoAssign"`
			} `json:"tags"`
		} `json:"kinds"`
	}
	if err := s.do(ctx, "GET", at("/system/domaintemplate"), nil, &t); err != nil {
		return nil, err
	}
	var tags []string
	for _, k := range t.Kinds {
		for _, tag := range k.Tags {
			if tag.AutoAssign {
				tags = append(tags, tag.Value)
			}
		}
	}
	return tags, nil
}
