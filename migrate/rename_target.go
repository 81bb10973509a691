package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/imap"
	"bmsync/state"
)

// renameTargets does what RENAMEs rows still want on the target, one after the
// other, beginning with one that a cut run may or may not have done.
func (w *accountWork) renameTargets(ctx context.Context, dst *imap.Target) error {
	for {
		known, err := w.run.store.Folders(ctx, w.row.ID)
		if err != nil {
			return err
		}
		open, ok, err := w.run.store.OpenRename(ctx, w.row.ID)
		if err != nil {
			return err
		}
		if !ok && !slices.ContainsFunc(known, func(f state.Folder) bool { return f.Wanted != "" }) {
			return nil
		}
		if !ok && !w.follows() { // decided before it was handed over
			return w.keepTargets(ctx, known, func(state.Folder) bool { return true })
		}
		have, err := w.targetFolders(ctx, dst)
		if err != nil {
			return err
		}
		step := renameStep{open.From, open.To}
		if !ok {
			aside := func(target string) string {
				return uniqueName(target+" (renamed)", maxPathOctets, func(s string) bool { return have[s] })
			}
			if step, ok = nextStep(known, have, aside); !ok { // what is left has gone from the target
				return w.keepTargets(ctx, known, func(state.Folder) bool { return true })
			}
			lacking := lackingLevels(step.to, have)
			delete(have, step.to)
			if err := w.create(ctx, dst, lacking[:len(lacking)-1]); err != nil {
				return err
			}
			if err := w.run.store.BeginRename(ctx, state.FolderRename{Account: w.row.ID, From: step.from, To: step.to, Run: w.run.id}); err != nil {
				return err
			}
		}
		if err := w.renameTarget(ctx, dst, step, known, have); err != nil {
			return err
		}
	}
}

// renameTarget does one RENAME that is noted, if it isn't done yet, and records
// what LIST shows of it: answers may be lost, and BlueMind 5 leaves behind what
// lies below an accented name.
func (w *accountWork) renameTarget(ctx context.Context, dst *imap.Target, step renameStep, known []state.Folder, have map[string]bool) error {
	var no error
	if have[step.from] && !have[step.to] && (w.follows() || !feeds(known, step.from)) {
		no = dst.Rename(ctx, w.box.imap(step.from), w.box.imap(step.to))
		if no != nil && !refused(no) {
			return fmt.Errorf("rename folder %q: %w", step.from, no)
		}
		var err error
		if have, err = w.targetFolders(ctx, dst); err != nil {
			return err
		}
	}
	there := have[step.to] && !have[step.from]
	if have[step.to] && have[step.from] { // somebody made one of the two meanwhile
		var err error
		if there, err = w.isAt(ctx, dst, step, known); err != nil {
			return err
		}
		delete(have, map[bool]string{true: step.from, false: step.to}[there])
	}
	if !there {
		for _, f := range known {
			if f.Wanted != "" && f.Target == step.from {
				w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: f.Source,
					Text: fmt.Sprintf("the target would not rename %q to %q; it goes on being filled under its old name", step.from, f.Wanted), Reason: reasonOf(no)})
			}
		}
		return w.keepTargets(ctx, known, func(f state.Folder) bool { return f.Target == step.from })
	}
	targets, err := w.run.store.Made(ctx, w.row.ID)
	if err != nil {
		return err
	}
	var all []string
	for target := range targets {
		all = append(all, target)
	}
	for _, f := range known {
		all = append(all, f.Target)
	}
	moved := step.moved(all, have)
	if w.run.platform.version.Major == 4 && !w.box.share() { // Cyrus loses the subscriptions
		for _, to := range moved {
			if err := dst.Subscribe(ctx, to); err != nil && !refused(err) {
				return fmt.Errorf("subscribe to folder %q: %w", to, err)
			}
		}
	}
	return w.run.store.EndRename(ctx, w.row.ID, moved)
}

// feeds says whether source folders go to a folder of the target, or below it.
func feeds(known []state.Folder, target string) bool {
	return slices.ContainsFunc(known, func(f state.Folder) bool { return strings.HasPrefix(f.Target+"/", target+"/") })
}

// detour makes a folder under another name and renames it. BlueMind 5 makes no
// folder under a name that one had when it was made and lost by a RENAME: a
// folder's uid comes of the name that CREATE was given. It says whether the
// folder is there.
func (w *accountWork) detour(ctx context.Context, dst *imap.Target, path string, have map[string]bool) (bool, error) {
	known, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil || w.run.platform.version.Major < 5 || !slices.ContainsFunc(known, func(f state.Folder) bool { return f.Was != "" }) {
		return false, err
	}
	step := renameStep{uniqueName(path+" (new)", maxPathOctets, func(s string) bool { return have[s] }), path}
	if err := w.run.store.BeginRename(ctx, state.FolderRename{Account: w.row.ID, From: step.from, To: step.to, Run: w.run.id}); err != nil {
		return false, err
	}
	if err := w.create(ctx, dst, []string{step.from}); err != nil {
		return false, err
	}
	if have, err = w.targetFolders(ctx, dst); err != nil || !have[step.from] {
		return false, err
	}
	if err := w.renameTarget(ctx, dst, step, known, have); err != nil {
		return false, err
	}
	if have, err = w.targetFolders(ctx, dst); err != nil || have[path] {
		return err == nil, err
	}
	if err := dst.Delete(ctx, w.box.imap(step.from)); err != nil && !refused(err) {
		return false, fmt.Errorf("delete folder %q: %w", step.from, err)
	}
	return false, w.run.store.Unmade(ctx, w.row.ID, step.from)
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// isAt says whether a folder that was to be renamed is under its new name by now,
// where both names are there.
func (w *accountWork) isAt(ctx context.Context, dst *imap.Target, step renameStep, known []state.Folder) (bool, error) {
	i := slices.IndexFunc(known, func(f state.Folder) bool { return f.Target == step.from && f.DstMaxUID > 0 })
	if i < 0 {
		return false, nil
	}
	numbers, err := dst.Statuses(ctx, []string{w.box.imap(step.from), w.box.imap(step.to)})
	if err != nil {
		return false, fmt.Errorf("status of %q and %q: %w", step.from, step.to, err)
	}
	fits := func(st imap.Status) bool {
		return st.UIDValidity == known[i].DstUIDValidity && st.UIDNext > known[i].DstMaxUID
	}
	return fits(numbers[w.box.imap(step.to)]) && !fits(numbers[w.box.imap(step.from)]), nil
}

// keepTargets gives up the RENAMEs of the folders that which names.
func (w *accountWork) keepTargets(ctx context.Context, known []state.Folder, which func(state.Folder) bool) error {
	var ids []int64
	for _, f := range known {
		if f.Wanted != "" && which(f) {
			ids = append(ids, f.ID)
		}
	}
	return w.run.store.KeepTarget(ctx, w.row.ID, ids...)
}
