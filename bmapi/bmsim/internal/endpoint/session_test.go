package endpoint_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/endpoint"
	"bmsync/bmapi/bmsim/internal/mail"
)

const capabilities = "IMAP4rev1 LITERAL+ AUTH=PLAIN ID ACL RIGHTS=kxten QUOTA NAMESPACE UIDPLUS XLIST SPECIAL-USE IDLE BM-ROCKS"

func plain(parts ...string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

func TestBeforeLogin(t *testing.T) {
	for name, transcript := range map[string]string{
		"capabilities are those after it": `
			C: a CAPABILITY
			S: * CAPABILITY ` + capabilities + `
			S: a OK Completed
			C: b LOGIN alice@example.org "secret"
			S: b OK [CAPABILITY ` + capabilities + `] User logged in.
			C: c capability
			S: * CAPABILITY ` + capabilities + `
			S: c OK Completed`,
		"LOGIN with literals": `
			C: a LOGIN {17+}
			C: alice@example.org {6}
			S: + OK
			C: secret
			S~ a OK .*`,
		"LOGIN with a wrong secret": `
			C: a LOGIN alice@example.org "wrong"
			S: a NO bad login or password.
			C: b LIST "" *
			S: b BAD invalid command`,
		"LOGIN with half of it": `
			C: a LOGIN alice@example.org
			S: a BAD Cannot split 'LOGIN'`,
		"LOGIN with a secret that ends like a literal hangs": `
			C: a LOGIN u abc}
			S: + OK`,
		"AUTHENTICATE": `
			C: a AUTHENTICATE PLAIN
			S: +
			C: ` + plain("", "alice@example.org", "secret") + `
			S~ a OK \[CAPABILITY .*
			C: b SELECT Sent
			S: * 0 EXISTS`,
		"AUTHENTICATE ignores an initial response": `
			C: a AUTHENTICATE PLAIN ` + plain("", "alice@example.org", "secret") + `
			S: +
			C: ` + plain("", "alice@example.org", "wrong") + `
			S: a NO bad login or password.
			C: b NOOP
			S: b OK Completed`,
		"AUTHENTICATE knows mechanisms in capitals only": `
			C: a AUTHENTICATE plain
			S: +
			C: ` + plain("", "alice@example.org", "secret") + `
			S:  BAD Missing analyzer
			C: b CHECK
			S: b OK Completed`,
		"AUTHENTICATE stays there after bad base64": `
			C: a AUTHENTICATE PLAIN
			S: +
			C: ???
			S:  BAD Illegal base64 character
			C: ` + plain("", "alice@example.org", "secret") + `
			S~ a OK .*`,
		"AUTHENTICATE with two parts": `
			C: a AUTHENTICATE PLAIN
			S: +
			C: ` + plain("alice@example.org", "secret") + `
			S: a BAD broken payload without 3 parts
			C: b NOOP
			S: b OK Completed`,
		"an append that came with the login": `
			C> a LOGIN alice@example.org "secret"\r\nb APPEND INBOX () {5+}\r\nhello\r\n
			S~ a OK .*
			S: b OK [APPENDUID 1 1] APPEND completed aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d`,
		"what needs a login": `
			C: a SELECT INBOX
			S~ a BAD Cannot invoke .*
			C: b LIST "" *
			S: b BAD invalid command
			C: c FETCH 1 FLAGS
			S: c BAD invalid command
			C: d NAMESPACE
			S~ d NO unknown error: .*
			C: e APPEND INBOX () {1+}
			C: x
			S~ e BAD Cannot invoke .*
			C: f LOGOUT
			S: * BYE
			S: f OK Completed
			S.`,
		"no limit for literals": `
			C: a LOGIN {20000001}
			S: + OK`,
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, mail.Options{}, nil).dial()
			c.play("S: * OK IMAP4 ready")
			c.play(transcript)
		})
	}
}

func TestCommandsNobodyKnows(t *testing.T) {
	c := start(t, mail.Options{}, nil).login("alice")
	for _, cmd := range []string{"COPY 1 Sent", "UID MOVE 1 Sent", "UNSELECT", "ENABLE CONDSTORE", "GETQUOTA INBOX", "SETACL INBOX x lr",
		"GETMETADATA INBOX /x", "STARTTLS", "ID", "FETCH", "", " NOOP", "NOOP x"} {
		c.play("C: t " + cmd + "\nS: t BAD Missing analyzer")
	}
	c.play(`
		C: NOOP
		S:  OK Completed
		C: t eXpunge
		S: t BAD Please select a mailbox first
		C: t LIST
		S: t BAD Missing analyzer
		C: t ID NIL
		S: * ID ("name" "BlueMind" "version" "5.1.7340")
		S: t OK Completed
		C: }
		C: DONE
		S:  BAD not idling`)
}

func TestRefusalWaits(t *testing.T) {
	const delay = 150 * time.Millisecond
	r := start(t, mail.Options{}, func(c *endpoint.Config) { c.RefusalDelay = delay })
	c := r.dial()
	c.play("S: * OK IMAP4 ready")
	begun := time.Now()
	c.play("C: a LOGIN alice@example.org wrong\nC: b NOOP\nS: a NO bad login or password.\nS: b OK Completed")
	if took := time.Since(begun); took < delay {
		t.Errorf("refused after %v", took)
	}
	if got := r.journal(endpoint.Refused); len(got) != 1 || got[0].Login != "alice@example.org" || got[0].Err == nil {
		t.Errorf("journal: %+v", got)
	}
}

func TestCoreThatIsNotRunningDoesNotGreet(t *testing.T) {
	t.Parallel()
	r := start(t, mail.Options{}, func(c *endpoint.Config) { c.Ready = func() bool { return false } })
	r.dial().play("S.")
}

func TestSilentConnectionIsClosed(t *testing.T) {
	r := start(t, mail.Options{}, func(c *endpoint.Config) { c.IdleTimeout = 100 * time.Millisecond })
	r.login("alice").play("S.")
}

func TestServeEndsWithConnectionsOpen(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	c := r.login("alice")
	c.play("C: a IDLE\nS: + idling")
	r.stop()
	c.play("S.")
}

func TestIdle(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	c := r.login("alice")
	c.play("C: a IDLE\nS: + idling\nC: DONE\nS: a OK Completed\nC: b FETCH 1 FLAGS\nS~ b NO unknown error: .*")
	r.add(alice, "INBOX", message(1), time.Time{})
	c.play("C: c SELECT INBOX\nS: * 1 EXISTS")
	for !strings.HasPrefix(c.line(), "c OK") {
	}
	c.play("C: d IDLE\nS: + idling")
	r.add(alice, "INBOX", message(2), time.Time{}, "new")
	c.play(`
		S: * 2 EXISTS
		S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen new)
		S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Ok
		S: * 2 FETCH (UID 2 FLAGS (new))`)
	if err := r.store.Update(t.Context(), r.folder(alice, "INBOX").UID, []uint32{1}, mail.Add, []string{`\Seen`}); err != nil {
		t.Fatal(err)
	}
	c.play("S: * 2 EXISTS\nS: * 1 FETCH (UID 1 FLAGS (\\Seen))\nC: DONE\nS: d OK Completed")
}

func TestRateLimitIsSharedByTheConnectionsOfAnAddress(t *testing.T) {
	const rate, burst = 50_000, 50_000
	r := start(t, mail.Options{}, func(c *endpoint.Config) {
		c.RateLimit = rate
		auth := c.Auth
		c.Auth = func(ctx context.Context, login, secret string) (endpoint.Login, error) {
			l, err := auth(ctx, login, secret)
			l.MaxLiteral = burst
			return l, err
		}
	})
	text := strings.Repeat("x", 25_000)
	send := func(c *client, times int) {
		for range times {
			c.play(fmt.Sprintf("C: a APPEND INBOX () {%d+}\nC: %s\nS~ a OK .*", len(text), text))
		}
	}
	one, two, other := r.login("alice"), r.login("alice"), r.login("bob")
	begun := time.Now()
	send(one, 2)
	send(two, 2) // the second of these waits until 25,000 octets are made up for
	if took := time.Since(begun); took < 400*time.Millisecond {
		t.Errorf("100,000 octets took %v", took)
	}
	begun = time.Now()
	send(other, 2) // out of alice's bucket this would take a second
	if took := time.Since(begun); took > 800*time.Millisecond {
		t.Errorf("another address waited %v", took)
	}
}
