package bmsim

import (
	"cmp"
	"encoding/json"
	"slices"

	"bmsync/bmapi/bmsim/internal/directory"
)

// state is all that an administrator provisions, without what differs between
// two runs that did the same: times, versions, numbers, secrets.
type state struct {
	Domains []domainState  `json:"domains"`
	Keys    map[string]int `json:"keys,omitempty"` // API keys alive, by login@domain uid
}

type domainState struct {
	UID         string            `json:"uid"`
	Value       directory.Domain  `json:"value"`
	Settings    map[string]string `json:"settings"`
	Assignments []string          `json:"assignments"` // "tag server"
	Entries     []entryState      `json:"entries"`
}

type entryState struct {
	Kind          string            `json:"kind"`
	Name          string            `json:"name"` // of the mailbox: a login, a share's name, "_" and a group's name
	UID           string            `json:"uid"`
	ExternalID    string            `json:"externalId,omitempty"`
	DisplayName   string            `json:"displayName"`
	Value         any               `json:"value"`
	Password      bool              `json:"password,omitempty"` // there is one
	Roles         []string          `json:"roles,omitempty"`
	Settings      map[string]string `json:"settings,omitempty"`
	Members       []string          `json:"members,omitempty"`       // "kind name"
	ACL           []string          `json:"acl,omitempty"`           // "kind name: verb", as stored
	Subscriptions []string          `json:"subscriptions,omitempty"` // "kind name", the own one left out
	Filter        *directory.Filter `json:"filter,omitempty"`
	Folders       []string          `json:"folders,omitempty"` // not with a Cyrus
}

// Snapshot tells all that is provisioned as JSON that can be compared: two
// simulators that were led to the same end give the same text, on whatever way.
func (s *Sim) Snapshot() string {
	all := state{Domains: []domainState{}, Keys: s.dir.KeysAlive()}
	for _, d := range s.dir.Domains() {
		if d.UID != directory.GlobalDomain {
			all.Domains = append(all.Domains, s.domainState(d))
		}
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err.Error() // nothing in it can't be written
	}
	return string(b) + "\n"
}

func (s *Sim) domainState(d directory.Item[directory.Domain]) domainState {
	x := domainState{UID: d.UID, Value: d.Value, Settings: s.dir.Settings(d.UID), Assignments: []string{}}
	for _, a := range s.dir.Assignments(d.UID) {
		x.Assignments = append(x.Assignments, a.Tag+" "+a.ServerUID)
	}
	slices.Sort(x.Assignments)
	for _, e := range s.dir.Entries(d.UID) {
		x.Entries = append(x.Entries, s.entryState(e))
	}
	slices.SortFunc(x.Entries, func(a, b entryState) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return x
}

func (s *Sim) entryState(e *directory.Entry) entryState {
	x := entryState{
		Kind: e.Kind, Name: e.MailboxName(), UID: e.UID, ExternalID: string(e.ExternalID), DisplayName: string(e.DisplayName),
		Value: plainValue(e), Password: e.Password != "", Roles: slices.Sorted(slices.Values(e.Roles)), Settings: e.Settings,
		Filter: e.Filter,
	}
	for _, m := range e.Members {
		x.Members = append(x.Members, s.named(e.Domain, m.UID))
	}
	for _, a := range e.ACL {
		x.ACL = append(x.ACL, s.named(e.Domain, a.Subject)+": "+string(a.Verb))
	}
	for _, sub := range e.Subs {
		if owner, err := s.dir.Container(sub.Container); err == nil && owner.UID != e.UID {
			x.Subscriptions = append(x.Subscriptions, s.named(owner.Domain, owner.UID))
		}
	}
	for _, list := range [][]string{x.Members, x.ACL, x.Subscriptions} {
		slices.Sort(list)
	}
	if _, real := s.back.(*behind); !real && e.HasMailbox() && e.Kind != directory.KindGroup {
		folders, err := s.view.Folders(s.ctx, box(e))
		for _, f := range folders {
			if !f.Deleted && err == nil {
				x.Folders = append(x.Folders, f.FullName)
			}
		}
	}
	return x
}

// named is an entry by kind and name, as its uid may differ; what is unknown
// stays a uid.
func (s *Sim) named(domainUID, uid string) string {
	if e, ok := s.dir.Entry(domainUID, uid); ok && e.MailboxName() != "" {
		return e.Kind + " " + e.MailboxName()
	}
	return uid
}

// plainValue is an entry's value with its addresses in order and no times.
func plainValue(e *directory.Entry) any {
	emails := slices.SortedFunc(slices.Values(e.Emails()), func(a, b directory.Email) int { return cmp.Compare(a.Address, b.Address) })
	switch {
	case e.User != nil:
		u := *e.User
		u.Emails, u.PasswordLastChange = emails, nil
		return u
	case e.Mailshare != nil:
		m := *e.Mailshare
		m.Emails = emails
		return m
	case e.External != nil:
		return *e.External
	case e.Plain != nil:
		return *e.Plain
	default:
		g := *e.Group
		g.Emails, g.MemberCount = emails, nil
		return g
	}
}
