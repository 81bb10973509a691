package migrate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

const (
	domain      = "example.org"
	adminSecret = "admin's own secret"
)

// world is an embedded source, an embedded BlueMind, and what a run needs.
type world struct {
	t      *testing.T
	dir    string
	source *imaptest.Server
	sim    *bmsim.Sim
	opts   migrate.RunOptions
	rows   []migrate.Row
	policy migrate.Policy
	domain string

	renamed   bool // the share compta is called comptabilite in BlueMind
	unrefused bool // same leaves out what the ledger says was refused
}

// newWorld starts a source with the named users and a BlueMind 5 to rehearse
// on.
func newWorld(t *testing.T, conf bmsim.Config, users ...string) *world {
	t.Helper()
	return newWorldFrom(t, imaptest.Options{}, conf, users...)
}

// newWorldFrom is newWorld with a source of another kind.
func newWorldFrom(t *testing.T, source imaptest.Options, conf bmsim.Config, users ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), policy: migrate.DefaultPolicy(), domain: domain}
	var err error
	if w.source, err = imaptest.NewServer(source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.source.Close() })
	addr, err := w.source.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range users {
		w.source.AddUser(name+"@old.example", "pw-"+name)
		w.rows = append(w.rows, migrate.Row{File: "accounts.csv", Line: i + 2, Source: "old", Login: name + "@old.example",
			Address: name + "@" + domain, Kind: migrate.KindUser, LastName: name})
	}
	w.opts = migrate.RunOptions{StateDir: filepath.Join(w.dir, "state"), Command: "run", RetryDelays: []time.Duration{10 * time.Millisecond},
		BackOff: func(int) time.Duration { return 5 * time.Millisecond },
		Limits:  migrate.Limits{Accounts: 4, Memory: 64 << 20, Settle: 50 * time.Millisecond, Retries: 8, BatchMessages: 16, BatchBytes: 1 << 20},
		Sources: map[string]migrate.Source{"old": {Name: "old", Server: imap.Server{Addr: addr, Security: imap.ImplicitTLS, TLS: pool(t, w.source.CAPEM())},
			Credentials: func(_ context.Context, login string) (imap.Credentials, error) {
				name, _, _ := strings.Cut(login, "@")
				return imap.Credentials{Login: login, Secret: "pw-" + name}, nil
			}}}}
	w.start(conf)
	return w
}

func pool(t *testing.T, pem []byte) *tls.Config {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: p, MinVersion: tls.VersionTLS12, ServerName: "localhost"}
}

// start starts the BlueMind that runs fill, as target "test".
func (w *world) start(conf bmsim.Config) {
	w.t.Helper()
	conf.AdminPassword, conf.RefusalDelay = adminSecret, 10*time.Millisecond
	if conf.Domains == nil {
		conf.Domains = []bmsim.Domain{{Name: domain}}
	}
	sim, err := bmsim.Start(w.t.Context(), conf)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { sim.Close() })
	w.sim = sim
	w.opts.Target = w.target("test", sim, true)
}

func (w *world) target(name string, sim *bmsim.Sim, rehearsal bool) migrate.Target {
	return migrate.Target{Name: name, URL: sim.URL(), TLS: pool(w.t, sim.CAPEM()), Admin: "admin0@global.virt", Rehearsal: rehearsal,
		IMAP:        imap.Server{Addr: sim.IMAPSAddr(), Security: imap.ImplicitTLS, TLS: pool(w.t, sim.CAPEM())},
		AdminSecret: func(context.Context) (string, error) { return adminSecret, nil }}
}

// fill puts varied mail into every user's mailbox at the source.
func (w *world) fill(messages int) {
	for i, row := range w.rows {
		w.source.User(row.Login).Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: uint64(i + 1), Messages: messages, Address: row.Login}))
	}
}

func (w *world) plan() {
	w.t.Helper()
	path := filepath.Join(w.dir, "plan.jsonl")
	res, err := migrate.BuildPlan(w.t.Context(), migrate.PlanOptions{Path: path, Rows: w.rows, Sources: w.opts.Sources, Policy: w.policy})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range res.Unsurveyed {
		w.t.Errorf("not surveyed: %v", p)
	}
	if w.opts.Plan, err = migrate.OpenPlan(path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run() migrate.RunResult {
	w.t.Helper()
	res, err := migrate.Run(w.t.Context(), w.opts)
	if err != nil {
		w.t.Fatalf("run: %v", err)
	}
	return res
}

// complete runs and wants every account complete and nothing left to say.
func (w *world) complete() migrate.RunResult {
	w.t.Helper()
	res := w.run()
	if res.Outcome() != migrate.Complete {
		w.t.Fatalf("the run ended with %v: %+v", res.Outcome(), res.Notable)
	}
	return res
}

func (w *world) verify(how migrate.Reread) migrate.VerifyResult {
	w.t.Helper()
	res, err := migrate.Verify(w.t.Context(), migrate.VerifyOptions{RunOptions: w.opts, Reread: how})
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	return res
}

// byKeysOnly asserts from the target's journal that nobody came in over IMAP
// but users with their own keys, and that no key is left.
func (w *world) byKeysOnly() {
	w.t.Helper()
	for _, l := range w.sim.Journal().Logins() {
		if l.Secret != "key" {
			w.t.Errorf("IMAP login of %s as %q by %s %s", l.Address, l.Login, l.Secret, l.Reason)
		}
	}
	if alive := w.sim.Journal().KeysAlive(); len(alive) > 0 {
		w.t.Errorf("keys alive: %v", alive)
	}
}

// read reads a mailbox of the target as its user, with a client that shares
// no code with the copy.
func (w *world) read(target migrate.Target, address string) (got labtest.Account) {
	w.t.Helper()
	w.withKey(target, address, func(ctx context.Context, secret string) {
		var err error
		got, err = labtest.Read(ctx, labtest.Login{Addr: target.IMAP.Addr, Security: labtest.TLS, TLS: target.IMAP.TLS, User: address, Secret: secret})
		if err != nil {
			w.t.Fatal(err)
		}
	})
	return got
}

// withKey makes a user's key for as long as do works with it.
func (w *world) withKey(target migrate.Target, address string, do func(ctx context.Context, secret string)) {
	w.t.Helper()
	ctx := w.t.Context()
	client, err := bmapi.New(bmapi.Options{BaseURL: target.URL, TLS: target.TLS})
	if err != nil {
		w.t.Fatal(err)
	}
	admin, err := client.Login(ctx, target.Admin, adminSecret)
	if err != nil {
		w.t.Fatal(err)
	}
	local, _, _ := strings.Cut(address, "@")
	_, name, _ := strings.Cut(address, "@")
	d, err := admin.LookupDomain(ctx, name)
	if err != nil {
		w.t.Fatal(err)
	}
	user, err := admin.Su(ctx, local, d.UID)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := user.CreateKey(ctx, "a test's")
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.DropKey(ctx, key.SID)
	do(ctx, key.SID)
}

func (w *world) readSource(row migrate.Row) labtest.Account {
	w.t.Helper()
	s := w.opts.Sources["old"]
	cred, err := s.Credentials(w.t.Context(), row.Login)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := labtest.Read(w.t.Context(), labtest.Login{Addr: s.Server.Addr, Security: labtest.TLS, TLS: s.Server.TLS, User: cred.Login, Secret: cred.Secret})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// mapping is what the plan decided for an account: source folder → target, ""
// for what is left out.
func (w *world) mapping(address string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for a, err := range w.opts.Plan.Accounts() {
		if err != nil {
			w.t.Fatal(err)
		}
		if a.Address != address {
			continue
		}
		for _, f := range a.Folders {
			out[f.Source] = f.Target
		}
	}
	return out
}

// same compares every account of source and target, messages with \Deleted
// left out, byte for byte, with dates and flags. Of messages with the same
// bytes BlueMind 5 keeps the first one's date for ten minutes: their dates are
// not compared.
func (w *world) same(target migrate.Target) {
	w.t.Helper()
	sources := map[string]labtest.Account{}
	often := map[string]int{}
	for _, row := range w.rows {
		src := w.readSource(row)
		for name, items := range src {
			src[name] = slices.DeleteFunc(items, func(i labtest.Item) bool { return slices.Contains(i.Flags, `\Deleted`) })
			for _, i := range src[name] {
				often[i.SHA256]++
			}
			if w.unrefused {
				src[name] = w.withoutRefused(row.Address, name, src[name])
			}
		}
		sources[row.Address] = src
	}
	undated := func(a labtest.Account) {
		for _, items := range a {
			for i := range items {
				if often[items[i].SHA256] > 1 {
					items[i].InternalDate = time.Time{}
				}
			}
		}
	}
	for _, row := range w.rows {
		src, dst := sources[row.Address], w.read(target, row.Address)
		maps.DeleteFunc(dst, func(name string, items []labtest.Item) bool {
			return len(items) == 0 && !used(w.mapping(row.Address), name)
		})
		undated(src)
		undated(dst)
		for _, d := range labtest.Compare(src, dst, w.mapping(row.Address)) {
			w.t.Errorf("%s: %s", row.Address, d)
		}
	}
}

func used(mapping map[string]string, target string) bool {
	for _, t := range mapping {
		if t == target {
			return true
		}
	}
	return false
}

func message(n int) imaptest.Message {
	return imaptest.Message{Body: fmt.Appendf(nil, "From: a@x.test\r\nMessage-ID: <%d@x.test>\r\nSubject: letter %d\r\n\r\n%s\r\n", n, n, strings.Repeat("word ", n%50)),
		InternalDate: time.Date(2010, 1, 1, 0, 0, n, 0, time.FixedZone("", 7200))}
}

// refusals gives the refused messages of the state: address and folder → UIDs,
// and all the words that were said.
func (w *world) refusals() (uids map[string][]uint32, words []string) {
	w.t.Helper()
	s, err := state.OpenReadOnly(w.t.Context(), migrate.StatePath(w.opts.StateDir, w.opts.Target.Name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	uids = map[string][]uint32{}
	for a, err := range s.Accounts(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		folders, err := s.Folders(w.t.Context(), a.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range folders {
			for m, err := range s.Messages(w.t.Context(), f.ID, 0) {
				if err != nil {
					w.t.Fatal(err)
				}
				if m.State == state.Refused {
					uids[a.Address+" "+f.Source] = append(uids[a.Address+" "+f.Source], m.SrcUID)
					words = append(words, m.Reason)
				}
			}
		}
	}
	return uids, words
}

func (w *world) refused() []string {
	_, words := w.refusals()
	return words
}

func (w *world) withoutRefused(address, folder string, items []labtest.Item) []labtest.Item {
	uids, _ := w.refusals()
	return slices.DeleteFunc(items, func(i labtest.Item) bool { return slices.Contains(uids[address+" "+folder], i.UID) })
}
