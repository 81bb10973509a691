package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Find looks for an entry of a domain: by address, a group by name as well. In a
// dry run it finds what would have been made. What is not there, or is of
// another kind than the reference says, is bmapi.ErrNotFound.
func (m *Maker) Find(ctx context.Context, d *bmapi.Domain, ref Ref) (*Entry, error) {
	r := m.realm(d, ref.Name)
	e, err := m.find(ctx, r, ref)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, fmt.Errorf("%s in domain %s: %w", ref.words(), r.uid, bmapi.ErrNotFound)
	case ref.Kind != RefAny && ref.Kind != string(e.Kind):
		return nil, fmt.Errorf("%s in domain %s is a %s: %w", ref.words(), r.uid, e.Kind, bmapi.ErrNotFound)
	}
	return e, nil
}

// words are the reference as people know it.
func (ref Ref) words() string {
	if ref.Kind == RefGroup {
		return "group " + ref.Name
	}
	return ref.Name
}

// find is Find without a word on what is not there; nil: nothing.
func (m *Maker) find(ctx context.Context, r *realm, ref Ref) (*Entry, error) {
	if ref.Kind == RefGroup {
		e, err := m.findGroup(ctx, r, ref.Name)
		if e != nil || err != nil || !strings.Contains(ref.Name, "@") {
			return e, err
		}
	}
	address := tidy(ref.Name)
	if !strings.Contains(address, "@") {
		return nil, nil
	}
	if m.Dry {
		if e := r.would.addressed(address); e != nil {
			return e, nil
		}
	}
	if r.is() == nil {
		return nil, nil
	}
	if r.has(domainOf(address)) {
		box, ok, err := m.boxByEmail(ctx, r, address)
		if err != nil {
			return nil, fmt.Errorf("look for the mailbox of %s: %w", address, err)
		}
		if ok {
			return m.boxEntry(ctx, r, box)
		}
	}
	other, err := m.holder(ctx, r, address)
	if err != nil || other == nil {
		return nil, err
	}
	return m.dirEntry(ctx, r, other, address)
}

// findGroup finds a group by name, which may have the domain after it.
func (m *Maker) findGroup(ctx context.Context, r *realm, name string) (*Entry, error) {
	if _, right, at := strings.Cut(name, "@"); at && !r.has(tidy(right)) {
		return nil, nil
	}
	name = groupName(name)
	if m.Dry {
		if e := r.would.named(groupBox(name)); e != nil {
			return e, nil
		}
	}
	if name == "" {
		return nil, nil
	}
	g, err := m.group(ctx, r, name)
	if err != nil || g == nil {
		return nil, err
	}
	return groupEntry(r, g), nil
}

func groupEntry(r *realm, g *bmapi.Group) *Entry {
	return &Entry{Domain: r.is(), Kind: KindGroup, UID: g.UID, Name: g.Name, Address: g.DefaultEmail(), Directory: owned(g.ExternalID), Existing: true}
}

func (m *Maker) boxEntry(ctx context.Context, r *realm, box *bmapi.Mailbox) (*Entry, error) {
	e := &Entry{Domain: r.is(), UID: box.UID, Name: box.Name, Address: box.DefaultEmail(), Box: box, Existing: true}
	switch box.Type {
	case bmapi.BoxUser:
		u, err := m.Admin.User(ctx, r.uid, box.UID)
		if err != nil {
			return nil, fmt.Errorf("read user %s: %w", box.Name, err)
		}
		e.Kind, e.Directory = KindUser, owned(u.ExternalID)
	case bmapi.BoxMailshare:
		e.Kind = KindShare
	case bmapi.BoxGroup:
		g, err := m.Admin.Group(ctx, r.uid, box.UID)
		if err != nil {
			return nil, fmt.Errorf("read group %s: %w", box.Name, err)
		}
		e = groupEntry(r, g)
		e.Box = box
	default:
		e.Kind = Kind(box.Type)
	}
	return e, nil
}

// dirEntry is an entry that has the address and no mailbox: an external user,
// mostly.
func (m *Maker) dirEntry(ctx context.Context, r *realm, other *bmapi.DirEntry, address string) (*Entry, error) {
	e := &Entry{Domain: r.is(), UID: other.EntryUID, Name: other.DisplayName, Address: address, Existing: true}
	switch other.Kind {
	case bmapi.KindExternal:
		e.Kind = KindExternal
	case bmapi.KindGroup:
		g, err := m.Admin.Group(ctx, r.uid, other.EntryUID)
		if err != nil {
			return nil, fmt.Errorf("read group %s: %w", other.DisplayName, err)
		}
		return groupEntry(r, g), nil
	case bmapi.KindUser:
		e.Kind = KindUser
	case bmapi.KindMailshare:
		e.Kind = KindShare
	default:
		e.Kind = Kind(kindOfEntry(other.Kind))
	}
	return e, nil
}

// refused is what the caller says to a mailbox that was found.
func (m *Maker) refused(r *realm, box *bmapi.Mailbox, found bool) error {
	if !found || m.Refuse == nil {
		return nil
	}
	return m.Refuse(r.is(), box)
}

// boxByEmail finds the mailbox that has an address. Under a name that a dry run
// would give the domain, BlueMind finds nothing yet: there it is whose left part
// counts under all names.
func (m *Maker) boxByEmail(ctx context.Context, r *realm, address string) (*bmapi.Mailbox, bool, error) {
	box, ok, err := found(m.Admin.MailboxByEmail(ctx, r.uid, address))
	if err != nil || ok || !r.wouldBe(address) {
		return box, ok, err
	}
	for _, name := range append([]string{r.uid}, r.is().Aliases...) {
		box, ok, err := found(m.Admin.MailboxByEmail(ctx, r.uid, localOf(address)+"@"+strings.ToLower(name)))
		if err != nil {
			return nil, false, err
		}
		if ok && slices.ContainsFunc(box.Emails, func(e bmapi.Email) bool { return e.AllAliases && localOf(e.Address) == localOf(address) }) {
			return box, true, nil
		}
	}
	return nil, false, nil
}
