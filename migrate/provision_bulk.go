package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bmsync/migrate/objects"
)

// layout is what one look through the plan finds out before anything is made.
type layout struct {
	domains []string          // of the accounts that are run, as addresses name them, in the plan's order
	writers map[string]int64  // of their shares, as far as they have an account: address → where it stands in the plan
	asked   map[string]bool   // accounts of the plan by address: whether they are run; only for a part of a plan that has groups
	groups  map[string]bool   // that rows of this part name, by keyOfGroup
	rows    map[string]string // of the whole plan, under the target's names: address or alias → address of its row
}

// lookThrough reads the plan's accounts for what a run needs beside each one.
func (r *runner) lookThrough() (*layout, error) {
	l := &layout{writers: map[string]int64{}, rows: map[string]string{}}
	for _, g := range r.opts.Plan.Groups {
		l.row(r.opts.Target, g.Address, nil)
	}
	if len(r.opts.Plan.Groups) > 0 && r.opts.partial() {
		l.asked, l.groups = map[string]bool{}, map[string]bool{}
	}
	writers, domains := map[string]bool{}, map[string]bool{}
	for a, err := range r.opts.Plan.heads() {
		if err != nil {
			return nil, err
		}
		l.row(r.opts.Target, a.Address, a.Aliases)
		asked := r.asksFor(a)
		if l.asked != nil {
			l.asked[a.Address] = asked
		}
		if !asked {
			continue
		}
		writers[a.Writer] = true
		for _, g := range a.Groups {
			if l.groups != nil {
				l.groups[r.groupOf(a, g)] = true
			}
		}
		if _, name, _ := strings.Cut(a.Address, "@"); !domains[name] {
			domains[name] = true
			l.domains = append(l.domains, name)
		}
	}
	for a, err := range r.opts.Plan.heads() {
		if err != nil {
			return nil, err
		}
		if a.Kind == KindUser && writers[a.Address] {
			l.writers[a.Address] = a.offset
		}
	}
	return l, nil
}

// row keeps what a row of the plan wants.
func (l *layout) row(target Target, address string, aliases []string) {
	if address == "" {
		return
	}
	there := target.Address(address)
	l.rows[there] = there
	for _, alias := range aliases {
		if alias = target.Address(alias); l.rows[alias] == "" {
			l.rows[alias] = there
		}
	}
}

// partial says that the options leave accounts of the plan out.
func (o *RunOptions) partial() bool {
	return len(o.Only)+len(o.Recopy) > 0 || o.Wave != "" || o.Failed
}

// member says whether a run puts somebody into a group. One account's run
// leaves other people's memberships alone; one of a wave takes in those too
// who have no account, for no other run would.
func (r *runner) member(m PlanRef) bool {
	l := r.provision.layout
	if l.asked == nil {
		return true
	}
	asked, planned := l.asked[m.Name]
	if !planned || m.Kind == RefGroup {
		return len(r.opts.Only)+len(r.opts.Recopy) == 0 && !r.opts.Failed
	}
	return asked
}

// makeObjects is the bulk pass: it makes sure of everything that the target must
// hold before mail. Whatever becomes of one object, the others go on. Its error
// is the run's.
func (r *runner) makeObjects(ctx context.Context) (err error) {
	ctx, end := r.untilStopped(ctx)
	defer end()
	if r.provision.layout, err = r.lookThrough(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.makeDomains, r.makeGroups, r.makeUsers, r.makeShares, r.fillGroups} {
		if r.stopped() || ctx.Err() != nil {
			return nil
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stopGrace is how long calls under way may take after a run was asked to end.
// A call that waits for a BlueMind which is away takes minutes; what becomes of
// it the next run finds out.
const stopGrace = 3 * time.Second

// untilStopped ends a context some time after the run was asked to end. Call
// end when the work is done.
func (r *runner) untilStopped(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
			return
		case <-r.opts.Stop:
		}
		grace := time.NewTimer(stopGrace)
		defer grace.Stop()
		select {
		case <-ctx.Done():
		case <-grace.C:
			cancel()
		}
	}()
	return ctx, func() { cancel(); <-done }
}

// makeDomains goes one by one: an alias of one may be in the way of another.
func (r *runner) makeDomains(ctx context.Context) error {
	names := r.provision.layout.domains
	if !r.opts.partial() {
		names = nil
		for _, d := range r.opts.Plan.Domains {
			names = append(names, d.Name)
		}
	}
	for _, name := range names {
		if r.stopped() || ctx.Err() != nil {
			return nil
		}
		_, err := r.provision.domain(ctx, name)
		if err := r.settle(objects.KindDomain, name, err); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) makeUsers(ctx context.Context) error { return r.makeAccounts(ctx, KindUser) }

func (r *runner) makeShares(ctx context.Context) error { return r.makeAccounts(ctx, KindShare) }

func (r *runner) makeAccounts(ctx context.Context, kind string) error {
	b := r.batch()
	for a, err := range r.opts.Plan.heads() {
		if err != nil {
			return errors.Join(err, b.wait())
		}
		if a.Kind != kind || !r.asksFor(a) {
			continue
		}
		if b.over(ctx) {
			break
		}
		b.do(objectKind(a), a.Address, func() error {
			_, err := r.provision.account(ctx, a)
			return err
		})
	}
	return b.wait()
}

// makeGroups makes sure of groups without their members: users' rows name
// groups, and groups name users and groups.
func (r *runner) makeGroups(ctx context.Context) error {
	b := r.batch()
	for _, g := range r.opts.Plan.Groups {
		if b.over(ctx) {
			break
		}
		if r.opts.partial() && !r.wantsGroup(g) {
			continue
		}
		b.do(objects.KindGroup, g.Name, func() error {
			d, err := r.provision.domain(ctx, g.Domain)
			if err != nil {
				return err
			}
			group, _, err := r.provision.maker.Group(ctx, d, r.provision.want.group(g))
			if err != nil {
				return fmt.Errorf("group %s: %w", g.Name, err)
			}
			if group.Action == objects.Conflict {
				r.provision.barred.Store(keyOfGroup(g), true)
			}
			return r.provision.outcome(ctx, group)
		})
	}
	return b.wait()
}

func keyOfGroup(g PlanGroup) string { return g.Domain + "\x00" + g.Name }

// groupOf is the key of a group that an account's row names: it is of the
// account's domain, by whatever name.
func (r *runner) groupOf(a *PlanAccount, group string) string {
	_, domain, _ := strings.Cut(a.Address, "@")
	return wanted{plan: r.opts.Plan}.planned(domain).Name + "\x00" + group
}

// wantsGroup says whether a run of a part of the plan needs a group.
func (r *runner) wantsGroup(g PlanGroup) bool {
	for _, m := range g.Members {
		if r.member(m) {
			return true
		}
	}
	return r.provision.layout.groups[keyOfGroup(g)]
}

// fillGroups puts the members in, when all are there.
func (r *runner) fillGroups(ctx context.Context) error {
	b := r.batch()
	for _, g := range r.opts.Plan.Groups {
		if b.over(ctx) {
			break
		}
		want := r.provision.want.group(g)
		for _, m := range g.Members {
			if r.member(m) {
				want.Members = append(want.Members, r.provision.want.ref(m))
			}
		}
		if _, barred := r.provision.barred.Load(keyOfGroup(g)); barred || len(want.Members) == 0 {
			continue
		}
		b.do(objects.KindMember, g.Name, func() error {
			d, err := r.provision.domain(ctx, g.Domain)
			if err != nil {
				return nil // told with the group
			}
			_, members, err := r.provision.maker.Group(ctx, d, want)
			if err != nil {
				return fmt.Errorf("members of group %s: %w", g.Name, err)
			}
			return r.provision.outcome(ctx, members...)
		})
	}
	return b.wait()
}

// batch runs calls side by side, so many at a time.
type batch struct {
	r     *runner
	g     errgroup.Group
	mu    sync.Mutex
	fatal error
	down  bool
}

func (r *runner) batch() *batch {
	b := &batch{r: r}
	b.g.SetLimit(r.opts.Limits.Provision)
	return b
}

// over says whether nothing more is to be begun.
func (b *batch) over(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fatal != nil || b.down || b.r.stopped() || ctx.Err() != nil
}

// do begins one call when its turn has come.
func (b *batch) do(kind objects.Kind, name string, call func() error) {
	b.g.Go(func() error {
		err := b.r.hosts.enter("API of target "+b.r.opts.Target.Name, call)
		fatal := b.r.settle(kind, name, err)
		_, down := errors.AsType[*HostDownError](err)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.fatal, b.down = errors.Join(b.fatal, fatal), b.down || down
		return nil // one object's failure never stops the others
	})
}

// wait gives what stops the run, when all calls have ended.
func (b *batch) wait() error {
	b.g.Wait() // its calls return none
	return b.fatal
}

// settle notes why an object is not as wanted. Its error is the run's.
func (r *runner) settle(kind objects.Kind, name string, err error) error {
	if err == nil {
		return nil
	}
	v := judge(err)
	if v.scope == wholeRun {
		return err
	}
	if own, ok := errors.AsType[*conflictError](err); ok && own.outcome.Kind == kind {
		return nil // told
	}
	if v.scope != interrupted {
		r.provision.log.fail(ObjectFailure{Kind: kind, Name: name, Reason: v.reason, Mend: v.mend, Halt: v.scope == accountHalt})
	}
	return nil
}

// tellObject says what became of an object, and keeps in the state what
// stands against the plan; news is one that no run has told of. Its error is
// the state's.
func (r *runner) tellObject(ctx context.Context, o objects.Outcome) (news bool, err error) {
	if o.Action != objects.AsWanted {
		r.event(objectEvent(o, r.conflicts == nil))
	}
	if r.conflicts == nil {
		return true, nil
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	return r.conflicts.note(context.WithoutCancel(ctx), o)
}

// objectEvent tells of one object; dry, of what would become of it.
func objectEvent(o objects.Outcome, dry bool) Event {
	e := Event{Kind: EventObject, Text: fmt.Sprintf("%s %s: %s", o.Kind, o.Name, o.Action), Reason: o.Reason, Mend: o.Mend, Object: &o}
	if dry {
		e.Kind, e.Text = EventWould, fmt.Sprintf("%s %s: would be %s", o.Kind, o.Name, o.Action)
		if o.Action == objects.Conflict {
			e.Text = fmt.Sprintf("%s %s: %s", o.Kind, o.Name, o.Action)
		}
	}
	switch {
	case len(o.Changes) == 0:
	case o.Kind == objects.KindRight:
		e.Text += " (" + o.Changes[0].To + ")"
	default:
		e.Text += " (" + changesText(o.Changes) + ")"
	}
	return e
}
