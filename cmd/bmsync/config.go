package main

import (
	"path/filepath"
	"strings"
	"time"

	"bmsync/migrate"
)

// Config is bmsync.yaml, checked: every path is absolute or relative to the
// working directory, every size and duration is a number. It holds no secret,
// only where each is kept. Lists are in the order of the file.
type Config struct {
	Path string // of the file itself
	Dir  string // its folder: what relative paths in it start from

	State    string // folder for <target>.db
	Plan     string
	Accounts string // accounts.csv
	Groups   string // groups.csv; need not be there unless the file names it
	Rights   string // rights.csv; the same

	Quarantine string // folder for messages that the target refuses; "": they are not kept

	Sources    []Source
	Targets    []Target
	Domains    []Domain
	Policy     migrate.Policy
	Limits     migrate.Limits
	Exceptions []migrate.Exception
	Log        Log

	// Warnings don't stop a run, and every report shows them.
	Warnings []migrate.Problem

	at func(path string) migrate.Problem // where a key stands
}

// How a connection is secured.
const (
	tlsImplicit = "implicit"
	tlsStartTLS = "starttls"
	tlsNone     = "none"
)

// How a source lets us in.
const (
	authLogin      = "login"
	authPlainAuthz = "plain-authzid" // RFC 4616: an administrator acts as the user
)

// Connection is what a source's and a target's IMAP server have in common.
type Connection struct {
	Addr               string // host:port
	TLS                string // tlsImplicit, tlsStartTLS, tlsNone
	CAFile             string
	InsecureSkipVerify []string // hosts whose certificate isn't checked; in every report
	Connections        int      // at a time, to this server
	IdleTimeout        time.Duration
}

// Host is Addr without its port.
func (c Connection) Host() string {
	host, _, _ := splitHostPort(c.Addr, 0)
	return host
}

// Source is a server that mail comes from.
type Source struct {
	Name string
	Connection
	Auth          string    // authLogin or authPlainAuthz
	AdminLogin    string    // of authPlainAuthz
	Secret        SecretRef // of the administrator or master user; none: each row has its own
	LoginTemplate string    // with {login}
}

// Login is what to log in with for the login of a row.
func (s Source) Login(login string) string {
	return strings.ReplaceAll(s.LoginTemplate, loginPlaceholder, login)
}

const loginPlaceholder = "{login}"

// Target is a BlueMind that mail goes to.
type Target struct {
	Name string
	URL  string // https://host[:port], no path
	Connection
	Admin     string // for the API alone, never over IMAP
	Secret    SecretRef
	Rehearsal bool
	Version   string            // "4", "5", or "" to take what the server says
	DomainMap map[string]string // domain of the CSV → domain on this target; rehearsals only
}

// Address is where the mailbox for address is on this target.
func (t Target) Address(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if mapped, ok := t.DomainMap[domain]; ok {
		return local + "@" + mapped
	}
	return address
}

// Domain is a mail domain that the targets must have.
type Domain struct {
	Name         string
	Aliases      []string
	DefaultAlias string // Name or one of Aliases; "" leaves it to BlueMind
	Create       bool   // false: a target without it blocks its accounts

	// What a new mailbox gets, and the most that it may have.
	UserQuota, UserQuotaMax, ShareQuota, ShareQuotaMax migrate.Quota

	Language   string // of what BlueMind itself writes there: de, en, es, fr …
	MailServer string // uid of the server that keeps its mail; "": the first that BlueMind has
}

// Log says how much is told, and where to besides the terminal.
type Log struct {
	Level string // debug, info, warn, error
	File  string
}

// defaultConfig is a file that says nothing.
func defaultConfig(path string) *Config {
	dir := filepath.Dir(path)
	return &Config{
		Path: path, Dir: dir,
		State:    filepath.Join(dir, "state"),
		Plan:     filepath.Join(dir, "plan.jsonl"),
		Accounts: filepath.Join(dir, "accounts.csv"),
		Groups:   filepath.Join(dir, "groups.csv"),
		Rights:   filepath.Join(dir, "rights.csv"),
		Policy:   migrate.DefaultPolicy(),
		Limits:   migrate.DefaultLimits(),
		Log:      Log{Level: "info"},
	}
}

// Source finds a source by its name.
func (c *Config) Source(name string) (Source, bool) {
	for _, s := range c.Sources {
		if s.Name == name {
			return s, true
		}
	}
	return Source{}, false
}

// Target finds a target by its name.
func (c *Config) Target(name string) (Target, bool) {
	for _, t := range c.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// Exception finds what is said about one account.
func (c *Config) Exception(address string) (migrate.Exception, bool) {
	for _, e := range c.Exceptions {
		if e.Address == address {
			return e, true
		}
	}
	return migrate.Exception{}, false
}

// path makes a path of the file start from the file's folder.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Dir, p)
}
