package migrate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// sheetKind is what a CSV of the operator must look like.
type sheetKind struct {
	columns   []string          // in whatever order
	mandatory []string          // of columns
	also      map[string]string // other names of columns
	secrets   string            // what to do instead of writing a password
}

// passwordColumns are never kept in a CSV.
var passwordColumns = []string{"password", "passwd", "pass", "pwd", "secret", "token", "source_password", "new_password", "mot_de_passe", "motdepasse", "mdp"}

// columnName brings a header cell to the form of the columns' names.
func (k *sheetKind) columnName(cell string) string {
	name := strings.ToLower(strings.TrimSpace(cell))
	name = strings.NewReplacer(" ", "_", "-", "_", "\u00a0", "_").Replace(name)
	if other, ok := k.also[name]; ok {
		return other
	}
	return name
}

func (k *sheetKind) isColumn(name string) bool { return slices.Contains(k.columns, name) }

func (k *sheetKind) twice() string {
	for other, name := range k.also { // one at most
		return "remove one; " + other + " is another name of " + name
	}
	return "remove one"
}

// sheet is one reading of one CSV, as an editor or Excel writes it: delimiter
// ";" "," or tab, with or without mark, UTF-8 or Windows-1252, CRLF, empty
// rows and columns at the end, comments that begin with "#".
type sheet struct {
	kind     *sheetKind
	file     string
	each     func(*rowReader) // for each row that has as many fields as it should
	csv      *csv.Reader
	columns  []string       // by position; "" has no name
	index    map[string]int // by name
	problems []Problem
	widths   excelWidths
	inner    int // line breaks inside fields so far
}

// readSheet reads a whole CSV. What is wrong with it stands in problems; an
// error means that r couldn't be read, or isn't text.
func readSheet(r io.Reader, name string, kind *sheetKind, each func(*rowReader)) (*sheet, error) {
	data, err := readAll(r, name)
	if err != nil {
		return nil, err
	}
	text, problems := decodeText(data, name)
	if len(problems) > 0 {
		return nil, NewInputError(problems)
	}
	s := &sheet{kind: kind, file: name, each: each, problems: hiddenRows(text, name)}
	s.read(text)
	return s, nil
}

func (s *sheet) read(text string) {
	text, delimiter := cutSeparatorHint(text)
	if delimiter == 0 {
		delimiter = s.kind.detectDelimiter(text)
	}
	s.csv = csv.NewReader(strings.NewReader(text))
	s.csv.Comma = delimiter
	s.csv.Comment = '#'
	s.csv.FieldsPerRecord = -1
	s.csv.ReuseRecord = true
	for {
		record, err := s.csv.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			s.quoting(err)
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(record[0]), "#") {
			continue // a comment that Excel has put between quotes
		}
		if s.columns == nil {
			if strings.TrimSpace(strings.Join(record, "")) == "" {
				continue
			}
			if s.header(record); s.index == nil {
				return
			}
			s.widths.note(s.sheetRow(record), len(record))
			continue
		}
		s.record(record)
	}
	s.end()
}

func (s *sheet) end() {
	if s.columns == nil {
		s.add(0, 0, "", "has no header line", "begin with "+strings.Join(s.kind.mandatory, ";"))
		return
	}
	for _, short := range s.widths.wrong() {
		s.add(short.line, 0, "", fmt.Sprintf("has %d fields, and the header has %d", short.width, len(s.columns)), "add the missing delimiters: a value may have moved to another column")
	}
}

func (s *sheet) add(line, column int, field, text, mend string) {
	s.problems = append(s.problems, Problem{File: s.file, Line: line, Column: column, Field: field, Text: text, Mend: mend})
}

// quoting reports a record that isn't CSV. The reader goes on after it.
func (s *sheet) quoting(err error) {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		s.add(0, 0, "", err.Error(), "")
		return
	}
	line, column, text, mend := parse.Line, parse.Column, parse.Err.Error(), ""
	switch {
	case errors.Is(parse.Err, csv.ErrBareQuote):
		text, mend = `has a quotation mark inside a field`, `put the field between " and double those inside`
	case errors.Is(parse.Err, csv.ErrQuote) && parse.Line != parse.StartLine:
		line, column = parse.StartLine, 0
		text, mend = fmt.Sprintf("has a quoted field that isn't closed properly; the lines up to %d were taken for a part of it", parse.Line), `close the quotation mark, or double it inside the field`
	case errors.Is(parse.Err, csv.ErrQuote):
		text, mend = "has a quoted field that isn't closed properly", `close the quotation mark, or double it inside the field`
	}
	s.add(line, column, "", text, mend)
}

// header understands the first line. It leaves index nil when the rows can't
// be understood without what is missing.
func (s *sheet) header(record []string) {
	last := len(record)
	for last > 0 && strings.TrimSpace(record[last-1]) == "" {
		last--
	}
	line, _ := s.csv.FieldPos(0)
	s.columns = make([]string, last)
	index, known := map[string]int{}, 0
	for i := range last {
		if s.columns[i] = s.kind.columnName(record[i]); s.kind.isColumn(s.columns[i]) {
			known++
		}
	}
	if known == 0 {
		// Not quoted: without a header this line may hold a password.
		s.add(line, 0, "", "isn't a header: it has none of the known columns", "begin with "+strings.Join(s.kind.mandatory, ";"))
		return
	}
	for i, name := range s.columns {
		_, column := s.csv.FieldPos(i)
		_, twice := index[name]
		switch {
		case name == "":
		case slices.Contains(passwordColumns, name):
			s.add(line, column, name, "passwords aren't kept in this file", s.kind.secrets)
		case !s.kind.isColumn(name):
			mend := "known are " + strings.Join(s.kind.columns, ", ")
			if near := Nearest(name, s.kind.columns); near != "" {
				mend = "did you mean " + near + "?"
			}
			s.add(line, column, "", "unknown column "+quoteShort(strings.TrimSpace(record[i])), mend)
		case twice:
			s.add(line, column, name, "the column is there twice", s.kind.twice())
		default:
			index[name] = i
		}
	}
	missing := false
	for _, name := range s.kind.mandatory {
		if _, ok := index[name]; !ok {
			s.add(line, 0, name, "the column is missing", "add it to the header")
			missing = true
		}
	}
	if !missing {
		s.index = index
	}
}

// record sees to the number of fields, and hands a row on.
func (s *sheet) record(record []string) {
	last := len(record)
	for last > 0 && strings.TrimSpace(record[last-1]) == "" {
		last--
	}
	line, _ := s.csv.FieldPos(0)
	sheetRow := s.sheetRow(record)
	s.widths.note(sheetRow, len(record))
	if last == 0 {
		return
	}
	if last > len(s.columns) {
		_, column := s.csv.FieldPos(len(s.columns))
		s.add(line, column, "", fmt.Sprintf("has %d fields, and the header has %d", last, len(s.columns)), fmt.Sprintf("put a field that contains %q between quotation marks", s.csv.Comma))
		return
	}
	for i, name := range s.columns {
		if name == "" && i < len(record) && strings.TrimSpace(record[i]) != "" {
			_, column := s.csv.FieldPos(i)
			s.add(line, column, "", "has a value in a column without a name", "name the column in the header, or empty it")
		}
	}
	if len(record) < len(s.columns) {
		s.widths.shorts = append(s.widths.shorts, shortRow{line, len(record), sheetRow / excelBlock})
	}
	s.each(&rowReader{s: s, line: line, record: record})
}

// sheetRow is the record's row in the spreadsheet, from 0: its line, without
// the line breaks inside the fields before it.
func (s *sheet) sheetRow(record []string) int {
	line, _ := s.csv.FieldPos(0)
	row := line - 1 - s.inner
	for _, field := range record {
		s.inner += strings.Count(field, "\n")
	}
	return row
}

// excelWidths tells rows that Excel has written short from rows that lack a
// delimiter. Excel writes blocks of 16 rows as wide as the widest of them, so
// empty columns at the end are missing from a whole block at once; a row
// shorter than its neighbours was spoiled by hand.
type excelWidths struct {
	widest []int // by block
	shorts []shortRow
}

type shortRow struct{ line, width, block int }

const excelBlock = 16

func (w *excelWidths) note(sheetRow, width int) {
	block := sheetRow / excelBlock
	for block >= len(w.widest) {
		w.widest = append(w.widest, 0)
	}
	w.widest[block] = max(w.widest[block], width)
}

func (w *excelWidths) wrong() []shortRow {
	return slices.DeleteFunc(w.shorts, func(s shortRow) bool { return s.width == w.widest[s.block] })
}
