package directory

import (
	"errors"
	"slices"
)

// Subscription makes a mailbox appear for a user.
type Subscription struct {
	Container   string `json:"containerUid"`
	OfflineSync bool   `json:"offlineSync"`
	Automount   bool   `json:"automount"`
}

// SubscriptionItem is a subscription as the API lists it.
type SubscriptionItem struct {
	ContainerUID     string `json:"containerUid"`
	ContainerType    string `json:"containerType"`
	Owner            string `json:"owner"`
	OwnerDisplayName Text   `json:"ownerDisplayName"`
	Name             string `json:"name"`
	DefaultContainer bool   `json:"defaultContainer"`
	OfflineSync      bool   `json:"offlineSync"`
	Automount        bool   `json:"automount"`
}

// Subscribe adds subscriptions, one after the other till one names a container
// that isn't there. Repeating one changes its offlineSync only; an unknown user is
// not noticed.
func (s *Store) Subscribe(domainUID, userUID string, subs []Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changeSubs(domainUID, userUID, subs, func(list []Subscription, x Subscription) []Subscription {
		for i := range list {
			if list[i].Container == x.Container {
				list[i].OfflineSync = x.OfflineSync
				return list
			}
		}
		return append(list, x)
	})
}

// SetAutomount changes automount of subscriptions that are there.
func (s *Store) SetAutomount(domainUID, userUID string, subs []Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changeSubs(domainUID, userUID, subs, func(list []Subscription, x Subscription) []Subscription {
		for i := range list {
			if list[i].Container == x.Container {
				list[i].Automount = x.Automount
			}
		}
		return list
	})
}

func (s *Store) changeSubs(domainUID, userUID string, subs []Subscription, with func([]Subscription, Subscription) []Subscription) error {
	var unknown error
	_, u, err := s.find(domainUID, userUID, KindUser)
	if err != nil { // BlueMind answers OK and stores nothing
		u = &Entry{}
	}
	n := *u
	n.Subs = slices.Clone(u.Subs)
	for _, x := range subs {
		if _, unknown = s.container(x.Container); unknown != nil {
			break
		}
		n.Subs = with(n.Subs, x)
	}
	if u.UID == "" || slices.Equal(n.Subs, u.Subs) {
		return unknown
	}
	return errors.Join(s.put(&n), unknown)
}

// Unsubscribe removes subscriptions, but for that to a user's own box.
func (s *Store) Unsubscribe(domainUID, userUID string, containers []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.find(domainUID, userUID, KindUser)
	if err != nil {
		return nil // as in Subscribe
	}
	own := ACLContainer(userUID)
	return s.withoutSubs(u, slices.DeleteFunc(slices.Clone(containers), func(c string) bool { return c == own }))
}

func (s *Store) withoutSubs(u *Entry, containers []string) error {
	n := *u
	n.Subs = slices.DeleteFunc(slices.Clone(u.Subs), func(x Subscription) bool { return slices.Contains(containers, x.Container) })
	if len(n.Subs) == len(u.Subs) {
		return nil
	}
	return s.put(&n)
}

// unsubscribeLost ends the subscriptions of users who have no right on e left.
func (s *Store) unsubscribeLost(e *Entry) error {
	d, c := s.domains[e.Domain], ACLContainer(e.UID)
	for _, u := range d.entries {
		if u.User == nil || u.UID == e.UID || !slices.ContainsFunc(u.Subs, func(x Subscription) bool { return x.Container == c }) {
			continue
		}
		groups := s.memberOf(e.Domain, u.UID)
		if slices.ContainsFunc(e.ACL, func(a ACE) bool { return a.Subject == u.UID || slices.Contains(groups, a.Subject) }) {
			continue
		}
		if err := s.withoutSubs(u, []string{c}); err != nil {
			return err
		}
	}
	return nil
}

// Subscriptions lists what a user is subscribed to.
func (s *Store) Subscriptions(domainUID, userUID string) []SubscriptionItem {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := []SubscriptionItem{}
	_, u, err := s.find(domainUID, userUID, KindUser)
	if err != nil {
		return all
	}
	for _, x := range u.Subs {
		e, err := s.container(x.Container)
		if err != nil {
			continue
		}
		all = append(all, SubscriptionItem{
			ContainerUID: x.Container, ContainerType: "mailboxacl", Owner: e.UID, OwnerDisplayName: e.DisplayName,
			Name: e.MailboxName(), DefaultContainer: e.UID == userUID, OfflineSync: x.OfflineSync, Automount: x.Automount,
		})
	}
	return all
}

// Subscribers lists the users of a domain subscribed to a container.
func (s *Store) Subscribers(domainUID, container string) []string {
	uids := []string{}
	for _, e := range s.Entries(domainUID) {
		if slices.ContainsFunc(e.Subs, func(x Subscription) bool { return x.Container == container }) {
			uids = append(uids, e.UID)
		}
	}
	slices.Sort(uids)
	return uids
}

// Shared lists the boxes of others that a user is subscribed to and may read.
func (s *Store) Shared(domainUID, userUID string) []*Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, u, err := s.find(domainUID, userUID, KindUser)
	if err != nil {
		return nil
	}
	var all []*Entry
	groups := s.memberOf(domainUID, userUID)
	for _, x := range u.Subs {
		if e, err := s.container(x.Container); err == nil && e.UID != userUID && s.Allowed(userUID, groups, e, "Read") {
			all = append(all, e)
		}
	}
	return all
}
