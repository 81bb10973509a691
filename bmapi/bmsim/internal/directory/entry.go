package directory

import "strings"

// Kinds of entries.
const (
	KindUser      = "USER"
	KindMailshare = "MAILSHARE"
	KindGroup     = "GROUP"
	KindExternal  = "EXTERNALUSER"
	KindDomain    = "DOMAIN"
	KindBook      = "ADDRESSBOOK"
)

// Entry is a directory entry: one of User, Mailshare, Group, External and Plain is set.
// Once in the store it is never changed.
type Entry struct {
	Meta
	Domain    string            `json:"domain"`
	Kind      string            `json:"kind"`
	User      *User             `json:"user,omitempty"`
	Mailshare *Mailshare        `json:"mailshare,omitempty"`
	Group     *Group            `json:"group,omitempty"`
	External  *ExternalUser     `json:"external,omitempty"`
	Plain     *Base             `json:"plain,omitempty"`    // an address book, calendar, resource or unit: listed, and no more
	Password  string            `json:"password,omitempty"` // a hash
	Members   []Member          `json:"members,omitempty"`
	ACL       []ACE             `json:"acl,omitempty"`
	Subs      []Subscription    `json:"subs,omitempty"`
	Filter    *Filter           `json:"filter,omitempty"`
	Settings  map[string]string `json:"settings,omitempty"`
	Roles     []string          `json:"roles,omitempty"`
	NoACL     bool              `json:"noACL,omitempty"` // a hook failed: the container of its rights is missing
	Homes     []Home            `json:"homes,omitempty"` // a user's containers that aren't new and empty
}

func (e *Entry) id() string { return e.Domain + "/" + e.UID }

func (e *Entry) base() *Base {
	switch {
	case e.User != nil:
		return &e.User.Base
	case e.Mailshare != nil:
		return &e.Mailshare.Base
	case e.External != nil:
		return &e.External.Base
	case e.Plain != nil:
		return e.Plain
	default:
		return &e.Group.Base
	}
}

// Emails are the entry's addresses.
func (e *Entry) Emails() []Email { return e.base().Emails }

// mailEmails are the addresses that mail is taken for: not those of external
// users, whose one address only stands in the directory.
func (e *Entry) mailEmails() []Email {
	if e.External != nil {
		return nil
	}
	return e.Emails()
}

// DefaultEmail is the default address, or "".
func (e *Entry) DefaultEmail() string { return e.base().DefaultEmail() }

// Archived tells whether the entry is suspended.
func (e *Entry) Archived() bool { return e.base().Archived }

// HasMailbox tells whether mail can be kept for the entry.
func (e *Entry) HasMailbox() bool {
	return e.Domain != GlobalDomain && !e.base().System && e.External == nil && e.Plain == nil
}

// MailboxName is the name in the domain's name space of mailboxes; "" of what is
// not in it.
func (e *Entry) MailboxName() string {
	switch {
	case e.User != nil:
		return string(e.User.Login)
	case e.Mailshare != nil:
		return string(e.Mailshare.Name)
	case e.External != nil, e.Plain != nil:
		return ""
	default:
		return "_" + string(e.Group.Name)
	}
}

// Mailbox is the entry, which has one, seen as a mailbox.
func (e *Entry) Mailbox() Mailbox {
	b := e.base()
	m := Mailbox{
		Name: e.MailboxName(), Type: strings.ToLower(e.Kind), Routing: "internal", Emails: b.Emails,
		DataLocation: b.DataLocation, Hidden: b.Hidden, System: b.System, Archived: b.Archived,
	}
	switch {
	case e.User != nil:
		m.Routing, m.Quota = e.User.Routing, e.User.Quota
	case e.Mailshare != nil:
		m.Routing, m.Quota = e.Mailshare.Routing, e.Mailshare.Quota
	case len(b.Emails) == 0:
		m.Routing = "none"
	}
	return m
}

// QuotaKiB is the quota, 0 for none.
func (e *Entry) QuotaKiB() int64 {
	if q := e.Mailbox().Quota; q != nil {
		return *q
	}
	return 0
}

// DirEntry is the entry as the directory lists it.
func (e *Entry) DirEntry() DirEntry {
	b := e.base()
	d := DirEntry{
		DisplayName: e.DisplayName, EntryUID: e.UID, Kind: e.Kind, Email: Text(b.DefaultEmail()),
		Path:   e.Domain + "/" + strings.ToLower(e.Kind) + "s/" + e.UID,
		Hidden: b.Hidden, System: b.System, Archived: b.Archived, OrgUnitUID: b.OrgUnitUID, DataLocation: b.DataLocation,
	}
	if e.User != nil {
		d.AccountType = Text(e.User.AccountType)
	}
	return d
}

// UserItem is a user as the API returns it: without its password.
func (e *Entry) UserItem() Item[User] { return Item[User]{Value: *e.User, Meta: e.Meta} }

// MailshareItem is a mailshare as the API returns it.
func (e *Entry) MailshareItem() Item[Mailshare] {
	return Item[Mailshare]{Value: *e.Mailshare, Meta: e.Meta}
}

// GroupItem is a group as the API returns it.
func (e *Entry) GroupItem() Item[Group] {
	g := *e.Group
	n := len(e.Members)
	g.MemberCount = &n
	return Item[Group]{Value: g, Meta: e.Meta}
}

// MailboxItem is the entry's mailbox as the API returns it.
func (e *Entry) MailboxItem() Item[Mailbox] {
	return Item[Mailbox]{Value: e.Mailbox(), Meta: e.Meta}
}

// owns tells whether an address reaches the entry.
func (e *Entry) owns(left, right string, d *domain) bool {
	for _, m := range e.Emails() {
		l, r, _ := strings.Cut(m.Address, "@")
		if l == left && (r == right || m.AllAliases && d.answersTo(right)) {
			return true
		}
	}
	return false
}
