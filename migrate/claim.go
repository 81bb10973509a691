package migrate

import (
	"context"
	"strings"
	"time"

	"bmsync/state"
)

// claim keeps two accounts out of one mailbox: of two addresses of one user
// only the first is filled, or two people's mail would be mixed, and either
// account would end the other's key.
func (r *runner) claim(e *entry) error {
	who, taken := r.filling.LoadOrStore(e.Domain.UID+"\x00"+e.UID, e.Address)
	if taken && !strings.EqualFold(who.(string), e.Address) {
		return blocked("correct one of the two rows; if the other account is no more, bmsync reset "+who.(string),
			"%s and %s are one user of BlueMind, whose mailbox is filled for the latter", e.Address, who)
	}
	return nil
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
			r.filling.Store(a.DomainUID+"\x00"+a.EntryUID, a.Address)
		}
		if a.State == AccountRunning || a.VerifiedResult == verifyRunning {
			killed = append(killed, a)
		}
	}
	return r.tidy(ctx, killed)
}

// tidy deletes the keys that killed runs left with accounts, whether or not
// this run was asked for them: a key has no end of its own.
func (r *runner) tidy(ctx context.Context, killed []state.Account) error {
	s := newSweeper(r.platform, func(run string, _ time.Time) bool { return r.dead[run] })
	for _, a := range killed {
		if r.stopped() || ctx.Err() != nil {
			return nil // the next run finds them still marked
		}
		if _, _, err := s.account(ctx, a.Address); err != nil {
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
