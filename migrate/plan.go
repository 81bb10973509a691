package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// PlanFormat is the only format of plan.jsonl that this release reads.
const PlanFormat = 1

// PlanHeader is the first line of a plan: every decision that holds for all
// accounts. It names no target and no secret, which makes a plan replayable.
type PlanHeader struct {
	Line          string        `json:"line"` // "header"
	Format        int           `json:"format"`
	Tool          string        `json:"tool"`
	Created       time.Time     `json:"created"`
	TargetVersion TargetVersion `json:"target_version"`
	Policy        Policy        `json:"policy"`
	PolicyDigest  string        `json:"policy_digest"`
}

// PolicyOf is the policy for one account: with its exception, if it has one.
func (h *PlanHeader) PolicyOf(a *PlanAccount) Policy {
	if a.Exception == nil {
		return h.Policy
	}
	return h.Policy.With(*a.Exception)
}

// PlanDomain is a domain that the accounts need. Quotas are what BlueMind
// gives a new mailbox, and the most that it may have; nil says nothing, 0 is
// no limit.
type PlanDomain struct {
	Line             string   `json:"line"` // "domain"
	Name             string   `json:"name"`
	Aliases          []string `json:"aliases,omitempty"`
	DefaultAlias     string   `json:"default_alias,omitempty"`
	Create           bool     `json:"create"`
	UserQuotaKiB     *int64   `json:"user_quota_kib,omitempty"`
	UserQuotaMaxKiB  *int64   `json:"user_quota_max_kib,omitempty"`
	ShareQuotaKiB    *int64   `json:"share_quota_kib,omitempty"`
	ShareQuotaMaxKiB *int64   `json:"share_quota_max_kib,omitempty"`
	Language         string   `json:"language,omitempty"`
	MailServer       string   `json:"mail_server,omitempty"` // uid; "": the first that BlueMind has
}

// PlanRef names an entry of the directory: an address, or a group's name.
type PlanRef struct {
	Kind string `json:"kind"` // RefUser …
	Name string `json:"name"` // address; of a group its name, in the domain of who names it
}

// Kinds of PlanRef. The zero value is what a source calls somebody that no row
// accounts for; it stands in unresolved rights alone.
const (
	RefUser     = "user"
	RefGroup    = "group"
	RefShare    = "share"
	RefExternal = "external" // an address outside of the domains
)

// PlanGroup is a group of groups.csv. Members are those of groups.csv; a user
// whose row names the group has it in PlanAccount.Groups. A group of very many
// members takes several lines, which a Plan joins.
type PlanGroup struct {
	Line        string    `json:"line"` // "group"
	Name        string    `json:"name"`
	Domain      string    `json:"domain"` // a PlanDomain's name
	Address     string    `json:"address,omitempty"`
	Description string    `json:"description,omitempty"`
	Hidden      bool      `json:"hidden,omitempty"`
	Create      bool      `json:"create"` // false: it is in BlueMind already, and nothing of it is changed but its members
	Members     []PlanRef `json:"members,omitempty"`
}

// PlanRight is what somebody may do with a mailbox. Rights stand below the
// account of their mailbox, and are set by the final run. One that couldn't be
// translated is Unresolved, and a person has to decide: nothing is set.
type PlanRight struct {
	Line       string   `json:"line"`    // "right"
	Mailbox    string   `json:"mailbox"` // address
	Grantee    PlanRef  `json:"grantee"`
	Verbs      []string `json:"verbs,omitempty"` // BlueMind's: Read, Write, SendOnBehalf, SendAs, Manage, All
	From       string   `json:"from"`            // "rights.csv:3", or "source old: ada lrswi"
	Unresolved bool     `json:"unresolved,omitempty"`
	Reason     string   `json:"reason,omitempty"` // why it is unresolved, or less than the source gave
}

// PlanAccount is one mailbox and what was decided for it. Digest is over the
// decisions, its folders' with them; Survey is left out, and times are.
type PlanAccount struct {
	Line         string     `json:"line"` // "account"
	Source       string     `json:"source"`
	SourceLogin  string     `json:"source_login"`
	SourceFolder string     `json:"source_folder,omitempty"`
	Address      string     `json:"address"`
	Kind         string     `json:"kind"`
	DisplayName  string     `json:"display_name,omitempty"`
	FirstName    string     `json:"first_name,omitempty"`
	LastName     string     `json:"last_name,omitempty"`
	Login        string     `json:"login"`               // in BlueMind; of a share its name
	Label        string     `json:"label,omitempty"`     // of a share, in address books
	Writer       string     `json:"writer,omitempty"`    // of a share: the address by whose key it is filled
	QuotaKiB     int64      `json:"quota_kib,omitempty"` // with QuotaStated 0 is unlimited
	QuotaStated  bool       `json:"quota_stated,omitempty"`
	QuotaFrom    string     `json:"quota_from,omitempty"` // "accounts.csv" or "source"; "" where nothing is stated
	Aliases      []string   `json:"aliases,omitempty"`
	Groups       []string   `json:"groups,omitempty"` // names in the account's domain, the policy's with them; sorted
	AccountType  string     `json:"account_type,omitempty"`
	DataLocation string     `json:"data_location,omitempty"`
	Password     Password   `json:"password,omitempty"` // of a user that has to be created
	Wave         string     `json:"wave,omitempty"`
	Exception    *Exception `json:"exception,omitempty"`
	Digest       string     `json:"digest"`
	Survey       Survey     `json:"survey"`

	Folders []PlanFolder `json:"-"` // the lines that follow
	Rights  []PlanRight  `json:"-"` // the lines after those

	offset    int64  // of its line in the plan
	rightsSum uint64 // over the lines of Rights, as they were written or read
}

// PlanPublic is a mailbox of everybody, at a source, that no row takes: mail
// that is left behind unless somebody adds a share for it.
type PlanPublic struct {
	Line   string `json:"line"` // "public"
	Source string `json:"source"`
	Folder string `json:"folder"` // with "/" between levels
	Logins int    `json:"logins"` // that see it
}

// PlanFolder is one folder of the account above it.
type PlanFolder struct {
	Line   string       `json:"line"` // "folder"
	Source string       `json:"source"`
	Part   string       `json:"part,omitempty"` // of a folder that is split: "2019", or "undated"
	Target string       `json:"target,omitempty"`
	Role   Role         `json:"role,omitempty"`
	Rule   string       `json:"rule,omitempty"` // excluded by
	Reason string       `json:"reason,omitempty"`
	Survey FolderSurvey `json:"survey"`
}

// Survey is what an account held when it was looked at. Error says why it
// could not be, in which case its folders are decided when it is run.
//
// Messages, Bytes, Largest, Large, Above and Archived count what is to be
// copied; NotMail is what isn't, because it is no mail.
type Survey struct {
	At       time.Time      `json:"at"`
	Folders  int            `json:"folders"`
	Messages int64          `json:"messages"`
	Bytes    int64          `json:"bytes"`
	Largest  int64          `json:"largest"`
	Above    *SizesAbove    `json:"above,omitempty"`     // nil: none is above SizeLimitDefault
	Large    []LargeMessage `json:"large,omitempty"`     // the largest of them, largest first, at most 10
	Archived int64          `json:"archived,omitempty"`  // stubs of BlueMind 3.5's archive (keyword Bmarchived)
	NotMail  []NotMail      `json:"not_mail,omitempty"`  // calendars, contacts … that are listed as folders
	Quota    *SourceQuota   `json:"quota,omitempty"`     // nil: the source has none, or doesn't tell
	Server   string         `json:"server,omitempty"`    // ServerExchange …; "" is any other, or unknown
	ServerID string         `json:"server_id,omitempty"` // what the source calls itself (RFC 2971), "Dovecot 2.3.19"
	Error    string         `json:"error,omitempty"`
}

// SizeLimitDefault is BlueMind's message_size_limit where nobody has changed
// it, in octets (bluemind/imap.md §1.6).
const SizeLimitDefault = 10_000_000

// SizesAbove counts messages by size: above 10,000,000 octets, above
// 20,000,000, and so on; 100,000,000 is the most that BlueMind allows.
type SizesAbove struct {
	Over10M  int64 `json:"over_10m"`
	Over20M  int64 `json:"over_20m,omitempty"`
	Over50M  int64 `json:"over_50m,omitempty"`
	Over100M int64 `json:"over_100m,omitempty"`
}

// LargeMessage is a message above SizeLimitDefault.
type LargeMessage struct {
	Folder string `json:"folder"` // at the source
	UID    uint32 `json:"uid"`
	Size   int64  `json:"size"` // octets, as the source says
}

// NotMail is a folder that holds something else than mail.
type NotMail struct {
	Folder   string `json:"folder"`
	Kind     string `json:"kind"` // NotMailCalendar …
	Messages int64  `json:"messages"`
}

// Kinds of NotMail.
const (
	NotMailCalendar = "calendar"
	NotMailContacts = "contacts"
	NotMailTasks    = "tasks"
	NotMailNotes    = "notes"
	NotMailJournal  = "journal"
	NotMailOther    = "other"
)

// Products behind a source that make a difference to a migration, as
// Survey.Server has them.
const (
	ServerExchange = "exchange"
	ServerDomino   = "domino"
	ServerZimbra   = "zimbra"
	ServerGmail    = "gmail"
	ServerDovecot  = "dovecot"
	ServerCyrus    = "cyrus"
	ServerBlueMind = "bluemind"
)

// SourceQuota is what the source says of the mailbox's quota (RFC 9208), in
// KiB.
type SourceQuota struct {
	LimitKiB int64 `json:"limit_kib"`
	UsedKiB  int64 `json:"used_kib"`
}

// FolderSurvey is what a folder held when it was looked at. Deleted counts
// the messages flagged \Deleted, Archived those with the keyword Bmarchived.
type FolderSurvey struct {
	Messages    int64  `json:"messages"`
	Bytes       int64  `json:"bytes"`
	Largest     int64  `json:"largest"`
	Deleted     int64  `json:"deleted,omitempty"`
	Archived    int64  `json:"archived,omitempty"`
	UIDValidity uint32 `json:"uidvalidity"`
	UIDNext     uint32 `json:"uidnext"`
}

// PlanTrailer ends a plan: its counts, and a digest of all lines before it,
// so that a plan cut short or edited is not run.
type PlanTrailer struct {
	Line       string `json:"line"` // "end"
	Domains    int    `json:"domains"`
	Groups     int    `json:"groups,omitempty"`
	Accounts   int    `json:"accounts"`
	Shares     int    `json:"shares,omitempty"` // of Accounts
	Folders    int    `json:"folders"`
	Messages   int64  `json:"messages"`
	Bytes      int64  `json:"bytes"`
	Rights     int    `json:"rights,omitempty"`
	Unresolved int    `json:"unresolved,omitempty"` // of Rights
	Public     int    `json:"public,omitempty"`
	SHA256     string `json:"sha256"`
}

// Key tells accounts apart, over plans and runs.
func (a *PlanAccount) Key() string {
	return a.Source + "\x00" + a.SourceLogin + "\x00" + a.SourceFolder + "\x00" + a.Kind + "\x00" + a.Address
}

// decisions is what an account's digest is over.
type decisions struct {
	Source, SourceLogin, SourceFolder, Address, Kind string
	DisplayName, FirstName, LastName                 string
	Login, Label, Writer                             string
	QuotaKiB                                         int64
	QuotaStated                                      bool
	Aliases, Groups                                  []string
	AccountType, DataLocation                        string
	Password                                         Password
	Exception                                        *Exception
	Folders                                          [][3]string // source, target, rule
}

// digest is the SHA-256, in hex, over an account's decisions.
func (a *PlanAccount) digest() string {
	aliases := slices.Clone(a.Aliases)
	slices.Sort(aliases)
	exception := a.Exception
	if exception != nil { // two that decide alike have one form, as policies have
		e := *exception
		e.Folders = Policy{Folders: e.Folders}.Canonical().Folders
		exception = &e
	}
	groups := slices.Clone(a.Groups)
	slices.Sort(groups)
	d := decisions{a.Source, a.SourceLogin, a.SourceFolder, a.Address, a.Kind, a.DisplayName, a.FirstName, a.LastName,
		a.Login, a.Label, a.Writer, a.QuotaKiB, a.QuotaStated, aliases, groups, a.AccountType, a.DataLocation, a.Password,
		exception, make([][3]string, len(a.Folders))}
	for i, f := range a.Folders {
		d.Folders[i] = [3]string{f.Source, f.Target, f.Rule}
		if f.Part != "" {
			d.Folders[i][0] = folderKey(f.Source, f.Part)
		}
	}
	text, err := json.Marshal(d)
	if err != nil { // strings and numbers only
		panic("account has no JSON form: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
