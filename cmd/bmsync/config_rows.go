package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bmsync/migrate"
)

// loadInputs reads the CSVs that the configuration names, and checks them
// against it and each other. All faults come together as a
// *migrate.InputError.
func loadInputs(c *Config) (migrate.Inputs, error) {
	in := migrate.Inputs{Policy: c.Policy, Domains: planDomains(c)}
	var l inputLoader
	in.Rows = readCSV(&l, c.Accounts, true, migrate.ReadAccounts)
	in.Groups = readCSV(&l, c.Groups, c.named("groups"), migrate.ReadGroups)
	in.Rights = readCSV(&l, c.Rights, c.named("rights"), migrate.ReadRights)
	if l.err != nil {
		return in, l.err
	}
	problems := checkRows(c, in.Rows)
	if slices.ContainsFunc(l.problems, func(p migrate.Problem) bool { return p.File != c.Rights }) {
		// What is missing may only be unreadable: say nothing about absent rows
		// and groups.
		problems = slices.DeleteFunc(problems, func(p migrate.Problem) bool { return p.File != c.Accounts })
		return in, migrate.NewInputError(append(l.problems, problems...))
	}
	problems = append(problems, l.problems...)
	for _, p := range in.Problems() {
		if p.File == "" {
			p = c.at(p.Field).At(p)
		}
		problems = append(problems, p)
	}
	return in, migrate.NewInputError(problems)
}

// named says whether the configuration names a file that needs none to be
// named.
func (c *Config) named(key string) bool {
	return c.at(key).Line > 0 || strings.Contains(c.at(key).Field, " ") // by file; by flag or environment
}

// inputLoader collects what is wrong with several files.
type inputLoader struct {
	problems []migrate.Problem
	err      error // one couldn't be read; the first
}

// readCSV reads one file, which need not be there unless it must.
func readCSV[T any](l *inputLoader, path string, must bool, read func(io.Reader, string) ([]T, error)) []T {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		l.problems = append(l.problems, migrate.Problem{File: path, Text: cause(err).Error(), Mend: "bmsync init writes one with comments", Err: err})
		return nil
	}
	defer f.Close()
	list, err := read(f, path)
	var input *migrate.InputError
	switch {
	case errors.As(err, &input):
		l.problems = append(l.problems, input.Problems...)
	case err != nil && l.err == nil:
		l.err = err
	}
	return list
}

// remarks are what was understood otherwise than written.
func remarks(in migrate.Inputs) []string {
	var out []string
	say := func(file string, line int, list []string) {
		for _, text := range list {
			out = append(out, migrate.Problem{File: file, Line: line, Text: text}.Error())
		}
	}
	for _, row := range in.Rows {
		say(row.File, row.Line, row.Remarks)
	}
	for _, g := range in.Groups {
		say(g.File, g.Line, g.Remarks)
	}
	return out
}

// rowSecret is where the secret for a row's source login is kept: its own
// reference, else its source's. A relative file starts from the CSV's folder.
func rowSecret(c *Config, row migrate.Row) SecretRef {
	if ref := csvSecret(c, row.SecretEnv, row.SecretFile, row.SecretCommand); ref.Given() {
		return ref
	}
	source, _ := c.Source(row.Source)
	return source.Secret
}

func csvSecret(c *Config, env, file, command string) SecretRef {
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(c.Accounts), file)
	}
	return SecretRef{Env: env, File: file, Command: command}
}

// newPasswords finds the first password of a user whose row says where it is
// kept. It is looked up when it is needed, and not kept.
func newPasswords(c *Config, rows []migrate.Row) func(ctx context.Context, address string) (string, error) {
	refs := map[string]SecretRef{}
	for _, row := range rows {
		if ref := csvSecret(c, row.PasswordEnv, row.PasswordFile, row.PasswordCommand); ref.Given() {
			refs[row.Address] = ref
		}
	}
	return func(ctx context.Context, address string) (string, error) {
		ref, ok := refs[address]
		if !ok {
			return "", fmt.Errorf("accounts.csv doesn't say any more where the new password of %s is kept; run bmsync plan", address)
		}
		return ref.Resolve(ctx)
	}
}

// checkRows finds what rows and configuration say differently.
func checkRows(c *Config, rows []migrate.Row) []migrate.Problem {
	check := rowCheck{c: c, addresses: map[string]bool{}, domains: map[string]string{}}
	for _, d := range c.Domains {
		for _, name := range append([]string{d.Name}, d.Aliases...) {
			check.domains[name] = d.Name
		}
	}
	for _, row := range rows {
		check.addresses[row.Address] = true
		check.source(row)
		check.domain(row)
	}
	for i, e := range c.Exceptions {
		if !check.addresses[e.Address] {
			check.unknownException(i, e.Address)
		}
	}
	for _, t := range c.Targets {
		check.domainMap(t, rows)
	}
	return check.problems
}

type rowCheck struct {
	c         *Config
	addresses map[string]bool
	domains   map[string]string // name or alias → name
	problems  []migrate.Problem
}

func (k *rowCheck) row(row migrate.Row, column, text, mend string) {
	k.problems = append(k.problems, migrate.Problem{File: row.File, Line: row.Line, Field: column, Text: text, Mend: mend})
}

func (k *rowCheck) key(path, text, mend string) {
	p := k.c.at(path)
	p.Text, p.Mend = text, mend
	k.problems = append(k.problems, p)
}

func (k *rowCheck) source(row migrate.Row) {
	source, ok := k.c.Source(row.Source)
	if !ok {
		var names []string
		for _, s := range k.c.Sources {
			names = append(names, s.Name)
		}
		mend := "known are " + strings.Join(names, ", ")
		if near := migrate.Nearest(row.Source, names); near != "" {
			mend = "did you mean " + near + "?"
		}
		k.row(row, "source", fmt.Sprintf("%s isn't under sources: of %s", quoted(row.Source), filepath.Base(k.c.Path)), mend)
		return
	}
	own := row.SecretEnv != "" || row.SecretFile != "" || row.SecretCommand != ""
	switch {
	case source.Auth == authPlainAuthz && own:
		k.row(row, "secret_env", fmt.Sprintf("source %s logs in by its administrator, and this row has a secret of its own", source.Name), "empty secret_env, secret_file and secret_command")
	case source.Auth == authLogin && !own && !source.Secret.Given():
		k.row(row, "secret_file", "neither this row nor its source says where the password is kept", "fill secret_file, secret_env or secret_command, or give the source an administrator")
	}
	if migrate.IsAdministrator(source.Login(row.Login)) {
		k.row(row, "source_login", "logs in as BlueMind's administrator, who never does so over IMAP", "write the login of the mailbox's owner")
	}
}

// domain checks that addresses lie in a domain listed, once any is.
func (k *rowCheck) domain(row migrate.Row) {
	if len(k.c.Domains) == 0 {
		return
	}
	known := slices.Sorted(maps.Keys(k.domains))
	_, domain, _ := strings.Cut(row.Address, "@")
	home, ok := k.domains[domain]
	if !ok {
		mend := "list it under domains:, as a name or an alias"
		if near := migrate.Nearest(domain, known); near != "" {
			mend = "did you mean " + near + "? Else " + mend
		}
		k.row(row, "target_address", domain+" isn't under domains:", mend)
		return
	}
	for _, alias := range row.Aliases {
		_, domain, _ := strings.Cut(alias, "@")
		if k.domains[domain] != home {
			k.row(row, "aliases", fmt.Sprintf("%s isn't in domain %s of the mailbox", alias, home), "use one of its names, or add an alias to the domain under domains:")
		}
	}
}

func (k *rowCheck) unknownException(i int, address string) {
	mend := "remove the exception, or correct its address"
	if near := migrate.Nearest(address, slices.Sorted(maps.Keys(k.addresses))); near != "" {
		mend = "did you mean " + near + "?"
	}
	k.key(fmt.Sprintf("exceptions::%d::address", i), fmt.Sprintf("%s is no target address in %s", address, filepath.Base(k.c.Accounts)), mend)
}

// domainMap checks that a rehearsal's domains are used, and that no two
// mailboxes meet in one.
func (k *rowCheck) domainMap(t Target, rows []migrate.Row) {
	if len(t.DomainMap) == 0 {
		return
	}
	path := join(join("targets", t.Name), "domain_map")
	used := map[string]bool{}
	owner := map[string]string{}
	for _, row := range rows {
		for _, address := range append([]string{row.Address}, row.Aliases...) {
			_, domain, _ := strings.Cut(address, "@")
			used[domain] = true
			mapped := t.Address(address)
			if other, taken := owner[mapped]; taken {
				k.row(row, "target_address", fmt.Sprintf("on target %s, %s and %s would both be %s", t.Name, other, address, mapped), "map the domains to different ones")
				continue
			}
			owner[mapped] = address
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(t.DomainMap)) {
		if !used[domain] && k.domains[domain] == "" {
			k.key(join(path, domain), fmt.Sprintf("no address of %s is in %s", filepath.Base(k.c.Accounts), domain), "correct the domain, or remove the line")
		}
	}
}
