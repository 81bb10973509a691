package migrate

import (
	"cmp"
	"context"
	"fmt"
	"strings"
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
func (r *runner) claim(e *entry, row state.Account) error {
	got, taken := r.filling.LoadOrStore(e.Domain.UID+"\x00"+e.UID, claimantOf(row))
	other := got.(claimant)
	switch {
	case !taken || other.account == row.ID:
		return nil
	case strings.EqualFold(other.address, row.Address):
		return blocked("compare accounts.csv with bmsync status; to start anew, bmsync reset "+row.Address,
			"%s was filled from %s by an earlier run, and is to be filled from %s now", row.Address, other.from, claimantOf(row).from)
	}
	return blocked("correct one of the two rows; if the other account is no more, bmsync reset "+other.address,
		"%s and %s are one mailbox of BlueMind, which is filled for the latter", e.Address, other.address)
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
