package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// roleMail is the role that lets a user have his mail on the web.
const roleMail = "hasMail"

// IsDirectoryDomain tells whether a domain imports its users from LDAP or AD:
// its properties say so, import_ldap_enabled and import_ad_enabled.
func IsDirectoryDomain(d *bmapi.Domain) bool { return d != nil && len(imports(d)) > 0 }

// imports are the kinds of directory that a domain imports from: ldap, ad.
func imports(d *bmapi.Domain) []string {
	var kinds []string
	for _, key := range slices.Sorted(maps.Keys(d.Properties)) {
		rest, isImport := strings.CutPrefix(key, "import_")
		kind, isSwitch := strings.CutSuffix(rest, "_enabled")
		if isImport && isSwitch && strings.EqualFold(d.Properties[key], "true") {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// relayGroup is the group of the directory whose members' mail is still kept by
// the other mail system of a split domain; "": none is named.
func relayGroup(d *bmapi.Domain) string {
	if d == nil {
		return ""
	}
	for _, kind := range imports(d) {
		if g := d.Properties["import_"+kind+"_relay_mailbox_group"]; g != "" {
			return g
		}
	}
	return ""
}

// owned tells whether an entry belongs to a directory: its external id begins
// with ldap:// or ad://.
func owned(externalID string) bool {
	scheme, _, ok := strings.Cut(externalID, "://")
	return ok && (scheme == "ldap" || scheme == "ad")
}

// directoryName is what people call the directory that an entry comes from.
func directoryName(externalID string) string {
	if strings.HasPrefix(externalID, "ad://") {
		return "Active Directory"
	}
	return "LDAP"
}

// importName is what people call the directory of a domain.
func importName(d *bmapi.Domain) string {
	if slices.Contains(imports(d), "ad") {
		return "Active Directory"
	}
	return "LDAP"
}

// fix is a line for the directory's administrator.
func fix(w User, login string, bad *refusal) Fix {
	return Fix{Address: w.Address, Login: login, Problem: bad.reason, Mend: bad.mend}
}

// directoryUser looks at a user that a directory owns. Nothing is written; what
// differs goes to the list for the directory's administrator.
func (m *Maker) directoryUser(ctx context.Context, r *realm, w User, o Outcome, u *bmapi.User, box *bmapi.Mailbox) (*Entry, Outcome, error) {
	from, where := directoryName(u.ExternalID), "his entry in "+directoryName(u.ExternalID)+", then let the import run"
	if !owned(u.ExternalID) {
		from, where = "BlueMind", "him in BlueMind: he does not come from the directory"
	}
	lacks := func(mend, format string, args ...any) {
		o.Fixes = append(o.Fixes, fix(w, u.Login, because(mend, format, args...)))
	}
	for _, a := range w.emails(r) {
		if !reached(u.Emails, bmapi.Email{Address: a.Address}, r.all()) {
			lacks("add it to the mail attributes of "+where, "lacks the address %s", a.Address)
		}
	}
	if w.Quota != nil && quotaOf(u.Quota) != *w.Quota {
		lacks("set the quota of "+where+"; if the import brings no quotas, set it in BlueMind", "quota %s in BlueMind, %s wanted", quotaWord(quotaOf(u.Quota)), quotaWord(*w.Quota))
	}
	if have := cmp.Or(u.AccountType, bmapi.AccountFull); w.AccountType != "" && w.AccountType != have {
		lacks("change it in BlueMind", "account type %s in BlueMind, %s wanted", have, w.AccountType)
	}
	if w.DataLocation != "" && w.DataLocation != u.DataLocation {
		lacks("move him in BlueMind", "his mail is kept by %s, not by %s", u.DataLocation, w.DataLocation)
	}
	if err := m.directoryGroups(ctx, r, w, u, lacks); err != nil {
		return nil, o, err
	}
	roles, err := m.Admin.RolesResolved(ctx, r.uid, u.UID)
	switch {
	case errors.Is(err, bmapi.ErrNoRoute):
	case err != nil:
		return nil, o, fmt.Errorf("roles of %s: %w", w.Address, err)
	case !slices.Contains(roles, roleMail):
		lacks(fmt.Sprintf("put him into a group of %s that has roles in BlueMind, or into the group %q in BlueMind", from, bmapi.UsersGroup),
			"has no role for mail: he can't use it on the web or on a phone")
	}
	o.Action = AsWanted
	e := entryOf(r, u, box, true)
	e.Directory = true
	return e, o, nil
}

// directoryGroups looks which groups of the row a user of a directory is not in.
func (m *Maker) directoryGroups(ctx context.Context, r *realm, w User, u *bmapi.User, lacks func(mend, format string, args ...any)) error {
	if len(w.Groups) == 0 {
		return nil
	}
	have, err := m.Admin.GroupsOf(ctx, r.uid, u.UID)
	if err != nil {
		return fmt.Errorf("groups of %s: %w", w.Address, err)
	}
	for _, name := range w.Groups {
		g, err := m.group(ctx, r, name)
		switch {
		case err != nil:
			return err
		case g == nil:
			lacks("make the group, or correct the row, column groups", "the domain %s has no group %q", r.uid, name)
		case !slices.Contains(have, g.UID) && owned(g.ExternalID):
			lacks("add him to it in "+directoryName(g.ExternalID)+", then let the import run", "is not in the group %q", g.Name)
		case !slices.Contains(have, g.UID):
			lacks("add him to it in BlueMind", "is not in the group %q", g.Name)
		}
	}
	return nil
}

// notImported is a row whose address nobody has, in a domain that imports its
// users: they come from the directory, or not at all. He is looked for by login,
// as one who lacks the mail attribute is there without the address.
func (m *Maker) notImported(ctx context.Context, r *realm, w User, o Outcome) (*Entry, Outcome, error) {
	o.Directory, o.UID = true, ""
	from := importName(r.is())
	u, ok, err := found(m.Admin.UserByLogin(ctx, r.uid, w.Login))
	if err != nil {
		return nil, o, fmt.Errorf("look for user %s: %w", w.Login, err)
	}
	login := ""
	bad := because(fmt.Sprintf("see that his entry in %s has a login and %s as mail attribute, and that the filter of BlueMind's import takes it; then let the import run", from, w.Address),
		"%s is not in BlueMind: the import from %s has not brought him", w.Address, from)
	switch {
	case ok && owned(u.ExternalID):
		login = u.Login
		bad = because(fmt.Sprintf("add %s to the mail attributes of his entry in %s, then let the import run", w.Address, from),
			"the user %s comes from %s without the address %s", u.Login, from, w.Address)
		if !slices.ContainsFunc(u.Emails, func(e bmapi.Email) bool { return localOf(e.Address) != u.Login }) {
			bad.reason = fmt.Sprintf("the user %s has no mail attribute in %s: BlueMind gave him %s alone", u.Login, from, inWords(u.Emails))
		}
	case ok:
		login = u.Login
		bad = because("add the address to him in BlueMind, or correct the row", "the user %s of BlueMind has not the address %s, and does not come from %s", u.Login, w.Address, from)
	}
	o.Fixes = append(o.Fixes, fix(w, login, bad))
	return nil, o.conflict(bad), nil
}
