package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// User makes sure of a user. He is looked for by address first; d is his domain,
// nil where a dry run finds none.
//
// The entry is nil where no mail can go to him. A conflict that comes with an
// entry says what differs, and that it stays so.
func (m *Maker) User(ctx context.Context, d *bmapi.Domain, want User) (*Entry, Outcome, error) {
	w := want.tidy()
	r := m.realm(d, w.Address)
	o := Outcome{Kind: KindUser, Name: w.Address, Domain: r.uid, UID: bmapi.UserUID(r.uid, w.Address)}
	bad, err := m.badRow(ctx, r, w)
	if err != nil || bad != nil {
		return m.turnedDown(o, bad, err)
	}
	defer m.memory.locks.lock("entry " + o.UID)()
	u, box, bad, err := m.lookUser(ctx, r, w, o.UID)
	switch {
	case err != nil || bad != nil:
		return m.turnedDown(o, bad, err)
	case u != nil:
		bad := m.leading(r, w.Address, u.Emails)
		if bad == nil {
			bad = w.stranger(u, box, o.UID)
		}
		if bad == nil {
			bad = m.sameAs(u.UID, w.Address)
		}
		if bad != nil {
			return nil, o.conflict(bad), nil
		}
		return m.settleUser(ctx, r, w, o, u, box)
	}
	if d := r.is(); d != nil && IsDirectoryDomain(d) && !w.Hidden {
		return m.notImported(ctx, r, w, o)
	}
	if !w.Create {
		return nil, o.conflict(because("create the user in BlueMind, or set policy.users.create: true in bmsync.yaml", "%s has no mailbox in BlueMind", w.Address)), nil
	}
	return m.createUser(ctx, r, w, o)
}

// turnedDown is the end of a row that goes no further.
func (m *Maker) turnedDown(o Outcome, bad *refusal, err error) (*Entry, Outcome, error) {
	if err != nil {
		return nil, o, err
	}
	return nil, o.conflict(bad), nil
}

func (want User) tidy() User {
	want.Address = tidy(want.Address)
	if want.Login = strings.TrimSpace(want.Login); want.Login == "" {
		want.Login = localOf(want.Address)
	}
	want.Aliases = tidied(want.Aliases, want.Address)
	want.FirstName, want.LastName, want.DisplayName = oneLine(want.FirstName), oneLine(want.LastName), oneLine(want.DisplayName)
	want.AccountType = strings.ToUpper(strings.TrimSpace(want.AccountType))
	want.Groups = groupNames(want.Groups)
	return want
}

// oneLine is a name without line ends and spaces around it.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// groupNames are names without the domain after "@", each once, and without the
// group that every user of ours is in.
func groupNames(list []string) []string {
	var out []string
	for _, g := range list {
		if g = groupName(g); g != "" && !strings.EqualFold(g, bmapi.UsersGroup) && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

func groupName(s string) string {
	name, _, _ := strings.Cut(s, "@")
	return strings.TrimSpace(name)
}

func (want User) emails(r *realm) []bmapi.Email {
	return wantedEmails(want.Address, want.Aliases, want.AllAliases && r.several())
}

// badRow says what is wrong with a row whatever BlueMind holds of the user.
func (m *Maker) badRow(ctx context.Context, r *realm, w User) (*refusal, error) {
	if bad := badQuota(w.Quota); bad != nil {
		return bad, nil
	}
	switch w.AccountType {
	case "", bmapi.AccountFull, bmapi.AccountSimple, bmapi.AccountVisio:
	default:
		return because("write FULL, SIMPLE or FULL_AND_VISIO", "BlueMind has no account type %q", w.AccountType), nil
	}
	if reserved(localOf(w.Address)) || r.uid == bmapi.GlobalDomain {
		return because("correct the row", "%s belongs to BlueMind itself", w.Address), nil
	}
	return m.badAddresses(ctx, r, w.Address, w.Aliases)
}

func badQuota(q *int64) *refusal {
	if q != nil && (*q < 0 || *q > 1<<31-1) {
		return because("correct the quota in the row", "BlueMind does not take a quota of %d KiB", *q)
	}
	return nil
}

func (m *Maker) badAddresses(ctx context.Context, r *realm, address string, aliases []string) (*refusal, error) {
	for _, a := range append([]string{address}, aliases...) {
		if bad := badAddress(a); bad != nil {
			return bad, nil
		}
		if bad, err := m.elsewhere(ctx, r, a); err != nil || bad != nil {
			return bad, err
		}
	}
	return nil, nil
}

// lookUser finds the user of a row, by address and else by the uid that we give,
// and makes sure that it is one.
func (m *Maker) lookUser(ctx context.Context, r *realm, w User, uid string) (*bmapi.User, *bmapi.Mailbox, *refusal, error) {
	if r.is() == nil {
		return nil, nil, nil, nil
	}
	box, ok, err := m.boxByEmail(ctx, r, w.Address)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("look for the mailbox of %s: %w", w.Address, err)
	}
	if err := m.refused(r, box, ok); err != nil {
		return nil, nil, nil, err
	}
	if ok && box.Type != bmapi.BoxUser {
		return nil, nil, because("correct the row: an account of kind user needs a user", "%s is the address of a %s in BlueMind", w.Address, kindOfBox(box.Type)), nil
	}
	if ok {
		uid = box.UID
	}
	u, known, err := found(m.Admin.User(ctx, r.uid, uid))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read user %s: %w", w.Address, err)
	}
	if !known {
		return nil, nil, nil, nil
	}
	if !ok {
		if box, _, err = found(m.Admin.Mailbox(ctx, r.uid, uid)); err != nil {
			return nil, nil, nil, fmt.Errorf("read the mailbox of %s: %w", w.Address, err)
		}
	}
	return u, box, nil, nil
}

// shut says why mail can't go to a user that is there.
func (m *Maker) shut(ctx context.Context, r *realm, w User, u *bmapi.User) (*refusal, error) {
	switch {
	case reserved(u.Login):
		return because("correct the row", "%s belongs to BlueMind itself", w.Address), nil
	case u.System:
		return because("correct the row", "%s is a technical user of BlueMind, without a mailbox", w.Address), nil
	case u.Archived && owned(u.ExternalID):
		return because("activate the account in "+directoryName(u.ExternalID)+", then let the import run", "%s is suspended in BlueMind", w.Address), nil
	case u.Archived:
		return because("activate the user in BlueMind", "%s is suspended in BlueMind", w.Address), nil
	case u.Routing == "" || u.Routing == bmapi.RoutingInternal:
		return nil, nil
	case u.Routing == bmapi.RoutingExternal && m.Version.Major == 4:
		return m.external(ctx, r, w, u) // BlueMind 4 makes him a mailbox when he is routed to it
	case u.Routing == bmapi.RoutingExternal:
		return nil, nil
	}
	return because("set the mail routing of the user to internal in BlueMind", "%s: mail routing %s: BlueMind does not store his mail", w.Address, u.Routing), nil
}

// external explains routing external: the domain is split with another mail
// system, which gets the mail of those who have not moved yet. Who that is, a
// group of LDAP or AD decides where the domain is imported. BlueMind 5 has a
// mailbox for them all the same, which can be filled before they move.
func (m *Maker) external(ctx context.Context, r *realm, w User, u *bmapi.User) (*refusal, error) {
	settings, err := m.settingsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	relay := settings[bmapi.SettingRelay]
	if relay == "" {
		relay = "another mail system"
	}
	mend := "set the mail routing of the user to internal in BlueMind"
	if group := relayGroup(r.is()); group != "" && owned(u.ExternalID) {
		mend = fmt.Sprintf("take him out of the group %q in %s, which decides it, then let the import run", group, directoryName(u.ExternalID))
	}
	return because(mend, "%s: mail routing external: his mail still goes to %s (split domain)", w.Address, relay), nil
}

// entryOf is what a caller gets to see of a user.
func entryOf(r *realm, u *bmapi.User, box *bmapi.Mailbox, existing bool) *Entry {
	return &Entry{Domain: r.is(), Kind: KindUser, UID: u.UID, Name: u.Login, Address: u.DefaultEmail(), Directory: owned(u.ExternalID), Box: box, Existing: existing}
}
