package migrate_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// labWorld is a real Dovecot and a BlueMind 4: our REST core and proxy in front
// of a real Cyrus.
func labWorld(t *testing.T, users ...string) (*world, *labtest.Lab) {
	t.Helper()
	return labWorldOf(t, bmsim.Domain{}, users...)
}

// labWorldOf is labWorld with a domain that holds people and shares; its name
// and theirs are the test's own.
func labWorldOf(t *testing.T, d bmsim.Domain, users ...string) (*world, *labtest.Lab) {
	t.Helper()
	return labWorldWith(t, bmsim.Config{Domains: []bmsim.Domain{d}}, users...)
}

// labWorldWith is labWorldOf with a BlueMind of another kind.
func labWorldWith(t *testing.T, conf bmsim.Config, users ...string) (*world, *labtest.Lab) {
	t.Helper()
	lab := labtest.Open(t)
	w := &world{t: t, dir: t.TempDir(), policy: migrate.DefaultPolicy(), domain: lab.Domain(t)}
	secrets := map[string]string{}
	for i, name := range users {
		login, password := lab.AddDovecotUser(t, name)
		secrets[login] = password
		w.rows = append(w.rows, migrate.Row{File: "accounts.csv", Line: i + 2, Source: "old", Login: login,
			Address: name + "@" + w.domain, Kind: migrate.KindUser, LastName: name})
	}
	w.opts = migrate.RunOptions{StateDir: filepath.Join(w.dir, "state"), Command: "run", RetryDelays: []time.Duration{10 * time.Millisecond},
		BackOff: func(int) time.Duration { return 20 * time.Millisecond },
		Limits:  migrate.Limits{Accounts: 4, Memory: 64 << 20, Settle: 4 * time.Second, Retries: 8, BatchMessages: 64, BatchBytes: 4 << 20},
		Sources: map[string]migrate.Source{"old": {Name: "old", Server: imap.Server{Addr: lab.DovecotIMAPS, Security: imap.ImplicitTLS, TLS: lab.TLS(t)},
			Credentials: func(_ context.Context, login string) (imap.Credentials, error) {
				return imap.Credentials{Login: login, Secret: secrets[login]}, nil
			}}}}
	d := conf.Domains[0]
	d.Name = w.domain
	d.Users, d.Shares = slices.Clone(d.Users), slices.Clone(d.Shares)
	for i, u := range d.Users {
		d.Users[i].Emails = []string{u.Login + "@" + w.domain}
	}
	for i := range d.Shares {
		d.Shares[i].Emails = slices.Clone(d.Shares[i].Emails)
		for j, address := range d.Shares[i].Emails {
			name, _, _ := strings.Cut(address, "@")
			d.Shares[i].Emails[j] = name + "@" + w.domain
		}
	}
	conf.Version, conf.KeyCache, conf.MessageSizeLimit, conf.Domains = 4, -1, 100<<20, []bmsim.Domain{d}
	conf.Cyrus = &bmsim.CyrusConfig{Addr: lab.CyrusIMAP, Admin: lab.CyrusAdmin, AdminSecret: "the lab's", AuthSocket: lab.CyrusSaslauthd,
		ConfPath: lab.CyrusConf, SpoolDir: lab.CyrusSpool, MetaDir: lab.CyrusMeta, MasterPID: lab.CyrusPID}
	w.start(conf)
	return w, lab
}

// fillLab writes three accounts of together 40 folders and 500 messages with
// all oddities, and one message of 30 MB.
func fillLab(t *testing.T, w *world, lab *labtest.Lab) {
	t.Helper()
	for i, row := range w.rows {
		opts := imaptest.CorpusOptions{Seed: uint64(i + 1), Messages: 170, Address: row.Login, OddNames: i == 0}
		if i == 0 {
			opts.Large = 30 << 20
		}
		corpus := imaptest.NewCorpus(opts)
		for _, f := range corpus.Folders {
			if f.Options.NoSelect {
				continue
			}
			var msgs []labtest.Message
			for _, m := range f.Messages {
				body := m.Body
				if m.Content != nil {
					body = make([]byte, m.Size)
					if _, err := m.Content.ReadAt(body, 0); err != nil {
						t.Fatal(err)
					}
				}
				msgs = append(msgs, labtest.Message{Body: body, Flags: m.Flags, InternalDate: m.InternalDate})
			}
			lab.WriteMaildir(t, row.Login, strings.Join(f.Path, "/"), msgs)
		}
	}
}

func TestLabDovecotIntoCyrus(t *testing.T) {
	w, lab := labWorld(t, "ada", "bruno", "chloe")
	fillLab(t, w, lab)
	awkward := awkwardMessages(false)
	lab.WriteMaildir(t, w.rows[2].Login, "Awkward", awkward)
	w.plan()
	if n := w.opts.Plan.Trailer.Folders; n < 40 {
		t.Errorf("%d folders, want 40 at least", n)
	}
	first := w.run()
	if first.Outcome() != migrate.Partial || !first.NewRefusals || first.States[migrate.AccountComplete] != 3 {
		t.Fatalf("the first run ended with %v: %+v", first.Outcome(), first)
	}
	refused := w.refused()
	for _, words := range []string{"invalid header", "Zero-length", "date-time"} {
		if !slices.ContainsFunc(refused, func(r string) bool { return strings.Contains(r, words) }) {
			t.Errorf("no refusal says %q: %q", words, refused)
		}
	}
	w.unrefused = true
	w.same(w.opts.Target)
	before := w.counts(w.opts.Target)
	second := w.run()
	if second.Outcome() != migrate.Complete || second.Copied != 0 {
		t.Errorf("the second run ended with %v: %+v", second.Outcome(), second)
	}
	if after := w.counts(w.opts.Target); after != before {
		t.Errorf("the second run made %s of %s", after, before)
	}
	if res := w.verify(migrate.RereadAll); res.OK != 3 || res.Reread != res.Messages {
		t.Errorf("verify: %+v", res)
	}
	w.byKeysOnly()
}

// TestLabScriptedIntoCyrus has a source that delivers NUL and bare LF, which
// Dovecot can't.
func TestLabScriptedIntoCyrus(t *testing.T) {
	w, _ := labWorld(t, "dora")
	embedded := newWorld(t, bmsim.Config{}, "dora")
	w.opts.Sources, w.rows[0].Login = embedded.opts.Sources, "dora@old.example"
	box := embedded.source.User("dora@old.example").CreateMailbox("Odd", imaptest.MailboxOptions{})
	for i := range 30 {
		box.Append(message(i))
	}
	for _, m := range awkwardMessages(true) {
		box.Append(imaptest.Message{Body: m.Body, Flags: m.Flags, InternalDate: m.InternalDate})
	}
	for i := range 30 {
		box.Append(message(100 + i))
	}
	w.plan()
	if res := w.run(); res.Outcome() != migrate.Partial || res.Copied < 60 {
		t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
	}
	refused := w.refused()
	for _, words := range []string{"NUL", "bare newlines", "invalid header", "Zero-length", "date-time"} {
		if !slices.ContainsFunc(refused, func(r string) bool { return strings.Contains(r, words) }) {
			t.Errorf("no refusal says %q: %q", words, refused)
		}
	}
	w.unrefused = true
	w.same(w.opts.Target)
	if res := w.run(); res.Outcome() != migrate.Complete || res.Copied != 0 {
		t.Errorf("the second run ended with %v: %+v", res.Outcome(), res)
	}
	w.byKeysOnly()
}

// awkwardMessages are what Cyrus refuses; with raw, also what Dovecot would
// not serve as it is.
func awkwardMessages(raw bool) []labtest.Message {
	var out []labtest.Message
	for _, a := range imaptest.Awkward() {
		body := a.Message.Body
		if !raw && (bytes.IndexByte(body, 0) >= 0 || bytes.Count(body, []byte("\n")) != bytes.Count(body, []byte("\r\n"))) {
			continue
		}
		out = append(out, labtest.Message{Body: body, Flags: a.Message.Flags, InternalDate: a.Message.InternalDate})
	}
	return out
}

// counts says how many messages each account of the target has.
func (w *world) counts(target migrate.Target) string {
	w.t.Helper()
	text := ""
	for _, row := range w.rows {
		n := 0
		for _, items := range w.read(target, row.Address) {
			n += len(items)
		}
		text += fmt.Sprintf("%s %d ", row.Address, n)
	}
	return text
}
