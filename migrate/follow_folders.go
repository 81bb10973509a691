package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bmsync/imap"
	"bmsync/state"
)

// renamedNow recognises the folders that the source calls by another name than
// when they were copied: by UIDVALIDITY, by UIDs that only grew, and by sizes and
// dates of the messages that the ledger knows under their UIDs.
// numbers are what the source says of its folders.
func renamedNow(ctx context.Context, src *imap.Source, store *state.Store, mapped []Mapped, known []state.Folder, numbers map[string]imap.Status) ([]rename, error) {
	if !slices.ContainsFunc(known, func(f state.Folder) bool { return f.Rule == "" && f.SrcUIDValidity != 0 }) {
		return nil, nil
	}
	groups, free := displaced(known, mapped, numbers)
	if len(groups) == 0 || len(free) == 0 {
		return nil, nil
	}
	var found []rename
	var blank [][]state.Folder // nothing in them tells one from the other
	for _, rows := range groups {
		sums, err := store.Sums(ctx, rows[0].ID, rows[0].SrcUIDValidity)
		if err != nil {
			return nil, err
		}
		if sums[state.Copied].Messages+sums[state.Present].Messages == 0 {
			blank = append(blank, rows)
			continue
		}
		for _, m := range likeliest(rows[0].Source, free, found) {
			if !mayBe(rows[0], numbers[m.Source]) {
				continue
			}
			same, err := sameMail(ctx, src, store, rows[0], m.Source)
			if err != nil {
				return nil, err
			}
			if same {
				found, free = append(found, rename{rows: rows, to: m}), without(free, m)
				break
			}
		}
	}
	for _, rows := range blank {
		if m, ok := onlyOne(rows[0], blank, free, numbers, found); ok {
			found, free = append(found, rename{rows: rows, to: m}), without(free, m)
		}
	}
	return found, nil
}

func without(list []Mapped, m Mapped) []Mapped {
	return slices.DeleteFunc(slices.Clone(list), func(o Mapped) bool { return o.Source == m.Source })
}

// onlyOne finds the folder that one without copies is now: where the rename of
// its parent takes it, or the only one with its UIDVALIDITY.
func onlyOne(row state.Folder, blank [][]state.Folder, free []Mapped, numbers map[string]imap.Status, found []rename) (Mapped, bool) {
	var can []Mapped
	for _, m := range likeliest(row.Source, free, found) {
		if mayBe(row, numbers[m.Source]) {
			can = append(can, m)
		}
	}
	if len(can) == 0 {
		return Mapped{}, false
	}
	for _, r := range found {
		if n := len(r.from()); len(row.Source) > n && row.Source[:n] == r.from() && can[0].Source == r.to.Source+row.Source[n:] {
			return can[0], true
		}
	}
	rivals := 0
	for _, rows := range blank {
		if rows[0].SrcUIDValidity == row.SrcUIDValidity {
			rivals++
		}
	}
	return can[0], len(can) == 1 && rivals == 1
}

// sampled is how many messages of a folder are compared, from sampleParts places
// of it.
const (
	sampled     = 1000
	sampleParts = 4
)

// sameMail says whether a folder of the source holds the messages of a row: a
// sample of those that the ledger knows, under their UIDs, with their sizes and
// dates. Some may be gone; none may be another one.
func sameMail(ctx context.Context, src *imap.Source, store *state.Store, row state.Folder, name string) (bool, error) {
	st, err := src.Examine(ctx, name)
	if refused(err) || err == nil && (st.Messages == 0 || st.UIDValidity != row.SrcUIDValidity) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("examine %q: %w", name, err)
	}
	agree, next := 0, uint32(1)
	for part := range uint64(sampleParts) {
		first := max(next, uint32(uint64(row.SrcUIDNext)*part/sampleParts))
		sample := map[uint32]imap.Known{}
		for m, err := range store.MessagesBetween(ctx, row.ID, row.SrcUIDValidity, max(first, 1), 1<<32-1) {
			if err != nil {
				return false, err
			}
			if next = m.SrcUID + 1; m.State != state.Vanished {
				sample[m.SrcUID] = knownOf(m)
			}
			if len(sample) == sampled/sampleParts {
				break
			}
		}
		if len(sample) == 0 {
			continue
		}
		others := 0
		err := src.Messages(ctx, max(first, 1), next-1, func(m imap.Message) error {
			switch k, ok := sample[m.UID]; {
			case !ok:
			case k.Size != m.Size && k.Size >= 0 && m.Size >= 0, !k.InternalDate.Equal(m.InternalDate):
				others++
			default:
				agree++
			}
			return nil
		})
		if err != nil {
			return false, fmt.Errorf("list %q: %w", name, err)
		}
		if others > 0 {
			return false, nil
		}
	}
	return agree > 0, nil
}

// follows says whether the target belongs to the run as yet, so that folders
// there may be renamed and removed.
func (w *accountWork) follows() bool {
	return w.run.opts.Plan.Header.PolicyOf(w.plan).Presync.follows(w.row) && !w.adopting
}

// followRenames gives the account's rows the names that the source has for their
// folders now, and the target's folders the names that go with them. What is
// decided is recorded first, for all folders at once, then each RENAME before it
// is sent. Without a session on the target, it keeps its names.
func (w *accountWork) followRenames(ctx context.Context, src *imap.Source, dst *imap.Target, mapped []Mapped) error {
	if w.fresh {
		return nil // no folder is known under another name
	}
	if dst != nil {
		if err := w.renameTargets(ctx, dst); err != nil { // of a run that was cut
			return err
		}
	}
	known, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return err
	}
	list, err := renamedNow(ctx, src, w.run.store, mapped, known, w.numbers)
	if err != nil || len(list) == 0 {
		return err
	}
	g, err := w.ground(ctx, dst, mapped, known)
	if err != nil {
		return err
	}
	belong(list, mapped, w.plan, known)
	settled := g.settle(list)
	for _, r := range settled {
		if r.stays {
			continue
		}
		i := slices.IndexFunc(list, func(o rename) bool { return o.has(r.rows[0]) })
		if list[i].why, err = w.foreignMail(ctx, dst, r.rows[0]); err != nil {
			return err
		}
	}
	settled = g.settle(list)
	if err := w.repoint(ctx, settled); err != nil || dst == nil {
		return err
	}
	return w.renameTargets(ctx, dst)
}

// ground is what the target shows; without a session its folders keep their
// names.
func (w *accountWork) ground(ctx context.Context, dst *imap.Target, mapped []Mapped, known []state.Folder) (ground, error) {
	g := ground{mapped: mapped, home: homeOf(shareName(w.plan.Kind, w.plan.Address)), known: known}
	if dst == nil {
		return g, nil
	}
	var err error
	if g.have, err = w.targetFolders(ctx, dst); err != nil {
		return g, err
	}
	g.follows, g.five = w.follows(), w.run.platform.version.Major >= 5
	g.made, err = w.run.store.Made(ctx, w.row.ID)
	return g, err
}

// repoint records under which names the source has its folders now, and tells.
func (w *accountWork) repoint(ctx context.Context, list []rename) error {
	var changes []state.SourceRename
	for _, r := range list {
		wanted := r.target
		if r.stays {
			wanted = ""
		}
		for _, f := range r.rows {
			changes = append(changes, state.SourceRename{ID: f.ID, Source: r.to.Source, SourceWire: cmp.Or(r.to.Wire, imap.EncodeUTF7(r.to.Source)), Wanted: wanted})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := w.run.store.RenameSources(ctx, changes); err != nil {
		return err
	}
	for _, r := range list {
		text := fmt.Sprintf("the source calls %q so now; renamed on the target as well, to %q", r.from(), r.target)
		if r.stays {
			text = fmt.Sprintf("the source calls %q so now; on the target it stays %q", r.from(), r.current())
			if r.why != sameTarget {
				text += ": " + r.why
			}
		}
		w.run.event(Event{Kind: EventRenamed, Account: w.plan.Address, Folder: r.to.Source, Text: text})
	}
	return nil
}

// foreignMail says why a folder of the target can't be taken along: somebody put
// mail of his own there. Copies that he read, marked or deleted are no reason,
// for they stay what they are.
func (w *accountWork) foreignMail(ctx context.Context, dst *imap.Target, row state.Folder) (why string, err error) {
	name := w.box.imap(row.Target)
	st, err := dst.Select(ctx, name)
	if err != nil {
		return "", fmt.Errorf("select %q: %w", name, err)
	}
	if st.UIDValidity != row.DstUIDValidity {
		return "it was made anew there", nil
	}
	if st.Messages == 0 {
		return "", nil
	}
	var ours []uint32
	for m, err := range w.run.store.Claims(ctx, row.ID, row.SrcUIDValidity, 1) {
		if err != nil {
			return "", err
		}
		if m.DstUIDValidity == st.UIDValidity {
			ours = append(ours, m.DstUID)
		}
	}
	open, err := w.run.store.Intents(ctx, row.ID)
	if err != nil {
		return "", err
	}
	foreign := 0
	err = dst.Messages(ctx, 1, 0, func(m imap.Message) error {
		if _, claimed := slices.BinarySearch(ours, m.UID); claimed {
			return nil
		}
		// One whose answer was lost is ours as well.
		if i := slices.IndexFunc(open, func(in state.Intent) bool { return in.Size == m.Size && m.UID >= in.DstUIDNext }); i >= 0 {
			open = slices.Delete(open, i, i+1)
			return nil
		}
		foreign++
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("list %q: %w", name, err)
	}
	if foreign > 0 {
		return fmt.Sprintf("%d messages that bmsync didn't write lie there", foreign), nil
	}
	return "", nil
}
