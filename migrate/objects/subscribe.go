package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bmsync/bmapi"
)

// Subscribe makes a mailbox appear to a user who may read it: rights alone don't.
//
// POST /users/{domainUid}/subscriptions/{userUid}/_subscribe
func (m *Maker) Subscribe(ctx context.Context, user, box *Entry) (Outcome, error) {
	if user == nil || box == nil {
		return Outcome{}, errors.New("a subscription of nobody, or to nothing")
	}
	r := m.realm(user.Domain, user.Address)
	o := Outcome{Kind: KindSubscription, Name: user.label() + " → " + box.label(), Domain: r.uid, UID: box.UID, Action: AsWanted}
	switch {
	case user.UID == box.UID:
		return o, nil
	case user.Kind != KindUser:
		return o.conflict(because("subscribe each user by name", "%s is a %s: only users are subscribed", user.label(), user.Kind)), nil
	case user.Domain != nil && box.Domain != nil && user.Domain.UID != box.Domain.UID:
		return o.conflict(because("keep both in one domain", "%s is in another domain than %s", user.label(), box.label())), nil
	}
	if m.Dry && (!user.Existing || !box.Existing) {
		o.Action = Created
		return o, nil
	}
	defer m.memory.locks.lock("subscriptions " + user.UID)()
	made := Made{Kind: KindSubscription, DomainUID: r.uid, UID: box.UID, Name: o.Name, Detail: user.UID}
	is, err := m.subscribed(ctx, r.uid, user.UID, box.UID)
	switch {
	case err != nil:
		return o, err
	case is:
		return o, m.confirm(ctx, made)
	}
	o.Action = Created
	if m.Dry {
		return o, nil
	}
	refused, err := m.create(ctx, made, func() error { return m.Admin.Subscribe(ctx, r.uid, user.UID, box.UID) }, func() (bool, error) {
		return m.subscribed(ctx, r.uid, user.UID, box.UID)
	})
	if err != nil {
		return o, fmt.Errorf("subscribe %s: %w", o.Name, err)
	}
	if refused != nil {
		return o.conflict(said(refused)), nil
	}
	return o, nil
}

func (m *Maker) subscribed(ctx context.Context, domainUID, userUID, boxUID string) (bool, error) {
	subs, err := m.Admin.Subscriptions(ctx, domainUID, userUID)
	if err != nil {
		return false, fmt.Errorf("subscriptions of %s: %w", userUID, err)
	}
	return slices.ContainsFunc(subs, func(s bmapi.Subscription) bool { return s.ContainerUID == bmapi.ACLContainer(boxUID) }), nil
}
