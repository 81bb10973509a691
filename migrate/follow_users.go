package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

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

// tellMoved looks for copies that were just missed among what came into the
// target's folders since they were last gone through, and says of those that are
// there that a user moved them. since has the UIDNEXT of the folders that runs
// fill, as it was then.
func (w *accountWork) tellMoved(ctx context.Context, dst *imap.Target, since map[string]uint32) error {
	lost := lostCopies{}
	all := 0
	for _, x := range w.missed {
		for _, uid := range x.srcUIDs {
			for m, err := range w.run.store.MessagesBetween(ctx, x.folder, x.sources, uid, uid) {
				if err != nil {
					return err
				}
				if m.State == state.Copied || m.State == state.Present {
					sum, _, size := m.OnTarget()
					lost.add(size, m.InternalDate, lostCopy{x, uid, sum, storedSHA1(m.Note)})
					all++
				}
			}
		}
	}
	w.missed = nil
	if all == 0 || all > imap.MostLost {
		return nil
	}
	told, err := w.find(ctx, dst, lost, since, func(x lostCopy, name string) error {
		note := fmt.Sprintf("moved to %q %s", name, movedByUser)
		return w.run.store.Annotate(ctx, x.folder, x.sources, map[uint32]string{x.srcUID: note})
	})
	if err == nil && told > 0 {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Messages: told,
			Text: fmt.Sprintf("%d of the %d messages that were missing had been moved to another folder of the target", told, all)})
	}
	return err
}

// movedByUsers counts the missing copies that are in the target's folders under other
// UIDs. All of these are gone through: a run that was killed may have gone through
// a folder after the move, and not through the one that it came from.
func (w *accountWork) movedByUsers(ctx context.Context, dst *imap.Target, missing []imap.Claim) (int, error) {
	lost := lostCopies{}
	for _, cl := range missing {
		lost.add(cl.Size, cl.InternalDate, lostCopy{srcUID: cl.SrcUID, sha1: cl.SHA1, stored: cl.Stored})
	}
	return w.find(ctx, dst, lost, nil, nil)
}

// lostCopy is the row of a copy that was missed, and its content.
type lostCopy struct {
	missed
	srcUID       uint32
	sha1, stored [20]byte // stored: what the target made of it, if not zero
}

// lostCopies are by what a listing shows of them, so that few bodies are asked for.
type lostCopies map[twin][]lostCopy

func (l lostCopies) add(size int64, date time.Time, x lostCopy) {
	key := twin{size, date.Unix()}
	l[key] = append(l[key], x)
}

// take takes out one with this content.
func (l lostCopies) take(key twin, sum [20]byte) (lostCopy, bool) {
	i := slices.IndexFunc(l[key], func(x lostCopy) bool { return x.sha1 == sum || x.stored == sum })
	if i < 0 {
		return lostCopy{}, false
	}
	x := l[key][i]
	l[key] = slices.Delete(l[key], i, i+1)
	return x, true
}

// find looks for lost copies in all folders of the target, from the UIDs that
// since says on, and counts those that are there; found may be nil. What is a copy
// of ours itself isn't one that was moved: a source may have a message twice.
func (w *accountWork) find(ctx context.Context, dst *imap.Target, lost lostCopies, since map[string]uint32, found func(x lostCopy, name string) error) (n int, err error) {
	have, err := w.targetFolders(ctx, dst)
	if err != nil {
		return 0, err
	}
	rows, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return 0, err
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		in, err := w.findIn(ctx, dst, name, since[name], rows, lost)
		if err != nil && !refused(err) {
			return n, err
		}
		for _, x := range in {
			if found == nil {
				continue
			}
			if err := found(x, name); err != nil {
				return n, err
			}
		}
		n += len(in)
	}
	return n, nil
}

// findIn takes those that are in one folder out of lost.
func (w *accountWork) findIn(ctx context.Context, dst *imap.Target, name string, first uint32, rows []state.Folder, lost lostCopies) (found []lostCopy, err error) {
	st, err := dst.Status(ctx, w.box.imap(name))
	if err != nil || st.Messages == 0 || first >= st.UIDNext && first > 0 {
		return nil, err
	}
	first = max(first, 1)
	var ours []uint32
	for _, row := range rows {
		if row.Target == name && row.DstMaxUID >= first {
			if err := w.run.store.ClaimedUIDs(ctx, row.ID, st.UIDValidity, first, func(uid uint32) { ours = append(ours, uid) }); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(ours)
	looks := map[uint32]twin{}
	sums, err := imap.ContentOf(ctx, dst, w.box.imap(name), first, w.digests(name), func(m imap.Message) bool {
		key := twin{m.Size, m.InternalDate.Unix()}
		if len(lost[key]) == 0 {
			return false
		}
		if _, is := slices.BinarySearch(ours, m.UID); is {
			return false
		}
		looks[m.UID] = key
		return true
	})
	for _, uid := range slices.Sorted(maps.Keys(sums)) {
		if x, is := lost.take(looks[uid], sums[uid]); is {
			found = append(found, x)
		}
	}
	return found, err
}
