package migrate

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// CheckOptions say what to look at before a migration. Rows, Sources, Target
// and Policy are required.
type CheckOptions struct {
	Rows     []Row
	Plan     *Plan // nil: rules 10 and 11 are skipped, for nobody has surveyed
	Sources  map[string]Source
	Target   Target
	Policy   Policy
	Domains  []PlanDomain // as configured; a plan's count first
	StateDir string       // "": as if nothing had been run yet

	Phase   Phase   // "": rehearsal for a rehearsal's target, else before
	Network Network // what autodiscover is looked for through

	QuestionsOnly bool // look at no account: only find out what a person has to answer

	Probe   bool         // make a key for each user that exists, log in with it, open INBOX, delete it
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

	mu    sync.Mutex
	boxes map[string][]int // rows by domain and mailbox: two rows may name one
	imap  reach            // what probes saw of the IMAP server
}

// surveyed is what rules 10 and 11 need of a plan's account.
type surveyed struct {
	bytes, largest int64
	failed         bool
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
	c := &checkup{CheckOptions: o.withDefaults(), found: newFindings(), surveys: map[string]surveyed{},
		domains: map[string]*domainFacts{}, boxes: map[string][]int{}, answers: map[string]Answer{}}
	ctx, release := stoppable(ctx, o.Stop)
	defer release()
	if err := c.readPlan(); err != nil {
		return CheckResult{}, err
	}
	var random [3]byte
	rand.Read(random[:]) // never fails
	c.run = fmt.Sprintf("check-%s-%s", c.Now().UTC().Format("20060102T150405Z"), hex.EncodeToString(random[:]))
	c.seats = semaphore.NewWeighted(int64(cmp.Or(c.Target.Connections, 10)))
	c.administrators()
	var g errgroup.Group
	if !c.QuestionsOnly {
		g.Go(func() error { c.lookAtSources(ctx); return nil })
	}
	g.Go(func() error { c.lookAtTarget(ctx); return nil })
	g.Wait() // neither fails: what they meet are findings
	if ctx.Err() != nil {
		return CheckResult{}, fmt.Errorf("check: %w", context.Cause(ctx))
	}
	return c.result(), nil
}

func (o CheckOptions) withDefaults() CheckOptions {
	o.Phase = cmp.Or(o.Phase, o.Target.phase())
	o.Workers = cmp.Or(o.Workers, 8)
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

// readPlan keeps the few numbers that are compared, and tells whether the plan
// is of this very policy.
func (c *checkup) readPlan() error {
	if c.Plan == nil {
		c.found.add(checkPlan, Skipped, "there is no plan yet", "bmsync plan")
		return nil
	}
	for a, err := range c.Plan.Accounts() {
		if err != nil {
			return err
		}
		c.surveys[a.Key()] = surveyed{bytes: a.Survey.Bytes, largest: a.Survey.Largest, failed: a.Survey.Error != ""}
	}
	if c.Plan.Header.PolicyDigest != c.Policy.Digest() {
		c.found.add(checkPlan, Warning, "the plan was made under another policy than the configuration has now", "bmsync plan")
		return nil
	}
	c.found.add(checkPlan, Ok, fmt.Sprintf("of %s, for this policy", c.Plan.Header.Created.Local().Format("2006-01-02 15:04")), "")
	return nil
}

// lookAtTarget goes from the installation to its domains and accounts.
func (c *checkup) lookAtTarget(ctx context.Context) {
	defer c.greeting(ctx)
	if !c.open(ctx) {
		for _, r := range []checkRule{checkDomain, checkMailbox, checkRouting, checkUsable, checkQuota, checkSize, checkBlank, checkAutodiscover} {
			c.found.add(r, Skipped, "the target could not be asked", "")
		}
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
	var g errgroup.Group
	g.Go(func() error { c.discover(ctx); return nil }) // what it meets are findings
	c.lookAtAccounts(ctx)
	g.Wait()
	c.ask(ctx)
	c.twice()
	c.sizes()
	c.unsaid()
}

// lookAtAccounts looks at all accounts, some at a time. Where BlueMind has
// stopped answering, the rest is left.
func (c *checkup) lookAtAccounts(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(c.Workers)
	lost := breaker{limit: 3 * c.Workers}
	for i := range c.Rows {
		if ctx.Err() != nil {
			break
		}
		if lost.tripped() {
			c.found.account(checkMailbox, Blocker, "not looked at: BlueMind had stopped answering", "run bmsync check again", c.member(i, ""))
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
}

// member is a row as findings list it.
func (c *checkup) member(row int, note string) member {
	return member{row: row, address: c.Target.Address(c.Rows[row].Address), note: note}
}

func (c *checkup) result() CheckResult {
	res := CheckResult{Target: c.Target.Name, URL: c.Target.URL, Version: c.version, Phase: c.Phase, Accounts: len(c.Rows), Probed: c.Probe, Findings: c.found.list()}
	res.Rules = outcomes(res.Findings)
	res.Facts = c.facts
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
