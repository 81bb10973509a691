package migrate

import (
	"context"
	"strings"
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

// remember notes who filled which mailbox in earlier runs.
func (r *runner) remember(ctx context.Context) error {
	for a, err := range r.store.Accounts(ctx) {
		if err != nil {
			return err
		}
		if a.EntryUID != "" {
			r.filling.Store(a.DomainUID+"\x00"+a.EntryUID, a.Address)
		}
	}
	return nil
}
