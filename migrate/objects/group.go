package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Group makes sure of a group and then, see Members, of who is in it. A group
// that others are to hold has to be there before them: make all groups without
// members first, then add these.
func (m *Maker) Group(ctx context.Context, d *bmapi.Domain, want Group) (Outcome, []Outcome, error) {
	w := want.tidy()
	r := m.groupRealm(d, w)
	o := Outcome{Kind: KindGroup, Name: w.Name, Domain: r.uid, UID: bmapi.GroupUID(r.uid, w.Name)}
	o, usable, err := m.groupItself(ctx, r, w, o)
	if err != nil || !usable || len(w.Members) == 0 {
		return o, nil, err
	}
	members, err := m.Members(ctx, d, want)
	return o, members, err
}

// groupRealm is the domain of a group. A dry run that finds none goes by what the
// row says of it.
func (m *Maker) groupRealm(d *bmapi.Domain, w Group) *realm {
	if w.Domain != "" {
		return m.realm(d, w.Domain)
	}
	return m.realm(d, w.Address)
}

func (want Group) tidy() Group {
	want.Name, want.Address, want.Description = groupName(want.Name), tidy(want.Address), strings.TrimSpace(want.Description)
	want.Domain = tidy(want.Domain)
	return want
}

func (want Group) emails() []bmapi.Email {
	if want.Address == "" {
		return nil
	}
	return []bmapi.Email{{Address: want.Address, IsDefault: true}}
}

func (want Group) made(r *realm, uid string) Made {
	return Made{Kind: KindGroup, DomainUID: r.uid, UID: uid, Name: want.Name, Detail: "name=" + want.Name}
}

// groupItself makes sure of the group without its members; usable tells whether
// members can be put into it.
func (m *Maker) groupItself(ctx context.Context, r *realm, w Group, o Outcome) (_ Outcome, usable bool, _ error) {
	bad, err := m.badGroup(ctx, r, w)
	if err != nil || bad != nil {
		_, o, err = m.turnedDown(o, bad, err)
		return o, false, err
	}
	defer m.memory.locks.lock("entry " + o.UID)()
	g, bad, err := m.lookGroup(ctx, r, w, o.UID)
	switch {
	case err != nil || bad != nil:
		_, o, err = m.turnedDown(o, bad, err)
		return o, false, err
	case g != nil:
		o, err = m.settleGroup(ctx, r, w, o, g)
		return o, true, err
	case !w.Create:
		return o.conflict(because("create the group in BlueMind, or give it rows in groups.csv", "the domain %s has no group %q", r.uid, w.Name)), false, nil
	}
	o, err = m.createGroup(ctx, r, w, o)
	return o, o.Action != Conflict, err
}

func (m *Maker) badGroup(ctx context.Context, r *realm, w Group) (*refusal, error) {
	switch {
	case w.Name == "":
		return because("name the group", "a group without a name"), nil
	case strings.ContainsFunc(w.Name, func(c rune) bool { return c < ' ' }):
		return because("name the group otherwise", "the group %q has a control character in its name", w.Name), nil
	case w.Address == "":
		return nil, nil
	}
	return m.badAddresses(ctx, r, w.Address, nil)
}

// lookGroup finds a group by name, and else by the uid that we give.
func (m *Maker) lookGroup(ctx context.Context, r *realm, w Group, uid string) (*bmapi.Group, *refusal, error) {
	if r.is() == nil {
		return nil, nil, nil
	}
	g, ok, err := found(m.groupNamed(ctx, r, w.Name))
	if err == nil && !ok {
		g, ok, err = found(m.Admin.Group(ctx, r.uid, uid))
	}
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("look for group %s: %w", w.Name, err)
	case !ok:
		return nil, nil, nil
	case g.Profile():
		return nil, because("give the group another name in groups.csv; who gets such roles is said in accounts.csv, column groups",
			"%q is a group of BlueMind that gives its members roles", w.Name), nil
	}
	return g, nil, nil
}

func (m *Maker) createGroup(ctx context.Context, r *realm, w Group, o Outcome) (Outcome, error) {
	emails := w.emails()
	for _, look := range []func() (*refusal, error){
		func() (*refusal, error) { return m.takenAddress(ctx, r, o.UID, emails) },
		func() (*refusal, error) { return m.takenName(ctx, r, o.UID, groupBox(w.Name)) },
	} {
		if bad, err := look(); err != nil || bad != nil {
			_, o, err := m.turnedDown(o, bad, err)
			return o, err
		}
	}
	o.Action = Created
	if m.Dry {
		e := &Entry{Domain: r.is(), Kind: KindGroup, UID: o.UID, Name: w.Name, Address: w.Address}
		if bad := r.would.take(e, groupBox(w.Name), emails); bad != nil {
			return o.conflict(bad), nil
		}
		return o, nil
	}
	g := &bmapi.Group{Name: w.Name, Description: w.Description, Emails: emails, Hidden: w.Hidden}
	refused, err := m.create(ctx, w.made(r, o.UID), func() error { return m.Admin.CreateGroup(ctx, r.uid, o.UID, g) }, func() (bool, error) {
		_, ok, err := found(m.Admin.Group(ctx, r.uid, o.UID))
		return ok, err
	})
	if err != nil {
		return o, fmt.Errorf("create group %s: %w", w.Name, err)
	}
	if refused != nil {
		m.memory.strays.forget()
		bad, err := m.takenAddress(ctx, r, o.UID, emails)
		if bad == nil {
			bad = said(refused)
		}
		_, o, err = m.turnedDown(o, bad, err)
		return o, err
	}
	return o, nil
}

// settleGroup compares a group that is there. What is not the row's to make is
// not compared: a group of BlueMind's own gets members and no more.
func (m *Maker) settleGroup(ctx context.Context, r *realm, w Group, o Outcome, g *bmapi.Group) (Outcome, error) {
	if g.UID == o.UID {
		if err := m.confirm(ctx, w.made(r, g.UID)); err != nil {
			return o, err
		}
	}
	o.UID = g.UID
	if o.Directory = owned(g.ExternalID); o.Directory || !w.Create {
		return o.settled(), nil
	}
	fresh, changes, notes, err := m.compareGroup(ctx, r, w, g)
	if err != nil {
		return o, err
	}
	if len(changes) > 0 && !m.Update {
		notes, changes = append(notes, unchanged(changes)), nil
	}
	if len(changes) > 0 && !m.Dry {
		if err := m.Admin.UpdateGroup(ctx, r.uid, fresh); err != nil {
			if !answered(err) {
				return o, fmt.Errorf("change group %s: %w", w.Name, err)
			}
			notes, changes = append(notes, said(err)), nil
		}
	}
	o.Changes = changes
	if len(notes) > 0 {
		return o.conflict(notes...), nil
	}
	return o.settled(), nil
}

func (m *Maker) compareGroup(ctx context.Context, r *realm, w Group, g *bmapi.Group) (fresh *bmapi.Group, changes []Change, notes []*refusal, err error) {
	put := *g
	fresh = &put
	fresh.Emails, notes, err = m.widen(ctx, r, g.UID, g.Emails, w.emails(), func(bmapi.Email) *refusal { return nil })
	if err != nil {
		return nil, nil, nil, err
	}
	if inWords(fresh.Emails) != inWords(g.Emails) {
		changes = append(changes, Change{"addresses", inWords(g.Emails), inWords(fresh.Emails)})
	}
	if w.Description != "" && strings.TrimSpace(g.Description) != w.Description {
		changes = append(changes, Change{"description", g.Description, w.Description})
		fresh.Description = w.Description
	}
	if w.Hidden && !g.Hidden {
		changes = append(changes, Change{"hidden", "false", "true"})
		fresh.Hidden = true
	}
	if !strings.EqualFold(g.Name, w.Name) {
		notes = append(notes, because("correct groups.csv, or rename the group in BlueMind", "the group %q was renamed in BlueMind: %s", w.Name, g.Name))
	}
	return fresh, changes, notes, nil
}

// loop is the way by which a group would come to hold itself, as names; nil: it
// does not. Members are read as BlueMind has them, with what this run adds.
func (m *Maker) loop(ctx context.Context, r *realm, into, start string) (bool, error) {
	seen, todo := map[string]bool{}, []string{start}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if at == into {
			return true, nil
		}
		if seen[at] {
			continue
		}
		seen[at] = true
		todo = append(todo, r.would.holds(at)...)
		if r.is() == nil {
			continue
		}
		members, ok, err := found(m.Admin.Members(ctx, r.uid, at))
		if err != nil {
			return false, fmt.Errorf("members of group %s: %w", at, err)
		}
		if !ok {
			continue
		}
		for _, x := range members {
			if x.Type == bmapi.MemberGroup && !slices.Contains(todo, x.UID) {
				todo = append(todo, x.UID)
			}
		}
	}
	return false, nil
}
