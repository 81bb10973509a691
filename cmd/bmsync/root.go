package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"

	"bmsync/migrate"

	"github.com/spf13/cobra"
)

// app is what all commands share.
type app struct {
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	stop           <-chan struct{} // closed by the first interrupt

	// What a test puts in the place of this machine's own: nil for that.
	terminal func() (io.Reader, bool) // what a person types; false: nobody is there
	network  migrate.Network          // where autodiscover is looked for

	configPath string
	json       bool
	verbose    bool
}

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "bmsync",
		Short: "Move mailboxes from IMAP servers into BlueMind",
		Long: `bmsync moves mailboxes from any IMAP server into BlueMind. It makes domains and
mailboxes through BlueMind's API first, an API key for each user, then copies
the mail over IMAP as that user, never as admin0. A migration is rehearsed on
a test server and replayed on production from the same plan.

Running a command again is always safe: first run, resume, delta and retry are
one command.

demo shows the whole way on this machine, with nothing to set up.

A setting of bmsync.yaml with one value may also come from the environment, or
from a flag of the commands that heed it: policy.limits.accounts is
BMSYNC_POLICY_LIMITS_ACCOUNTS and --policy-limits-accounts. Flag wins over
environment, environment over file. What plan decides is set where plan is run.

` + exitCodes,
		Args:         knownCommand,
		RunE:         func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", usualConfig, "configuration file")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write results as JSON, and events as JSON lines to stderr")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "tell more on stderr")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	check, plan, work, verify := newCheckCmd(a), newPlanCmd(a), newRunCmd(a), newVerifyCmd(a)
	status, report, where, reset, phase := newStatusCmd(a), newReportCmd(a), newWhereCmd(a), newResetCmd(a), newPhaseCmd(a)
	settingFlags(check, "policy")
	settingFlags(plan, "policy")
	settingFlags(work, "policy::limits")
	settingFlags(verify, "policy::limits")
	for _, cmd := range []*cobra.Command{status, report, where, reset, phase} {
		settingFlags(cmd)
	}
	group(root, "The way of a migration, in this order: init, check, plan, run, verify, report:", newInitCmd(a), check, plan, work, verify, report)
	group(root, "Beside it:", status, where, phase, reset)
	group(root, "Without a server:", newDemoCmd(a), newSimCmd(a), newVersionCmd(a))
	strict(root)
	return root
}

// again is how a command begins that is typed next, with the file that this one
// was given.
func (a *app) again() string {
	switch path := a.configPath; {
	case path == "" || path == usualConfig:
		return "bmsync"
	case strings.ContainsFunc(path, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+:@%,", r)
	}):
		return "bmsync -c '" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	default:
		return "bmsync -c " + path
	}
}

// usualConfig is the file that is read where none is named.
const usualConfig = "bmsync.yaml"

// group adds commands under a title of their own.
func group(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = title
		root.AddCommand(cmd)
	}
}

// knownCommand refuses what is no command's name.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if err := unbuiltCommand(args[0]); err != nil {
		return err
	}
	var names []string
	for _, cmd := range root.Commands() {
		names = append(names, cmd.Name())
	}
	mend := "bmsync --help lists the commands"
	if near := migrate.Nearest(args[0], names); near != "" {
		mend = "did you mean " + near + "?"
	}
	return &usageError{&hintError{fmt.Errorf("there is no command %q", args[0]), mend}}
}

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.result(map[string]string{"version": version()}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, version())
				return err
			})
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "bmsync (unknown build)"
	}
	text := "bmsync " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && info.Main.Version == "(devel)" {
			text += " " + s.Value[:12]
		}
	}
	return text
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		if err := unbuiltCommand(cmd.Name() + " " + args[0]); err != nil {
			return err
		}
		return &usageError{fmt.Errorf("%s takes no argument, and got %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// result writes what a command found: as JSON, or as the text that text writes.
func (a *app) result(v any, text func(io.Writer) error) error {
	if !a.json {
		return text(a.stdout)
	}
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// addresses brings what --only names to the form of accounts.csv.
func addresses(list []string) []string {
	out := make([]string, len(list))
	for i, address := range list {
		out[i] = strings.ToLower(strings.TrimSpace(address))
	}
	return out
}

// suggest adds an address of accounts.csv to an error about an unknown one.
func (j *job) suggest(err error) error {
	unknown, ok := errors.AsType[*migrate.UnknownError](err)
	if !ok {
		return err
	}
	known := make([]string, len(j.rows))
	for i, row := range j.rows {
		known[i] = row.Address
	}
	word := strings.TrimPrefix(unknown.What, "account ")
	switch near := migrate.Nearest(word, known); {
	case slices.Contains(known, word):
		return &hintError{err, "accounts.csv has it: bmsync plan takes it in"}
	case near != "" && near != word:
		return &hintError{err, "did you mean " + near + "?"}
	}
	return err
}

// untilStopped is for commands that have nothing to finish: they end at the
// first interrupt. End it when the command has ended.
func (a *app) untilStopped(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-a.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-done }
}

// load reads the configuration that the flags name.
func (a *app) load(cmd *cobra.Command) (*Config, error) {
	c, err := loadConfig(a.configPath, cmd.Flags(), a.env)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		a.problem("warning", w)
	}
	return c, nil
}

// logger writes to stderr, or to the file that the configuration names.
func (a *app) logger(c *Config) (*slog.Logger, func() error, error) {
	level := slog.LevelWarn
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return nil, nil, err
	}
	if a.verbose {
		level = slog.LevelDebug
	} else if c.Log.File == "" && level < slog.LevelWarn {
		level = slog.LevelWarn // the terminal shows events; details go to a file
	}
	if c.Log.File == "" {
		var handler slog.Handler = slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})
		if a.json {
			handler = slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level})
		}
		return slog.New(handler), func() error { return nil }, nil
	}
	f, err := os.OpenFile(c.Log.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("log file: %w", err)
	}
	return slog.New(slog.NewJSONHandler(f, &slog.HandlerOptions{Level: level})), f.Close, nil
}
