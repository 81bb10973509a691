package directory

import (
	"maps"
	"slices"
	"strings"
)

// Verb is a right on a container.
type Verb string

var verbs = []string{"Invitation", "Freebusy", "SendOnBehalf", "SendAs", "Read", "ReadExtended", "Write", "Manage", "All"}

// UnmarshalJSON reads a verb.
func (v *Verb) UnmarshalJSON(b []byte) error { return enum((*string)(v), b, verbs...) }

// implied are the verbs a verb holds directly, in BlueMind 5.
func implied(v Verb) []Verb {
	switch v {
	case "Freebusy":
		return []Verb{"Invitation"}
	case "SendAs":
		return []Verb{"SendOnBehalf"}
	case "Read":
		return []Verb{"Freebusy"}
	case "ReadExtended", "Write":
		return []Verb{"Read"}
	case "All":
		return []Verb{"Write", "Manage", "SendOnBehalf", "SendAs", "ReadExtended"}
	}
	return nil
}

// implied4 is the same for BlueMind 4: no SendAs, no ReadExtended, and Write
// holds SendOnBehalf.
func implied4(v Verb) []Verb {
	switch v {
	case "Write":
		return []Verb{"Read", "SendOnBehalf"}
	case "All":
		return []Verb{"Write", "Manage"}
	case "SendAs", "ReadExtended":
		return nil
	}
	return implied(v)
}

// implied3 is the same for 3.5, which has no SendOnBehalf.
func implied3(v Verb) []Verb {
	if v == "Write" {
		return []Verb{"Read"}
	}
	return implied4(v)
}

// Knows tells whether the version has a verb.
func (s *Store) Knows(v Verb) bool {
	switch v {
	case "SendAs", "ReadExtended":
		return s.opts.Version >= 5
	case "SendOnBehalf":
		return s.opts.Version >= 4
	}
	return true
}

// Expand lists a verb and all it holds.
func (s *Store) Expand(v Verb) []Verb {
	of := implied
	switch {
	case s.opts.Version < 4:
		of = implied3
	case s.opts.Version < 5:
		of = implied4
	}
	all := []Verb{v}
	for i := 0; i < len(all); i++ {
		for _, w := range of(all[i]) {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

func (s *Store) can(v, wanted Verb) bool { return slices.Contains(s.Expand(v), wanted) }

// ACE is one line of an access control list.
type ACE struct {
	Subject string `json:"subject"`
	Verb    Verb   `json:"verb"`
}

const aclPrefix = "mailbox:acls-"

// ACLContainer names the container of a mailbox's rights.
func ACLContainer(entryUID string) string { return aclPrefix + entryUID }

func (s *Store) container(uid string) (*Entry, error) {
	if rest, ok := strings.CutPrefix(uid, aclPrefix); ok {
		if e := s.byUID[rest]; e != nil && e.HasMailbox() && !e.NoACL {
			return e, nil
		}
	}
	return nil, Faultf(NotFound, "container %s not found", uid)
}

// SetNoACL takes the container of an entry's rights away, as a failed hook
// leaves it, or makes it.
func (s *Store) SetNoACL(e *Entry, missing bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[e.Domain]
	if d == nil || d.entries[e.UID] == nil {
		return nil
	}
	n := *d.entries[e.UID]
	n.NoACL = missing
	return s.put(&n)
}

// Container returns the entry whose rights a container holds.
func (s *Store) Container(uid string) (*Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.container(uid)
}

// ACL lists the rights on a container, each verb with all it holds, and for a
// user's box the owner's.
func (s *Store) ACL(uid string) ([]ACE, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.container(uid)
	if err != nil {
		return nil, err
	}
	return s.expanded(e), nil
}

func (s *Store) expanded(e *Entry) []ACE {
	list := slices.Clone(e.ACL)
	if e.User != nil {
		list = append(list, ACE{e.UID, "All"})
	}
	all := []ACE{}
	for _, a := range list {
		for _, v := range s.Expand(a.Verb) {
			if x := (ACE{a.Subject, v}); !slices.Contains(all, x) {
				all = append(all, x)
			}
		}
	}
	slices.SortFunc(all, func(a, b ACE) int {
		if c := strings.Compare(a.Subject, b.Subject); c != 0 {
			return c
		}
		return slices.Index(verbs, string(a.Verb)) - slices.Index(verbs, string(b.Verb))
	})
	return all
}

// SetACL replaces the rights on a container. Who has none of any kind left loses
// the subscription, too.
func (s *Store) SetACL(by, uid string, list []ACE) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.container(uid)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Verb == "" || a.Subject == "" {
			return Faultf(Failure, "subject and verb of a right must be set")
		}
		if a.Subject == e.Domain {
			return Faultf(Forbidden, "public rights are not allowed on a mailbox")
		}
	}
	if e.Mailshare != nil && s.opts.Version >= 5 {
		list = s.sendAs(e, list)
	}
	before := s.compacted(s.expanded(e))
	n := *e
	n.Meta, n.ACL = s.touched(e.Meta, by), slices.DeleteFunc(slices.Clone(list), func(a ACE) bool {
		return e.User != nil && a.Subject == e.UID // the owner's rights are not stored
	})
	if err := s.put(&n); err != nil {
		return err
	}
	s.notify(by, e, before, s.compacted(list))
	return s.unsubscribeLost(&n)
}

// sendAs adds SendAs where Write is new and removes it where Write is gone.
func (s *Store) sendAs(e *Entry, list []ACE) []ACE {
	writers := func(l []ACE) map[string]bool {
		set := map[string]bool{}
		for _, a := range l {
			if s.can(a.Verb, "Write") {
				set[a.Subject] = true
			}
		}
		return set
	}
	old, now := writers(e.ACL), writers(list)
	list = slices.DeleteFunc(slices.Clone(list), func(a ACE) bool {
		return a.Verb == "SendAs" && old[a.Subject] && !now[a.Subject]
	})
	for _, subject := range slices.Sorted(maps.Keys(now)) {
		if x := (ACE{subject, "SendAs"}); !old[subject] && !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// compacted leaves out the verbs that another one of the same subject holds.
func (s *Store) compacted(list []ACE) []ACE {
	var top []ACE
	for _, a := range list {
		covered := slices.ContainsFunc(list, func(b ACE) bool { return a.Subject == b.Subject && a.Verb != b.Verb && s.can(b.Verb, a.Verb) })
		if !covered && !slices.Contains(top, a) {
			top = append(top, a)
		}
	}
	return top
}

// notify tells whom BlueMind 5 would write to, as its hook counts: a subject that
// is in both differences is told of an update; new lines are told of only when
// none has gone, and gone ones only when none is new. Who does it is not told.
func (s *Store) notify(by string, e *Entry, before, after []ACE) {
	if s.opts.Version < 5 {
		return
	}
	minus := func(a, b []ACE) (subjects []string) {
		for _, x := range a {
			if !slices.Contains(b, x) && x.Subject != by && !slices.Contains(subjects, x.Subject) {
				subjects = append(subjects, x.Subject)
			}
		}
		slices.Sort(subjects)
		return subjects
	}
	tell := func(subjects []string, kind string) {
		for _, subject := range subjects {
			if who := s.byUID[subject]; who != nil && who.DefaultEmail() != "" {
				s.opts.OnNotify(e.UID, subject, kind)
			}
		}
	}
	added, removed := minus(after, before), minus(before, after)
	tell(slices.DeleteFunc(slices.Clone(added), func(x string) bool { return !slices.Contains(removed, x) }), "updated")
	if len(removed) == 0 {
		tell(added, "added")
	}
	if len(added) == 0 {
		tell(removed, "removed")
	}
}

// Allowed tells whether a user, with the groups given, has a right on an entry's
// mailbox. Owners have all.
func (s *Store) Allowed(userUID string, groups []string, e *Entry, wanted Verb) bool {
	if e.UID == userUID {
		return true
	}
	return slices.ContainsFunc(e.ACL, func(a ACE) bool {
		return (a.Subject == userUID || slices.Contains(groups, a.Subject)) && s.can(a.Verb, wanted)
	})
}
