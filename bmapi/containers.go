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
// yours. BlueMind may tell new subjects by mail. Where the answer is lost
// ([MaybeDone]), look before you send it again: what is new the first time is a
// change the second, and BlueMind 5 takes the SendAs back that it gave with Write
// on a mailshare.
//
// PUT /containers/_manage/{container}/_acl
func (s *Session) SetACL(ctx context.Context, entryUID string, acl []AccessEntry) error {
	if acl == nil {
		acl = []AccessEntry{} // null would be a missing argument
	}
	return s.once(ctx, "PUT", at("/containers/_manage", ACLContainer(entryUID), "_acl"), acl, nil)
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
