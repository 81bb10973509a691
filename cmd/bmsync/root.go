package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"

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

` + exitCodes,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "bmsync.yaml", "configuration file")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write results as JSON, and events as JSON lines to stderr")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "tell more on stderr")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newInitCmd(a), newCheckCmd(a), newPlanCmd(a), newRunCmd(a), newStatusCmd(a), newVerifyCmd(a), newReportCmd(a),
		newWhereCmd(a), newResetCmd(a), newSimCmd(a), newDemoCmd(a), newVersionCmd(a))
	return root
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
	if gate || version || tooOld || identity || locked || block {
		return exitBlocked
	}
	return exitFailed
}

// tell writes an error and, where there is one, what mends it.
func (a *app) tell(err error) {
	if input, ok := errors.AsType[*migrate.InputError](err); ok {
		for _, p := range input.Problems {
			fmt.Fprintln(a.stderr, "bmsync:", p.Error())
		}
		return
	}
	fmt.Fprintln(a.stderr, "bmsync:", err)
	if mend := mendOf(err); mend != "" {
		fmt.Fprintln(a.stderr, "        "+mend)
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

// load reads the configuration that the flags name.
func (a *app) load(cmd *cobra.Command) (*Config, error) {
	c, err := loadConfig(a.configPath, cmd.Flags(), a.env)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(a.stderr, "warning:", w.Error())
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
		return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})), func() error { return nil }, nil
	}
	f, err := os.OpenFile(c.Log.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("log file: %w", err)
	}
	return slog.New(slog.NewJSONHandler(f, &slog.HandlerOptions{Level: level})), f.Close, nil
}

// mendOf says what to type or to do about an error, "" if nothing is known.
func mendOf(err error) string {
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
		return "check admin and its secret in bmsync.yaml: BlueMind refused the login of " + e.Login
	}
	if isCertificate(err) {
		return "name the server's certificate authority as ca_file in bmsync.yaml, or, for one host, insecure_skip_verify: [HOST]; it is never accepted silently"
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return ""
}
