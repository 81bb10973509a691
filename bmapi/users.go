package bmapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Email is an address of an entry. BlueMind wants it in lower case; it is made so
// on the way out.
type Email struct {
	Address    string `json:"address"`
	AllAliases bool   `json:"allAliases"` // the left part is valid in every alias of the domain
	IsDefault  bool   `json:"isDefault"`
}

// Routing and account types.
const (
	RoutingInternal = "internal"
	RoutingExternal = "external"
	RoutingNone     = "none"
	AccountFull     = "FULL"
	AccountSimple   = "SIMPLE"
	AccountVisio    = "FULL_AND_VISIO"
)

// User is a person with a mailbox. What the server says beyond these fields is kept
// and goes back with UpdateUser.
type User struct {
	UID          string  // "" before creation
	Version      int64   // grows with changes
	ExternalID   string  // what a directory (LDAP, AD) knows him by; "": he is BlueMind's own. See SetUserExtID
	Login        string  // also the mailbox's name: [a-z0-9][a-z0-9-._]{0,63}
	Password     string  // write only; "": none. See GeneratePassword
	Routing      string  // "": internal
	AccountType  string  // "": FULL
	DataLocation string  // server uid; "": the server chooses among the domain's
	Quota        *int64  // KiB; nil: none, at creation the domain's default
	Emails       []Email // the server adds login@<domain uid>, in any order
	FamilyNames  string  // required
	GivenNames   string
	DisplayName  string // "" at creation: both names
	Hidden       bool   // from address books
	Archived     bool   // suspended: cannot log in
	System       bool   // technical, without mailbox

	rest document
}

// userWire is User as BlueMind spells it; formatedName is its spelling.
type userWire struct {
	Login        string  `json:"login"`
	Password     string  `json:"password,omitempty"`
	Routing      string  `json:"routing"`
	AccountType  string  `json:"accountType,omitempty"`
	DataLocation *string `json:"dataLocation"`
	Quota        *int64  `json:"quota"`
	Emails       []Email `json:"emails"`
	ContactInfos struct {
		Kind           string `json:"kind,omitempty"`
		Identification struct {
			Name struct {
				FamilyNames string `json:"familyNames,omitempty"`
				GivenNames  string `json:"givenNames,omitempty"`
			} `json:"name"`
			FormatedName struct {
				Value string `json:"value,omitempty"`
			} `json:"formatedName"`
		} `json:"identification"`
	} `json:"contactInfos"`
	Hidden   bool `json:"hidden"`
	Archived bool `json:"archived"`
	System   bool `json:"system"`
}

// UnmarshalJSON reads the value of a user's item.
func (u *User) UnmarshalJSON(data []byte) error {
	var w userWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	if err := u.rest.read(data); err != nil {
		return err
	}
	*u = User{rest: u.rest, Login: w.Login, Routing: w.Routing, AccountType: w.AccountType, DataLocation: deref(w.DataLocation),
		Quota: w.Quota, Emails: w.Emails, FamilyNames: w.ContactInfos.Identification.Name.FamilyNames,
		GivenNames: w.ContactInfos.Identification.Name.GivenNames, DisplayName: w.ContactInfos.Identification.FormatedName.Value,
		Hidden: w.Hidden, Archived: w.Archived, System: w.System}
	return nil
}

// MarshalJSON writes the value for a user's item, over what was read.
func (u User) MarshalJSON() ([]byte, error) {
	w := userWire{Login: u.Login, Password: u.Password, Routing: u.Routing, AccountType: u.AccountType, Quota: u.Quota,
		Emails: lowerEmails(u.Emails), Hidden: u.Hidden, Archived: u.Archived, System: u.System}
	if u.DataLocation != "" {
		w.DataLocation = &u.DataLocation
	}
	if w.Routing == "" {
		w.Routing = RoutingInternal
	}
	if w.AccountType == "" && u.rest == nil {
		w.AccountType = AccountFull
	}
	if u.rest == nil {
		w.ContactInfos.Kind = "individual"
		u.DisplayName = cmp.Or(u.DisplayName, strings.TrimSpace(u.GivenNames+" "+u.FamilyNames))
	}
	id := &w.ContactInfos.Identification
	id.Name.FamilyNames, id.Name.GivenNames, id.FormatedName.Value = u.FamilyNames, u.GivenNames, u.DisplayName
	return u.rest.over(w)
}

// DefaultEmail is the main address, "" if there is none.
func (u *User) DefaultEmail() string { return defaultEmail(u.Emails) }

func defaultEmail(emails []Email) string {
	for _, e := range emails {
		if e.IsDefault {
			return e.Address
		}
	}
	return ""
}

func lowerEmails(in []Email) []Email {
	out := make([]Email, 0, len(in))
	for _, e := range in {
		e.Address = lowered(e.Address)
		out = append(out, e)
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *Session) readUser(ctx context.Context, to endpoint) (*User, error) {
	it, err := get[User](ctx, s, to)
	if err != nil {
		return nil, err
	}
	it.Value.UID, it.Value.Version, it.Value.ExternalID = it.UID, it.Version, it.ExternalID
	return &it.Value, nil
}

// User reads a user by uid.
//
// GET /users/{domainUid}/{uid}/complete
func (s *Session) User(ctx context.Context, domainUID, uid string) (*User, error) {
	return s.readUser(ctx, at("/users", domainUID, uid, "complete"))
}

// UserByLogin finds a user by login, in any case.
//
// GET /users/{domainUid}/byLogin/{login}
func (s *Session) UserByLogin(ctx context.Context, domainUID, login string) (*User, error) {
	return s.readUser(ctx, at("/users", domainUID, "byLogin", login))
}

// UserByEmail finds a user by any of his addresses, in any case. Others than users
// may have the address too: EntryByEmail.
//
// GET /users/{domainUid}/byEmail/{email}
func (s *Session) UserByEmail(ctx context.Context, domainUID, address string) (*User, error) {
	return s.readUser(ctx, at("/users", domainUID, "byEmail", address))
}

// UserByExtID finds a user by what a directory knows him by.
//
// GET /users/{domainUid}/byExtId/{extid}
func (s *Session) UserByExtID(ctx context.Context, domainUID, extID string) (*User, error) {
	return s.readUser(ctx, at("/users", domainUID, "byExtId", extID))
}

// AllUIDs lists the uids of all users of a domain, technical ones included.
//
// GET /users/{domainUid}/_alluids
func (s *Session) AllUIDs(ctx context.Context, domainUID string) ([]string, error) {
	return s.texts(ctx, at("/users", domainUID, "_alluids"))
}

// CreateUser makes a user with mailbox, default folders and rights, all done when it
// returns. Look first (UserByLogin, EntryByEmail). After ErrAlreadyExists with
// MaybeDone look again: it may be ours.
//
// PUT /users/{domainUid}/{uid}
func (s *Session) CreateUser(ctx context.Context, domainUID, uid string, u *User) error {
	return s.createUser(ctx, at("/users", domainUID, uid), u)
}

func (s *Session) createUser(ctx context.Context, to endpoint, u *User) error {
	if err := checkEmails(u.Emails); err != nil {
		return err
	}
	if u.Password != "" {
		if err := CheckPassword(u.Password); err != nil {
			return err
		}
	}
	to.secrets = []string{u.Password}
	return s.do(ctx, "PUT", to, u, nil)
}

// CreateUserWithExtID is CreateUser for a user that a directory knows by extID.
//
// PUT /users/{domainUid}/{uid}/{extid}/createwithextid
func (s *Session) CreateUserWithExtID(ctx context.Context, domainUID, uid, extID string, u *User) error {
	return s.createUser(ctx, at("/users", domainUID, uid, extID, "createwithextid"), u)
}

// UpdateUser replaces a user by u, as read and changed. The password stays.
//
// POST /users/{domainUid}/{uid}
func (s *Session) UpdateUser(ctx context.Context, domainUID string, u *User) error {
	if err := checkEmails(u.Emails); err != nil {
		return err
	}
	sent := *u
	sent.Password = ""
	return s.do(ctx, "POST", at("/users", domainUID, u.UID), sent, nil)
}

// SetPassword gives a user a new password, as administrator.
//
// POST /users/{domainUid}/{uid}/password_
func (s *Session) SetPassword(ctx context.Context, domainUID, uid, password string) error {
	if err := CheckPassword(password); err != nil {
		return err
	}
	to := at("/users", domainUID, uid, "password_")
	to.secrets = []string{password}
	return s.do(ctx, "POST", to, map[string]string{"newPassword": password}, nil)
}

// SetUserExtID says what a directory knows a user by.
//
// POST /users/{domainUid}/{uid}/_extId
func (s *Session) SetUserExtID(ctx context.Context, domainUID, uid, extID string) error {
	return s.do(ctx, "POST", at("/users", domainUID, uid, "_extId"), extID, nil)
}

// UpdateAccountType changes what a user may use: AccountFull, AccountSimple or
// AccountVisio. The latter two need their limit set in the domain. BlueMind makes no
// full account simple, and says nothing: the user is read again, and one who has
// another type than asked for is ErrForbidden.
//
// POST /users/{domainUid}/_updateAccountType/{uid}
func (s *Session) UpdateAccountType(ctx context.Context, domainUID, uid, accountType string) error {
	if _, err := s.User(ctx, domainUID, uid); err != nil {
		return err // of an unknown uid BlueMind makes a Java exception
	}
	if err := s.do(ctx, "POST", at("/users", domainUID, "_updateAccountType", uid), accountType, nil); err != nil {
		return err
	}
	u, err := s.User(ctx, domainUID, uid)
	if err == nil && u.AccountType != accountType {
		return fmt.Errorf("account type of %s is still %s, not %s: %w", u.Login, u.AccountType, accountType, ErrForbidden)
	}
	return err
}

// Roles lists the roles given to a user himself.
//
// GET /users/{domainUid}/{uid}/roles
func (s *Session) Roles(ctx context.Context, domainUID, uid string) ([]string, error) {
	return s.texts(ctx, at("/users", domainUID, uid, "roles"))
}

// RolesResolved lists the roles that a user has, those by his groups included.
//
// GET /users/{domainUid}/{uid}/roles_resolved
func (s *Session) RolesResolved(ctx context.Context, domainUID, uid string) ([]string, error) {
	return s.texts(ctx, at("/users", domainUID, uid, "roles_resolved"))
}

// SetRoles replaces the roles given to a user himself.
//
// POST /users/{domainUid}/{uid}/roles
func (s *Session) SetRoles(ctx context.Context, domainUID, uid string, roles []string) error {
	return s.do(ctx, "POST", at("/users", domainUID, uid, "roles"), append([]string{}, roles...), nil)
}

// UserSettings reads a user's settings (lang, timezone, …), the domain's where he has
// none of his own.
//
// GET /users/{domainUid}/{uid}/_settings
func (s *Session) UserSettings(ctx context.Context, domainUID, uid string) (map[string]string, error) {
	var m map[string]string
	err := s.do(ctx, "GET", at("/users", domainUID, uid, "_settings"), nil, &m)
	return m, err
}

// PutUserSettings replaces all settings of a user: read, change, put.
//
// POST /users/{domainUid}/{uid}/_settings
func (s *Session) PutUserSettings(ctx context.Context, domainUID, uid string, m map[string]string) error {
	return s.do(ctx, "POST", at("/users", domainUID, uid, "_settings"), m, nil)
}

// DeleteUser deletes a user with his mail and waits for it. One that does not exist
// is fine. Delete his keys before: they outlive him.
//
// DELETE /users/{domainUid}/{uid}
func (s *Session) DeleteUser(ctx context.Context, domainUID, uid string) error {
	return s.remove(ctx, at("/users", domainUID, uid), func() (bool, error) {
		_, err := s.User(ctx, domainUID, uid)
		return isGone(err)
	})
}
