package imaptest_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"bmsync/imap/imaptest"
)

// tiny fills INBOX with messages of UID 1 to n, each with the body "A: b".
func tiny(u *imaptest.User, n int) *imaptest.Mailbox {
	m := u.Mailbox("INBOX")
	for range n {
		m.Append(imaptest.Message{Body: []byte("A: b"), InternalDate: date("2020-01-01 00:00:00 +0000")})
	}
	m.SetFlags(1, `\Seen`)
	return m
}

func TestFetchQuirks(t *testing.T) {
	const fetch = "UID FETCH 1:2 (FLAGS BODY.PEEK[])"
	for _, c := range []struct {
		name   string
		quirks imaptest.Quirks
		want   []string
	}{
		{"none", imaptest.Quirks{}, []string{
			"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) BODY[] {4}", "A: b)", "* 2 FETCH (UID 2 FLAGS (\\Recent) BODY[] {4}", "A: b)"}},
		{"UID after body", imaptest.Quirks{UIDAfterBody: true}, []string{
			"* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[] {4}", "A: b UID 1)", "* 2 FETCH (FLAGS (\\Recent) BODY[] {4}", "A: b UID 2)"}},
		{"split", imaptest.Quirks{SplitFetch: true}, []string{
			"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))", "* 1 FETCH (UID 1 BODY[] {4}", "A: b)",
			"* 2 FETCH (UID 2 FLAGS (\\Recent))", "* 2 FETCH (UID 2 BODY[] {4}", "A: b)"}},
		{"unsolicited flags", imaptest.Quirks{UnsolicitedFlags: true, OmitUIDs: []uint32{2}}, []string{
			"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))", "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) BODY[] {4}", "A: b)"}},
		{"expunged meanwhile", imaptest.Quirks{ExpungeAtFetch: 1}, []string{
			"* 1 EXPUNGE", "* 1 FETCH (UID 2 FLAGS (\\Recent) BODY[] {4}", "A: b)"}},
		{"window", imaptest.Quirks{Window: 2}, []string{"* 1 FETCH (UID 2 FLAGS (\\Recent) BODY[] {4}", "A: b)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, ada := newServer(t, imaptest.Options{})
			tiny(ada, 3).SetQuirks(c.quirks)
			s := dial(t, srv)
			s.login("ada@old.example", "pw")
			s.ok("EXAMINE INBOX")
			s.want(s.ok(fetch), c.want...)
		})
	}
}

func TestOddMessages(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{})
	m := tiny(ada, 1)
	m.Append(imaptest.Message{Body: []byte("A: b"), Odd: imaptest.Odd{
		SizeText: "-1", DateText: "NIL", FetchNo: "[SERVERBUG] unreadable", FetchNoTimes: 1, Items: map[string]string{"X-GM-MSGID": "77"},
	}})
	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.ok("EXAMINE INBOX")
	s.want(s.ok("UID FETCH 1:* (INTERNALDATE RFC822.SIZE X-GM-MSGID)"),
		`* 1 FETCH (UID 1 INTERNALDATE " 1-Jan-2020 00:00:00 +0000" RFC822.SIZE 4 X-GM-MSGID NIL)`,
		"* 2 FETCH (UID 2 INTERNALDATE NIL RFC822.SIZE -1 X-GM-MSGID 77)")
	s.want(s.status("UID FETCH 1:2 BODY.PEEK[]", "NO [SERVERBUG] unreadable"), "* 1 FETCH (UID 1 BODY[] {4}", "A: b)")
	s.want(s.ok("UID FETCH 2 BODY.PEEK[]"), "* 2 FETCH (UID 2 BODY[] {4}", "A: b)")
}

func TestForeignNamespaces(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{Others: "Others/", Shared: "Public/"})
	root := ada.CreateMailbox("Public/Compta", imaptest.MailboxOptions{})
	srv.AddUser("bob@old.example", "pw").Show(root)
	root.Append(imaptest.Message{Body: []byte("A: b")})
	s := dial(t, srv)
	s.login("bob@old.example", "pw")
	s.want(s.ok("NAMESPACE"), `* NAMESPACE (("" "/")) (("Others/" "/")) (("Public/" "/"))`)
	s.want(s.ok(`LIST "" *`), `* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST (\HasNoChildren) "/" "Public/Compta"`)
	s.want(s.ok("STATUS Public/Compta (MESSAGES)"), `* STATUS "Public/Compta" (MESSAGES 1)`)
	srv.SetQuirks(imaptest.Quirks{HideForeign: true})
	s.want(s.ok(`LIST "" *`), `* LIST (\HasNoChildren) "/" "INBOX"`)
	s.want(s.ok(`LIST "" Public/*`), `* LIST (\HasNoChildren) "/" "Public/Compta"`)
}

func TestNamesAndNamespaces(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{Delimiter: '.', Prefix: "INBOX."})
	ada.CreateMailbox("INBOX.Été.Sub", imaptest.MailboxOptions{SpecialUse: `\Sent`})
	ada.CreateMailbox("INBOX.odd", imaptest.MailboxOptions{Wire: "INBOX.A&B\xe9"}).Append(imaptest.Message{Body: []byte("A: b")})
	ada.Subscribe("INBOX.Été.Sub")
	ada.Subscribe("INBOX.Gone")
	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.want(s.ok("NAMESPACE"), `* NAMESPACE (("INBOX." ".")) NIL NIL`)
	s.want(s.ok(`LIST "" ""`), `* LIST (\Noselect) "." ""`)
	s.want(s.ok(`LIST "" *`), `* LIST (\HasNoChildren) "." "INBOX"`, "* LIST (\\HasNoChildren) \".\" \"INBOX.A&B\xe9\"",
		`* LIST (\Noselect \HasChildren) "." "INBOX.&AMk-t&AOk-"`, `* LIST (\HasNoChildren \Sent) "." "INBOX.&AMk-t&AOk-.Sub"`)
	s.want(s.ok(`LIST INBOX. %`), "* LIST (\\HasNoChildren) \".\" \"INBOX.A&B\xe9\"", `* LIST (\Noselect \HasChildren) "." "INBOX.&AMk-t&AOk-"`)
	s.want(s.ok(`LSUB "" "*"`), `* LSUB (\HasNoChildren) "." "INBOX"`, `* LSUB (\HasNoChildren) "." "INBOX.&AMk-t&AOk-.Sub"`, `* LSUB () "." "INBOX.Gone"`)
	s.want(s.ok(`LIST (SUBSCRIBED) "" ("*") RETURN (SPECIAL-USE)`), `* LIST (\Subscribed) "." "INBOX"`,
		`* LIST (\Sent \Subscribed) "." "INBOX.&AMk-t&AOk-.Sub"`, `* LIST (\NonExistent \Subscribed) "." "INBOX.Gone"`)
	s.want(s.ok(`LIST (SPECIAL-USE) "" *`), `* LIST (\Sent) "." "INBOX.&AMk-t&AOk-.Sub"`)
	s.want(s.ok(`LIST "" inbox RETURN (CHILDREN STATUS (MESSAGES UNSEEN SIZE))`), `* LIST (\HasNoChildren) "." "INBOX"`, `* STATUS "INBOX" (MESSAGES 0 UNSEEN 0 SIZE 0)`)
	s.want(s.ok("STATUS \"INBOX.A&B\xe9\" (MESSAGES RECENT UIDNEXT DELETED HIGHESTMODSEQ)"),
		"* STATUS \"INBOX.A&B\xe9\" (MESSAGES 1 RECENT 1 UIDNEXT 2 DELETED 0 HIGHESTMODSEQ 2)")
	s.ok("EXAMINE \"INBOX.A&B\xe9\"")
	s.status("CREATE Top", "NO [CANNOT]")
	s.ok("CREATE INBOX.Top.")
	s.ok("RENAME INBOX.Top INBOX.Tip.Top")
	s.ok("DELETE INBOX.&AMk-t&AOk-.Sub")
	s.ok("SUBSCRIBE INBOX.Tip.Top")
	s.ok("UNSUBSCRIBE INBOX.Gone")
	if ada.Mailbox("INBOX.Tip.Top") == nil || ada.Mailbox("INBOX.Été.Sub") != nil {
		t.Error("RENAME or DELETE did nothing")
	}
	if got := strings.Join(ada.Subscriptions(), " "); got != "INBOX INBOX.Tip.Top INBOX.Été.Sub" {
		t.Errorf("subscribed: %s", got)
	}
}

func TestNoSpecialUseAndLiterals(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{Capabilities: append(imaptest.DefaultCapabilities(), "XLIST")})
	ada.CreateMailbox(`a"b`, imaptest.MailboxOptions{SpecialUse: `\Trash`})
	srv.SetQuirks(imaptest.Quirks{ListLiterals: true, Without: []string{"special-use", "CHILDREN", "UIDPLUS", "LIST-EXTENDED", "LITERAL+"}})
	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.want(s.ok(`LIST "" *`), `* LIST () "/" {5}`, "INBOX", `* LIST () "/" {3}`, `a"b`)
	s.status(`LIST "" * RETURN (CHILDREN)`, "BAD")
	s.want(s.ok(`XLIST "" *`), `* XLIST (\Inbox) "/" {5}`, "INBOX", `* XLIST (\Trash) "/" {3}`, `a"b`)
	s.status("APPEND INBOX {4+}\r\nA: b", "BAD LITERAL+")
	s.send("t APPEND INBOX {4}")
	s.expect("+ OK")
	s.send("A: b")
	s.expect("t OK Appended")
	s.ok("SELECT INBOX")
	s.status("UID EXPUNGE 1", "BAD")
	srv.SetQuirks(imaptest.Quirks{})
	s.want(s.ok(`LIST "" %`), `* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST (\HasNoChildren \Trash) "/" "a\"b"`)
}

func TestGreetings(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{})
	addr := listen(t, srv, imaptest.Plain)
	greeting := func(q imaptest.Quirks) (string, *client) {
		srv.SetQuirks(q)
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		c := &client{t: t, conn: conn}
		c.in = newReader(conn)
		return c.line(), c
	}
	line, c := greeting(imaptest.Quirks{BareGreeting: true})
	if line != "* OK imaptest ready" {
		t.Errorf("bare: %q", line)
	}
	c.want(c.ok("CAPABILITY"), "* CAPABILITY IMAP4rev1 AUTH=PLAIN")
	c.status("LOGIN ada@old.example pw", "OK Logged in")
	c.want(c.ok("CAPABILITY"), "* CAPABILITY "+strings.Join(imaptest.DefaultCapabilities(), " "))

	line, c = greeting(imaptest.Quirks{Preauth: "ada@old.example"})
	if !strings.HasPrefix(line, "* PREAUTH [CAPABILITY IMAP4rev1 ") {
		t.Errorf("preauth: %q", line)
	}
	c.ok("SELECT INBOX")
	line, c = greeting(imaptest.Quirks{LoginDisabled: true})
	if !strings.Contains(line, "LOGINDISABLED") || strings.Contains(line, "AUTH=") {
		t.Errorf("login disabled: %q", line)
	}
	c.status("LOGIN ada@old.example pw", "NO [PRIVACYREQUIRED]")
	if line, _ = greeting(imaptest.Quirks{RefuseConnection: 4}); !strings.HasPrefix(line, "* BYE Too many") {
		t.Errorf("refused: %q", line)
	}
	if line, _ = greeting(imaptest.Quirks{RefuseConnection: 4}); !strings.HasPrefix(line, "* OK") {
		t.Errorf("not refused: %q", line)
	}
	if line, _ = greeting(imaptest.Quirks{MaxConnections: 4}); !strings.HasPrefix(line, "* BYE Too many") {
		t.Errorf("above the limit: %q", line)
	}
	_, c = greeting(imaptest.Quirks{MaxUserConnections: 2})
	if lines := c.command("LOGIN ada@old.example pw"); !strings.HasPrefix(lines[0], "* BYE Maximum number") {
		t.Errorf("third login: %q", lines)
	}
	if _, total, peak := srv.Connections(); total != 7 || peak < 5 {
		t.Errorf("%d connections, at most %d", total, peak)
	}
	srv.Disconnect("ADA@old.example")
}

func TestTraps(t *testing.T) {
	for _, c := range []struct {
		trap imaptest.Trap
		send string
		want string // the last line but for the tag; "" the connection ends
	}{
		{imaptest.Trap{Action: imaptest.No, Text: "[THROTTLED] slow down"}, "NOOP", "t NO [THROTTLED] slow down"},
		{imaptest.Trap{Action: imaptest.Bad, Text: "Backoff: 30000", Command: "fetch", Mailbox: "INBOX"}, "UID FETCH 1 FLAGS", "t BAD Backoff: 30000"},
		{imaptest.Trap{Action: imaptest.No, Command: "UID FETCH"}, "FETCH 1 FLAGS", "t OK Fetched"},
		{imaptest.Trap{Action: imaptest.No, User: "bob"}, "NOOP", "t OK Done"},
		{imaptest.Trap{Action: imaptest.No, Skip: 1}, "NOOP", "t OK Done"},
		{imaptest.Trap{Action: imaptest.Bye, Text: "[UNAVAILABLE] bye"}, "NOOP", ""},
		{imaptest.Trap{Action: imaptest.Cut}, "NOOP", ""},
		{imaptest.Trap{Action: imaptest.Delay, Wait: time.Millisecond}, "NOOP", "t OK Done"},
		{imaptest.Trap{Action: imaptest.Obey, Command: "STORE"}, `UID STORE 2 +FLAGS.SILENT (\Flagged)`, ""},
		{imaptest.Trap{Action: imaptest.No, UID: 2, Text: "UID 2"}, "UID FETCH 1:2 BODY.PEEK[]", "t NO UID 2"},
		{imaptest.Trap{Action: imaptest.No, UID: 2}, "UID FETCH 1:2 FLAGS", "t OK Fetched"},
		{imaptest.Trap{Action: imaptest.CutLiteral, UID: 2}, "UID FETCH 1:2 BODY.PEEK[]", ""},
	} {
		t.Run(fmt.Sprintf("%+v", c.trap), func(t *testing.T) {
			srv, ada := newServer(t, imaptest.Options{})
			m := tiny(ada, 2)
			s := dial(t, srv)
			s.login("ada@old.example", "pw")
			s.ok("SELECT INBOX")
			srv.SetTraps(c.trap)
			lines := s.command(c.send)
			if got := lines[len(lines)-1]; got != c.want {
				t.Errorf("got %q", lines)
			}
			if c.trap.Action == imaptest.Obey && len(m.Messages()[1].Flags) != 1 {
				t.Error("not obeyed")
			}
			if c.trap.Action == imaptest.CutLiteral && strings.Join(lines[2:], "\n") != "* 2 FETCH (UID 2 BODY[] {4}\nA:\n" {
				t.Errorf("cut at %q", lines)
			}
		})
	}
}

func TestTrapOfOneLogin(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{})
	srv.AddUser("bob", "pw")
	srv.SetTraps(imaptest.Trap{Command: "LOGIN", User: "BOB", Times: 1, Action: imaptest.No, Text: "[CONTACTADMIN] disabled"})
	dial(t, srv).ok("LOGIN ada@old.example pw")
	dial(t, srv).status("LOGIN bob pw", "NO [CONTACTADMIN] disabled")
	dial(t, srv).ok("LOGIN bob pw")
}

func TestTrapCounts(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{})
	srv.SetTraps(imaptest.Trap{Command: "NOOP", Skip: 1, Times: 2, Action: imaptest.No}, imaptest.Trap{Command: "ID", Action: imaptest.Stall})
	s := dial(t, srv)
	for _, status := range []string{"OK", "NO", "NO", "OK"} {
		s.status("NOOP", status)
	}
	s.send("t ID NIL")
	s.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if line, err := s.in.ReadString('\n'); err == nil {
		t.Errorf("stalled, but sent %q", line)
	}
	if n := srv.Sprung(); n[0] != 2 || n[1] != 1 {
		t.Errorf("sprung %v", n)
	}
}

func TestCutAfter(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{})
	addr := listen(t, srv, imaptest.Plain)
	srv.SetQuirks(imaptest.Quirks{CutAfter: 200, CutConnections: 1, ResponseDelay: time.Millisecond})
	read := func() int {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, strings.Repeat("a CAPABILITY\r\n", 5)+"b LOGOUT\r\n"); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(conn) // ends with a reset, as commands are left unread
		return len(got)
	}
	if n := read(); n > 200 {
		t.Errorf("%d octets through a cut at 200", n)
	}
	if n := read(); n < 300 {
		t.Errorf("%d octets on the second connection", n)
	}
}
