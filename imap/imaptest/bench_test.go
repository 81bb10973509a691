package imaptest_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"bmsync/imap/imaptest"
)

func BenchmarkFetchBodies(b *testing.B) {
	benchmarkFetch(b, "BODY.PEEK[]", 5000)
}

func BenchmarkFetchList(b *testing.B) {
	benchmarkFetch(b, "(UID FLAGS INTERNALDATE RFC822.SIZE)", 100)
}

// benchmarkFetch reads a mailbox of 20,000 messages by one command.
func benchmarkFetch(b *testing.B, items string, size int) {
	srv, err := imaptest.NewServer(imaptest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	inbox := srv.AddUser("ada", "pw").Mailbox("INBOX")
	body := []byte("A: b\r\n\r\n" + strings.Repeat("x", size))
	for range 20_000 {
		inbox.Append(imaptest.Message{Body: body, Flags: []string{`\Seen`}})
	}
	addr, err := srv.Listen(b.Context(), imaptest.Plain, "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<16)
	until := func(tag string) {
		for {
			line, err := in.ReadSlice('\n')
			if err != nil && err != bufio.ErrBufferFull {
				b.Fatal(err)
			}
			if strings.HasPrefix(string(line[:min(2, len(line))]), tag) {
				return
			}
		}
	}
	io.WriteString(conn, "a LOGIN ada pw\r\nb EXAMINE INBOX\r\n")
	until("b ")
	for b.Loop() {
		io.WriteString(conn, "c UID FETCH 1:* "+items+"\r\n")
		until("c ")
	}
	b.ReportMetric(float64(20_000*b.N)/b.Elapsed().Seconds(), "msg/s")
}
