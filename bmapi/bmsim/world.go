package bmsim

import "bmsync/bmapi/bmsim/internal/directory"

// Domain is a domain to make at the start, with all that mail needs, unless it
// is there.
type Domain struct {
	UID          string            `json:"uid,omitempty"` // "": Name
	Name         string            `json:"name"`
	Aliases      []string          `json:"aliases,omitempty"`
	DefaultAlias string            `json:"defaultAlias,omitempty"` // "": Name or, with another UID, the first alias
	Settings     map[string]string `json:"settings,omitempty"`
	Properties   map[string]string `json:"properties,omitempty"`
	Users        []User            `json:"users,omitempty"`
	Shares       []Share           `json:"shares,omitempty"`
	Directory    *Directory        `json:"directory,omitempty"` // the LDAP or AD it imports users from; nil: none
}

// User is a user to make at the start, unless there is one of that login.
type User struct {
	Login    string   `json:"login"`
	Password string   `json:"password,omitempty"`
	Name     string   `json:"name,omitempty"`   // family name; "": the login
	Emails   []string `json:"emails,omitempty"` // the first one is the default; none: login@default alias
	QuotaKiB int64    `json:"quotaKiB,omitempty"`
	Archived bool     `json:"archived,omitempty"`
}

// Share is a mailshare to make at the start.
type Share struct {
	Name    string   `json:"name"`
	Emails  []string `json:"emails,omitempty"`
	Writers []string `json:"writers,omitempty"` // logins that get Write and are subscribed
}

// Kinds of a Directory. BlueMind's import from Active Directory is no part of
// its public source: what marks it here follows LDAP's.
const (
	LDAP            = directory.KindLDAP
	ActiveDirectory = directory.KindAD
)

// Directory is an LDAP or Active Directory that a domain imports users from: the
// domain's property import_ldap_enabled is true, and its users have external ids
// that begin with ldap://.
type Directory struct {
	Kind   string   `json:"kind,omitempty"` // "": LDAP
	People []Person `json:"people"`
}

// Person is somebody in a directory. Unless he waits, BlueMind has him from the
// start. One who waits is made a user by the first login with his password or by
// the first _su on his login.
type Person struct {
	Login     string   `json:"login"`
	Password  string   `json:"password,omitempty"` // the directory's; "": nobody logs in with it
	Name      string   `json:"name,omitempty"`     // family name; "": the login
	FirstName string   `json:"firstName,omitempty"`
	Emails    []string `json:"emails,omitempty"` // his mail attributes, the first one is the default; none: he lacks the attribute
	QuotaKiB  int64    `json:"quotaKiB,omitempty"`
	Groups    []string `json:"groups,omitempty"` // groups of the directory, which are imported, too
	Waits     bool     `json:"waits,omitempty"`  // not imported yet
	Member    bool     `json:"member,omitempty"` // in the group user; else he has no role
}
