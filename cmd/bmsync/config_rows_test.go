package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bmsync/migrate"
)

const rowsConfig = `version: 1
sources:
  old: { imap: mail.old.example }
  master: { imap: mail.old.example, login_template: "{login}*master", secret_file: master }
  authz: { imap: mail.old.example, auth: plain-authzid, admin_login: adm, secret_env: A }
  odd: { imap: mail.old.example, login_template: "{login}0", secret_env: A }
targets:
  test: { url: "https://test.bm.example", secret_env: A, rehearsal: true, domain_map: { example.org: test.example, unused.example: u.example } }
domains:
  - { name: example.org, aliases: [example.com] }
  - { name: test.example }
exceptions:
  - { address: ada@example.org, reason: x, skip: true }
  - { address: adda@example.org, reason: x, skip: true }
`

func TestCheckRows(t *testing.T) {
	c, err := load(t, rowsConfig, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := migrate.ReadAccounts(strings.NewReader(`source;source_login;target_address;aliases;secret_file
old;ada;ada@example.org;ada@example.com;a
odl;bob;bob@example.org;;a
old;cyd;cyd@example.org;;
master;dan;dan@example.org;;
authz;eve;eve@example.org;;
authz;fay;fay@example.org;;a
old;gus;gus@exmaple.org;;a
old;hal;hal@example.org;hal@test.example;a
old;ida;ida@test.example;;a
old;ida2;ida@example.org;;a
odd;admin;joe@example.org;;
`), "accounts.csv")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range checkRows(c, rows) {
		p.File = filepath.Base(p.File)
		got = append(got, p.Error())
	}
	want := []string{
		`accounts.csv:3: source: "odl" isn't under sources: of bmsync.yaml (did you mean old?)`,
		`accounts.csv:4: secret_file: neither this row nor its source says where the password is kept (fill secret_file, secret_env or secret_command, or give the source an administrator)`,
		`accounts.csv:7: secret_env: source authz logs in by its administrator, and this row has a secret of its own (empty secret_env, secret_file and secret_command)`,
		`accounts.csv:8: target_address: exmaple.org isn't under domains: (did you mean example.org? Else list it under domains:, as a name or an alias)`,
		`accounts.csv:9: aliases: hal@test.example isn't in domain example.org of the mailbox (use one of its names, or add an alias to the domain under domains:)`,
		`accounts.csv:12: source_login: logs in as BlueMind's administrator, who never does so over IMAP (write the login of the mailbox's owner)`,
		`bmsync.yaml:14:7: exceptions.1.address: adda@example.org is no target address in accounts.csv (did you mean ada@example.org?)`,
		`accounts.csv:9: target_address: on target test, hal@example.org and hal@test.example would both be hal@test.example (map the domains to different ones)`,
		`accounts.csv:11: target_address: on target test, ida@test.example and ida@example.org would both be ida@test.example (map the domains to different ones)`,
		`bmsync.yaml:8:116: targets.test.domain_map.unused.example: no address of accounts.csv is in unused.example (correct the domain, or remove the line)`,
	}
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("problem %d\n%s\nwant\n%s", i, g, w)
		}
	}
}

func TestRowSecret(t *testing.T) {
	c, err := load(t, rowsConfig, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		row  migrate.Row
		want SecretRef
	}{
		{migrate.Row{Source: "old", SecretFile: "a/b"}, SecretRef{File: filepath.Join(c.Dir, "a", "b")}},
		{migrate.Row{Source: "master"}, SecretRef{File: filepath.Join(c.Dir, "master")}},
		{migrate.Row{Source: "master", SecretEnv: "B"}, SecretRef{Env: "B"}},
		{migrate.Row{Source: "nowhere"}, SecretRef{}},
	} {
		if got := rowSecret(c, tt.row); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.row, got, tt.want)
		}
	}
	if s, _ := c.Source("master"); s.Login("ada") != "ada*master" {
		t.Errorf("login %q", s.Login("ada"))
	}
}

func TestNewPasswords(t *testing.T) {
	c, err := load(t, smallest, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "ada.txt"), []byte("first word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords := newPasswords(c, []migrate.Row{{Address: "ada@example.org", PasswordFile: "ada.txt"}, {Address: "bob@example.org"}, {Address: "cyd@example.org", PasswordFile: "none.txt"}})
	if got, err := passwords(t.Context(), "ada@example.org"); err != nil || got != "first word" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, address := range []string{"bob@example.org", "cyd@example.org", "zoe@example.org"} {
		if got, err := passwords(t.Context(), address); err == nil || got != "" {
			t.Errorf("%s: got %q, %v", address, got, err)
		}
	}
}

// TestLoadInputsOfObjects: the CSVs beside accounts.csv are read where they
// are, must be there once they are named, and their mistakes come with the
// rest; those of bmsync.yaml have its line.
func TestLoadInputsOfObjects(t *testing.T) {
	const text = smallest + `domains: [ { name: example.org } ]
policy: { users: { groups: [nobody] }, shares: { writers: [w@elsewhere.example] } }
`
	c, err := load(t, text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	told := func(c *Config) string {
		_, err := loadInputs(c)
		if err == nil {
			return ""
		}
		return strings.ReplaceAll(err.Error(), c.Dir+string(filepath.Separator), "")
	}
	write(c.Accounts, "source;source_login;address;groups;secret_file\nold;ada;ada@example.org;;a\n")
	want := `bmsync.yaml:5:29: policy.users.groups.0: there is no group "nobody" of domain example.org in groups.csv (add it there; with create: no, if it is in BlueMind already)
bmsync.yaml:5:60: policy.shares.writers.0: w@elsewhere.example is in none of the domains (write a user of example.org)`
	if got := told(c); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	write(c.Groups, "group;members\nnobody;bob\n")
	write(c.Rights, "mailbox;grantee;right\nbob@example.org;ada@example.org;Read\n")
	want = `groups.csv:2:8: members: "bob" is not an e-mail address: it has no @ (write an address, or group:bob for a group)`
	if got := told(c); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	write(c.Groups, "group;members\nnobody;ada@example.org\n")
	want = `bmsync.yaml:5:60: policy.shares.writers.0: w@elsewhere.example is in none of the domains (write a user of example.org)
rights.csv:2: mailbox: bob@example.org is in no row of accounts.csv (rights are set on mailboxes that are migrated; add the row, or remove this line)`
	if got := told(c); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}

	c, err = load(t, smallest+"groups: lists.csv\n", nil, map[string]string{"BMSYNC_RIGHTS": filepath.Join(t.TempDir(), "r.csv")})
	if err != nil {
		t.Fatal(err)
	}
	write(c.Accounts, "source;source_login;address;secret_file\nold;ada;ada@example.org;a\n")
	if got := told(c); !strings.Contains(got, "lists.csv: no such file") || !strings.Contains(got, "r.csv: no such file") {
		t.Errorf("files that are named and aren't there: %s", got)
	}
}

func TestLoadAccountsJoinsBothFiles(t *testing.T) {
	c, err := load(t, rowsConfig, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loadInputs(c); err == nil || !strings.Contains(err.Error(), "bmsync init writes one") {
		t.Errorf("error %v for no file", err)
	}
	text := "source;source_login;address\nodl;bob;bob@example.org\nold;ada;ada-at-example.org\n"
	if err := os.WriteFile(c.Accounts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = loadInputs(c)
	var input *migrate.InputError
	if !errors.As(err, &input) {
		t.Fatalf("error %v", err)
	}
	var lines []int
	for _, p := range input.Problems {
		if p.File != c.Accounts {
			t.Errorf("told although a row wasn't readable: %v", p)
		}
		lines = append(lines, p.Line)
	}
	if !reflect.DeepEqual(lines, []int{2, 3}) {
		t.Errorf("problems on lines %v: %v", lines, err)
	}
}

// TestExamplesLoad loads every example and the templates with the accounts
// beside them, so that none goes stale.
func TestExamplesLoad(t *testing.T) {
	configs, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "bmsync.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(configs) < 2 {
		t.Errorf("examples found: %v", configs)
	}
	for _, path := range append(configs, filepath.Join("templates", "bmsync.yaml")) {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			c, err := loadConfig(path, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			in, err := loadInputs(c)
			if err != nil {
				t.Fatal(err)
			}
			if len(in.Rows) == 0 {
				t.Error("no accounts")
			}
		})
	}
}

// TestTemplateStatesDefaults: what the template writes out is what counts when
// it is left out.
func TestTemplateStatesDefaults(t *testing.T) {
	c, err := loadConfig(filepath.Join("templates", "bmsync.yaml"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Policy.Digest(), migrate.DefaultPolicy().Digest(); got != want {
		t.Errorf("policy %+v, want %+v", c.Policy, migrate.DefaultPolicy())
	}
	if c.Limits != migrate.DefaultLimits() {
		t.Errorf("limits %+v, want %+v", c.Limits, migrate.DefaultLimits())
	}
	plain := defaultConfig(c.Path)
	if c.State != plain.State || c.Plan != plain.Plan || c.Accounts != plain.Accounts || c.Log != plain.Log {
		t.Errorf("paths and log differ from the defaults: %+v", c)
	}
}

// TestTemplateDocumentsEveryKey: a key that isn't in the template can't be
// found by who needs it. The keys come from what an unknown one is told.
func TestTemplateDocumentsEveryKey(t *testing.T) {
	text, err := templates.ReadFile("templates/bmsync.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const odd = "qqqqqqqqqqqq: 1"
	_, err = load(t, odd+`
sources: { a: { `+odd+` } }
targets: { a: { `+odd+` } }
domains: [ { `+odd+` } ]
policy: { `+odd+`, folders: { `+odd+` }, messages: { `+odd+` }, flags: { `+odd+` }, users: { `+odd+` }, shares: { `+odd+` }, limits: { `+odd+` } }
exceptions: [ { `+odd+`, folders: { `+odd+` }, messages: { `+odd+` } } ]
log: { `+odd+` }
`, nil, nil)
	var input *migrate.InputError
	if !errors.As(err, &input) {
		t.Fatal(err)
	}
	blocks, keys := 0, 0
	for _, p := range input.Problems {
		list, ok := strings.CutPrefix(p.Mend, "known here are ")
		if !ok {
			continue
		}
		blocks++
		for _, key := range strings.Split(list, ", ") {
			keys++
			if !strings.Contains(string(text), key+":") && !strings.Contains(string(text), key+",") {
				t.Errorf("the template doesn't mention %s", key)
			}
		}
	}
	if blocks != 15 || keys < 75 {
		t.Errorf("%d blocks with %d keys were seen", blocks, keys)
	}
}
