package migrate

import (
	"context"
	"slices"
)

// selected finds the accounts that the options ask for.
func (r *runner) selected(ctx context.Context) ([]waiting, error) {
	if err := r.whoIsDone(ctx); err != nil {
		return nil, err
	}
	var queue []waiting
	for a, err := range r.opts.Plan.heads() {
		if err != nil {
			return nil, err
		}
		if r.asksFor(a) {
			queue = append(queue, waitingOf(a))
		}
	}
	return queue, nil
}

// whoIsDone notes, where only the rest is asked for, who is complete.
func (r *runner) whoIsDone(ctx context.Context) error {
	if !r.opts.Failed || r.done != nil {
		return nil
	}
	r.done = map[string]bool{}
	for a, err := range r.store.Accounts(ctx) {
		if err != nil {
			return err
		}
		if a.State == AccountComplete {
			r.done[a.Address] = true
		}
	}
	return nil
}

func (r *runner) asksFor(a *PlanAccount) bool {
	return r.opts.asksFor(a) && !r.done[r.opts.Target.Address(a.Address)] && !r.isClosed(a)
}

func (o *RunOptions) asksFor(a *PlanAccount) bool {
	named := len(o.Only)+len(o.Recopy) == 0 || slices.Contains(o.Only, a.Address) || slices.Contains(o.Recopy, a.Address)
	return named && (o.Wave == "" || a.Wave == o.Wave)
}

// UnknownError says that a plan, or another file, has not what was asked for.
type UnknownError struct{ Plan, What string }

func (e *UnknownError) Error() string { return e.Plan + " has no " + e.What }

// askedFor makes sure, before anything is touched, that every address and the
// wave that were asked for are in the plan.
func (o *RunOptions) askedFor() error {
	lacking := map[string]bool{}
	for _, address := range append(slices.Clone(o.Only), o.Recopy...) {
		lacking["account "+address] = true
	}
	if o.Wave != "" {
		lacking["wave "+o.Wave] = true
	}
	if len(lacking) == 0 {
		return nil
	}
	for a, err := range o.Plan.heads() {
		if err != nil {
			return err
		}
		delete(lacking, "account "+a.Address)
		delete(lacking, "wave "+a.Wave)
	}
	for what := range lacking {
		return &UnknownError{o.Plan.Path, what}
	}
	return nil
}
