package migrate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Choice is what happens to a kind of folder or message.
type Choice string

// Copy moves it with the rest; Exclude leaves it behind, and the ledger says
// by which rule.
const (
	Copy    Choice = "copy"
	Exclude Choice = "exclude"
)

// Keywords says what becomes of IMAP keywords such as $label1.
type Keywords string

// Keywords are kept unless the policy drops them.
const (
	KeepKeywords Keywords = "keep"
	DropKeywords Keywords = "drop"
)

// Repair is a change to a message that a target has refused as it is, so that
// it takes it. Original octets always go first.
type Repair string

// The repairs. None of the first two touches anything but the octets it is named
// for; RepairHeader leaves the body alone, and RepairDate all octets.
const (
	RepairBareLF Repair = "bare_lf" // a CR before each LF that has none
	RepairNUL    Repair = "nul"     // NUL octets are left out
	RepairHeader Repair = "header"  // lines that are no header fields
	RepairDate   Repair = "date"    // a date of arrival that the target can't hold
)

// Repairs are all of them.
func Repairs() []Repair { return []Repair{RepairBareLF, RepairNUL, RepairHeader, RepairDate} }

// Dates says what becomes of dates of arrival that can't be true.
type Dates string

// KeepDates sends them as they are; HeaderDates takes the date of the last
// Received field for them, or that of the Date field.
const (
	KeepDates   Dates = "keep"
	HeaderDates Dates = "headers"
)

// Password says which password a user gets that bmsync creates.
type Password string

// A generated password is known to nobody and has to be reset; with none, the
// user can't log in by password at all; a given one is what the row of
// accounts.csv refers to.
const (
	GeneratedPassword Password = "generated"
	NoPassword        Password = "none"
	GivenPassword     Password = "given"
)

// QuotaFrom says where a quota comes from that accounts.csv doesn't state.
type QuotaFrom string

// QuotaCSV takes accounts.csv alone: where it is silent, BlueMind's default
// holds. QuotaSource asks the source then.
const (
	QuotaCSV    QuotaFrom = "csv"
	QuotaSource QuotaFrom = "source"
)

// RightsFrom says where rights on mailboxes come from.
type RightsFrom string

// RightsSource translates the source's, and rights.csv wins over them;
// RightsCSV takes rights.csv alone; RightsNone sets none.
const (
	RightsSource RightsFrom = "source"
	RightsCSV    RightsFrom = "csv"
	RightsNone   RightsFrom = "none"
)

// Types of account in BlueMind (User.accountType).
const (
	AccountFull         = "FULL"
	AccountSimple       = "SIMPLE"
	AccountFullAndVisio = "FULL_AND_VISIO"
)

// Policy is every decision that holds for all accounts of a migration. A
// rehearsal passes for one policy, so its JSON form must not change: names
// are fixed, lists are sorted and maps are written in the order of their keys.
// Limits change no decision and are apart for that reason.
type Policy struct {
	TargetVersion TargetVersion `json:"target_version" yaml:"target_version"`
	Folders       FolderPolicy  `json:"folders" yaml:"folders"`
	Messages      MessagePolicy `json:"messages" yaml:"messages"`
	Flags         FlagPolicy    `json:"flags" yaml:"flags"`
	Repairs       []Repair      `json:"repairs" yaml:"repairs"`               // of what the target refuses; none: nothing is changed
	IntoNonEmpty  bool          `json:"into_non_empty" yaml:"into_non_empty"` // fill a mailbox that holds mail we didn't write
	Users         UserPolicy    `json:"users" yaml:"users"`
	Shares        SharePolicy   `json:"shares" yaml:"shares"`
	Presync       PresyncPolicy `json:"presync" yaml:"presync"`
}

// FolderPolicy says which folders are copied, and where to. Names are the
// source's, decoded, with its own delimiter or with "/". In Exclude, Include
// and SplitByYear, "*" stands for any characters, case doesn't matter, and
// "role:junk" is the folder of that role with what lies below it. Outbox is
// always excluded, for BlueMind could send what is in it.
//
// Map wins over Rules, and both win over the roles of folders. Two folders go
// into one only where Map or Rules say so.
type FolderPolicy struct {
	Map     map[string]string `json:"map" yaml:"map,omitempty"`         // source name → target path with "/"
	Rules   []FolderRule      `json:"rules" yaml:"rules,omitempty"`     // the first that matches counts
	Exclude []string          `json:"exclude" yaml:"exclude,omitempty"` // wins over Include
	Include []string          `json:"include" yaml:"include,omitempty"` // empty: all
	Junk    Choice            `json:"junk" yaml:"junk,omitempty"`
	Trash   Choice            `json:"trash" yaml:"trash,omitempty"`

	SubscribedOnly *bool    `json:"subscribed_only" yaml:"subscribed_only,omitempty"` // leave out what the user isn't subscribed to, but for INBOX; nil: no
	Into           string   `json:"into" yaml:"into,omitempty"`                       // everything goes below this folder, INBOX too; "": to where it was
	SplitByYear    []string `json:"split_by_year" yaml:"split_by_year,omitempty"`     // folders whose messages go to a folder a year below the target
}

// FolderRule sends the folders whose whole path, decoded and with "/" between
// levels, matches a regular expression (RE2) to where To says, in which $1
// stands for what the first group has matched; or it excludes them.
type FolderRule struct {
	Match   string `json:"match" yaml:"match"`
	To      string `json:"to,omitempty" yaml:"to,omitempty"`
	Exclude bool   `json:"exclude,omitempty" yaml:"exclude,omitempty"`
}

// changes says whether a policy decides anything, or leaves all to another.
func (f FolderPolicy) changes() bool {
	return len(f.Map)+len(f.Rules)+len(f.Exclude)+len(f.Include)+len(f.SplitByYear) > 0 ||
		f.Junk != "" || f.Trash != "" || f.SubscribedOnly != nil || f.Into != ""
}

// MessagePolicy says which messages of a copied folder are left behind.
type MessagePolicy struct {
	Deleted     Choice `json:"deleted" yaml:"deleted,omitempty"`           // those flagged \Deleted, not yet expunged
	AbsurdDates Dates  `json:"absurd_dates" yaml:"absurd_dates,omitempty"` // dates of arrival before 1970-01-02 or in the future
}

// FlagPolicy says what becomes of flags. System flags are always kept.
type FlagPolicy struct {
	Keywords Keywords          `json:"keywords" yaml:"keywords"`
	Map      map[string]string `json:"map" yaml:"map,omitempty"` // keyword at the source, whatever its case → flag on the target, "" to leave it out
}

// UserPolicy says what provisioning may do to users.
type UserPolicy struct {
	Create      bool      `json:"create" yaml:"create"`             // false: a missing user blocks the account
	Password    Password  `json:"password" yaml:"password"`         // of created users only
	Update      bool      `json:"update" yaml:"update"`             // false: what differs in BlueMind is told, and left as it is
	Quota       QuotaFrom `json:"quota" yaml:"quota"`               // users' and shares'
	AccountType string    `json:"account_type" yaml:"account_type"` // of rows without one; "": BlueMind's default for new users, others kept
	Groups      []string  `json:"groups" yaml:"groups"`             // for every user, beside the row's
	AllAliases  bool      `json:"all_aliases" yaml:"all_aliases"`   // the left part of the address is valid in every alias of the domain; shares' too
}

// SharePolicy says how shared mailboxes are made and filled, and whose rights
// are set.
type SharePolicy struct {
	Create bool `json:"create" yaml:"create"` // false: a missing share blocks the account
	// Writers are addresses of users by whose keys shares are filled that have
	// no writer in their row. Who fills a share decides nothing about what is
	// in it, so the policy's digest is not over them.
	Writers   []string   `json:"writers" yaml:"writers"`
	Rights    RightsFrom `json:"rights" yaml:"rights"`       // on shares, and on users' mailboxes
	Subscribe bool       `json:"subscribe" yaml:"subscribe"` // who gets a right sees the mailbox
}

// PresyncPolicy says what becomes, until an account is live, of copies whose
// message the source's user moves or deletes. Where runs ask decides nothing
// about what is written, so the policy's digest is not over it.
type PresyncPolicy struct {
	Follow bool `json:"follow" yaml:"follow"` // moves and deletions are followed, of copies that nobody touched
	// Of an account, so many deletions together, and such a share of its copies,
	// are done; where there are more of both, a person is asked.
	AskAbove        int `json:"ask_above" yaml:"ask_above"`
	AskAbovePercent int `json:"ask_above_percent" yaml:"ask_above_percent"`
}

// Limits bound what a run takes of machines and of patience. They change how
// fast a migration goes, never what it does.
type Limits struct {
	Accounts      int           `json:"accounts" yaml:"accounts"`             // copied at a time
	Memory        int64         `json:"memory" yaml:"memory"`                 // octets of messages held, all accounts together; the rest is spooled to disk
	Settle        time.Duration `json:"settle" yaml:"settle"`                 // how long UIDNEXT must stand still before a lost APPEND is repeated
	Retries       int           `json:"retries" yaml:"retries"`               // new sessions for one account without progress
	BatchMessages int           `json:"batch_messages" yaml:"batch_messages"` // that go together; two such batches are under way, to a far target more
	BatchBytes    int64         `json:"batch_bytes" yaml:"batch_bytes"`       // and their octets at most; one larger message goes alone
	Provision     int           `json:"provision" yaml:"provision"`           // calls at a time while users, shares and groups are made
	MessageErrors int           `json:"message_errors" yaml:"message_errors"` // messages refused in one run after which an account begins no further folder, or refused by the source among 200 side by side, after which it ends; 0: never
}

// Exception is what one account does otherwise, and why.
type Exception struct {
	Address  string        `json:"address" yaml:"address"`
	Reason   string        `json:"reason" yaml:"reason"`
	Skip     bool          `json:"skip,omitempty" yaml:"skip,omitempty"` // left out of the migration
	Folders  FolderPolicy  `json:"folders" yaml:"folders,omitempty"`     // names are added; empty choices keep the policy's
	Messages MessagePolicy `json:"messages" yaml:"messages,omitempty"`
}

// DefaultPolicy is the policy of a file that says nothing. The plan suits both
// versions, so that a rehearsal on one counts for the other.
func DefaultPolicy() Policy {
	return Policy{
		TargetVersion: TargetBoth,
		Folders:       FolderPolicy{Junk: Exclude, Trash: Copy, SubscribedOnly: new(bool)},
		Messages:      MessagePolicy{Deleted: Exclude, AbsurdDates: KeepDates},
		Flags:         FlagPolicy{Keywords: KeepKeywords},
		Users:         UserPolicy{Create: true, Password: GeneratedPassword, Update: true, Quota: QuotaCSV, AllAliases: true},
		Shares:        SharePolicy{Create: true, Rights: RightsSource, Subscribe: true},
		Presync:       PresyncPolicy{Follow: true, AskAbove: 50, AskAbovePercent: 1},
	}
}

// DefaultLimits suit one machine and a BlueMind that others use meanwhile.
func DefaultLimits() Limits {
	return Limits{
		Accounts:      4,
		Memory:        256 << 20,
		Settle:        10 * time.Second, // Cyrus goes on executing for seconds after the connection is lost
		Retries:       5,
		BatchMessages: 64,
		BatchBytes:    4 << 20,
		Provision:     8,
		MessageErrors: 50, // what imapsync users are used to
	}
}

// Canonical returns the policy with its lists sorted and without repetitions,
// and nothing nil: two policies that decide alike have the same JSON form.
func (p Policy) Canonical() Policy {
	list := func(names []string) []string {
		out := append([]string{}, names...)
		slices.Sort(out)
		return slices.Compact(out)
	}
	p.Folders.Exclude = list(p.Folders.Exclude)
	p.Folders.Include = list(p.Folders.Include)
	p.Folders.SplitByYear = list(p.Folders.SplitByYear)
	p.Folders.Rules = append([]FolderRule{}, p.Folders.Rules...) // their order counts
	p.Users.Groups = list(p.Users.Groups)
	p.Shares.Writers = list(p.Shares.Writers)
	p.Repairs = append([]Repair{}, p.Repairs...)
	slices.Sort(p.Repairs)
	p.Repairs = slices.Compact(p.Repairs)
	p.Folders.Map, p.Flags.Map = pairs(p.Folders.Map), pairs(p.Flags.Map)
	return p
}

func pairs(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

// Digest is the SHA-256, in hex, over the canonical JSON form: what a
// rehearsal has passed for. It is stable over machines and releases.
func (p Policy) Digest() string {
	p.Shares.Writers = nil
	p.Presync.AskAbove, p.Presync.AskAbovePercent = 0, 0
	text, err := json.Marshal(p.Canonical())
	if err != nil { // strings, booleans, lists and maps of strings only
		panic(fmt.Sprintf("policy has no JSON form: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// With returns the policy for the account of e: its names are added, its rules
// come first, its map and choices win.
func (p Policy) With(e Exception) Policy {
	p = p.Canonical()
	maps.Copy(p.Folders.Map, e.Folders.Map)
	p.Folders.Exclude = append(p.Folders.Exclude, e.Folders.Exclude...)
	p.Folders.Include = append(p.Folders.Include, e.Folders.Include...)
	p.Folders.SplitByYear = append(p.Folders.SplitByYear, e.Folders.SplitByYear...)
	p.Folders.Rules = append(slices.Clone(e.Folders.Rules), p.Folders.Rules...)
	p.Folders.Into = cmp.Or(e.Folders.Into, p.Folders.Into)
	p.Folders.SubscribedOnly = cmp.Or(e.Folders.SubscribedOnly, p.Folders.SubscribedOnly)
	if e.Folders.Junk != "" {
		p.Folders.Junk = e.Folders.Junk
	}
	if e.Folders.Trash != "" {
		p.Folders.Trash = e.Folders.Trash
	}
	if e.Messages.Deleted != "" {
		p.Messages.Deleted = e.Messages.Deleted
	}
	p.Messages.AbsurdDates = cmp.Or(e.Messages.AbsurdDates, p.Messages.AbsurdDates)
	return p.Canonical()
}
