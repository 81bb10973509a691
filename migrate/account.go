package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"bmsync/imap"
	"bmsync/state"
)

// The states of an account, as kept and as reported.
const (
	AccountPending  = "pending"
	AccountRunning  = "running"
	AccountComplete = "complete" // every message settled, sums balanced
	AccountPartial  = "partial"  // running again is safe, and the answer
	AccountBlocked  = "blocked"  // a person must decide
)

// AccountResult is what a run made of one account.
type AccountResult struct {
	Address     string `json:"address"`
	State       string `json:"state"`
	Reason      string `json:"reason,omitempty"`
	Mend        string `json:"mend,omitempty"`
	Copied      int    `json:"copied"`            // in this run
	Moved       int    `json:"moved,omitempty"`   // on the target, as at the source
	Deleted     int    `json:"deleted,omitempty"` // there, as at the source
	Bytes       int64  `json:"bytes"`
	Refused     int64  `json:"refused"`           // in the ledger
	NewRefusals bool   `json:"new_refusals"`      // some of them no run has told of before
	Created     bool   `json:"created,omitempty"` // the user
	Would       string `json:"would,omitempty"`   // dry run

	Departing []Departing `json:"departing,omitempty"` // dry run
}

// accountWork is one account in the hands of one goroutine.
type accountWork struct {
	run      *runner
	plan     *PlanAccount
	nearly   func() // to be called when little is left to do
	row      state.Account
	entry    *entry
	box      box
	key      *key
	adopting bool // asked for on the command line
	touched  bool // filled by us before
	result   AccountResult
	moved    int             // progress since the last attempt began
	refused  int             // messages, in this run
	listed   map[string]bool // source folders and their parts, by folderKey, when last listed
	guard    imap.Guard
	numbers  map[string]imap.Status // of the source's folders, when last listed; nil: not asked for
	resting  map[string]bool        // folders, by folderKey, in which this attempt found nothing new
	fresh    bool                   // no folder had a row when this attempt began: nothing was ever copied
	have     map[string]bool        // the target's folders, where they were listed and nothing was done since
	shown    map[string]imap.Status // what a fresh account's target showed of folders in this attempt
	// unanswered has, by source folder, the messages with which the target
	// ended a session.
	unanswered map[string]map[uint32]int
	// undelivered has those before which the source ended it.
	undelivered map[string]map[uint32]int
	unkept      []state.Folder // rows that are written together
	unkeptMail  int            // messages in them
	follow      *follower      // nil: the source isn't followed
	missed      []missed       // copies that the target shows no more, in this attempt
}

// account brings one account up to date, and calls nearly when little is left to
// do. It never fails: what became of the account is in its result, and in its row.
func (r *runner) account(ctx context.Context, a *PlanAccount, nearly func()) (res AccountResult, fatal error) {
	w := &accountWork{run: r, plan: a, nearly: nearly, result: AccountResult{Address: a.Address}}
	r.event(Event{Kind: EventAccount, Account: a.Address, Messages: int(a.Survey.Messages), Bytes: a.Survey.Bytes})
	err := w.open(ctx)
	if err == nil {
		err = w.attempts(ctx)
	}
	if w.key != nil {
		if closing := r.giveKey(ctx, w.key); closing != nil {
			r.event(Event{Kind: EventWarning, Account: a.Address, Text: closing.Error(), Mend: "the next run sweeps it"})
		}
	}
	fatal = w.conclude(context.WithoutCancel(ctx), err)
	r.event(Event{Kind: EventAccountEnded, Account: a.Address, Text: w.result.State, Reason: w.result.Reason, Mend: w.result.Mend,
		Messages: w.result.Copied, Bytes: w.result.Bytes})
	return w.result, fatal
}

// open finds the account's row and notes what it is worked by.
func (w *accountWork) open(ctx context.Context) error {
	a, store := w.plan, w.run.store
	ask := state.Account{Source: a.Source, SourceLogin: a.SourceLogin, SourceFolder: a.SourceFolder,
		Address: w.run.opts.Target.Address(a.Address), Kind: a.Kind, Wave: a.Wave}
	row, err := w.run.ensureAccount(ctx, ask)
	if err != nil {
		return err
	}
	if w.run.recopy[a.Address] {
		w.adopting = true
		if err := store.ForgetAccount(ctx, row.ID); err != nil {
			return err
		}
		w.run.unclaim(row)
		if row, err = w.run.ensureAccount(ctx, ask); err != nil {
			return err
		}
	}
	w.row = row
	w.row.State, w.row.Reason, w.row.Mend = AccountRunning, "", ""
	w.row.AccountDigest, w.row.PolicyDigest, w.row.Wave = a.Digest, w.run.opts.Plan.Header.PolicyDigest, a.Wave
	w.row.StartedAt, w.row.EndedAt = w.run.opts.Now(), time.Time{}
	return nil // it is written before anything is made for the account
}

// attempts is the one retry loop: new sessions while they get anywhere, and a
// few times where they don't.
func (w *accountWork) attempts(ctx context.Context) error {
	for failed := 0; ; {
		w.moved = 0
		err := w.attempt(ctx)
		if err == nil {
			return nil
		}
		v := judge(err)
		if v.scope != again || w.run.stopped() {
			return err
		}
		if w.moved > 0 {
			failed = 0
		}
		failed++
		if failed > w.run.opts.Limits.Retries {
			return fmt.Errorf("given up after %d tries: %w", failed, err)
		}
		w.run.event(Event{Kind: EventRetry, Account: w.plan.Address, Reason: v.reason})
		if err := w.run.pause(ctx, w.run.opts.BackOff(failed)); err != nil {
			return err
		}
	}
}

// backOff grows from one second to a minute, with jitter, so that accounts cut
// together don't come back together.
func backOff(failed int) time.Duration {
	d := min(time.Second<<min(failed-1, 6), time.Minute)
	return d/2 + rand.N(d)
}

// attempt goes through the whole account with one pair of sessions.
func (w *accountWork) attempt(ctx context.Context) (err error) {
	release, err := w.run.seats(ctx, w.plan.Source)
	if err != nil {
		return err
	}
	defer release()
	src, dst, over, err := w.connect(ctx)
	if over || err != nil {
		return err
	}
	defer src.Close()
	defer dst.Close()
	defer func() {
		w.repaired("source", src.Repairs())
		w.repaired("target", dst.Repairs())
	}()
	mapped, err := w.meet(ctx, src, dst)
	if err != nil {
		return err
	}
	leave, err := w.run.lanes.enter(ctx, w.run.opts.Stop)
	if err != nil {
		return err
	}
	defer leave() // before the sessions are ended
	return w.copyAll(ctx, src, dst, mapped)
}

// repaired tells of what a server sent that had to be repaired to be read.
func (w *accountWork) repaired(side string, kinds map[string]int) {
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Text: fmt.Sprintf("%d responses of the %s were repaired: %s", kinds[kind], side, kind)})
	}
}

func (w *accountWork) provision(ctx context.Context) error {
	e, err := w.run.provision.ensure(ctx, w.plan, false)
	if err != nil {
		return err
	}
	if w.row.EntryUID != "" && (w.row.EntryUID != e.UID || w.row.DomainUID != e.Domain.UID) {
		return blocked("find out who made it anew; bmsync run --recopy "+w.plan.Address+" starts the account again",
			"%s is another entry in BlueMind than the one that an earlier run filled", e.Address)
	}
	if e.Created && w.row.EntryUID != "" {
		return &imap.WentBackError{Side: "target", Mailbox: "INBOX", What: "the mailbox was missing, though an earlier run had filled it"}
	}
	if err := w.run.claim(ctx, e, w.row); err != nil {
		return err
	}
	w.entry = e
	w.row.DomainUID, w.row.EntryUID, w.row.Created = e.Domain.UID, e.UID, w.row.Created || e.Ours
	if e.Writer != nil {
		w.row.Writer = e.Writer.Address // whose key a killed run may leave
	}
	text := "as wanted"
	if e.Created {
		text, w.result.Created = "created", true
	}
	w.run.event(Event{Kind: EventProvisioned, Account: w.plan.Address, Text: text})
	return w.run.store.UpdateAccount(ctx, w.row)
}

// meet lists what the source has and looks what the target is like. Nothing is
// written there, so that it is done while other accounts are copied.
func (w *accountWork) meet(ctx context.Context, src *imap.Source, dst *imap.Target) (mapped []Mapped, err error) {
	if !dst.Can("UIDPLUS") {
		return nil, blocked("bmsync needs UIDPLUS (RFC 4315) to know what it wrote", "the target doesn't announce UIDPLUS")
	}
	if mapped, err = w.list(ctx, src); err != nil {
		return nil, err
	}
	if w.box, err = w.run.enter(ctx, dst, w.entry, w.plan.Kind, w.plan.Address); err != nil {
		return nil, err
	}
	return mapped, w.firstContact(ctx, dst)
}

// copyAll makes the folders, fills them one by one, and looks once more at
// those where an append had been in doubt.
func (w *accountWork) copyAll(ctx context.Context, src *imap.Source, dst *imap.Target, mapped []Mapped) (err error) {
	defer func() {
		if unkept := w.keepRows(context.WithoutCancel(ctx)); unkept != nil {
			err = errors.Join(err, unkept)
		}
	}()
	if err := w.followRenames(ctx, src, dst, mapped); err != nil {
		return err
	}
	jobs, err := w.decide(ctx, src, mapped)
	if err != nil {
		return err
	}
	w.listed, w.missed = map[string]bool{}, nil
	since := map[string]uint32{}
	for _, job := range jobs {
		since[job.Target] = job.row.DstUIDNext
		w.listed[folderKey(job.Source, job.Part)] = true
	}
	survey := expected(w.plan)
	if left(jobs, survey) <= nearlyDone {
		w.nearly()
	}
	if err := w.makeFolders(ctx, dst, jobs); err != nil {
		return err
	}
	if err := w.passOver(ctx, src, dst, jobs); err != nil {
		return err
	}
	if w.follow = nil; !w.fresh { // else nothing can have moved or gone since
		w.follow = w.follower()
	}
	if w.follow != nil {
		if err := w.goneFolders(ctx, src, mapped); err != nil { // also once live: its mail may be elsewhere now
			return err
		}
		if err := w.follow.begin(ctx, src, dst, jobs); err != nil {
			return err
		}
	}
	faults, err := w.folders(ctx, src, dst, jobs, survey)
	if err != nil {
		return err
	}
	if err := w.keepRows(ctx); err != nil {
		return err
	}
	if err := w.tellMoved(ctx, dst, since); err != nil {
		return err
	}
	if err := w.lookAtDoubts(ctx, dst); err != nil {
		return err
	}
	if w.follow != nil {
		if err := w.follow.end(ctx, dst, jobs); err != nil {
			faults = append(faults, err)
		} else if w.follows() {
			if err := w.removeGone(ctx, dst, mapped); err != nil {
				return err
			}
		}
	}
	return errors.Join(faults...)
}

// folders fills those that neither rest nor were filled before. What is one
// folder's trouble alone doesn't keep the others from their turn.
func (w *accountWork) folders(ctx context.Context, src *imap.Source, dst *imap.Target, jobs []folderJob, survey map[string]int64) (faults []error, err error) {
	for i := range jobs {
		key := folderKey(jobs[i].Source, jobs[i].Part)
		if w.resting[key] || w.follow != nil && w.follow.done[key] {
			continue
		}
		if w.run.stopped() {
			return faults, imap.ErrStopped
		}
		if left(jobs[i:], survey) <= nearlyDone {
			w.nearly()
		}
		if most := w.run.opts.Limits.MessageErrors; most > 0 && w.refused >= most {
			return faults, fmt.Errorf("%d messages were refused in this run, and limits.message_errors is %d: bmsync report names them, another run goes on", w.refused, most)
		}
		if err := w.folder(ctx, src, dst, &jobs[i]); err != nil {
			if judge(err).scope != oneFolder {
				return faults, err
			}
			faults = append(faults, err)
			if err := w.folderFault(ctx, &jobs[i].row, err.Error()); err != nil {
				return faults, err
			}
		}
	}
	return faults, nil
}

func (w *accountWork) folderFault(ctx context.Context, row *state.Folder, fault string) error {
	if err := w.keepRows(ctx); err != nil { // it may be among them
		return err
	}
	row.Complete, row.Fault = false, fault
	return w.run.store.UpdateFolder(ctx, *row)
}

// conclude decides from the ledger, not from what this run believes to have
// done, what state the account is in.
func (w *accountWork) conclude(ctx context.Context, err error) (fatal error) {
	res := &w.result
	if err != nil {
		v := judge(err)
		res.State, res.Reason, res.Mend = AccountPartial, v.reason, v.mend
		switch v.scope {
		case accountHalt:
			res.State = AccountBlocked
		case wholeRun:
			fatal = err
		}
	}
	if w.row.ID == 0 {
		return fatal
	}
	told, err := w.sumUp(ctx)
	if err != nil {
		return errors.Join(fatal, err)
	}
	w.row.State, w.row.Reason, w.row.Mend, w.row.EndedAt = res.State, res.Reason, res.Mend, w.run.opts.Now()
	w.row.Told = told
	return errors.Join(fatal, w.run.store.UpdateAccount(ctx, w.row))
}

// sumUp finds what forbids "complete", and which refusals are new.
func (w *accountWork) sumUp(ctx context.Context) (told string, err error) {
	res, store := &w.result, w.run.store
	folders, err := store.Folders(ctx, w.row.ID)
	if err != nil {
		return "", err
	}
	told, res.Refused, err = refusals(ctx, store, folders)
	if err != nil {
		return "", err
	}
	res.NewRefusals = news(told, w.row.Told)
	doubts, err := store.OpenDoubts(ctx)
	if err != nil {
		return "", err
	}
	if res.State != "" {
		return told, nil
	}
	res.State = AccountComplete
	for _, f := range folders {
		if !f.Complete && f.Rule == "" && f.ListedAt.Before(w.row.StartedAt) && w.goneAtSource(f) {
			continue
		}
		if !f.Complete || f.Fault != "" {
			res.State, res.Reason, res.Mend = AccountPartial, fmt.Sprintf("folder %q: %s", f.Source, cmp.Or(f.Fault, "not gone through yet")), "run again"
		}
	}
	if doubts[w.row.ID] > 0 {
		res.State, res.Reason, res.Mend = AccountPartial, "an append is still in doubt", "run again"
	}
	if res.State == AccountComplete && res.NewRefusals {
		res.Reason = fmt.Sprintf("%d messages were refused; bmsync report names them", res.Refused)
		if res.Refused == 1 {
			res.Reason = "1 message was refused; bmsync report names it"
		}
	}
	return told, nil
}

// goneAtSource says whether a folder known from earlier is no longer listed by
// the source, so that nobody can go through it.
func (w *accountWork) goneAtSource(f state.Folder) bool {
	return !w.listed[folderKey(f.Source, f.Part)]
}
