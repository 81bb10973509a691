package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// UndoOptions say what of the objects that runs made to take back. Of
// RunOptions, Target and StateDir are needed; Stop and Events are heeded.
type UndoOptions struct {
	RunOptions
	Addresses []string // as in accounts.csv or as on the target; empty: all, groups and domains with them
	Do        bool     // else it is only said what would be
}

// Undone is what came of taking objects back.
type Undone struct {
	Target      string         `json:"target"`
	Done        bool           `json:"done"`
	Recorded    int            `json:"recorded"`
	Keys        int            `json:"keys_deleted"`
	Objects     ObjectsResult  `json:"objects"`
	Forgotten   []string       `json:"forgotten,omitempty"` // accounts whose ledger went with their mailbox
	Interrupted bool           `json:"interrupted,omitempty"`
	Left        map[string]int `json:"left,omitempty"` // what is recorded still, by kind
}

// NoRecordError says that nothing tells what runs made on a target: the record
// is in the state of the machine that ran.
type NoRecordError struct{ Target, Path string }

func (e *NoRecordError) Error() string {
	return fmt.Sprintf("there is no state of target %s at %s, and only the state knows what runs made there", e.Target, e.Path)
}

// undoKinds is the order in which objects are taken back: what hangs on
// another goes before it.
var undoKinds = []objects.Kind{objects.KindSubscription, objects.KindRight, objects.KindMember, objects.KindExternal,
	objects.KindGroup, objects.KindShare, objects.KindUser, objects.KindDomain}

// Undo takes back what runs made on a target and recorded in its state, the
// newest first, while it is as it was made and holds nothing. The rest is kept,
// and said why. It takes the state's lock, so that no run of this state goes on
// meanwhile.
func Undo(ctx context.Context, o UndoOptions) (res Undone, err error) {
	o.RunOptions = o.RunOptions.withDefaults()
	res.Target, res.Done = o.Target.Name, o.Do
	path := StatePath(o.StateDir, o.Target.Name)
	if reading, err := state.OpenReadOnly(ctx, path); errors.Is(err, fs.ErrNotExist) {
		return res, &NoRecordError{o.Target.Name, path}
	} else if err != nil {
		return res, err
	} else if err := reading.Close(); err != nil {
		return res, err
	}
	r := &runner{opts: o.RunOptions, log: o.Logger, dead: map[string]bool{}}
	if r.platform, err = openPlatform(ctx, o.Target, o.Logger); err != nil {
		return res, err
	}
	defer r.platform.close(ctx)
	if err := r.openRecord(ctx, o.Do); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, r.store.Close()) }()
	u := &undoer{r: r, do: o.Do, only: o.Addresses, res: &res, uids: map[string]bool{},
		maker: &objects.Maker{Admin: r.platform.admin, Version: r.platform.version, Dry: !o.Do, Update: true, Log: r.log}}
	err = u.all(ctx)
	res.Objects = u.log.result()
	res.Interrupted = r.stopped() || ctx.Err() != nil
	if !o.Do {
		return res, err
	}
	code := 0
	if err != nil || res.Interrupted {
		code = 1
	}
	summary := fmt.Sprintf("%d withdrawn, %d kept", res.Objects.Count("", objects.Withdrawn), res.Objects.Count("", objects.Kept))
	return res, errors.Join(err, r.store.EndRun(context.WithoutCancel(ctx), r.id, code, summary))
}

// openRecord opens the state that tells what was made: for writing, with its
// lock, or only to read it.
func (r *runner) openRecord(ctx context.Context, do bool) (err error) {
	if do {
		if err := r.openState(ctx, "", ""); err != nil {
			return err
		}
		if r.conflicts, err = newConflictKeeper(ctx, r.store, r.id); err != nil {
			err = errors.Join(err, r.store.Close())
		}
		return err
	}
	if r.store, err = state.OpenReadOnly(ctx, StatePath(r.opts.StateDir, r.opts.Target.Name)); err != nil {
		return err
	}
	if err = r.sameState(ctx); err != nil {
		err = errors.Join(err, r.store.Close())
	}
	return err
}

type undoer struct {
	r     *runner
	maker *objects.Maker
	do    bool
	only  []string
	res   *Undone
	log   objectLog
	uids  map[string]bool // of the entries that were asked for; with only

	filled map[string][]state.Account // by entry: domain uid and uid; by address, where no run has got to the entry
}

func (u *undoer) all(ctx context.Context) error {
	ctx, end := u.r.untilStopped(ctx)
	defer end()
	if err := u.find(ctx); err != nil {
		return err
	}
	for _, kind := range undoKinds {
		// Read whole: nobody waits for a network inside of an iterator.
		var list []state.Object
		for o, err := range u.r.store.Objects(ctx, string(kind)) {
			if err != nil {
				return err
			}
			if u.asked(madeOf(o)) {
				list = append(list, o)
			}
		}
		u.res.Recorded += len(list)
		for _, o := range list {
			if u.r.stopped() || ctx.Err() != nil {
				return nil
			}
			if err := u.one(ctx, madeOf(o)); err != nil {
				return err
			}
		}
	}
	return u.left(ctx)
}

// find resolves the addresses that were asked for to recorded entries.
func (u *undoer) find(ctx context.Context) error {
	lacking := map[string]bool{}
	for _, address := range u.only {
		lacking[address] = true
	}
	for _, kind := range []objects.Kind{objects.KindUser, objects.KindShare} {
		for o, err := range u.r.store.Objects(ctx, string(kind)) {
			if err != nil {
				return err
			}
			for _, address := range u.only {
				if u.r.opts.Target.goesBy(o.Name, address) {
					u.uids[o.DomainUID+"\x00"+o.UID] = true
					delete(lacking, address)
				}
			}
		}
	}
	var problems []Problem
	for address := range lacking {
		problems = append(problems, Problem{File: u.r.store.Path(), Text: "no run made " + address + " on target " + u.r.opts.Target.Name,
			Mend: "what bmsync didn't make it doesn't take back; bmsync status counts what it made"})
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Text, b.Text) })
	return NewInputError(problems)
}

// asked says whether a record is about what was asked for.
func (u *undoer) asked(m objects.Made) bool {
	if len(u.only) == 0 {
		return true
	}
	switch m.Kind {
	case objects.KindMember, objects.KindRight, objects.KindSubscription:
		return u.uids[m.DomainUID+"\x00"+m.UID] || u.uids[m.DomainUID+"\x00"+m.Subject()]
	}
	return u.uids[m.DomainUID+"\x00"+m.UID]
}

// one takes an object back. Only the state's trouble is an error.
func (u *undoer) one(ctx context.Context, m objects.Made) error {
	outcome, err := u.withdraw(ctx, m)
	if err != nil {
		if v := judge(err); v.scope == wholeRun {
			return err
		} else if v.scope != interrupted {
			u.log.fail(ObjectFailure{Kind: m.Kind, Name: m.Name, Reason: v.reason, Mend: cmp.Or(v.mend, "run it again"), Halt: v.scope == accountHalt})
		}
		return nil
	}
	u.log.add(outcome)
	u.r.event(objectEvent(outcome, !u.do))
	if outcome.Action != objects.Withdrawn {
		return nil
	}
	if !u.do {
		return nil
	}
	if err := u.r.store.WithdrawObject(context.WithoutCancel(ctx), objectOf(m, u.r.id)); err != nil {
		return err
	}
	if _, err := u.r.conflicts.note(context.WithoutCancel(ctx), objects.Outcome{Kind: m.Kind, Domain: m.DomainUID, Name: m.Name, Action: objects.Withdrawn}); err != nil {
		return err
	}
	if m.Kind == objects.KindUser || m.Kind == objects.KindShare {
		return u.forget(ctx, m)
	}
	return nil
}

func (u *undoer) withdraw(ctx context.Context, m objects.Made) (objects.Outcome, error) {
	if m.Kind == objects.KindUser {
		busy, err := u.keys(ctx, m)
		if err != nil {
			return objects.Outcome{}, err
		}
		if busy != "" {
			return objects.Outcome{Kind: m.Kind, Name: m.Name, Domain: m.DomainUID, UID: m.UID, Action: objects.Kept,
				Reason: "another run (" + busy + ") is at work on it", Mend: "wait until that run has ended; if it crashed: bmsync reset --tokens"}, nil
		}
	}
	var held string
	outcome, err := u.maker.Withdraw(ctx, m, func(ctx context.Context, uid string) (empty bool, err error) {
		held, err = u.holds(ctx, m, uid)
		return held == "", err
	})
	if err == nil && outcome.Action == objects.Kept && held != "" {
		outcome.Reason, outcome.Mend = held, "it stays; delete it in BlueMind if it is to go with all it holds"
	}
	return outcome, err
}

// keys deletes a user's keys before he goes: they would outlive him. busy is a
// run of another host that has one in use.
func (u *undoer) keys(ctx context.Context, m objects.Made) (busy string, err error) {
	user, err := u.r.platform.admin.User(ctx, m.DomainUID, m.UID)
	if errors.Is(err, bmapi.ErrNotFound) || err == nil && user.Archived {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for user %s: %w", m.Name, err)
	}
	if !u.do {
		return "", nil
	}
	now := u.r.opts.Now()
	if t, ok := u.r.platform.client.ServerTime(); ok {
		now = t
	}
	left := func(run string, until time.Time) bool {
		if u.r.dead[run] || now.After(until) {
			return true
		}
		busy = run
		return false
	}
	n, err := newSweeper(u.r.platform, left).user(ctx, user.Login, m.DomainUID)
	u.res.Keys += n
	if err != nil {
		return "", fmt.Errorf("keys of %s: %w", m.Name, err)
	}
	return busy, nil
}

// holds says what a mailbox or its owner holds that nobody would want to lose; ""
// if it is empty. What BlueMind itself sends to a new user is nothing.
func (u *undoer) holds(ctx context.Context, m objects.Made, uid string) (string, error) {
	admin := u.r.platform.admin
	list, err := admin.Folders(ctx, m.DomainUID, uid, m.Kind == objects.KindUser)
	if err != nil && !errors.Is(err, bmapi.ErrNotFound) { // without a mailbox, as a hook that failed leaves it
		return "", fmt.Errorf("folders of %s: %w", m.Name, err)
	}
	total, inbox := int64(0), int64(0)
	for _, f := range list {
		if f.Deleted {
			continue
		}
		n, err := admin.Count(ctx, f.UID, bmapi.AllMessages())
		if err != nil {
			return "", fmt.Errorf("messages in %q of %s: %w", f.FullName, m.Name, err)
		}
		total += n
		if f.FullName == "INBOX" {
			inbox += n
		}
	}
	ours, err := u.ours(ctx, m)
	switch {
	case err != nil:
		return "", err
	case ours > 0 && (total > 0 || u.r.platform.version.Major == 4): // there, what core shows is late
		return fmt.Sprintf("it holds %d messages, and bmsync copied %d into it", total, ours), nil
	case total > inbox || inbox > welcome:
		return fmt.Sprintf("it holds %d messages", total), nil
	}
	return u.besideMail(ctx, m, uid)
}

// ours counts what the ledger has copied into a mailbox.
func (u *undoer) ours(ctx context.Context, m objects.Made) (n int64, err error) {
	accounts, err := u.accounts(ctx, m)
	for _, a := range accounts {
		sums, err := u.r.store.AccountSums(ctx, a.ID)
		if err != nil {
			return n, err
		}
		n += sums[state.Copied].Messages + sums[state.Vanished].Messages
	}
	return n, err
}

// accounts are those that fill an entry.
func (u *undoer) accounts(ctx context.Context, m objects.Made) ([]state.Account, error) {
	if u.filled == nil {
		u.filled = map[string][]state.Account{}
		for a, err := range u.r.store.Accounts(ctx) {
			if err != nil {
				return nil, err
			}
			key := a.Address
			if a.EntryUID != "" {
				key = a.DomainUID + "\x00" + a.EntryUID
			}
			u.filled[key] = append(u.filled[key], state.Account{ID: a.ID, Address: a.Address})
		}
	}
	return append(slices.Clone(u.filled[m.DomainUID+"\x00"+m.UID]), u.filled[m.Name]...), nil
}

// forget lets the ledger of a mailbox go that is no more, so that the next run
// makes it anew, and doesn't ask where its mail went.
func (u *undoer) forget(ctx context.Context, m objects.Made) error {
	ctx = context.WithoutCancel(ctx)
	accounts, err := u.accounts(ctx, m)
	for _, a := range accounts {
		if err := u.r.store.ForgetAccount(ctx, a.ID); err != nil {
			return err
		}
		u.res.Forgotten = append(u.res.Forgotten, a.Address)
	}
	return err
}

// left counts what stays recorded.
func (u *undoer) left(ctx context.Context) error {
	counts, err := u.r.store.ObjectCounts(ctx)
	for _, c := range counts {
		if c.Made > 0 {
			if u.res.Left == nil {
				u.res.Left = map[string]int{}
			}
			u.res.Left[c.Kind] = int(c.Made)
		}
	}
	return err
}
