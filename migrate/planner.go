package migrate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// PlanOptions say what to plan. Rows, Sources and Policy are required.
type PlanOptions struct {
	Path       string
	Tool       string // name and version, for the header
	Rows       []Row
	Groups     []Group
	Rights     []RightRow
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
	Skipped    int          // accounts that an exception leaves out
	Unsurveyed []*Problem   // accounts that could not be looked at, and why
	Public     []PlanPublic // mail of everybody that no row takes
	Changes    []string     // against the plan that was there, if any
}

// BuildPlan looks at every source account, read-only, decides everything and
// writes the plan. An account that can't be looked at is planned all the same
// and listed: as the plan that was there has it, if that was made under the
// same policy, else its folders are decided when it is run. A plan that was
// there is replaced, and what changed is told.
//
// Inputs that contradict each other, and two rows that take one tree of
// another user's or of everybody's, are an *InputError.
func BuildPlan(ctx context.Context, o PlanOptions) (PlanResult, error) {
	b := planBuilder{PlanOptions: o, limits: map[string]*semaphore.Weighted{}}
	b.defaults()
	in := Inputs{Rows: o.Rows, Groups: o.Groups, Rights: o.Rights, Policy: o.Policy, Domains: o.Domains}
	b.resolved = in.resolve()
	if err := NewInputError(b.resolved.problems); err != nil {
		return PlanResult{}, err
	}
	b.translator = newTranslator(b.resolved, o.Sources)
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
	limits     map[string]*semaphore.Weighted
	resolved   *resolved
	translator *translator
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

// start begins a survey for each row, as many at a time as allowed.
func (b *planBuilder) start(ctx context.Context, queue chan<- *looked, skipped *int) error {
	var g errgroup.Group
	g.SetLimit(b.Workers)
	for i := range b.Rows {
		row := &b.Rows[i]
		a := b.resolved.account(row)
		policy := b.Policy
		if e, ok := b.Exceptions[row.Address]; ok {
			if e.Skip {
				*skipped++
				continue
			}
			a.Exception = &e
			policy = policy.With(e)
		}
		l := &looked{account: a, row: row, done: make(chan struct{})}
		select {
		case queue <- l:
		case <-ctx.Done():
			g.Wait()
			return context.Cause(ctx)
		}
		g.Go(func() error {
			defer close(l.done)
			l.seen, l.err = b.survey(ctx, a, policy)
			return nil // one account's failure never stops the others
		})
	}
	return g.Wait()
}

func (b *planBuilder) survey(ctx context.Context, a *PlanAccount, p Policy) (sighting, error) {
	s, ok := b.Sources[a.Source]
	if !ok {
		return sighting{}, fmt.Errorf("source %q is not configured", a.Source)
	}
	limit := b.limits[a.Source]
	if err := limit.Acquire(ctx, 1); err != nil {
		return sighting{}, err
	}
	defer limit.Release(1)
	return surveyAccount(ctx, s, a, p, b.Now(), b.Logger)
}

// account is what a row says of the account, with what the policy adds.
func (r *resolved) account(row *Row) *PlanAccount {
	a := &PlanAccount{Source: row.Source, SourceLogin: row.Login, SourceFolder: row.Folder, Address: row.Address, Kind: row.Kind,
		DisplayName: row.DisplayName, FirstName: row.FirstName, LastName: row.LastName, Login: loginOf(row), Label: row.Label,
		QuotaKiB: row.Quota.KiB(), QuotaStated: row.Quota.Stated, DataLocation: row.DataLocation, Wave: row.Wave}
	if a.QuotaStated {
		a.QuotaFrom = "accounts.csv"
	}
	for _, alias := range row.Aliases {
		if !r.covered(row.Address, alias) {
			a.Aliases = append(a.Aliases, alias)
		}
	}
	if row.Kind == KindShare {
		if row.Writer != "" {
			a.Writer = r.ownAddress(row.Writer)
		}
		return a
	}
	a.AccountType = cmp.Or(row.AccountType, r.in.Policy.Users.AccountType)
	a.Password = r.in.Policy.Users.Password
	if row.PasswordEnv+row.PasswordFile+row.PasswordCommand != "" {
		a.Password = GivenPassword
	}
	home := r.home(row.Address)
	for _, name := range slices.Concat(row.Groups, r.in.Policy.Users.Groups) {
		if i, ok := r.groupAt[[2]string{home, groupKey(name)}]; ok && !slices.Contains(a.Groups, r.groups[i].Name) {
			a.Groups = append(a.Groups, r.groups[i].Name)
		}
	}
	slices.Sort(a.Groups)
	return a
}

// covered says whether an alias is the address itself in another name of its
// domain, which all_aliases makes valid: BlueMind refuses the two together.
func (r *resolved) covered(address, alias string) bool {
	return r.in.Policy.Users.AllAliases && localPart(address) == localPart(alias) && r.home(address) != "" && r.home(address) == r.home(alias)
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
		if domain := domainOf(row.Address); !known[domain] {
			known[domain] = true
			out = append(out, PlanDomain{Name: domain})
		}
	}
	return out
}
