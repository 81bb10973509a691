package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bmsync/imap"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// folderJob is one folder of an account, decided.
type folderJob struct {
	Mapped
	row   state.Folder
	late  bool         // not in the plan
	split *splitFolder // of which it is a part; nil: it is whole
}

// decide says of each of the source's folders where it goes. Folders of the plan
// that are gone from the source are told, and left out.
func (w *accountWork) decide(ctx context.Context, src *imap.Source, mapped []Mapped) ([]folderJob, error) {
	known, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return nil, err
	}
	absent, halt := absentFolders(mapped, w.plan.Folders, known)
	if halt {
		return nil, tooFewFolders(absent)
	}
	for _, f := range absent {
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Folder: f.Source,
			Text: fmt.Sprintf("the source doesn't list the folder any more; it held %d messages when the plan was made", f.Survey.Messages)})
	}
	jobs, err := splitUp(ctx, src, w.run.store, decideFolders(mapped, w.plan, known), w.plan, known)
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		if err := w.otherwise(ctx, &jobs[i], known); err != nil {
			return nil, err
		}
		if err := w.keepFolder(ctx, &jobs[i], known); err != nil {
			return nil, err
		}
	}
	if w.run.provision.maker.Dry {
		return jobs, nil
	}
	return jobs, w.makeRows(ctx, jobs)
}

// makeRows makes the rows of folders that have none yet, all together.
func (w *accountWork) makeRows(ctx context.Context, jobs []folderJob) error {
	var fresh []*folderJob
	var rows []state.Folder
	for i := range jobs {
		job := &jobs[i]
		if job.row.ID != 0 {
			continue
		}
		fresh = append(fresh, job)
		rows = append(rows, state.Folder{Account: w.row.ID, Source: job.Source, SourceWire: cmp.Or(job.Wire, imap.EncodeUTF7(job.Source)), Part: job.Part, Target: job.Target,
			Rule: job.Rule, Reason: job.Reason, Role: string(job.Role), Late: job.late})
	}
	if len(rows) == 0 {
		return nil
	}
	rows, err := w.run.store.EnsureFolders(ctx, rows)
	if err != nil {
		return err
	}
	for i, job := range fresh {
		if job.row = rows[i]; job.split != nil {
			job.split.parts[job.Part] = rows[i].ID
		}
	}
	return nil
}

// keepFolder finds a folder's row. A folder that was filled under one decision is
// not filled under another. A dry run writes no row.
func (w *accountWork) keepFolder(ctx context.Context, job *folderJob, known []state.Folder) error {
	i := slices.IndexFunc(known, func(f state.Folder) bool { return f.Source == job.Source && f.Part == job.Part })
	if i < 0 && job.Wire != "" { // beside new folders a malformed name may be read otherwise
		i = slices.IndexFunc(known, func(f state.Folder) bool { return f.SourceWire == job.Wire && f.Part == job.Part })
	}
	if i < 0 {
		return nil
	}
	row := known[i]
	if row.Was != "" && row.DstMaxUID > 0 && row.Target != "" && job.Rule == "" {
		job.Target = row.Target // the source renamed it, and its target kept its name
	}
	if row.DstMaxUID > 0 && row.Target != job.Target && job.Rule == "" {
		return blocked("restore the earlier mapping, or start the account anew: bmsync reset "+w.plan.Address,
			"folder %q was copied to %q before, and the plan says %q now", job.Source, row.Target, job.Target)
	}
	if row.Source != job.Source || row.Target != job.Target || row.Rule != job.Rule || row.Reason != job.Reason || row.Late != job.late {
		row.Source, row.Target, row.Rule, row.Reason, row.Role, row.Late = job.Source, job.Target, job.Rule, job.Reason, string(job.Role), job.late
		if !w.run.provision.maker.Dry {
			if err := w.run.store.UpdateFolder(ctx, row); err != nil {
				return err
			}
		}
	}
	job.row = row
	return nil
}

// makeFolders creates what lacks on the target, each parent before its
// children, on this one connection, and makes sure by LIST that every folder
// is there under the very name that was asked for: BlueMind answers "exists"
// to nearly any refusal, and Cyrus makes some names under others.
func (w *accountWork) makeFolders(ctx context.Context, dst *imap.Target, jobs []folderJob) error {
	have := w.have
	if w.have = nil; have == nil {
		var err error
		if have, err = w.targetFolders(ctx, dst); err != nil {
			return err
		}
	}
	var made []string
	for _, job := range jobs {
		if job.Rule != "" {
			continue
		}
		if !have[job.Target] && job.row.DstMaxUID > 0 {
			return &imap.WentBackError{Side: "target", Mailbox: w.box.imap(job.Target), What: "it was filled by an earlier run and is not there any more"}
		}
		made = append(made, lackingLevels(job.Target, have)...)
	}
	if err := w.createAll(ctx, dst, made); err != nil {
		return err
	}
	if err := w.subscribe(ctx, dst, jobs, made); err != nil {
		return err
	}
	return w.showNew(ctx, dst, jobs)
}

// createAll makes folders, parents first, until the target lists them all.
func (w *accountWork) createAll(ctx context.Context, dst *imap.Target, paths []string) error {
	for lacking := paths; len(lacking) > 0; {
		if err := w.create(ctx, dst, lacking); err != nil {
			return err
		}
		have, err := w.targetFolders(ctx, dst)
		if err != nil {
			return err
		}
		lacking = slices.DeleteFunc(slices.Clone(lacking), func(path string) bool { return have[path] })
		if len(lacking) == 0 {
			return nil
		}
		done, err := w.detour(ctx, dst, lacking[0], have)
		if err != nil {
			return err
		}
		if !done {
			return blocked("map the folder to another name under policy.folders.map, and plan again", "the target would not create folder %q", lacking[0])
		}
		lacking = lacking[1:]
	}
	return nil
}

// lackingLevels are the levels of a path, itself the last, that a target has not;
// they count as there from now on.
func lackingLevels(path string, have map[string]bool) (lacking []string) {
	for at := range len(path) + 1 {
		if at < len(path) && path[at] != '/' || have[path[:at]] {
			continue
		}
		have[path[:at]] = true // or it shows afterwards that it isn't
		lacking = append(lacking, path[:at])
	}
	return lacking
}

// create makes folders, parents first. It is noted before, so that what runs
// made can be told from what others did.
func (w *accountWork) create(ctx context.Context, dst *imap.Target, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	if err := w.run.store.NoteMade(ctx, w.row.ID, w.run.id, paths); err != nil {
		return err
	}
	levels := map[int][]string{} // by depth: a parent is there before its children are asked for
	for _, path := range paths {
		depth := strings.Count(path, "/")
		levels[depth] = append(levels[depth], w.box.imap(path))
	}
	for _, depth := range slices.Sorted(maps.Keys(levels)) {
		if err := dst.CreateAll(ctx, levels[depth]); err != nil {
			return fmt.Errorf("create folders: %w", err)
		}
	}
	return nil
}

// subscribe makes folders show on BlueMind 4 in clients that ask with LSUB: those
// that were just made and, since a run may have been cut right after it made
// them, all that were not gone through yet. Later runs leave to the user what he
// unsubscribes from. Whether he was subscribed at the source doesn't count: a
// folder that is hidden after a migration is one that seems lost. BlueMind 5
// stores no subscriptions, and the users of a share have their own.
func (w *accountWork) subscribe(ctx context.Context, dst *imap.Target, jobs []folderJob, made []string) error {
	if w.run.platform.version.Major != 4 || w.box.share() {
		return nil
	}
	paths := slices.Clone(made)
	for _, job := range jobs {
		if job.Rule != "" || !job.row.ListedAt.IsZero() {
			continue
		}
		for at := range len(job.Target) + 1 {
			if at == len(job.Target) || job.Target[at] == '/' {
				paths = append(paths, job.Target[:at])
			}
		}
	}
	slices.Sort(paths)
	if err := dst.SubscribeAll(ctx, slices.Compact(paths)); err != nil {
		return fmt.Errorf("subscribe to folders: %w", err)
	}
	return nil
}

func refused(err error) bool {
	e, ok := errors.AsType[*imap.Error](err)
	return ok && (e.Kind == imap.KindNo || e.Kind == imap.KindBad)
}

// targetFolders lists the account's own selectable folders, by the names of
// plan and state.
func (w *accountWork) targetFolders(ctx context.Context, dst *imap.Target) (map[string]bool, error) {
	return w.box.folders(ctx, w.run.platform, w.entry, dst)
}

// welcome is how many messages in INBOX alone are taken for what BlueMind or
// an administrator sends to every new user.
const welcome = 3

// firstContact looks, before anything is written, whether the mailbox is
// blank. Mail that is there is adopted by content where the policy allows it;
// otherwise a person decides.
func (w *accountWork) firstContact(ctx context.Context, dst *imap.Target) error {
	if w.row.Adopt || w.touched {
		return nil
	}
	var err error
	if w.touched, err = w.filledBefore(ctx); err != nil || w.touched {
		return err
	}
	have, err := w.targetFolders(ctx, dst)
	if err != nil {
		return err
	}
	if w.fresh {
		w.have, w.shown = have, map[string]imap.Status{}
	}
	total, inbox := uint32(0), uint32(0)
	var names []string
	for name := range have {
		names = append(names, w.box.imap(name))
	}
	numbers, err := dst.Statuses(ctx, names)
	if err != nil {
		return fmt.Errorf("status of the target's folders: %w", err)
	}
	for name := range have {
		st, ok := numbers[w.box.imap(name)]
		if !ok { // alone it says why
			if st, err = dst.Status(ctx, w.box.imap(name)); err != nil {
				return fmt.Errorf("status of %q: %w", name, err)
			}
		}
		if w.fresh {
			w.shown[name] = st
		}
		total += st.Messages
		if name == w.box.inbox() {
			inbox = st.Messages
		}
	}
	expected := welcome
	if total == inbox && total > welcome {
		told, err := w.run.told(ctx, w.entry)
		if err != nil {
			return err
		}
		expected += told
	}
	switch {
	case total == 0:
		return nil
	case w.run.opts.Plan.Header.Policy.IntoNonEmpty || w.adopting:
		w.row.Adopt = true // kept, so that a run that is cut goes on so
		return w.run.store.UpdateAccount(ctx, w.row)
	case total == inbox && int(total) <= expected:
		w.run.event(Event{Kind: EventWarning, Account: w.plan.Address, Text: fmt.Sprintf("%s of the target holds %d messages already; taken for welcome mail", w.box.inbox(), total)})
		return nil
	}
	return blocked("migrate into an empty mailbox, or set policy.into_non_empty: true and plan again: what is there is then recognised by content",
		"the target mailbox holds %d messages already", total)
}

// told is how many rights runs gave to a user: BlueMind 5 sends him a mail
// about each, such as to the writer of shared mailboxes.
func (r *runner) told(ctx context.Context, e *entry) (n int, err error) {
	if e.Share {
		return 0, nil
	}
	for o, err := range r.store.Objects(ctx, string(objects.KindRight)) {
		if err != nil {
			return n, err
		}
		if o.DomainUID == e.Domain.UID && madeOf(o).Subject() == e.UID {
			n++
		}
	}
	return n, nil
}
