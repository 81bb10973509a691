package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"bmsync/imap/imaptest"
	"bmsync/state"
)

// callDesk is a desk with a plan, whose servers only count who calls.
func callDesk(t *testing.T) (d *desk, calls *atomic.Int32) {
	t.Helper()
	d = newDesk(t)
	source, err := imaptest.NewServer(imaptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for _, name := range []string{"ada", "bea", "cleo"} {
		source.AddUser(name, "her own")
	}
	addr, err := source.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.write("accounts.csv", strings.ReplaceAll(strings.ReplaceAll(deskCSV, ",secret_env", ""), ",S\n", "\n"))
	d.write("s", "her own\n")
	d.write("ca.pem", string(source.CAPEM()))
	write := func(imap, target string) {
		d.write("bmsync.yaml", "version: 1\nsources: { old: { imap: \""+imap+"\", ca_file: ca.pem, secret_file: s } }\n"+
			"targets:\n  test: { url: \"https://"+target+"\", secret_env: A, rehearsal: true }\n  live: { url: \"https://"+strings.Replace(target, "127.0.0.1", "localhost", 1)+"\", secret_env: A }\n")
	}
	write(addr, "127.0.0.1:1")
	if code, stdout, stderr := d.bmsync("plan"); code != 0 {
		t.Fatalf("plan: %d\n%s%s", code, stdout, stderr)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	calls = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			calls.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	write(ln.Addr().String(), ln.Addr().String())
	s := d.books("test")
	d.account(s, "ada", func(*state.Account) {})
	d.must(s.Close())
	return d, calls
}

// TestC7BadInvocations: a command with an option that took the next one for its
// value, that contradicts another, that says nothing, or that nobody knows, is
// a mistake of usage. It is told before anybody is called, and nothing is written.
func TestC7BadInvocations(t *testing.T) {
	d, calls := callDesk(t)
	const swallowed = `wants a value, and got the option --`
	tests := map[string]string{ // a command line → what is said of it
		// Swallowed.
		"run --target --only ada@example.org":                           swallowed + "only",
		"run --target test --only --final":                              swallowed + "final",
		"run --target test --wave --final":                              swallowed + "final",
		"run --target live --without-rehearsal --final":                 swallowed + "final",
		"run --target live --without-rehearsal=--final":                 swallowed + "final",
		"run --target test --recopy --dry-run":                          swallowed + "dry-run",
		"run --target test --recopy ada@example.org --recopy --dry-run": swallowed + "dry-run",
		"run --target test --fixes --failed":                            swallowed + "failed",
		"run --target test --fixes -v":                                  `wants a value, and got the option -v`,
		"run --target test --policy-limits-accounts --dry-run":          swallowed + "dry-run",
		"check --target test --note --probe --confirm no-pst":           swallowed + "probe",
		"check --target test --confirm --probe":                         swallowed + "probe",
		"verify --target test --only --bytes=all":                       swallowed + "bytes",
		"report --target test -o --json":                                swallowed + "json",
		"where ada@example.org --target test --message-id --json":       swallowed + "json",
		"where ada@example.org --target test --uid --folder INBOX":      `--uid wants a value, and got the option --folder`,
		"reset ada@example.org --target --undo --yes":                   swallowed + "undo",
		"demo --dir --serve":                                            swallowed + "serve",
		"sim --domain --listen-rest":                                    swallowed + "listen-rest",
		"status -c --json":                                              swallowed + "json",
		"run --target":                                                  `flag needs an argument: --target`,
		"run --target test --final ada@example.org":                     `takes no argument, and got "ada@example.org"`,
		"run --target test --dry-run yes":                               `takes no argument, and got "yes"`,
		"run --target test --dry-run=nein":                              `invalid argument "nein" for "--dry-run"`,
		"run --target test --policy-limits-accounts nine":               `"nine" is not a whole number`,
		"run --target test --only ada@example.org,--final":              swallowed + "final",
		"run --target test --only ada@example.org bea@example.org":      `takes no argument, and got "bea@example.org"`,
		"verify --target test --bytes sample":                           `write --bytes=sample, with =`,
		"check --target test --phase":                                   `flag needs an argument: --phase`,
		"run --target test --only \"\"":                                 `--only is empty`,
		"run --target test --recopy \"\"":                               `--recopy is empty`,
		"run --target test --only ada@example.org,":                     `--only is empty`,
		"run --target test --wave \"\"":                                 `--wave is empty`,
		"run --target live --without-rehearsal \"\"":                    `--without-rehearsal is empty`,
		"run --target \"\"":                                             `--target is empty`,
		"report --target test --only \"\"":                              `--only is empty`,
		"where ada@example.org --target test --message-id \"\"":         `--message-id is empty`,

		// Contradictory.
		"run --target test --target live":                                       `--target is given twice: test and live`,
		"run --target test --wave 1 --wave 2":                                   `--wave is given twice: 1 and 2`,
		"run --target test --dry-run --dry-run=false":                           `--dry-run is given twice: true and false`,
		"run --target test --objects --final":                                   `--objects copies no mail`,
		"run --target test --without-rehearsal because":                         `--without-rehearsal is for production`,
		"run --target test --only ada@example.org --recopy bea@example.org":     `--only and --recopy`,
		"run --target test --objects --recopy ada@example.org":                  `--objects copies no mail, and --recopy`,
		"run --target test --objects --retry-refused":                           `--objects copies no mail, and --retry-refused`,
		"run --target test --failed --recopy ada@example.org":                   `--failed and --recopy`,
		"check --target test --confirm no-pst --withdraw no-pst":                `--confirm and --withdraw don't go together`,
		"check --target test --guide --ask":                                     `--ask and --guide don't go together`,
		"check --target test --lang fr":                                         `--lang belongs to --guide or --ask`,
		"check --target test --fixes - --json":                                  `--fixes - would mix`,
		"report --target test --json --format text":                             `--json and --format text contradict each other`,
		"where ada@example.org --target test --uid 1":                           `--uid and --folder go together`,
		"where ada@example.org --target test --message-id x --folder a --uid 1": `which message\?`,
		"where ada@example.org --target test":                                   `.`,
		"reset --tokens --dry-run --target test":                                `--dry-run belongs to --undo`,
		"reset ada@example.org --dry-run --target test":                         `--dry-run belongs to --undo`,
		"reset --tokens --undo --target test":                                   `.`,
		"reset --target test":                                                   `.`,
		"demo --json":                                                           `.`,

		"run --target test --allow-deletions": `--allow-deletions is for accounts that --only names`,

		// Unknown.
		"run --target test --delete2":                 `unknown flag: --delete2`,
		"run --target test --onyl ada@example.org":    `unknown flag: --onyl`,
		"run --target test -x":                        `unknown shorthand flag: 'x'`,
		"run --target production":                     `has no target "production"; it has test or live`,
		"run --target test --only eda@example.org":    `eda@example.org`,
		"run --target test --wave 9":                  `9`,
		"verify --target test --only eda@example.org": `eda@example.org`,
		"verify --target test --bytes=most":           `most`,
		"check --target test --phase nowhere":         `--phase nowhere: there are`,
		"check --target test --lang de --guide":       `--lang de: there are en and fr`,
		"report --target test --only eda@example.org": `eda@example.org`,
		"report --target test --format xml":           `xml`,
		"run":                                         `which target\?`,
		"rnu":                                         `there is no command "rnu"`,
		"plan shwo":                                   `shwo`,
		"plan extra":                                  `plan takes no argument`,
		"--target test":                               `unknown flag: --target`,
		"sim --bluemind 6":                            `6`,
		"sim --rate fast":                             `fast`,
		"sim extra":                                   `takes no argument`,
	}
	for line, want := range tests {
		t.Run(line, func(t *testing.T) {
			var args []string
			for _, word := range strings.Fields(line) {
				args = append(args, strings.Trim(word, `"`))
			}
			before := d.files()
			code, stdout, stderr := d.bmsync(args...)
			if code != exitUsage || !regexp.MustCompile(want).MatchString(stderr) {
				t.Errorf("exit code %d, want %d and %q\n%s", code, exitUsage, want, stderr)
			}
			if stdout != "" {
				t.Errorf("stdout: %s", stdout)
			}
			if n := calls.Swap(0); n > 0 {
				t.Errorf("%d connections", n)
			}
			if after := d.files(); after != before {
				t.Errorf("files were %s and are %s", before, after)
			}
		})
	}
}

// files lists what is in the desk's folder.
func (d *desk) files() string {
	d.t.Helper()
	var names []string
	d.must(filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if !strings.HasSuffix(path, "-wal") && !strings.HasSuffix(path, "-shm") { // of a state that is read
			names = append(names, path)
		}
		return err
	}))
	return strings.Join(names, " ")
}
