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
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/migrate"
	"bmsync/state"

	"github.com/spf13/cobra"
)

// app is what all commands share.
type app struct {
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	stop           <-chan struct{} // closed by the first interrupt

	configPath string
	json       bool
	verbose    bool
}

const exitCodes = `Exit codes:
  0    complete
  1    failed: the command as a whole could not be done
  2    usage or configuration
  3    partial: safe to run again, and that is the answer
  4    blocked: a person must decide; the message says what
  130  interrupted; run again to go on`

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

  init → edit the files → check → plan → plan show → run → verify → report

demo shows all of it on this machine, with nothing to set up.

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
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "bmsync.yaml", "configuration file")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write results as JSON, and events as JSON lines to stderr")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "tell more on stderr")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	check, plan, work, verify := newCheckCmd(a), newPlanCmd(a), newRunCmd(a), newVerifyCmd(a)
	status, report, where, reset := newStatusCmd(a), newReportCmd(a), newWhereCmd(a), newResetCmd(a)
	settingFlags(check, "policy")
	settingFlags(plan, "policy")
	settingFlags(work, "policy::limits")
	settingFlags(verify, "policy::limits")
	for _, cmd := range []*cobra.Command{status, report, where, reset} {
		settingFlags(cmd)
	}
	root.AddCommand(newInitCmd(a), check, plan, work, status, verify, report, where, reset, newSimCmd(a), newDemoCmd(a), newVersionCmd(a))
	return root
}

// knownCommand refuses what is no command's name.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
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

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s takes no argument, and got %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// exitError ends the program with a code. Its error has been told already, or
// is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// The exit codes, as README and --help print them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitBlocked     = 4
	exitInterrupted = 130
)

// ended turns a run's outcome into what ends the program.
func ended(o migrate.Outcome) error {
	switch o {
	case migrate.Partial:
		return &exitError{code: exitPartial}
	case migrate.Blocked:
		return &exitError{code: exitBlocked}
	case migrate.Interrupted:
		return &exitError{code: exitInterrupted}
	}
	return nil
}

// exit is the one switch from error to exit code. It tells the error.
func (a *app) exit(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		if e.err != nil {
			a.tell(e.err)
		}
		return e.code
	}
	a.tell(err)
	return codeOf(err)
}

func codeOf(err error) int {
	if errors.Is(err, context.Canceled) || errors.Is(err, imap.ErrStopped) {
		return exitInterrupted
	}
	_, usage := errors.AsType[*usageError](err)
	_, input := errors.AsType[*migrate.InputError](err)
	_, plan := errors.AsType[*migrate.PlanError](err)
	_, unknown := errors.AsType[*migrate.UnknownError](err)
	if usage || input || plan || unknown {
		return exitUsage
	}
	_, gate := errors.AsType[*migrate.GateError](err)
	_, version := errors.AsType[*migrate.VersionMismatchError](err)
	_, tooOld := errors.AsType[*bmapi.VersionError](err)
	_, identity := errors.AsType[*state.IdentityError](err)
	_, locked := errors.AsType[*state.LockedError](err)
	_, block := errors.AsType[*migrate.BlockedError](err)
	_, refused := errors.AsType[*bmapi.AuthError](err)
	_, secret := errors.AsType[*secretError](err)
	if gate || version || tooOld || identity || locked || block || refused || secret || isCertificate(err) {
		return exitBlocked
	}
	return exitFailed
}

// tell writes an error and, where there is one, what mends it.
func (a *app) tell(err error) {
	if input, ok := errors.AsType[*migrate.InputError](err); ok {
		for i, p := range input.Problems {
			if i == shownProblems && !a.json {
				fmt.Fprintf(a.stderr, "bmsync: and %d more\n", len(input.Problems)-i)
				break
			}
			a.problem("error", p)
		}
		return
	}
	text := err.Error()
	if codeOf(err) == exitInterrupted {
		text = "interrupted"
	}
	a.problem("error", migrate.Problem{Text: text, Mend: mendOf(err)})
}

// shownProblems bounds what a CSV with a wrong column would fill the screen
// with.
const shownProblems = 50

// problem writes an error or a warning: as a JSON line, like an event, or as
// text, with the mend of what has no place in a file on a line of its own.
func (a *app) problem(kind string, p migrate.Problem) {
	if a.json {
		line, err := compact(struct {
			At   time.Time `json:"at"`
			Kind string    `json:"kind"`
			migrate.Problem
		}{time.Now(), kind, p})
		if err == nil {
			fmt.Fprintf(a.stderr, "%s\n", line)
		}
		return
	}
	lead, mend := "bmsync: ", ""
	if kind != "error" {
		lead += kind + ": "
	}
	if p.File == "" && p.Field == "" {
		mend, p.Mend = p.Mend, ""
	}
	fmt.Fprintln(a.stderr, lead+p.Error())
	if mend != "" {
		fmt.Fprintln(a.stderr, "        → "+mend)
	}
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

// hintError adds what the operator may have meant.
type hintError struct {
	error
	mend string
}

func (e *hintError) Unwrap() error { return e.error }

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

// mendOf says what to type or to do about an error, "" if nothing is known.
func mendOf(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.mend
	}
	if b, ok := errors.AsType[*migrate.BlockedError](err); ok {
		return b.Mend
	}
	if e, ok := errors.AsType[*migrate.GateError](err); ok {
		return "run and verify it on a target with rehearsal: true first (bmsync run --target …, bmsync verify --target …), or give the reason: --without-rehearsal REASON" + gateHint(e)
	}
	if _, ok := errors.AsType[*state.LockedError](err); ok {
		return "wait until it has ended; a process that died leaves no lock behind"
	}
	if _, ok := errors.AsType[*state.IdentityError](err); ok {
		return "this state belongs to another server: give the target another name in bmsync.yaml, or correct its url"
	}
	if e, ok := errors.AsType[*bmapi.AuthError](err); ok {
		return "correct admin or its secret under that target in bmsync.yaml: BlueMind refuses the login of " + e.Login
	}
	if _, ok := errors.AsType[*secretError](err); ok {
		return "put the secret there, or correct secret_file, secret_env or secret_command in bmsync.yaml"
	}
	if e, ok := errors.AsType[*migrate.VersionMismatchError](err); ok {
		if strings.Contains(e.Want, "plan") {
			return "set policy.target_version to both in bmsync.yaml, then bmsync plan"
		}
		return "correct version of target " + e.Target + " in bmsync.yaml, or its url"
	}
	if isCertificate(err) {
		return "name the authority that signed it as ca_file in bmsync.yaml, or, for one host, insecure_skip_verify: [HOST]; it is never accepted silently"
	}
	return ""
}
