package migrate

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// rowReader reads the cells of one record and remembers what is wrong.
type rowReader struct {
	a      *accounts
	line   int
	record []string
}

// cell returns one trimmed field, "" where the record ends before.
func (r *rowReader) cell(column string) string {
	i, ok := r.a.index[column]
	if !ok || i >= len(r.record) {
		return ""
	}
	s := strings.TrimSpace(r.record[i])
	if s != "" && s[0] == '#' && excelError.MatchString(s) {
		r.add(column, "is the error value of a spreadsheet's formula", "correct the formula")
		return ""
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
	before := len(r.a.problems)
	s := r.exact(column)
	if s == "" && len(r.a.problems) == before {
		r.add(column, "is missing", "every row needs it")
	}
	return s
}

func (r *rowReader) add(column, text, mend string) {
	r.fault(column, Problem{Text: text, Mend: mend})
}

func (r *rowReader) fault(column string, err error) {
	at := Problem{File: r.a.file, Line: r.line, Field: column}
	if i, ok := r.a.index[column]; ok && i < len(r.record) {
		at.Line, at.Column = r.a.csv.FieldPos(i)
	}
	r.a.problems = append(r.a.problems, at.At(err))
}

// row understands one record, and keeps it if nothing in it is wrong.
func (a *accounts) row(line int, record []string) {
	r := &rowReader{a: a, line: line, record: record}
	before := len(a.problems)
	row := Row{
		File: a.file, Line: line,
		Source: r.mandatory(colSource), Login: r.mandatory(colLogin), Folder: r.exact(colFolder),
		Writer: r.exact(colWriter), Label: r.words(colLabel),
		DisplayName: r.words(colDisplayName), FirstName: r.words(colFirstName), LastName: r.words(colLastName),
		Wave: r.exact(colWave), Note: r.cell(colNote),
		SecretEnv: r.exact(colSecretEnv), SecretFile: r.exact(colSecretFile), SecretCommand: r.exact(colSecretCommand),
	}
	if IsAdministrator(row.Login) {
		r.add(colLogin, "is BlueMind's administrator, who never logs in over IMAP", "write the login of the mailbox's owner")
	}
	switch row.Kind = strings.ToLower(r.exact(colKind)); row.Kind {
	case "":
		row.Kind = KindUser
	case KindUser:
	case KindShare:
		r.fault(colKind, Problem{Text: ErrShareNotBuilt.Error(), Mend: "take the row out, and move shared mailboxes otherwise", Err: ErrShareNotBuilt})
	default:
		mend := "write user or share"
		if near := Nearest(row.Kind, []string{KindUser, KindShare}); near != "" {
			mend = "did you mean " + near + "?"
		}
		r.add(colKind, quoteShort(row.Kind)+" is not a kind of mailbox", mend)
	}
	quota, err := ParseQuota(r.exact(colQuota))
	if err != nil {
		r.fault(colQuota, err)
	}
	row.Quota = quota
	if row.Kind == KindUser {
		r.user(&row)
	}
	r.secrets(row)
	r.duplicates(row)
	if len(a.problems) == before {
		a.rows = append(a.rows, row)
	}
}

// user reads what a row of kind user has of its own.
func (r *rowReader) user(row *Row) {
	if s := r.mandatory(colAddress); s != "" {
		row.Address = r.address(colAddress, s, row)
		if row.Address != "" {
			row.TargetLogin, _, _ = strings.Cut(row.Address, "@")
			if err := checkLogin(row.TargetLogin); err != nil {
				r.fault(colAddress, err)
			}
		}
	}
	if row.Writer != "" {
		r.add(colWriter, "only a share has a writer", "empty the field, or write share under kind")
	}
	if row.Label != "" {
		r.add(colLabel, "only a share has a label", "use display_name for a user")
	}
	for _, s := range strings.FieldsFunc(r.exact(colAliases), func(c rune) bool { return c == '|' || unicode.IsSpace(c) }) {
		alias := r.address(colAliases, s, row)
		switch {
		case alias == "":
		case alias == row.Address:
			row.Remarks = append(row.Remarks, fmt.Sprintf("alias %s is the address itself", alias))
		case slices.Contains(row.Aliases, alias):
			row.Remarks = append(row.Remarks, fmt.Sprintf("alias %s is there twice", alias))
		default:
			row.Aliases = append(row.Aliases, alias)
		}
	}
}

func (r *rowReader) address(column, s string, row *Row) string {
	address, err := ParseAddress(s)
	if err == nil && IsAdministrator(address) {
		err = Problem{Text: quoteShort(s) + " is BlueMind's administrator, not a mailbox", Mend: "write the address of a mailbox"}
	}
	if err != nil {
		r.fault(column, err)
		return ""
	}
	if address != s {
		row.Remarks = append(row.Remarks, fmt.Sprintf("%s %s was written in lower case, as BlueMind wants it", column, quoteShort(s)))
	}
	return address
}

// secrets checks the references. What they hold isn't quoted: somebody may
// have written the password itself.
func (r *rowReader) secrets(row Row) {
	given := 0
	for _, s := range []string{row.SecretEnv, row.SecretFile, row.SecretCommand} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		r.add(colSecretEnv, "more than one of secret_env, secret_file and secret_command is given", "keep one")
	}
	if row.SecretEnv != "" && !IsEnvName(row.SecretEnv) {
		r.add(colSecretEnv, "isn't the name of an environment variable", "write a name such as OLD_ADA; the password itself never stands here")
	}
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

// duplicates finds what two rows claim. An address and an alias share one
// name space in BlueMind (ALREADY_EXISTS).
func (r *rowReader) duplicates(row Row) {
	claim := func(seen map[string]int, key, column, what string) {
		if first, taken := seen[key]; taken {
			r.add(column, fmt.Sprintf("%s is on line %d already", what, first), "keep one of the two rows")
			return
		}
		seen[key] = r.line
	}
	if row.Address != "" {
		claim(r.a.targets, row.Address, colAddress, "the address "+row.Address)
	}
	for _, alias := range row.Aliases {
		claim(r.a.targets, alias, colAliases, "the address "+alias)
	}
	if row.Source != "" && row.Login != "" {
		claim(r.a.sources, row.Source+"\x00"+sourceKey(row.Login)+"\x00"+row.Folder, colLogin, "the same source, login and folder")
	}
}

// sourceKey compares logins: a domain after @ has no case, the rest may have.
func sourceKey(login string) string {
	if i := strings.LastIndexByte(login, '@'); i >= 0 {
		return login[:i] + strings.ToLower(login[i:])
	}
	return login
}
