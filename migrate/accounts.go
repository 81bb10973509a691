package migrate

import "io"

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
	// name space. It is the left part of Address, unless a user's row says
	// otherwise.
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

// The columns of accounts.csv. Order is free; "address" is an alias.
const (
	colSource        = "source"
	colLogin         = "source_login"
	colFolder        = "source_folder"
	colAddress       = "target_address"
	colKind          = "kind"
	colTargetLogin   = "login"
	colWriter        = "writer"
	colLabel         = "label"
	colDisplayName   = "display_name"
	colFirstName     = "first_name"
	colLastName      = "last_name"
	colQuota         = "quota"
	colAliases       = "aliases"
	colGroups        = "groups"
	colAccountType   = "account_type"
	colDataLocation  = "data_location"
	colWave          = "wave"
	colSecretEnv     = "secret_env"
	colSecretFile    = "secret_file"
	colSecretCommand = "secret_command"
	colNewEnv        = "new_password_env"
	colNewFile       = "new_password_file"
	colNewCommand    = "new_password_command"
	colNote          = "note"
)

var accountSheet = &sheetKind{
	columns: []string{colSource, colLogin, colFolder, colAddress, colKind, colTargetLogin, colWriter, colLabel, colDisplayName, colFirstName, colLastName,
		colQuota, colAliases, colGroups, colAccountType, colDataLocation, colWave, colSecretEnv, colSecretFile, colSecretCommand,
		colNewEnv, colNewFile, colNewCommand, colNote},
	mandatory: []string{colSource, colLogin, colAddress},
	also:      map[string]string{"address": colAddress},
	secrets:   "use a column secret_file, secret_env or secret_command, or an administrator's login under sources:; new_password_file and its like are for BlueMind",
}

// ReadAccounts reads accounts.csv, as an editor or Excel writes it: delimiter
// ";" "," or tab, with or without mark, UTF-8 or Windows-1252, CRLF, empty
// rows and columns at the end, comments that begin with "#".
//
// The whole file is checked before it returns. Its mistakes come together as
// an *InputError, beside the rows that are sound, so that further checks can
// add theirs. Any other error means that r couldn't be read.
func ReadAccounts(r io.Reader, name string) ([]Row, error) {
	a := &accounts{targets: map[string]int{}, sources: map[string]int{}}
	s, err := readSheet(r, name, accountSheet, a.row)
	if err != nil {
		return nil, err
	}
	if len(a.rows) == 0 && len(s.problems) == 0 {
		s.add(0, 0, "", "has a header and no accounts", "write one line for each mailbox")
	}
	return a.rows, NewInputError(s.problems)
}

// accounts is one reading of accounts.csv.
type accounts struct {
	rows    []Row
	targets map[string]int // address or alias → line
	sources map[string]int // source, login, folder → line
}
