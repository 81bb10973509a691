package migrate

import (
	"cmp"
	"slices"
	"strings"

	"bmsync/imap"
	"bmsync/state"
)

// rename is a folder that earlier runs copied and that the source calls by
// another name now.
type rename struct {
	rows   []state.Folder // the folder's, or those of its parts
	to     Mapped
	target string // where a folder of this name belongs; "": nowhere, it is excluded
	shared bool   // other source folders belong there too
	stays  bool   // its target keeps its name
	why    string // it can't be renamed
}

// has says whether a row is one of the folder's.
func (r rename) has(f state.Folder) bool {
	return slices.ContainsFunc(r.rows, func(own state.Folder) bool { return own.ID == f.ID })
}

// from is the name that the source had for it.
func (r rename) from() string { return r.rows[0].Source }

// current is the target's folder that has its messages.
func (r rename) current() string { return r.rows[0].Target }

func (r rename) split() bool { return len(r.rows) > 1 || r.rows[0].Part != "" }

// listedAs finds the folder of a row in a listing of the source.
func listedAs(f state.Folder, mapped []Mapped) int {
	i := slices.IndexFunc(mapped, func(m Mapped) bool { return m.Source == f.Source })
	if i < 0 {
		i = slices.IndexFunc(mapped, func(m Mapped) bool { return m.Wire != "" && m.Wire == f.SourceWire })
	}
	return i
}

// displaced finds, by source folder, the rows whose folder is not under its name
// at the source any more, and the listed folders that none of the other rows
// belongs to.
func displaced(known []state.Folder, mapped []Mapped, numbers map[string]imap.Status) (groups [][]state.Folder, free []Mapped) {
	home := map[string]bool{}
	for _, f := range known {
		i := listedAs(f, mapped)
		if f.Rule != "" || f.SrcUIDValidity == 0 {
			continue // nothing of it was copied
		}
		if i >= 0 {
			now, told := numbers[mapped[i].Source]
			if !told || now.UIDValidity == f.SrcUIDValidity && (now.UIDNext == 0 || now.UIDNext >= f.SrcUIDNext) {
				home[mapped[i].Source] = true
				continue
			}
		}
		if n := len(groups); n > 0 && groups[n-1][0].Source == f.Source { // rows come by source
			groups[n-1] = append(groups[n-1], f)
			continue
		}
		groups = append(groups, []state.Folder{f})
	}
	for _, m := range mapped {
		if _, told := numbers[m.Source]; told && !home[m.Source] {
			free = append(free, m)
		}
	}
	return groups, free
}

// mayBe says whether a listed folder's numbers allow that it is the one of a
// row: UIDVALIDITY is its own, and UIDs only grow.
func mayBe(f state.Folder, now imap.Status) bool {
	return now.UIDValidity == f.SrcUIDValidity && (now.UIDNext == 0 || now.UIDNext >= f.SrcUIDNext)
}

// likeliest orders the folders that a row's may be: those where the rename of its
// parent would have taken it, those that kept the last part of their name, the
// others.
func likeliest(name string, candidates []Mapped, found []rename) []Mapped {
	rank := func(m Mapped) int {
		for _, r := range found {
			if below, ok := strings.CutPrefix(name, r.from()); ok && below != "" && m.Source == r.to.Source+below {
				return 0
			}
		}
		if leaf(m.Source) == leaf(name) {
			return 1
		}
		return 2
	}
	out := slices.Clone(candidates)
	slices.SortStableFunc(out, func(a, b Mapped) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// leaf is what follows the last delimiter that servers use.
func leaf(name string) string { return name[strings.LastIndexAny(name, "/.")+1:] }

// belong finds out where each renamed folder belongs, by plan and policy, now
// that it has its new name.
func belong(list []rename, mapped []Mapped, a *PlanAccount, known []state.Folder) {
	rows := slices.Clone(known)
	for _, r := range list {
		for i := range rows {
			if r.has(rows[i]) {
				rows[i].Was = cmp.Or(rows[i].Was, rows[i].Source)
				rows[i].Source, rows[i].Target, rows[i].DstMaxUID = r.to.Source, "", 0 // it holds no place
			}
		}
	}
	jobs := decideFolders(mapped, a, rows)
	for i := range list {
		r := &list[i]
		j := slices.IndexFunc(jobs, func(job folderJob) bool { return job.Source == r.to.Source })
		if j < 0 || jobs[j].Rule != "" {
			continue
		}
		r.target = jobs[j].Target
		r.shared = slices.ContainsFunc(jobs, func(job folderJob) bool { return job.Rule == "" && job.Target == r.target && job.Source != r.to.Source })
	}
}

// ground is what source and target show where folders are to be renamed.
type ground struct {
	follows bool // what the source does is followed; else targets keep their names
	mapped  []Mapped
	home    home
	have    map[string]bool // on the target
	made    map[string]bool // by runs
	known   []state.Folder
	five    bool // BlueMind 5
}

// settle says what becomes of each renamed folder: its target is renamed, or
// keeps its name and goes on being filled. Folders that it leaves out are
// followed message by message, as if all had been moved.
func (g ground) settle(list []rename) []rename {
	for i := range list {
		list[i].why = cmp.Or(list[i].why, g.against(list[i]))
	}
	for again := true; again; { // one that can't follow may hold up others
		again = false
		for i := range list {
			if list[i].why == "" && !g.clear(list[i], list) {
				list[i].why, again = "its new name is taken there, or it holds folders that don't move with it", true
			}
		}
	}
	var out []rename
	for _, r := range list {
		if r.stays = r.why != ""; !r.stays || g.stays(r) {
			out = append(out, r)
		}
	}
	return out
}

// against says why a folder's target can't be renamed, whatever else is; "" if
// nothing speaks against it.
func (g ground) against(r rename) string {
	below := func(target string) bool { return slices.Contains(g.home.defaults, g.home.below(target)) }
	switch {
	case !g.follows:
		return "what the source does is not followed any more"
	case r.target == "":
		return "the policy leaves its new name out"
	case r.target == r.current():
		return sameTarget
	case r.split():
		return "it is split by year"
	case g.shares(r):
		return "several folders of the source go there"
	case r.rows[0].DstUIDValidity == 0 || !g.have[r.current()]:
		return "it is not there"
	case below(r.current()) || below(r.target):
		return "BlueMind's own folders keep their names"
	case g.five && strings.Contains(r.current()+r.target, "&"):
		return "BlueMind 5 doesn't answer to such a name" // errata.md, imap 2
	}
	return ""
}

// sameTarget is why nothing is to be renamed on the target: policy or plan send
// both names there.
const sameTarget = "same target"

// shares says whether other source folders go to a folder's present or new target.
func (g ground) shares(r rename) bool {
	return r.shared || slices.ContainsFunc(g.known, func(f state.Folder) bool {
		return f.Rule == "" && f.DstMaxUID > 0 && f.Target == r.current() && !r.has(f)
	})
}

// clear says whether the new name is free, or will be, and whether all that lies
// in the folder is ours to take along.
func (g ground) clear(r rename, all []rename) bool {
	leaves := func(target string) bool {
		return slices.ContainsFunc(all, func(o rename) bool { return o.why == "" && o.current() == target && !r.has(o.rows[0]) })
	}
	if g.have[r.target] && !leaves(r.target) {
		return false
	}
	for path := range g.have {
		if !strings.HasPrefix(path, r.current()+"/") || leaves(path) {
			continue
		}
		if !g.made[path] || slices.ContainsFunc(g.known, func(f state.Folder) bool { return f.Target == path && f.Rule == "" }) {
			return false
		}
	}
	return true
}

// stays says of a folder whose target is not renamed that it goes on being
// filled under its old name. Else its messages are moved one by one, which can't
// be where the source has another folder of that name by now.
func (g ground) stays(r rename) bool {
	reused := slices.ContainsFunc(g.mapped, func(m Mapped) bool { return m.Source == r.from() })
	caseOnly := foldName(r.current()) == foldName(r.target)
	return !g.follows || r.target == "" || r.why == sameTarget || g.shares(r) || reused || caseOnly || !g.have[r.current()] && r.rows[0].DstMaxUID > 0
}

// step is one RENAME on the target.
type renameStep struct{ from, to string }

// nextStep finds the RENAME that can be done now, of all that folders still
// want: parents first, for they may take the others along; into a name that is
// free. Where each waits for another, one is put aside under a name that
// nobody has. It is false where nothing is left to do.
func nextStep(known []state.Folder, have map[string]bool, aside func(string) string) (renameStep, bool) {
	var todo []state.Folder
	for _, f := range known {
		if f.Wanted != "" && have[f.Target] {
			todo = append(todo, f)
		}
	}
	if len(todo) == 0 {
		return renameStep{}, false
	}
	slices.SortFunc(todo, func(a, b state.Folder) int {
		return cmp.Or(cmp.Compare(strings.Count(a.Target, "/"), strings.Count(b.Target, "/")), cmp.Compare(a.Target, b.Target))
	})
	for _, f := range todo {
		inItself := strings.HasPrefix(f.Wanted, f.Target+"/")
		awaited := slices.ContainsFunc(todo, func(o state.Folder) bool { return strings.HasPrefix(f.Wanted, o.Wanted+"/") })
		if !have[f.Wanted] && !inItself && !awaited {
			return renameStep{f.Target, f.Wanted}, true
		}
	}
	return renameStep{todo[0].Target, aside(todo[0].Target)}, true
}

// follows gives where folders are after a RENAME, by where they were: what
// the target doesn't list any more under its old name and does under the new.
func (s renameStep) moved(targets []string, have map[string]bool) map[string]string {
	out := map[string]string{}
	for _, target := range targets {
		below, ok := strings.CutPrefix(target, s.from)
		if to := s.to + below; ok && (below == "" || below[0] == '/') && !have[target] && have[to] {
			out[target] = to
		}
	}
	return out
}

// renamedAway says that a folder which the plan names goes by another name by
// now, and that its row has followed.
func renamedAway(f PlanFolder, known []state.Folder) bool {
	return slices.ContainsFunc(known, func(k state.Folder) bool {
		return k.Source != f.Source && k.Was != "" && (k.Was == f.Source || f.Survey.UIDValidity != 0 && k.SrcUIDValidity == f.Survey.UIDValidity && k.SrcUIDNext >= f.Survey.UIDNext)
	})
}
