package imaptest_test

import (
	"io"
	"net"
	"testing"
	"time"

	"bmsync/imap/imaptest"
)

// FuzzSession sends anything to a session with a selected mailbox. It must end
// when the input ends, whatever that was.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"a UID FETCH 1:*,3 (UID FLAGS BODY.PEEK[HEADER.FIELDS (\"a\" {1+}\r\nb)]<1.2>) (CHANGEDSINCE 5)\r\n",
		"a APPEND INBOX (\\Seen x) \" 1-Feb-2003 04:05:06 -0330\" {3+}\r\nabc\r\nb EXPUNGE\r\n",
		"a LIST (SUBSCRIBED) \"\" (\"*\" %) RETURN (STATUS (MESSAGES) CHILDREN)\r\na LSUB \"\" *%*%\r\n",
		"a UID SEARCH CHARSET x OR (NOT SEEN) UID 1:* SINCE 1-Jan-2000\r\na SEARCH 1 HEADER a \"\"\r\n",
		"a IDLE\r\nDONE\r\nb UID MOVE 1 INBOX\r\nc RENAME INBOX x/y\r\nd DELETE x\r\ne CLOSE\r\n", "a AUTHENTICATE PLAIN\r\n*\r\n",
		"a CREATE \"a\\\"b\"\r\na STORE 1:2 -FLAGS.SILENT (a)\r\na ENABLE CONDSTORE\r\na ID (\"a\" NIL)\r\na STATUS x (SIZE)\r\n", "a NOOP {99999999999+}\r\n",
	} {
		f.Add([]byte(s))
	}
	srv, err := imaptest.NewServer(imaptest.Options{MaxLiteral: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		u := srv.AddUser(t.Name(), "")
		for _, m := range u.Mailboxes() {
			u.DeleteMailbox(m.Name())
		}
		inbox := u.Mailbox("INBOX")
		for _, m := range inbox.Messages() {
			inbox.Expunge(m.UID)
		}
		inbox.Append(imaptest.Message{Body: []byte("A: b\r\n\r\nc")})
		inbox.Append(imaptest.Message{Flags: []string{`\Deleted`}})
		srv.SetQuirks(imaptest.Quirks{Preauth: t.Name()})
		srv.ClearJournal()

		client, server := net.Pipe()
		client.SetDeadline(time.Now().Add(20 * time.Second))
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			io.Copy(io.Discard, client)
		}()
		served := make(chan struct{})
		go func() {
			defer close(served)
			srv.ServeConn(t.Context(), server, imaptest.Plain)
		}()
		io.WriteString(client, "s SELECT INBOX\r\n")
		client.Write(input)
		client.Close()
		<-served
		<-drained
		_ = srv.Journal().String()
	})
}
