package migrate

import (
	"context"
	"fmt"

	"bmsync/imap"
	"bmsync/state"
)

// looks is how often a folder is gone through in one attempt until its sums
// balance: on a source in use, messages go between the count and the listing,
// or between the listing and the fetch.
const looks = 3

// folder copies one folder, or counts what is excluded with it.
func (w *accountWork) folder(ctx context.Context, src *imap.Source, dst *imap.Target, job *folderJob) error {
	if job.Rule != "" {
		return w.excluded(ctx, src, job)
	}
	copied, octets := 0, int64(0)
	for look := 1; look == 1 || look <= looks && job.row.Fault != ""; look++ {
		tally, err := w.look(ctx, src, dst, job)
		if err != nil {
			return err
		}
		copied, octets = copied+tally.Copied, octets+tally.Bytes
	}
	if job.row.Fault == "" {
		w.run.event(Event{Kind: EventFolder, Account: w.plan.Address, Folder: job.Source, Text: job.Target, Messages: copied, Bytes: octets})
	}
	return nil
}

// look goes through one folder once. What doesn't balance stands in its row,
// which is written only when that is known: a run that is killed before goes
// through the folder again, as does the next look.
func (w *accountWork) look(ctx context.Context, src *imap.Source, dst *imap.Target, job *folderJob) (imap.Tally, error) {
	o := w.copyOptions(job)
	w.follow.options(job, &o)
	o.Moved = func(ctx context.Context, missing []imap.Claim) (int, error) { return w.movedByUsers(ctx, dst, missing) }
	o.Shown = w.takeShown(job)
	next, tally, err := imap.CopyMailbox(ctx, src, dst, w.books(job.row), engineState(job.row), o)
	w.result.Copied += tally.Copied
	w.result.Bytes += tally.Bytes
	// Not what was refused: some of it is tried, and refused, each time.
	w.refused += tally.Refused
	w.moved += tally.Copied + tally.Moved + tally.Adopted + tally.Carried + tally.Settled + tally.Excluded
	for _, note := range tally.Notes {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: job.Source, Text: note})
	}
	if err != nil {
		return tally, err
	}
	return tally, w.looked(ctx, job, next, tally)
}

// looked keeps what a folder was found to be.
func (w *accountWork) looked(ctx context.Context, job *folderJob, next imap.FolderState, tally imap.Tally) error {
	sums, err := w.run.store.Sums(ctx, job.row.ID, next.SrcUIDValidity)
	if err != nil {
		return err
	}
	former := job.row.SrcUIDValidity
	keep(&job.row, next, w.run.opts.Now())
	if job.row.Fault = balance(sums, tally, next); job.row.Fault == "" && job.split != nil && len(job.split.strays) > 0 {
		job.row.Fault = fmt.Sprintf("%d messages came in meanwhile, of a year that has no folder yet", len(job.split.strays))
	}
	job.row.Complete = job.row.Complete && job.row.Fault == ""
	if former == 0 && job.row.Fault == "" { // it isn't looked at again
		return w.keepLater(ctx, job.row, tally.Listed)
	}
	if err := w.run.store.UpdateFolder(ctx, job.row); err != nil || !job.row.Complete || tally.Unmoved || former == 0 {
		return err // of the first time there is one UIDVALIDITY
	}
	return w.closeEpochs(ctx, job.row)
}

// keepLater puts off the row of a folder that was gone through for the first time
// until there are more of them, or it was no small one: a run that is killed before
// goes through it again, which costs a listing.
func (w *accountWork) keepLater(ctx context.Context, row state.Folder, listed int) error {
	w.unkept = append(w.unkept, row)
	if w.unkeptMail += listed; w.unkeptMail < nearlyDone && len(w.unkept) < unkeptMost {
		return nil
	}
	return w.keepRows(ctx)
}

// unkeptMost is how many folders' rows are put off at the most.
const unkeptMost = 32

// keepRows writes the rows that were put off.
func (w *accountWork) keepRows(ctx context.Context) error {
	rows := w.unkept
	w.unkept, w.unkeptMail = nil, 0
	return w.run.store.UpdateFolders(ctx, rows)
}

// closeEpochs ends what is left of a source folder's earlier UIDVALIDITYs, once
// every message listed is matched or copied.
func (w *accountWork) closeEpochs(ctx context.Context, f state.Folder) error {
	epochs, err := w.run.store.Epochs(ctx, f.ID)
	for _, e := range epochs {
		if err == nil && e.SrcUIDValidity != f.SrcUIDValidity && !e.Closed {
			err = w.run.store.CloseEpoch(ctx, f.ID, e.SrcUIDValidity)
		}
	}
	return err
}

// books opens the ledgers of a folder. A row without the source's UIDVALIDITY has
// none yet: whatever is begun or recorded first puts one into it.
func (w *accountWork) books(row state.Folder) imap.Books {
	return func(srcValidity, dstValidity uint32) imap.Ledger {
		return &ledger{store: w.run.store, folder: row.ID, srcValidity: srcValidity, dstValidity: dstValidity, run: w.run.id, first: row.SrcUIDValidity == 0,
			missed: func(x missed) { w.missed = append(w.missed, x) }}
	}
}

func (w *accountWork) copyOptions(job *folderJob) imap.CopyOptions {
	o := &w.run.opts
	policy := o.Plan.Header.PolicyOf(w.plan)
	rules := policy.rules(w.entry.Limit, o.RetryRefused)
	rules.Quarantine = w.run.kept != nil
	return imap.CopyOptions{
		Source: job.Source, Target: w.box.imap(job.Target), Only: job.only(), Others: w.others(job.row), Digests: w.digests(job.Target),
		Rules: rules, Guard: &w.guard, Quarantine: w.run.kept.of(o.Target.Name, w.entry.Address, job.Source),
		Batch: o.Limits.BatchMessages, BatchBytes: o.Limits.BatchBytes, Budget: w.run.budget, SpoolDir: o.SpoolDir,
		Unanswered: countsIn(&w.unanswered, job.Source), Undelivered: countsIn(&w.undelivered, job.Source), StandStill: o.Limits.Settle, RetryDelays: o.RetryDelays, SourceErrors: o.Limits.MessageErrors, Adopt: w.row.Adopt, KeepTouched: w.row.Phase == PhaseLive, UsersDelete: w.row.Phase == PhaseLive || w.box.emptied(job.Target), Stop: o.Stop, Now: o.Now,
		Progress: func(kind string, n int, octets int64) {
			switch kind {
			case "copied":
				w.run.event(Event{Kind: EventProgress, Account: w.plan.Address, Folder: job.Source, Messages: n, Bytes: octets})
			case "settle":
				w.run.event(Event{Kind: EventSettling, Account: w.plan.Address, Folder: job.Source, Messages: n})
			}
		},
	}
}

// only is the filter of a part, nil for a whole folder.
func (job *folderJob) only() func(context.Context, imap.Message) (bool, error) {
	if job.split == nil {
		return nil
	}
	return job.split.only(job.Part)
}

// others tells which messages of a folder's target are claimed by other source
// folders that go there too: none of them may be taken for this one's. One whose
// copies are of another UIDVALIDITY claims nothing.
func (w *accountWork) others(row state.Folder) func(context.Context, uint32, uint32, func(uint32)) error {
	return func(ctx context.Context, dstUIDValidity, first uint32, claim func(uid uint32)) error {
		folders, err := w.run.store.Folders(ctx, w.row.ID)
		if err != nil {
			return err
		}
		for _, f := range folders {
			if f.ID == row.ID || f.Target != row.Target || f.Rule != "" || f.DstMaxUID == 0 {
				continue
			}
			if err := w.run.store.ClaimedUIDs(ctx, f.ID, dstUIDValidity, first, claim); err != nil {
				return err
			}
		}
		return nil
	}
}

// countsIn is one folder's share of counts.
func countsIn(counts *map[string]map[uint32]int, folder string) map[uint32]int {
	if *counts == nil {
		*counts = map[string]map[uint32]int{}
	}
	if (*counts)[folder] == nil {
		(*counts)[folder] = map[uint32]int{}
	}
	return (*counts)[folder]
}

// excluded counts what a folder holds that isn't copied, so that the report
// can say how much was left behind by which rule.
func (w *accountWork) excluded(ctx context.Context, src *imap.Source, job *folderJob) error {
	row := &job.row
	if job.Rule != RuleNoSelect && job.Rule != RuleNamespace {
		st, told := w.numbers[job.Source]
		var err error
		if !told {
			st, err = src.Status(ctx, job.Source)
		}
		switch {
		case refused(err):
			w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: job.Source, Reason: err.Error(),
				Text: "the folder is left out, and the source doesn't say what it holds"})
		case err != nil:
			return fmt.Errorf("status of %q: %w", job.Source, err)
		default:
			row.SrcExists, row.SrcUIDNext = st.Messages, st.UIDNext
		}
	}
	row.ListedAt, row.Complete, row.Fault = w.run.opts.Now(), true, ""
	return w.run.store.UpdateFolder(ctx, *row)
}

// lookAtDoubts looks once more at the folders, those too that the source has no
// more, where an append had been in doubt.
func (w *accountWork) lookAtDoubts(ctx context.Context, dst *imap.Target) error {
	doubts, err := w.run.store.OpenDoubts(ctx)
	if err != nil || doubts[w.row.ID] == 0 {
		return err
	}
	rows, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := w.lookOnceMore(ctx, dst, row); err != nil {
			return err
		}
	}
	return nil
}

// lookOnceMore is law 5's last look, before an account can be complete.
func (w *accountWork) lookOnceMore(ctx context.Context, dst *imap.Target, row state.Folder) error {
	if row.SrcUIDValidity == 0 {
		return nil
	}
	book := w.books(row)(row.SrcUIDValidity, row.DstUIDValidity)
	removed, err := imap.FinalLook(ctx, dst, book, row.DstUIDValidity, imap.CopyOptions{Source: row.Source, Target: w.box.imap(row.Target),
		StandStill: w.run.opts.Limits.Settle, Now: w.run.opts.Now, Stop: w.run.opts.Stop, Others: w.others(row), Digests: w.digests(row.Target)})
	if removed > 0 {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: row.Source,
			Text: fmt.Sprintf("%d messages had arrived twice, by a late commit of the target; one copy of each was removed", removed)})
	}
	return err
}
