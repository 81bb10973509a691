package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"bmsync/state"
)

// Departing is a copy that a run would take off the target.
type Departing struct {
	Folder    string    `json:"folder"` // at the source
	UID       uint32    `json:"uid"`
	Target    string    `json:"target_folder"`
	TargetUID uint32    `json:"target_uid"`
	Date      time.Time `json:"date"` // INTERNALDATE
	Size      int64     `json:"size"`
	// Moved says that a message of this size and date is new in another folder:
	// whether it is the same one is known once it is read.
	Moved bool   `json:"moved,omitempty"`
	To    string `json:"to,omitempty"` // target folder that it would be moved to; "" where it may be one of several
}

// every is how many copies an account must have for the loss of all of them to be
// asked about.
const every = 10

// asks says why a person has to allow deletions, nil where he needn't: n of the
// total copies.
func (p PresyncPolicy) asks(address string, n, total int64) error {
	all := n >= total && n > every
	if !all && (n <= int64(p.AskAbove) || n*100 <= int64(p.AskAbovePercent)*total) {
		return nil
	}
	return blocked(fmt.Sprintf("bmsync run --dry-run --only %s lists them; bmsync run --only %s --allow-deletions deletes them", address, address),
		"%d of the %d messages that were copied have vanished from the source, and would be deleted on the target", n, total)
}

// decideDeletions marks as due what has vanished from the source and was met
// nowhere else, unless it is too much: then nothing of it is, and the error says
// so. What is in another folder too doesn't count, one for one: the threshold is
// there lest mail be lost, and such a copy takes none along. (A source's user who
// copies a message first and deletes it a day later leaves such ones, and a run
// that was killed between a UID COPY and our note of it.)
func (f *follower) decideDeletions(ctx context.Context) error {
	rows, err := f.rows(ctx)
	if err != nil {
		return err
	}
	wanted := map[[20]byte]bool{}
	all := int64(0)
	for _, row := range rows {
		if err := f.each(ctx, row, false, func(list []state.Message) error {
			for _, m := range list {
				if m.DstGone {
					continue
				}
				if all++; len(wanted) < poolSize {
					wanted[m.SHA1] = true
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	where, err := alsoIn(ctx, f.run.store, f.row.ID, wanted)
	if err != nil {
		return err
	}
	lost := all
	kept := maps.Clone(where)
	for _, row := range rows {
		if err := f.each(ctx, row, false, func(list []state.Message) error {
			for _, m := range list {
				if !m.DstGone && kept.take(m.SHA1) != "" {
					lost--
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	sums, err := f.run.store.AccountSums(ctx, f.row.ID)
	if err != nil {
		return err
	}
	var ask error
	if !f.run.opts.AllowDeletions && lost > 0 {
		ask = f.policy.asks(f.plan.Address, lost, sums[state.Copied].Messages+lost)
	}
	for _, row := range rows {
		if err := f.markDeleted(ctx, row, where, ask != nil); err != nil {
			return err
		}
	}
	return ask
}

// markDeleted marks the departed copies of a folder as due; only those whose
// content is elsewhere too if the others need a person's word.
func (f *follower) markDeleted(ctx context.Context, row state.Folder, where contents, ask bool) error {
	return f.each(ctx, row, false, func(list []state.Message) error {
		var batch []state.Departure
		for _, m := range list {
			d := state.Departure{SrcUIDValidity: m.SrcUIDValidity, SrcUID: m.SrcUID}
			if m.DstGone {
				d.Left = true // there is nothing to remove
				batch = append(batch, d)
				continue
			}
			if other := where.take(m.SHA1); other != "" {
				d.Note = fmt.Sprintf("gone from this folder of the source, which has the same message in %q", other)
			} else if ask {
				continue
			} else {
				d.Note = "deleted at the source before go-live"
				f.result.Deleted++
			}
			batch = append(batch, d)
		}
		if len(batch) == 0 {
			return nil
		}
		return f.run.store.SettleDepartures(ctx, row.ID, batch)
	})
}

// contents are source folders by the SHA-1 of a message that they have, each once
// for each message.
type contents map[[20]byte][]string

// take gives a folder that has the message, and takes that one away; "" if none
// has it.
func (c contents) take(sum [20]byte) (folder string) {
	if list := c[sum]; len(list) > 0 {
		folder, c[sum] = list[0], list[1:]
	}
	return folder
}

// alsoIn finds where an account has the wanted messages on the target.
func alsoIn(ctx context.Context, store *state.Store, account int64, wanted map[[20]byte]bool) (contents, error) {
	out := contents{}
	if len(wanted) == 0 {
		return out, nil
	}
	folders, err := store.Folders(ctx, account)
	if err != nil {
		return nil, err
	}
	for p, err := range store.Living(ctx, account) {
		if err != nil {
			return nil, err
		}
		if !wanted[p.SHA1] {
			continue
		}
		if i := slices.IndexFunc(folders, func(f state.Folder) bool { return f.ID == p.Folder }); i >= 0 {
			out[p.SHA1] = append(out[p.SHA1], folders[i].Source)
		}
	}
	return out, nil
}
