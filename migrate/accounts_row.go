package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// row understands one record, and keeps it if nothing in it is wrong.
func (a *accounts) row(r *rowReader) {
	before := len(r.s.problems)
	row := Row{
		File: r.s.file, Line: r.line,
		Source: r.mandatory(colSource), Login: r.mandatory(colLogin), Folder: r.exact(colFolder),
		Writer: r.exact(colWriter), Label: r.words(colLabel),
		DisplayName: r.words(colDisplayName), FirstName: r.words(colFirstName), LastName: r.words(colLastName),
		Wave: r.exact(colWave), Note: r.raw(colNote), DataLocation: r.exact(colDataLocation),
		SecretEnv: r.exact(colSecretEnv), SecretFile: r.exact(colSecretFile), SecretCommand: r.exact(colSecretCommand),
		PasswordEnv: r.exact(colNewEnv), PasswordFile: r.exact(colNewFile), PasswordCommand: r.exact(colNewCommand),
	}
	if IsAdministrator(row.Login) {
		r.add(colLogin, "is BlueMind's administrator, who never logs in over IMAP", "write the login of the mailbox's owner")
	}
	quota, err := ParseQuota(r.exact(colQuota))
	if err != nil {
		r.fault(colQuota, err)
	}
	row.Quota = quota
	switch row.Kind = strings.ToLower(r.exact(colKind)); row.Kind {
	case "":
		row.Kind = KindUser
		r.user(&row)
	case KindUser:
		r.user(&row)
	case KindShare:
		r.share(&row)
	default:
		mend := "write user or share"
		if near := Nearest(row.Kind, []string{KindUser, KindShare}); near != "" {
			mend = "did you mean " + near + "?"
		}
		r.add(colKind, quoteShort(row.Kind)+" is not a kind of mailbox", mend)
	}
	r.references(row)
	a.duplicates(r, row)
	if len(r.s.problems) == before {
		a.rows = append(a.rows, row)
	}
}

// user reads what a row of kind user has of its own.
func (r *rowReader) user(row *Row) {
	r.addresses(row, checkLogin)
	r.absent("only a share has a writer", "empty the field, or write share under kind", colWriter)
	r.absent("only a share has a label", "use display_name for a user", colLabel)
	for _, name := range r.list(colGroups, "|,;") {
		if why := badGroupName(name); why != "" {
			r.add(colGroups, fmt.Sprintf("the group %s %s", quoteShort(name), why), "write its name as in groups.csv; | parts several")
		} else if !slices.Contains(row.Groups, name) {
			row.Groups = append(row.Groups, name)
		}
	}
	if s := r.exact(colAccountType); s != "" {
		t, err := ParseAccountType(s)
		if err != nil {
			r.fault(colAccountType, err)
		}
		row.AccountType = t
	}
}

// share reads what a row of kind share has of its own.
func (r *rowReader) share(row *Row) {
	r.addresses(row, checkShareName)
	if row.Label == "" {
		row.Label, row.DisplayName = row.DisplayName, ""
	} else if row.DisplayName != "" {
		r.add(colDisplayName, "a share has a label instead", "keep one of the two")
	}
	r.absent("only a user has one", "empty the field, or write user under kind", colFirstName, colLastName, colAccountType, colNewEnv, colNewFile, colNewCommand)
	r.absent("a share's name is the left part of its address", "empty the field", colTargetLogin)
	r.absent("a share is a member of no group", "give rights on it in rights.csv", colGroups)
	if row.Writer != "" {
		row.Writer = r.address(colWriter, row.Writer, row)
	}
}

// absent says of each of the columns that it should be empty here.
func (r *rowReader) absent(text, mend string, columns ...string) {
	for _, column := range columns {
		if r.raw(column) != "" {
			r.add(column, text, mend)
		}
	}
}

// addresses reads what users and shares are called: address, login or name,
// aliases.
func (r *rowReader) addresses(row *Row, check func(string) error) {
	column, own := colAddress, r.exact(colTargetLogin)
	if s := r.mandatory(colAddress); s != "" {
		row.Address = r.address(colAddress, s, row)
		row.TargetLogin, _, _ = strings.Cut(row.Address, "@")
	}
	if own != "" && row.Kind == KindUser {
		column, row.TargetLogin = colTargetLogin, strings.ToLower(own)
		if row.TargetLogin != own {
			row.Remarks = append(row.Remarks, fmt.Sprintf("login %s was written in lower case, as BlueMind wants it", quoteShort(own)))
		}
	}
	if row.TargetLogin != "" {
		if err := check(row.TargetLogin); err != nil {
			r.fault(column, err)
		} else if IsAdministrator(row.TargetLogin) {
			r.add(column, quoteShort(row.TargetLogin)+" is BlueMind's administrator, not a mailbox", "write another login")
		}
	}
	for _, s := range r.list(colAliases, "| \t\u00a0,;") {
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
	address, err := parseMailAddress(s)
	if err != nil {
		r.fault(column, err)
		return ""
	}
	if address != s {
		row.Remarks = append(row.Remarks, fmt.Sprintf("%s %s was written in lower case, as BlueMind wants it", column, quoteShort(s)))
	}
	return address
}

// references checks where secrets are kept. What they hold isn't quoted:
// somebody may have written the password itself.
func (r *rowReader) references(row Row) {
	r.reference(colSecretEnv, row.SecretEnv, row.SecretFile, row.SecretCommand, "secret_env, secret_file and secret_command")
	r.reference(colNewEnv, row.PasswordEnv, row.PasswordFile, row.PasswordCommand, "new_password_env, new_password_file and new_password_command")
}

func (r *rowReader) reference(column, env, file, command, names string) {
	given := 0
	for _, s := range []string{env, file, command} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		r.add(column, "more than one of "+names+" is given", "keep one")
	}
	if env != "" && !IsEnvName(env) {
		r.add(column, "isn't the name of an environment variable", "write a name such as OLD_ADA; the password itself never stands here")
	}
}

// duplicates finds what two rows claim. An address and an alias share one
// name space in BlueMind (ALREADY_EXISTS).
func (a *accounts) duplicates(r *rowReader, row Row) {
	claim := func(seen map[string]int, key, column, what string) {
		if first, taken := seen[key]; taken {
			r.add(column, fmt.Sprintf("%s is on line %d already", what, first), "keep one of the two rows")
			return
		}
		seen[key] = r.line
	}
	if row.Address != "" {
		claim(a.targets, row.Address, colAddress, "the address "+row.Address)
	}
	for _, alias := range row.Aliases {
		claim(a.targets, alias, colAliases, "the address "+alias)
	}
	if row.Source != "" && row.Login != "" {
		claim(a.sources, row.Source+"\x00"+sourceKey(row.Login)+"\x00"+row.Folder, colLogin, "the same source, login and folder")
	}
}

// sourceKey compares logins: a domain after @ has no case, the rest may have.
func sourceKey(login string) string {
	if i := strings.LastIndexByte(login, '@'); i >= 0 {
		return login[:i] + strings.ToLower(login[i:])
	}
	return login
}
