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

// PlanDomain is a domain that the accounts need.
type PlanDomain struct {
	Line         string   `json:"line"` // "domain"
	Name         string   `json:"name"`
	Aliases      []string `json:"aliases,omitempty"`
	DefaultAlias string   `json:"default_alias,omitempty"`
	Create       bool     `json:"create"`
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
	QuotaKiB     int64      `json:"quota_kib,omitempty"` // 0: BlueMind's default
	Aliases      []string   `json:"aliases,omitempty"`
	Wave         string     `json:"wave,omitempty"`
	Exception    *Exception `json:"exception,omitempty"`
	Digest       string     `json:"digest"`
	Survey       Survey     `json:"survey"`

	Folders []PlanFolder `json:"-"` // the lines that follow

	offset int64 // of its line in the plan
}

// PlanFolder is one folder of the account above it.
type PlanFolder struct {
	Line   string       `json:"line"` // "folder"
	Source string       `json:"source"`
	Target string       `json:"target,omitempty"`
	Role   Role         `json:"role,omitempty"`
	Rule   string       `json:"rule,omitempty"` // excluded by
	Reason string       `json:"reason,omitempty"`
	Survey FolderSurvey `json:"survey"`
}

// Survey is what an account held when it was looked at. Error says why it
// could not be, in which case its folders are decided when it is run.
type Survey struct {
	At       time.Time `json:"at"`
	Folders  int       `json:"folders"`
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Largest  int64     `json:"largest"`
	Error    string    `json:"error,omitempty"`
}

// FolderSurvey is what a folder held when it was looked at. Deleted counts
// the messages flagged \Deleted.
type FolderSurvey struct {
	Messages    int64  `json:"messages"`
	Bytes       int64  `json:"bytes"`
	Largest     int64  `json:"largest"`
	Deleted     int64  `json:"deleted,omitempty"`
	UIDValidity uint32 `json:"uidvalidity"`
	UIDNext     uint32 `json:"uidnext"`
}

// PlanTrailer ends a plan: its counts, and a digest of all lines before it,
// so that a plan cut short or edited is not run.
type PlanTrailer struct {
	Line     string `json:"line"` // "end"
	Domains  int    `json:"domains"`
	Accounts int    `json:"accounts"`
	Folders  int    `json:"folders"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
}

// Key tells accounts apart, over plans and runs.
func (a *PlanAccount) Key() string {
	return a.Source + "\x00" + a.SourceLogin + "\x00" + a.SourceFolder + "\x00" + a.Kind + "\x00" + a.Address
}

// decisions is what an account's digest is over.
type decisions struct {
	Source, SourceLogin, SourceFolder, Address, Kind string
	DisplayName, FirstName, LastName                 string
	QuotaKiB                                         int64
	Aliases                                          []string
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
	d := decisions{a.Source, a.SourceLogin, a.SourceFolder, a.Address, a.Kind, a.DisplayName, a.FirstName, a.LastName,
		a.QuotaKiB, aliases, exception, make([][3]string, len(a.Folders))}
	for i, f := range a.Folders {
		d.Folders[i] = [3]string{f.Source, f.Target, f.Rule}
	}
	text, err := json.Marshal(d)
	if err != nil { // strings and numbers only
		panic("account has no JSON form: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
