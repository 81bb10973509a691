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

// Expand lists a verb and all it holds.
func (s *Store) Expand(v Verb) []Verb {
	of := implied
	if s.opts.Version < 5 {
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

// SetACL replaces the rights on a container. Subjects that lose all rights lose
// their subscription, too.
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
	s.notify(e, before, s.compacted(list))
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

// compacted gives for each subject the verbs that no other of its verbs holds.
func (s *Store) compacted(list []ACE) map[string][]Verb {
	bySubject := map[string][]Verb{}
	for _, a := range list {
		bySubject[a.Subject] = append(bySubject[a.Subject], a.Verb)
	}
	for subject, all := range bySubject {
		top := slices.DeleteFunc(slices.Clone(all), func(v Verb) bool {
			return slices.ContainsFunc(all, func(w Verb) bool { return w != v && s.can(w, v) })
		})
		slices.Sort(top)
		bySubject[subject] = slices.Compact(top)
	}
	return bySubject
}

// notify tells whom BlueMind 5 would write to: new subjects only when nothing
// was removed or changed in the same call.
func (s *Store) notify(e *Entry, before, after map[string][]Verb) {
	if s.opts.Version < 5 {
		return
	}
	var added, changed, removed []string
	for _, subject := range slices.Sorted(maps.Keys(after)) {
		if old, ok := before[subject]; !ok {
			added = append(added, subject)
		} else if !slices.Equal(old, after[subject]) {
			changed = append(changed, subject)
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[subject]; !ok {
			removed = append(removed, subject)
		}
	}
	told := changed
	if len(removed) == 0 && len(changed) == 0 {
		told = added
	} else if len(added) == 0 {
		told = append(told, removed...)
	}
	for _, subject := range told {
		if who := s.byUID[subject]; who != nil && who.DefaultEmail() != "" {
			s.opts.OnNotify(e.UID, subject)
		}
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
