package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bmsync/bmapi"
)

// reader finds a user through whose eyes a share is looked at over IMAP: the
// one who filled it or, since a technical writer's right is withdrawn at the
// end, somebody else who may read it, by a right of his own before one by a
// group.
func (v *prover) reader(ctx context.Context, share *entry) (*entry, error) {
	acl, err := v.run.platform.admin.ACL(ctx, share.UID)
	if err != nil {
		return nil, fmt.Errorf("rights on %s: %w", share.Address, err)
	}
	var subjects []string
	for _, a := range acl {
		if readingVerbs[a.Verb] && !slices.Contains(subjects, a.Subject) {
			subjects = append(subjects, a.Subject)
		}
	}
	slices.Sort(subjects)
	if writer, err := v.writer(ctx, share.Domain); err != nil || writer != nil && slices.Contains(subjects, writer.UID) {
		return writer, err
	}
	for _, find := range []func(context.Context, *bmapi.Domain, string) (*entry, error){v.user, v.member} {
		for _, uid := range subjects {
			if e, err := find(ctx, share.Domain, uid); e != nil || err != nil {
				return e, err
			}
		}
	}
	return nil, blocked("give somebody the right Read on it in BlueMind, and verify again", "nobody may read the share %s over IMAP", share.Address)
}

// writer is the one whose key filled the share, if he is still there.
func (v *prover) writer(ctx context.Context, d *bmapi.Domain) (*entry, error) {
	if v.row.Writer == "" {
		return nil, nil
	}
	box, err := v.run.platform.admin.MailboxByEmail(ctx, d.UID, v.row.Writer)
	if errors.Is(err, bmapi.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s, who filled the share: %w", v.row.Writer, err)
	}
	return v.user(ctx, d, box.UID)
}

// readingVerbs are the rights that hold Read. BlueMind writes out what a right
// holds when it is asked, so that Read is there with each of them.
var readingVerbs = map[string]bool{bmapi.VerbRead: true, bmapi.VerbWrite: true, bmapi.VerbAll: true}

// user is a subject of a right as somebody who can log in; nil: it is a group,
// nobody, or suspended.
func (v *prover) user(ctx context.Context, d *bmapi.Domain, uid string) (*entry, error) {
	box, err := v.run.platform.admin.Mailbox(ctx, d.UID, uid)
	switch {
	case errors.Is(err, bmapi.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for %s, who has a right: %w", uid, err)
	case box.Type != "user" || box.Archived || box.DefaultEmail() == "" || IsAdministrator(box.Name+"@"+d.UID):
		return nil, nil
	}
	return &entry{Domain: d, UID: uid, Login: box.Name, Address: box.DefaultEmail(), Version: v.run.platform.version.Major}, nil
}

// member is the first user of a group.
func (v *prover) member(ctx context.Context, d *bmapi.Domain, group string) (*entry, error) {
	members, err := v.run.platform.admin.ExpandedMembers(ctx, d.UID, group)
	if errors.Is(err, bmapi.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("members of %s, which has a right: %w", group, err)
	}
	for _, m := range members {
		if e, err := v.user(ctx, d, m.UID); e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil
}
