package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bmsync/imap"
	"bmsync/state"
)

// dryFollow finds what a run would take off the target because it is gone from
// its source folder, unless somebody has changed it there: that is seen when it
// is done.
type dryFollow struct {
	feeds map[string]int
	list  []Departing
	sums  [][20]byte // of list's messages
	here  map[[20]byte]int
	open  int64          // of list, those that an earlier run found gone already
	fresh map[twin]fresh // messages that are new in their folders
}

// twin is what a listing shows of a message.
type twin struct{ size, date int64 }

// fresh counts messages that look alike, and says the target folder that they are
// due to come to; "" where there are several.
type fresh struct {
	n  int
	to string
}

// follows readies the list, where the account's source is followed.
func (w *dryWork) follows(ctx context.Context, policy PresyncPolicy, jobs []folderJob) error {
	if w.account.ID == 0 || !policy.follows(w.account) || w.run.recopy[w.plan.Address] {
		return nil
	}
	count, err := feedsOf(ctx, w.run.store, w.account, jobs)
	w.follow = &dryFollow{feeds: count, fresh: map[twin]fresh{}, here: map[[20]byte]int{}}
	return err
}

// folder lists the copies of one folder that are due to go, and what is new in it
// and would come to the target's folder to.
func (f *dryFollow) folder(ctx context.Context, store *state.Store, row state.Folder, st imap.Status, listed, added []imap.Message, to string) error {
	if f == nil {
		return nil
	}
	for _, m := range added {
		key := twin{m.Size, m.InternalDate.Unix()}
		seen, known := f.fresh[key]
		if !known {
			seen.to = to
		} else if seen.to != to {
			seen.to = "" // one of several
		}
		f.fresh[key] = fresh{seen.n + 1, seen.to}
	}
	if row.ID == 0 || row.SrcUIDValidity != st.UIDValidity || f.feeds[foldName(row.Target)] != 1 || len(listed) < int(st.Messages) {
		return nil
	}
	for m, err := range store.Messages(ctx, row.ID, st.UIDValidity) {
		if err != nil {
			return err
		}
		if !m.Wrote || m.DstUID == 0 || m.DstGone || m.Left || m.DstUIDValidity != row.DstUIDValidity || m.State != state.Copied && m.State != state.Vanished {
			continue
		}
		if _, there := slices.BinarySearchFunc(listed, m.SrcUID, func(a imap.Message, uid uint32) int { return cmp.Compare(a.UID, uid) }); there {
			continue
		}
		if m.State == state.Vanished {
			f.open++
		} else {
			f.here[m.SHA1]++ // the ledger counts it among the living
		}
		f.sums = append(f.sums, m.SHA1)
		f.list = append(f.list, Departing{Folder: row.Source, UID: m.SrcUID, Target: row.Target, TargetUID: m.DstUID, Date: m.InternalDate, Size: m.Size})
	}
	return nil
}

// departs says what a run would move and delete, and whether it would ask first.
func (w *dryWork) departs(ctx context.Context, one *AccountResult) (steps []string, err error) {
	f := w.follow
	if f == nil || len(f.list) == 0 {
		return nil, nil
	}
	wanted := map[[20]byte]bool{}
	for _, sum := range f.sums {
		wanted[sum] = true
	}
	where, err := alsoIn(ctx, w.run.store, w.account.ID, wanted)
	if err != nil {
		return nil, err
	}
	for sum, n := range f.here {
		where[sum] = where[sum][min(n, len(where[sum])):]
	}
	moved, lost := 0, int64(0)
	for i := range f.list {
		d := &f.list[i]
		key := twin{d.Size, d.Date.Unix()}
		if seen := f.fresh[key]; seen.n > 0 {
			f.fresh[key] = fresh{seen.n - 1, seen.to}
			d.Moved, d.To = true, seen.to
			moved++
			w.messages--
			w.bytes -= d.Size
		} else if where.take(f.sums[i]) == "" {
			lost++
		}
	}
	one.Departing = f.list
	if moved > 0 {
		steps = append(steps, fmt.Sprintf("move %d", moved))
	}
	if n := len(f.list) - moved; n > 0 {
		steps = append(steps, fmt.Sprintf("delete %d that vanished from the source", n))
	}
	if w.run.opts.AllowDeletions || lost == 0 {
		return steps, nil
	}
	sums, err := w.run.store.AccountSums(ctx, w.account.ID)
	if err != nil {
		return nil, err
	}
	policy := w.run.opts.Plan.Header.PolicyOf(w.plan).Presync
	if ask := policy.asks(w.plan.Address, lost, sums[state.Copied].Messages+f.open); ask != nil {
		return steps, ask
	}
	return steps, nil
}
