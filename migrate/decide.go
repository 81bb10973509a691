package migrate

import (
	"cmp"
	"strings"

	"bmsync/state"
)

// decideFolders joins what the plan decided with what the source lists now
// and with where earlier runs put things. It is a pure function.
//
// Folders that appeared since the plan get the policy, as do those of which
// the plan says what is no longer so (that they hold no messages, or are a
// view): they are decided late. A late folder that was filled stays where it
// is, and no new one takes its place, compared without regard to case.
func decideFolders(mapped []Mapped, a *PlanAccount, known []state.Folder) []folderJob {
	h := homeOf(shareName(a.Kind, a.Address))
	listed := listedNames(mapped)
	planned := make(map[string]PlanFolder, len(a.Folders))
	filled := map[string]string{} // source → target
	taken := map[string]string{}  // folded target → source
	kept := map[string]string{}   // of them, by folders that the source calls otherwise now
	for _, f := range known {
		if f.Rule == "" && f.DstMaxUID > 0 {
			if whole(f.Part) {
				filled[f.Source] = f.Target
			}
			taken[foldName(f.Target)] = f.Source
			if f.Was != "" {
				kept[foldName(f.Target)] = f.Source
			}
		}
	}
	for _, f := range a.Folders {
		if whole(f.Part) {
			planned[f.Source] = f
		}
		if f.Rule == "" && (listed[f.Source] || !renamedAway(f, known)) {
			taken[foldName(f.Target)] = cmp.Or(kept[foldName(f.Target)], f.Source)
		}
	}
	jobs := make([]folderJob, 0, len(mapped))
	for _, m := range mapped {
		job := folderJob{Mapped: m}
		f, ok := planned[m.Source]
		if other := kept[foldName(f.Target)]; ok && f.Rule == "" && other != "" && other != m.Source {
			ok = false // another folder, made under the old name of one that goes there
		}
		if ok && bySource(f.Rule) == bySource(m.Rule) {
			job.Target, job.Role, job.Rule, job.Reason = f.Target, f.Role, f.Rule, f.Reason
			jobs = append(jobs, job)
			continue
		}
		job.late = true
		if to, ok := filled[m.Source]; m.Chosen && job.Rule == "" { // others may go there too
			job.Target = m.Target
			if ok {
				job.Target = to
			}
		} else if job.Rule == "" {
			job.Target = h.path(h.unique(h.below(cmp.Or(filled[m.Source], m.Target)), func(s string) bool {
				other, ok := taken[foldName(h.path(s))]
				return ok && other != m.Source
			}))
			taken[foldName(job.Target)] = m.Source
		}
		jobs = append(jobs, job)
	}
	return jobs
}

// whole says of a folder's part that it goes to the folder's own target.
func whole(part string) bool { return part == "" || part == partUndated }

// bySource gives the rule where it tells of what the source shows, not of what
// somebody decided.
func bySource(rule string) string {
	switch rule {
	case RuleNoSelect, RuleVirtual, RuleNamespace:
		return rule
	}
	return ""
}

func listedNames(mapped []Mapped) map[string]bool {
	listed := make(map[string]bool, len(mapped))
	for _, m := range mapped {
		listed[m.Source] = true
	}
	return listed
}

// absentFolders are the folders that held mail when the plan was made, were to
// be copied, and are not listed any more; one that is known by another name now
// is none of them. halt says that they are too many for somebody's tidying up:
// INBOX, which can't be renamed away, or most of them without as many new ones.
func absentFolders(mapped []Mapped, plan []PlanFolder, known []state.Folder) (absent []PlanFolder, halt bool) {
	listed := listedNames(mapped)
	planned := make(map[string]bool, len(plan))
	held := 0
	for _, f := range plan {
		planned[f.Source] = true
		if f.Rule != "" || f.Survey.Messages == 0 {
			continue
		}
		held++
		if !listed[f.Source] && !renamedAway(f, known) {
			absent = append(absent, f)
			halt = halt || strings.EqualFold(f.Source, "INBOX")
		}
	}
	fresh := 0
	for _, m := range mapped {
		if !planned[m.Source] {
			fresh++
		}
	}
	return absent, halt || len(absent) > 1 && 2*len(absent) > held && len(absent) > fresh
}

func tooFewFolders(absent []PlanFolder) error {
	return blocked("see whether the source is whole; if it is, bmsync plan takes it as it is now",
		"%d folders that held mail when the plan was made are not listed any more, %q among them", len(absent), absent[0].Source)
}
