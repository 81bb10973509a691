package migrate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bmsync/imap"
	"bmsync/state"
)

// A folder that is split by year is, for plan, ledger and proof, several source
// folders of one name: a part for each year, and one for the messages without a
// usable date of arrival. Each message belongs to exactly one part, each part
// has a target, a row in the state and sums of its own, and is gone through as a
// folder is, with the others' messages left out.

// partUndated is the part that goes to the split folder's own target: messages
// whose date of arrival can't be read, or can't be true. The other parts are
// years.
const partUndated = "undated"

// Years that a date of arrival may have to be believed.
const (
	firstYear = 1970
	lastYear  = 2100
)

// splitReason is why the messages of a part go where they go.
const (
	splitReason   = "split by year of arrival"
	undatedReason = "split by year of arrival; what has no usable date stays here"
)

// yearOf is the part that a date of arrival belongs to, by the year in the zone
// that the source gives.
func yearOf(date time.Time) string {
	if y := date.Year(); !date.IsZero() && y >= firstYear && y <= lastYear {
		return strconv.Itoa(y)
	}
	return partUndated
}

// turn is how near to New Year another zone makes another year of a date.
const turn = 26 * time.Hour

// nearTurn says whether a source that changes the zone of its dates may move a
// message to another year.
func nearTurn(date time.Time) bool {
	return date.Add(-turn).Year() != date.Year() || date.Add(turn).Year() != date.Year()
}

// splitFolder is a split source folder as it is gone through.
type splitFolder struct {
	source string
	store  *state.Store // nil: nothing is known yet

	validity uint32
	parts    map[string]int64 // by name → id of its row in the state; 0: none yet
	strays   map[uint32]bool  // messages of years without a part, which came up meanwhile
}

// part finds where a message belongs. One near the turn of a year stays where it
// was put first, for sources may show dates in another zone in summer, or after a
// move. "" is a year that has no part.
func (s *splitFolder) part(ctx context.Context, m imap.Message) (string, error) {
	year := yearOf(m.InternalDate)
	if s.store != nil && nearTurn(m.InternalDate) {
		for _, date := range []time.Time{m.InternalDate, m.InternalDate.Add(-turn), m.InternalDate.Add(turn)} {
			id := s.parts[yearOf(date)]
			if id == 0 {
				continue
			}
			for _, err := range s.store.MessagesBetween(ctx, id, s.validity, m.UID, m.UID) {
				return yearOf(date), err
			}
		}
	}
	if _, ok := s.parts[year]; !ok {
		return "", nil
	}
	return year, nil
}

// only is the filter for one part.
func (s *splitFolder) only(part string) func(context.Context, imap.Message) (bool, error) {
	return func(ctx context.Context, m imap.Message) (bool, error) {
		own, err := s.part(ctx, m)
		if own == "" && err == nil {
			s.strays[m.UID] = true
		}
		return own == part, err
	}
}

// years opens a split folder and lists what came in since all its parts were
// gone through, for the years that are new.
func (s *splitFolder) years(ctx context.Context, src *imap.Source, known []state.Folder) (found []string, err error) {
	st, err := src.Examine(ctx, s.source)
	if err != nil {
		return nil, fmt.Errorf("examine %q: %w", s.source, err)
	}
	s.validity = st.UIDValidity
	from := uint32(0)
	for _, f := range known {
		if f.Source != s.source || f.Part == "" {
			continue
		}
		if f.SrcUIDValidity != st.UIDValidity || f.SrcUIDNext == 0 {
			from = 0
			break
		}
		if from == 0 || f.SrcUIDNext < from {
			from = f.SrcUIDNext
		}
	}
	if st.Messages == 0 {
		return nil, nil
	}
	seen := map[string]bool{}
	err = src.Messages(ctx, max(from, 1), 0, func(m imap.Message) error {
		seen[yearOf(m.InternalDate)] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", s.source, err)
	}
	for year := range seen {
		found = append(found, year)
	}
	return found, nil
}

// folderKey tells the source folders of an account apart, and the parts of one
// that is split.
func folderKey(source, part string) string { return source + "\x00" + part }

// splitJobs puts a job for each part in the place of the folders that are split.
// seen has, by source folder, what the source was found to hold; parts that plan
// and state know stay, and new ones are late.
func splitJobs(jobs []folderJob, a *PlanAccount, known []state.Folder, seen map[string][]string) []folderJob {
	h := homeOf(shareName(a.Kind, a.Address))
	planned, filled, taken := map[string]string{}, map[string]string{}, map[string]string{}
	for _, job := range jobs {
		if job.Rule == "" {
			taken[foldName(job.Target)] = folderKey(job.Source, "")
		}
	}
	for _, f := range a.Folders {
		if f.Part != "" && f.Rule == "" {
			planned[folderKey(f.Source, f.Part)] = f.Target
			taken[foldName(f.Target)] = folderKey(f.Source, f.Part)
		}
	}
	for _, f := range known {
		if f.Part != "" && f.Rule == "" && f.DstMaxUID > 0 {
			filled[folderKey(f.Source, f.Part)] = f.Target
			taken[foldName(f.Target)] = folderKey(f.Source, f.Part)
		}
	}
	var out []folderJob
	for _, job := range jobs {
		if !job.Split || job.Rule != "" {
			out = append(out, job)
			continue
		}
		names := seen[job.Source]
		for _, f := range a.Folders {
			if f.Source == job.Source && f.Part != "" {
				names = append(names, f.Part)
			}
		}
		for _, f := range known {
			if f.Source == job.Source && f.Part != "" {
				names = append(names, f.Part)
			}
		}
		base := job
		base.Part, base.Reason = partUndated, undatedReason
		out = append(out, base)
		for _, part := range partsOf(names) {
			key := folderKey(job.Source, part)
			year, ok := job, false
			year.Part, year.Reason = part, splitReason
			if year.Target, ok = planned[key]; !ok {
				year.late = true
				if year.Target, ok = filled[key]; !ok {
					year.Target = yearTarget(h, job.Target, part, func(target string) bool { other, ok := taken[foldName(target)]; return ok && other != key })
					taken[foldName(year.Target)] = key
				}
			}
			out = append(out, year)
		}
	}
	return out
}

// partsOf are years in order, each once.
func partsOf(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(p string) bool { return p == partUndated || p == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// yearTarget is the folder of a year below a split folder's target.
func yearTarget(h home, target, year string, taken func(string) bool) string {
	return h.path(h.unique(h.below(target+"/"+year), func(below string) bool { return taken(h.path(below)) }))
}

// splitUp finds the parts of the folders that are split, and puts them in their
// place.
func splitUp(ctx context.Context, src *imap.Source, store *state.Store, jobs []folderJob, a *PlanAccount, known []state.Folder) ([]folderJob, error) {
	seen, split := map[string][]string{}, map[string]*splitFolder{}
	for i := range jobs { // one that the source renamed stays in parts
		jobs[i].Split = jobs[i].Split || slices.ContainsFunc(known, func(f state.Folder) bool { return f.Source == jobs[i].Source && f.Part != "" && f.Was != "" })
	}
	for _, job := range jobs {
		if !job.Split || job.Rule != "" {
			continue
		}
		s := &splitFolder{source: job.Source, store: store, parts: map[string]int64{}, strays: map[uint32]bool{}}
		years, err := s.years(ctx, src, known)
		if err != nil {
			return nil, err
		}
		seen[job.Source], split[job.Source] = years, s
	}
	jobs = splitJobs(jobs, a, known, seen)
	for i := range jobs {
		job := &jobs[i]
		if job.Part == "" {
			continue
		}
		job.split = split[job.Source]
		job.split.parts[job.Part] = 0
		if k := slices.IndexFunc(known, func(f state.Folder) bool { return f.Source == job.Source && f.Part == job.Part }); k >= 0 {
			job.split.parts[job.Part] = known[k].ID
		}
	}
	return jobs, nil
}

// otherwise says why a folder that was filled whole can't be split now, or one
// that was filled in parts be filled whole; nil if nothing stands against it.
// Rows of the other kind that have filled nothing are forgotten, but in a dry run.
func (w *accountWork) otherwise(ctx context.Context, job *folderJob, known []state.Folder) error {
	for _, f := range known {
		if f.Source != job.Source || job.Rule != "" || (f.Part == "") == (job.Part == "") {
			continue
		}
		dropped := f.DstMaxUID == 0
		if !w.run.provision.maker.Dry {
			var err error
			if dropped, err = w.run.store.DropFolder(ctx, f.ID); err != nil {
				return err
			}
		}
		if !dropped {
			was, is := "whole", "split by year"
			if f.Part != "" {
				was, is = is, was
			}
			return blocked("restore split_by_year as it was, or start the account anew: bmsync reset "+w.plan.Address,
				"folder %q was copied %s before, and is to be %s now", job.Source, was, is)
		}
	}
	return nil
}
