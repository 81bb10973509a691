package imaptest_test

import (
	"testing"

	"bmsync/imap/imaptest"
)

// small fills a mailbox with two messages.
func small(u *imaptest.User, name string, opts imaptest.MailboxOptions) *imaptest.Mailbox {
	m := u.CreateMailbox(name, opts)
	m.Append(imaptest.Message{
		Body: []byte("Subject: one\r\nX-Odd: a\r\n\tb\r\n\r\nbody\r\n"), Flags: []string{`\Seen`, "$Forwarded", "MixedCase"},
		InternalDate: date("2019-03-07 09:10:11 +0530"), UID: 3,
	})
	m.Append(imaptest.Message{Body: []byte("Subject: two\r\n\r\n"), InternalDate: date("2020-12-31 23:59:59 -0800"), UID: 7})
	return m
}

func TestExamineAndFetch(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{})
	small(ada, "Été", imaptest.MailboxOptions{UIDValidity: 42})
	converse(t, srv, login+`
		C: $1 EXAMINE "&AMk-t&AOk-"
		S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Forwarded MixedCase)
		S: * OK [PERMANENTFLAGS ()] Flags permitted
		S: * 2 EXISTS
		S: * 2 RECENT
		S: * OK [UNSEEN 2] First unseen
		S: * OK [UIDVALIDITY 42] UIDs valid
		S: * OK [UIDNEXT 8] Predicted next UID
		S: * OK [HIGHESTMODSEQ 3] Highest
		S~ $1 OK \[READ-ONLY\] .*
		C: $2 UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE)
		S: * 1 FETCH (UID 3 FLAGS (\Seen $Forwarded MixedCase \Recent) INTERNALDATE " 7-Mar-2019 09:10:11 +0530" RFC822.SIZE 36)
		S: * 2 FETCH (UID 7 FLAGS (\Recent) INTERNALDATE "31-Dec-2020 23:59:59 -0800" RFC822.SIZE 16)
		S: $2 OK Fetched
		C: $3 UID FETCH 3,9:* (BODY.PEEK[])
		S= "* 1 FETCH (UID 3 BODY[] {36}\r\nSubject: one\r\nX-Odd: a\r\n\tb\r\n\r\nbody\r\n)\r\n"
		S= "* 2 FETCH (UID 7 BODY[] {16}\r\nSubject: two\r\n\r\n)\r\n"
		S: $3 OK Fetched
		C: $4 FETCH 1 (BODY.PEEK[HEADER.FIELDS (x-odd Date)] BODY.PEEK[TEXT]<1.2> BODY.PEEK[]<30.99>)
		S= "* 1 FETCH (BODY[HEADER.FIELDS (x-odd Date)] {16}\r\nX-Odd: a\r\n\tb\r\n\r\n BODY[TEXT]<1> {2}\r\nod BODY[]<30> {6}\r\nbody\r\n)\r\n"
		S: $4 OK Fetched
		C: $5 FETCH 3 FLAGS
		S: $5 BAD Invalid messageset
		C: $6 UID FETCH 100 FLAGS
		S: $6 OK Fetched
		C: $7 UID FETCH 7 (BODY[])
		S= "* 2 FETCH (UID 7 BODY[] {16}\r\nSubject: two\r\n\r\n)\r\n"
		S: $7 OK Fetched
		C: $8 UID STORE 7 +FLAGS (\Seen)
		S: $8 NO Mailbox is open read-only
		C: $9 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 2)
		S: * 2 FETCH (UID 7 FLAGS (\Recent) MODSEQ (3))
		S: $9 OK Fetched
		C: $A SELECT inbox
		S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
		S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] Flags permitted
		S: * 0 EXISTS
		S: * 0 RECENT
		S~ \* OK \[UIDVALIDITY \d+\] UIDs valid
		S: * OK [UIDNEXT 1] Predicted next UID
		S: * OK [HIGHESTMODSEQ 1] Highest
		S~ $A OK \[READ-WRITE\] .*
		C: $B UID FETCH 1:* FLAGS
		S: $B OK Fetched
		C: $C FETCH 1:* FLAGS
		S: $C BAD Invalid messageset
		C: $D LOGOUT
		S: * BYE Logging out
		S: $D OK Done
		S! close
	`)
	for _, m := range ada.Mailbox("Été").Messages() {
		if m.UID == 7 && len(m.Flags) != 0 {
			t.Errorf("EXAMINE let a flag change: %q", m.Flags)
		}
	}
}

func TestSelectChanges(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{})
	small(ada, "Work", imaptest.MailboxOptions{})
	small(ada, "Old", imaptest.MailboxOptions{UIDValidity: 9})
	converse(t, srv, login+`
		C: $1 SELECT Work
		S~ (?s).*
		S~ (?s).*
		S~ (?s).*
		S: * 2 RECENT
		S~ (?s).*
		S~ (?s).*
		S~ (?s).*
		S~ (?s).*
		S~ $1 OK .*
		C: $2 UID FETCH 7 BODY[TEXT]
		S= "* 2 FETCH (UID 7 FLAGS (\\Seen \\Recent) BODY[TEXT] {0}\r\n)\r\n"
		S: * 2 FETCH (UID 7 FLAGS (\Seen \Recent))
		S: $2 OK Fetched
		C: $3 UID STORE 3 -FLAGS.SILENT (mixedcase)
		S: $3 OK Stored
		C: $4 STORE 1 +FLAGS (\Deleted New)
		S: * 1 FETCH (UID 3 FLAGS (\Seen $Forwarded \Deleted New \Recent))
		S: $4 OK Stored
		C: $5 UID COPY 1:* Old
		S: $5 OK [COPYUID 9 3,7 8:9] Copied
		C: $6 UID MOVE 7 Old
		S: * OK [COPYUID 9 7 10] Moved
		S: * 2 EXPUNGE
		S: $6 OK Done
		C: $7 UID EXPUNGE 100:200
		S: $7 OK 0 expunged
		C: $8 EXPUNGE
		S: * 1 EXPUNGE
		S: $8 OK 1 expunged
		C: $9 UID COPY 1:* Nowhere
		S~ $9 NO \[TRYCREATE\] .*
		C: $A APPEND Work (\Draft Keyword) " 1-Feb-2003 04:05:06 -0330" {6+}
		C= "A: b\r\n\r\n"
		S: * 1 EXISTS
		S: * 1 RECENT
		S~ $A OK \[APPENDUID \d+ 8\] Appended
		C: $B APPEND Work {5}
		S: + OK
		C= "A: b\n\r\n"
		S: * 2 EXISTS
		S: * 2 RECENT
		S~ $B OK \[APPENDUID \d+ 9\] Appended
		C: $C UID SEARCH OR NOT DRAFT (KEYWORD keyword LARGER 5) SINCE 1-Jan-2000
		S: * SEARCH 8 9
		S: $C OK Searched
		C: $D SEARCH UID 9 HEADER a B
		S: * SEARCH 2
		S: $D OK Searched
	`)
	work := ada.Mailbox("Work").Messages()
	if len(work) != 2 || !work[0].InternalDate.Equal(date("2003-02-01 04:05:06 -0330")) {
		t.Errorf("appended: %+v", work)
	}
	if n := ada.Mailbox("Old").Len(); n != 5 {
		t.Errorf("%d messages in Old", n)
	}
}

func TestSessionSeesWhatHappens(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{})
	m := small(ada, "Work", imaptest.MailboxOptions{})
	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.ok("EXAMINE Work")

	m.Append(imaptest.Message{Body: []byte("A: b\r\n\r\n")})
	m.SetFlags(3, "Other")
	s.want(s.ok("NOOP"), "* 1 FETCH (UID 3 FLAGS (Other \\Recent))", "* 3 EXISTS", "* 3 RECENT")
	m.Expunge(3)
	s.want(s.ok("FETCH 1 (UID)"), "") // no EXPUNGE here: sequence numbers are in use
	s.want(s.ok("UID FETCH 7 (UID)"), "* 2 FETCH (UID 7)", "* 1 EXPUNGE")
	m.SetFlags(7, `\Flagged`)
	m.Expunge(7)
	m.Move(ada.CreateMailbox("Away", imaptest.MailboxOptions{}), 8)
	s.want(s.ok("NOOP"), "* 1 EXPUNGE", "* 1 EXPUNGE")
	m.SetUIDValidity(99)
	if lines := s.command("NOOP"); lines[0] != "* BYE UIDVALIDITY has changed" {
		t.Errorf("after a new UIDVALIDITY: %q", lines)
	}
}

func TestIdleReports(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{})
	m := small(ada, "Work", imaptest.MailboxOptions{})
	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.ok("EXAMINE Work")
	s.send("i IDLE")
	s.expect("+ idling")
	m.Append(imaptest.Message{Body: []byte("A: b\r\n\r\n")})
	s.expect("* 3 EXISTS")
	s.expect("* 3 RECENT")
	m.Expunge(3, 7)
	s.expect("* 1 EXPUNGE")
	s.expect("* 1 EXPUNGE")
	s.send("DONE")
	s.expect("i OK Idle ended")
	s.ok("NOOP")
	s.send("i IDLE")
	s.expect("+ idling")
	s.send("NOOP")
	s.expect("i BAD DONE expected")
}

func TestRefusals(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{MaxLiteral: 10, MaxLine: 200})
	s := dial(t, srv)
	for _, c := range []struct{ send, status string }{
		{"NOPE", "BAD"}, {"SELECT INBOX", "BAD"}, {"LOGIN ada@old.example no", "NO"}, {"LOGIN nobody pw", "NO"},
		{"LOGIN ada@old.example", "BAD"}, {"AUTHENTICATE CRAM-MD5", "NO"}, {"AUTHENTICATE PLAIN =", "BAD"}, {"STARTTLS", "BAD"},
	} {
		s.status(c.send, c.status)
	}
	s.login("ada@old.example", "pw")
	for _, c := range []struct{ send, status string }{
		{"LOGIN ada@old.example pw", "BAD"}, {"FETCH 1 FLAGS", "BAD"}, {"SELECT Nowhere", "NO"}, {"SELECT &AB-", "NO"},
		{"CREATE INBOX", "NO"}, {"CREATE /a", "NO"}, {"CREATE a//b", "NO"}, {`CREATE ""`, "NO"}, {"DELETE INBOX", "NO"},
		{"STATUS INBOX (NOPE)", "BAD"}, {`LIST "" * RETURN (STATUS (NOPE))`, "BAD"}, {"RENAME Nowhere a", "NO"},
		{"APPEND INBOX {11+}\r\n12345678901", "NO"}, {"APPEND INBOX {11}", "NO"}, {"APPEND INBOX (a", "BAD"},
		{`APPEND INBOX "30-Feb-2020 00:00:00 +0000" {1+}` + "\r\na", "BAD"}, {"XLIST \"\" *", "BAD"},
	} {
		s.status(c.send, c.status)
	}
	s.ok("SELECT INBOX")
	for _, c := range []struct{ send, status string }{
		{"UID FETCH 1:* (ENVELOPE)", "BAD"}, {"UID FETCH 0 FLAGS", "BAD"}, {"UID FETCH 4294967296 FLAGS", "BAD"},
		{"UID FETCH 1 BODY.PEEK[1.MIME]", "BAD"}, {"UID SEARCH TEXT x", "BAD"}, {"UID SEARCH NOT", "BAD"}, {"UID NOPE", "BAD"},
	} {
		s.status(c.send, c.status)
	}
	if lines := s.command("NOOP " + string(make([]byte, 300))); lines[0] != "* BYE Command line too long" {
		t.Errorf("long line: %q", lines)
	}
}
