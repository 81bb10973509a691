package directory

import (
	"slices"
	"strings"
)

// TagIMAP is the role that a mailbox needs of its server.
const TagIMAP = "mail/imap"

// AutoTags are the tags that a domain gets of every server that has them.
func AutoTags(version int) []string {
	tags := strings.Fields("mail/smtp mail/imap bm/es bm/core bm/ac bm/cal bm/contact bm/settings bm/redirector bm/nginx bm/pgsql")
	if version < 5 {
		return append(tags, "bm/hps", "bm/xmpp")
	}
	return append(tags, "bm/es-data", "bm/pgsql-data", "bm/keycloak", "metrics/influxdb")
}

// DefaultTags are those of an installation's only server.
func DefaultTags(version int) []string {
	return append(slices.DeleteFunc(AutoTags(version), func(t string) bool { return t == "bm/keycloak" }), "bm/webmail")
}

// NewServer makes a server.
func NewServer(uid string, tags []string) Item[Server] {
	return Item[Server]{
		Value: Server{IP: "127.0.0.1", FQDN: "localhost", Name: uid, Tags: tags},
		Meta:  Meta{UID: uid, InternalID: 1, Version: 1, DisplayName: Text(uid), Flags: []string{}},
	}
}

// Servers lists the installation's servers.
func (s *Store) Servers() []Item[Server] { return s.opts.Servers }

// Server returns one of them.
func (s *Store) Server(uid string) (Item[Server], bool) {
	i := slices.IndexFunc(s.opts.Servers, func(x Item[Server]) bool { return x.UID == uid })
	if i < 0 {
		return Item[Server]{}, false
	}
	return s.opts.Servers[i], true
}

// Assignments lists what a domain has been given.
func (s *Store) Assignments(domainUID string) []Assignment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.domains[domainUID]; d != nil {
		return append([]Assignment{}, d.Assignments...)
	}
	return []Assignment{}
}

// ServerAssignments lists what a server has been given to, over all domains.
func (s *Store) ServerAssignments(serverUID string) []Assignment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := []Assignment{}
	for _, d := range s.domains {
		for _, a := range d.Assignments {
			if a.ServerUID == serverUID {
				all = append(all, a)
			}
		}
	}
	return all
}

// ByAssignment lists the servers a domain has for a tag.
func (s *Store) ByAssignment(domainUID, tag string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byAssignment(domainUID, tag)
}

func (s *Store) byAssignment(domainUID, tag string) []string {
	uids := []string{}
	if d := s.domains[domainUID]; d != nil {
		for _, a := range d.Assignments {
			if a.Tag == tag {
				uids = append(uids, a.ServerUID)
			}
		}
	}
	return uids
}

// Assign gives a domain a server for a tag; again is harmless. The tag
// mail/imap also gives the two default groups their server.
func (s *Store) Assign(by, domainUID, serverUID, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	server, ok := s.Server(serverUID)
	if !ok {
		return Faultf(NotFound, "server %s not found for assignment of %s to %s", serverUID, tag, domainUID)
	}
	d := s.domains[domainUID]
	if d == nil {
		return Faultf(NotFound, "domain %s not found for assignment of %s to server %s", domainUID, tag, serverUID)
	}
	if !slices.Contains(server.Value.Tags, tag) {
		return Faultf(Unknown, "assignment of server %s without tag %s refused", serverUID, tag)
	}
	a := Assignment{DomainUID: domainUID, ServerUID: serverUID, Tag: tag}
	if slices.Contains(d.Assignments, a) {
		return nil
	}
	err := s.changeDomain(by, d, func(n *domain) { n.Assignments = append(slices.Clone(d.Assignments), a) })
	if err != nil || tag != TagIMAP {
		return err
	}
	for _, name := range []string{"user", "admin"} {
		g := s.domains[domainUID].entries[domainUID+"_"+name+"_group"]
		if g == nil || g.Group.DataLocation != "" {
			continue
		}
		n, v := *g, *g.Group
		v.DataLocation = Text(serverUID)
		n.Group, n.Meta = &v, s.touched(g.Meta, by)
		if err := s.put(&n); err != nil {
			return err
		}
	}
	return nil
}

// Unassign takes an assignment back.
func (s *Store) Unassign(by, domainUID, serverUID, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.Server(serverUID); !ok {
		return Faultf(NotFound, "server %s not found", serverUID)
	}
	d := s.domains[domainUID]
	if d == nil {
		return Faultf(NotFound, "domain %s not found", domainUID)
	}
	a := Assignment{DomainUID: domainUID, ServerUID: serverUID, Tag: tag}
	return s.changeDomain(by, d, func(n *domain) {
		n.Assignments = slices.DeleteFunc(slices.Clone(d.Assignments), func(x Assignment) bool { return x == a })
	})
}

// place is the server of a new box: the one asked for, else one of the domain's
// in turn, else "".
func (s *Store) place(domainUID string, asked Text) Text {
	if strings.TrimSpace(string(asked)) != "" {
		return asked
	}
	uids := s.byAssignment(domainUID, TagIMAP)
	if len(uids) == 0 {
		return ""
	}
	s.turn++
	return Text(uids[s.turn%len(uids)])
}
