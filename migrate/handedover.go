package migrate

import (
	"context"
	"fmt"

	"bmsync/imap"
)

// handedOver says of a share from whose writer a final run took his rights
// back that nothing has come to its source since, and nothing is gone from the
// target as core tells: it is complete as it stands, and nobody needs to write
// to it. In doubt it is gone through as ever, for which its writer gets his
// rights again.
func (w *accountWork) handedOver(ctx context.Context, src *imap.Source) (bool, error) {
	if w.plan.Kind != KindShare || w.row.Phase != PhaseLive || w.adopting {
		return false, nil
	}
	open, err := w.run.store.OpenIntents(ctx)
	if err != nil {
		return false, err
	}
	doubts, err := w.run.store.OpenDoubts(ctx)
	if err != nil || open[w.row.ID]+doubts[w.row.ID] > 0 {
		return false, err
	}
	mapped, err := w.list(ctx, src)
	if err != nil {
		return false, err
	}
	if !w.run.provision.maker.Dry {
		if err := w.followRenames(ctx, src, nil, mapped); err != nil {
			return false, err
		}
	}
	jobs, err := w.decide(ctx, src, mapped)
	if err != nil {
		return false, err
	}
	w.listed = map[string]bool{}
	for _, job := range jobs {
		w.listed[folderKey(job.Source, job.Part)] = true
		if !w.unchanged(job) {
			return false, nil
		}
	}
	same, err := w.still(ctx, jobs)
	if err == nil && !same && !w.run.provision.maker.Dry {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address,
			Text: "the share is not as it was handed over: its writer may write to it again", Mend: "bmsync run --final takes it back"})
	}
	return same, err
}

// dryHandedOver says whether a run would find a share as it was handed over,
// and so give nobody a right on it.
func (r *runner) dryHandedOver(ctx context.Context, a *PlanAccount) (bool, error) {
	row, err := r.provision.row(ctx, a)
	if err != nil || a.Kind != KindShare || row.Phase != PhaseLive {
		return false, err
	}
	release, err := r.seats(ctx, a.Source)
	if err != nil {
		return false, err
	}
	defer release()
	src, err := dialSource(ctx, r.opts.Sources[a.Source], a.SourceLogin, r.log)
	if err != nil {
		return false, err
	}
	defer src.Close()
	w := &accountWork{run: r, plan: a, row: row}
	return w.handedOver(ctx, src)
}

// unchanged says whether the source has a folder as it was gone through last.
func (w *accountWork) unchanged(job folderJob) bool {
	if job.Rule != "" {
		return true
	}
	st, told := w.numbers[job.Source]
	return told && job.row.Complete && job.row.Fault == "" &&
		st.UIDValidity == job.row.SrcUIDValidity && st.UIDNext == job.row.SrcUIDNext && st.Messages == job.row.SrcExists
}

// still says whether core has every folder that was filled, and in it as many
// UIDs as we gave it.
func (w *accountWork) still(ctx context.Context, jobs []folderJob) (bool, error) {
	e, err := w.run.provision.look(ctx, w.plan)
	if err != nil || e.UID != w.row.EntryUID || e.Domain.UID != w.row.DomainUID {
		return false, err
	}
	list, err := w.run.platform.admin.Folders(ctx, e.Domain.UID, e.UID, false)
	if err != nil {
		return false, fmt.Errorf("folders of %s: %w", e.Address, err)
	}
	at := map[string]int{}
	for i, f := range list {
		if !f.Deleted {
			at[f.FullName] = i
		}
	}
	b := boxOf(w.plan.Kind, w.plan.Address, e.Login)
	for _, job := range jobs {
		if job.Rule != "" || job.row.DstMaxUID == 0 {
			continue
		}
		i, there := at[b.core(job.Target)]
		if !there {
			return false, nil
		}
		// Version 4 tells neither.
		if f := list[i]; f.UIDValidity != 0 && (f.UIDValidity != job.row.DstUIDValidity || f.LastUID < job.row.DstMaxUID) {
			return false, nil
		}
	}
	return true, nil
}
