package migrate

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Problem is one mistake in what the operator wrote: where it is, what is
// wrong and what to write instead. It never quotes a secret.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`   // 1 is the first; 0: the file as a whole
	Column int    `json:"column,omitempty"` // octet in the line, from 1; 0: unknown
	Field  string `json:"field,omitempty"`  // column of a CSV, or key path such as sources::old::imap
	Text   string `json:"text"`
	Mend   string `json:"mend,omitempty"`
	Err    error  `json:"-"` // sentinel behind Text, for errors.Is; nil for most
}

// Error says the problem in one line, as compilers do:
// file:line:column: field: text (mend).
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
			if p.Column > 0 {
				fmt.Fprintf(&b, ":%d", p.Column)
			}
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Text)
	if p.Mend != "" {
		b.WriteString(" (" + p.Mend + ")")
	}
	return b.String()
}

// Unwrap gives the sentinel behind the text.
func (p Problem) Unwrap() error { return p.Err }

// At returns err placed at file, line, column and field. An err that is a
// Problem keeps its text and mend; any other becomes the text.
func (p Problem) At(err error) Problem {
	var found Problem
	if errors.As(err, &found) {
		p.Text, p.Mend, p.Err = found.Text, found.Mend, found.Err
		return p
	}
	p.Text = err.Error()
	return p
}

// shownProblems bounds how many problems InputError spells out; a CSV with a
// wrong column would otherwise fill the screen 50,000 times.
const shownProblems = 50

// InputError holds every mistake found in the operator's files, in the order
// of the files' lines. It is made once all of them were looked for.
type InputError struct {
	Problems []Problem
}

// Error lists the problems, one a line, the first fifty of them.
func (e *InputError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == shownProblems {
			fmt.Fprintf(&b, "\nand %d more", len(e.Problems)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
	}
	return b.String()
}

// Unwrap gives each problem, so that errors.Is finds a sentinel among them.
func (e *InputError) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// NewInputError sorts problems by file and line and wraps them; nil if there
// are none.
func NewInputError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	sort.SliceStable(problems, func(i, j int) bool {
		a, b := problems[i], problems[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	return &InputError{Problems: problems}
}

// Nearest returns the known word that word was probably meant to be, or ""
// when none is near: at most one edit for each three letters.
func Nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, limit := "", len(word)/3+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k), limit); d <= limit && d < max(len(word), len(k)) {
			best, limit = k, d-1
		}
	}
	return best
}

// editDistance counts letters put in, left out, replaced, and neighbours
// exchanged (optimal string alignment); anything above limit is limit+1.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			if a[i-1] == b[j-1] {
				row[j] = last[j-1]
				continue
			}
			row[j] = 1 + min(last[j-1], last[j], row[j-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return min(row[len(b)], limit+1)
}
