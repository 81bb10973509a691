package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"bmsync/state"
)

// claimant is an account that fills a mailbox.
type claimant struct {
	account int64
	address string
	from    string // at the source
}

func claimantOf(a state.Account) claimant {
	from := a.SourceLogin
	if a.SourceFolder != "" {
		from = fmt.Sprintf("folder %q of %s", a.SourceFolder, a.SourceLogin)
	}
	return claimant{a.ID, a.Address, from}
}

// claim keeps two accounts out of one mailbox: of two addresses of one user,
// or two source folders for one share, only the first is filled, or two
// people's mail would be mixed.
func (r *runner) claim(ctx context.Context, e *entry, row state.Account) error {
	key := e.Domain.UID + "\x00" + e.UID
	got, taken := r.filling.LoadOrStore(key, claimantOf(row))
	other := got.(claimant)
	if !taken || other.account == row.ID {
		return nil
	}
	same := strings.EqualFold(other.address, row.Address)
	if same { // the other is of an earlier run, and is no longer planned
		if forgotten, err := r.forgetUnfilled(ctx, other.account); err != nil {
			return err
		} else if forgotten && r.filling.CompareAndSwap(key, other, claimantOf(row)) {
			return nil
		}
	}
	switch {
	case same:
		return blocked("compare accounts.csv with bmsync status; to start anew, bmsync reset "+row.Address,
			"%s was filled from %s by an earlier run, and is to be filled from %s now", row.Address, other.from, claimantOf(row).from)
	}
	return blocked("correct one of the two rows; if the other account is no more, bmsync reset "+other.address,
		"%s and %s are one mailbox of BlueMind, which is filled for the latter", e.Address, other.address)
}

// opened are the accounts that this run is or was at work on.
type opened struct {
	mu  sync.Mutex
	ids map[int64]bool
}

// ensureAccount finds or makes an account's row. One of an earlier run that
// stands in its way, and never put a message into its mailbox, is forgotten: a
// row that was corrected isn't held up by what it was before.
func (r *runner) ensureAccount(ctx context.Context, ask state.Account) (state.Account, error) {
	r.opened.mu.Lock()
	defer r.opened.mu.Unlock()
	for {
		row, err := r.store.EnsureAccount(ctx, ask)
		conflict, ok := errors.AsType[*state.ConflictError](err)
		if !ok {
			if r.opened.ids == nil {
				r.opened.ids = map[int64]bool{}
			}
			r.opened.ids[row.ID] = true
			return row, err
		}
		forgotten, failed := r.forgetUnfilledLocked(ctx, conflict.Known.ID)
		if failed != nil || !forgotten {
			return row, errors.Join(err, failed)
		}
		r.unclaim(conflict.Known)
	}
}

func (r *runner) forgetUnfilled(ctx context.Context, account int64) (bool, error) {
	r.opened.mu.Lock()
	defer r.opened.mu.Unlock()
	return r.forgetUnfilledLocked(ctx, account)
}

func (r *runner) forgetUnfilledLocked(ctx context.Context, account int64) (bool, error) {
	if r.opened.ids[account] {
		return false, nil
	}
	folders, err := r.store.Folders(ctx, account)
	if err != nil {
		return false, err
	}
	open, err := r.store.OpenIntents(ctx)
	if err != nil || open[account] > 0 {
		return false, err
	}
	for _, f := range folders {
		if f.DstMaxUID > 0 || f.DstUIDValidity > 0 {
			return false, nil
		}
	}
	return true, r.store.ForgetAccount(ctx, account)
}

// unclaim lets go of the mailbox of an account that was forgotten.
func (r *runner) unclaim(row state.Account) {
	r.filling.CompareAndDelete(row.DomainUID+"\x00"+row.EntryUID, claimantOf(row))
}

// remember notes who filled which mailbox in earlier runs, and cleans up after
// those that were killed.
func (r *runner) remember(ctx context.Context) error {
	var killed []state.Account
	for a, err := range r.store.Accounts(ctx) {
		if err != nil {
			return err
		}
		if a.EntryUID != "" {
			r.filling.Store(a.DomainUID+"\x00"+a.EntryUID, claimantOf(a))
		}
		if a.State == AccountRunning || a.VerifiedResult == verifyRunning {
			killed = append(killed, a)
		}
	}
	return r.tidy(ctx, killed)
}

// tidy deletes the keys that killed runs left with accounts, whether or not
// this run was asked for them: a key has no end of its own. Those for a share
// are its writer's.
func (r *runner) tidy(ctx context.Context, killed []state.Account) error {
	s := newSweeper(r.platform, func(run string, _ time.Time) bool { return r.dead[run] })
	for _, a := range killed {
		if r.stopped() || ctx.Err() != nil {
			return nil // the next run finds them still marked
		}
		if _, _, err := s.account(ctx, cmp.Or(a.Writer, a.Address)); err != nil {
			r.event(Event{Kind: EventWarning, Account: a.Address, Text: "a killed run may have left a key, which could not be looked for", Reason: err.Error(), Mend: "the next run looks again"})
			continue
		}
		if a.State == AccountRunning {
			a.State, a.Reason, a.Mend = AccountPartial, "an earlier run was killed while it was at work", "run again"
		}
		if a.VerifiedResult == verifyRunning {
			a.VerifiedResult = ""
		}
		if err := r.store.UpdateAccount(ctx, a); err != nil {
			return err
		}
	}
	return nil
}
