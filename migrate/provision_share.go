package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// makeShare makes sure of a shared mailbox and of who fills it: its writer
// comes first, and has Write on it before the first message.
func (v *provisioner) makeShare(ctx context.Context, d *bmapi.Domain, a *PlanAccount, row state.Account) (made, error) {
	if err := v.writer(ctx, a.Writer); err != nil {
		return made{}, err
	}
	want := v.want.share(d, a)
	filled := row.EntryUID != ""
	want.Create = want.Create && !filled
	e, outcome, err := v.maker.Share(ctx, d, want)
	if err != nil {
		return made{}, fmt.Errorf("share %s: %w", want.Address, err)
	}
	if err := v.outcomeOf(ctx, e, outcome); err != nil {
		return made{}, err
	}
	if outcome.Action == objects.Conflict && e == nil {
		if filled {
			err = v.missing(ctx, d, objects.Ref{Kind: objects.RefShare, Name: want.Address}, "the share")
		}
		if err == nil {
			err = &conflictError{outcome}
		}
		return made{}, err
	}
	m := v.became(e, outcome, "share "+want.Address)
	if row.Phase == PhaseLive { // handed over: until its mail has to move again
		return m, nil
	}
	_, err = v.letWrite(ctx, e, a.Writer)
	return m, err
}

// writerOnce is a user by whose key shares are filled.
type writerOnce struct {
	mu    sync.Mutex
	asked bool
	err   error
}

// writer makes sure, once a run, of a user by whose key shares are filled: as
// his own row wants him, or as nobody's mailbox where the policy names him, or
// as he is.
func (v *provisioner) writer(ctx context.Context, address string) error {
	if address == "" {
		return blocked("name one under writer in accounts.csv, or under policy.shares.writers, and plan again", "the share has no writer")
	}
	slot, _ := v.writers.LoadOrStore(address, &writerOnce{})
	once := slot.(*writerOnce)
	once.mu.Lock()
	defer once.mu.Unlock()
	if once.asked {
		return once.err
	}
	err := v.makeWriter(ctx, address)
	if once.asked = err == nil || judge(err).scope == accountHalt; once.asked {
		once.err = err
	}
	return err
}

func (v *provisioner) makeWriter(ctx context.Context, address string) error {
	there := v.want.target.Address(address)
	if err := refuseAdministrators(address, there); err != nil {
		return err
	}
	if offset, planned := v.layout.writers[address]; planned {
		a, err := v.want.plan.at(offset)
		if err == nil {
			_, err = v.account(ctx, a)
		}
		return ofWriter(address, err)
	}
	_, name, _ := strings.Cut(address, "@")
	d, err := v.domain(ctx, name)
	if err != nil {
		return ofWriter(address, err)
	}
	if err := v.administrator(ctx, d, there); err != nil {
		return err
	}
	if d != nil {
		found, err := v.maker.Find(ctx, d, objects.Ref{Kind: objects.RefUser, Name: there})
		if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
			return ofWriter(address, err)
		}
		if err == nil {
			// One of ours may have been cut short; others are left as they are.
			if ours, err := v.ours(ctx, objects.KindUser, d.UID, found.UID); err != nil || !ours {
				return ofWriter(address, err)
			}
		}
	}
	if !slices.Contains(v.want.plan.Header.Policy.Shares.Writers, address) {
		return blocked("give the writer a row of his own, or name him under policy.shares.writers and plan again", "the writer %s is no user of BlueMind", there)
	}
	_, err = v.makeUser(ctx, d, v.want.technical(address), state.Account{})
	return ofWriter(address, err)
}

// ours says whether a run made an entry, as its record tells.
func (v *provisioner) ours(ctx context.Context, kind objects.Kind, domainUID, uid string) (bool, error) {
	if v.store == nil {
		return false, nil
	}
	return v.store.HasObject(ctx, objectOf(objects.Made{Kind: kind, DomainUID: domainUID, UID: uid}, 0))
}

// ofWriter says whose fault it was that a share has nobody to fill it.
func ofWriter(address string, err error) error {
	if err == nil {
		return nil
	}
	if b, ok := errors.AsType[*BlockedError](err); ok {
		return &BlockedError{Reason: "the writer " + address + " is not as he should be", Mend: b.Mend, Err: err}
	}
	return fmt.Errorf("writer %s: %w", address, err)
}

// letWrite gives a share's writer what he needs to fill it: Write and, in
// version 5, which lists only what one is subscribed to, a subscription. It
// returns the writer.
func (v *provisioner) letWrite(ctx context.Context, box *objects.Entry, address string) (*objects.Entry, error) {
	if err := v.writer(ctx, address); err != nil {
		return nil, err
	}
	there := v.want.target.Address(address)
	_, name, _ := strings.Cut(address, "@")
	d, err := v.domain(ctx, name)
	if err != nil {
		return nil, err
	}
	writer, err := v.maker.Find(ctx, d, objects.Ref{Kind: objects.RefUser, Name: there})
	if err != nil {
		return nil, fmt.Errorf("look for the writer %s: %w", there, err)
	}
	outcomes, err := v.maker.Grant(ctx, box, []objects.Right{{Grantee: objects.Ref{Kind: objects.RefUser, Name: there}, Verbs: []string{bmapi.VerbWrite}, Fills: true}})
	if err != nil {
		return nil, fmt.Errorf("let %s write to %s: %w", there, box.Address, err)
	}
	if v.p.version.Major >= 5 {
		subscribed, err := v.maker.Subscribe(ctx, writer, box)
		if err != nil {
			return nil, fmt.Errorf("subscribe %s to %s: %w", there, box.Address, err)
		}
		outcomes = append(outcomes, subscribed)
	}
	if _, told := v.let.LoadOrStore(box.UID, true); told { // by the bulk pass, which made in a dry run nothing of it
		outcomes = slices.DeleteFunc(outcomes, func(o objects.Outcome) bool {
			return o.Action == objects.AsWanted || v.maker.Dry && o.Action != objects.Conflict
		})
	}
	if err := v.outcome(ctx, outcomes...); err != nil {
		return nil, err
	}
	for _, o := range outcomes {
		if o.Action == objects.Conflict {
			return nil, &conflictError{o}
		}
	}
	return writer, nil
}

// writerOf looks at who fills a share, as at any user before mail.
func (v *provisioner) writerOf(ctx context.Context, e *entry, box *objects.Entry, address string) (*entry, error) {
	found, err := v.letWrite(ctx, box, address)
	if err != nil || !found.Existing {
		return nil, err // a dry run would make him
	}
	w := &entry{Domain: found.Domain, Address: v.want.target.Address(address), Version: e.Version}
	err = v.prove(ctx, w, found)
	if err == nil && !v.maker.Dry {
		err = v.folders(ctx, w) // without them he sees no mailbox at all; his own account may come later, or not at all
	}
	return w, ofWriter(address, err)
}
