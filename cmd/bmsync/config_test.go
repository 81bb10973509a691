package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bmsync/migrate"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

var updateConfig = flag.Bool("update-config", false, "write testdata/config/*.golden anew")

// smallest is the least that a file must say.
const smallest = `version: 1
sources: { old: { imap: mail.old.example } }
targets: { test: { url: "https://test.bm.example", secret_env: A, rehearsal: true } }
`

// load writes text as bmsync.yaml into a folder of its own and loads it.
func load(t testing.TB, text string, flags *pflag.FlagSet, env map[string]string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bmsync.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(path, flags, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

func TestLoadConfigDefaults(t *testing.T) {
	c, err := load(t, smallest, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantSource := Source{
		Name: "old", Auth: authLogin, LoginTemplate: "{login}",
		Connection: Connection{Addr: "mail.old.example:993", TLS: tlsImplicit, Connections: 10, IdleTimeout: 2 * time.Minute},
	}
	if len(c.Sources) != 1 || !reflect.DeepEqual(c.Sources[0], wantSource) {
		t.Errorf("sources %+v\nwant %+v", c.Sources, wantSource)
	}
	wantTarget := Target{
		Name: "test", URL: "https://test.bm.example", Admin: "admin0@global.virt", Secret: SecretRef{Env: "A"}, Rehearsal: true,
		Connection: Connection{Addr: "test.bm.example:993", TLS: tlsImplicit, Connections: 10, IdleTimeout: 2 * time.Minute},
	}
	if len(c.Targets) != 1 || !reflect.DeepEqual(c.Targets[0], wantTarget) {
		t.Errorf("targets %+v\nwant %+v", c.Targets, wantTarget)
	}
	if c.Policy.Digest() != migrate.DefaultPolicy().Digest() || c.Limits != migrate.DefaultLimits() || c.Log.Level != "info" {
		t.Errorf("policy %+v, limits %+v, log %+v", c.Policy, c.Limits, c.Log)
	}
	if c.State != filepath.Join(c.Dir, "state") || c.Plan != filepath.Join(c.Dir, "plan.jsonl") || c.Accounts != filepath.Join(c.Dir, "accounts.csv") {
		t.Errorf("paths %q %q %q don't start from %q", c.State, c.Plan, c.Accounts, c.Dir)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings %v", c.Warnings)
	}
}

// TestLoadConfigTellsAllMistakes compares with a golden file, and sees that a
// password written in any wrong place isn't quoted.
func TestLoadConfigTellsAllMistakes(t *testing.T) {
	path := filepath.Join("testdata", "config", "mistakes.yaml")
	c, err := loadConfig(path, nil, nil)
	var input *migrate.InputError
	if c != nil || !errors.As(err, &input) {
		t.Fatalf("config %v, error %v, want *migrate.InputError", c, err)
	}
	var b strings.Builder
	for _, p := range input.Problems {
		fmt.Fprintln(&b, filepath.ToSlash(p.Error()))
	}
	golden := filepath.Join("testdata", "config", "mistakes.golden")
	if *updateConfig {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("problems\n%s\nwant\n%s", b.String(), want)
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Error("a password is quoted")
	}
}

func TestLoadConfigRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty file", "", "bmsync.yaml: is empty"},
		{"comments only", "# x\n", "bmsync.yaml: is empty"},
		{"a list", "- a\n", "must be a block of keys"},
		{"tabs", "version: 1\nsources:\n\told:\n", "isn't YAML: found character that cannot start any token"},
		{"two documents", smallest + "---\nversion: 1\n", "has a second document"},
		{"no version", strings.TrimPrefix(smallest, "version: 1\n"), "version: is missing"},
		{"no source", "version: 1\ntargets: { test: { url: 'https://test.bm.example', secret_env: A } }\n", "sources: no source is given"},
		{"no target", "version: 1\nsources: { old: { imap: mail.old.example } }\n", "targets: no target is given"},
		{"anchor into itself", "version: 1\nsources: &a\n  old: *a\n", "sources.old.old: unknown key"},
		{"unknown alias", "version: *x\n", "unknown anchor"},
		{"implicit on 143", strings.Replace(smallest, "mail.old.example", "'mail.old.example:143'", 1), "bmsync.yaml:2:19: sources.old.imap: port 143 and tls: implicit don't go together"},
		{"an authority and no TLS", strings.Replace(smallest, "mail.old.example", "'127.0.0.1:1143', tls: none, insecure_skip_verify: 127.0.0.1", 1),
			"sources.old.tls: none shows no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text, nil, nil)
			var input *migrate.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		_, err := loadConfig(filepath.Join(t.TempDir(), "bmsync.yaml"), nil, nil)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want fs.ErrNotExist", err)
		}
	})
}

func TestLoadConfigTakes(t *testing.T) {
	for _, tt := range []struct{ name, old, new string }{
		{"clear text on this machine", "imap: mail.old.example", "imap: '127.0.0.1:1143', tls: none"},
		{"clear text when asked for", "imap: mail.old.example", "imap: mail.old.example, tls: none, allow_plaintext: true"},
		{"IPv6", "imap: mail.old.example", "imap: '[::1]:993'"},
		{"one word for a list", "imap: mail.old.example", "imap: mail.old.example, insecure_skip_verify: MAIL.old.example"},
		{"http on this machine", "https://test.bm.example", "http://127.0.0.1:8090"},
		{"anchors", "imap: mail.old.example", "imap: &h mail.old.example, insecure_skip_verify: [*h]"},
		{"a key without a value", "imap: mail.old.example", "imap: mail.old.example, admin_login: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := load(t, strings.Replace(smallest, tt.old, tt.new, 1), nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLoadConfigPrecedence: flag, else environment, else file, else default.
func TestLoadConfigPrecedence(t *testing.T) {
	flags := func(args ...string) *pflag.FlagSet {
		f := pflag.NewFlagSet("x", pflag.ContinueOnError)
		f.String("state", "flag-default", "")
		f.Int("policy-limits-accounts", 99, "")
		if err := f.Parse(args); err != nil {
			t.Fatal(err)
		}
		return f
	}
	file := smallest + "state: from-file\npolicy: { limits: { accounts: 7 } }\n"
	env := map[string]string{"BMSYNC_STATE": "from-env", "BMSYNC_POLICY_LIMITS_ACCOUNTS": "8", "BMSYNC_POLICY_FOLDERS_JUNK": "copy", "BMSYNC_PLAN": ""}
	for _, tt := range []struct {
		name, text string
		flags      *pflag.FlagSet
		env        map[string]string
		state      string
		accounts   int
		junk       migrate.Choice
	}{
		{"default", smallest, flags(), nil, "DIR/state", 4, migrate.Exclude},
		{"file", file, flags(), nil, "DIR/from-file", 7, migrate.Exclude},
		{"environment", file, flags(), env, "from-env", 8, migrate.Copy},
		{"flag", file, flags("--state=from-flag", "--policy-limits-accounts=9"), env, "from-flag", 9, migrate.Copy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.text, tt.flags, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			state := strings.Replace(c.State, c.Dir+string(filepath.Separator), "DIR/", 1)
			if state != tt.state || c.Limits.Accounts != tt.accounts || c.Policy.Folders.Junk != tt.junk || c.Plan != filepath.Join(c.Dir, "plan.jsonl") {
				t.Errorf("state %q, accounts %d, junk %q, plan %q", state, c.Limits.Accounts, c.Policy.Folders.Junk, c.Plan)
			}
		})
	}
	t.Run("mistakes name where they come from", func(t *testing.T) {
		_, err := load(t, file, flags("--policy-limits-accounts=0"), map[string]string{"BMSYNC_POLICY_LIMITS_MEMORY": "much"})
		want := "environment variable BMSYNC_POLICY_LIMITS_MEMORY: \"much\" is not a size (write for instance \"5GB\" or \"500 MB\")\nflag --policy-limits-accounts: is 0, and must be at least 1"
		if err == nil || err.Error() != want {
			t.Errorf("error\n%v\nwant\n%s", err, want)
		}
	})
}

// TestPolicyIsReadWhole writes a policy by its yaml tags and reads it back, so
// that no field is left without a key.
func TestPolicyIsReadWhole(t *testing.T) {
	policy := migrate.Policy{
		TargetVersion: migrate.Target5,
		Folders: migrate.FolderPolicy{Map: map[string]string{"INBOX.Foo": "Foo", "Sent Items": "A/b c"}, Exclude: []string{"a*"}, Include: []string{"b"}, Junk: migrate.Copy, Trash: migrate.Exclude,
			Rules:          []migrate.FolderRule{{Match: `Old/(\d+)`, To: "Archive/$1"}, {Match: "(?i)tmp", Exclude: true}},
			SubscribedOnly: new(true), Into: "Old mailbox", SplitByYear: []string{"Big", "role:inbox"}},
		Messages:     migrate.MessagePolicy{Deleted: migrate.Copy, AbsurdDates: migrate.HeaderDates},
		Flags:        migrate.FlagPolicy{Keywords: migrate.DropKeywords, Map: map[string]string{"Junk": "$Junk", "tmp": ""}},
		Repairs:      []migrate.Repair{migrate.RepairHeader, migrate.RepairDate},
		IntoNonEmpty: true,
		Users:        migrate.UserPolicy{Create: false, Password: migrate.NoPassword, Update: true, Quota: migrate.QuotaSource, AccountType: migrate.AccountSimple, Groups: []string{"staff"}, AllAliases: true},
		Shares:       migrate.SharePolicy{Create: false, Writers: []string{"w@example.org"}, Rights: migrate.RightsCSV, Subscribe: true},
		Presync:      migrate.PresyncPolicy{Follow: true, AskAbove: 7, AskAbovePercent: 8},
	}
	limits := migrate.Limits{Accounts: 1, Memory: 32 << 20, Settle: 2 * time.Second, Retries: 3, BatchMessages: 4, BatchBytes: 1 << 20, Provision: 7, MessageErrors: 6}
	exception := migrate.Exception{Address: "ada@example.org", Reason: "x", Folders: policy.Folders, Messages: policy.Messages}
	for _, v := range []any{policy, limits, policy.Folders, exception} {
		wholly(t, reflect.ValueOf(v))
	}
	text, err := yaml.Marshal(map[string]any{"policy": policy, "exceptions": []any{exception}})
	if err != nil {
		t.Fatal(err)
	}
	more, err := yaml.Marshal(limits)
	if err != nil {
		t.Fatal(err)
	}
	whole := smallest + strings.Replace(string(text), "policy:\n", "policy:\n    limits:\n        "+strings.ReplaceAll(strings.TrimSpace(string(more)), "\n", "\n        ")+"\n", 1)
	c, err := load(t, whole, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, whole)
	}
	if !reflect.DeepEqual(c.Policy, policy) {
		t.Errorf("policy %+v\nwant %+v", c.Policy, policy)
	}
	if c.Limits != limits {
		t.Errorf("limits %+v\nwant %+v", c.Limits, limits)
	}
	if e, ok := c.Exception("ada@example.org"); !ok || !reflect.DeepEqual(e, exception) {
		t.Errorf("exception %+v\nwant %+v", e, exception)
	}
}

// wholly fails for a field that the test above forgot to set.
func wholly(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Create" && name != "Skip" {
			t.Errorf("%s.%s isn't set by this test", v.Type(), name)
		}
	}
}

func TestLoadConfigWarns(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(strings.Replace(smallest, "secret_env: A", "secret_file: '"+open+"'", 1), "rehearsal: true", "rehearsal: false", 1)
	c, err := load(t, text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Field+": "+w.Text)
	}
	want := []string{"targets: no target has rehearsal: true", "targets.test.secret_file: every user of this machine can read it"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

func FuzzLoadConfig(f *testing.F) {
	f.Add(smallest)
	for _, path := range []string{"testdata/config/mistakes.yaml", "templates/bmsync.yaml", "../../examples/rehearsal-and-production/bmsync.yaml"} {
		text, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("version: 1\nsources: &a {old: *a}\ntargets: *a\npolicy: {folders: {map: *a}}\nexceptions: [*a, *a]")
	f.Add("? [a]\n: b\n<<: {}\n1: 2\n~: 3")
	path := filepath.Join(f.TempDir(), "bmsync.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig(path, []byte(text), nil, nil)
		var input *migrate.InputError
		if err != nil && (!errors.As(err, &input) || input.Error() == "") {
			t.Fatalf("error %v isn't an *InputError with problems", err)
		}
		if err == nil && (len(c.Sources) == 0 || len(c.Targets) == 0 || len(c.Policy.Problems()) > 0) {
			t.Fatalf("unsound configuration %+v", c)
		}
	})
}
