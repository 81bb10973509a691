package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bmsync/migrate"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// configVersion is the format of bmsync.yaml that this release reads.
const configVersion = 1

// largestConfig bounds the file: a thousand exceptions are 200 kB.
const largestConfig = 8 << 20

// loadConfig reads and checks the file at path. Settings with one value may
// be given by flag, by environment, or in the file, in this order; flags and
// env may be nil. All faults come together as a *migrate.InputError; nothing
// is connected to, written or run.
func loadConfig(path string, flags *pflag.FlagSet, env func(string) (string, bool)) (*Config, error) {
	text, err := readConfig(path)
	if err != nil {
		return nil, migrate.NewInputError([]migrate.Problem{migrate.Problem{File: path}.At(err)})
	}
	return parseConfig(path, text, flags, env)
}

// parseConfig is loadConfig for the text of the file.
func parseConfig(path string, text []byte, flags *pflag.FlagSet, env func(string) (string, bool)) (*Config, error) {
	c := defaultConfig(path)
	r := newReader(path)
	c.at = r.at
	root, err := parseYAML(text)
	if err != nil {
		return nil, migrate.NewInputError([]migrate.Problem{yamlProblem(path, err)})
	}
	c.read(r, root)
	c.settle(r, flags, env)
	c.check(r)
	if err := migrate.NewInputError(r.problems); err != nil {
		return nil, err
	}
	return c, nil
}

func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, migrate.Problem{Text: "there is no such file", Mend: "bmsync init writes one", Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, largestConfig+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(text) > largestConfig {
		return nil, migrate.Problem{Text: "is larger than 8 MB", Mend: "this can't be a configuration; check the path"}
	}
	return text, nil
}

// parseYAML returns the top of the one document in text.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err == io.EOF {
		return nil, migrate.Problem{Text: "is empty", Mend: "bmsync init writes one with comments"}
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, migrate.Problem{Line: second.Line, Text: "has a second document after ---", Mend: "keep one"}
	} else if err != io.EOF {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, migrate.Problem{Text: "is empty", Mend: "bmsync init writes one with comments"}
	}
	return document.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlProblem takes the line out of the text of yaml's error.
func yamlProblem(path string, err error) migrate.Problem {
	p := migrate.Problem{File: path}
	var own migrate.Problem
	if errors.As(err, &own) {
		p.Line = own.Line
		return p.At(err)
	}
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m != nil {
		p.Line, _ = strconv.Atoi(m[1]) // no line: 0
		text = text[len(m[0]):]
	}
	p.Text = "isn't YAML: " + text
	p.Mend = "indent with spaces, the same for keys of one block; put a value with : # { [ or a leading * & ! % @ between quotation marks"
	return p
}

// setting is a key with one value that flag and environment may override.
type setting struct {
	key string
	set func(string) error
}

// flagName is the flag that overrides the setting, where a command has it:
// policy::limits::batch_bytes is --policy-limits-batch-bytes.
func (s setting) flagName() string {
	return strings.NewReplacer(keyDelimiter, "-", "_", "-").Replace(s.key)
}

// settingFlags gives a command flags for the settings that it heeds: those
// that say where things are kept, and those whose key begins with one of
// prefixes. They stand in no help but the program's, which names their form.
func settingFlags(cmd *cobra.Command, prefixes ...string) {
	flags := cmd.PersistentFlags() // for plan show, too
	for _, s := range defaultConfig("").settings() {
		place := !strings.HasPrefix(s.key, "policy")
		if !place && !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.key, p) }) {
			continue
		}
		flags.String(s.flagName(), "", shown(s.key)+" of bmsync.yaml")
		if err := flags.MarkHidden(s.flagName()); err != nil {
			panic(err) // it was defined above
		}
	}
}

// envName is the variable that overrides the setting: BMSYNC_STATE,
// BMSYNC_POLICY_LIMITS_ACCOUNTS.
func (s setting) envName() string {
	return "BMSYNC_" + strings.ToUpper(strings.ReplaceAll(s.key, keyDelimiter, "_"))
}

// setter makes the function that parses a setting and keeps it.
func setter[T any](into *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*into = v
		}
		return err
	}
}

func named[T ~string](known ...T) func(string) (T, error) {
	list := make([]string, len(known))
	for i, k := range known {
		list[i] = string(k)
	}
	parse := words(list...)
	return func(s string) (T, error) {
		v, err := parse(s)
		return T(v), err
	}
}

func optionalAccountType(s string) (string, error) {
	if s == "" {
		return "", nil // BlueMind's default
	}
	return migrate.ParseAccountType(s)
}

func anyText(s string) (string, error) { return s, nil }

// optionalBool parses what may be left unsaid.
func optionalBool(s string) (*bool, error) {
	v, err := parseBool(s)
	return &v, err
}

func parsePath(s string) (string, error) {
	if strings.TrimSpace(s) == "" || strings.ContainsRune(s, 0) {
		return "", migrate.Problem{Text: "is no path"}
	}
	return s, nil
}

func (c *Config) settings() []setting {
	p, l := &c.Policy, &c.Limits
	return []setting{
		{"state", setter(&c.State, parsePath)},
		{"plan", setter(&c.Plan, parsePath)},
		{"accounts", setter(&c.Accounts, parsePath)},
		{"groups", setter(&c.Groups, parsePath)},
		{"rights", setter(&c.Rights, parsePath)},
		{"quarantine", setter(&c.Quarantine, parsePath)},
		{"policy::target_version", setter(&p.TargetVersion, named(migrate.TargetBoth, migrate.Target4, migrate.Target5))},
		{"policy::folders::junk", setter(&p.Folders.Junk, named(migrate.Exclude, migrate.Copy))},
		{"policy::folders::trash", setter(&p.Folders.Trash, named(migrate.Copy, migrate.Exclude))},
		{"policy::folders::subscribed_only", setter(&p.Folders.SubscribedOnly, optionalBool)},
		{"policy::folders::into", setter(&p.Folders.Into, anyText)},
		{"policy::messages::deleted", setter(&p.Messages.Deleted, named(migrate.Exclude, migrate.Copy))},
		{"policy::messages::absurd_dates", setter(&p.Messages.AbsurdDates, named(migrate.KeepDates, migrate.HeaderDates))},
		{"policy::flags::keywords", setter(&p.Flags.Keywords, named(migrate.KeepKeywords, migrate.DropKeywords))},
		{"policy::into_non_empty", setter(&p.IntoNonEmpty, parseBool)},
		{"policy::users::create", setter(&p.Users.Create, parseBool)},
		{"policy::users::password", setter(&p.Users.Password, named(migrate.GeneratedPassword, migrate.NoPassword, migrate.GivenPassword))},
		{"policy::users::update", setter(&p.Users.Update, parseBool)},
		{"policy::users::quota", setter(&p.Users.Quota, named(migrate.QuotaCSV, migrate.QuotaSource))},
		{"policy::users::account_type", setter(&p.Users.AccountType, optionalAccountType)},
		{"policy::users::all_aliases", setter(&p.Users.AllAliases, parseBool)},
		{"policy::shares::create", setter(&p.Shares.Create, parseBool)},
		{"policy::shares::rights", setter(&p.Shares.Rights, named(migrate.RightsSource, migrate.RightsCSV, migrate.RightsNone))},
		{"policy::shares::subscribe", setter(&p.Shares.Subscribe, parseBool)},
		{"policy::limits::accounts", setter(&l.Accounts, parseNumber)},
		{"policy::limits::memory", setter(&l.Memory, migrate.ParseSize)},
		{"policy::limits::settle", setter(&l.Settle, parseDuration)},
		{"policy::limits::retries", setter(&l.Retries, parseNumber)},
		{"policy::limits::batch_messages", setter(&l.BatchMessages, parseNumber)},
		{"policy::limits::batch_bytes", setter(&l.BatchBytes, migrate.ParseSize)},
		{"policy::limits::provision", setter(&l.Provision, parseNumber)},
		{"policy::presync::follow", setter(&p.Presync.Follow, parseBool)},
		{"policy::presync::ask_above", setter(&p.Presync.AskAbove, parseNumber)},
		{"policy::presync::ask_above_percent", setter(&p.Presync.AskAbovePercent, parseNumber)},
		{"policy::limits::message_errors", setter(&l.MessageErrors, parseNumber)},
		{"log::level", setter(&c.Log.Level, words("debug", "info", "warn", "error"))},
		{"log::file", setter(&c.Log.File, parsePath)},
	}
}

// settle finds the value of each setting: flag, else environment, else file,
// else the default that c has already. Viper keeps the order; it gets the
// environment as a layer over the file, because it would ask the process for
// it, and only lower-case keys, because it makes them so.
func (c *Config) settle(r *reader, flags *pflag.FlagSet, env func(string) (string, bool)) {
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	settings := c.settings()
	layer := func(key, value string) {
		nested := map[string]any{}
		at := nested
		parts := strings.Split(key, keyDelimiter)
		for _, part := range parts[:len(parts)-1] {
			next := map[string]any{}
			at[part], at = next, next
		}
		at[parts[len(parts)-1]] = value
		if err := v.MergeConfigMap(nested); err != nil {
			r.fault(key, err)
		}
	}
	for _, s := range settings {
		fromFile, inFile := r.flat[s.key]
		if inFile {
			layer(s.key, fromFile)
		}
		if env != nil {
			if value, ok := env(s.envName()); ok && value != "" {
				layer(s.key, value)
				r.places[s.key] = migrate.Problem{Field: "environment variable " + s.envName()}
				inFile = false
			}
		}
		if flags != nil {
			if f := flags.Lookup(s.flagName()); f != nil {
				if err := v.BindPFlag(s.key, f); err != nil {
					r.fault(s.key, err)
				}
				if f.Changed {
					r.places[s.key] = migrate.Problem{Field: "flag --" + s.flagName()}
					inFile = false
				}
			}
		}
		if !v.IsSet(s.key) {
			continue
		}
		if err := s.set(v.GetString(s.key)); err != nil {
			r.fault(s.key, err)
		} else if inFile {
			c.startFromDir(s.key)
		}
	}
}

// startFromDir moves a path that the file gave to the file's folder. One of a
// flag or of the environment starts from the working directory, as in a shell.
func (c *Config) startFromDir(key string) {
	switch key {
	case "state":
		c.State = c.path(c.State)
	case "plan":
		c.Plan = c.path(c.Plan)
	case "accounts":
		c.Accounts = c.path(c.Accounts)
	case "groups":
		c.Groups = c.path(c.Groups)
	case "rights":
		c.Rights = c.path(c.Rights)
	case "quarantine":
		c.Quarantine = c.path(c.Quarantine)
	case "log::file":
		c.Log.File = c.path(c.Log.File)
	}
}

// flatten takes the settings out of a block, for settle.
func (c *Config) flatten(m *mapping) {
	for _, s := range c.settings() {
		parent, leaf := "", s.key
		if i := strings.LastIndex(s.key, keyDelimiter); i >= 0 {
			parent, leaf = s.key[:i], s.key[i+len(keyDelimiter):]
		}
		if parent != m.path {
			continue
		}
		if value, ok := m.scalar(leaf); ok {
			m.r.flat[s.key] = value
		}
	}
}

// largestCAFile is many times the bundle of all public authorities.
const largestCAFile = 4 << 20

// readCAFile reads a file that must be there and be a plain one; an empty path
// is none.
func readCAFile(r *reader, path, file string) []byte {
	if file == "" {
		return nil
	}
	info, err := os.Stat(file)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > largestCAFile) {
		err = errors.New("isn't a file of certificates")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		r.add(path, fmt.Sprintf("can't read %s: %v", filepath.ToSlash(file), cause(err)), "relative paths start from the folder of this file")
		return nil
	}
	return text
}
