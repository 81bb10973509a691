package imap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// removeBatch is how many copies go with one look, one STORE and one UID EXPUNGE.
const removeBatch = 500

// Removal is what became of copies that were to be removed from one mailbox.
type Removal struct {
	Removed []Departed // they are no more, by us or by a user
	Touched []Followed // left as they are, since somebody changed them
}

// Remove takes copies of ours, all of one mailbox and marked as Due in the
// caller's ledger, off the target: each is looked at right before, and those that
// are as we left them get \Deleted and are expunged by their UIDs (RFC 4315
// §2.1), which takes no other message along. It looks afterwards what is gone. done
// is told of each batch. A mailbox that isn't there, or is another one by now, is
// left alone.
func Remove(ctx context.Context, dst *Target, list []Departed, done func(context.Context, Removal) error) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Departed) int { return cmp.Compare(a.DstUID, b.DstUID) })
	for batch := range slices.Chunk(list, removeBatch) {
		if err := dst.remove(ctx, batch, done); err != nil {
			return fmt.Errorf("remove from %q: %w", batch[0].Mailbox, err)
		}
	}
	return nil
}

func (t *Target) remove(ctx context.Context, batch []Departed, done func(context.Context, Removal) error) error {
	all := make([]uint32, len(batch))
	for i, d := range batch {
		all[i] = d.DstUID
	}
	there, same, err := t.departedIn(ctx, batch[0], all)
	if err != nil || !same {
		return err
	}
	var r Removal
	var fit []Departed
	var uids []uint32
	for _, d := range batch {
		m, ok := there[d.DstUID]
		if !ok {
			r.Removed = append(r.Removed, d)
		} else if why := d.touched(m); why != "" {
			r.Touched = append(r.Touched, Followed{d, DepartedTouched, "the copy stays here, since " + why})
		} else {
			fit, uids = append(fit, d), append(uids, d.DstUID)
		}
	}
	if len(fit) > 0 {
		if err := t.StoreFlags(ctx, uids, []string{`\Deleted`}, AddFlags); err != nil {
			return err
		}
		if err := t.UIDExpunge(ctx, uids); err != nil {
			return err
		}
		if there, same, err = t.departedIn(ctx, batch[0], uids); err != nil || !same {
			return err
		}
		for _, d := range fit {
			if _, still := there[d.DstUID]; !still {
				r.Removed = append(r.Removed, d)
			}
		}
	}
	return done(ctx, r)
}
