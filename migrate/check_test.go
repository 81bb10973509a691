package migrate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/migrate"
)

// check checks what the world's rows need of its target.
func (w *world) check(edit ...func(*migrate.CheckOptions)) migrate.CheckResult {
	w.t.Helper()
	o := migrate.CheckOptions{Rows: w.rows, Plan: w.opts.Plan, Sources: w.opts.Sources, Target: w.opts.Target, Policy: w.policy, StateDir: w.opts.StateDir, Network: offline}
	for _, e := range edit {
		e(&o)
	}
	res, err := migrate.Check(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func probing(o *migrate.CheckOptions) { o.Probe = true }

// blank wants a mailbox with its default folders alone, and nothing in them.
func (w *world) blank(login string) {
	w.t.Helper()
	for name, items := range w.read(w.opts.Target, login+"@"+domain) {
		if strings.HasPrefix(name, "Dossiers partag") {
			continue // a share's
		}
		if len(items) > 0 || !slices.Contains([]string{"INBOX", "Sent", "Trash", "Drafts", "Junk", "Templates", "Outbox"}, name) {
			w.t.Errorf("%s has %d messages in %s", login, len(items), name)
		}
	}
}

// admin acts as the administrator of the target.
func (w *world) admin() *bmapi.Session {
	w.t.Helper()
	client, err := bmapi.New(bmapi.Options{BaseURL: w.opts.Target.URL, TLS: w.opts.Target.TLS})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	admin, err := client.Login(w.t.Context(), "admin0@global.virt", adminSecret)
	if err != nil {
		w.t.Fatal(err)
	}
	return admin
}

// fires wants a finding of that name and severity whose text holds text, for
// exactly these accounts.
func fires(t *testing.T, res migrate.CheckResult, name string, s migrate.Severity, text string, accounts ...string) migrate.Finding {
	t.Helper()
	for _, f := range res.Findings {
		if f.Name == name && f.Severity == s && strings.Contains(f.Text, text) {
			if !slices.Equal(f.Accounts, accounts) {
				t.Errorf("%s %q holds for %q, want %q", name, f.Text, f.Accounts, accounts)
			}
			if f.Mend == "" && s == migrate.Blocker {
				t.Errorf("%s %q says not what to do", name, f.Text)
			}
			return f
		}
	}
	t.Errorf("no %s of %s with %q in %s", s, name, text, described(res))
	return migrate.Finding{}
}

// silent wants nothing but good of these names.
func silent(t *testing.T, res migrate.CheckResult, names ...string) {
	t.Helper()
	for _, name := range names {
		said := false
		for _, f := range res.Findings {
			if f.Name != name {
				continue
			}
			said = true
			if f.Severity != migrate.Ok {
				t.Errorf("%s: %s: %s (%v %v)", name, f.Severity, f.Text, f.Accounts, f.Notes)
			}
		}
		if !said {
			t.Errorf("%s says nothing", name)
		}
	}
}

func described(res migrate.CheckResult) string {
	var b strings.Builder
	for _, f := range res.Findings {
		fmt.Fprintf(&b, "\n  %s %d %s: %s %v %q", f.Severity, f.Rule, f.Name, f.Text, f.Accounts, f.Notes)
	}
	return b.String()
}

// with is a BlueMind that has users in the domain.
func with(users ...bmsim.User) bmsim.Config {
	return bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: users}}}
}

var everyRule = []string{"target", "certificate", "version", "running", "administrator", "state", "plan", "addresses", "domain", "mailbox",
	"usable", "quota", "message size", "source login"}

func TestCheckIsSilentWhereAllIsWell(t *testing.T) {
	w := newWorld(t, with(bmsim.User{Login: "ada"}), "ada", "bob")
	w.source.User("ada@old.example").Mailbox("INBOX").Append(message(1))
	w.plan()
	res := w.check(probing)
	silent(t, res, everyRule...)
	silent(t, res, "routing", "blank target")
	if res.Blockers+res.Warnings > 0 || res.Accounts != 2 || res.Version != "5.1" || !res.Probed {
		t.Errorf("%+v", res)
	}
	w.byKeysOnly()
	if n := len(w.sim.Journal().Logins()); n != 1 {
		t.Errorf("%d IMAP logins, want one: bob doesn't exist yet", n)
	}
	w.blank("ada")
	if _, err := w.admin().UserByEmail(t.Context(), domain, "bob@"+domain); !errors.Is(err, bmapi.ErrNotFound) {
		t.Errorf("bob: %v", err)
	}
}

func TestCheckWithoutProbeTouchesNothing(t *testing.T) {
	w := newWorld(t, with(bmsim.User{Login: "ada"}), "ada", "bob")
	w.plan()
	silent(t, w.check(), everyRule...)
	if n := len(w.sim.Journal().Logins()); n > 0 {
		t.Errorf("%d IMAP logins", n)
	}
	for _, c := range w.sim.Journal().Calls() {
		if c.Method == "PUT" || c.Method == "DELETE" || strings.Contains(c.Path, "_su") {
			t.Errorf("%s %s", c.Method, c.Path)
		}
	}
	if _, err := os.Stat(w.opts.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state's folder: %v", err)
	}
}

func TestCheckGroupsAccounts(t *testing.T) {
	w := newWorld(t, bmsim.Config{})
	for i := range 230 {
		w.rows = append(w.rows, migrate.Row{Source: "old", Login: "nobody", Address: fmt.Sprintf("u%03d@%s", i, domain), Kind: migrate.KindUser})
	}
	w.policy.Users.Create = false
	var all []string
	for _, row := range w.rows {
		all = append(all, row.Address)
	}
	f := fires(t, w.check(), "mailbox", migrate.Blocker, "no mailbox", all...)
	if f.Count != 230 || f.Rule != 6 {
		t.Errorf("%+v", f)
	}
}

func TestCheckTellsOfTheInstallation(t *testing.T) {
	tests := []struct {
		title string
		conf  bmsim.Config
		edit  func(*world, *migrate.CheckOptions)
		name  string
		s     migrate.Severity
		text  string
	}{
		{title: "too old", conf: bmsim.Config{ReleaseName: "4.4.2"}, name: "version", s: migrate.Blocker, text: "4.4.2"},
		{title: "far too old", conf: bmsim.Config{ReleaseName: "3.5.12"}, name: "version", s: migrate.Blocker, text: "not supported"},
		{title: "without a release", conf: bmsim.Config{ReleaseName: "unreleased"}, name: "version", s: migrate.Warning, text: "no release"},
		{title: "another version than configured", edit: func(_ *world, o *migrate.CheckOptions) { o.Target.Version = "4" }, name: "version", s: migrate.Blocker, text: "says version 4"},
		{title: "another version than planned for", edit: func(_ *world, o *migrate.CheckOptions) { o.Policy.TargetVersion = migrate.Target4 }, name: "version", s: migrate.Blocker, text: "target_version"},
		{title: "in maintenance", edit: func(w *world, _ *migrate.CheckOptions) { w.sim.SetState(bmsim.Maintenance) }, name: "running", s: migrate.Blocker, text: "CORE_STATE_MAINTENANCE"},
		{title: "wrong secret", edit: func(_ *world, o *migrate.CheckOptions) {
			o.Target.AdminSecret = func(context.Context) (string, error) { return "wrong secret", nil }
		}, name: "administrator", s: migrate.Blocker, text: "wrong name or secret (it says Bad)"},
		{title: "no secret", edit: func(_ *world, o *migrate.CheckOptions) {
			o.Target.AdminSecret = func(context.Context) (string, error) { return "", errors.New("ADMIN_SECRET is not set") }
		}, name: "administrator", s: migrate.Blocker, text: "ADMIN_SECRET is not set"},
		{title: "unknown authority", edit: func(w *world, o *migrate.CheckOptions) { o.Target.TLS = pool(t, w.source.CAPEM()) }, name: "certificate", s: migrate.Blocker, text: "isn't trusted"},
		{title: "unknown authority of IMAP", edit: func(w *world, o *migrate.CheckOptions) { o.Target.IMAP.TLS = pool(t, w.source.CAPEM()) }, name: "certificate", s: migrate.Blocker, text: "isn't trusted"},
		{title: "certificate not checked", edit: func(w *world, o *migrate.CheckOptions) {
			o.Target.Insecure, o.Target.TLS = []string{"127.0.0.1"}, &tls.Config{InsecureSkipVerify: true}
		}, name: "certificate", s: migrate.Warning, text: "isn't checked"},
		{title: "no IMAP", edit: func(w *world, o *migrate.CheckOptions) { o.Target.IMAP.Addr = nobody(t) }, name: "running", s: migrate.Blocker, text: "refused"},
		{title: "not IMAP", edit: func(w *world, o *migrate.CheckOptions) {
			o.Target.IMAP.Addr, o.Target.IMAP.Security = speaker(t, "SSH-2.0-OpenSSH\r\n"), imap.Plaintext
		}, name: "running", s: migrate.Blocker, text: "SSH-2.0-OpenSSH"},
		{title: "not BlueMind", edit: func(_ *world, o *migrate.CheckOptions) {
			o.Target.URL = "http://" + speaker(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnginx")
		}, name: "target", s: migrate.Blocker, text: "404"},
	}
	for _, tt := range tests {
		t.Run(tt.title, func(t *testing.T) {
			w := newWorld(t, tt.conf, "ada")
			res := w.check(func(o *migrate.CheckOptions) {
				if tt.edit != nil {
					tt.edit(w, o)
				}
			})
			f := fires(t, res, tt.name, tt.s, tt.text)
			if strings.Contains(described(res), "wrong secret\"") {
				t.Error("a secret is told")
			}
			if tt.s == migrate.Blocker && res.Blockers == 0 || tt.s == migrate.Warning && res.Warnings == 0 {
				t.Errorf("not counted: %+v", f)
			}
		})
	}
}

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// speaker is a server that says one thing to everybody.
func speaker(t *testing.T, words string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			if strings.HasPrefix(words, "HTTP") {
				conn.Read(make([]byte, 4096)) // an answer before the request is none
			}
			conn.Write([]byte(words))
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func TestCheckSkipsWhatTheTargetDoesNotTell(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	res := w.check(func(o *migrate.CheckOptions) { o.Target.TLS = pool(t, w.source.CAPEM()) })
	for _, name := range []string{"domain", "mailbox", "routing", "usable", "quota", "message size", "blank target"} {
		fires(t, res, name, migrate.Skipped, "could not be asked")
	}
	silent(t, res, "source login", "addresses")
}

func TestCheckNeedsThePlanForSizes(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada", "bob")
	res := w.check()
	fires(t, res, "plan", migrate.Skipped, "no plan")
	fires(t, res, "quota", migrate.Skipped, "bmsync plan first")
	fires(t, res, "message size", migrate.Skipped, "bmsync plan first")

	late := w.rows[1]
	w.rows = w.rows[:1]
	w.plan()
	w.rows = append(w.rows, late)
	fires(t, w.check(), "quota", migrate.Warning, "not in the plan", "bob@"+domain)
	w.policy.Folders.Trash = migrate.Exclude
	fires(t, w.check(), "plan", migrate.Warning, "another policy")

	if err := os.WriteFile(w.opts.Plan.Path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := migrate.Check(t.Context(), migrate.CheckOptions{Rows: w.rows, Plan: w.opts.Plan, Sources: w.opts.Sources, Target: w.opts.Target})
	if _, ok := errors.AsType[*migrate.PlanError](err); !ok {
		t.Errorf("a broken plan gives %v", err)
	}
}

func TestCheckStops(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	stop := make(chan struct{})
	close(stop)
	_, err := migrate.Check(t.Context(), migrate.CheckOptions{Rows: w.rows, Sources: w.opts.Sources, Target: w.opts.Target, Policy: w.policy, Stop: stop})
	if !errors.Is(err, imap.ErrStopped) {
		t.Errorf("got %v", err)
	}
}

func TestCheckKnowsWhoseStateItIs(t *testing.T) {
	w := newWorld(t, with(bmsim.User{Login: "ada"}), "ada")
	w.fill(3)
	w.plan()
	w.complete()
	res := w.check(probing)
	silent(t, res, everyRule...)
	silent(t, res, "blank target") // it is not empty, by our own doing
	fires(t, w.check(func(o *migrate.CheckOptions) { o.Target.Rehearsal = false }), "state", migrate.Blocker, "belongs to another target")
	if err := os.WriteFile(filepath.Join(w.opts.StateDir, "other.db"), []byte("not a state"), 0o600); err != nil {
		t.Fatal(err)
	}
	fires(t, w.check(func(o *migrate.CheckOptions) { o.Target.Name = "other" }), "state", migrate.Blocker, "not a state file")
	w.start(with(bmsim.User{Login: "ada"})) // another BlueMind under the same name
	fires(t, w.check(), "state", migrate.Blocker, "belongs to another target")
}
