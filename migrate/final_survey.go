package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// surveyBox looks at what a final run does to one mailbox's rights and, for a
// dry run, to subscriptions: nothing is written.
func (f *finisher) surveyBox(ctx context.Context, box *objects.Entry, a *PlanAccount, row state.Account, rights []objects.Right) error {
	var viewers []*objects.Entry
	var err error
	if a.Kind == KindShare || f.r.provision.maker.Dry {
		if viewers, err = f.viewers(ctx, box, rights); err != nil {
			return err
		}
	}
	var would []objects.Outcome
	leaves := map[string]bool{} // uids of those who keep no right at all
	if a.Kind == KindShare {
		list, err := f.surplus(ctx, box, a, row, rights, viewers)
		if err != nil {
			return err
		}
		for _, m := range list {
			o, err := f.look.maker.Withdraw(ctx, m, nil)
			if err != nil {
				return fmt.Errorf("withdraw %s %s: %w", m.Kind, m.Name, err)
			}
			would = append(would, o)
			leaves[m.Subject()] = leaves[m.Subject()] || m.Kind == objects.KindRight && o.Action == objects.Withdrawn && len(m.Had()) == 0
		}
	}
	given, err := f.look.maker.Grant(ctx, box, rights)
	if err != nil {
		return fmt.Errorf("rights on %s: %w", a.Address, err)
	}
	if err := f.anew(ctx, box, rights, leaves, given); err != nil {
		return err
	}
	would = append(would, given...)
	if f.r.provision.maker.Dry && f.look.want.plan.Header.Policy.Shares.Subscribe {
		subscribed, err := f.surveySubscriptions(ctx, box, rights, viewers, leaves, given)
		if err != nil {
			return err
		}
		would = append(would, subscribed...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.would = append(f.would, would...)
	for _, o := range given {
		if o.Action == objects.Created {
			if f.told == nil {
				f.told = map[string]bool{}
			}
			f.told[o.Domain+"\x00"+o.Name] = true
		}
	}
	return nil
}

// surveySubscriptions says who would be subscribed. BlueMind ends the
// subscription of who loses all rights, though he gets others at once.
func (f *finisher) surveySubscriptions(ctx context.Context, box *objects.Entry, rights []objects.Right, viewers []*objects.Entry, leaves map[string]bool, given []objects.Outcome) ([]objects.Outcome, error) {
	there := slices.DeleteFunc(slices.Clone(rights), func(r objects.Right) bool {
		return slices.ContainsFunc(given, func(o objects.Outcome) bool { return o.Action == objects.Created && isOf(o, r) })
	})
	stay, err := f.viewers(ctx, box, there)
	if err != nil {
		return nil, err
	}
	var out []objects.Outcome
	for _, user := range viewers {
		o, err := f.look.maker.Subscribe(ctx, user, box)
		if err != nil {
			return nil, fmt.Errorf("subscribe %s to %s: %w", user.Address, box.Address, err)
		}
		stays := slices.ContainsFunc(stay, func(u *objects.Entry) bool { return u.UID == user.UID })
		if o.Action == objects.AsWanted && leaves[user.UID] && !stays {
			o.Action = objects.Created
		}
		out = append(out, o)
	}
	return out, nil
}

// isOf says whether an outcome is that of a right.
func isOf(o objects.Outcome, r objects.Right) bool {
	return strings.HasPrefix(o.Name, r.Grantee.Name+" → ")
}

// anew marks as created what is given to those who lose all they had before.
func (f *finisher) anew(ctx context.Context, box *objects.Entry, rights []objects.Right, leaves map[string]bool, given []objects.Outcome) error {
	if len(leaves) == 0 {
		return nil
	}
	for _, r := range rights {
		if r.Grantee.Kind != objects.RefUser {
			continue
		}
		e, err := f.look.maker.Find(ctx, box.Domain, r.Grantee)
		if errors.Is(err, bmapi.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("find out who %s is, for %s: %w", r.Grantee.Name, box.Address, err)
		}
		i := slices.IndexFunc(given, func(o objects.Outcome) bool { return isOf(o, r) })
		if i >= 0 && leaves[e.UID] && (given[i].Action == objects.AsWanted || given[i].Action == objects.Changed) {
			given[i].Action = objects.Created
		}
	}
	return nil
}
