package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/imap"
	"bmsync/state"
)

// list lists the source's folders and says of each where it goes. Where the
// account was gone through before, it keeps what the source says of all of them:
// told with the list where the server announces LIST-STATUS (RFC 5819), else asked
// for in one more round trip. A login that sees many folders of others is spared
// to have all of those counted.
func (w *accountWork) list(ctx context.Context, src *imap.Source) ([]Mapped, error) {
	w.numbers, w.have, w.shown = nil, nil, nil
	p := w.run.opts.Plan.Header.PolicyOf(w.plan)
	known, err := w.run.store.Folders(ctx, w.row.ID)
	if err != nil {
		return nil, err
	}
	w.fresh = len(known) == 0
	if !slices.ContainsFunc(known, func(f state.Folder) bool { return f.SrcUIDValidity != 0 }) {
		return sourceFolders(ctx, src, w.plan, p)
	}
	list := src.List
	if foreign := w.foreign(); 2*foreign <= len(w.plan.Folders) {
		list = func(ctx context.Context) (boxes []imap.Mailbox, err error) {
			boxes, w.numbers, err = src.ListStatus(ctx)
			return boxes, err
		}
	}
	mapped, err := mapSource(ctx, src, list, w.plan, p)
	if err != nil || w.numbers != nil {
		return mapped, err
	}
	w.numbers, err = numbersOf(ctx, src, mapped)
	return mapped, err
}

// numbersOf asks the source for the numbers of its folders.
func numbersOf(ctx context.Context, src *imap.Source, mapped []Mapped) (map[string]imap.Status, error) {
	var names []string
	for _, m := range mapped {
		if bySource(m.Rule) == "" {
			names = append(names, m.Source)
		}
	}
	numbers, err := src.Statuses(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("status of the source's folders: %w", err)
	}
	return numbers, nil
}

// foreign counts the folders of others that the plan has for the login.
func (w *accountWork) foreign() (n int) {
	for _, f := range w.plan.Folders {
		if f.Rule == RuleNamespace {
			n++
		}
	}
	return n
}

// passOver finds the folders in which neither side has anything new, by what the
// source says of all of them and a look at the target, and notes that they were
// looked at. They need not be gone through.
//
// Some servers answer STATUS out of a cache. So one of these folders is opened as
// well, INBOX if it is among them: if that shows other numbers, none is passed over
// in this attempt. Nor is any in a final run, whose word is the last.
func (w *accountWork) passOver(ctx context.Context, src *imap.Source, dst *imap.Target, jobs []folderJob) error {
	w.resting = map[string]bool{}
	if w.run.opts.Final {
		return nil
	}
	var at []int
	var folders []imap.Resting
	for i, job := range jobs {
		if st, ok := w.numbers[job.Source]; ok && job.Rule == "" && job.row.SrcUIDValidity == st.UIDValidity && job.row.Fault == "" {
			at = append(at, i)
			folders = append(folders, imap.Resting{State: engineState(job.row), Books: w.books(job.row), Options: w.copyOptions(&jobs[i]), Source: st})
		}
	}
	rest, err := imap.AtRest(ctx, dst, folders)
	if err != nil {
		return err
	}
	var rows []state.Folder
	if told, err := w.toldTruly(ctx, src, jobs, at, rest); err != nil || !told {
		return err
	}
	for k, i := range at {
		job := &jobs[i]
		if !rest[k] {
			continue
		}
		sums, err := w.run.store.Sums(ctx, job.row.ID, job.row.SrcUIDValidity)
		if err != nil {
			return err
		}
		if sums[state.Pending].Messages > 0 {
			continue
		}
		job.row.ListedAt = w.run.opts.Now()
		rows = append(rows, job.row)
		w.resting[folderKey(job.Source, job.Part)] = true
		w.run.event(Event{Kind: EventFolder, Account: w.plan.Address, Folder: job.Source, Text: job.Target})
	}
	return w.run.store.UpdateFolders(ctx, rows)
}

// toldTruly opens one of the folders at rest.
func (w *accountWork) toldTruly(ctx context.Context, src *imap.Source, jobs []folderJob, at []int, rest []bool) (bool, error) {
	name := ""
	for k, i := range at {
		if rest[k] && (name == "" || strings.EqualFold(jobs[i].Source, "INBOX")) {
			name = jobs[i].Source
		}
	}
	if name == "" {
		return false, nil
	}
	st, err := src.Examine(ctx, name)
	if err != nil && !refused(err) {
		return false, fmt.Errorf("examine %q: %w", name, err)
	}
	return err == nil && sameNumbers(st, w.numbers[name]), nil
}

func sameNumbers(a, b imap.Status) bool {
	return a.UIDValidity == b.UIDValidity && a.UIDNext == b.UIDNext && a.Messages == b.Messages && a.HighestModSeq == b.HighestModSeq
}
