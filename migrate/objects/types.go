package objects

import (
	"context"
	"log/slog"
	"strings"

	"bmsync/bmapi"
)

// Kind is what an outcome or a record is about.
type Kind string

// What there is to make.
const (
	KindDomain       Kind = "domain"
	KindUser         Kind = "user"
	KindShare        Kind = "share"
	KindGroup        Kind = "group"
	KindExternal     Kind = "external" // a member of groups whose mail is elsewhere
	KindMember       Kind = "member"
	KindRight        Kind = "right"
	KindSubscription Kind = "subscription"
)

// Action is what was done, or with Maker.Dry would be.
type Action string

// What can become of an object.
const (
	Created   Action = "created"
	Changed   Action = "changed"
	AsWanted  Action = "as wanted"
	Conflict  Action = "conflict"  // not as wanted, and not ours to change: Reason and Mend say more
	Withdrawn Action = "withdrawn" // by Withdraw
	Kept      Action = "kept"      // Withdraw left it, for Reason
)

// Change is one field that was, or would be, changed.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// Outcome tells what became of one object. Changes are those made, or with
// Maker.Dry to be made, also where the action is a conflict.
type Outcome struct {
	Kind      Kind     `json:"kind"`
	Name      string   `json:"name"`             // address, name, or "who → what" of members, rights and subscriptions
	Domain    string   `json:"domain,omitempty"` // uid; as wanted, where it does not exist yet
	UID       string   `json:"uid,omitempty"`
	Action    Action   `json:"action"`
	Changes   []Change `json:"changes,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Mend      string   `json:"mend,omitempty"`
	Directory bool     `json:"directory,omitempty"` // owned by LDAP or AD: never written to
	Fixes     []Fix    `json:"fixes,omitempty"`
}

// Fix is a line for the administrator of the LDAP or AD directory.
type Fix struct {
	Address string `json:"address"`
	Login   string `json:"login,omitempty"` // "" where BlueMind knows none
	Problem string `json:"problem"`
	Mend    string `json:"mend"`
}

// Made is what is recorded of a creation: enough to withdraw it.
type Made struct {
	Kind      Kind   `json:"kind"`
	DomainUID string `json:"domainUid"`
	UID       string `json:"uid"`  // of the entry; of members the group's, of rights and subscriptions the box's
	Name      string `json:"name"` // for people

	// Detail is, of members "type uid", of rights "subject gave=Verb,… had=Verb,…", of
	// subscriptions the user's uid, and of all else what it was called when it was
	// made, in a form of its own.
	Detail string `json:"detail"`
}

// Subject is who was given a right or a subscription, or was made a member: a uid.
func (m Made) Subject() string {
	first, rest, _ := strings.Cut(m.Detail, " ")
	if m.Kind == KindMember {
		return rest
	}
	return first
}

// Journal remembers what was made. Its methods may be called from several
// goroutines; repeating one with the same Made is harmless. Members, rights and
// subscriptions are told apart by Detail as well, all else by kind, domain and uid.
type Journal interface {
	// Begin is durable when it returns: the creating call comes after it.
	Begin(ctx context.Context, m Made) error
	// Done confirms the creation. It comes again in later runs, for what is there.
	Done(ctx context.Context, m Made) error
	// Drop takes a Begin back: the creation was refused, nothing was made.
	Drop(ctx context.Context, m Made) error
	// Pending tells whether there was a Begin or Done, of this or an earlier run,
	// that neither a Drop nor a withdrawal took back.
	Pending(ctx context.Context, m Made) (bool, error)
}

// Maker makes sure that BlueMind holds what is wanted. The zero value of all
// but Admin is usable. It remembers what it read of domains, servers and groups,
// so it is made anew for each run. Its methods may be called from several
// goroutines; it must not be copied.
type Maker struct {
	Admin   *bmapi.Session
	Version bmapi.Version
	Journal Journal      // nil: nothing is recorded
	Dry     bool         // looks only: outcomes say what would be done
	Update  bool         // patch what exists; false: what differs is a conflict
	Log     *slog.Logger // what needs no answer; nil: nowhere

	// RowOf gives the address of the row that an address, in lower case, is wanted
	// for; "": none. With it no row gets what is another's, whether that one is
	// part of the run or not. nil: only rows that came before are known.
	RowOf func(address string) string

	// Refuse says why the mailbox that has a row's address must be left alone,
	// before it is compared with the row; nil: none must.
	Refuse func(d *bmapi.Domain, box *bmapi.Mailbox) error

	memory memory
}

// Domain is a mail domain as wanted. Quotas are KiB; nil: not stated, 0: none.
type Domain struct {
	Name          string
	Aliases       []string
	DefaultAlias  string // "": not stated; Name at creation
	UserQuota     *int64 // default of new users
	UserQuotaMax  *int64
	ShareQuota    *int64 // default of new shares
	ShareQuotaMax *int64
	Language      string // "": not stated
	MailServer    string // uid of the server that keeps the mail; "": the first with mail/imap
	Create        bool
}

// User is a user as wanted. What is "" or nil is not stated.
type User struct {
	Address      string // by which he is known; at creation the default address
	Login        string // "": local part of Address
	Aliases      []string
	AllAliases   bool // the addresses count in every alias of the domain
	FirstName    string
	LastName     string
	DisplayName  string
	Quota        *int64 // KiB; 0: unlimited
	DataLocation string // server uid
	AccountType  string
	Groups       []string // beside BlueMind's group "user"; names
	// Password is asked once, at creation. nil: no password, which leaves API keys
	// and LDAP as ways in.
	Password func(context.Context) (string, error)
	Create   bool
	Hidden   bool // from address books: technical writers
}

// Share is a shared mailbox as wanted.
type Share struct {
	Address      string
	Name         string // its top folder; "": local part of Address
	Label        string // in address books
	Aliases      []string
	AllAliases   bool
	Quota        *int64 // KiB; 0: unlimited
	DataLocation string
	Create       bool
}

// Group is a group as wanted. Members are added, never removed. Without Create
// the group is BlueMind's own, and nothing but its members is touched.
type Group struct {
	Name        string
	Domain      string // its name; needed by a dry run that may find no such domain
	Address     string // "": none, a group for rights only
	Description string
	Hidden      bool
	Members     []Ref
	Create      bool
}

// What a Ref can name.
const (
	RefUser     = "user"
	RefGroup    = "group"
	RefShare    = "share"
	RefExternal = "external" // somebody outside of BlueMind, made as an external user
	RefAny      = ""         // whatever has that address
)

// Ref names an entry: by address, a group also by name.
type Ref struct {
	Kind string
	Name string
}

// Right gives a grantee verbs on a mailbox.
type Right struct {
	Grantee Ref
	Verbs   []string // bmapi.VerbRead …
	Fills   bool     // given to fill the mailbox: noted, so that it can be taken back
}

// Entry is what BlueMind has shown of a user, share or group. In a dry run it may
// be one that would be made: then Box is nil and Existing false, and so may
// Domain be nil.
type Entry struct {
	Domain    *bmapi.Domain
	Kind      Kind
	UID       string
	Name      string // login, share name or group name
	Address   string // default address, "" if there is none
	Directory bool
	Box       *bmapi.Mailbox // nil where none was read, such as of a group without one
	Existing  bool           // it was there before this call
}
