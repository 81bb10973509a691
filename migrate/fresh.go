package migrate

import (
	"context"
	"fmt"

	"bmsync/imap"
	"bmsync/state"
)

// A fresh account is one of whose folders no run has kept anything. What is asked
// of other accounts, lest something be copied twice or taken for lost, needs not be
// asked of it: forty small accounts would be mostly that.

// filledBefore says whether anything went to the target for the account, or may
// have.
func (w *accountWork) filledBefore(ctx context.Context) (bool, error) {
	if w.fresh {
		return false, nil
	}
	folders, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return false, err
	}
	for _, f := range folders {
		// Gone through before: what came in since is the user's own mail.
		if f.DstMaxUID > 0 || f.DstUIDValidity > 0 {
			return true, nil
		}
	}
	sums, err := w.run.store.AccountSums(ctx, w.row.ID)
	if err != nil || sums[state.Present].Messages > 0 {
		return err == nil, err
	}
	open, err := w.run.store.OpenIntents(ctx)
	if err != nil {
		return false, err
	}
	doubts, err := w.run.store.OpenDoubts(ctx)
	return open[w.row.ID]+doubts[w.row.ID] > 0, err
}

// showNew asks for the numbers of a fresh account's folders on the target that
// aren't known yet, all together.
func (w *accountWork) showNew(ctx context.Context, dst *imap.Target, jobs []folderJob) error {
	if !w.fresh {
		return nil
	}
	var names []string
	for _, job := range jobs {
		if _, ok := w.shown[job.Target]; !ok && job.Rule == "" {
			names = append(names, w.box.imap(job.Target))
		}
	}
	numbers, err := dst.Statuses(ctx, names)
	if err != nil {
		return fmt.Errorf("status of the target's folders: %w", err)
	}
	feeds := map[string]int{}
	for _, job := range jobs {
		if job.Rule == "" {
			feeds[foldName(job.Target)]++
		}
	}
	for _, job := range jobs {
		if st, ok := numbers[w.box.imap(job.Target)]; ok && job.Rule == "" {
			w.shown[job.Target] = st
		}
		if feeds[foldName(job.Target)] > 1 { // another one's copies come between
			delete(w.shown, job.Target)
		}
	}
	return nil
}

// takeShown gives the numbers that the target showed of a folder into which
// nothing of ours went since, zero where it is to be asked.
func (w *accountWork) takeShown(job *folderJob) imap.Status {
	st := w.shown[job.Target]
	delete(w.shown, job.Target)
	return st
}
