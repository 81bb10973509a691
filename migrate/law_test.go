package migrate_test

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestTokenIsMadeInOnePlace is law 1 in the source: outside of tests, nobody
// but migrate/token.go so much as names the type that opens a target.
func TestTokenIsMadeInOnePlace(t *testing.T) {
	seen := false
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Token" {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "imap" {
				return true
			}
			if path == filepath.Join("..", "migrate", "token.go") {
				seen = true
			} else {
				t.Errorf("%s uses imap.Token", path)
			}
			return true
		})
		return nil
	})
	if err != nil || !seen {
		t.Errorf("token.go makes no token (%v)", err)
	}
}

// refusesAdministrators runs and wants everything blocked, nobody created,
// nobody become and no IMAP login tried.
func (w *world) refusesAdministrators() {
	w.t.Helper()
	calls := len(w.sim.Journal().Calls())
	res := w.run()
	if res.States[migrate.AccountBlocked] != len(w.rows) || res.Outcome() != migrate.Blocked {
		w.t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	for _, one := range res.Notable {
		if !strings.Contains(one.Reason, "administrator") {
			w.t.Errorf("the reason is %q", one.Reason)
		}
	}
	for _, c := range w.sim.Journal().Calls()[calls:] {
		if c.Method == "PUT" || strings.Contains(c.Path, "_su") {
			w.t.Errorf("%s %s was called", c.Method, c.Path)
		}
	}
	if n := len(w.sim.Journal().Logins()); n > 0 {
		w.t.Errorf("%d IMAP logins", n)
	}
}

// TestAdministratorsAreRefused tries to have mail copied as an administrator:
// by his address, by an address of another spelling, by the domain that
// domain_map gives. Nothing may be created nor opened.
func TestAdministratorsAreRefused(t *testing.T) {
	withHidden := bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{
		{Login: "bmhiddensysadmin", Emails: []string{"postmaster@" + domain}}, {Login: "ada"}}}}}
	tests := map[string]struct {
		address string
		mapped  map[string]string
	}{
		"by name":            {address: "admin0@" + domain},
		"hidden":             {address: "bmhiddensysadmin@" + domain},
		"hidden, by alias":   {address: "postmaster@" + domain},
		"by domain_map":      {address: "ada@" + domain, mapped: map[string]string{domain: "global.virt"}},
		"domain in capitals": {address: "ada@" + domain, mapped: map[string]string{domain: "GLOBAL.virt"}},
		"in its own domain":  {address: "admin0@global.virt"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withHidden, "ada")
			w.source.User("ada@old.example").CreateMailbox("Letters", imaptest.MailboxOptions{}).Append(message(1))
			w.rows[0].Address = test.address
			w.plan()
			w.opts.Target.DomainMap = test.mapped
			w.refusesAdministrators()
		})
	}
}

// TestNoMailWithoutObjects is law 2: where core says that the user has no
// INBOX, and the repair doesn't help, nobody logs in over IMAP.
func TestNoMailWithoutObjects(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(5)
	w.plan()
	w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Hook, Times: 1}, bmsim.Fault{Kind: bmsim.FailedTask})
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "default folders") {
		t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	if n := len(w.sim.Journal().Logins()); n > 0 {
		t.Errorf("%d IMAP logins before there was an INBOX", n)
	}
	w.sim.Faults().Clear()
	w.complete()
	w.same(w.opts.Target)
}

// TestUserMadeHalfway cuts provisioning between the user and his group. The
// next run finds the user, and makes good what lacks.
func TestUserMadeHalfway(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(5)
	w.plan()
	w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Path: "/groups/", Code: "FAILURE"})
	if res := w.run(); res.Outcome() == migrate.Complete {
		t.Fatalf("complete without a group: %+v", res)
	}
	w.sim.Faults().Clear()
	w.complete()
	admin := w.admin()
	d, err := admin.LookupDomain(t.Context(), domain)
	if err != nil {
		t.Fatal(err)
	}
	g, err := admin.GroupByName(t.Context(), d.UID, bmapi.UsersGroup)
	if err != nil {
		t.Fatal(err)
	}
	members, err := admin.Members(t.Context(), d.UID, g.UID)
	if err != nil || len(members) != 1 {
		t.Errorf("the group of users has %v, %v", members, err)
	}
}

// TestTwoAccountsOneUser plans two people into addresses that are one user's.
// Their mail must not be mixed, nor one account end the other's key.
func TestTwoAccountsOneUser(t *testing.T) {
	conf := bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada", Emails: []string{"ada@" + domain, "bruno@" + domain}}}}}}
	w := newWorld(t, conf, "ada", "bruno")
	w.fill(30)
	w.plan()
	for range 2 {
		res := w.run()
		if res.States[migrate.AccountComplete] != 1 || res.States[migrate.AccountBlocked] != 1 {
			t.Fatalf("two accounts into one user: %+v", res)
		}
	}
	w.byKeysOnly()
}

// TestDryRunWritesNothingOnDisk compares the folder of states before and after.
func TestDryRunWritesNothingOnDisk(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.fill(10)
	w.plan()
	w.complete()
	before := listing(t, w.opts.StateDir)
	sessions := w.sim.Journal().Sessions()
	if _, err := migrate.DryRun(t.Context(), w.opts); err != nil {
		t.Fatal(err)
	}
	if after := listing(t, w.opts.StateDir); after != before {
		t.Errorf("the folder of states was\n%s\nand is\n%s", before, after)
	}
	if after := w.sim.Journal().Sessions(); len(after) != len(sessions) {
		t.Errorf("sessions left: %v", after)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-shm") || strings.HasSuffix(e.Name(), "-wal") {
			continue // SQLite's readers make them, empty
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name() + " " + fmt.Sprintf("%x", sha256.Sum256(data)) + "\n")
	}
	return b.String()
}
