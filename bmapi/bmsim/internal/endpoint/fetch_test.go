package endpoint_test

import (
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

var when = time.Date(2021, 2, 7, 21, 42, 4, 0, time.UTC)

const rich = "From: =?utf-8?q?Ren=C3=A9?= <rene@example.org>, two@example.org\r\nTo: alice@example.org\r\n" +
	"Date: Mon, 1 Jan 2001 00:00:00 +0000\r\nSubject: =?utf-8?q?=C3=A9t=C3=A9?=\r\nMessage-ID: <1@example.org>\r\n" +
	"X-Mailer: pine\r\nX-Spam: no\r\nReferences: <0@example.org>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nbody\r\n"

// selected is a client with three small messages in a selected folder.
func selectedTrio(t *testing.T) (*rig, *client) {
	r := start(t, mail.Options{}, nil)
	r.add(alice, "INBOX", "one", when, `\Seen`)
	r.add(alice, "INBOX", "two", when.Add(time.Hour), `\Flagged`, "work")
	r.add(alice, "INBOX", "three", when.AddDate(0, 1, 0), `\Deleted`)
	c := r.login("alice")
	c.open("INBOX")
	return r, c
}

func (c *client) open(folder string) {
	c.t.Helper()
	c.send("open SELECT \"" + folder + "\"\r\n")
	for line := c.line(); line != "open OK [READ-WRITE] Completed"; line = c.line() {
		if !strings.HasPrefix(line, "* ") {
			c.t.Fatal(line)
		}
	}
}

func TestFetch(t *testing.T) {
	const done = "\n\t\t\tS~ t OK Completed .*"
	for name, transcript := range map[string]string{
		"answers in the order asked for, UID first": `
			C: t UID FETCH 1:2 (RFC822.SIZE INTERNALDATE FLAGS UID)
			S: * 1 FETCH (UID 1 RFC822.SIZE 3 INTERNALDATE "07-Feb-2021 22:42:04 +0100" FLAGS (\Seen))
			S: * 2 FETCH (UID 2 RFC822.SIZE 3 INTERNALDATE "07-Feb-2021 23:42:04 +0100" FLAGS (\Flagged work))` + done,
		"leaves unknown items out": `
			C: t UID FETCH 1 (MODSEQ UID X-GM-LABELS BINARY[1] ENVELOPE FLAGS)
			S: * 1 FETCH (UID 1 FLAGS (\Seen))
			S~ t OK .*
			C: t UID FETCH 1 FAST
			S: * 1 FETCH (UID 1)` + done,
		"gives the octets": `
			C: t UID FETCH 1 (BODY[] BODY.PEEK[] RFC822 BODY)
			S: * 1 FETCH (UID 1 BODY[] {3}
			S: one BODY[] {3}
			S: one RFC822 {3}
			S: one BODY {3}
			S: one)
			S~ t OK .*
			C: t UID FETCH 1 FLAGS
			S: * 1 FETCH (UID 1 FLAGS (\Seen))` + done,
		"echoes the whole of a partial": `
			C: t UID FETCH 3 BODY.PEEK[]<1.3>
			S: * 3 FETCH (UID 3 BODY[]<1.3> {3}
			S: hre)
			S~ t OK .*
			C: t UID FETCH 3 BODY[]<3.100>
			S: * 3 FETCH (UID 3 BODY[]<3.100> {2}
			S: ee)
			S~ t OK .*
			C: t UID FETCH 3 BODY[]<9.1>
			S: * 3 FETCH (UID 3 BODY[]<9.1> "")
			S~ t OK .*
			C: t UID FETCH 3 (BODY[]<9> FLAGS)
			S: * 3 FETCH (UID 3 FLAGS (\Deleted))` + done,
		"takes a lone * for all": `
			C: t UID FETCH * UID
			S: * 1 FETCH (UID 1)
			S: * 2 FETCH (UID 2)
			S: * 3 FETCH (UID 3)` + done,
		"finds nothing above the last": `
			C: t UID FETCH 4:* UID` + done,
		"turns ranges": `
			C: t UID FETCH 3:2,*:3 UID
			S: * 2 FETCH (UID 2)
			S: * 3 FETCH (UID 3)` + done,
		"can't match 0": `
			C: t UID FETCH 0 UID
			S~ t NO unknown error: .*
			C: t UID FETCH x UID
			S~ t NO unknown error: .*`,
		"has no BODY[TEXT]": `
			C: t UID FETCH 1 BODY.PEEK[TEXT]
			S~ t NO unknown error: .*`,
		"minds brackets": `
			C: t UID FETCH 1 FLAGS)
			S: t BAD imbalanced fetch spec: FLAGS)
			C: t UID FETCH 1 (FLAGS) ]
			S~ t BAD imbalanced .*
			C: t UID FETCH 1
			S: t BAD Cannot analyze fetch cmd UID FETCH 1`,
		"rebuilds a header": `
			C: t UID FETCH 1 BODY.PEEK[HEADER.FIELDS (Date X-Spam Content-Type)]
			S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS (Date X-Spam Content-Type)] {67}
			S: Date: Sun, 07 Feb 2021 22:42:04 +0100
			S: Content-Type: text/plain
			S:
			S: )` + done,
	} {
		t.Run(name, func(t *testing.T) {
			_, c := selectedTrio(t)
			c.play(transcript)
		})
	}
}

func TestHeaderIsRebuilt(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.add(alice, "Sent", rich, when)
	c := r.login("alice")
	c.open("Sent")
	c.play(`
		C: a UID FETCH 1 BODY.PEEK[HEADER]
		S: * 1 FETCH (UID 1 BODY[HEADER] {236}
		S: From: =?utf-8?q?Ren=C3=A9?= <rene@example.org>
		S: To: <alice@example.org>
		S: Subject: =?utf-8?q?=C3=A9t=C3=A9?=
		S: Message-ID: <1@example.org>
		S: Date: Sun, 07 Feb 2021 22:42:04 +0100
		S: Content-Type: multipart/mixed; boundary="-=Part.TEXT=-"
		S:
		S: )
		S~ a OK .*
		C: b UID FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (References X-Spam X-Mailer)])
		S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS (References X-Spam X-Mailer)] {47}
		S: References: <0@example.org>
		S: X-Mailer: pine
		S:
		S: )
		S~ b OK .*`)
}

// FETCH shows keywords that were known when the folder was selected; UID FETCH
// looks anew.
func TestKeywordsAppearWithUIDFetch(t *testing.T) {
	r, c := selectedTrio(t)
	if err := r.store.Update(t.Context(), r.folder(alice, "INBOX").UID, []uint32{1}, mail.Add, []string{"new"}); err != nil {
		t.Fatal(err)
	}
	r.add(alice, "INBOX", "four", when)
	c.play(`
		C: a FETCH 1:4 FLAGS
		S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen new work)
		S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Ok
		S: * 1 FETCH (UID 1 FLAGS (\Seen))
		S: * 2 FETCH (UID 2 FLAGS (\Flagged work))
		S: * 3 FETCH (UID 3 FLAGS (\Deleted))
		S~ a OK .*
		C: b UID FETCH 1,4 FLAGS
		S: * 4 EXISTS
		S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen new work)
		S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Ok
		S: * 1 FETCH (UID 1 FLAGS (\Seen new))
		S: * 4 FETCH (UID 4 FLAGS ())
		S~ b OK .*
		C: c NOOP
		S: c OK Completed`)
}

func TestStore(t *testing.T) {
	for name, transcript := range map[string]string{
		"adds, and tells": `
			C: t STORE 1 +FLAGS (\answered)
			S: * 1 FETCH (UID 1 FLAGS (\Seen \Answered))
			S~ t OK .*`,
		"tells by UID after a look": `
			C: t UID STORE 2 -FLAGS \Flagged
			S: * 3 EXISTS
			S: * 2 FETCH (UID 2 FLAGS (work))
			S~ t OK .*`,
		"replaces silently": `
			C: t UID STORE 1:2 FLAGS.SILENT (\Draft fresh)
			S: * FLAGS (\Answered \Flagged \Draft \Deleted \Seen fresh work)
			S: * OK [PERMANENTFLAGS (\Answered \Flagged \Draft \Deleted \Seen \*)] Ok
			S: t OK Completed
			C: t UID FETCH 1:2 FLAGS
			S: * 3 EXISTS
			S~ \* FLAGS .*
			S~ \* OK .*
			S: * 1 FETCH (UID 1 FLAGS (\Draft fresh))
			S: * 2 FETCH (UID 2 FLAGS (\Draft fresh))
			S~ t OK .*`,
		"expunges what was never meant to be": `
			C: t UID STORE 1 +FLAGS.SILENT (\Expunged)
			S: t OK Completed
			C: t NOOP
			S: * 1 EXPUNGE
			S: * 2 EXISTS
			S: t OK Completed`,
		"writes what was examined": `
			C: e EXAMINE INBOX
			S: * 3 EXISTS
			S~ .*RECENT
			S~ .*FLAGS.*
			S~ .*PERMANENTFLAGS.*
			S: * OK [UNSEEN 2] Ok
			S~ .*UIDVALIDITY.*
			S~ .*UIDNEXT 4.*
			S: e OK [READ-ONLY] Completed
			C: t STORE 1 FLAGS.SILENT ()
			S: t OK Completed
			C: t UID FETCH 1 FLAGS
			S: * 3 EXISTS
			S: * 1 FETCH (UID 1 FLAGS ())
			S~ t OK .*`,
	} {
		t.Run(name, func(t *testing.T) {
			_, c := selectedTrio(t)
			c.play(transcript)
		})
	}
}

func TestExpunge(t *testing.T) {
	r, c := selectedTrio(t)
	r.add(alice, "INBOX", "four", when, `\Deleted`)
	c.play(`
		C: a UID EXPUNGE 1:2
		S: * 4 EXISTS
		S: a OK Completed
		C: b UID EXPUNGE *
		S~ b NO unknown error: .*
		C: c UID EXPUNGE 4:3
		S: c OK Completed
		C: d UID EXPUNGE 3
		S: * 3 EXPUNGE
		S: * 3 EXISTS
		S: d OK Completed
		C: e CLOSE
		S: * OK [CLOSED] Ok
		S: e OK Completed
		C: f STATUS INBOX (MESSAGES)
		S: * STATUS "INBOX" (MESSAGES 3)
		S: f OK Completed`)
	c.open("INBOX")
	c.play("C: g EXPUNGE\nS: * 3 EXPUNGE\nS: * 2 EXISTS\nS: g OK Completed\nC: h SELECT Nowhere\nS: * OK [CLOSED] Ok\nS: h NO Mailbox does not exist")
	if recs := r.records(alice, "INBOX"); len(recs) != 4 || !recs[2].Expunged || !recs[3].Expunged {
		t.Errorf("got %+v", recs)
	}
}

func TestUIDCopy(t *testing.T) {
	r, c := selectedTrio(t)
	c.play(`
		C: a UID COPY 1:2 "Sent"
		S: a OK [COPYUID 2 1,2 1:2] Done
		C: b UID COPY 3 Sent
		S: b OK [COPYUID 2 3 3] Done
		C: c UID COPY 9 Sent
		S: c OK Source uids not found
		C: d UID COPY 1 Nowhere
		S: d NO Copy failed (Folder 'Nowhere' is missing.).
		C: e COPY 1 Sent
		S: e BAD Missing analyzer`)
	if recs := r.records(alice, "Sent"); len(recs) != 3 || recs[1].Flags[1] != "work" || !recs[0].InternalDate.Equal(when) {
		t.Errorf("got %+v", recs)
	}
}

func TestSearch(t *testing.T) {
	r, c := selectedTrio(t)
	r.add(alice, "INBOX", rich, when.AddDate(1, 0, 0))
	c.play("C: n NOOP\nS: * 4 EXISTS\nS: n OK Completed")
	for query, want := range map[string]string{
		"ALL": "1 2 3 4", "SEEN": "1", "UNSEEN": "2 3 4", "NOT SEEN": "2 3 4", "UNDELETED ALL": "1 2 4", "KEYWORD Work": "2",
		"UNKEYWORD work": "1 3 4", "OR SEEN FLAGGED": "1 2", "LARGER 4": "3 4", "SMALLER 4": "1 2", "1:2": "1 2", "UID 2:3 UNSEEN": "2 3",
		"SINCE 1-Mar-2021": "3 4", "BEFORE 1-Mar-2021": "1 2", "ON 7-Feb-2021": "1 2", "UID 1:3 SINCE 1-Mar-2021": "3",
		"SINCE 1-Mar-2021 ALL": "3 4", `HEADER Message-ID "<1@example.org>"`: "4", `SUBJECT "été"`: "", `UID 9`: "4", "ANSWERED": "",
		"UID 3:1 SINCE 1-Jan-2000": "", "NOT NOT SEEN": "1",
	} {
		c.send("t UID SEARCH " + query + "\r\n")
		if got := strings.TrimSpace(strings.TrimPrefix(c.line(), "* SEARCH")); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
		c.play("S~ t OK Completed.*")
	}
	c.play(`
		C: a SEARCH SEEN
		S: * SEARCH 1
		S: a OK Completed
		C: b SEARCH FOO
		S: bBAD Invalid Search criteria
		C: c UID SEARCH RETURN (COUNT) ALL
		S: c BAD Invalid Search criteria
		C: d UID SEARCH NOT
		S: d BAD Invalid Search criteria
		C: e UID SEARCH SINCE tomorrow
		S: e NO unknown error: invalid date format
		C: f UID SEARCH HEADER X-Spam no
		S: f BAD Invalid Search criteria`)
}
