package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// actionWords tell what became of objects, or would.
var actionWords = [...]struct {
	action     objects.Action
	did, would string
}{
	{objects.Created, "created", "would be created"},
	{objects.Changed, "changed", "would be changed"},
	{objects.Withdrawn, "withdrawn", "would be withdrawn"},
	{objects.Kept, "kept", "would be kept"},
	{objects.AsWanted, "as wanted", "as wanted"},
	{objects.Conflict, "in conflict", "in conflict"},
}

// kindWords are the kinds in the order of their telling.
var kindWords = [...]struct {
	kind objects.Kind
	noun string
}{
	{objects.KindDomain, "domain"}, {objects.KindUser, "user"}, {objects.KindShare, "share"}, {objects.KindGroup, "group"},
	{objects.KindExternal, "external user"}, {objects.KindMember, "membership"}, {objects.KindRight, "right"}, {objects.KindSubscription, "subscription"},
}

// objectsText counts the objects, and names those that a person has to look at.
func objectsText(out *lines, r migrate.ObjectsResult, dry bool, told map[string]bool) {
	for _, k := range kindWords {
		var parts []string
		total := 0
		for _, w := range actionWords {
			n := r.Count(k.kind, w.action)
			if total += n; n == 0 {
				continue
			}
			if dry {
				parts = append(parts, fmt.Sprintf("%d %s", n, w.would))
			} else {
				parts = append(parts, fmt.Sprintf("%d %s", n, w.did))
			}
		}
		if total > 0 {
			out.say("  %s: %s", many(total, k.noun), strings.Join(parts, ", "))
		}
	}
	var notes [][2]string
	for _, o := range r.Notable {
		if (o.Action == objects.Conflict || o.Action == objects.Kept) && !told[o.Name] {
			notes = append(notes, [2]string{fmt.Sprintf("%s %s: %s: %s", o.Kind, o.Name, o.Action, o.Reason), o.Mend})
		} else if o.Action == objects.Changed {
			notes = append(notes, [2]string{fmt.Sprintf("%s %s: %s", o.Kind, o.Name, changesText(o.Changes, dry)), ""})
		}
	}
	for _, f := range r.Failed {
		if !told[f.Name] {
			notes = append(notes, [2]string{fmt.Sprintf("%s %s: not made sure of: %s", f.Kind, f.Name, f.Reason), f.Mend})
		}
	}
	for _, n := range r.NotSet {
		notes = append(notes, [2]string{fmt.Sprintf("right of %s on %s (%s): not set: %s", n.Grantee, n.Mailbox, n.From, n.Reason), n.Mend})
	}
	notesText(out, notes)
	if r.Mailed > 0 {
		verb := "sends"
		if dry {
			verb = "would send"
		}
		out.say("  BlueMind %s %s about new rights", verb, many(r.Mailed, "mail"))
	}
}

func changesText(changes []objects.Change, dry bool) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("%s from %q to %q", c.Field, c.From, c.To))
	}
	verb := "changed"
	if dry {
		verb = "would change"
	}
	return verb + " " + strings.Join(parts, ", ")
}

// shownNotes bounds what stands on a terminal.
const shownNotes = 20

func notesText(out *lines, notes [][2]string) {
	for i, n := range notes {
		if i == shownNotes {
			out.say("  … and %d more; --json has them all", len(notes)-i)
			return
		}
		out.say("  %s", n[0])
		if n[1] != "" {
			out.say("      → %s", n[1])
		}
	}
}

// madeText counts what runs made, as the state has it.
func madeText(w *lines, made []migrate.ObjectsMade) {
	var parts []string
	open := int64(0)
	for _, m := range made {
		if m.Made == 0 {
			continue
		}
		noun := string(m.Kind)
		for _, k := range kindWords {
			if k.kind == m.Kind {
				noun = k.noun
			}
		}
		parts = append(parts, many(m.Made, noun))
		open += m.Open
	}
	if len(parts) > 0 {
		w.say("made by bmsync: %s", strings.Join(parts, " · "))
	}
	if open > 0 {
		w.say("  of %d no run has seen the end; the next run looks whether they are there", open)
	}
}

// againstText names the objects that stand against the plan.
func againstText(w *lines, list []objects.Outcome, n int64) {
	if n == 0 {
		return
	}
	w.say("%d against the plan:", n)
	for _, o := range list {
		w.say("  %s %s: %s", o.Kind, o.Name, o.Reason)
		if o.Mend != "" {
			w.say("      → %s", o.Mend)
		}
	}
	if more := n - int64(len(list)); more > 0 {
		w.say("  … and %d more", more)
	}
}

// fixesFile is where the list for the directory's administrator goes.
func fixesFile(config, path string) string {
	if path != "" {
		return path
	}
	return filepath.Join(filepath.Dir(config), "ad-fixes.csv")
}

// writeFixes writes the list of what has to be mended in LDAP or AD. Without
// anything to mend it only empties a list that is there.
func (a *app) writeFixes(path string, fixes []objects.Fix) error {
	if _, err := os.Stat(path); len(fixes) == 0 && (path == "-" || errors.Is(err, os.ErrNotExist)) {
		return nil
	}
	err := a.writeFile(path, func(w io.Writer) error { return fixesCSV(w, fixes) })
	if err == nil && path != "-" && !a.json && len(fixes) > 0 {
		fmt.Fprintf(a.stderr, "%s for the administrator of LDAP or AD: %s\n", many(len(fixes), "line"), path)
	}
	return err
}

// fixesCSV writes what a French Excel opens as it should: a mark, semicolons,
// and no cell that it would calculate.
func fixesCSV(w io.Writer, fixes []objects.Fix) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = ';', true
	rows := [][]string{{"address", "login", "problem", "mend"}}
	for _, f := range fixes {
		rows = append(rows, []string{migrate.CSVCell(f.Address), migrate.CSVCell(f.Login), migrate.CSVCell(f.Problem), migrate.CSVCell(f.Mend)})
	}
	return out.WriteAll(rows)
}
