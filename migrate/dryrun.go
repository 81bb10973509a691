package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// DryRun says what Run would do: which objects it would create, which folders,
// how many messages it would copy, also into objects that don't exist yet. It
// makes no key, creates nobody and writes nothing, on any server or on disk.
// Production may be looked at without a rehearsal.
func DryRun(ctx context.Context, o RunOptions) (res RunResult, err error) {
	o = o.withDefaults()
	started := o.Now()
	r := &runner{opts: o, log: o.Logger, recopy: map[string]bool{}}
	r.hosts = hosts{limit: o.Limits.Retries, now: o.Now, down: r.hostDown, state: map[string]*hostState{}}
	if err := o.askedFor(); err != nil {
		return res, err
	}
	if r.platform, err = openPlatform(ctx, o.Target, o.Logger); err != nil {
		return res, err
	}
	defer r.platform.close(ctx)
	if err := planFits(o.Plan, r.platform); err != nil {
		return res, err
	}
	if err := r.platform.certified(ctx); err != nil {
		return res, err
	}
	store, err := state.OpenReadOnly(ctx, StatePath(o.StateDir, o.Target.Name))
	switch {
	case err == nil:
		defer store.Close()
		r.store = store
		if err := r.sameState(ctx); err != nil {
			return res, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return res, err
	case o.Failed:
		return res, fmt.Errorf("nothing was run on target %s yet: %w", o.Target.Name, err)
	}
	r.seatsOf()
	res, err = r.dryAll(ctx)
	res.Target, res.DryRun, res.Elapsed = o.Target.Name, true, o.Now().Sub(started)
	return res, err
}

// sameState refuses a state, open for reading, of another BlueMind.
func (r *runner) sameState(ctx context.Context) error {
	id, err := r.store.Identity(ctx)
	if err == nil && id.Installation != r.platform.id {
		err = blocked("give the target another name in bmsync.yaml, or correct its url", "the state of target %s belongs to another BlueMind", r.opts.Target.Name)
	}
	return err
}

// dryAll goes through what a run would do: objects, mail, rights.
func (r *runner) dryAll(ctx context.Context) (res RunResult, err error) {
	res.States = map[string]int{}
	if err := errors.Join(r.whoIsDone(ctx), r.whoIsClosed(ctx)); err != nil {
		return res, err
	}
	closed, err := r.leftAlone()
	if err != nil {
		return res, err
	}
	r.provision = r.newProvisioner(true)
	if err := r.makeObjects(ctx); err != nil {
		return res, err
	}
	if r.opts.Objects {
		res.Accounts, err = r.countAsked()
	} else {
		res, err = r.dryAccounts(ctx)
	}
	if err == nil && r.opts.Final {
		err = r.surveyFinal(ctx)
	}
	res.ObjectsOnly, res.Final, res.Objects = r.opts.Objects, r.opts.Final, r.provision.log.result()
	res.Closed = closed
	res.Interrupted = r.stopped() || ctx.Err() != nil
	return res, err
}

func (r *runner) dryAccounts(ctx context.Context) (RunResult, error) {
	queue, err := r.selected(ctx)
	res := RunResult{States: map[string]int{}, Accounts: len(queue)}
	if err != nil {
		return res, err
	}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(r.opts.Limits.Accounts)
	for _, next := range queue {
		g.Go(func() error {
			a, err := r.opts.Plan.at(next.offset)
			if err != nil {
				return err
			}
			one := AccountResult{Address: a.Address, State: AccountComplete}
			if err := r.dryAccount(ctx, a, &one); err != nil {
				v := judge(err)
				one.State, one.Reason, one.Mend = AccountPartial, v.reason, v.mend
				if v.scope == accountHalt {
					one.State = AccountBlocked
				}
			}
			mu.Lock()
			defer mu.Unlock()
			res.add(one)
			r.event(Event{Kind: EventWould, Account: a.Address, Text: cmp.Or(one.Would, "do nothing"), Reason: one.Reason, Messages: one.Copied, Bytes: one.Bytes})
			return nil
		})
	}
	err = g.Wait()
	res.Interrupted = r.stopped() || ctx.Err() != nil
	return res, err
}

func (r *runner) dryAccount(ctx context.Context, a *PlanAccount, one *AccountResult) error {
	if over, err := r.dryHandedOver(ctx, a); over || err != nil {
		return err
	}
	e, err := r.provision.ensure(ctx, a, true)
	if err != nil {
		return err
	}
	var steps []string
	if e.Would != "" {
		steps = append(steps, e.Would)
	}
	have, err := r.knownFolders(ctx, a, e)
	if err != nil {
		return err
	}
	w := &dryWork{run: r, plan: a, limit: e.Limit, have: have}
	if err := w.source(ctx); err != nil {
		return err
	}
	if w.renamed > 0 {
		steps = append(steps, fmt.Sprintf("rename %d folders", w.renamed))
	}
	if w.remove > 0 {
		steps = append(steps, fmt.Sprintf("remove %d folders that are gone from the source, once they are empty", w.remove))
	}
	if len(w.create) > 0 {
		steps = append(steps, fmt.Sprintf("create %d folders", len(w.create)))
	}
	departing, err := w.departs(ctx, one)
	if w.messages > 0 {
		steps = append(steps, fmt.Sprintf("copy %d messages, %s", w.messages, AboutSize(w.bytes)))
	}
	if w.flags > 0 {
		steps = append(steps, fmt.Sprintf("change the flags of %d", w.flags))
	}
	steps = append(steps, departing...)
	if w.tooLarge > 0 {
		steps = append(steps, fmt.Sprintf("refuse %d that are larger than %s", w.tooLarge, AboutSize(e.Limit)))
	}
	one.Copied, one.Bytes, one.Created = w.messages, w.bytes, e.Created
	one.Would = strings.Join(steps, ", ")
	return err
}

// knownFolders are those that an account's mailbox has, or would come with, by
// the names of plan and state.
func (r *runner) knownFolders(ctx context.Context, a *PlanAccount, e *entry) (map[string]bool, error) {
	b, have := boxOf(a.Kind, e.Address, e.Login), map[string]bool{}
	if e.UID != "" {
		list, err := r.platform.admin.Folders(ctx, e.Domain.UID, e.UID, !b.share())
		if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
			return nil, fmt.Errorf("folders of %s: %w", e.Address, err)
		}
		for _, f := range list {
			if target, ok := b.planned(f.FullName); ok && !f.Deleted {
				have[target] = true
			}
		}
	}
	if len(have) == 0 {
		for _, name := range b.home.defaults {
			have[b.home.path(name)] = true
		}
	}
	return have, nil
}

// dryWork counts what lacks, folder by folder, from source, plan and ledger.
type dryWork struct {
	run             *runner
	plan            *PlanAccount
	limit           int64
	have            map[string]bool
	create          []string
	messages, flags int
	bytes           int64
	tooLarge        int
	renamed, remove int // folders

	account state.Account // of an earlier run; without ID: there was none
	follow  *dryFollow    // nil: nothing is followed
}

func (w *dryWork) source(ctx context.Context) error {
	release, err := w.run.seats(ctx, w.plan.Source)
	if err != nil {
		return err
	}
	defer release()
	src, err := dialSource(ctx, w.run.opts.Sources[w.plan.Source], w.plan.SourceLogin, w.run.log)
	if err != nil {
		return err
	}
	defer src.Close()
	policy := w.run.opts.Plan.Header.PolicyOf(w.plan)
	mapped, err := sourceFolders(ctx, src, w.plan, policy)
	if err != nil {
		return err
	}
	rows, err := w.rows(ctx)
	if err != nil {
		return err
	}
	if rows, err = w.renames(ctx, src, mapped, rows, policy); err != nil {
		return err
	}
	if absent, halt := absentFolders(mapped, w.plan.Folders, rows); halt {
		return tooFewFolders(absent)
	}
	jobs, err := splitUp(ctx, src, w.run.store, decideFolders(mapped, w.plan, rows), w.plan, rows)
	if err != nil {
		return err
	}
	if err := w.follows(ctx, policy.Presync, jobs); err != nil {
		return err
	}
	for _, job := range jobs {
		if job.Rule != "" {
			continue
		}
		var row state.Folder
		if i := slices.IndexFunc(rows, func(f state.Folder) bool { return f.Source == job.Source && f.Part == job.Part }); i >= 0 {
			row = rows[i]
		}
		if row.Was != "" && row.DstMaxUID > 0 && row.Target != "" {
			job.Target = row.Target // as in keepFolder
		}
		w.parents(job.Target)
		if err := w.folder(ctx, src, &job, row, policy); err != nil {
			return fmt.Errorf("folder %q: %w", job.Source, err)
		}
	}
	return w.gone(ctx, src, mapped, rows)
}

// rows are the folders that earlier runs know.
func (w *dryWork) rows(ctx context.Context) ([]state.Folder, error) {
	if w.run.store == nil {
		return nil, nil
	}
	a := w.plan
	account, err := w.run.store.FindAccount(ctx, state.Account{Source: a.Source, SourceLogin: a.SourceLogin, SourceFolder: a.SourceFolder,
		Address: w.run.opts.Target.Address(a.Address), Kind: a.Kind})
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w.account = account
	return w.run.store.Folders(ctx, account.ID)
}

func (w *dryWork) parents(target string) {
	levels := strings.Split(target, "/")
	for i := range levels {
		path := strings.Join(levels[:i+1], "/")
		if !w.have[path] {
			w.have[path] = true
			w.create = append(w.create, path)
		}
	}
}

func (w *dryWork) folder(ctx context.Context, src *imap.Source, job *folderJob, row state.Folder, policy Policy) error {
	st, err := src.Examine(ctx, job.Source)
	if err != nil || st.Messages == 0 && w.follow == nil {
		return err
	}
	var known []imap.Known
	if row.ID != 0 {
		for k, err := range w.run.store.Messages(ctx, row.ID, st.UIDValidity) {
			if err != nil {
				return err
			}
			known = append(known, knownOf(k))
		}
	}
	var listed []imap.Message
	only := job.only()
	if err := src.Messages(ctx, 1, 0, func(m imap.Message) error {
		own, err := only == nil, error(nil)
		if only != nil {
			own, err = only(ctx, m)
		}
		if own {
			listed = append(listed, m)
		}
		return err
	}); err != nil {
		return err
	}
	slices.SortFunc(listed, func(a, b imap.Message) int { return int(int64(a.UID) - int64(b.UID)) })
	d := imap.Compare(listed, known, policy.rules(w.limit, w.run.opts.RetryRefused))
	w.messages += len(d.Copy)
	for _, m := range d.Copy {
		w.bytes += max(m.Size, 0)
	}
	w.flags += len(d.Flags)
	for _, o := range d.Settle {
		if o.Fate == imap.Refused {
			w.tooLarge++
		}
	}
	return w.follow.folder(ctx, w.run.store, row, st, listed, d.Copy, job.Target)
}
