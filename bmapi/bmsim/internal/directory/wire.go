package directory

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Text is a string that is null on the wire when it is empty.
type Text string

// MarshalJSON writes null for the empty text.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Meta is what an ItemValue says around its value.
type Meta struct {
	UID         string   `json:"uid"`
	InternalID  int64    `json:"internalId"`
	Version     int64    `json:"version"`
	DisplayName Text     `json:"displayName"`
	ExternalID  Text     `json:"externalId"`
	CreatedBy   Text     `json:"createdBy"`
	UpdatedBy   Text     `json:"updatedBy"`
	Created     int64    `json:"created"` // epoch milliseconds, as all dates
	Updated     int64    `json:"updated"`
	Flags       []string `json:"flags"`
}

// Item is an ItemValue.
type Item[T any] struct {
	Value T `json:"value"`
	Meta
}

// Email is an address of an entry.
type Email struct {
	Address    string `json:"address"`
	AllAliases bool   `json:"allAliases"` // the left part counts in every alias of the domain
	IsDefault  bool   `json:"isDefault"`
}

// Base is what users, mailshares and groups have in common.
type Base struct {
	Emails       []Email `json:"emails"`
	Hidden       bool    `json:"hidden"`
	Archived     bool    `json:"archived"`
	System       bool    `json:"system"`
	OrgUnitUID   Text    `json:"orgUnitUid"`
	DataLocation Text    `json:"dataLocation"`
}

// DefaultEmail is the default address, or "".
func (b *Base) DefaultEmail() string {
	for _, e := range b.Emails {
		if e.IsDefault {
			return e.Address
		}
	}
	return ""
}

// Domain is a mail domain.
type Domain struct {
	Label        Text              `json:"label"`
	Name         Text              `json:"name"`
	Description  Text              `json:"description"`
	Global       bool              `json:"global"`
	Aliases      []string          `json:"aliases"`
	DefaultAlias Text              `json:"defaultAlias"`
	Properties   map[string]string `json:"properties"`
}

// Server is a machine of the installation.
type Server struct {
	IP   string   `json:"ip"`
	FQDN string   `json:"fqdn"`
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// Assignment gives a domain a server for one tag.
type Assignment struct {
	DomainUID string `json:"domainUid"`
	ServerUID string `json:"serverUid"`
	Tag       string `json:"tag"`
}

// User is an account.
type User struct {
	Base
	Login                Text              `json:"login"`
	Password             Text              `json:"password"` // taken, never returned
	PasswordLastChange   *int64            `json:"passwordLastChange"`
	PasswordMustChange   bool              `json:"passwordMustChange"`
	PasswordNeverExpires bool              `json:"passwordNeverExpires"`
	ContactInfos         Card              `json:"contactInfos"`
	Routing              Routing           `json:"routing"`
	AccountType          AccountType       `json:"accountType"`
	Quota                *int64            `json:"quota"` // KiB
	MailboxCopyGUID      Text              `json:"mailboxCopyGuid"`
	Properties           map[string]string `json:"properties"`
}

// Mailshare is a shared mailbox.
type Mailshare struct {
	Base
	Name    Text    `json:"name"`
	Routing Routing `json:"routing"`
	Quota   *int64  `json:"quota"`
	Card    Card    `json:"card"`
}

// Group is a list of members, with or without an address.
type Group struct {
	Base
	Name          Text              `json:"name"`
	Description   Text              `json:"description"`
	Properties    map[string]string `json:"properties"`
	HiddenMembers bool              `json:"hiddenMembers"`
	MailArchived  bool              `json:"mailArchived"`
	MemberCount   *int              `json:"memberCount"`
}

// Member is a member of a group.
type Member struct {
	Type MemberType `json:"type"`
	UID  string     `json:"uid"`
}

// Mailbox is the mail side of an entry.
type Mailbox struct {
	Name         string  `json:"name"`
	Type         string  `json:"type"` // user, mailshare, group
	Routing      Routing `json:"routing"`
	Emails       []Email `json:"emails"`
	DataLocation Text    `json:"dataLocation"`
	Quota        *int64  `json:"quota"`
	Hidden       bool    `json:"hidden"`
	System       bool    `json:"system"`
	Archived     bool    `json:"archived"`
}

// DirEntry is an entry as the directory lists it.
type DirEntry struct {
	DisplayName  Text   `json:"displayName"`
	EntryUID     string `json:"entryUid"`
	AccountType  Text   `json:"accountType"`
	Kind         string `json:"kind"`
	Path         string `json:"path"`
	Email        Text   `json:"email"`
	Hidden       bool   `json:"hidden"`
	System       bool   `json:"system"`
	Archived     bool   `json:"archived"`
	OrgUnitUID   Text   `json:"orgUnitUid"`
	OrgUnitPath  *int   `json:"orgUnitPath"` // always null here
	DataLocation Text   `json:"dataLocation"`
}

// APIKey is a key that never expires.
type APIKey struct {
	SID         string `json:"sid"`
	DisplayName string `json:"displayName"`
	Subject     string `json:"subject"` // uid of the user
	DomainUID   string `json:"domainUid"`
}

// The enumerations of the wire; reading any other word is a parse error.
type (
	Routing     string
	AccountType string
	MemberType  string
)

// UnmarshalJSON reads a routing.
func (r *Routing) UnmarshalJSON(b []byte) error {
	return enum((*string)(r), b, "internal", "external", "none")
}

// MarshalJSON writes null for no routing.
func (r Routing) MarshalJSON() ([]byte, error) { return Text(r).MarshalJSON() }

// UnmarshalJSON reads an account type.
func (a *AccountType) UnmarshalJSON(b []byte) error {
	return enum((*string)(a), b, "FULL", "SIMPLE", "FULL_AND_VISIO")
}

// MarshalJSON writes null for no type.
func (a AccountType) MarshalJSON() ([]byte, error) { return Text(a).MarshalJSON() }

// UnmarshalJSON reads the kind of a member.
func (m *MemberType) UnmarshalJSON(b []byte) error {
	return enum((*string)(m), b, "user", "group", "external_user")
}

func enum(to *string, b []byte, words ...string) error {
	var t Text
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	if t != "" && !slices.Contains(words, string(t)) {
		return fmt.Errorf("%q is none of %v", string(t), words)
	}
	*to = string(t)
	return nil
}
