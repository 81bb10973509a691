package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// looked is an account being surveyed; done is closed when it is.
type looked struct {
	account *PlanAccount
	row     *Row
	seen    sighting
	err     error
	done    chan struct{}
}

// writing is a plan on its way into its file.
type writing struct {
	*planBuilder
	w       *PlanWriter
	old     formerPlan
	res     PlanResult
	seen    map[string]bool // keys of accounts
	waiting []*PlanAccount  // shares whose writer is chosen when all sizes are known
	load    map[string]int64
	taken   map[string]map[string]*Row // source → subtree of others → who takes it
	offers  map[[2]string]int          // source, mailbox of everybody → logins that see it
	clash   []Problem
}

// write surveys accounts side by side and writes them in the order of rows,
// but for shares that get a writer of the policy: those come last, since the
// largest is given out first.
func (b *planBuilder) write(ctx context.Context, w *PlanWriter, old formerPlan) (PlanResult, error) {
	p := &writing{planBuilder: b, w: w, old: old, seen: map[string]bool{}, load: map[string]int64{}, taken: map[string]map[string]*Row{}, offers: map[[2]string]int{}}
	if err := p.objects(); err != nil {
		return p.res, err
	}
	g, gctx := errgroup.WithContext(ctx)
	queue := make(chan *looked, 2*b.Workers)
	g.Go(func() error {
		defer close(queue)
		return b.start(gctx, queue, &p.res.Skipped)
	})
	g.Go(func() error {
		for l := range queue {
			select {
			case <-l.done:
			case <-gctx.Done():
			}
			if gctx.Err() != nil { // what became of l says nothing about its source
				return context.Cause(gctx)
			}
			if err := p.account(l); err != nil {
				return err
			}
		}
		return p.end()
	})
	err := g.Wait()
	return p.res, err
}

// objects writes what stands before the accounts.
func (p *writing) objects() error {
	for _, d := range p.domains() {
		if err := p.w.Domain(d); err != nil {
			return err
		}
	}
	for _, g := range p.resolved.groups {
		if err := p.w.Group(g); err != nil {
			return err
		}
		p.res.diffGroup(p.old, g)
	}
	p.res.goneGroups(p.old, p.resolved.groups)
	return nil
}

// account takes an account over that was looked at.
func (p *writing) account(l *looked) error {
	a := l.account
	if l.err != nil {
		kept := p.old.keep(a, p.Policy)
		a.Survey.Error = l.err.Error()
		problem := &Problem{Field: a.SourceLogin, Text: l.err.Error(), Err: l.err}
		if b, ok := errors.AsType[*BlockedError](l.err); ok {
			problem.Mend = b.Mend
		}
		p.res.Unsurveyed = append(p.res.Unsurveyed, problem)
		a.Rights = append(p.translator.rights(a, nil), p.stillGiven(a, kept)...)
	} else {
		a.Rights = p.translator.rights(a, l.seen.acl)
		p.noteTree(l)
	}
	p.quota(a)
	p.load[cmp.Or(a.Writer, a.Address)] += a.Survey.Bytes
	p.told(l)
	if a.Kind == KindShare && a.Writer == "" {
		p.waiting = append(p.waiting, a)
		return nil
	}
	return p.put(a)
}

func (p *writing) put(a *PlanAccount) error {
	if err := p.w.Account(a); err != nil {
		return err
	}
	p.res.diff(p.old, a)
	p.seen[a.Key()] = true
	return nil
}

// stillGiven are the source's rights that an earlier plan has, for a mailbox
// that can't be looked at now.
func (p *writing) stillGiven(a *PlanAccount, was []PlanRight) []PlanRight {
	if p.Policy.Shares.Rights != RightsSource {
		return nil
	}
	stated := p.resolved.rights[a.Address]
	return slices.DeleteFunc(was, func(r PlanRight) bool {
		return !strings.HasPrefix(r.From, "source ") || decided(stated, r)
	})
}

// quota takes the source's where the row says nothing and the policy wants it.
func (p *writing) quota(a *PlanAccount) {
	if a.QuotaStated || p.Policy.Users.Quota != QuotaSource {
		return
	}
	most, d := int64(0), p.resolved.domain(p.resolved.home(a.Address))
	if limit := map[string]*int64{KindUser: d.UserQuotaMaxKiB, KindShare: d.ShareQuotaMaxKiB}[a.Kind]; limit != nil {
		most = *limit
	}
	if kib := quotaFrom(&a.Survey, most); kib > 0 {
		a.QuotaKiB, a.QuotaStated, a.QuotaFrom = kib, true, "source"
	}
}

// noteTree remembers which trees of others are taken, and by whom, and which
// mailboxes of everybody are seen.
func (p *writing) noteTree(l *looked) {
	source := l.account.Source
	for _, root := range l.seen.public {
		p.offers[[2]string{source, root}]++
	}
	root := l.seen.root
	if root == "" {
		return
	}
	if p.taken[source] == nil {
		p.taken[source] = map[string]*Row{}
	}
	for other, row := range p.taken[source] {
		if within(root, other) || within(other, root) {
			p.clash = append(p.clash, Problem{File: l.row.File, Line: l.row.Line, Field: colFolder,
				Text: fmt.Sprintf("%s is copied by line %d already, which takes %s: whoever logs in, it is the same mail", root, row.Line, other),
				Mend: "keep one of the two rows"})
		}
	}
	p.taken[source][root] = l.row
}

// end writes what waits for the end: shares without a writer in their row, and
// what nobody takes.
func (p *writing) end() error {
	if err := NewInputError(p.clash); err != nil {
		return err
	}
	p.giveWriters()
	for _, a := range p.waiting {
		if err := p.put(a); err != nil {
			return err
		}
	}
	for _, key := range p.untaken() {
		public := PlanPublic{Source: key[0], Folder: key[1], Logins: p.offers[key]}
		if err := p.w.Public(public); err != nil {
			return err
		}
		p.res.Public = append(p.res.Public, public)
	}
	p.res.gone(p.old, p.seen)
	return nil
}

// giveWriters spreads shares over the policy's writers: the largest share
// first, to the writer with least to do, since BlueMind 5 takes 1 MiB/s from
// each. Who wrote a share by the plan before goes on with it.
func (p *writing) giveWriters() {
	for _, a := range p.waiting {
		was := p.old.accounts[a.Key()].writer
		if slices.Contains(p.resolved.writersFor(p.resolved.home(a.Address)), was) {
			a.Writer = was
			p.load[was] += a.Survey.Bytes
		}
	}
	bySize := slices.Clone(p.waiting)
	slices.SortStableFunc(bySize, func(a, b *PlanAccount) int {
		return cmp.Or(cmp.Compare(b.Survey.Bytes, a.Survey.Bytes), cmp.Compare(a.Address, b.Address))
	})
	for _, a := range bySize {
		if a.Writer != "" {
			continue
		}
		writers := p.resolved.writersFor(p.resolved.home(a.Address)) // not empty: Inputs.Problems
		a.Writer = slices.MinFunc(writers, func(x, y string) int { return cmp.Or(cmp.Compare(p.load[x], p.load[y]), cmp.Compare(x, y)) })
		p.load[a.Writer] += max(a.Survey.Bytes, 1)
	}
}

// untaken are the mailboxes of everybody that no row takes, in order.
func (p *writing) untaken() [][2]string {
	var out [][2]string
	for key := range p.offers {
		taken := false
		for root := range p.taken[key[0]] {
			taken = taken || within(root, key[1]) || within(key[1], root)
		}
		if !taken {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) })
	return out
}

func (p *writing) told(l *looked) {
	e := Event{At: p.Now(), Kind: EventSurveyed, Account: l.account.Address, Messages: int(l.account.Survey.Messages), Bytes: l.account.Survey.Bytes}
	if l.err != nil {
		e.Reason = l.err.Error()
	}
	p.Events(e)
}
