package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"

	"github.com/rogpeppe/go-internal/testscript"
)

// lab is what a script migrates from and to.
type lab struct {
	dir     string
	set     func(key, value string)
	ctx     context.Context
	cancel  context.CancelFunc
	source  *imaptest.Server
	targets map[string]*labTarget
	jobs    map[string]*background
	secrets *secretSet // all that must never be told

	sourceSeen int // entries of its journal before the mark
}

// labTarget is a BlueMind, and the tap that its API is reached through.
type labTarget struct {
	sim                  *bmsim.Sim
	tap                  *tap
	calls, logins, mails int // entries of its journal before the mark
}

func newLab(env *testscript.Env) *lab {
	l := &lab{dir: env.WorkDir, set: env.Setenv, targets: map[string]*labTarget{}, jobs: map[string]*background{}, secrets: &secretSet{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends what is left, and looks for secrets in all that the script wrote.
func (l *lab) close(t testscript.T) {
	defer l.cancel()
	for _, b := range l.jobs {
		b.cmd.Process.Kill()
		b.cmd.Wait()
	}
	if l.source != nil {
		l.source.Close()
	}
	for _, x := range l.targets {
		x.tap.close()
		x.sim.Close()
	}
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "secrets" {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // made unreadable by the script
		}
		if kind := l.secrets.in(string(text)); kind != "" {
			return fmt.Errorf("%s holds %s", path, kind)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (l *lab) noSecret(ts *testscript.TestScript, where, text string) {
	if kind := l.secrets.in(text); kind != "" {
		ts.Fatalf("%s tells %s", where, kind)
	}
}

func (l *lab) environ(ts *testscript.TestScript) []string {
	var out []string
	for _, key := range []string{"PATH", "HOME", "TMPDIR", "TZ", "GORACE", "WORK"} {
		out = append(out, key+"="+ts.Getenv(key))
	}
	return out
}

const labYAML = `version: 1
sources:
  old:
    imap: $OLD
    ca_file: ca/old.pem
targets:
  test:
    url: $TEST_URL
    imap: $TEST_IMAP
    ca_file: ca/test.pem
    secret_file: secrets/test
    rehearsal: true
  production:
    url: $PRODUCTION_URL
    imap: $PRODUCTION_IMAP
    ca_file: ca/production.pem
    secret_file: secrets/production
domains:
  - name: example.org
policy:
  limits:
    settle: 1s
`

// cmdLab starts a source with some mail for each login, which lets migration act
// as any of them, and BlueMinds test and production, which have the domain and
// no user.
func cmdLab(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "lab LOGIN...")
	l := labOf(ts)
	var err error
	master := l.secret(ts, "the source's administrator's password", "migration", "Mst-migration-77aa02")
	l.source, err = imaptest.NewServer(imaptest.Options{Masters: map[string]string{"migration": master}, Shared: "Public/",
		Capabilities: append(imaptest.DefaultCapabilities(), "ACL", "QUOTA")})
	ts.Check(err)
	rows := "source;source_login;target_address;secret_file\n"
	for i, login := range args {
		secret := l.secret(ts, "the source password of "+login, login, fmt.Sprintf("Src-%s-5f0c17", login))
		l.source.AddUser(login, secret).Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: uint64(i + 1), Messages: 30, Address: login + "@old.example"}))
		rows += fmt.Sprintf("old;%s;%s@example.org;secrets/%s\n", login, login, login)
	}
	addr, err := l.source.Listen(l.ctx, imaptest.ImplicitTLS, "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("OLD", addr)
	l.write(ts, "ca/old.pem", string(l.source.CAPEM()))
	l.blueMind(ts, "test")
	l.blueMind(ts, "production")
	l.write(ts, "accounts.csv", rows)
	l.write(ts, "bmsync.yaml", os.Expand(labYAML, ts.Getenv))
}

func cmdBlueMind(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "bluemind NAME")
	labOf(ts).blueMind(ts, args[0])
}

func (l *lab) blueMind(ts *testscript.TestScript, name string) {
	secret := l.secret(ts, "the administrator's password on "+name, name, "Adm-"+name+"-e41b9d")
	sim, err := bmsim.Start(l.ctx, bmsim.Config{AdminPassword: secret, RefusalDelay: -1, Domains: []bmsim.Domain{{Name: "example.org"}}})
	ts.Check(err)
	tap, err := newTap(sim, l.secrets)
	ts.Check(err)
	l.targets[name] = &labTarget{sim: sim, tap: tap}
	upper := strings.ToUpper(name)
	ts.Setenv(upper+"_URL", tap.server.URL)
	ts.Setenv(upper+"_PORT", tap.server.URL[strings.LastIndex(tap.server.URL, ":")+1:])
	ts.Setenv(upper+"_IMAP", sim.IMAPSAddr())
	ts.Setenv(upper+"_STARTTLS", sim.IMAPAddr())
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tap.server.Certificate().Raw})
	l.write(ts, "ca/"+name+".pem", string(sim.CAPEM())+string(certificate))
	l.write(ts, "ca/"+name+"-api.pem", string(certificate))
}

// secret makes a secret, and a file in secrets/ that holds it.
func (l *lab) secret(ts *testscript.TestScript, kind, file, text string) string {
	l.secrets.add(kind, text)
	l.write(ts, "secrets/"+file, text+"\n")
	return text
}

func (l *lab) write(ts *testscript.TestScript, name, text string) {
	path := filepath.Join(l.dir, name)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
}

func (l *lab) target(ts *testscript.TestScript, name string) *labTarget {
	x := l.targets[name]
	if x == nil {
		ts.Fatalf("no BlueMind %q", name)
	}
	return x
}

func cmdMark(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "mark")
	l := labOf(ts)
	l.sourceSeen = len(l.source.Journal())
	for _, x := range l.targets {
		j := x.sim.Journal()
		x.calls, x.logins, x.mails = len(j.Calls()), len(j.Logins()), len(j.Appends())
	}
}

// readCalls are those that change nothing, though they aren't all GET.
var readCalls = regexp.MustCompile(`^POST /(auth/(login|logout|_su|validate)$|.*/(_search|_mget\w*|_list|_count|_sorted|_filteredChangesetById|_missing)$)`)

func cmdUntouched(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "untouched")
	l := labOf(ts)
	if writes := l.source.Journal()[l.sourceSeen:].Writes(); len(writes) > 0 {
		ts.Fatalf("the source was written to:\n%s", writes)
	}
	for name, x := range l.targets {
		j := x.sim.Journal()
		for _, c := range j.Calls()[x.calls:] {
			if c.Method != http.MethodGet && !readCalls.MatchString(c.Method+" "+c.Path) {
				ts.Fatalf("%s was changed: %s %s", name, c.Method, c.Path)
			}
		}
		if mails := j.Appends()[x.mails:]; len(mails) > 0 {
			ts.Fatalf("%s got %d messages", name, len(mails))
		}
		if logins := j.Logins()[x.logins:]; len(logins) > 0 {
			ts.Fatalf("%s saw an IMAP login of %s", name, logins[0].Address)
		}
	}
}

func cmdUnvisited(ts *testscript.TestScript, neg bool, args []string) {
	cmdUntouched(ts, neg, args)
	l := labOf(ts)
	if seen := l.source.Journal()[l.sourceSeen:]; len(seen) > 0 {
		ts.Fatalf("the source was spoken to:\n%s", seen)
	}
	for name, x := range l.targets {
		if calls := x.sim.Journal().Calls()[x.calls:]; len(calls) > 0 {
			ts.Fatalf("%s was spoken to: %s %s", name, calls[0].Method, calls[0].Path)
		}
	}
}

func cmdAppends(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "appends SIM N")
	x := labOf(ts).target(ts, args[0])
	if got := len(x.sim.Journal().Appends()) - x.mails; strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s got %d messages, want %s", args[0], got, args[1])
	}
}

func cmdKeys(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "keys SIM N")
	alive := 0
	for _, n := range labOf(ts).target(ts, args[0]).sim.Journal().KeysAlive() {
		alive += n
	}
	if strconv.Itoa(alive) != args[1] {
		ts.Fatalf("%d keys are alive on %s, want %s", alive, args[0], args[1])
	}
}

func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "fault SIM JSON")
	var f bmsim.Fault
	ts.Check(json.Unmarshal([]byte(args[1]), &f))
	labOf(ts).target(ts, args[0]).sim.Faults().Add(f)
}

func cmdHeal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "heal SIM")
	labOf(ts).target(ts, args[0]).sim.Faults().Clear()
}

func cmdLimit(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "limit SIM BYTES")
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	labOf(ts).target(ts, args[0]).sim.SetMessageSizeLimit(n)
}

func cmdSlow(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "slow DURATION")
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	labOf(ts).source.SetQuirks(imaptest.Quirks{ResponseDelay: d})
}

// cmdLease makes a key as a run on another machine does.
func cmdLease(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 4, "lease SIM LOGIN RUN DURATION")
	l := labOf(ts)
	x := l.target(ts, args[0])
	d, err := time.ParseDuration(args[3])
	ts.Check(err)
	conf, err := tlsConfig(filepath.Join(l.dir, "ca", args[0]+".pem"), nil, "127.0.0.1")
	ts.Check(err)
	client, err := bmapi.New(bmapi.Options{BaseURL: x.tap.server.URL, TLS: conf, Origin: "elsewhere"})
	ts.Check(err)
	defer client.Close()
	admin, err := client.Login(l.ctx, "admin0@global.virt", "Adm-"+args[0]+"-e41b9d")
	ts.Check(err)
	user, err := admin.Su(l.ctx, args[1], "example.org")
	ts.Check(err)
	_, err = user.CreateKey(l.ctx, fmt.Sprintf("bmsync %s until %s", args[2], time.Now().Add(d).UTC().Format(time.RFC3339)))
	ts.Check(err)
}

func cmdLearned(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "learned N")
	least, err := strconv.Atoi(args[0])
	ts.Check(err)
	if n := labOf(ts).secrets.count(); n < least {
		ts.Fatalf("%d secrets are known, want %d at least: what is searched for?", n, least)
	}
}
