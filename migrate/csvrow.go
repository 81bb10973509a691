package migrate

import (
	"slices"
	"strings"
	"unicode"
)

// rowReader reads the cells of one record and remembers what is wrong.
type rowReader struct {
	s      *sheet
	line   int
	record []string
}

// raw returns one trimmed field, "" where the record ends before.
func (r *rowReader) raw(column string) string {
	i, ok := r.s.index[column]
	if !ok || i >= len(r.record) {
		return ""
	}
	return strings.TrimSpace(r.record[i])
}

// cell returns one field as it was meant: without what CSVCell puts in front,
// and out of ="…", by which spreadsheets are told to keep a text. The formula
// itself, or what a failed one leaves, is not a value.
func (r *rowReader) cell(column string) string {
	s := r.raw(column)
	if s == "" {
		return ""
	}
	if inner, ok := strings.CutPrefix(s, `="`); ok && strings.HasSuffix(inner, `"`) && !strings.Contains(inner[:len(inner)-1], `"`) {
		return strings.TrimSpace(inner[:len(inner)-1])
	}
	switch {
	case s[0] == '#' && excelError.MatchString(s):
		r.add(column, "is the error value of a spreadsheet's formula", "correct the formula")
		return ""
	case s[0] == '=':
		r.add(column, "is a spreadsheet's formula", "write its value; what really begins with = gets an apostrophe in front: '=")
		return ""
	case s[0] == '\'' && formula(s[1:]):
		return s[1:]
	}
	return s
}

// exact reads what is compared or sent: a line break or control character in
// it can't be meant.
func (r *rowReader) exact(column string) string {
	s := r.cell(column)
	if strings.ContainsFunc(s, unicode.IsControl) {
		r.add(column, "has a line break or another control character", "write it on one line")
		return ""
	}
	return s
}

// words reads what people read: a line break counts as a space.
func (r *rowReader) words(column string) string {
	s := strings.Map(func(c rune) rune {
		if c == '\n' || c == '\r' || c == '\t' {
			return ' '
		}
		return c
	}, r.cell(column))
	if strings.ContainsFunc(s, unicode.IsControl) {
		r.add(column, "has a control character", "write it anew")
		return ""
	}
	return s
}

func (r *rowReader) mandatory(column string) string {
	before := len(r.s.problems)
	s := r.exact(column)
	if s == "" && len(r.s.problems) == before {
		r.add(column, "is missing", "every row needs it")
	}
	return s
}

// list reads a cell of several values, which any of the separators parts. A
// line break parts them as well.
func (r *rowReader) list(column, separators string) []string {
	var out []string
	cell := r.cell(column)
	if strings.ContainsFunc(cell, func(c rune) bool { return unicode.IsControl(c) && !strings.ContainsRune("\n\r\t", c) }) {
		r.add(column, "has a control character", "write it anew")
		return nil
	}
	for s := range strings.FieldsFuncSeq(cell, func(c rune) bool { return c == '\n' || c == '\r' || strings.ContainsRune(separators, c) }) {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// yes reads "yes" or "no", in English or French; an empty cell is otherwise.
func (r *rowReader) yes(column string, otherwise bool) bool {
	switch s := strings.ToLower(r.exact(column)); {
	case s == "":
		return otherwise
	case slices.Contains([]string{"yes", "true", "1", "x", "oui", "vrai"}, s):
		return true
	case slices.Contains([]string{"no", "false", "0", "non", "faux"}, s):
		return false
	}
	r.add(column, "is neither yes nor no", "write yes or no")
	return otherwise
}

func (r *rowReader) add(column, text, mend string) {
	r.fault(column, Problem{Text: text, Mend: mend})
}

func (r *rowReader) fault(column string, err error) {
	at := Problem{File: r.s.file, Line: r.line, Field: column}
	if i, ok := r.s.index[column]; ok && i < len(r.record) {
		at.Line, at.Column = r.s.csv.FieldPos(i)
	}
	r.s.problems = append(r.s.problems, at.At(err))
}

// IsEnvName reports whether s can name an environment variable.
func IsEnvName(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
