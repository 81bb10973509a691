package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bmsync/imap"
	"bmsync/state"
)

// goneFolders marks the messages of folders that the source has no more as
// vanished, so that they are followed like others. A folder that isn't listed is
// gone only if the source, asked for it by name, has no such mailbox: rights may
// hide one, and servers have bad moments.
func (w *accountWork) goneFolders(ctx context.Context, src *imap.Source, mapped []Mapped) error {
	known, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return err
	}
	for _, f := range known {
		if f.Rule != "" || f.SrcUIDValidity == 0 || listedAs(f, mapped) >= 0 {
			continue
		}
		sums, err := w.run.store.Sums(ctx, f.ID, f.SrcUIDValidity)
		if err != nil {
			return err
		}
		if sums.OnSource().Messages == 0 {
			continue // told by an earlier run
		}
		_, err = src.Status(ctx, f.Source)
		switch {
		case err == nil:
			err = errors.New("it is there, and not listed")
		case !refused(err):
			return fmt.Errorf("status of %q: %w", f.Source, err)
		case noSuchMailbox(err):
			if err := w.run.store.VanishFolder(ctx, f.ID); err != nil {
				return err
			}
			f.SrcExists, f.Complete, f.Fault, f.Rules, f.ListedAt = 0, true, "", "", w.run.opts.Now()
			if err := w.run.store.UpdateFolder(ctx, f); err != nil {
				return err
			}
			continue
		}
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: f.Source, Reason: err.Error(),
			Text: "the source doesn't list the folder any more; whether it is gone isn't sure, so nothing is deleted on the target"})
	}
	return nil
}

// noSuchMailbox says of a refusal that it means that there is no such mailbox
// (RFC 5530 §3), as far as the server says what it means.
func noSuchMailbox(err error) bool {
	e, ok := errors.AsType[*imap.Error](err)
	return ok && e.Kind == imap.KindNo && !atCapacity(e) && (e.Code == "" || e.Code == "NONEXISTENT" || e.Code == "TRYCREATE")
}

// removedFolder says that a folder was gone from the source, and that a run took
// it off the target; see state.Store.Unmade.
func removedFolder(f state.Folder) bool { return f.SrcUIDValidity != 0 && f.DstUIDValidity == 0 }

// removeGone takes empty folders off the target whose source is gone: those
// that runs made, with nothing in them nor below them, and the parents that
// were made for them. Nobody's mail goes with a folder; what lies in it keeps
// it.
func (w *accountWork) removeGone(ctx context.Context, dst *imap.Target, mapped []Mapped) error {
	known, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return err
	}
	made, err := w.run.store.Made(ctx, w.row.ID)
	if err != nil {
		return err
	}
	paths := orphans(known, mapped, made, homeOf(shareName(w.plan.Kind, w.plan.Address)))
	if len(paths) == 0 {
		return nil
	}
	have, err := w.targetFolders(ctx, dst)
	if err != nil {
		return err
	}
	if _, err := dst.Select(ctx, w.box.imap(w.box.inbox())); err != nil { // none is deleted while it is open
		return fmt.Errorf("select %q: %w", w.box.inbox(), err)
	}
	for _, path := range paths {
		if err := w.removeFolder(ctx, dst, path, known, have); err != nil {
			return err
		}
	}
	return nil
}

// orphans are the folders of the target, deepest first, that runs made and to
// which, or below which, no folder of the source goes any more, though one did.
func orphans(known []state.Folder, mapped []Mapped, made map[string]bool, h home) (paths []string) {
	feeds, did := map[string]bool{}, map[string]bool{}
	for _, f := range known {
		into := did
		if listedAs(f, mapped) >= 0 || f.Rule != "" || f.Wanted != "" {
			into = feeds
		}
		for at := range len(f.Target) + 1 {
			if at == len(f.Target) || f.Target[at] == '/' {
				into[f.Target[:at]] = true
			}
		}
	}
	for path := range did {
		if made[path] && !feeds[path] && !slices.Contains(h.defaults, h.below(path)) {
			paths = append(paths, path)
		}
	}
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(b, "/"), strings.Count(a, "/")), cmp.Compare(a, b))
	})
	return paths
}

// removeFolder removes one folder if nothing lies in it, below it, or on its way
// to it. That it is gone is seen by LIST: answers may be lost.
func (w *accountWork) removeFolder(ctx context.Context, dst *imap.Target, path string, known []state.Folder, have map[string]bool) error {
	if !have[path] { // by a run that was cut, or by somebody else
		return w.run.store.Unmade(ctx, w.row.ID, path)
	}
	for other := range have {
		if strings.HasPrefix(other, path+"/") {
			return nil
		}
	}
	name := w.box.imap(path)
	if w.run.platform.version.Major >= 5 && strings.Contains(name, "&") {
		return nil // BlueMind 5 doesn't answer to such a name: errata.md, imap 2
	}
	for _, f := range known {
		if f.Target != path {
			continue
		}
		open, err := w.run.store.Intents(ctx, f.ID)
		if err != nil {
			return err
		}
		doubts, err := w.run.store.Doubts(ctx, f.ID)
		if err != nil || len(open)+len(doubts) > 0 {
			return err
		}
	}
	st, err := dst.Status(ctx, name)
	if err != nil && !refused(err) {
		return fmt.Errorf("status of %q: %w", name, err)
	}
	if err != nil || st.Messages > 0 {
		return nil
	}
	no := dst.Delete(ctx, name)
	if no != nil && !refused(no) {
		return fmt.Errorf("delete folder %q: %w", path, no)
	}
	now, err := w.targetFolders(ctx, dst)
	if err != nil {
		return err
	}
	if now[path] {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: path, Reason: reasonOf(no),
			Text: "the folder is gone from the source and empty on the target, which would not delete it"})
		return nil
	}
	delete(have, path)
	if err := w.run.store.Unmade(ctx, w.row.ID, path); err != nil {
		return err
	}
	w.run.event(Event{Kind: EventRemoved, Account: w.plan.Address, Folder: path, Text: "gone from the source; removed from the target, where it was empty"})
	return nil
}
