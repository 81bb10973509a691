package migrate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// PlanOptions say what to plan. Rows, Sources and Policy are required.
type PlanOptions struct {
	Path       string
	Tool       string // name and version, for the header
	Rows       []Row
	Sources    map[string]Source
	Policy     Policy
	Domains    []PlanDomain
	Exceptions map[string]Exception // by address
	Workers    int                  // accounts looked at together; 8
	Events     func(Event)
	Logger     *slog.Logger
	Now        func() time.Time
}

// PlanResult is what came of planning.
type PlanResult struct {
	Trailer    PlanTrailer
	Header     PlanHeader
	Skipped    int        // accounts that an exception leaves out
	Unsurveyed []*Problem // accounts that could not be looked at, and why
	Changes    []string   // against the plan that was there, if any
}

// BuildPlan looks at every source account, read-only, decides everything and
// writes the plan. An account that can't be looked at is planned all the same
// and listed: as the plan that was there has it, if that was made under the
// same policy, else its folders are decided when it is run. A plan that was
// there is replaced, and what changed is told.
func BuildPlan(ctx context.Context, o PlanOptions) (PlanResult, error) {
	b := planBuilder{PlanOptions: o, limits: map[string]*semaphore.Weighted{}}
	b.defaults()
	old := b.previous()
	defer old.close()
	w, err := CreatePlan(o.Path, PlanHeader{Tool: o.Tool, Created: b.Now().UTC().Truncate(time.Second), Policy: o.Policy})
	if err != nil {
		return PlanResult{}, err
	}
	res, err := b.write(ctx, w, old)
	if err != nil {
		w.Abandon()
		return res, err
	}
	res.Trailer, err = w.Finish()
	if err != nil {
		return res, err
	}
	plan, err := OpenPlan(o.Path)
	if err != nil {
		return res, err
	}
	res.Header = plan.Header
	return res, plan.Close()
}

type planBuilder struct {
	PlanOptions
	limits map[string]*semaphore.Weighted
}

func (b *planBuilder) defaults() {
	if b.Workers == 0 {
		b.Workers = 8
	}
	if b.Now == nil {
		b.Now = time.Now
	}
	if b.Logger == nil {
		b.Logger = slog.New(slog.DiscardHandler)
	}
	if b.Events == nil {
		b.Events = func(Event) {}
	}
	for name, s := range b.Sources {
		b.limits[name] = semaphore.NewWeighted(int64(max(1, cmp.Or(s.Connections, 10))))
	}
}

// formerPlan is the plan that is about to be replaced; its zero value is none.
type formerPlan struct {
	plan     *Plan
	accounts map[string]formerAccount // by key
}

type formerAccount struct {
	digest string
	offset int64
}

func (f formerPlan) close() {
	if f.plan != nil {
		f.plan.Close() // it was only read
	}
}

// previous reads the plan that is there. One that can't be read has nothing to
// say.
func (b *planBuilder) previous() formerPlan {
	plan, err := OpenPlan(b.Path)
	if err != nil {
		return formerPlan{}
	}
	f := formerPlan{plan: plan, accounts: map[string]formerAccount{}}
	for a, err := range plan.heads() {
		if err != nil {
			f.close()
			return formerPlan{}
		}
		f.accounts[a.Key()] = formerAccount{a.Digest, a.offset}
	}
	return f
}

// keep gives an account that can't be looked at now what was decided for it
// before, so that a source which is down for an hour undoes no plan.
func (f formerPlan) keep(a *PlanAccount, p Policy) {
	a.Folders = nil
	before, ok := f.accounts[a.Key()]
	if !ok || f.plan.Header.PolicyDigest != p.Digest() {
		return
	}
	was, err := f.plan.at(before.offset)
	if err != nil || !reflect.DeepEqual(was.Exception, a.Exception) {
		return
	}
	a.Folders, a.Survey = was.Folders, was.Survey
}

// looked is an account being surveyed; done is closed when it is.
type looked struct {
	account *PlanAccount
	err     error
	done    chan struct{}
}

// write surveys accounts side by side and writes them in the order of rows.
func (b *planBuilder) write(ctx context.Context, w *PlanWriter, old formerPlan) (PlanResult, error) {
	var res PlanResult
	for _, d := range b.domains() {
		if err := w.Domain(d); err != nil {
			return res, err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	queue := make(chan *looked, 2*b.Workers)
	g.Go(func() error {
		defer close(queue)
		return b.start(gctx, queue, &res.Skipped)
	})
	g.Go(func() error {
		seen := map[string]bool{}
		for l := range queue {
			select {
			case <-l.done:
			case <-gctx.Done():
			}
			if gctx.Err() != nil { // what became of l says nothing about its source
				return context.Cause(gctx)
			}
			if l.err != nil {
				old.keep(l.account, b.Policy)
				l.account.Survey.Error = l.err.Error()
				res.Unsurveyed = append(res.Unsurveyed, &Problem{Field: l.account.SourceLogin, Text: l.err.Error(), Err: l.err})
			}
			if err := w.Account(l.account); err != nil {
				return err
			}
			b.told(l)
			res.diff(old, l.account)
			seen[l.account.Key()] = true
		}
		res.gone(old, seen)
		return nil
	})
	return res, g.Wait()
}

func (b *planBuilder) told(l *looked) {
	e := Event{At: b.Now(), Kind: EventSurveyed, Account: l.account.Address, Messages: int(l.account.Survey.Messages), Bytes: l.account.Survey.Bytes}
	if l.err != nil {
		e.Reason = l.err.Error()
	}
	b.Events(e)
}

// start begins a survey for each row, as many at a time as allowed.
func (b *planBuilder) start(ctx context.Context, queue chan<- *looked, skipped *int) error {
	var g errgroup.Group
	g.SetLimit(b.Workers)
	for _, row := range b.Rows {
		a := planAccount(row)
		policy := b.Policy
		if e, ok := b.Exceptions[row.Address]; ok {
			if e.Skip {
				*skipped++
				continue
			}
			a.Exception = &e
			policy = policy.With(e)
		}
		l := &looked{account: a, done: make(chan struct{})}
		select {
		case queue <- l:
		case <-ctx.Done():
			g.Wait()
			return context.Cause(ctx)
		}
		g.Go(func() error {
			defer close(l.done)
			l.err = b.survey(ctx, a, policy)
			return nil // one account's failure never stops the others
		})
	}
	return g.Wait()
}

func (b *planBuilder) survey(ctx context.Context, a *PlanAccount, p Policy) error {
	s, ok := b.Sources[a.Source]
	if !ok {
		return fmt.Errorf("source %q is not configured", a.Source)
	}
	limit := b.limits[a.Source]
	if err := limit.Acquire(ctx, 1); err != nil {
		return err
	}
	defer limit.Release(1)
	return surveyAccount(ctx, s, a, p, b.Now(), b.Logger)
}

func planAccount(row Row) *PlanAccount {
	return &PlanAccount{Source: row.Source, SourceLogin: row.Login, SourceFolder: row.Folder, Address: row.Address, Kind: row.Kind,
		DisplayName: row.DisplayName, FirstName: row.FirstName, LastName: row.LastName, Login: row.TargetLogin, Label: row.Label, Writer: row.Writer,
		QuotaKiB: row.Quota.KiB(), QuotaStated: row.Quota.Stated, Aliases: row.Aliases, Wave: row.Wave}
}

// domains are the configured ones and those of the addresses, each once.
func (b *planBuilder) domains() []PlanDomain {
	out := slices.Clone(b.Domains)
	known := map[string]bool{}
	for _, d := range out {
		known[d.Name] = true
		for _, alias := range d.Aliases {
			known[alias] = true
		}
	}
	for _, row := range b.Rows {
		_, domain, _ := strings.Cut(row.Address, "@")
		if !known[domain] {
			known[domain] = true
			out = append(out, PlanDomain{Name: domain})
		}
	}
	return out
}

// diff tells how an account changed against the plan that was there.
func (r *PlanResult) diff(old formerPlan, a *PlanAccount) {
	if old.plan == nil {
		return
	}
	switch before, ok := old.accounts[a.Key()]; {
	case !ok:
		r.Changes = append(r.Changes, "new: "+a.Address)
	case before.digest != a.Digest:
		r.Changes = append(r.Changes, "decided otherwise: "+a.Address)
	}
}

func (r *PlanResult) gone(old formerPlan, seen map[string]bool) {
	var gone []string
	for key := range old.accounts {
		if !seen[key] {
			gone = append(gone, "no longer planned: "+key[strings.LastIndexByte(key, 0)+1:])
		}
	}
	slices.Sort(gone)
	r.Changes = append(r.Changes, gone...)
}
