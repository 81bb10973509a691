package objects

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"bmsync/bmapi"
)

// userDiff is what a user lacks.
type userDiff struct {
	fresh   *bmapi.User // as he would be put back
	changes []Change    // what fresh differs in
	typ     *Change     // of the account type, which has a call of its own
	groups  []*bmapi.Group
	notes   []*refusal // what can't be changed
}

// settleUser compares a user who is there, and patches what the row states.
func (m *Maker) settleUser(ctx context.Context, r *realm, w User, o Outcome, u *bmapi.User, box *bmapi.Mailbox) (*Entry, Outcome, error) {
	ours := u.UID == o.UID
	o.UID = u.UID
	o.Directory = owned(u.ExternalID) || !ours && IsDirectoryDomain(r.is())
	if bad, err := m.shut(ctx, r, w, u); err != nil || bad != nil {
		if bad != nil && o.Directory {
			o.Fixes = append(o.Fixes, fix(w, u.Login, bad))
		}
		return m.turnedDown(o, bad, err)
	}
	e, o, err := m.settleOpen(ctx, r, w, o, u, box, ours)
	if err != nil || e == nil || u.Routing != bmapi.RoutingExternal {
		return e, o, err
	}
	away, err := m.external(ctx, r, w, u)
	if err != nil {
		return nil, o, err
	}
	if o.Reason == "" { // as wanted until he moves; check warns of it
		o.Reason, o.Mend = away.reason, away.mend
	}
	return e, o, nil
}

// settleOpen is settleUser for one to whom mail can go.
func (m *Maker) settleOpen(ctx context.Context, r *realm, w User, o Outcome, u *bmapi.User, box *bmapi.Mailbox, ours bool) (*Entry, Outcome, error) {
	if o.Directory {
		return m.directoryUser(ctx, r, w, o, u, box)
	}
	if ours {
		if err := m.confirm(ctx, w.made(r, u.UID)); err != nil {
			return nil, o, err
		}
	}
	diff, err := m.compareUser(ctx, r, w, u, ours)
	if err != nil {
		return nil, o, err
	}
	if !m.Update {
		diff = diff.withheld(ours)
	}
	if !m.Dry {
		if err := m.patchUser(ctx, r, w, diff); err != nil {
			return nil, o, err
		}
	}
	e := entryOf(r, u, box, true)
	switch {
	case len(diff.changes) == 0:
	case !m.Dry:
		if e, err = m.readUser(ctx, r, u.UID, true); err != nil {
			return nil, o, err
		}
	default: // rows that follow find him by what he would get
		if bad := r.would.take(e, "", diff.fresh.Emails); bad != nil {
			diff.notes, diff.changes = append(diff.notes, bad), nil
		}
	}
	o.Changes = diff.words()
	if len(diff.notes) > 0 {
		return e, o.conflict(diff.notes...), nil
	}
	return e, o.settled(), nil
}

// readUser is the entry of a user, as he is now.
func (m *Maker) readUser(ctx context.Context, r *realm, uid string, existing bool) (*Entry, error) {
	u, err := m.Admin.User(ctx, r.uid, uid)
	if err != nil {
		return nil, fmt.Errorf("read user %s: %w", uid, err)
	}
	box, err := m.Admin.Mailbox(ctx, r.uid, uid)
	if err != nil {
		return nil, fmt.Errorf("read the mailbox of %s: %w", uid, err)
	}
	return entryOf(r, u, box, existing), nil
}

// compareUser says what differs from the row. What can't be as the row wants it
// is a note: it keeps no mail out. The default address of somebody else's user
// stays what it is: he is known by it.
func (m *Maker) compareUser(ctx context.Context, r *realm, w User, u *bmapi.User, ours bool) (*userDiff, error) {
	fresh := *u
	d := &userDiff{fresh: &fresh}
	field := func(name string, have *string, want string) {
		if want != "" && oneLine(*have) != want {
			d.changes = append(d.changes, Change{name, *have, want})
			*have = want
		}
	}
	field("first name", &fresh.GivenNames, w.FirstName)
	field("last name", &fresh.FamilyNames, w.LastName)
	field("display name", &fresh.DisplayName, w.DisplayName)
	if ours && w.Hidden && !u.Hidden {
		fresh.Hidden = true
		d.changes = append(d.changes, Change{"hidden", "false", "true"})
	}
	if ours && u.Login != w.Login {
		d.notes = append(d.notes, because("correct the row, column login", "he was renamed in BlueMind: his login is %s, not %s", u.Login, w.Login))
	}
	if w.DataLocation != "" && u.DataLocation != w.DataLocation {
		d.notes = append(d.notes, because("correct the row, column data_location, or move the user in BlueMind", "his mail is kept by %s, not by %s", u.DataLocation, w.DataLocation))
	}
	for _, compare := range []func() error{
		func() error { return m.compareQuota(ctx, r, w, u, d) },
		func() error { return m.compareEmails(ctx, r, w, u, ours, d) },
		func() error { return m.compareType(ctx, r, w, u, d) },
		func() error { return m.compareGroups(ctx, r, w, u, ours, d) },
	} {
		if err := compare(); err != nil {
			return nil, err
		}
	}
	if len(d.changes) > 0 {
		bad, err := m.quotaInTheWay(ctx, r, fresh.Quota, bmapi.SettingMaxUserQuota)
		if err != nil {
			return nil, err
		}
		if bad != nil {
			d.notes, d.changes = append(d.notes, bad), nil
		}
	}
	return d, nil
}

func (m *Maker) compareQuota(ctx context.Context, r *realm, w User, u *bmapi.User, d *userDiff) error {
	if w.Quota == nil || quotaOf(u.Quota) == *w.Quota {
		return nil
	}
	bad, err := m.quotaAbove(ctx, r, w.Quota, bmapi.SettingMaxUserQuota)
	if err != nil || bad != nil {
		return d.note(bad, err)
	}
	d.changes = append(d.changes, Change{"quota", quotaWord(quotaOf(u.Quota)), quotaWord(*w.Quota)})
	d.fresh.Quota = w.Quota
	return nil
}

// note keeps a refusal, if there is one.
func (d *userDiff) note(bad *refusal, err error) error {
	if bad != nil {
		d.notes = append(d.notes, bad)
	}
	return err
}

func (m *Maker) compareEmails(ctx context.Context, r *realm, w User, u *bmapi.User, ours bool, d *userDiff) error {
	out, bad, err := m.widen(ctx, r, u.UID, u.Emails, w.emails(r), func(e bmapi.Email) *refusal {
		if bad := m.otherRow(r, w.Address, e); bad != nil {
			return bad
		}
		return r.dropped(u.Login, []bmapi.Email{e})
	})
	if err != nil {
		return err
	}
	d.notes = append(d.notes, bad...)
	if inWords(out) != inWords(u.Emails) {
		d.changes = append(d.changes, Change{"addresses", inWords(u.Emails), inWords(out)})
	}
	if as := withDefault(out, w.Address); ours && !sameDefault(out, w.Address) && sameDefault(as, w.Address) {
		d.changes = append(d.changes, Change{"default address", defaultOf(out), w.Address})
		out = as
	}
	d.fresh.Emails = out
	if len(d.changes) == 0 && r.renamed(domainOf(w.Address)) {
		// The alias is new; whoever asked for the address before made BlueMind
		// remember that it is nobody's, until the user is written once more.
		d.changes = append(d.changes, Change{"logins under a new alias", "", domainOf(w.Address)})
	}
	return nil
}

func quotaOf(q *int64) int64 {
	if q == nil {
		return 0
	}
	return *q
}

func quotaWord(kib int64) string {
	if kib == 0 {
		return "none"
	}
	return strconv.FormatInt(kib, 10) + " KiB"
}

// compareType compares the type of the account. BlueMind takes none back to SIMPLE.
func (m *Maker) compareType(ctx context.Context, r *realm, w User, u *bmapi.User, d *userDiff) error {
	have := cmp.Or(u.AccountType, bmapi.AccountFull)
	if w.AccountType == "" || have == w.AccountType {
		return nil
	}
	if w.AccountType == bmapi.AccountSimple {
		return d.note(because("correct the row, column account_type", "the account is of type %s, and BlueMind takes none back to SIMPLE", have), nil)
	}
	bad, err := m.badType(ctx, r, w.AccountType, false)
	if err != nil || bad != nil {
		return d.note(bad, err)
	}
	d.typ = &Change{"account type", have, w.AccountType}
	return nil
}

// compareGroups looks which groups lack the user. The group "user" is wanted of
// our own users only: others may be without their roles for a reason.
func (m *Maker) compareGroups(ctx context.Context, r *realm, w User, u *bmapi.User, ours bool, d *userDiff) error {
	names := w.Groups
	if ours {
		names = append([]string{bmapi.UsersGroup}, names...)
	}
	if len(names) == 0 {
		return nil
	}
	have, err := m.Admin.GroupsOf(ctx, r.uid, u.UID)
	if err != nil {
		return fmt.Errorf("groups of %s: %w", w.Address, err)
	}
	for _, name := range names {
		groups, bad, err := m.groupsOf(ctx, r, []string{name})
		if err != nil || bad != nil {
			if err := d.note(bad, err); err != nil {
				return err
			}
			continue
		}
		if g := groups[0]; !slices.Contains(have, g.UID) {
			d.groups = append(d.groups, g)
		} else if err := m.confirm(ctx, memberMade(r.uid, g.UID, g.Name, bmapi.Member{Type: bmapi.MemberUser, UID: u.UID}, w.Address)); err != nil {
			return err
		}
	}
	return nil
}

// words are all the changes.
func (d *userDiff) words() []Change {
	all := slices.Clone(d.changes)
	if d.typ != nil {
		all = append(all, *d.typ)
	}
	for _, g := range d.groups {
		all = append(all, Change{"group", "", g.Name})
	}
	return all
}

// withheld makes notes of what may not be changed. What a creation of ours left
// to do is done all the same.
func (d *userDiff) withheld(ours bool) *userDiff {
	kept := &userDiff{fresh: d.fresh, notes: d.notes}
	left := *d
	if ours {
		left.groups = nil
		for _, g := range d.groups {
			if g.Name == bmapi.UsersGroup {
				kept.groups = append(kept.groups, g)
			} else {
				left.groups = append(left.groups, g)
			}
		}
	}
	if words := left.words(); len(words) > 0 {
		kept.notes = append(kept.notes, unchanged(words))
	}
	return kept
}

// patchUser makes the changes: of the user, of the type of his account, of groups.
// What BlueMind refuses becomes a note, and is no change any more.
func (m *Maker) patchUser(ctx context.Context, r *realm, w User, d *userDiff) error {
	if len(d.changes) > 0 {
		err := m.Admin.UpdateUser(ctx, r.uid, d.fresh)
		if err != nil && !answered(err) {
			return fmt.Errorf("change user %s: %w", w.Address, err)
		}
		if err != nil {
			why, err := m.whyNotChanged(ctx, r, d, err)
			if err := d.note(why, err); err != nil {
				return err
			}
			d.changes = nil
		}
	}
	if d.typ != nil {
		err := m.Admin.UpdateAccountType(ctx, r.uid, d.fresh.UID, w.AccountType)
		if err != nil && !answered(err) {
			return fmt.Errorf("account type of %s: %w", w.Address, err)
		}
		if err != nil {
			d.typ = nil
			d.notes = append(d.notes, said(err))
		}
	}
	bad, joined, err := m.joinGroups(ctx, r, d.fresh.UID, w.Address, d.groups)
	d.groups = joined
	return d.note(bad, err)
}

// whyNotChanged puts BlueMind's no to an update into words. It validates the
// whole user: a fault may lie in what we did not touch.
func (m *Maker) whyNotChanged(ctx context.Context, r *realm, d *userDiff, refused error) (*refusal, error) {
	r.settings.forget()
	if bad, err := m.quotaInTheWay(ctx, r, d.fresh.Quota, bmapi.SettingMaxUserQuota); err != nil || bad != nil {
		return bad, err
	}
	m.memory.strays.forget()
	if bad, err := m.takenAddress(ctx, r, d.fresh.UID, d.fresh.Emails); err != nil || bad != nil {
		return bad, err
	}
	return said(refused), nil
}
