package migrate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"bmsync/migrate/objects"
	"bmsync/state"
)

// neverMigrated is what an account has beside mail and bmsync doesn't carry:
// each certificate says so.
var neverMigrated = [...]string{"calendars", "contacts", "rules", "vacation"}

// ReportOptions say what to report on. Target and StateDir are required.
type ReportOptions struct {
	Target   Target
	StateDir string
	Only     []string // addresses, as in the plan or as on the target; empty: all
	Insecure []string // hosts of the configuration whose certificate isn't checked
	Tool     string   // name and version of who writes it
	Now      func() time.Time
}

// Report is the state of a target, to be read account by account. It may be
// read while a run writes; Close ends it.
type Report struct {
	Header ReportHeader
	store  *state.Store
	ids    []int64
}

// ReportHeader is what a report says of the target as a whole.
type ReportHeader struct {
	Tool         string    `json:"tool"`
	Written      time.Time `json:"written"`
	Target       string    `json:"target"`
	URL          string    `json:"url"`
	Version      int       `json:"version"`
	Installation string    `json:"installation"`
	Rehearsal    bool      `json:"rehearsal"`
	StateFile    string    `json:"state_file"`
	AtWork       string    `json:"at_work,omitempty"` // a run that goes on: numbers may move

	Accounts      map[string]int64  `json:"accounts"` // by state, of the whole target
	Total         int64             `json:"total_accounts"`
	Messages      []StateCount      `json:"messages"`
	Intents       int64             `json:"open_intents"`
	Doubts        int64             `json:"doubts"`
	Objects       []ObjectsMade     `json:"objects,omitempty"`       // that runs made on the target
	Conflicts     int64             `json:"conflicts,omitempty"`     // objects that stand against the plan
	PolicyDigest  string            `json:"policy_digest,omitempty"` // of the last run
	Against       []objects.Outcome `json:"against,omitempty"`       // the first MaxTroubles of those
	Rehearsed     *Rehearsal        `json:"rehearsed,omitempty"`     // nil for a rehearsal
	Unrehearsed   []Unrehearsed     `json:"without_rehearsal,omitempty"`
	Insecure      []string          `json:"insecure_hosts,omitempty"`
	NeverMigrated []string          `json:"never_migrated"`
}

// Unrehearsed is a run that filled production without a rehearsal, and why.
type Unrehearsed struct {
	Run    string    `json:"run"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// OpenReport opens a target's state and reads what a report begins with. The
// caller closes the report.
func OpenReport(ctx context.Context, o ReportOptions) (*Report, error) {
	store, err := openForReading(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return nil, err
	}
	r := &Report{store: store}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err = r.head(ctx, o); err == nil {
		err = r.choose(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return r, nil
}

// Close lets go of the state.
func (r *Report) Close() error { return r.store.Close() }

func (r *Report) head(ctx context.Context, o ReportOptions) error {
	id, err := r.store.Identity(ctx)
	if err != nil {
		return err
	}
	totals, err := r.store.Totals(ctx)
	if err != nil {
		return err
	}
	runs, err := r.store.Runs(ctx)
	if err != nil {
		return err
	}
	h := ReportHeader{Tool: o.Tool, Written: o.Now().UTC().Truncate(time.Second), Target: id.Target, URL: id.URL, Version: id.Version,
		Installation: id.Installation, Rehearsal: id.Rehearsal, StateFile: r.store.Path(), Accounts: totals.Accounts,
		Messages: counts(totals.Messages), Intents: totals.Intents, Doubts: totals.Doubts, PolicyDigest: lastPolicy(runs),
		Insecure: slices.Compact(slices.Sorted(slices.Values(o.Insecure))), NeverMigrated: neverMigrated[:]}
	for _, n := range totals.Accounts {
		h.Total += n
	}
	if h.Objects, err = objectsMade(ctx, r.store); err != nil {
		return err
	}
	if h.Against, h.Conflicts, err = against(ctx, r.store); err != nil {
		return err
	}
	for _, run := range runs {
		if run.WithoutRehearsal != "" {
			h.Unrehearsed = append(h.Unrehearsed, Unrehearsed{run.Name, run.Started, run.WithoutRehearsal})
		}
	}
	if n := len(runs); n > 0 && runs[n-1].Ended.IsZero() {
		if at, err := atWork(r.store.Path(), runs[n-1]); err != nil {
			return err
		} else if at {
			h.AtWork = runs[n-1].Name
		}
	}
	if !id.Rehearsal && h.PolicyDigest != "" {
		rehearsed, _, err := Rehearsed(ctx, o.StateDir, h.PolicyDigest)
		if err != nil {
			return err
		}
		h.Rehearsed = &rehearsed
	}
	r.Header = h
	return nil
}

// choose finds the accounts that are asked for, before the first is written.
func (r *Report) choose(ctx context.Context, o ReportOptions) (err error) {
	if len(o.Only) == 0 {
		r.ids, err = r.store.AccountIDs(ctx)
		return err
	}
	for _, address := range o.Only {
		found, err := accountsOf(ctx, r.store, o.Target, address)
		if err != nil {
			return err
		}
		for _, a := range found {
			if !slices.Contains(r.ids, a.ID) {
				r.ids = append(r.ids, a.ID)
			}
		}
	}
	return nil
}

// accountsOf finds the accounts behind an address, written as on the target
// or as in the plan.
func accountsOf(ctx context.Context, store *state.Store, t Target, address string) ([]state.Account, error) {
	found, err := store.AccountByAddress(ctx, address)
	if mapped := t.Address(address); err == nil && len(found) == 0 && mapped != address {
		found, err = store.AccountByAddress(ctx, mapped)
	}
	if err == nil && len(found) == 0 {
		err = NewInputError([]Problem{{File: store.Path(), Text: "no run has met account " + address, Mend: "write the address as in accounts.csv"}})
	}
	return found, err
}

// Certificates yields the certificate of each account by address. An error is
// the last it yields.
func (r *Report) Certificates(ctx context.Context) iter.Seq2[*Certificate, error] {
	return func(yield func(*Certificate, error) bool) {
		for _, id := range r.ids {
			c, err := r.certificate(ctx, id)
			if errors.Is(err, state.ErrNotFound) {
				continue // forgotten since the report began
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Certificate says of one account what became of each of its messages.
type Certificate struct {
	Address       string `json:"address"`
	Kind          string `json:"kind"`
	State         string `json:"state"`
	Phase         string `json:"phase"`
	Reason        string `json:"reason,omitempty"`
	Mend          string `json:"mend,omitempty"`
	Source        string `json:"source"`
	SourceLogin   string `json:"source_login"`
	SourceFolder  string `json:"source_folder,omitempty"`
	Wave          string `json:"wave,omitempty"`
	DomainUID     string `json:"domain_uid,omitempty"`
	EntryUID      string `json:"entry_uid,omitempty"`
	Created       bool   `json:"created"` // the user, by bmsync
	Adopted       bool   `json:"adopted"` // into a mailbox that held mail
	AccountDigest string `json:"account_digest,omitempty"`
	PolicyDigest  string `json:"policy_digest,omitempty"`

	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`

	Messages []StateCount     `json:"messages"`
	Folders  []FolderReport   `json:"folders"`
	Excluded []ExcludedFolder `json:"excluded_folders"`
	Notes    map[string]int64 `json:"notes,omitempty"`          // by kind
	Gone     int64            `json:"gone_on_target"`           // copied, and deleted there since
	Followed int64            `json:"followed,omitempty"`       // copied, moved or deleted at the source before go-live, and so removed from the target
	Kept     int64            `json:"kept_on_target,omitempty"` // the same, but left there: somebody had changed them
	Verified *Verified        `json:"verified,omitempty"`

	RootHash string `json:"root_hash"` // SHA-256 over the sorted SHA-256 of all messages on the target
	Hashed   int64  `json:"root_hash_messages"`

	NeverMigrated []string `json:"never_migrated"`

	refused int64
	store   *state.Store
	folders []state.Folder
}

// Refused is how many messages Refusals yields.
func (c *Certificate) Refused() int64 { return c.refused }

// FolderReport holds a folder's ledger against what its source said.
type FolderReport struct {
	Source     string           `json:"source"`
	Was        string           `json:"was,omitempty"`  // its name at the source when it was first copied, if it is another now
	Part       string           `json:"part,omitempty"` // of a source folder that is split by year
	Target     string           `json:"target"`
	Late       bool             `json:"late,omitempty"` // appeared after planning
	SourceSays int64            `json:"source_says"`    // messages, when last listed; of a part those that it has a row for
	Listed     *time.Time       `json:"listed,omitempty"`
	Ledger     []StateCount     `json:"ledger"`
	Excluded   map[string]int64 `json:"excluded_by,omitempty"` // messages by rule
	OnSource   int64            `json:"accounted"`             // all but the vanished
	Balanced   bool             `json:"balanced"`
	Fault      string           `json:"fault,omitempty"`
	Rule       string           `json:"excluded_since,omitempty"` // the rule, of a folder that had been copied before
}

// ExcludedFolder is a folder that a rule left behind.
type ExcludedFolder struct {
	Source   string `json:"source"`
	Rule     string `json:"rule"`
	Reason   string `json:"reason,omitempty"`
	Messages int64  `json:"messages"` // -1: nobody asked, it is no folder of the account's own
}

// Verified is the last independent proof.
type Verified struct {
	At       time.Time `json:"at"`
	OK       bool      `json:"ok"`
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Current  bool      `json:"current"` // of what the account's digests are now
	Findings []string  `json:"findings,omitempty"`
}

func (r *Report) certificate(ctx context.Context, id int64) (*Certificate, error) {
	a, err := r.store.AccountByID(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &Certificate{Address: a.Address, Kind: a.Kind, State: a.State, Phase: a.Phase, Reason: a.Reason, Mend: a.Mend, Source: a.Source,
		SourceLogin: a.SourceLogin, SourceFolder: a.SourceFolder, Wave: a.Wave, DomainUID: a.DomainUID, EntryUID: a.EntryUID,
		Created: a.Created, Adopted: a.Adopt, AccountDigest: a.AccountDigest, PolicyDigest: a.PolicyDigest,
		Started: given(a.StartedAt), Ended: given(a.EndedAt), NeverMigrated: neverMigrated[:],
		Folders: []FolderReport{}, Excluded: []ExcludedFolder{}, Notes: map[string]int64{}, store: r.store}
	if c.folders, err = r.store.Folders(ctx, id); err != nil {
		return nil, err
	}
	if err := c.count(ctx, id); err != nil {
		return nil, err
	}
	if err := c.verified(ctx, a); err != nil {
		return nil, err
	}
	return c, c.root(ctx, id)
}

// given is nil for a time that isn't known.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// count goes through the account's folders.
func (c *Certificate) count(ctx context.Context, id int64) error {
	byFolder, err := c.store.FolderSums(ctx, id)
	if err != nil {
		return err
	}
	var all state.Sums
	lost := lostBetween(c.folders, byFolder)
	for _, f := range c.folders {
		if f.Rule != "" {
			c.Excluded = append(c.Excluded, excludedFolder(f))
		}
		sums := byFolder[f.ID]
		if f.Rule != "" && sums.Total().Messages == 0 {
			continue
		}
		for i := range all {
			all[i].Messages += sums[i].Messages
			all[i].Bytes += sums[i].Bytes
		}
		if err := c.folder(ctx, f, sums); err != nil {
			return err
		}
		if n := lost[f.Source]; f.Part != "" && n > 0 {
			last := &c.Folders[len(c.Folders)-1]
			last.Balanced, last.Fault = false, cmp.Or(last.Fault, fmt.Sprintf("%d messages of the source folder are in none of its parts", n))
		}
	}
	c.Messages, c.refused = counts(all), all[state.Refused].Messages
	return nil
}

func excludedFolder(f state.Folder) ExcludedFolder {
	out := ExcludedFolder{Source: f.Source, Rule: f.Rule, Reason: f.Reason, Messages: int64(f.SrcExists)}
	if f.Rule == RuleNoSelect || f.Rule == RuleNamespace {
		out.Messages = -1
	}
	return out
}

// folder reports on one folder that was copied, or had been before a rule
// excluded it.
func (c *Certificate) folder(ctx context.Context, f state.Folder, sums state.Sums) error {
	out := FolderReport{Source: f.Source, Was: f.Was, Part: f.Part, Target: f.Target, Late: f.Late, SourceSays: int64(f.SrcExists), Listed: given(f.ListedAt),
		Ledger: counts(sums), OnSource: sums.OnSource().Messages, Fault: f.Fault, Rule: f.Rule}
	if f.Part != "" {
		out.SourceSays = out.OnSource // the source doesn't count parts; see lostBetween
	}
	// More than the source said arrived while it was listed; less is a loss,
	// but where a rule keeps the rest out.
	out.Balanced = f.Complete && f.Fault == "" && sums[state.Pending].Messages == 0 && (out.OnSource >= out.SourceSays || f.Rule != "")
	if sums[state.Excluded].Messages > 0 {
		reasons, err := c.store.Reasons(ctx, f.ID, state.Excluded)
		if err != nil {
			return err
		}
		out.Excluded = map[string]int64{}
		for rule, sum := range reasons {
			out.Excluded[rule] = sum.Messages
		}
	}
	c.Folders = append(c.Folders, out)
	for m, err := range c.store.Notable(ctx, f.ID) {
		if err != nil {
			return err
		}
		if m.State == state.Vanished && m.Removed && m.DstGone {
			c.Followed++
		}
		if m.State == state.Vanished && m.Left && !m.DstGone {
			c.Kept++
		}
		if m.State != state.Copied && m.State != state.Present {
			continue
		}
		for _, kind := range noteKinds(m.Note) {
			c.Notes[kind]++
		}
		if m.DstGone {
			c.Gone++
		}
	}
	return nil
}

func (c *Certificate) verified(ctx context.Context, a state.Account) error {
	v, err := c.store.LastVerification(ctx, a.ID)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Verified = &Verified{At: v.At, OK: v.OK, Messages: v.Messages, Bytes: v.Bytes, Findings: v.Findings,
		Current: v.PolicyDigest == a.PolicyDigest && v.AccountDigest == a.AccountDigest}
	return nil
}

// root hashes the sorted hashes of all messages that the target has.
func (c *Certificate) root(ctx context.Context, id int64) error {
	h := sha256.New()
	for sum, err := range c.store.Hashes(ctx, id) {
		if err != nil {
			return err
		}
		h.Write(sum[:])
		c.Hashed++
	}
	c.RootHash = hex.EncodeToString(h.Sum(nil))
	return nil
}

// Refusal is a message that isn't on the target, who refused it, and in which
// words.
type Refusal struct {
	Folder string     `json:"folder"`
	SrcUID uint32     `json:"source_uid"`
	Size   int64      `json:"size"` // -1: unknown
	Date   *time.Time `json:"date,omitempty"`
	By     string     `json:"by"`
	Words  string     `json:"words"`
	File   string     `json:"file,omitempty"` // in the quarantine
}

// Refusals yields the account's refused messages, however many there are. An
// error is the last it yields.
func (c *Certificate) Refusals(ctx context.Context) iter.Seq2[Refusal, error] {
	return func(yield func(Refusal, error) bool) {
		for _, f := range c.folders {
			for m, err := range c.store.Notable(ctx, f.ID) {
				if err != nil {
					yield(Refusal{}, err)
					return
				}
				if m.State != state.Refused {
					continue
				}
				if !yield(Refusal{f.Source, m.SrcUID, m.Size, given(m.InternalDate), m.By, m.Reason, keptAs(m.Note)}, nil) {
					return
				}
			}
		}
	}
}
