package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// simSecret is the administrator's password of every simulator here.
const simSecret = "the administrator's own"

// simulator is bmsync sim in a process of its own, which keeps its store, so
// that it can be killed and started again.
type simulator struct {
	t    *testing.T
	dir  string
	args []string
	proc *process
	info simInfo
	tls  *tls.Config
	http *http.Client
}

// startSim starts a simulator; the test's end ends it.
func startSim(t *testing.T, args ...string) *simulator {
	t.Helper()
	s := &simulator{t: t, dir: filepath.Join(t.TempDir(), "sim")}
	if err := writeSecret(s.dir, "admin-secret", simSecret); err != nil {
		t.Fatal(err)
	}
	s.args = append([]string{"sim", "--json", "--dir", s.dir, "--admin-secret-file", filepath.Join(s.dir, "admin-secret"), "--refusal-delay", "10ms"}, args...)
	s.start()
	t.Cleanup(func() { s.http.CloseIdleConnections() })
	return s
}

func (s *simulator) start() {
	s.t.Helper()
	s.proc = newProcess(s.t, s.dir, s.args...)
	s.proc.cmd.Stdout = nil
	out, err := s.proc.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.proc.start()
	if err := json.NewDecoder(out).Decode(&s.info); err != nil {
		s.t.Fatalf("the simulator doesn't start: %v: %s", err, s.proc)
	}
	served := s.proc
	s.t.Cleanup(func() {
		if served.signal(syscall.SIGTERM) && served.code() != 0 {
			s.t.Errorf("the simulator ended with %d: %s", served.code(), served)
		}
	})
	pem, err := os.ReadFile(s.info.CAFile)
	if err != nil {
		s.t.Fatal(err)
	}
	s.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		s.t.Fatal("the simulator's ca_file holds no certificate")
	}
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}, Timeout: time.Minute}
}

// call sends a request to the simulator and decodes what it answers.
func (s *simulator) call(method, path, key string, body, into any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), method, s.info.URL+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "X-Sim-Password": {simSecret}, "X-Bm-Apikey": {key}}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d: %s", resp.StatusCode, answer)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// simJournal is what GET /sim/journal tells and these tests ask for.
type simJournal struct {
	Logins    []bmsim.Login
	Appends   []bmsim.Append
	KeysAlive map[string]int
}

func (s *simulator) journal() (j simJournal) {
	s.t.Helper()
	s.call("GET", "/sim/journal", "", nil, &j)
	return j
}

// faults puts these in the place of all that were switched on.
func (s *simulator) faults(list ...bmsim.IMAPFault) {
	s.t.Helper()
	s.call("POST", "/sim/faults", "", map[string]any{"clear": true, "imap": list}, nil)
}

// read reads a mailbox over IMAP by a client that shares no code with the
// copy, as its user with a session of his.
func (s *simulator) read(address string) labtest.Account {
	s.t.Helper()
	var admin, user struct{ Status, AuthKey string }
	s.call("POST", "/api/auth/login?origin=test&login=admin0@global.virt", "", simSecret, &admin)
	s.call("POST", "/api/auth/_su?login="+url.QueryEscape(address), admin.AuthKey, nil, &user)
	if user.Status != "Ok" {
		s.t.Fatalf("nobody is %s", address)
	}
	got, err := labtest.Read(s.t.Context(), labtest.Login{Addr: s.info.IMAPS, Security: labtest.TLS, TLS: s.tls, User: address, Secret: user.AuthKey})
	if err != nil {
		s.t.Fatalf("read %s: %v", address, err)
	}
	return got
}

// origin is where migrations come from: a source's part of bmsync.yaml, its
// mailboxes and what reads them.
type origin struct {
	yaml   string
	ca     []byte
	secret string            // of its master user
	logins map[string]string // local part → login
	shares map[string]string // those that become shared mailboxes → local part of who fills them
	read   func(login string) labtest.Account
}

// embeddedOrigin is an imaptest server with some mail of each user.
func embeddedOrigin(t *testing.T, messages int, users ...string) origin {
	t.Helper()
	server, err := imaptest.NewServer(imaptest.Options{Masters: map[string]string{"migration": "master's own"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	addr, err := server.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := origin{ca: server.CAPEM(), secret: "master's own", logins: map[string]string{},
		yaml: "imap: " + addr + ", auth: plain-authzid, admin_login: migration"}
	for i, name := range users {
		login := name + "@old.example"
		o.logins[name] = login
		server.AddUser(login, "own").Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: uint64(i + 1), Messages: messages, Address: login}))
	}
	o.read = func(login string) labtest.Account {
		got, err := labtest.Read(t.Context(), labtest.Login{Addr: addr, Security: labtest.TLS, TLS: server.ClientTLS(), User: "migration", AuthzID: login, Secret: o.secret})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	return o
}

// migration is a folder with a configuration and its plan: an origin's
// mailboxes into a domain of a simulator's.
type migration struct {
	t      *testing.T
	dir    string
	from   origin
	sim    *simulator
	domain string
}

// newMigration writes the configuration and plans.
func newMigration(t *testing.T, from origin, sim *simulator, domain, limits string) *migration {
	t.Helper()
	m := &migration{t: t, dir: t.TempDir(), from: from, sim: sim, domain: domain}
	rows := "source;source_login;target_address;kind;writer\n"
	for _, name := range slices.Sorted(maps.Keys(from.logins)) {
		how := "user;"
		if writer, ok := from.shares[name]; ok {
			how = "share;" + m.address(writer)
		}
		rows += "old;" + from.logins[name] + ";" + m.address(name) + ";" + how + "\n"
	}
	if from.ca != nil {
		from.yaml += ", ca_file: old.pem"
	}
	files := map[string]string{
		"accounts.csv": rows, "old.pem": string(from.ca),
		"bmsync.yaml": fmt.Sprintf(`version: 1
sources:
  old: {%s, secret_file: secrets/old}
targets:
  test: {url: %q, imap: %q, ca_file: %q, secret_file: secrets/test, rehearsal: true}
policy:
  limits: {%s}
`, from.yaml, sim.info.URL, sim.info.IMAPS, sim.info.CAFile, limits),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, secret := range map[string]string{"old": from.secret, "test": simSecret} {
		if err := writeSecret(filepath.Join(m.dir, "secrets"), name, secret); err != nil {
			t.Fatal(err)
		}
	}
	m.ends(0, "plan")
	return m
}

func (m *migration) address(name string) string { return name + "@" + m.domain }

// command prepares a bmsync in this folder.
func (m *migration) command(args ...string) *process {
	m.t.Helper()
	return newProcess(m.t, m.dir, append(args, "--json")...)
}

// ends runs a bmsync, which must end with this exit code.
func (m *migration) ends(code int, args ...string) *process {
	m.t.Helper()
	p := m.command(args...)
	p.start()
	if got := p.code(); got != code {
		m.t.Fatalf("exit code %d, want %d: %s", got, code, p)
	}
	return p
}

// appends are the messages that this migration has stored, by the journal of a
// simulator of version 5; that of 4 doesn't see what Cyrus stores.
func (m *migration) appends() int {
	m.t.Helper()
	n := 0
	for _, a := range m.sim.journal().Appends {
		if strings.HasSuffix(a.Who, "@"+m.domain) {
			n++
		}
	}
	return n
}

// state counts what the target's state holds, when no run is at work on it.
func (m *migration) state() state.Totals {
	m.t.Helper()
	s, err := state.OpenReadOnly(m.t.Context(), migrate.StatePath(filepath.Join(m.dir, "state"), "test"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	totals, err := s.Totals(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return totals
}

// sharedRoot is where BlueMind has its shared mailboxes over IMAP.
const sharedRoot = "Dossiers partagés/"

// content reads each user's mailbox of the target, and each shared one through
// the eyes of who fills it, by the names that the plan has.
func (m *migration) content() map[string]labtest.Account {
	m.t.Helper()
	seen, out := map[string]labtest.Account{}, map[string]labtest.Account{}
	for name := range m.from.logins {
		who, isShare := m.from.shares[name]
		if !isShare {
			who = name
		}
		if seen[who] == nil {
			seen[who] = m.sim.read(m.address(who))
		}
		out[name] = labtest.Account{}
		for folder, items := range seen[who] {
			below, shared := strings.CutPrefix(folder, sharedRoot)
			if shared == isShare && (!shared || below == name || strings.HasPrefix(below, name+"/")) {
				out[name][below] = items
			}
		}
	}
	return out
}

// wanted reads each user's mailbox of the source, as the plan maps it and
// without what is left behind.
func (m *migration) wanted() map[string]labtest.Account {
	m.t.Helper()
	plan, err := migrate.OpenPlan(filepath.Join(m.dir, "plan.jsonl"))
	if err != nil {
		m.t.Fatal(err)
	}
	out := map[string]labtest.Account{}
	for a, err := range plan.Accounts() {
		if err != nil {
			m.t.Fatal(err)
		}
		name, _, _ := strings.Cut(a.Address, "@")
		source, mapped := m.from.read(a.SourceLogin), labtest.Account{}
		for _, f := range a.Folders {
			if f.Target == "" {
				continue
			}
			mapped[f.Target] = slices.DeleteFunc(source[f.Source], func(i labtest.Item) bool { return slices.Contains(i.Flags, `\Deleted`) })
		}
		out[name] = mapped
	}
	return out
}

// equal compares mailboxes: bytes, flags, dates and how often each is there.
// Of messages with the same bytes BlueMind 5 keeps the first one's date for
// ten minutes: their dates are not compared.
func equal(t *testing.T, what string, want, got map[string]labtest.Account) {
	t.Helper()
	often := map[string]int{}
	total := 0
	for _, account := range want {
		for _, items := range account {
			total += len(items)
			for _, i := range items {
				often[i.SHA256]++
			}
		}
	}
	undated := func(a labtest.Account) labtest.Account {
		out := labtest.Account{}
		for name, items := range a {
			out[name] = slices.Clone(items)
			for i, item := range items {
				if often[item.SHA256] > 1 {
					out[name][i].InternalDate = time.Time{}
				}
			}
		}
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		differences := labtest.Compare(undated(want[name]), undated(got[name]), nil)
		for i, d := range differences {
			if i == 10 {
				t.Errorf("%s: %s: … and %d more", what, name, len(differences)-i)
				break
			}
			t.Errorf("%s: %s: %s", what, name, d)
		}
	}
	if total == 0 {
		t.Errorf("%s: no messages to compare", what)
	}
}
