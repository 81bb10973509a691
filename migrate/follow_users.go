package migrate

import (
	"context"
	"fmt"

	"bmsync/imap"
	"bmsync/state"
)

// missed are copies that a look at the target missed for the first time.
type missed struct {
	folder  int64
	srcUIDs []uint32
	sources uint32 // their UIDVALIDITY
}

// movedByUser ends the note of a copy that was missed in one folder and found in
// another.
const movedByUser = "on the target, by a user of it"

// mostMissed bounds the copies that are looked for in other folders.
const mostMissed = 2000

// tellMoved looks for copies that were just missed among what came into the
// target's folders since they were last gone through, and says of those that are
// there that a user moved them. Only messages of the same size and date are asked
// for their SHA-1, so that it costs a listing of what is new. since has the
// UIDNEXT of the folders that runs fill, as it was then.
func (w *accountWork) tellMoved(ctx context.Context, dst *imap.Target, since map[string]uint32) error {
	lost := map[twin][]lostCopy{}
	all := 0
	for _, x := range w.missed {
		for _, uid := range x.srcUIDs {
			for m, err := range w.run.store.MessagesBetween(ctx, x.folder, x.sources, uid, uid) {
				if err != nil {
					return err
				}
				if m.State == state.Copied || m.State == state.Present {
					sum, _, size := m.OnTarget()
					key := twin{size, m.InternalDate.Unix()}
					lost[key] = append(lost[key], lostCopy{x, uid, sum})
					all++
				}
			}
		}
	}
	w.missed = nil
	if all == 0 || all > mostMissed {
		return nil
	}
	have, err := w.targetFolders(ctx, dst)
	if err != nil {
		return err
	}
	told := 0
	for name := range have {
		n, err := w.tellMovedTo(ctx, dst, name, since[name], lost)
		if err != nil && !refused(err) {
			return err
		}
		told += n
	}
	if told > 0 {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Messages: told,
			Text: fmt.Sprintf("%d of the %d messages that were missing had been moved to another folder of the target", told, all)})
	}
	return nil
}

// lostCopy is the row of a copy that was missed, and its content.
type lostCopy struct {
	missed
	srcUID uint32
	sha1   [20]byte
}

func (w *accountWork) tellMovedTo(ctx context.Context, dst *imap.Target, name string, first uint32, lost map[twin][]lostCopy) (told int, err error) {
	st, err := dst.Status(ctx, w.box.imap(name))
	if err != nil || st.Messages == 0 || first >= st.UIDNext && first > 0 {
		return 0, err
	}
	dates := map[uint32]twin{}
	found, err := imap.ContentOf(ctx, dst, w.box.imap(name), max(first, 1), func(m imap.Message) bool {
		key := twin{m.Size, m.InternalDate.Unix()}
		if len(lost[key]) > 0 {
			dates[m.UID] = key
		}
		return len(lost[key]) > 0
	})
	if err != nil {
		return 0, err
	}
	for uid, sum := range found {
		list := lost[dates[uid]]
		for i, x := range list {
			if x.sha1 != sum {
				continue
			}
			note := fmt.Sprintf("moved to %q %s", name, movedByUser)
			if err := w.run.store.Annotate(ctx, x.folder, x.sources, map[uint32]string{x.srcUID: note}); err != nil {
				return told, err
			}
			lost[dates[uid]] = append(list[:i:i], list[i+1:]...)
			told++
			break
		}
	}
	return told, nil
}
