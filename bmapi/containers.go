package bmapi

import (
	"cmp"
	"context"
	"slices"
)

// Verbs of rights. Each holds what it stands before here: Write holds Read.
const (
	VerbRead         = "Read"
	VerbWrite        = "Write"
	VerbSendOnBehalf = "SendOnBehalf"
	VerbSendAs       = "SendAs"
	VerbManage       = "Manage"
	VerbAll          = "All"
)

// AccessEntry is one right of a user or group on a container.
type AccessEntry struct {
	Subject string `json:"subject"` // uid
	Verb    string `json:"verb"`
}

// ACLContainer is the container that holds the rights on an entry's mailbox; it is
// what one subscribes to as well.
func ACLContainer(entryUID string) string { return "mailbox:acls-" + entryUID }

// ACL reads the rights on an entry's mailbox, expanded: Write comes with what it
// holds, and on a user's box its owner has all.
//
// GET /containers/_manage/{container}/_acl
func (s *Session) ACL(ctx context.Context, entryUID string) ([]AccessEntry, error) {
	var acl []AccessEntry
	err := s.do(ctx, "GET", at("/containers/_manage", ACLContainer(entryUID), "_acl"), nil, &acl)
	return acl, err
}

// SetACL replaces the rights on an entry's mailbox: put back what ACL gave, and
// yours. BlueMind may tell new subjects by mail.
//
// PUT /containers/_manage/{container}/_acl
func (s *Session) SetACL(ctx context.Context, entryUID string, acl []AccessEntry) error {
	if acl == nil {
		acl = []AccessEntry{} // null would be a missing argument
	}
	return s.do(ctx, "PUT", at("/containers/_manage", ACLContainer(entryUID), "_acl"), acl, nil)
}

// Covers tells whether granted, as ACL reads it, holds all of wanted.
func Covers(granted, wanted []AccessEntry) bool {
	return !slices.ContainsFunc(wanted, func(w AccessEntry) bool {
		return !slices.Contains(granted, w) && !slices.Contains(granted, AccessEntry{Subject: w.Subject, Verb: VerbAll})
	})
}

// JoinACL is granted and wanted without repetitions, sorted.
func JoinACL(granted, wanted []AccessEntry) []AccessEntry {
	all := slices.Concat(granted, wanted)
	slices.SortFunc(all, func(a, b AccessEntry) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Verb, b.Verb))
	})
	return slices.Compact(all)
}

// Subscription makes a container appear to a user; in version 5 also in IMAP LIST.
type Subscription struct {
	ContainerUID  string `json:"containerUid"`
	ContainerType string `json:"containerType"`
	Owner         string `json:"owner"`
	Name          string `json:"name"`
	OfflineSync   bool   `json:"offlineSync"`
	Automount     bool   `json:"automount"`
}

// Subscriptions lists the mailboxes that a user is subscribed to.
//
// GET /users/{domainUid}/subscriptions/{userUid}
func (s *Session) Subscriptions(ctx context.Context, domainUID, userUID string) ([]Subscription, error) {
	var subs []Subscription
	err := s.do(ctx, "GET", at("/users", domainUID, "subscriptions", userUID).with("type", "mailboxacl"), nil, &subs)
	return subs, err
}

// Subscribers lists the uids of the users subscribed to an entry's mailbox.
//
// GET /users/{domainUid}/subscriptions/_subscribers/{containerUid}
func (s *Session) Subscribers(ctx context.Context, domainUID, entryUID string) ([]string, error) {
	return s.texts(ctx, at("/users", domainUID, "subscriptions", "_subscribers", ACLContainer(entryUID)))
}

// Unsubscribe ends a user's subscriptions to the mailboxes of other entries; where there
// is none, nothing happens.
//
// POST /users/{domainUid}/subscriptions/{userUid}/_unsubscribe
func (s *Session) Unsubscribe(ctx context.Context, domainUID, userUID string, entryUIDs ...string) error {
	uids := make([]string, 0, len(entryUIDs))
	for _, uid := range entryUIDs {
		uids = append(uids, ACLContainer(uid))
	}
	return s.do(ctx, "POST", at("/users", domainUID, "subscriptions", userUID, "_unsubscribe"), uids, nil)
}

// Subscribe subscribes a user to the mailboxes of other entries; repeating it is
// harmless. The server takes an unknown user uid without complaint.
//
// POST /users/{domainUid}/subscriptions/{userUid}/_subscribe
func (s *Session) Subscribe(ctx context.Context, domainUID, userUID string, entryUIDs ...string) error {
	type wire struct {
		ContainerUID string `json:"containerUid"`
		OfflineSync  bool   `json:"offlineSync"`
		Automount    bool   `json:"automount"`
	}
	subs := make([]wire, 0, len(entryUIDs))
	for _, uid := range entryUIDs {
		subs = append(subs, wire{ContainerUID: ACLContainer(uid), OfflineSync: true, Automount: true})
	}
	return s.do(ctx, "POST", at("/users", domainUID, "subscriptions", userUID, "_subscribe"), subs, nil)
}
