package main

import (
	"fmt"
	"io"
	"strings"

	"bmsync/migrate"
)

// checkText writes what a check has found, for a person.
type checkText struct {
	migrate.CheckResult
	bmsync string // how the next command begins
}

// severityWords begin a finding's line. What blocks or asks is meant to be
// seen.
var severityWords = map[migrate.Severity]string{migrate.Ok: "ok", migrate.Warning: "warn", migrate.Blocker: "BLOCK", migrate.Skipped: "skip",
	migrate.Unanswered: "ASK", migrate.Later: "later"}

// shownAccounts bounds the accounts that a finding names on a terminal.
const shownAccounts = 20

// phaseTitles head the findings of a phase.
var phaseTitles = map[migrate.Phase]string{migrate.PhaseRehearsal: "From the rehearsal on:",
	migrate.PhaseBefore: "Before the DNS change, on the server that people will use:", migrate.PhaseAfterDNS: "After the DNS change:"}

// write groups findings by the phase from which on they count. What doesn't
// concern the target is in --json and on the guide's page only.
func (t checkText) write(w io.Writer) error {
	for _, phase := range migrate.Phases() {
		var later []string
		title := phaseTitles[phase] + "\n"
		for _, f := range t.Findings {
			switch {
			case f.Phase != phase || f.Severity == migrate.Moot:
			case f.Severity == migrate.Later && f.Mend == "":
				later = append(later, f.Name)
			default:
				fmt.Fprint(w, title)
				title = ""
				t.finding(w, f)
			}
		}
		if len(later) > 0 {
			fmt.Fprintf(w, "%slater    %s\n", title, strings.Join(later, ", "))
		}
	}
	return t.summary(w)
}

func (t checkText) finding(w io.Writer, f migrate.Finding) {
	rule := ""
	if f.Rule > 0 {
		rule = fmt.Sprint(f.Rule)
	}
	fmt.Fprintf(w, "%-5s %2s %-17s %s%s\n", severityWords[f.Severity], rule, f.Name, f.Text, concerned(f))
	shown := f.Accounts[:min(len(f.Accounts), shownAccounts)]
	for i, address := range shown {
		line := address
		if i < len(f.Notes) && f.Notes[i] != "" {
			line += ": " + f.Notes[i]
		}
		fmt.Fprintf(w, "          %s\n", line)
	}
	if more := len(f.Accounts) - len(shown); more > 0 {
		fmt.Fprintf(w, "          … and %d more; --json has them all\n", more)
	}
	if f.Severity == migrate.Unanswered {
		if f.ID == "disk" && t.Sizing != nil {
			t.sizing(w)
		}
		return // one command for all of them follows
	}
	if f.Mend != "" {
		fmt.Fprintf(w, "        → %s\n", f.Mend)
	}
	if f.Command != "" && f.Command != f.Mend {
		fmt.Fprintf(w, "          %s\n", f.Command)
	}
}

// sizing writes what the disks are estimated to need.
func (t checkText) sizing(w io.Writer) {
	for _, d := range t.Sizing.Disks {
		size := migrate.AboutSize(d.High)
		if d.Low != d.High {
			size = migrate.AboutSize(d.Low) + " – " + size
		}
		if d.Free {
			size += " free"
		}
		fmt.Fprintf(w, "          %-28s %-9s %s\n", d.Where, d.Share, size)
	}
	if t.Sizing.Elasticsearch > 0 {
		fmt.Fprintf(w, "          %-28s %-9s %s during an upgrade from 3.5\n", "memory of Elasticsearch", "", migrate.AboutSize(t.Sizing.Elasticsearch))
	}
}

func (t checkText) summary(w io.Writer) error {
	version, open := "", ""
	if t.Version != "" {
		version = ", BlueMind " + t.Version
	}
	if t.Unanswered > 0 {
		open = ", " + many(t.Unanswered, "open question")
	}
	_, err := fmt.Fprintf(w, "target %s%s, %s: %s, %s%s\n", t.Target, version, many(t.Accounts, "account"), many(t.Blockers, "blocker"), many(t.Warnings, "warning"), open)
	if t.Blockers > 0 {
		_, err = fmt.Fprintf(w, "Mend what blocks, then: %s check --target %s\n", t.bmsync, t.Target)
	}
	if t.Unanswered > 0 {
		_, err = fmt.Fprintf(w, "Somebody has to see to what asks; %s check --target %s --guide says how. Then:\n  %s\n", t.bmsync, t.Target, strings.Replace(t.Confirm(), "bmsync", t.bmsync, 1))
	}
	if t.Blockers+t.Unanswered == 0 && !t.Probed {
		_, err = fmt.Fprintf(w, "Nobody was logged in on the target; --probe does so, with keys of its own\n")
	}
	return err
}

// concerned counts the accounts that a finding holds for; of autodiscover, the
// names in the DNS.
func concerned(f migrate.Finding) string {
	word := "account"
	if f.ID == "autodiscover" {
		word = "name"
	}
	if f.Count == 0 {
		return ""
	}
	return " (" + many(f.Count, word) + ")"
}
