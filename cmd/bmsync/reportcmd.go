package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

func newReportCmd(a *app) *cobra.Command {
	var target, format, file string
	var only []string
	cmd := &cobra.Command{
		Use: "report", Short: "A certificate for each account: what became of every message",
		Long: `report writes, for each account, every folder's counts against what the source
said, every message that was refused and in whose words, what was left out by
which rule, and a root hash over all messages on the target. It reads the state
file alone, and may be called while a run is at work.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json && cmd.Flags().Changed("format") && format != "json" {
				return &usageError{fmt.Errorf("--json and --format %s contradict each other", format)}
			}
			if a.json {
				format = "json"
			}
			write, ok := map[string]func(context.Context, io.Writer, *migrate.Report) error{"text": reportText, "json": reportJSON}[format]
			if !ok {
				return &usageError{fmt.Errorf("--format is text or json, not %q", format)}
			}
			j, err := a.job(cmd, target, needTarget)
			if err != nil {
				return err
			}
			defer j.close()
			r, err := migrate.OpenReport(cmd.Context(), migrate.ReportOptions{Target: j.target, StateDir: j.config.State, Only: addresses(only),
				Insecure: insecureHosts(j.config, j.target), Tool: version()})
			if err != nil {
				return err
			}
			defer r.Close()
			if err := a.writeFile(file, func(w io.Writer) error { return write(cmd.Context(), w, r) }); err != nil {
				return err
			}
			if file != "" && file != "-" && !a.json {
				fmt.Fprintln(a.stderr, "wrote", file)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target to report on, by its name in bmsync.yaml")
	f.StringSliceVar(&only, "only", nil, "only these addresses, as in accounts.csv")
	f.StringVar(&format, "format", "text", "text or json")
	f.StringVarP(&file, "output", "o", "", "write to this file instead of stdout; it appears once it is whole")
	return cmd
}

// insecureHosts are those whose certificate the configuration leaves unchecked,
// on the way to this target.
func insecureHosts(c *Config, target migrate.Target) []string {
	hosts := slices.Clone(target.Insecure)
	for _, s := range c.Sources {
		hosts = append(hosts, s.InsecureSkipVerify...)
	}
	return hosts
}

// writeFile writes to stdout or, under another name until it is whole, to a
// file that only its owner can read: it names people.
func (a *app) writeFile(path string, write func(io.Writer) error) (err error) {
	if path == "" || path == "-" {
		w := bufio.NewWriter(a.stdout)
		return errors.Join(write(w), w.Flush())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	if err := errors.Join(write(w), w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// reportJSON writes one object, account by account and refusal by refusal, so
// that memory doesn't grow with them.
func reportJSON(ctx context.Context, w io.Writer, r *migrate.Report) error {
	head, err := compact(r.Header)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "{\n\"report\": %s,\n\"accounts\": [", head); err != nil {
		return err
	}
	sep := "\n"
	for c, err := range r.Certificates(ctx) {
		if err != nil {
			return err
		}
		if err := certificateJSON(ctx, w, sep, c); err != nil {
			return err
		}
		sep = ",\n"
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

func certificateJSON(ctx context.Context, w io.Writer, sep string, c *migrate.Certificate) error {
	text, err := compact(c)
	if err != nil {
		return err
	}
	// The object stays open for the refusals, of which there may be any number.
	if _, err := fmt.Fprintf(w, "%s%s,\"refused\":[", sep, bytes.TrimSuffix(text, []byte("}"))); err != nil {
		return err
	}
	sep = "\n  "
	for refusal, err := range c.Refusals(ctx) {
		if err != nil {
			return err
		}
		if text, err = compact(refusal); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", sep, text); err != nil {
			return err
		}
		sep = ",\n  "
	}
	if _, err := io.WriteString(w, "],\"noted\":["); err != nil {
		return err
	}
	sep = "\n  "
	for remark, err := range c.Remarks(ctx) {
		if err != nil {
			return err
		}
		if text, err = compact(remark); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", sep, text); err != nil {
			return err
		}
		sep = ",\n  "
	}
	_, err = io.WriteString(w, "]}")
	return err
}

// compact writes JSON on one line, names as they are.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func reportText(ctx context.Context, out io.Writer, r *migrate.Report) error {
	w := &lines{w: out}
	headerText(w, r.Header)
	for c, err := range r.Certificates(ctx) {
		if err != nil {
			return err
		}
		if err := certificateText(ctx, w, c); err != nil {
			return err
		}
		if w.err != nil {
			break
		}
	}
	return w.err
}

func headerText(w *lines, h migrate.ReportHeader) {
	w.say("bmsync report of target %s, written %s by %s", h.Target, moment(h.Written), h.Tool)
	w.say("BlueMind %d, %s, installation %s, %s", h.Version, h.URL, h.Installation, kindOfTarget(h.Rehearsal))
	w.say("state %s", h.StateFile)
	if h.AtWork != "" {
		w.say("run %s was at work meanwhile: numbers may have moved", h.AtWork)
	}
	w.say("")
	w.say("%s: %s", many(h.Total, "account"), accountsText(h.Accounts))
	w.say("messages: %s", countsText(h.Messages))
	madeText(w, h.Objects)
	againstText(w, h.Against, h.Conflicts)
	if h.Intents+h.Doubts > 0 {
		w.say("open: %s without an answer, %d in doubt; run again", many(h.Intents, "append"), h.Doubts)
	}
	if !h.Rehearsal {
		n := 0
		if h.Rehearsed != nil {
			n = h.Rehearsed.Accounts
		}
		w.say("policy %.12s rehearsed on %d of %s", h.PolicyDigest, n, many(h.Total, "account"))
	}
	for _, u := range h.Unrehearsed {
		w.say("filled without a rehearsal on %s: %s", moment(u.At), u.Reason)
	}
	for _, host := range h.Insecure {
		w.say("certificate of %s not checked (insecure_skip_verify)", host)
	}
	w.say("not migrated, and never would be: %s", strings.Join(h.NeverMigrated, ", "))
}

func certificateText(ctx context.Context, w *lines, c *migrate.Certificate) error {
	w.say("")
	phase := ""
	if c.Phase != migrate.PhasePresync {
		phase = ", " + c.Phase
	}
	w.say("%s (%s): %s%s", c.Address, c.Kind, c.State, phase)
	if c.Reason != "" {
		w.say("  %s", c.Reason)
	}
	if c.Mend != "" {
		w.say("  → %s", c.Mend)
	}
	from := fmt.Sprintf("  from %s at source %s", c.SourceLogin, c.Source)
	if c.SourceFolder != "" {
		from += fmt.Sprintf(", folder %q", c.SourceFolder)
	}
	w.say("%s, to entry %s of domain %s%s", from, orNone(c.EntryUID), orNone(c.DomainUID), howMet(c))
	if c.Started != nil {
		w.say("  last run %s to %s", moment(*c.Started), when(c.Ended, "now"))
	}
	w.say("  messages: %s", countsText(c.Messages))
	foldersText(w, c)
	if err := refusalsText(ctx, w, c); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Notes)) {
		w.say("  %s arrived, but: %s", many(c.Notes[kind], "message"), noteText(kind))
	}
	if err := remarksText(ctx, w, c); err != nil {
		return err
	}
	if c.Gone > 0 {
		w.say("  gone on the target since, deleted or moved there: %s", many(c.Gone, "message"))
	}
	if c.Followed > 0 {
		w.say("  moved or deleted at the source before go-live, and so on the target: %s", many(c.Followed, "message"))
	}
	if c.Kept > 0 {
		w.say("  the same, but changed on the target by its user, and left there: %s", many(c.Kept, "message"))
	}
	verifiedText(w, c.Verified)
	w.say("  root hash %s over %s on the target", c.RootHash, many(c.Hashed, "message"))
	w.say("  policy %s, account %s", orNone(c.PolicyDigest), orNone(c.AccountDigest))
	w.say("  not migrated, and never would be: %s", strings.Join(c.NeverMigrated, ", "))
	return nil
}

func howMet(c *migrate.Certificate) string {
	switch {
	case c.Created:
		return " (created by bmsync)"
	case c.Adopted:
		return " (held mail before; recognised by content)"
	}
	return ""
}

func foldersText(w *lines, c *migrate.Certificate) {
	for _, f := range c.Folders {
		verdict := "balanced"
		switch {
		case f.Rule != "":
			verdict = "excluded since, by rule " + f.Rule
		case f.Fault != "":
			verdict = "NOT COMPLETE: " + f.Fault
		case !f.Balanced && f.OnSource < f.SourceSays:
			verdict = fmt.Sprintf("NOT BALANCED: the ledger accounts for %d", f.OnSource)
		case !f.Balanced:
			verdict = "NOT COMPLETE"
		case f.OnSource > f.SourceSays:
			verdict = fmt.Sprintf("balanced, %d arrived while it was listed", f.OnSource-f.SourceSays)
		}
		late := ""
		if f.Late {
			late = " (appeared after planning)"
		}
		if f.Was != "" {
			late += fmt.Sprintf(" (was %q at the source)", f.Was)
		}
		source, says := strconv.Quote(f.Source), "says"
		if f.Part != "" { // no source counts messages by year
			source, says = source+", "+f.Part, "lists"
		}
		w.say("  %s → %q%s: source %s %d: %s: %s", source, f.Target, late, says, f.SourceSays, countsText(f.Ledger), verdict)
		for _, rule := range slices.Sorted(maps.Keys(f.Excluded)) {
			w.say("      %d excluded by rule %s", f.Excluded[rule], rule)
		}
	}
	for _, f := range c.Excluded {
		reason := ""
		if f.Reason != "" {
			reason = " (" + f.Reason + ")"
		}
		if f.Messages < 0 {
			w.say("  %q excluded by rule %s%s", f.Source, f.Rule, reason)
			continue
		}
		w.say("  %q excluded by rule %s%s: %s", f.Source, f.Rule, reason, many(f.Messages, "message"))
	}
}

func refusalsText(ctx context.Context, w *lines, c *migrate.Certificate) error {
	if c.Refused() > 0 {
		w.say("  %d refused:", c.Refused())
	}
	for r, err := range c.Refusals(ctx) {
		if err != nil {
			return err
		}
		size := "size unknown"
		if r.Size >= 0 {
			size = migrate.AboutSize(r.Size)
		}
		w.say("    %q UID %d, %s, %s: %s: %s", r.Folder, r.SrcUID, when(r.Date, "no date"), size, orNone(r.By), r.Words)
		if r.File != "" {
			w.say("      kept in the quarantine as %s", r.File)
		}
	}
	return nil
}

// shownRemarks is how many remarks of an account are told in text.
const shownRemarks = 20

func remarksText(ctx context.Context, w *lines, c *migrate.Certificate) error {
	n := 0
	for r, err := range c.Remarks(ctx) {
		if err != nil {
			return err
		}
		if n++; n > shownRemarks {
			w.say("    and more: bmsync report --json names each")
			return nil
		}
		w.say("    %q UID %d: %s", r.Folder, r.SrcUID, r.Note)
	}
	return nil
}

func verifiedText(w *lines, v *migrate.Verified) {
	if v == nil {
		w.say("  not verified")
		return
	}
	verdict := "ok"
	if !v.OK {
		verdict = many(int64(len(v.Findings)), "finding")
	}
	if !v.Current {
		verdict += ", of an earlier plan"
	}
	w.say("  verified %s: %s, %s proven (%s)", moment(v.At), verdict, many(v.Messages, "message"), migrate.AboutSize(v.Bytes))
	for _, f := range v.Findings {
		w.say("    %s", f)
	}
}

// noteText says a kind of note in words.
func noteText(kind string) string {
	switch kind {
	case migrate.NoteDateOfIdentical:
		return "dated otherwise by the target (BlueMind 5 as an identical message that came before, Cyrus as it can)"
	case migrate.NoteDateMissing:
		return "the source gave no usable date"
	case migrate.NoteDateWrapped:
		return "dated before 1970: the source says a date after 2100, because 32 bits do not hold it"
	case migrate.NoteKeywordsLost:
		return "flags or keywords were not kept"
	case migrate.NoteRepaired:
		return "repaired after the target had refused them as they are, as policy.repairs allows"
	case migrate.NoteDateAbsurd:
		return "dated impossibly by the source, and by their headers instead, as policy.messages.absurd_dates says"
	case migrate.NoteHeaderMunged:
		return "the target replaced 8-bit header bytes by X"
	case migrate.NoteMovedByUser:
		return "a user of the target moved them to another folder"
	case migrate.NoteNotBroughtBack:
		return "the source moved them after a user of the target had removed them, and they were not brought back"
	}
	return "in another form (bmsync where ADDRESS --message-id ID tells of one message)"
}

func when(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return moment(*t)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
