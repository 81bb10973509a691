package migrate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Row is one line of accounts.csv: one mailbox to migrate.
type Row struct {
	File string // name given to ReadAccounts
	Line int    // where the row begins; a quoted field may span lines

	Source  string // name under sources: in the configuration
	Login   string // as the source wants it, case kept
	Folder  string // shared subtree to take alone; "" is the whole mailbox
	Address string // target, in lower case
	Kind    string // KindUser or KindShare

	// TargetLogin is the user's login in BlueMind, or the share's name: one
	// name space. It is the left part of Address unless the row says otherwise.
	TargetLogin string

	Writer, Label                    string // of shares
	DisplayName, FirstName, LastName string
	Quota                            Quota
	Aliases                          []string // in lower case
	Groups                           []string // names of groups.csv, as written there
	AccountType                      string   // AccountFull …; "" leaves it to the policy
	DataLocation                     string   // uid of a mail server; "" leaves it to BlueMind
	Wave                             string

	// Where the source's password is kept; at most one is given. The password
	// itself is never in the file.
	SecretEnv, SecretFile, SecretCommand string

	// Where the first password in BlueMind is kept, in the same way.
	PasswordEnv, PasswordFile, PasswordCommand string

	Note    string   // the operator's own words
	Remarks []string // what was understood otherwise than written
}

// Kinds of row.
const (
	KindUser  = "user"
	KindShare = "share"
)

// ErrShareNotBuilt is behind the problem of a row of kind share.
var ErrShareNotBuilt = errors.New("kind share is not built yet")

// The columns of accounts.csv. Order is free; "address" is an alias.
const (
	colSource        = "source"
	colLogin         = "source_login"
	colFolder        = "source_folder"
	colAddress       = "target_address"
	colKind          = "kind"
	colWriter        = "writer"
	colLabel         = "label"
	colDisplayName   = "display_name"
	colFirstName     = "first_name"
	colLastName      = "last_name"
	colQuota         = "quota"
	colAliases       = "aliases"
	colWave          = "wave"
	colSecretEnv     = "secret_env"
	colSecretFile    = "secret_file"
	colSecretCommand = "secret_command"
	colNote          = "note"
)

var (
	accountColumns   = []string{colSource, colLogin, colFolder, colAddress, colKind, colWriter, colLabel, colDisplayName, colFirstName, colLastName, colQuota, colAliases, colWave, colSecretEnv, colSecretFile, colSecretCommand, colNote}
	mandatoryColumns = []string{colSource, colLogin, colAddress}
	passwordColumns  = []string{"password", "passwd", "pass", "pwd", "secret", "token", "source_password", "mot_de_passe", "motdepasse", "mdp"}
)

// columnName brings a header cell to the form of the constants above.
func columnName(cell string) string {
	name := strings.ToLower(strings.TrimSpace(cell))
	name = strings.NewReplacer(" ", "_", "-", "_", "\u00a0", "_").Replace(name)
	if name == "address" {
		return colAddress
	}
	return name
}

func isColumn(name string) bool { return slices.Contains(accountColumns, name) }

// ReadAccounts reads accounts.csv, as an editor or Excel writes it: delimiter
// ";" "," or tab, with or without mark, UTF-8 or Windows-1252, CRLF, empty
// rows and columns at the end, comments that begin with "#".
//
// The whole file is checked before it returns. Its mistakes come together as
// an *InputError, beside the rows that are sound, so that further checks can
// add theirs. Any other error means that r couldn't be read.
func ReadAccounts(r io.Reader, name string) ([]Row, error) {
	data, err := readAll(r, name)
	if err != nil {
		return nil, err
	}
	text, problems := decodeText(data, name)
	if len(problems) > 0 {
		return nil, NewInputError(problems)
	}
	a := &accounts{file: name, targets: map[string]int{}, sources: map[string]int{}, problems: hiddenRows(text, name)}
	a.read(text)
	return a.rows, NewInputError(a.problems)
}

// accounts is one reading of one file.
type accounts struct {
	file     string
	csv      *csv.Reader
	columns  []string       // by position; "" has no name
	index    map[string]int // by name
	rows     []Row
	problems []Problem
	targets  map[string]int // address or alias → line
	sources  map[string]int // source, login, folder → line
	widths   excelWidths
	inner    int // line breaks inside fields so far
}

func (a *accounts) read(text string) {
	text, delimiter := cutSeparatorHint(text)
	if delimiter == 0 {
		delimiter = detectDelimiter(text)
	}
	a.csv = csv.NewReader(strings.NewReader(text))
	a.csv.Comma = delimiter
	a.csv.Comment = '#'
	a.csv.FieldsPerRecord = -1
	a.csv.ReuseRecord = true
	for {
		record, err := a.csv.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			a.quoting(err)
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(record[0]), "#") {
			continue // a comment that Excel has put between quotes
		}
		if a.columns == nil {
			if strings.TrimSpace(strings.Join(record, "")) == "" {
				continue
			}
			if a.header(record); a.index == nil {
				return
			}
			a.widths.note(a.sheetRow(record), len(record))
			continue
		}
		a.record(record)
	}
	a.end()
}

func (a *accounts) end() {
	if a.columns == nil {
		a.add(0, 0, "", "has no header line", "begin with "+strings.Join(mandatoryColumns, ";"))
		return
	}
	for _, short := range a.widths.wrong() {
		a.add(short.line, 0, "", fmt.Sprintf("has %d fields, and the header has %d", short.width, len(a.columns)), "add the missing delimiters: a value may have moved to another column")
	}
	if len(a.rows) == 0 && len(a.problems) == 0 {
		a.add(0, 0, "", "has a header and no accounts", "write one line for each mailbox")
	}
}

func (a *accounts) add(line, column int, field, text, mend string) {
	a.problems = append(a.problems, Problem{File: a.file, Line: line, Column: column, Field: field, Text: text, Mend: mend})
}

// quoting reports a record that isn't CSV. The reader goes on after it.
func (a *accounts) quoting(err error) {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		a.add(0, 0, "", err.Error(), "")
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
	a.add(line, column, "", text, mend)
}

// header understands the first line. It leaves index nil when the rows can't
// be understood without what is missing.
func (a *accounts) header(record []string) {
	last := len(record)
	for last > 0 && strings.TrimSpace(record[last-1]) == "" {
		last--
	}
	line, _ := a.csv.FieldPos(0)
	a.columns = make([]string, last)
	index, known := map[string]int{}, 0
	for i := range last {
		if a.columns[i] = columnName(record[i]); isColumn(a.columns[i]) {
			known++
		}
	}
	if known == 0 {
		// Not quoted: without a header this line may hold a password.
		a.add(line, 0, "", "isn't a header: it has none of the known columns", "begin with "+strings.Join(mandatoryColumns, ";"))
		return
	}
	for i, name := range a.columns {
		_, column := a.csv.FieldPos(i)
		_, twice := index[name]
		switch {
		case name == "":
		case slices.Contains(passwordColumns, name):
			a.add(line, column, name, "passwords aren't kept in this file", "use a column secret_file, secret_env or secret_command, or an administrator's login under sources:")
		case !isColumn(name):
			mend := "known are " + strings.Join(accountColumns, ", ")
			if near := Nearest(name, accountColumns); near != "" {
				mend = "did you mean " + near + "?"
			}
			a.add(line, column, "", "unknown column "+quoteShort(strings.TrimSpace(record[i])), mend)
		case twice:
			a.add(line, column, name, "the column is there twice", "remove one; address is another name of target_address")
		default:
			index[name] = i
		}
	}
	missing := false
	for _, name := range mandatoryColumns {
		if _, ok := index[name]; !ok {
			a.add(line, 0, name, "the column is missing", "add it to the header")
			missing = true
		}
	}
	if !missing {
		a.index = index
	}
}

// record sees to the number of fields, and hands a row on.
func (a *accounts) record(record []string) {
	last := len(record)
	for last > 0 && strings.TrimSpace(record[last-1]) == "" {
		last--
	}
	line, _ := a.csv.FieldPos(0)
	sheetRow := a.sheetRow(record)
	a.widths.note(sheetRow, len(record))
	if last == 0 {
		return
	}
	if last > len(a.columns) {
		_, column := a.csv.FieldPos(len(a.columns))
		a.add(line, column, "", fmt.Sprintf("has %d fields, and the header has %d", last, len(a.columns)), fmt.Sprintf("put a field that contains %q between quotation marks", a.csv.Comma))
		return
	}
	for i, name := range a.columns {
		if name == "" && i < len(record) && strings.TrimSpace(record[i]) != "" {
			_, column := a.csv.FieldPos(i)
			a.add(line, column, "", "has a value in a column without a name", "name the column in the header, or empty it")
		}
	}
	if len(record) < len(a.columns) {
		a.widths.shorts = append(a.widths.shorts, shortRow{line, len(record), sheetRow / excelBlock})
	}
	a.row(line, record)
}

// sheetRow is the record's row in the spreadsheet, from 0: its line, without
// the line breaks inside the fields before it.
func (a *accounts) sheetRow(record []string) int {
	line, _ := a.csv.FieldPos(0)
	row := line - 1 - a.inner
	for _, field := range record {
		a.inner += strings.Count(field, "\n")
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
