package endpoint_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/endpoint"
	"bmsync/bmapi/bmsim/internal/mail"
)

func TestAppend(t *testing.T) {
	for name, transcript := range map[string]string{
		"stores and says the digest": `
			C: a APPEND "Sent" (\Seen $Forwarded) " 7-Feb-2021 22:42:04 +0100" {5}
			S: + OK
			C: hello
			S: a OK [APPENDUID 2 1] APPEND completed aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d
			C: b SELECT Sent
			S: * 1 EXISTS
			S: * 0 RECENT
			S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen $Forwarded)
			S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Ok
			S: * OK [UNSEEN 0] Ok
			S: * OK [UIDVALIDITY 2] Ok
			S: * OK [UIDNEXT 2] Ok
			S: b OK [READ-WRITE] Completed
			C: c UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
			S: * 1 FETCH (UID 1 FLAGS (\Seen $Forwarded) INTERNALDATE "07-Feb-2021 22:42:04 +0100" RFC822.SIZE 5 BODY[] {5}
			S: hello)
			S~ c OK Completed \(took \d+ms\)`,
		"stores Recent as a keyword": `
			C: a APPEND Sent (\Recent) {5+}
			C: hello
			S~ a OK .*
			C: b EXAMINE Sent
			S: * 1 EXISTS
			S: * 0 RECENT
			S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen \Recent)
			S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Ok
			S: * OK [UNSEEN 1] Ok
			S: * OK [UIDVALIDITY 2] Ok
			S: * OK [UIDNEXT 2] Ok
			S: b OK [READ-ONLY] Completed`,
		"refuses a short date": `
			C: a APPEND INBOX () "7-Feb-2021 22:42:04" {5+}
			C: hello
			S: a BAD invalid date format
			C: b STATUS INBOX (MESSAGES)
			S: * STATUS "INBOX" (MESSAGES 0)
			S: b OK Completed`,
		"rejects an empty literal and takes the rest for a command": `
			C: a APPEND INBOX () {0+}
			S: a NO Rejected
			C:
			S:  BAD Missing analyzer`,
		"asks for no empty literal": `
			C: a APPEND INBOX () {0}
			S: a NO Rejected
			C:
			S:  BAD Missing analyzer`,
		"rejects for a folder that isn't there": `
			C: a APPEND Nowhere () {5+}
			C: hello
			S: a NO Rejected`,
		"knows INBOX in capitals only": `
			C: a APPEND inbox () {5+}
			C: hello
			S: a NO Rejected
			C: b STATUS Inbox (MESSAGES)
			S: b NO Mailbox does not exist
			C: c SELECT inbox
			S~ \* 0 EXISTS
			S~ .*RECENT
			S~ .*FLAGS.*
			S~ .*PERMANENTFLAGS.*
			S~ .*UNSEEN.*
			S~ .*UIDVALIDITY.*
			S~ .*UIDNEXT.*
			S~ c OK .*`,
		"takes the first of two messages for the folder": `
			C: a APPEND Sent () {5+}
			C: hello () {5+}
			C: world
			S: a NO Rejected`,
		"can't make sense of three messages": `
			C: a APPEND Sent () {1+}
			C: x () {1+}
			C: y () {1+}
			C: z
			S~ a BAD begin -1, end \d+, length \d+`,
		"takes a folder as a literal without UTF-7, and loses flags and date": `
			C: a APPEND {4+}
			C: Sent (\Seen) " 7-Feb-2021 22:42:04 +0100" {5+}
			C: hello
			S~ a OK .*
			C: b STATUS Sent (UNSEEN)
			S: * STATUS "Sent" (UNSEEN 1)
			S: b OK Completed
			C: c APPEND {8+}
			C: &AOk-t&- () {5+}
			C: hello
			S: c NO Rejected`,
		"gives no answer to a name it can't decode": `
			C: a APPEND "R&D" () {5+}
			C: hello
			C: b NOOP
			S: b OK Completed`,
		"misses what isn't there": `
			C: a APPEND INBOX
			S: a BAD begin 7, end -1, length 12
			C: b APPEND INBOX ()
			S~ b BAD begin .*`,
		"ends the connection over the limit": `
			C: a APPEND INBOX () {10000001}
			S: * ALERT too much data (10000001 > 10000000)
			S.`,
		"ends it before the octets of LITERAL+, too": `
			C: a NOOP
			S: a OK Completed
			C: b APPEND INBOX () {10000001+}
			C> some of it
			S: * ALERT too much data (10000001 > 10000000)
			S.`,
		"answers with EXISTS when the folder is selected": `
			C: a SELECT Trash
			S~ \* 0 EXISTS
			S~ .*RECENT
			S~ .*FLAGS.*
			S~ .*PERMANENTFLAGS.*
			S~ .*UNSEEN.*
			S~ .*UIDVALIDITY.*
			S~ .*UIDNEXT.*
			S~ a OK .*
			C: b APPEND Trash () {5+}
			C: hello
			S: * 1 EXISTS
			S~ b OK \[APPENDUID .*`,
	} {
		t.Run(name, func(t *testing.T) { start(t, mail.Options{}, nil).login("alice").play(transcript) })
	}
}

func TestAppendDates(t *testing.T) {
	now := time.Date(2024, 5, 30, 12, 0, 0, 0, time.UTC)
	given := time.Date(2021, 2, 7, 21, 42, 4, 0, time.UTC)
	for name, tc := range map[string]struct {
		args string
		want time.Time
	}{
		"26 characters":               {`() " 7-Feb-2021 22:42:04 +0100"`, given},
		"25 characters":               {`() "7-Feb-2021 22:42:04 +0100"`, given},
		"lower case":                  {`() "07-feb-2021 22:42:04 +0100"`, given},
		"runs over":                   {`() "38-Jan-2021 22:42:04 +0100"`, given},
		"no list of flags":            {`" 7-Feb-2021 22:42:04 +0100"`, now},
		"no list of flags, 25":        {`"7-Feb-2021 22:42:04 +0100"`, now},
		"no date":                     {`()`, now},
		"nothing":                     {``, now},
		"a month nobody knows":        {`() " 7-Fev-2021 22:42:04 +0100"`, now},
		"too short to be looked at":   {`() "7-Feb-21"`, now},
		"one character too many":      {`() " 7-Feb-2021 22:42:04 +01000"`, now},
		"a space where a digit is":    {`() " 7-Feb-2021  2:42:04 +0100"`, now},
		"zone without a sign":         {`() " 7-Feb-2021 22:42:04 00100"`, now},
		"before the list and no more": {`(\Seen)" 7-Feb-2021 22:42:04 +0100"`, given},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, mail.Options{Now: func() time.Time { return now }, DateMemory: -1}, nil)
			if tc.args != "" {
				tc.args += " "
			}
			r.login("alice").play("C: a APPEND INBOX " + tc.args + "{5+}\nC: hello\nS~ a OK .*")
			if got := r.records(alice, "INBOX")[0].InternalDate; !got.Equal(tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestFirstDateOfTheSameOctetsWins(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.login("alice").play(`
		C: a APPEND INBOX () " 7-Feb-2021 22:42:04 +0100" {5+}
		C: hello
		S~ a OK .*`)
	r.login("bob").play(`
		C: a APPEND Sent () " 8-Feb-2022 22:42:04 +0100" {5+}
		C: hello
		S~ a OK .*`)
	if a, b := r.records(alice, "INBOX")[0], r.records(bob, "Sent")[0]; !a.InternalDate.Equal(b.InternalDate) {
		t.Errorf("got %v and %v", a.InternalDate, b.InternalDate)
	}
}

func TestOverQuota(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	if err := r.store.SetQuota(t.Context(), alice, 1); err != nil {
		t.Fatal(err)
	}
	c := r.login("alice")
	text := strings.Repeat("x", 1500)
	c.play("C: a APPEND INBOX () {1500+}\nC: " + text + "\nS~ a OK .*") // over it by one message
	c.play("C: b APPEND INBOX () {1500+}\nC: " + text + "\nS: b NO Over quota")
	c.play(`
		C: c GETQUOTAROOT INBOX
		S: * QUOTAROOT "INBOX" "INBOX"
		S: * QUOTA "INBOX" (STORAGE 1 1)
		S: c OK Completed`)
}

func TestPipelinedAnswersKeepTheirOrderButForFaultsOfSyntax(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	if err := r.faults.Add(endpoint.Fault{Kind: endpoint.Slow, Delay: 200 * time.Millisecond, Times: 1}); err != nil {
		t.Fatal(err)
	}
	c := r.login("alice")
	c.send(appendLine("a", "INBOX", message(1)) + appendLine("b", "INBOX", message(2)) +
		"c COPY 1 Sent\r\nd APPEND INBOX () {5}\r\n")
	c.play(`
		S: c BAD Missing analyzer
		S: + OK
		S~ a OK \[APPENDUID 1 1\] .*
		S~ b OK \[APPENDUID 1 2\] .*
		C: hello
		S~ d OK \[APPENDUID 1 3\] .*`)
}

func TestConcurrentAppendsToOneBoxAreSerialised(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	const connections, each = 4, 50
	var wg sync.WaitGroup
	for n := range connections {
		wg.Go(func() {
			c := r.login("alice")
			var all strings.Builder
			for i := range each {
				all.WriteString(appendLine(fmt.Sprint("t", i), []string{"INBOX", "Sent"}[n%2], message(n*each+i)))
			}
			c.send(all.String())
			for i := range each {
				if line := c.line(); !strings.HasPrefix(line, fmt.Sprintf("t%d OK [APPENDUID", i)) {
					t.Errorf("connection %d: %q", n, line)
				}
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"INBOX", "Sent"} {
		recs := r.records(alice, name)
		if len(recs) != connections*each/2 {
			t.Fatalf("%s holds %d", name, len(recs))
		}
		for i, rec := range recs {
			if rec.UID != uint32(i+1) {
				t.Fatalf("%s: %d. message has UID %d", name, i+1, rec.UID)
			}
		}
	}
}

func TestWriterWaitsForReaderOfTheSameOwner(t *testing.T) {
	r := start(t, mail.Options{LockPatience: 150 * time.Millisecond}, nil)
	unlock, err := r.store.Owner(alice).RLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := r.login("alice")
	c.send(appendLine("a", "INBOX", message(1)) + appendLine("b", "INBOX", message(2)))
	// b is lost with a, behind which it hangs; LIST takes no lock.
	r.login("alice").play("C: a LIST \"\" Sent\nS: * LIST (\\HasNoChildren) \"/\" \"Sent\"\nS: a OK Completed")
	time.Sleep(300 * time.Millisecond)
	unlock()
	c.play("C: c NOOP\nS: c OK Completed")
	if got := r.records(alice, "INBOX"); len(got) != 0 {
		t.Errorf("%d messages were stored", len(got))
	}
}

func TestWhatCameBeforeTheClientLeftIsStored(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	c := r.login("alice")
	var all strings.Builder
	for i := range 20 {
		all.WriteString(appendLine("a", "INBOX", message(i)))
	}
	c.send(all.String() + "a APPEND INBOX () {100+}\r\ntorn")
	c.Close()
	waitFor(t, "20 messages", func() bool { return len(r.records(alice, "INBOX")) == 20 })
	waitFor(t, "the end", func() bool { return len(r.journal(endpoint.Left)) == 1 })
	if n := len(r.records(alice, "INBOX")); n != 20 {
		t.Errorf("%d messages", n)
	}
}

func TestLargeLiteralArrivesUnchanged(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	text := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 600_000)...)
	c := r.login("alice")
	c.play(fmt.Sprintf("C: a APPEND INBOX () {%d}\nS: + OK", len(text)))
	c.send(string(text) + "\r\n")
	sum := sha1.Sum(text)
	c.play("S: a OK [APPENDUID 1 1] APPEND completed " + hex.EncodeToString(sum[:]))
	c.play("C: b SELECT INBOX")
	for !strings.HasPrefix(c.line(), "b OK") {
	}
	c.play(fmt.Sprintf("C: c UID FETCH 1 BODY.PEEK[]\nS: * 1 FETCH (UID 1 BODY[] {%d}", len(text)))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("other octets (%v)", err)
	}
	c.play("S: )\nS~ c OK .*")
}

// A message on its way in or out passes through, whatever its size.
func TestLargeMessageNeedsLittleMemory(t *testing.T) {
	const size = 48 << 20
	r := startIn(t, t.TempDir(), mail.Options{}, func(c *endpoint.Config) {
		auth := c.Auth
		c.Auth = func(ctx context.Context, login, secret string) (endpoint.Login, error) {
			l, err := auth(ctx, login, secret)
			l.MaxLiteral = size
			return l, err
		}
	})
	c := r.login("alice")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	chunk := bytes.Repeat([]byte("0123456789abc\r\n\n"), 4<<10)
	c.play(fmt.Sprintf("C: a APPEND INBOX () {%d}\nS: + OK", size))
	for range size / len(chunk) {
		if _, err := c.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	c.play("C:\nS~ a OK .*")
	c.open("INBOX")
	c.play(fmt.Sprintf("C: b UID FETCH 1 BODY.PEEK[]\nS: * 1 FETCH (UID 1 BODY[] {%d}", size))
	if _, err := io.CopyN(io.Discard, c.in, size); err != nil {
		t.Fatal(err)
	}
	c.play("S: )\nS~ b OK .*")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d octets were allocated for %d", grown, size)
	}
}

func TestJournalTellsOfAppends(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.login("alice").play("C: a APPEND \"Dossiers partag&AOk-s/sales/Sent\" (\\Seen x) \" 7-Feb-2021 22:42:04 +0100\" {5+}\nC: hello\nS~ a OK .*")
	got := r.journal(endpoint.Appended)
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	e := got[0]
	if e.Box != sales || e.Folder != "sales/Sent" || e.UID != 1 || e.Size != 5 || e.Login != "alice@example.org" ||
		e.SHA1 != "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d" || fmt.Sprint(e.Flags) != `[\Seen x]` || e.Late || e.Unanswered ||
		!e.Date.Equal(time.Date(2021, 2, 7, 21, 42, 4, 0, time.UTC)) {
		t.Errorf("got %+v", e)
	}
	var verbs []string
	for _, e := range r.journal(endpoint.Command) {
		verbs = append(verbs, e.Verb)
	}
	if fmt.Sprint(verbs) != "[LOGIN APPEND]" {
		t.Errorf("got %v", verbs)
	}
}
