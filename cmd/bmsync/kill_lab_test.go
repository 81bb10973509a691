package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"bmsync/examples/lab/labtest"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// labLimits wait for 2 s. Cyrus was seen to commit what it had received for up
// to 2.9 s after a cut, of one MULTIAPPEND with 2,000 messages, and to go on with
// 300 pipelined APPENDs for 2.5 s: a few milliseconds each, and its UIDNEXT moves
// with each. Here no more than 2 commands of 16 messages are under way.
const labLimits = "settle: 2s, batch_messages: 16, accounts: 3"

// TestLabKilledRunsCopyExactlyOnce kills runs from a real Dovecot into a real
// Cyrus.
func TestLabKilledRunsCopyExactlyOnce(t *testing.T) {
	lab := labtest.Open(t)
	r := seeded(t)
	domain, calm := lab.Domain(t), lab.Domain(t)
	sim := startSim(t, "--bluemind", "4", "--cyrus", os.Getenv("BMSYNC_LAB"), "--domain", domain+","+calm, "--message-size-limit", "100MB")
	m := newMigration(t, dovecotOrigin(t, lab, 1500, "ada", "bruno", "chloe", "dora", "emil", "fanny"), sim, domain, labLimits)
	n := rounds(50)
	m.outlives(r, n, 60*time.Millisecond, nil).enough(t, n)
	m.finishes(calm, labLimits)
}

// TestLabKilledRunsOnShares kills runs that fill shared mailboxes of a real
// Cyrus.
func TestLabKilledRunsOnShares(t *testing.T) {
	lab := labtest.Open(t)
	r := seeded(t)
	domain, calm := lab.Domain(t), lab.Domain(t)
	sim := startSim(t, "--bluemind", "4", "--cyrus", os.Getenv("BMSYNC_LAB"), "--domain", domain+","+calm, "--message-size-limit", "100MB")
	from := dovecotOrigin(t, lab, 1500, "ada", "archive", "bruno", "support")
	from.shares = map[string]string{"archive": "bruno", "support": "ada"}
	m := newMigration(t, from, sim, domain, labLimits)
	n := rounds(24)
	m.outlives(r, n, 60*time.Millisecond, nil).enough(t, n)
	m.finishes(calm, labLimits)
}

// TestLabCutConnections cuts the connections to Cyrus under a run, again and
// again.
func TestLabCutConnections(t *testing.T) {
	lab := labtest.Open(t)
	r := seeded(t)
	domain, calm := lab.Domain(t), lab.Domain(t)
	sim := startSim(t, "--bluemind", "4", "--cyrus", os.Getenv("BMSYNC_LAB"), "--domain", domain+","+calm, "--message-size-limit", "100MB")
	way, err := imaptest.NewFaultProxy(t.Context(), sim.info.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { way.Close() })
	sim.info.IMAPS = way.Addr()
	m := newMigration(t, dovecotOrigin(t, lab, 1500, "ada", "bruno", "chloe"), sim, domain, labLimits)
	p := m.command("run", "--target", "test")
	copied := p.told.first(migrate.EventProgress)
	p.start()
	n := rounds(5)
	for range n {
		m.await(p, copied, between(r, 0, 100*time.Millisecond))
		copied = p.told.first(migrate.EventProgress)
		way.Cut()
	}
	code := p.code()
	if again := len(p.told.of(migrate.EventRetry)); code != 0 || again < n {
		t.Fatalf("cut %d times, the run tried again %d times and ended with %d: %s", n, again, code, p)
	}
	m.finishes(calm, labLimits)
}

// dovecotOrigin is the lab's Dovecot with some mail of each user.
func dovecotOrigin(t *testing.T, lab *labtest.Lab, messages int, users ...string) origin {
	t.Helper()
	ca, err := os.ReadFile(lab.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	o := origin{ca: ca, secret: lab.DovecotMasterSecret, logins: map[string]string{},
		yaml: "imap: " + lab.DovecotIMAPS + ", auth: plain-authzid, admin_login: " + lab.DovecotMaster}
	for i, name := range users {
		login, _ := lab.AddDovecotUser(t, name)
		o.logins[name] = login
		corpus := imaptest.NewCorpus(imaptest.CorpusOptions{Seed: uint64(i + 1), Messages: messages, Address: login})
		for _, f := range corpus.Folders {
			if f.Options.NoSelect {
				continue
			}
			msgs := make([]labtest.Message, len(f.Messages))
			for i, m := range f.Messages {
				msgs[i] = labtest.Message{Body: m.Body, Flags: m.Flags, InternalDate: m.InternalDate}
			}
			lab.WriteMaildir(t, login, strings.Join(f.Path, "/"), msgs)
		}
	}
	o.read = func(login string) labtest.Account {
		got, err := labtest.Read(t.Context(), labtest.Login{Addr: lab.DovecotIMAPS, Security: labtest.TLS, TLS: lab.TLS(t), User: lab.DovecotMaster, AuthzID: login, Secret: o.secret})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	return o
}
