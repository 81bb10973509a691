package imaptest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// asked sends commands to a Synthetic and gives all that it answers.
func asked(t *testing.T, opts SyntheticOptions, commands ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	at, wait, err := NewSynthetic(opts).Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer wait()
	defer cancel()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Join(commands, "\r\n")+"\r\nz LOGOUT\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestSyntheticMakesMessagesFromTheirNumber(t *testing.T) {
	opts := SyntheticOptions{
		Messages: func(string, string) uint32 { return 1_000_000 },
		Size:     func(_, _ string, uid uint32) int64 { return 1000 + int64(uid%7) },
		ModSeq:   true,
	}
	got := asked(t, opts, `a LOGIN "ada" "x"`, "b EXAMINE INBOX", "c UID FETCH 999999:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
		"d UID FETCH 999990,700003 (UID BODY.PEEK[])", `e UID SEARCH HEADER Message-ID "<77.ada>"`, `f UID SEARCH HEADER Message-ID "<77.bob>"`,
		"g UID FETCH 1:* (UID) (CHANGEDSINCE 999998)")
	m := NewSynthetic(opts).Message("ada", "INBOX", 700003)
	for _, want := range []string{
		"* 1000000 EXISTS", "[UIDNEXT 1000001]", "[HIGHESTMODSEQ 1000001]",
		fmt.Sprintf("* 1000000 FETCH (UID 1000000 FLAGS () RFC822.SIZE %d INTERNALDATE \"26-Nov-2011 10:40:00 +0000\" MODSEQ (1000000))", 1000+1000000%7),
		fmt.Sprintf("BODY[] {%d}\r\n%s)\r\n", len(m.Body), m.Body),
		"* SEARCH 77\r\ne OK", "* SEARCH\r\nf OK", "z OK",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	if len(m.Body) != 1000+700003%7 || !strings.Contains(string(m.Body), "Message-ID: <700003.ada>\r\n") {
		t.Errorf("the message is %q", m.Body)
	}
	if n := strings.Count(got, "FETCH (UID 999999 "); n != 2 { // of c, and of g
		t.Errorf("message 999999 was told of %d times", n)
	}
}

func TestSyntheticRefusesWhatItDoesNotKnow(t *testing.T) {
	got := asked(t, SyntheticOptions{Messages: func(string, string) uint32 { return 3 }},
		"a EXAMINE Nowhere", "b STATUS Nowhere (MESSAGES)", "c APPEND INBOX {1}", "d UID FETCH x (UID)")
	for _, want := range []string{"a NO", "b NO", "c BAD", "d BAD"} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}
