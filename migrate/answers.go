package migrate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// What a person may say of a rule.
const (
	AnswerConfirmed = "confirmed" // it holds
	AnswerWithdrawn = "withdrawn" // an earlier confirmation holds no more
)

// Answer is one line of a target's answers: what a person has said of a rule
// that can't be looked at. It counts for one installation and one major
// version: on a server that was built anew, or upgraded to the next BlueMind,
// the question is asked again.
type Answer struct {
	Rule         string    `json:"rule"`
	Answer       string    `json:"answer"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	Note         string    `json:"note,omitempty"`
	Installation string    `json:"installation"`
	Version      string    `json:"version"`         // release name
	Major        int       `json:"major"`           // of the release
	Bytes        int64     `json:"bytes,omitempty"` // what the plan came to, where the answer depends on it
}

// AnswersPath is where the answers for a target are kept, beside its state.
func AnswersPath(dir, target string) string { return filepath.Join(dir, target+".answers.jsonl") }

// ReadAnswers reads answers in the order in which they were given; a missing
// file has none. Lines that are no answer are counted and left out: the last
// one may have been cut short when a machine went down.
func ReadAnswers(path string) (list []Answer, unreadable int, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var a Answer
		if err := json.Unmarshal(line, &a); err != nil || a.Rule == "" || a.Answer != AnswerConfirmed && a.Answer != AnswerWithdrawn {
			unreadable++
			continue
		}
		list = append(list, a)
	}
	return list, unreadable, nil
}

// appendAnswers adds lines and returns once they are on the disk. A line that
// was cut short is ended first, so that it spoils no other.
func appendAnswers(path string, list []Answer) (err error) {
	var lines bytes.Buffer
	for _, a := range list {
		line, err := json.Marshal(a)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if last := make([]byte, 1); info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = *bytes.NewBuffer(append([]byte{'\n'}, lines.Bytes()...))
		}
	}
	if _, err := f.Write(lines.Bytes()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes sure that a file's name is on the disk, too.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// AnswerOptions say what a person answers. Target, StateDir, Rules and By are
// required.
type AnswerOptions struct {
	Target   Target
	StateDir string
	Plan     *Plan    // nil: there is none yet
	Rules    []string // IDs of rules that ask a person
	By       string   // who says so
	Note     string
	Withdraw bool // take back what was confirmed before
	Logger   *slog.Logger
	Now      func() time.Time
}

// AnswerError says what is wrong with an answer.
type AnswerError struct{ Reason, Mend string }

func (e *AnswerError) Error() string { return e.Reason }

// the longest name and note, in characters.
const longestName, longestNote = 100, 500

// RecordAnswers appends answers to the target's file and returns them. It logs
// in to the API, for an answer belongs to an installation. Withdrawing what
// nobody has confirmed writes nothing. What is wrong with an answer is an
// [*AnswerError], and then none is recorded.
func RecordAnswers(ctx context.Context, o AnswerOptions) ([]Answer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := openPlatform(ctx, o.Target, cmp.Or(o.Logger, slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	defer p.close(ctx)
	if err := o.concerns(p.version.Major); err != nil {
		return nil, err
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	path := AnswersPath(o.StateDir, o.Target.Name)
	before, _, err := ReadAnswers(path)
	if err != nil {
		return nil, err
	}
	valid := standing(before, p.id, p.version.Major)
	var list []Answer
	for i, rule := range o.Rules {
		if slices.Contains(o.Rules[:i], rule) {
			continue
		}
		a := Answer{Rule: rule, Answer: AnswerConfirmed, By: strings.TrimSpace(o.By), At: now().UTC().Truncate(time.Second), Note: strings.TrimSpace(o.Note),
			Installation: p.id, Version: p.version.ReleaseName, Major: p.version.Major}
		if _, ok := valid[rule]; o.Withdraw && !ok {
			continue
		}
		if o.Withdraw {
			a.Answer = AnswerWithdrawn
		} else if checkRule(rule) == checkDisk && o.Plan != nil {
			a.Bytes = o.Plan.Trailer.Bytes
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, nil
	}
	if err := appendAnswers(path, list); err != nil {
		return nil, fmt.Errorf("answers for target %s: %w", o.Target.Name, err)
	}
	return list, nil
}

// check finds what can be wrong with an answer before anybody is asked.
func (o AnswerOptions) check() error {
	if len(o.Rules) == 0 {
		return &AnswerError{"no rule is named", "bmsync check lists the questions that are open"}
	}
	for _, id := range o.Rules {
		at := slices.IndexFunc(ruleTable[:], func(r Rule) bool { return r.ID == id })
		switch {
		case at < 0:
			return &AnswerError{fmt.Sprintf("there is no rule %q", id), suggestQuestion(id)}
		case ruleTable[at].How != Operator:
			return &AnswerError{fmt.Sprintf("rule %s is looked at by bmsync; nobody can confirm it", id), "mend what bmsync check says of it"}
		}
	}
	if err := checkWords("the name of who answers", o.By, longestName); err != nil {
		return err
	}
	switch strings.TrimSpace(o.By) {
	case "":
		return &AnswerError{"the name of who answers is missing", "--by NAME"}
	case "NAME": // as the command stands in what check prints
		return &AnswerError{"NAME is to be replaced by the name of who answers", `--by "Ada Lovelace"`}
	}
	return checkWords("the note", o.Note, longestNote)
}

// concerns refuses answers to what is not asked of a version.
func (o AnswerOptions) concerns(major int) error {
	for _, id := range o.Rules {
		if r, _ := checkRule(id).table(); r.Only != 0 && r.Only != major {
			return &AnswerError{fmt.Sprintf("rule %s concerns BlueMind %d only, and %s is BlueMind %d", id, r.Only, o.Target.Name, major), "leave it out"}
		}
	}
	return nil
}

// checkWords keeps a text to one line that may be printed.
func checkWords(what, text string, longest int) error {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return &AnswerError{what + " holds a character that can't be printed, or a line's end", "write it in one line"}
	case len([]rune(text)) > longest:
		return &AnswerError{fmt.Sprintf("%s is longer than %d characters", what, longest), "write it shorter"}
	}
	return nil
}

func suggestQuestion(id string) string {
	var known []string
	for _, r := range ruleTable {
		if r.How == Operator {
			known = append(known, r.ID)
		}
	}
	if near := Nearest(id, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "bmsync check lists the questions that are open"
}

// standing are the confirmations that count for an installation and major
// version, by rule: the last word on each rule wins.
func standing(list []Answer, installation string, major int) map[string]Answer {
	out := map[string]Answer{}
	for _, a := range list {
		switch {
		case a.Installation != installation || a.Major != major:
		case a.Answer == AnswerConfirmed:
			out[a.Rule] = a
		default:
			delete(out, a.Rule)
		}
	}
	return out
}

// lastConfirmed is the last word on a rule, if it confirms it, whatever server
// it was of.
func lastConfirmed(list []Answer, rule string) (Answer, bool) {
	for _, a := range slices.Backward(list) {
		if a.Rule == rule {
			return a, a.Answer == AnswerConfirmed
		}
	}
	return Answer{}, false
}

// lastOther is the last confirmation of a rule that doesn't count here, for it
// was of another installation or version.
func lastOther(list []Answer, rule, installation string, major int) (Answer, bool) {
	for _, a := range slices.Backward(list) {
		if a.Rule == rule && a.Answer == AnswerConfirmed && (a.Installation != installation || a.Major != major) {
			return a, true
		}
	}
	return Answer{}, false
}
