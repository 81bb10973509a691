package migrate

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bmsync/imap"
	"bmsync/state"
)

// RunOptions say what to run. Plan, Sources, Target and StateDir are required.
type RunOptions struct {
	Plan     *Plan
	Sources  map[string]Source
	Target   Target
	StateDir string
	Limits   Limits

	Only             []string // addresses, as in the plan; empty: all
	Wave             string
	Failed           bool     // only accounts that are not complete
	Recopy           []string // addresses whose ledger is given up; content decides what lacks
	RetryRefused     bool     // try again what was refused for its content
	AllowDeletions   bool     // follow the source's deletions however many they are
	WithoutRehearsal string   // why production is filled without one
	Command          string   // for the record
	Objects          bool     // domains, entries, groups alone: no mail
	Final            bool     // then set the rights of accounts that are complete, and take the writers' back

	// NewPassword gives the first password of a user whose row refers to one,
	// by his address in the plan.
	NewPassword func(ctx context.Context, address string) (string, error)

	SpoolDir    string
	Quarantine  string // folder for messages that are refused; "": they are not kept
	RetryDelays []time.Duration
	BackOff     func(failed int) time.Duration // before new sessions; nil: a second, growing to a minute
	Host        string                         // of this machine, for the run's name
	PID         int
	Events      func(Event) // may be called by several goroutines at once
	Logger      *slog.Logger
	Now         func() time.Time
	Stop        <-chan struct{} // closed: finish what is in flight, record it, end
}

// RunResult is what a run came to. Accounts that are complete without a word
// to say are only counted.
type RunResult struct {
	Name        string          `json:"name"`
	Target      string          `json:"target"`
	StateFile   string          `json:"state_file"`
	Accounts    int             `json:"accounts"`
	States      map[string]int  `json:"states"`
	Copied      int             `json:"copied"`
	Moved       int             `json:"moved,omitempty"`   // on the target, as at the source
	Deleted     int             `json:"deleted,omitempty"` // there, as at the source
	Bytes       int64           `json:"bytes"`
	Refused     int64           `json:"refused"` // in the ledger
	NewRefusals bool            `json:"new_refusals"`
	Interrupted bool            `json:"interrupted"`
	NotBegun    int             `json:"not_begun"`
	Notable     []AccountResult `json:"notable,omitempty"`
	DryRun      bool            `json:"dry_run,omitempty"`
	Objects     ObjectsResult   `json:"objects"`
	ObjectsOnly bool            `json:"objects_only,omitempty"` // no mail was looked at
	Final       bool            `json:"final,omitempty"`
	Closed      []string        `json:"closed,omitempty"` // accounts that were asked for and left alone
	Elapsed     time.Duration   `json:"elapsed_ns"`
	MemoryMost  int64           `json:"memory_most"` // octets of messages that were in memory together, of limits.memory
	StateWork   state.Work      `json:"-"`           // what it took to keep the ledger
}

// Outcome is the run in one word, for the exit code.
type Outcome int

// The outcomes, in the order of what a batch has to do about them.
const (
	Complete    Outcome = iota // everything settled and told
	Partial                    // running again is safe
	Blocked                    // a person must decide
	Interrupted                // asked to end
)

// Outcome is derived from the accounts' states, which are derived from the
// ledger.
func (r *RunResult) Outcome() Outcome {
	switch {
	case r.Interrupted:
		return Interrupted
	case r.States[AccountBlocked] > 0 || r.Objects.halts():
		return Blocked
	case r.States[AccountComplete] < r.Accounts && !r.ObjectsOnly || r.NewRefusals || r.NotBegun > 0 || r.Objects.unsettled():
		return Partial
	}
	return Complete
}

type runner struct {
	opts      RunOptions
	store     *state.Store
	platform  *platform
	provision *provisioner
	done      map[string]bool // with Failed: addresses of the target that are complete
	closed    map[accountID]bool
	telling   sync.Mutex
	conflicts *conflictKeeper // nil: a dry run
	budget    *imap.Budget
	kept      *quarantine // nil: refused messages are not kept
	id        int64
	name      string
	dead      map[string]bool // names of runs that are over
	recopy    map[string]bool
	hosts     hosts
	rehearsed Rehearsal
	filling   sync.Map // domain and entry UID → claimant: who fills which mailbox
	opened    opened
	keys      keyPool
	lanes     *lanes
	source    map[string]*semaphore.Weighted
	target    *semaphore.Weighted
	log       *slog.Logger
}

// StatePath is where a target's state is kept.
func StatePath(dir, target string) string { return filepath.Join(dir, target+".db") }

func (o RunOptions) withDefaults() RunOptions {
	d := DefaultLimits()
	o.Limits.Accounts = cmp.Or(o.Limits.Accounts, d.Accounts)
	o.Limits.Provision = cmp.Or(o.Limits.Provision, d.Provision)
	o.Limits.Retries = cmp.Or(o.Limits.Retries, d.Retries)
	if o.Limits.Memory == 0 {
		o.Limits.Memory = d.Memory
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.BackOff == nil {
		o.BackOff = backOff
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // "" names the run as well
	}
	if o.PID == 0 {
		o.PID = os.Getpid()
	}
	return o
}

// Run brings every account of the plan up to date on the target. First run,
// resume, delta and retry are the same call. An error means that the run as a
// whole could not be done; what became of accounts is in the result.
func Run(ctx context.Context, o RunOptions) (res RunResult, err error) {
	o = o.withDefaults()
	started := o.Now()
	r := &runner{opts: o, log: o.Logger, dead: map[string]bool{}, recopy: map[string]bool{}, budget: imap.NewBudget(o.Limits.Memory)}
	if o.Quarantine != "" {
		r.kept = &quarantine{dir: o.Quarantine, most: quarantineMost, now: o.Now}
	}
	for _, address := range o.Recopy {
		r.recopy[address] = true
	}
	if err := o.askedFor(); err != nil {
		return res, err
	}
	if err := r.gate(ctx); err != nil {
		return res, err
	}
	if r.platform, err = openPlatform(ctx, o.Target, o.Logger); err != nil {
		return res, err
	}
	defer r.platform.close(ctx)
	if err := planFits(o.Plan, r.platform); err != nil {
		return res, err
	}
	if err := r.platform.certified(ctx); err != nil {
		return res, err
	}
	if err := r.openState(ctx, o.Plan.Header.PolicyDigest, o.Plan.Trailer.SHA256); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, r.store.Close()) }()
	if err := r.remember(ctx); err != nil {
		return res, err
	}
	r.hosts = hosts{limit: o.Limits.Retries, now: o.Now, down: r.hostDown, state: map[string]*hostState{}}
	r.seatsOf()
	r.event(Event{Kind: EventRunStarted, Text: r.name})
	r.sameInstallation()
	res, err = r.all(ctx)
	res.MemoryMost, res.StateWork = r.budget.Most(), r.store.Work()
	res.Name, res.Target, res.StateFile, res.Elapsed = r.name, o.Target.Name, r.store.Path(), o.Now().Sub(started)
	outcome := res.Outcome()
	r.event(Event{Kind: EventRunEnded, Text: r.name, Messages: res.Copied, Bytes: res.Bytes})
	return res, errors.Join(err, r.store.EndRun(context.WithoutCancel(ctx), r.id, int(outcome), res.summary()))
}

// openState opens the target's state, which keeps other processes out, and
// begins the run in it.
func (r *runner) openState(ctx context.Context, policyDigest, planSHA256 string) (err error) {
	o := r.opts
	r.store, err = state.Open(ctx, StatePath(o.StateDir, o.Target.Name), state.Identity{
		Target: o.Target.Name, Installation: r.platform.id, Version: r.platform.version.Major, Rehearsal: o.Target.Rehearsal, URL: o.Target.URL})
	if err != nil {
		return err
	}
	runs, err := r.store.Runs(ctx)
	for _, past := range runs {
		// We hold the lock: nobody else runs on this state. Of one that it is a copy
		// of we know nothing, and its runs' keys count until their lease ends.
		r.dead[past.Name] = past.Here || !past.Ended.IsZero()
	}
	if err == nil {
		var random [3]byte
		rand.Read(random[:]) // never fails
		r.name = fmt.Sprintf("%s-%s-%d-%s", o.Now().UTC().Format("20060102T150405Z"), o.Host, o.PID, hex.EncodeToString(random[:]))
		r.id, err = r.store.BeginRun(ctx, state.Run{Name: r.name, Host: o.Host, PID: o.PID, PolicyDigest: policyDigest,
			PlanSHA256: planSHA256, Command: o.Command, WithoutRehearsal: o.WithoutRehearsal, Started: o.Now()})
	}
	if err != nil {
		return errors.Join(err, r.store.Close())
	}
	return nil
}

// all goes through a run's parts: objects before mail, rights after it.
func (r *runner) all(ctx context.Context) (RunResult, error) {
	res := RunResult{States: map[string]int{}, ObjectsOnly: r.opts.Objects, Final: r.opts.Final}
	if err := errors.Join(r.whoIsDone(ctx), r.whoIsClosed(ctx)); err != nil {
		return res, err
	}
	closed, err := r.leftAlone()
	if err != nil {
		return res, err
	}
	if r.conflicts, err = newConflictKeeper(ctx, r.store, r.id); err != nil {
		return res, err
	}
	r.provision = r.newProvisioner(false)
	err = r.makeObjects(ctx)
	switch {
	case err != nil:
	case r.opts.Objects:
		res.Accounts, err = r.countAsked()
		res.Interrupted = r.stopped() || ctx.Err() != nil
	default:
		res, err = r.accounts(ctx)
		res.Final = r.opts.Final
		if err == nil && r.opts.Final {
			err = r.finish(ctx)
			res.Interrupted = res.Interrupted || r.stopped() || ctx.Err() != nil
		}
	}
	res.Objects, res.Closed = r.provision.log.result(), closed
	return res, err
}

// countAsked is how many accounts the options ask for.
func (r *runner) countAsked() (n int, err error) {
	for a, err := range r.opts.Plan.heads() {
		if err != nil {
			return n, err
		}
		if r.asksFor(a) {
			n++
		}
	}
	return n, nil
}

// seatsOf sets how many sessions each server gets at a time.
func (r *runner) seatsOf() {
	r.source = map[string]*semaphore.Weighted{}
	for name, s := range r.opts.Sources {
		r.source[name] = semaphore.NewWeighted(int64(cmp.Or(s.Connections, 10)))
	}
	r.target = semaphore.NewWeighted(int64(cmp.Or(r.opts.Target.Connections, 10)))
}

// seats waits for a session's place at both servers, always in one order.
func (r *runner) seats(ctx context.Context, source string) (release func(), err error) {
	src := r.source[source]
	if src == nil {
		return nil, blocked("name the source in bmsync.yaml", "source %q is not configured", source)
	}
	if err := src.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if err := r.target.Acquire(ctx, 1); err != nil {
		src.Release(1)
		return nil, err
	}
	return func() { r.target.Release(1); src.Release(1) }, nil
}

// accounts runs what the options select, so many at a time.
func (r *runner) accounts(ctx context.Context) (RunResult, error) {
	queue, err := r.selected(ctx)
	res := RunResult{States: map[string]int{}, Accounts: len(queue)}
	if err != nil {
		return res, err
	}
	turns := newLine(queue)
	var mu sync.Mutex
	var fatal error
	var g errgroup.Group
	r.lanes = newLanes(r.opts.Limits.Accounts)
	g.SetLimit(r.lanes.limit())
	begun := 0
	for range queue {
		if !r.lanes.begin(ctx, r.opts.Stop) {
			break
		}
		mu.Lock()
		over := fatal != nil
		mu.Unlock()
		if over || r.stopped() || ctx.Err() != nil {
			break
		}
		begun++
		g.Go(func() error {
			nearly := sync.OnceFunc(r.lanes.nearly)
			defer nearly()
			next := turns.take()
			defer turns.done(next)
			a, err := r.opts.Plan.at(next.offset)
			var one AccountResult
			if err == nil {
				one, err = r.account(ctx, a, nearly)
			}
			mu.Lock()
			defer mu.Unlock()
			fatal = errors.Join(fatal, err)
			res.add(one)
			return nil // one account's failure never stops the others
		})
	}
	g.Wait()
	res.NotBegun = len(queue) - begun
	res.Interrupted = r.stopped() || ctx.Err() != nil
	return res, fatal
}

// summaryCopied ends the summary of a run, after a number: check looks there
// whether the last rehearsal found anything left to copy.
const summaryCopied = " messages copied"

// summary is the result in a few words, for the record.
func (r *RunResult) summary() string {
	var words []string
	for _, s := range slices.Sorted(maps.Keys(r.States)) {
		words = append(words, fmt.Sprintf("%d %s", r.States[s], s))
	}
	return strings.Join(append(words, fmt.Sprint(r.Copied)+summaryCopied), ", ")
}

func (r *RunResult) add(one AccountResult) {
	r.States[one.State]++
	r.Copied += one.Copied
	r.Moved += one.Moved
	r.Deleted += one.Deleted
	r.Bytes += one.Bytes
	r.Refused += one.Refused
	r.NewRefusals = r.NewRefusals || one.NewRefusals
	if one.State != AccountComplete || one.Reason != "" || one.Would != "" {
		r.Notable = append(r.Notable, one)
	}
}

// stopped says whether the run was asked to end.
func (r *runner) stopped() bool {
	select {
	case <-r.opts.Stop:
		return true
	default:
		return false
	}
}

// pause waits, unless the run is asked to end meanwhile.
func (r *runner) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.opts.Stop:
		return imap.ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *runner) event(e Event) {
	e.At = r.opts.Now()
	r.opts.Events(e)
}
