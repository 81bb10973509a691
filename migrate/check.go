package migrate

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// CheckOptions say what to look at before a migration. Rows, Sources, Target
// and Policy are required.
type CheckOptions struct {
	Rows     []Row
	Others   []Row // not looked at: those whom groups, rights and shares may name beside Rows
	Plan     *Plan // nil: what needs a survey is skipped
	Sources  map[string]Source
	Target   Target
	Policy   Policy
	Domains  []PlanDomain // as configured; a plan's count first
	Groups   []Group      // of groups.csv
	Rights   []RightRow   // of rights.csv
	StateDir string       // "": as if nothing had been run yet

	Phase   Phase   // "": rehearsal for a rehearsal's target, else before
	Network Network // what autodiscover is looked for through

	QuestionsOnly bool // look at no account: only find out what a person has to answer

	// Probe makes a key for each user that exists, logs in with it, opens INBOX,
	// and deletes it; for one user of each mail server it also tries messages in
	// a scratch folder, which is taken away again.
	Probe           bool
	ReplicationWait time.Duration // how long BlueMind 4 may take to see them; 0: 10 seconds

	Workers int          // accounts looked at together; 8
	Events  func(Event)  // EventChecked, for each account; may be called by several goroutines at once
	Logger  *slog.Logger // nil: nowhere
	Now     func() time.Time
	Stop    <-chan struct{} // closed: end, with imap.ErrStopped
}

// EventChecked says that an account was looked at on the target.
const EventChecked EventKind = "account.checked"

// CheckResult is what was found, in the order in which things depend on each
// other: the target as a whole, domains, accounts, sources.
type CheckResult struct {
	Target     string       `json:"target"`
	URL        string       `json:"url"`
	Version    string       `json:"version,omitempty"` // release name
	Phase      Phase        `json:"phase"`
	Accounts   int          `json:"accounts"`
	Probed     bool         `json:"probed"`
	Blockers   int          `json:"blockers"`   // findings, not accounts
	Unanswered int          `json:"unanswered"` // rules that a person has to answer
	Warnings   int          `json:"warnings"`
	Findings   []Finding    `json:"findings"`
	Rules      []RuleResult `json:"rules"` // every rule of the table, in its order

	Fixes []objects.Fix `json:"fixes,omitempty"` // for the administrator of LDAP or AD

	Facts
}

// checkup is one call of Check.
type checkup struct {
	CheckOptions
	found    *findings
	surveys  map[string]surveyed // by PlanAccount.Key
	store    *state.Store        // nil: no state yet
	platform *platform
	version  string
	domains  map[string]*domainFacts // by the name in the rows
	limit    int64                   // message size of the installation, octets; 0: not told
	facts    Facts
	answers  map[string]Answer   // that count, by rule
	run      string              // name for keys
	seats    *semaphore.Weighted // sessions on the target

	wish       *resolved // what rows, groups.csv and rights.csv ask for
	maker      *objects.Maker
	rights     []askedRight
	asked      map[string]bool // who is in BlueMind, of those in no CSV
	indicators []bmapi.LicenceIndicator

	elsewhereOnce sync.Once
	elsewhere     elsewhere

	away bool // BlueMind has stopped answering

	mu    sync.Mutex
	boxes map[string][]int // rows by domain and mailbox: two rows may name one
	fresh map[string][]int // rows by domain and login, of mailboxes that a run makes
	loads map[string]*load // what BlueMind 5 has to take in, by user
	tried map[string]bool  // mail servers on which a scratch folder was tried
	fixes []objects.Fix
	imap  reach // what probes saw of the IMAP server
}

// Check looks at target and sources before anything is done: whether they
// answer, whether every account can be entered at its source, and the rules of
// the preflight table that need no shell on the servers. It creates nobody and
// writes nothing; with Probe it makes a key for each user that exists, which
// is deleted again.
//
// What is wrong with a server or an account is a finding. An error means that
// the check could not be made: the plan can't be read, or it was stopped.
func Check(ctx context.Context, o CheckOptions) (CheckResult, error) {
	c := &checkup{CheckOptions: o.withDefaults(), found: newFindings(), surveys: map[string]surveyed{}, domains: map[string]*domainFacts{},
		boxes: map[string][]int{}, fresh: map[string][]int{}, loads: map[string]*load{}, tried: map[string]bool{}, asked: map[string]bool{}, answers: map[string]Answer{}}
	c.wish = Inputs{Rows: slices.Concat(c.Rows, c.Others), Groups: c.Groups, Rights: c.Rights, Policy: c.Policy, Domains: c.Domains}.resolve()
	ctx, release := stoppable(ctx, o.Stop)
	defer release()
	if err := c.readPlan(); err != nil {
		return CheckResult{}, err
	}
	var random [3]byte
	rand.Read(random[:]) // never fails
	c.run = fmt.Sprintf("check-%s-%s", c.Now().UTC().Format("20060102T150405Z"), hex.EncodeToString(random[:]))
	c.imap.width = c.Workers
	c.seats = semaphore.NewWeighted(int64(cmp.Or(c.Target.Connections, 10)))
	c.lookAtRows()
	var g errgroup.Group
	if !c.QuestionsOnly {
		g.Go(func() error { c.lookAtSources(ctx); return nil })
	}
	g.Go(func() error { c.lookAtTarget(ctx); return nil })
	g.Wait() // neither fails: what they meet are findings
	if ctx.Err() != nil {
		return CheckResult{}, fmt.Errorf("check: %w", context.Cause(ctx))
	}
	c.unsaid() // once both have said what they know
	return c.result(), nil
}

func (o CheckOptions) withDefaults() CheckOptions {
	o.Phase = cmp.Or(o.Phase, o.Target.phase())
	o.Workers = cmp.Or(o.Workers, 8)
	o.ReplicationWait = cmp.Or(o.ReplicationWait, replicationLimit)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	return o
}

// stoppable ends a context when stop is closed. The goroutine that listens has
// ended when release returns.
func stoppable(ctx context.Context, stop <-chan struct{}) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-stop:
			cancel(imap.ErrStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

// lookAtTarget goes from the installation to its domains and accounts.
func (c *checkup) lookAtTarget(ctx context.Context) {
	defer c.greeting(ctx)
	if !c.open(ctx) {
		c.guess()
		c.ask(ctx)
		return
	}
	defer c.platform.close(ctx)
	if c.openState(ctx); c.store != nil {
		defer c.store.Close() // it was only read
	}
	c.learn(ctx)
	c.lookAtDomains(ctx)
	c.tellDomains()
	c.estimate()
	if c.QuestionsOnly {
		c.ask(ctx)
		return
	}
	c.rehearsal(ctx)
	c.insideInbox()
	var g errgroup.Group
	g.Go(func() error { c.discover(ctx); return nil }) // what it meets are findings
	c.lookAtAccounts(ctx)
	c.lookAtGroups(ctx)
	c.lookAtRights(ctx)
	c.unseen(ctx)
	c.userCounts(ctx)
	g.Wait()
	c.ask(ctx)
	c.twice()
	c.sizes()
	c.slowest()
}

// lookAtAccounts looks at all accounts, some at a time. Where BlueMind has
// stopped answering, the rest is left.
func (c *checkup) lookAtAccounts(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(c.Workers)
	lost := breaker{limit: c.Workers} // each has tried for minutes
	for i := range c.Rows {
		if ctx.Err() != nil {
			break
		}
		if lost.tripped() {
			c.found.account(checkMailbox, Blocker, notAnswering, checkAgain, c.member(i, ""))
			continue
		}
		g.Go(func() error {
			a := &accountCheck{checkup: c, row: i}
			err := a.look(ctx)
			if lost.note(err != nil && bmapi.Temporary(err)); err != nil && ctx.Err() == nil {
				c.found.account(checkMailbox, Blocker, "could not be looked at", "run bmsync check again; if it stays so, see BlueMind's log", c.member(i, err.Error()))
			}
			c.Events(Event{At: c.Now(), Kind: EventChecked, Account: a.address()})
			return nil // one account's failure never stops the others
		})
	}
	g.Wait()
	c.away = lost.tripped()
}

// What is said of what comes after BlueMind has stopped answering: each call
// would wait for minutes.
const notAnswering, checkAgain = "not looked at: BlueMind had stopped answering", "run bmsync check again"

// member is a row as findings list it.
func (c *checkup) member(row int, note string) member {
	return member{row: row, address: c.Target.Address(c.Rows[row].Address), note: note}
}

func (c *checkup) result() CheckResult {
	res := CheckResult{Target: c.Target.Name, URL: c.Target.URL, Version: c.version, Phase: c.Phase, Accounts: len(c.Rows), Probed: c.Probe, Findings: c.found.list()}
	res.Rules = outcomes(res.Findings)
	slices.SortFunc(c.fixes, func(a, b objects.Fix) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.Problem, b.Problem), strings.Compare(a.Mend, b.Mend))
	})
	res.Facts, res.Fixes = c.facts, slices.Compact(c.fixes)
	c.answered(res.Rules)
	for _, f := range res.Findings {
		switch f.Severity {
		case Blocker:
			res.Blockers++
		case Unanswered:
			res.Unanswered++
		case Warning:
			res.Warnings++
		}
	}
	return res
}

// breaker tells when so many things in a row have failed that further ones
// need not be tried.
type breaker struct {
	limit int

	mu  sync.Mutex
	run int
}

func (b *breaker) note(failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run++
	if !failed {
		b.run = 0
	}
}

func (b *breaker) tripped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.run >= b.limit
}

// unsaid lets rules speak that had nothing to look at: nobody is to take
// silence for a yes.
func (c *checkup) unsaid() {
	for _, r := range ruleTable {
		id := checkRule(r.ID)
		if r.How != Automatic || c.found.said(id) {
			continue
		}
		severity, text, mend := c.whySilent(r)
		c.found.add(id, severity, text, mend)
	}
}

// surveyRules need the plan.
var surveyRules = []checkRule{checkQuota, checkSize, checkThrottle, checkFolderNames, checkInboxFolders, checkOutbox, checkStubs, checkNotMail, checkOwnMigrator}

// whySilent says why there was nothing to look at.
func (c *checkup) whySilent(r Rule) (s Severity, text, mend string) {
	id := checkRule(r.ID)
	asked := c.platform != nil && c.platform.admin != nil
	needsTarget := !slices.Contains([]checkRule{checkPlan, checkSource, checkNames, checkTwice}, id) && !slices.Contains(surveyRules[3:], id)
	switch {
	case asked && r.Only != 0 && r.Only != c.platform.version.Major:
		return Moot, fmt.Sprintf("concerns BlueMind %d only", r.Only), ""
	case needsTarget && !asked:
		return Skipped, "the target could not be asked", ""
	case c.QuestionsOnly:
		return Skipped, "only questions were asked", ""
	case c.Plan == nil && slices.Contains(surveyRules, id):
		return Skipped, "the plan's survey is needed: bmsync plan first", "bmsync plan"
	case r.Probe && !c.Probe:
		return Skipped, "looked at with --probe only", ""
	case id == checkShares && !slices.ContainsFunc(c.Rows, func(row Row) bool { return row.Kind == KindShare }):
		return Moot, "there are no shared mailboxes", ""
	case id == checkDirectory:
		return Moot, "no domain imports its users from LDAP or AD", ""
	case id == checkTwice:
		return Ok, "each account and address stands in one row", ""
	case id == checkElsewhere, id == checkLoginName:
		return Moot, "nobody is to be created", ""
	case id == checkAliases:
		return Moot, "no alias is to be added", ""
	case id == checkState:
		return Skipped, "no folder for the state is given", ""
	}
	return Skipped, "no account to look at", ""
}
