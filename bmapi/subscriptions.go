package bmapi

import (
	"context"
	"errors"
)

// Subscription makes a container appear to a user; in version 5 also in IMAP LIST.
type Subscription struct {
	ContainerUID  string `json:"containerUid"`
	ContainerType string `json:"containerType"`
	Owner         string `json:"owner"`
	Name          string `json:"name"`
	OfflineSync   bool   `json:"offlineSync"`
	Automount     bool   `json:"automount"`
}

const mailboxACL = "mailboxacl" // type of the containers that are subscribed to for a mailbox

func subscriptions(domainUID, userUID string, parts ...string) endpoint {
	return at("/users", append([]string{domainUID, "subscriptions", userUID}, parts...)...)
}

// byVersion makes a call of versions 4 and 5, or the one that 3.5 has in its place.
func (s *Session) byVersion(ctx context.Context, modern, old func() error) error {
	if s.c.dialect.major() == 3 {
		return old()
	}
	err := modern()
	if !errors.Is(err, ErrNoRoute) {
		return err
	}
	if major, verr := s.c.version(ctx); verr == nil && major == 3 {
		return old()
	}
	return err
}

// Subscriptions lists the mailboxes that a user is subscribed to.
//
// GET /users/{domainUid}/subscriptions/{userUid}; version 3.5:
// GET /containers/_manage/_subscriptions/{userUid}@{domainUid}/{type}
func (s *Session) Subscriptions(ctx context.Context, domainUID, userUID string) ([]Subscription, error) {
	var subs []Subscription
	modern := func() error {
		return s.do(ctx, "GET", subscriptions(domainUID, userUID).with("type", mailboxACL), nil, &subs)
	}
	old := func() error {
		var list []struct {
			UID   string `json:"uid"`
			Type  string `json:"type"`
			Owner string `json:"owner"`
			Name  string `json:"name"`
			Sync  bool   `json:"offlineSync"`
		}
		err := s.do(ctx, "GET", at("/containers/_manage/_subscriptions", userUID+"@"+domainUID, mailboxACL), nil, &list)
		for _, c := range list {
			subs = append(subs, Subscription{ContainerUID: c.UID, ContainerType: c.Type, Owner: c.Owner, Name: c.Name, OfflineSync: c.Sync})
		}
		return err
	}
	err := s.byVersion(ctx, modern, old)
	return subs, err
}

// Subscribers lists the uids of the users subscribed to an entry's mailbox.
//
// GET /users/{domainUid}/subscriptions/_subscribers/{containerUid}
func (s *Session) Subscribers(ctx context.Context, domainUID, entryUID string) ([]string, error) {
	return s.texts(ctx, subscriptions(domainUID, "_subscribers", ACLContainer(entryUID)).since4("list subscribers"))
}

// Subscribe subscribes a user to the mailboxes of other entries; repeating it is
// harmless. He needs rights on them: SetACL ends the subscriptions of those who have
// none. The server takes an unknown user uid without complaint, and stores nothing.
// The domain is given by its uid. Outlook mounts the box by itself where the version
// can be told so (5, from September 2023 on); a subscription that is there stays as
// it is in this.
//
// POST /users/{domainUid}/subscriptions/{userUid}/_subscribe; version 3.5:
// PUT /containers/_manage/_subscription/{userUid}
func (s *Session) Subscribe(ctx context.Context, domainUID, userUID string, entryUIDs ...string) error {
	if len(entryUIDs) == 0 {
		return nil
	}
	type wire struct {
		ContainerUID string `json:"containerUid"`
		OfflineSync  bool   `json:"offlineSync"`
		Automount    bool   `json:"automount"` // earlier versions do not see it
	}
	subs := make([]wire, 0, len(entryUIDs))
	for _, uid := range entryUIDs {
		subs = append(subs, wire{ContainerUID: ACLContainer(uid), OfflineSync: true, Automount: true})
	}
	return s.byVersion(ctx, func() error {
		return s.do(ctx, "POST", subscriptions(domainUID, userUID, "_subscribe"), subs, nil)
	}, func() error {
		return s.do(ctx, "PUT", at("/containers/_manage/_subscription", userUID), subs, nil)
	})
}

// Unsubscribe ends a user's subscriptions to the mailboxes of other entries; where there
// is none, nothing happens.
//
// POST /users/{domainUid}/subscriptions/{userUid}/_unsubscribe; version 3.5:
// DELETE /containers/_manage/_subscription/{userUid}
func (s *Session) Unsubscribe(ctx context.Context, domainUID, userUID string, entryUIDs ...string) error {
	if len(entryUIDs) == 0 {
		return nil
	}
	uids := make([]string, 0, len(entryUIDs))
	for _, uid := range entryUIDs {
		uids = append(uids, ACLContainer(uid))
	}
	return s.byVersion(ctx, func() error {
		return s.do(ctx, "POST", subscriptions(domainUID, userUID, "_unsubscribe"), uids, nil)
	}, func() error {
		return s.do(ctx, "DELETE", at("/containers/_manage/_subscription", userUID), uids, nil)
	})
}
