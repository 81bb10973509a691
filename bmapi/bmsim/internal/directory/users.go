package directory

import (
	"slices"
	"strconv"
	"strings"
)

// CreateUser makes a user and, in the directory, its mailbox.
func (s *Store) CreateUser(by, domainUID, uid, extID string, u User) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil, noDomain(domainUID)
	}
	if err := s.sanitizeUser(d, &u, false); err != nil {
		return nil, err
	}
	if err := validateUser(u); err != nil {
		return nil, err
	}
	if u.Password != "" {
		if err := validPassword(string(u.Password)); err != nil {
			return nil, err
		}
	}
	if s.byLogin(d, string(u.Login)) != nil {
		return nil, Faultf(AlreadyExists, "user with login %s already exists", u.Login)
	}
	if err := s.userLimits(d, u); err != nil {
		return nil, err
	}
	if u.Quota == nil {
		q, err := s.defaultQuota(d, defaultUserQuota, maxUserQuota)
		if err != nil {
			return nil, err
		}
		u.Quota = q
	}
	e := &Entry{Meta: s.meta(uid, by), Domain: domainUID, Kind: KindUser, User: &u}
	if !u.System {
		if err := s.validateMailbox(d, uid, e.Mailbox()); err != nil {
			return nil, err
		}
	}
	if d.entries[uid] != nil || s.byUID[uid] != nil {
		return nil, Faultf(AlreadyExists, "uid %s already exists", uid)
	}
	e.ExternalID = Text(extID)
	if u.Password != "" {
		now := s.opts.Now().UnixMilli()
		e.Password, u.PasswordLastChange = stored(string(u.Password)), &now
	}
	s.finishUser(d, e, &u)
	if e.HasMailbox() {
		e.Subs = []Subscription{{Container: ACLContainer(uid), OfflineSync: true, Automount: true}}
	}
	if err := s.put(e); err != nil {
		return nil, err
	}
	s.forget(d, e)
	return e, nil
}

func (s *Store) finishUser(d *domain, e *Entry, u *User) {
	u.Password, u.Quota = "", unlimited(u.Quota)
	if u.Routing == "none" { // addresses outside the domain become a forward
		u.Routing = "internal"
		f := e.Filtering()
		u.Emails = slices.DeleteFunc(u.Emails, func(m Email) bool {
			if d.local(m.Address) {
				return false
			}
			f.Forwarding.Emails = append(f.Forwarding.Emails, m.Address)
			return true
		})
		if f.Forwarding.Enabled = len(f.Forwarding.Emails) > 0; f.Forwarding.Enabled {
			e.Filter = &f
		}
	}
	if u.Properties == nil {
		u.Properties = map[string]string{}
	}
	e.User, e.DisplayName = u, Text(u.ContactInfos.FormattedName())
}

func (s *Store) sanitizeUser(d *domain, u *User, renamed bool) error {
	if u.AccountType == "" {
		u.AccountType = "FULL"
	}
	if u.Routing == "" {
		u.Routing = "none"
	}
	emails, err := userEmails(d, u, renamed)
	if err != nil {
		return err
	}
	u.Emails = emails
	u.ContactInfos = u.ContactInfos.filled(u.DefaultEmail())
	u.DataLocation = s.place(d.UID, u.DataLocation)
	return nil
}

func validateUser(u User) error {
	if !loginForm.MatchString(string(u.Login)) {
		return Faultf(InvalidParameter, "Login is invalid")
	}
	if u.ContactInfos.FamilyNames() == "" {
		return Faultf(EmptyLastName, "A user should have a last name.")
	}
	return nil
}

// userLimits applies the limits a domain can set on its number of users, by type.
// Those of the types beside FULL must be set. Hidden and system users don't count.
func (s *Store) userLimits(d *domain, u User) error {
	keys := map[AccountType]string{
		"FULL": "domain_max_users", "SIMPLE": "domain_max_basic_account", "FULL_AND_VISIO": "domain_max_fullvisio_accounts",
	}
	limit, set := s.settings(d.UID)[keys[u.AccountType]]
	if limit == "" && (set || u.AccountType == "FULL") {
		return nil
	}
	most, err := strconv.Atoi(limit)
	switch {
	case set && err != nil:
		return Exception("NumberFormatException", `For input string: "`+limit+`"`)
	case !set || most == 0:
		return Faultf(Unknown, "Unable to create %s account for domain %s", u.AccountType, d.UID)
	}
	n := 0
	for _, e := range d.entries {
		if e.User != nil && !e.User.System && !e.User.Hidden && e.User.AccountType == u.AccountType {
			n++
		}
	}
	if n >= most {
		return Faultf(Forbidden, "Maximum %s accounts allowed (%d) for domain %s reached. Unable to create new one.", u.AccountType, most, d.UID)
	}
	return nil
}

// UpdateUser replaces a user; its password stays.
func (s *Store) UpdateUser(by, domainUID, uid string, u User) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, old, err := s.find(domainUID, uid, KindUser)
	if err != nil {
		return nil, err
	}
	renamed := old.User.Login != u.Login
	if err := s.sanitizeUser(d, &u, renamed); err != nil {
		return nil, err
	}
	if err := validateUser(u); err != nil {
		return nil, err
	}
	n := *old
	n.User = &u
	if n.HasMailbox() {
		if err := s.validateMailbox(d, uid, n.Mailbox()); err != nil {
			return nil, err
		}
	}
	// The directory's row keeps its type: only a call of its own changes it.
	u.PasswordLastChange, u.AccountType = old.User.PasswordLastChange, old.User.AccountType
	n.Meta = s.touched(old.Meta, by)
	s.finishUser(d, &n, &u)
	if err := s.put(&n); err != nil {
		return nil, err
	}
	s.forget(d, old)
	s.forget(d, &n)
	return &n, nil
}

// find returns an entry of one kind, or the 404 that BlueMind gives.
func (s *Store) find(domainUID, uid, kind string) (*domain, *Entry, error) {
	d := s.domains[domainUID]
	if d == nil {
		return nil, nil, noDomain(domainUID)
	}
	e := d.entries[uid]
	if e == nil || e.Kind != kind {
		return nil, nil, Faultf(NotFound, "%s %s not found", strings.ToLower(kind), uid)
	}
	return d, e, nil
}

// change stores a changed copy of an entry.
func (s *Store) change(by, domainUID, uid, kind string, f func(*Entry) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, old, err := s.find(domainUID, uid, kind)
	if err != nil {
		return err
	}
	n := *old
	n.Meta = s.touched(old.Meta, by)
	if err := f(&n); err != nil {
		return err
	}
	return s.put(&n)
}

// ByLogin finds a user by login, in any case.
func (s *Store) ByLogin(domainUID, login string) (*Entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	login, _, _ = strings.Cut(login, "@")
	e := s.byLogin(s.domains[domainUID], login)
	return e, e != nil
}

func (s *Store) byLogin(d *domain, login string) *Entry {
	if d == nil {
		return nil
	}
	if e := d.names[strings.ToLower(login)]; e != nil && e.User != nil {
		return e
	}
	return nil
}

// Users lists the uids of a domain's users, system users included.
func (s *Store) Users(domainUID string) []string {
	return s.uids(domainUID, KindUser)
}

func (s *Store) uids(domainUID, kind string) []string {
	uids := []string{}
	for _, e := range s.Entries(domainUID) {
		if e.Kind == kind {
			uids = append(uids, e.UID)
		}
	}
	slices.Sort(uids)
	return uids
}

// SetPassword changes a password. With current it must be the present one.
func (s *Store) SetPassword(by, domainUID, uid, current, fresh string) error {
	return s.change(by, domainUID, uid, KindUser, func(e *Entry) error {
		if e.Owned() {
			return Faultf(Forbidden, "Operation forbidden. Password must be changed in the directory.")
		}
		if current != "" && !matches(e.Password, current) {
			return Faultf("AUTHENTICATION_FAIL", "current password is not valid")
		}
		if err := validPassword(fresh); err != nil {
			return err
		}
		u, now := *e.User, s.opts.Now().UnixMilli()
		u.PasswordLastChange, u.PasswordMustChange = &now, false
		e.User, e.Password = &u, stored(fresh)
		return nil
	})
}

// SetRoles replaces the own roles of a user or group.
func (s *Store) SetRoles(by, domainUID, uid, kind string, roles []string) error {
	return s.change(by, domainUID, uid, kind, func(e *Entry) error {
		if e.User != nil && e.User.AccountType == "SIMPLE" {
			return Faultf(Forbidden, "Cannot set role for user %s", uid)
		}
		e.Roles = slices.Clone(roles)
		return nil
	})
}

// SetUserSettings replaces a user's settings.
func (s *Store) SetUserSettings(by, domainUID, uid string, v map[string]string) error {
	return s.change(by, domainUID, uid, KindUser, func(e *Entry) error {
		e.Settings = v
		return nil
	})
}

// SetExternalID sets the id an entry has elsewhere.
func (s *Store) SetExternalID(by, domainUID, uid, kind, extID string) error {
	return s.change(by, domainUID, uid, kind, func(e *Entry) error {
		e.ExternalID = Text(extID)
		return nil
	})
}

// SetAccountType changes the type of an account. A full one does not become
// simple: that is ignored without a word, as are limits.
func (s *Store) SetAccountType(by, domainUID, uid string, t AccountType) error {
	if t == "" {
		return nil
	}
	e, ok := s.Entry(domainUID, uid)
	if !ok || e.User == nil {
		return Exception("NullPointerException", "")
	}
	if t == e.User.AccountType || t == "SIMPLE" {
		return nil
	}
	return s.change(by, domainUID, uid, KindUser, func(e *Entry) error {
		u := *e.User
		u.AccountType = t
		e.User = &u
		return nil
	})
}

// Delete removes an entry and its memberships. It tells whether it was there.
// Its API keys stay, as BlueMind's do.
func (s *Store) Delete(domainUID, uid string) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil, noDomain(domainUID)
	}
	e := d.entries[uid]
	if e == nil {
		return nil, nil
	}
	for _, g := range d.entries {
		if g.Group != nil && slices.ContainsFunc(g.Members, func(m Member) bool { return m.UID == uid }) {
			n := *g
			n.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return m.UID == uid })
			if err := s.put(&n); err != nil {
				return nil, err
			}
		}
	}
	if err := s.drop(e); err != nil {
		return nil, err
	}
	s.forget(d, e)
	return e, nil
}
