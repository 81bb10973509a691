package directory

import "slices"

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

// Subscribe adds subscriptions. Repeating one changes its offlineSync only; an
// unknown user is not noticed.
func (s *Store) Subscribe(by, domainUID, userUID string, subs []Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range subs {
		if _, err := s.container(x.Container); err != nil {
			return err
		}
	}
	_, u, err := s.find(domainUID, userUID, KindUser)
	if err != nil {
		return nil // BlueMind answers OK and stores nothing
	}
	n := *u
	n.Subs = slices.Clone(u.Subs)
	for _, x := range subs {
		if i := slices.IndexFunc(n.Subs, func(o Subscription) bool { return o.Container == x.Container }); i >= 0 {
			n.Subs[i].OfflineSync = x.OfflineSync
		} else {
			n.Subs = append(n.Subs, x)
		}
	}
	return s.put(&n)
}

// Unsubscribe removes subscriptions.
func (s *Store) Unsubscribe(domainUID, userUID string, containers []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.find(domainUID, userUID, KindUser)
	if err != nil {
		return nil // as in Subscribe
	}
	return s.withoutSubs(u, containers)
}

func (s *Store) withoutSubs(u *Entry, containers []string) error {
	n := *u
	n.Subs = slices.DeleteFunc(slices.Clone(u.Subs), func(x Subscription) bool { return slices.Contains(containers, x.Container) })
	if len(n.Subs) == len(u.Subs) {
		return nil
	}
	return s.put(&n)
}

// unsubscribeLost ends the subscriptions of users who may no longer read e.
func (s *Store) unsubscribeLost(e *Entry) error {
	d, c := s.domains[e.Domain], ACLContainer(e.UID)
	for _, u := range d.entries {
		if u.User == nil || !slices.ContainsFunc(u.Subs, func(x Subscription) bool { return x.Container == c }) {
			continue
		}
		if !s.Allowed(u.UID, s.memberOf(e.Domain, u.UID), e, "Read") {
			if err := s.withoutSubs(u, []string{c}); err != nil {
				return err
			}
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
