package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"

	"github.com/spf13/cobra"
)

func newDemoCmd(a *app) *cobra.Command {
	var dir string
	var serve bool
	cmd := &cobra.Command{
		Use: "demo", Short: "The whole way, on an embedded source and embedded BlueMinds",
		Long: `demo does a whole migration on this machine, with no network and no set-up: an
embedded IMAP source with three mailboxes, an embedded BlueMind "test" to rehearse
on, and a blank "production". It checks, plans, runs and verifies on test, replays
the same plan on production, verifies and reports. Configuration, plan, state and
the simulators' stores stay in a folder that it names; demo --serve --dir FOLDER
serves its servers again, for the commands to be tried by hand.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json {
				return &usageError{errors.New("demo is for people and has no --json; the commands that it shows have")}
			}
			if serve {
				return a.demoServe(cmd.Context(), dir)
			}
			return a.demo(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder for all of it; it must be new or empty (default: a new one in the temporary folder)")
	cmd.Flags().BoolVar(&serve, "serve", false, "serve the servers of an earlier demo again, until Ctrl-C")
	return cmd
}

// demoUser is a mailbox of the demo.
type demoUser struct {
	login, first, last string
	messages           int
}

var demoUsers = []demoUser{
	{"ada.martin", "Ada", "Martin", 180},
	{"bruno.lefevre", "Bruno", "Lefèvre", 120},
	{"chloe.dubois", "Chloé", "Dubois", 90},
}

const (
	demoMaster = "migration"
	demoDomain = "example.org"
)

// demoServers are the three servers, and where they listen.
type demoServers struct {
	dir              string
	source           *imaptest.Server
	test, production *bmsim.Sim
	ports            demoPorts
}

// demoPorts are kept, so that the same configuration serves later.
type demoPorts struct {
	Source     string    `json:"source"`
	Test       [3]string `json:"test"` // REST, STARTTLS, TLS
	Production [3]string `json:"production"`
}

func (a *app) demo(ctx context.Context, dir string) error {
	dir, err := demoDir(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startDemo(ctx, dir, true)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(a.stdout, "Everything is kept in %s\n", dir)
	config := filepath.Join(dir, "bmsync.yaml")
	steps := []struct {
		title string
		args  []string
	}{
		{"Check the rehearsal target before anything is touched", []string{"check", "--target", "test"}},
		{"Look at the source and decide everything", []string{"plan"}},
		{"What is not 1:1", []string{"plan", "show"}},
		{"Rehearse", []string{"run", "--target", "test"}},
		{"Prove it, reading every message back", []string{"verify", "--target", "test", "--bytes"}},
		{"Replay the same plan on production, which is blank", []string{"run", "--target", "production"}},
		{"Prove it", []string{"verify", "--target", "production", "--bytes"}},
		{"A second run finds nothing to do", []string{"run", "--target", "production"}},
		{"A report on everything, to a file", []string{"report", "--target", "production", "-o", filepath.Join(dir, "report.txt")}},
		{"One account of it", []string{"report", "--target", "production", "--only", "chloe.dubois@" + demoDomain}},
	}
	for i, step := range steps {
		if a.stopped() {
			return &exitError{code: exitInterrupted}
		}
		fmt.Fprintf(a.stdout, "\n%d. %s\n   $ bmsync %s\n", i+1, step.title, shellLine(step.args))
		args := append(slices.Clone(step.args), "--config", config)
		if code := run(ctx, args, a.stdout, a.stderr, noEnv, a.stop); code != 0 {
			return &exitError{code: code, err: fmt.Errorf("demo: bmsync %s ended with %d", shellLine(step.args), code)}
		}
	}
	if err := a.demoProof(s); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, `
Go on from here; without a bmsync in your PATH, write "go run ./cmd/bmsync" for it.
  bmsync demo --serve --dir %[1]s
serves the three servers again. Then, in another terminal:
  bmsync -c %[2]s status --target production
  bmsync -c %[2]s where ada.martin@%[3]s --target production --folder INBOX --uid 1
  bmsync -c %[2]s run --target test
`, shellQuoted(dir), shellQuoted(config), demoDomain)
	return err
}

// shellLine writes a command's arguments for a POSIX shell.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = shellQuoted(arg)
	}
	return strings.Join(quoted, " ")
}

// plainWord needs no quotation marks in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellQuoted writes a word so that it can be pasted into a POSIX shell.
func shellQuoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func noEnv(string) (string, bool) { return "", false }

func (a *app) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// demoDir makes the demo's folder.
func demoDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "bmsync-demo-")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(list) > 0 {
		return "", &usageError{fmt.Errorf("%s is not empty; demo wants a new folder (--serve goes on with an earlier one)", dir)}
	}
	return filepath.Abs(dir)
}

// demoProof says, from the servers' own journals, who came in and what is left.
func (a *app) demoProof(s *demoServers) error {
	fmt.Fprintln(a.stdout, "\nWhat the servers saw")
	if writes := s.source.Journal().Writes(); len(writes) > 0 {
		return fmt.Errorf("demo: the source saw %d commands that could change it, such as %s", len(writes), writes[0].Verb)
	}
	fmt.Fprintln(a.stdout, "  source: no command that could change it")
	for _, t := range []struct {
		name string
		sim  *bmsim.Sim
	}{{"test", s.test}, {"production", s.production}} {
		j := t.sim.Journal()
		for _, l := range j.Logins() {
			if l.Secret != "key" {
				return fmt.Errorf("demo: target %s saw an IMAP login of %s by %s", t.name, l.Address, l.Secret)
			}
		}
		if alive := len(j.KeysAlive()); alive > 0 {
			return fmt.Errorf("demo: on target %s keys of %d users are alive", t.name, alive)
		}
		fmt.Fprintf(a.stdout, "  %s: %d IMAP logins, each by a user with a key of his own; %d messages appended; no key alive\n", t.name, len(j.Logins()), len(j.Appends()))
	}
	return nil
}

// startDemo starts the three servers and, for a new demo, fills the source and
// writes the configuration.
func startDemo(ctx context.Context, dir string, fresh bool) (*demoServers, error) {
	s := &demoServers{dir: dir}
	if !fresh {
		text, err := os.ReadFile(filepath.Join(dir, "ports.json"))
		if err == nil {
			err = json.Unmarshal(text, &s.ports)
		}
		if err != nil {
			return nil, &usageError{fmt.Errorf("%s holds no demo: %w", dir, err)}
		}
	}
	err := s.start(ctx)
	if err == nil && fresh {
		err = s.write()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *demoServers) start(ctx context.Context) (err error) {
	s.source, err = imaptest.NewServer(imaptest.Options{Dir: filepath.Join(s.dir, "source"), Masters: map[string]string{demoMaster: "demo"}})
	if err != nil {
		return err
	}
	for i, u := range demoUsers {
		login := u.login + "@old.example"
		if s.source.User(login) == nil {
			s.source.AddUser(login, "demo").Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: uint64(i + 1), Messages: u.messages, Address: login, OddNames: i == 0}))
		}
	}
	if s.ports.Source, err = s.source.Listen(ctx, imaptest.ImplicitTLS, anyPort(s.ports.Source)); err != nil {
		return err
	}
	if s.test, err = demoSim(ctx, filepath.Join(s.dir, "test"), &s.ports.Test); err != nil {
		return err
	}
	s.production, err = demoSim(ctx, filepath.Join(s.dir, "production"), &s.ports.Production)
	return err
}

func anyPort(addr string) string {
	if addr == "" {
		return "127.0.0.1:0"
	}
	return addr
}

func demoSim(ctx context.Context, dir string, ports *[3]string) (*bmsim.Sim, error) {
	sim, err := bmsim.Start(ctx, bmsim.Config{Version: 5, Dir: dir, AdminPassword: "demo", Domains: []bmsim.Domain{{Name: demoDomain}},
		ListenREST: ports[0], ListenIMAP: ports[1], ListenIMAPS: ports[2]})
	if err != nil {
		return nil, err
	}
	*ports = [3]string{strings.TrimPrefix(sim.URL(), "https://"), sim.IMAPAddr(), sim.IMAPSAddr()}
	return sim, nil
}

func (s *demoServers) close() error {
	var errs []error
	if s.source != nil {
		errs = append(errs, s.source.Close())
	}
	for _, sim := range []*bmsim.Sim{s.test, s.production} {
		if sim != nil {
			errs = append(errs, sim.Close())
		}
	}
	return errors.Join(errs...)
}

// write puts configuration, accounts and secrets into the demo's folder.
func (s *demoServers) write() error {
	ports, err := json.MarshalIndent(s.ports, "", "  ")
	if err != nil {
		return err
	}
	rows := "source;source_login;address;first_name;last_name\n"
	for _, u := range demoUsers {
		rows += fmt.Sprintf("old;%s@old.example;%s@%s;%s;%s\n", u.login, u.login, demoDomain, u.first, u.last)
	}
	yaml := fmt.Sprintf(`# The configuration of a demo; its servers run on this machine only.
version: 1
sources:
  old:
    imap: %s
    ca_file: source-ca.pem
    auth: plain-authzid
    admin_login: %s
    secret_file: secrets/demo
targets:
  test:
    url: https://%s
    imap: %s
    ca_file: test/ca.pem
    admin: admin0@global.virt
    secret_file: secrets/demo
    rehearsal: true
  production:
    url: https://%s
    imap: %s
    ca_file: production/ca.pem
    admin: admin0@global.virt
    secret_file: secrets/demo
`, s.ports.Source, demoMaster, s.ports.Test[0], s.ports.Test[2], s.ports.Production[0], s.ports.Production[2])
	files := []struct {
		name string
		text []byte
	}{
		{"ports.json", ports}, {"accounts.csv", []byte(rows)}, {"bmsync.yaml", []byte(yaml)}, {"source-ca.pem", s.source.CAPEM()},
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(s.dir, f.name), f.text, 0o600); err != nil {
			return err
		}
	}
	return writeSecret(filepath.Join(s.dir, "secrets"), "demo", "demo")
}

func (a *app) demoServe(ctx context.Context, dir string) error {
	if dir == "" {
		return &usageError{errors.New("--serve needs --dir: the folder that a demo named")}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	s, err := startDemo(ctx, dir, false)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "The demo of %s is served; Ctrl-C ends it. In another terminal:\n  bmsync -c %s run --target test\n", dir, shellQuoted(filepath.Join(dir, "bmsync.yaml")))
	select {
	case <-a.stop:
	case <-ctx.Done():
	}
	return s.close()
}
