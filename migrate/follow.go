package migrate

import (
	"context"
	"fmt"

	"bmsync/imap"
	"bmsync/state"
)

// Until an account is live its copies follow the source: what is moved there is
// moved on the target, what is deleted there is deleted. Of all folders what has
// vanished is found first, by numbers; it is put into a pool. Then the folders are
// gone through. A new message whose octets are those of a copy in the pool is
// copied on the target, and the old copy is due to be removed. What is in the pool
// in the end was deleted. Only copies that bmsync wrote and nobody touched are
// followed, and never into or out of a target folder that several source folders
// feed, where nobody can say whose a message is.

// poolSize bounds the copies that wait for their message to be met elsewhere. The
// messages of those beyond it are copied from the source, and the copies deleted.
const poolSize = 100_000

// departurePage is how many departed copies are in memory at a time.
const departurePage = 500

// follower follows what one account's source moves and deletes.
type follower struct {
	*accountWork
	policy PresyncPolicy
	feeds  map[string]int // source folders, by target
	pool   *imap.Pool     // nil: nothing has departed
	done   map[string]bool
	whole  bool // what vanished is known of every folder
	stays  bool // the account is live: nothing is moved or deleted on the target
}

// follower gives what follows an account's source, nil where nothing does: when
// its target held other mail, or a person gave up its ledger. Once it is live, a
// message that was moved at the source is recognised still, lest it be copied as
// if it were new.
func (w *accountWork) follower() *follower {
	policy := w.run.opts.Plan.Header.PolicyOf(w.plan).Presync
	live := policy.Follow && w.row.Phase == PhaseLive && !w.row.Adopt
	if !policy.follows(w.row) && !live || w.adopting {
		return nil
	}
	return &follower{accountWork: w, policy: policy, done: map[string]bool{}, stays: live}
}

// follows says whether an account's target belongs to its source's user.
func (p PresyncPolicy) follows(row state.Account) bool {
	return p.Follow && row.Phase == PhasePresync && !row.Adopt
}

// begin finds what has vanished from the folders, and passes over those where
// nothing has moved at all.
func (f *follower) begin(ctx context.Context, src *imap.Source, dst *imap.Target, jobs []folderJob) error {
	f.whole = true
	for i := range jobs {
		job := &jobs[i]
		if job.Rule != "" || job.row.DstMaxUID == 0 || f.resting[folderKey(job.Source, job.Part)] {
			continue
		}
		if f.run.stopped() {
			return imap.ErrStopped
		}
		o := f.copyOptions(job)
		o.Departures = true
		next, tally, err := imap.CopyMailbox(ctx, src, dst, f.books(job.row), engineState(job.row), o)
		switch {
		case err != nil && judge(err).scope != oneFolder:
			return err
		case err != nil:
			f.whole = false // it fails again where it is gone through
		case !tally.Waits:
			f.done[folderKey(job.Source, job.Part)] = true
			if err := f.looked(ctx, job, next, tally); err != nil {
				return err
			}
			if job.row.Fault == "" {
				f.run.event(Event{Kind: EventFolder, Account: f.plan.Address, Folder: job.Source, Text: job.Target})
			}
		}
	}
	var err error
	if f.feeds, err = feedsOf(ctx, f.run.store, f.row, jobs); err != nil {
		return err
	}
	return f.fill(ctx)
}

// feedsOf counts, by the name of a target folder, case aside, the source folders
// that go there: those that the account's jobs and rows name, and those of other
// accounts that are gathered in the same mailbox.
func feedsOf(ctx context.Context, store *state.Store, account state.Account, jobs []folderJob) (map[string]int, error) {
	count := map[string]int{}
	accounts, err := store.AccountByAddress(ctx, account.Address)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, a := range accounts {
		if a.Kind != account.Kind {
			continue
		}
		rows, err := store.Folders(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if row.Rule == "" {
				count[foldName(row.Target)]++
			}
			if a.ID == account.ID {
				known[folderKey(row.Source, row.Part)] = true
			}
		}
	}
	for _, job := range jobs {
		if job.Rule == "" && !known[folderKey(job.Source, job.Part)] {
			count[foldName(job.Target)]++
		}
	}
	return count, nil
}

// alone says whether one source folder has a target folder for itself.
func (f *follower) alone(target string) bool { return f.feeds[foldName(target)] == 1 }

// rows are the folders out of which copies are followed, those too that the
// source has no more.
func (f *follower) rows(ctx context.Context) (out []state.Folder, err error) {
	all, err := f.run.store.Folders(ctx, f.row.ID)
	for _, row := range all {
		if row.Rule == "" && row.SrcUIDValidity != 0 && row.DstUIDValidity != 0 && f.alone(row.Target) {
			out = append(out, row)
		}
	}
	return out, err
}

// each goes through the departed copies of a folder, a page at a time; of what is
// still to be decided, or of what is to be removed.
func (f *follower) each(ctx context.Context, row state.Folder, due bool, page func([]state.Message) error) error {
	query := f.run.store.Departures
	if due {
		query = f.run.store.DueRemovals
	}
	for after := uint32(0); ; {
		var list []state.Message
		for m, err := range query(ctx, row.ID, row.SrcUIDValidity, row.DstUIDValidity, after, departurePage) {
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		if len(list) == 0 {
			return nil
		}
		if err := page(list); err != nil {
			return err
		}
		if after = list[len(list)-1].SrcUID; len(list) < departurePage {
			return nil
		}
	}
}

// fill puts into the pool what has departed.
func (f *follower) fill(ctx context.Context) error {
	rows, err := f.rows(ctx)
	if err != nil {
		return err
	}
	pool := imap.NewPool(poolSize)
	for _, row := range rows {
		if err := f.each(ctx, row, false, func(list []state.Message) error {
			for _, m := range list {
				pool.Add(f.departed(row, m))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if pool.Len() > 0 {
		f.pool = pool
	}
	return nil
}

func (f *follower) departed(row state.Folder, m state.Message) imap.Departed {
	return imap.Departed{Mailbox: f.box.imap(row.Target), DstUIDValidity: m.DstUIDValidity, DstUID: m.DstUID, Size: m.Size, InternalDate: m.InternalDate,
		Flags: m.Flags, SHA1: m.SHA1, Sent: (*imap.Sent)(m.Repaired), Note: m.Note, Gone: m.DstGone, Due: m.Removed, Stays: f.stays, Folder: row.ID, SrcUIDValidity: m.SrcUIDValidity, SrcUID: m.SrcUID}
}

// options lets the copy of a folder take from the pool.
func (f *follower) options(job *folderJob, o *imap.CopyOptions) {
	if f == nil || f.pool == nil || !f.alone(job.Target) {
		return
	}
	o.Pool, o.Followed = f.pool, f.followed
}

// followed keeps what became of copies out of the pool.
func (f *follower) followed(ctx context.Context, list []imap.Followed) error {
	by := map[int64][]state.Departure{}
	for _, x := range list {
		by[x.Folder] = append(by[x.Folder], state.Departure{SrcUIDValidity: x.SrcUIDValidity, SrcUID: x.SrcUID, Left: x.How != imap.DepartedMoved, Note: x.Note})
		if x.How == imap.DepartedMoved {
			f.result.Moved++
		}
	}
	for folder, batch := range by {
		if err := f.run.store.SettleDepartures(ctx, folder, batch); err != nil {
			return err
		}
	}
	return nil
}

// end decides what was deleted, if every folder was gone through and balanced: a
// source that lists less than it says it holds has deleted nothing yet. Then it
// removes what is due.
func (f *follower) end(ctx context.Context, dst *imap.Target, jobs []folderJob) error {
	if f.stays {
		return nil
	}
	whole := f.whole
	for _, job := range jobs {
		whole = whole && job.row.Fault == ""
	}
	var ask error
	if whole {
		if ask = f.decideDeletions(ctx); ask != nil && judge(ask).scope != accountHalt {
			return ask
		}
	}
	if err := f.remove(ctx, dst); err != nil {
		return err
	}
	return ask
}

// remove takes off the target what is due, and keeps the numbers that it shows
// then where nothing else has moved, so that the folder isn't listed for our own
// doing.
func (f *follower) remove(ctx context.Context, dst *imap.Target) error {
	rows, err := f.rows(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		removed := uint32(0)
		if err := f.each(ctx, row, true, func(list []state.Message) error {
			if f.run.stopped() {
				return imap.ErrStopped
			}
			var due []imap.Departed
			for _, m := range list {
				due = append(due, f.departed(row, m))
			}
			return imap.Remove(ctx, dst, due, func(ctx context.Context, r imap.Removal) error {
				removed += uint32(len(r.Removed))
				return f.removed(ctx, row, r)
			})
		}); err != nil {
			return err
		}
		if removed == 0 {
			continue
		}
		f.moved += int(removed)
		st, err := dst.Status(ctx, f.box.imap(row.Target))
		if err != nil {
			return fmt.Errorf("status of %q: %w", row.Target, err)
		}
		if st.UIDNext == row.DstUIDNext && st.UIDValidity == row.DstUIDValidity && st.Messages+removed == row.DstExists {
			row.DstExists, row.DstModSeq = st.Messages, st.HighestModSeq
			if err := f.run.store.UpdateFolder(ctx, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *follower) removed(ctx context.Context, row state.Folder, r imap.Removal) error {
	var gone []uint32
	for _, d := range r.Removed {
		gone = append(gone, d.SrcUID)
	}
	if err := f.run.store.SetDstGone(ctx, row.ID, row.SrcUIDValidity, gone, true); err != nil {
		return err
	}
	if len(r.Touched) == 0 {
		return nil
	}
	return f.followed(ctx, r.Touched)
}
