package objects

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"bmsync/bmapi"
)

// adminGroup is the name of the group whose members administer their domain.
const adminGroup = "admin"

// groupsOf finds groups by name. A user is put into the administrators' group by
// a person only: a list of that name in a CSV would be enough to make him one.
func (m *Maker) groupsOf(ctx context.Context, r *realm, names []string) ([]*bmapi.Group, *refusal, error) {
	var out []*bmapi.Group
	for _, name := range names {
		if strings.EqualFold(name, adminGroup) {
			return nil, because("add him by hand in BlueMind, if he shall administer the domain", "the group %q makes its members administrators of the domain", name), nil
		}
		g, err := m.group(ctx, r, name)
		switch {
		case err != nil:
			return nil, nil, err
		case g == nil && m.Dry && name == bmapi.UsersGroup && r.is() == nil:
			g = &bmapi.Group{UID: r.uid + "_user_group", Name: name} // comes with the domain
		case g == nil && m.Dry:
			if e := r.would.named(groupBox(name)); e != nil {
				g = &bmapi.Group{UID: e.UID, Name: e.Name}
			}
		}
		if g == nil {
			return nil, because("add the group to groups.csv, or correct the row, column groups; if it is there, see what keeps it out of BlueMind", "the domain %s has no group %q", r.uid, name), nil
		}
		if owned(g.ExternalID) {
			return nil, because("add him to the group in "+directoryName(g.ExternalID), "the group %q comes from %s, which decides who is in it", name, directoryName(g.ExternalID)), nil
		}
		out = append(out, g)
	}
	return out, nil, nil
}

// groupBox is the name of a group in the domain's name space of mailboxes, as it
// is compared.
func groupBox(name string) string { return "_" + strings.ToLower(name) }

// joinGroups adds a user to groups, and tells to which. Of the group "user" nothing
// is noted: it loses him with the user himself.
func (m *Maker) joinGroups(ctx context.Context, r *realm, uid, address string, groups []*bmapi.Group) (refused *refusal, joined []*bmapi.Group, err error) {
	for _, g := range groups {
		member := bmapi.Member{Type: bmapi.MemberUser, UID: uid}
		if strings.EqualFold(g.Name, bmapi.UsersGroup) {
			if err := m.Admin.AddMembers(ctx, r.uid, g.UID, member); err != nil {
				return nil, joined, fmt.Errorf("add to group %s: %w", g.Name, err)
			}
			joined = append(joined, g)
			continue
		}
		bad, err := m.addMember(ctx, r, g.UID, memberMade(r.uid, g.UID, g.Name, member, address))
		switch {
		case err != nil:
			return nil, joined, err
		case bad != nil:
			refused = because(bad.mend, "group %s: %s", g.Name, bad.reason)
		default:
			joined = append(joined, g)
		}
	}
	return refused, joined, nil
}

// countUsers counts the users of a domain against its limits, by account type.
func (m *Maker) countUsers(ctx context.Context, r *realm) (map[string]int, error) {
	if r.is() == nil {
		return map[string]int{}, nil
	}
	return r.full.get(func() (map[string]int, error) {
		counts := map[string]int{}
		for e, err := range m.Admin.Entries(ctx, r.uid, bmapi.DirQuery{Kinds: []string{bmapi.KindUser}, SkipHidden: true}) {
			if err != nil {
				return nil, fmt.Errorf("count users of %s: %w", r.uid, err)
			}
			counts[cmp.Or(e.AccountType, bmapi.AccountFull)]++
		}
		return counts, nil
	})
}

// coming counts the users of a type that a dry run would have made.
func (m *Maker) coming(r *realm, accountType string) int {
	if !m.Dry {
		return 0
	}
	return r.would.counted(accountType)
}

// Refresh writes a user back as he is. BlueMind remembers names that were nobody's
// when they were asked for, and forgets that only when the user is written: to be
// called where a key that was just made is refused under one of his addresses. A
// user that a directory owns is left alone, and so is everybody in a dry run.
//
// POST /users/{domainUid}/{uid}
func (m *Maker) Refresh(ctx context.Context, e *Entry) error {
	if m.Dry || e.Directory || e.Kind != KindUser {
		return nil
	}
	defer m.memory.locks.lock("entry " + e.UID)()
	u, err := m.Admin.User(ctx, e.Domain.UID, e.UID)
	if err != nil {
		return fmt.Errorf("read user %s: %w", e.Address, err)
	}
	if owned(u.ExternalID) {
		return nil
	}
	if err := m.Admin.UpdateUser(ctx, e.Domain.UID, u); err != nil {
		return fmt.Errorf("write user %s as he is: %w", e.Address, err)
	}
	return nil
}
