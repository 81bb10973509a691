package objects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bmsync/bmapi"
)

// createUser makes a user who is not there, with all that the row states. What
// BlueMind would refuse is looked for before: so a dry run says the same, and
// nothing is half made.
func (m *Maker) createUser(ctx context.Context, r *realm, w User, o Outcome) (*Entry, Outcome, error) {
	emails := w.emails(r)
	groups, bad, err := m.beforeUser(ctx, r, w, o.UID, emails)
	if err != nil || bad != nil {
		return m.turnedDown(o, bad, err)
	}
	o.Action = Created
	m.memory.rows.Store(o.UID, w.Address)
	if m.Dry {
		e := &Entry{Domain: r.is(), Kind: KindUser, UID: o.UID, Name: w.Login, Address: w.Address}
		if bad := r.would.take(e, w.Login, emails); bad != nil {
			return nil, o.conflict(bad), nil
		}
		if !w.Hidden {
			r.would.add(cmp.Or(w.AccountType, bmapi.AccountFull))
		}
		return e, o, nil
	}
	u, bad, err := m.newUser(ctx, w, emails)
	if err != nil || bad != nil {
		return m.turnedDown(o, bad, err)
	}
	look := func() (bool, error) {
		_, ok, err := found(m.Admin.User(ctx, r.uid, o.UID))
		return ok, err
	}
	refused, err := m.create(ctx, w.made(r, o.UID), func() error { return m.Admin.CreateUser(ctx, r.uid, o.UID, u) }, look)
	if err != nil {
		return nil, o, fmt.Errorf("create user %s: %w", w.Address, err)
	}
	if refused != nil {
		bad, err := m.whyNoUser(ctx, r, w, o.UID, emails, refused)
		return m.turnedDown(o, bad, err)
	}
	bad, _, err = m.joinGroups(ctx, r, o.UID, w.Address, groups)
	if err != nil {
		return nil, o, fmt.Errorf("user %s: %w", w.Address, err)
	}
	e, err := m.readUser(ctx, r, o.UID, false)
	if err == nil && bad != nil {
		o = o.conflict(bad)
	}
	return e, o, err
}

func (want User) made(r *realm, uid string) Made {
	return Made{Kind: KindUser, DomainUID: r.uid, UID: uid, Name: want.Address, Detail: "login=" + want.Login}
}

// newUser is the user as BlueMind gets him. Without a family name, which it
// wants, what is left of the name that people see stands for it.
func (m *Maker) newUser(ctx context.Context, w User, emails []bmapi.Email) (*bmapi.User, *refusal, error) {
	u := &bmapi.User{Login: w.Login, Routing: bmapi.RoutingInternal, Emails: emails, GivenNames: w.FirstName, FamilyNames: w.LastName,
		DisplayName: w.DisplayName, Quota: w.Quota, DataLocation: w.DataLocation, AccountType: w.AccountType, Hidden: w.Hidden}
	if u.FamilyNames == "" {
		rest, _ := strings.CutPrefix(w.DisplayName, w.FirstName+" ")
		u.FamilyNames = cmp.Or(rest, w.FirstName, w.Login)
		u.DisplayName = cmp.Or(w.DisplayName, w.FirstName, w.Login)
	}
	if w.Password == nil {
		return u, nil, nil
	}
	password, err := w.Password(ctx)
	if err != nil {
		return nil, nil, err
	}
	u.Password = password
	return u, badPassword(password), nil
}

// beforeUser looks for what stands against a new user, and finds his groups.
func (m *Maker) beforeUser(ctx context.Context, r *realm, w User, uid string, emails []bmapi.Email) ([]*bmapi.Group, *refusal, error) {
	for _, bad := range []*refusal{badLogin(w.Login), r.dropped(w.Login, emails), m.otherRow(r, w.Address, emails...)} {
		if bad != nil {
			return nil, bad, nil
		}
	}
	for _, look := range []func() (*refusal, error){
		func() (*refusal, error) { return m.takenAddress(ctx, r, uid, emails) },
		func() (*refusal, error) { return m.takenName(ctx, r, uid, w.Login) },
		func() (*refusal, error) {
			if m.Version.Major == 4 {
				return nil, nil // not all of 4 give it
			}
			return m.takenImplicit(ctx, r, w, uid, emails)
		},
		func() (*refusal, error) { return m.badLocation(ctx, r, w.DataLocation) },
		func() (*refusal, error) { return m.quotaAbove(ctx, r, w.Quota, bmapi.SettingMaxUserQuota) },
		func() (*refusal, error) { return m.badType(ctx, r, w.AccountType, true) },
	} {
		if bad, err := look(); err != nil || bad != nil {
			return nil, bad, err
		}
	}
	return m.groupsOf(ctx, r, append([]string{bmapi.UsersGroup}, w.Groups...))
}

// takenImplicit says who else has the address that BlueMind gives a new user by
// itself: his login under the domain's uid, unless the row has it.
func (m *Maker) takenImplicit(ctx context.Context, r *realm, w User, uid string, emails []bmapi.Email) (*refusal, error) {
	own := bmapi.Email{Address: w.Login + "@" + r.uid}
	if slices.ContainsFunc(emails, func(e bmapi.Email) bool {
		return e.Address == own.Address || e.AllAliases && localOf(e.Address) == w.Login
	}) {
		return nil, nil
	}
	bad, err := m.takenAddress(ctx, r, uid, []bmapi.Email{own})
	if bad != nil {
		bad = because("write another login in the row, column login, or take the address away from that one", "BlueMind gives each user his login as an address, and %s", bad.reason)
	}
	return bad, err
}

// whyNoUser puts BlueMind's no into words: what was free a moment ago may be
// taken, a limit may be reached, a policy may be installed.
func (m *Maker) whyNoUser(ctx context.Context, r *realm, w User, uid string, emails []bmapi.Email, refused error) (*refusal, error) {
	r.settings.forget()
	r.full.forget()
	switch code := bmapi.CodeOf(refused); {
	case errors.Is(refused, bmapi.ErrAlreadyExists):
		m.memory.strays.forget()
		for _, look := range []func() (*refusal, error){
			func() (*refusal, error) { return m.takenAddress(ctx, r, uid, emails) },
			func() (*refusal, error) { return m.takenName(ctx, r, uid, w.Login) },
			func() (*refusal, error) { return m.takenImplicit(ctx, r, w, uid, emails) },
		} {
			if bad, err := look(); err != nil || bad != nil {
				return bad, err
			}
		}
	case code == bmapi.CodeInvalidPassword:
		return because("give the user another first password", "BlueMind's password policy does not take the first password"), nil
	case code == bmapi.CodeForbidden:
		if bad, err := m.badType(ctx, r, w.AccountType, true); err != nil || bad != nil {
			return bad, err
		}
	}
	return said(refused), nil
}

// badLocation says why a server can't keep mail of the domain.
func (m *Maker) badLocation(ctx context.Context, r *realm, uid string) (*refusal, error) {
	if uid == "" {
		return nil, nil
	}
	if r.is() == nil {
		_, bad, err := m.mailServer(ctx, uid)
		return bad, err
	}
	able, err := m.mailServers(ctx, r)
	if err != nil || slices.Contains(able, uid) {
		return nil, err
	}
	return because("correct the row, column data_location, or assign the server to the domain in BlueMind",
		"the server %q keeps no mail of the domain %s", uid, r.uid), nil
}

// quotaAbove says why a quota is no good in a domain that has a maximum.
func (m *Maker) quotaAbove(ctx context.Context, r *realm, quota *int64, setting string) (*refusal, error) {
	if quota == nil {
		return nil, nil
	}
	settings, err := m.settingsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	most := quotaSetting(settings, setting)
	if most == 0 || *quota > 0 && *quota <= most {
		return nil, nil
	}
	asked := strconv.FormatInt(*quota, 10) + " KiB"
	if *quota == 0 {
		asked = "none"
	}
	return because("lower the quota in the row, or raise the domain's maximum in BlueMind", "quota %s: the domain %s allows %d KiB at most", asked, r.uid, most), nil
}

// quotaInTheWay says that BlueMind refuses any change of an entry, for a quota
// that the row does not speak of: it validates the whole, and has a maximum.
func (m *Maker) quotaInTheWay(ctx context.Context, r *realm, quota *int64, setting string) (*refusal, error) {
	have := quotaOf(quota)
	bad, err := m.quotaAbove(ctx, r, &have, setting)
	if bad != nil {
		bad = because("state a quota in the row, or raise the domain's maximum in BlueMind", "BlueMind refuses any change: %s", bad.reason)
	}
	return bad, err
}

// badType says why the domain takes no more users of a type. The limits count
// users of their own type who are not hidden (BlueMind's MaxUsersHook).
func (m *Maker) badType(ctx context.Context, r *realm, accountType string, another bool) (*refusal, error) {
	settings, err := m.settingsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	accountType = cmp.Or(accountType, bmapi.AccountFull)
	key := map[string]string{bmapi.AccountFull: bmapi.SettingMaxUsers, bmapi.AccountSimple: bmapi.SettingMaxSimple, bmapi.AccountVisio: settingMaxVisio}[accountType]
	text := settings[key]
	limit, err := strconv.Atoi(text)
	switch {
	case text == "" && accountType == bmapi.AccountFull:
		return nil, nil
	case text == "" || err == nil && limit == 0:
		return because(fmt.Sprintf("set %s of the domain in BlueMind, or write another account type", key), "the domain %s has no limit for accounts of type %s, so it takes none", r.uid, accountType), nil
	case err != nil || !another:
		return nil, nil
	}
	counts, err := m.countUsers(ctx, r)
	if err != nil {
		return nil, err
	}
	if n := counts[accountType] + m.coming(r, accountType); n >= limit {
		return because(fmt.Sprintf("raise %s of the domain in BlueMind", key), "the domain %s takes %d users of type %s at most, and has as many", r.uid, limit, accountType), nil
	}
	return nil, nil
}
