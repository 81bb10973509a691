package directory

import (
	"slices"
	"strings"
)

// Home is a container in which a user keeps what isn't mail.
type Home struct {
	UID   string `json:"uid"`
	Type  string `json:"type"`
	Items int    `json:"items"`
}

// made are the containers that come with a user.
func made(userUID string) []Home {
	return []Home{{UID: "calendar:Default:" + userUID, Type: "calendar"}, {UID: "book:Contacts_" + userUID, Type: "addressbook"},
		{UID: "book:CollectedContacts_" + userUID, Type: "addressbook"}, {UID: "todolist:default_" + userUID, Type: "todolist"},
		{UID: "notes:default_" + userUID, Type: "notes"}}
}

func (e *Entry) homes() []Home {
	if e.User == nil || e.User.System {
		return nil
	}
	all := made(e.UID)
	for _, h := range e.Homes {
		if i := slices.IndexFunc(all, func(x Home) bool { return x.UID == h.UID }); i >= 0 {
			all[i] = h
		} else {
			all = append(all, h)
		}
	}
	return all
}

// Homes are the containers of a user.
func (s *Store) Homes(userUID string) []Home {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byUID[userUID]; e != nil {
		return e.homes()
	}
	return nil
}

// Home finds a user's container, and the user.
func (s *Store) Home(uid string) (*Entry, Home, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	is := func(h Home) bool { return h.UID == uid }
	for _, h := range made("") {
		if user, ok := strings.CutPrefix(uid, h.UID); ok && s.byUID[user] != nil {
			if all := s.byUID[user].homes(); slices.ContainsFunc(all, is) {
				return s.byUID[user], all[slices.IndexFunc(all, is)], nil
			}
		}
	}
	for _, e := range s.byUID {
		if i := slices.IndexFunc(e.Homes, is); i >= 0 {
			return e, e.Homes[i], nil
		}
	}
	return nil, Home{}, Faultf(NotFound, "container %s not found", uid)
}

// SetHome says what a container of a user holds. It is made unless it is there.
func (s *Store) SetHome(userUID string, h Home) error {
	return s.change(userUID, s.DomainOf(userUID), userUID, KindUser, func(e *Entry) error {
		e.Homes = append(slices.DeleteFunc(slices.Clone(e.Homes), func(x Home) bool { return x.UID == h.UID }), h)
		return nil
	})
}

// innate are the entries that a domain has by itself: its own, and the address
// book that shows the directory.
func (s *Store) innate(domainUID string) []*Entry {
	d, ok := s.Domain(domainUID)
	if !ok || domainUID == GlobalDomain {
		return nil
	}
	self := &Entry{Meta: d.Meta, Domain: domainUID, Kind: KindDomain, Plain: &Base{System: true, Hidden: true}}
	book := &Entry{Meta: d.Meta, Domain: domainUID, Kind: KindBook, Plain: &Base{System: true}}
	book.UID, book.DisplayName = "addressbook_"+domainUID, "$$domain.addressbook$$"
	return []*Entry{self, book}
}

// AddPlain makes an entry of a kind that is only listed.
func (s *Store) AddPlain(by, domainUID, uid, kind, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[domainUID]
	if d == nil {
		return noDomain(domainUID)
	}
	if d.entries[uid] != nil {
		return Faultf(AlreadyExists, "entry %s already exists", uid)
	}
	e := &Entry{Meta: s.meta(uid, by), Domain: domainUID, Kind: kind, Plain: &Base{Emails: []Email{}}}
	e.DisplayName = Text(name)
	return s.put(e)
}
