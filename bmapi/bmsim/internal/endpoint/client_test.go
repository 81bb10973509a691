package endpoint_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"bmsync/bmapi/bmsim/internal/endpoint"
	"bmsync/bmapi/bmsim/internal/mail"
)

func TestGoIMAPClient(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.create(alice, "été")
	c, err := imapclient.DialInsecure(r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice@example.org", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	if !c.Caps().Has("BM-ROCKS") {
		t.Errorf("capabilities: %v", c.Caps())
	}
	boxes, err := c.List("", "*", nil).Collect()
	if err != nil || len(boxes) != 8+3 || boxes[7].Mailbox != "été" {
		t.Fatalf("listed %+v (%v)", boxes, err)
	}
	body := "Subject: x\r\n\r\nbody\r\n"
	cmd := c.Append("été", int64(len(body)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: when})
	if _, err := io.WriteString(cmd, body); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	added, err := cmd.Wait()
	if err != nil || added.UID != 1 {
		t.Fatalf("append: %+v, %v", added, err)
	}
	sel, err := c.Select("été", nil).Wait()
	if err != nil || sel.NumMessages != 1 || sel.UIDNext != 2 || sel.UIDValidity != added.UIDValidity {
		t.Fatalf("select: %+v, %v", sel, err)
	}
	msgs, err := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil || len(msgs) != 1 {
		t.Fatalf("fetch: %v, %v", msgs, err)
	}
	if m := msgs[0]; m.UID != 1 || !m.InternalDate.Equal(when) || m.RFC822Size != int64(len(body)) ||
		string(m.BodySection[0].Bytes) != body {
		t.Errorf("fetched %+v", m)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}

// FuzzCommands throws octets at a connection that is logged in: it must neither
// panic nor keep anything else from being served.
func FuzzCommands(f *testing.F) {
	for _, seed := range []string{
		"a APPEND \"INBOX\" (\\Seen) \" 7-Feb-2021 22:42:04 +0100\" {5+}\r\nhello\r\n", "a APPEND INBOX () {5+}\r\nhello () {1+}\r\nx\r\n",
		"a UID FETCH 1:*,* (FLAGS BODY.PEEK[HEADER.FIELDS (A B)]<0.10>)\r\n", "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n",
		"a LIST \"\" \"*%\"\r\n", "a RENAME \"a\" b\r\n", "a STATUS \"\" (X)\r\n", "}\r\n", "a LOGIN {3+}\r\nabc {0}\r\n\r\n", "a SELECT \"&-&AOk-\"\r\n",
		"a UID SEARCH OR NOT 1:2 UID 3 HEADER \"x\r\n", "a AUTHENTICATE PLAIN\r\nAAA=\r\n", "a IDLE\r\nDONE\r\n", "a UID COPY 1 Sent\r\n",
		"a EXAMINE INBOX\r\nb UID EXPUNGE 1:*\r\nc CLOSE\r\n", "a CREATE \"\\\"\xff\r\n", " x\r\n\r\n", "a UID STORE 1:2 )(\r\n", "a LIST \"\r\n",
		"a append \"\r\n", "a APPEND {9999999999+}\r\n", "a FETCH 1 ((((\r\n", "a FETCH 1 >\r\n", "a APPEND {3+}\r\nx\r\n ()\"\" {-1}\r\n",
	} {
		f.Add([]byte(seed))
	}
	r := start(f, mail.Options{}, nil)
	for i := range 3 {
		r.add(alice, "INBOX", message(i), time.Time{})
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r.t = t
		c := r.login("alice")
		c.play("C: s SELECT INBOX")
		go io.Copy(io.Discard, c.in) // ends with the connection
		c.Write(input)               // the other end may have hung up
		c.Close()
		r.login("bob").play("C: a NOOP\nS: a OK Completed")
	})
}

func BenchmarkPipelinedAppend(b *testing.B) {
	for _, window := range []int{1, 64} {
		b.Run(fmt.Sprint("window", window), func(b *testing.B) {
			r := start(b, mail.Options{}, func(c *endpoint.Config) { c.Journal = nil })
			c := r.login("alice")
			c.SetDeadline(time.Now().Add(time.Hour))
			fill := strings.Repeat("lorem ipsum ", 100)
			b.SetBytes(int64(len(fill)))
			sent, received := 0, 0
			for b.Loop() {
				c.send(appendLine("t", "INBOX", message(sent)+fill))
				for sent++; sent-received >= window; received++ {
					if line := c.line(); !strings.HasPrefix(line, "t OK") {
						b.Fatal(line)
					}
				}
			}
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

func BenchmarkFetchList(b *testing.B) {
	const messages = 20_000
	r := start(b, mail.Options{}, func(c *endpoint.Config) { c.Journal = nil })
	for i := range messages {
		r.add(alice, "INBOX", message(i), when, `\Seen`)
	}
	c := r.login("alice")
	c.SetDeadline(time.Now().Add(time.Hour))
	c.open("INBOX")
	for b.Loop() {
		c.send("a UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)\r\n")
		for !strings.HasPrefix(c.line(), "a OK") {
		}
	}
	b.ReportMetric(float64(messages*b.N)/b.Elapsed().Seconds(), "messages/s")
}
