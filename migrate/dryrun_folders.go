package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bmsync/imap"
	"bmsync/state"
)

// renames finds the folders that a run would rename, as far as that is known
// without looking into the target's, and gives the rows as they would be then.
func (w *dryWork) renames(ctx context.Context, src *imap.Source, mapped []Mapped, rows []state.Folder, policy Policy) ([]state.Folder, error) {
	if w.account.ID == 0 {
		return rows, nil
	}
	numbers, err := numbersOf(ctx, src, mapped)
	if err != nil {
		return nil, err
	}
	list, err := renamedNow(ctx, src, w.run.store, mapped, rows, numbers)
	if err != nil || len(list) == 0 {
		return rows, err
	}
	g := ground{follows: policy.Presync.follows(w.account) && !w.run.recopy[w.plan.Address], mapped: mapped, home: homeOf(shareName(w.plan.Kind, w.plan.Address)),
		have: w.have, known: rows, five: w.run.platform.version.Major >= 5}
	if g.made, err = w.run.store.Made(ctx, w.account.ID); err != nil {
		return nil, err
	}
	belong(list, mapped, w.plan, rows)
	rows = slices.Clone(rows)
	for _, r := range g.settle(list) {
		for i := range rows {
			if !r.has(rows[i]) {
				continue
			}
			rows[i].Was, rows[i].Source = cmp.Or(rows[i].Was, rows[i].Source), r.to.Source
			if !r.stays {
				rows[i].Target, w.have[r.target] = r.target, true
			}
		}
		if !r.stays {
			w.renamed++
		}
	}
	return rows, nil
}

// gone lists what would go with the folders that the source has no more.
func (w *dryWork) gone(ctx context.Context, src *imap.Source, mapped []Mapped, rows []state.Folder) error {
	if w.follow == nil {
		return nil
	}
	made, err := w.run.store.Made(ctx, w.account.ID)
	if err != nil {
		return err
	}
	for _, path := range orphans(rows, mapped, made, homeOf(shareName(w.plan.Kind, w.plan.Address))) {
		if w.have[path] {
			w.remove++
		}
	}
	for _, f := range rows {
		if f.Rule != "" || f.SrcUIDValidity == 0 || listedAs(f, mapped) >= 0 {
			continue
		}
		_, err := src.Status(ctx, f.Source)
		if err != nil && !refused(err) {
			return fmt.Errorf("status of %q: %w", f.Source, err)
		}
		if err == nil || !noSuchMailbox(err) {
			continue
		}
		if err := w.follow.folder(ctx, w.run.store, f, imap.Status{UIDValidity: f.SrcUIDValidity}, nil, nil, ""); err != nil {
			return err
		}
	}
	return nil
}
