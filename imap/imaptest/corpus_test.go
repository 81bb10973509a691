package imaptest_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bmsync/imap/imaptest"
)

func TestCorpusIsTheSameForASeed(t *testing.T) {
	o := imaptest.CorpusOptions{Seed: 7, OddNames: true}
	a, b := imaptest.NewCorpus(o), imaptest.NewCorpus(o)
	if !reflect.DeepEqual(a, b) {
		t.Error("two corpora of a seed differ")
	}
	o.Seed = 8
	if reflect.DeepEqual(a, imaptest.NewCorpus(o)) {
		t.Error("another seed, the same corpus")
	}
	if n, octets := a.Count(); n < 270 || n > 400 || octets < 1<<20 || octets > 20<<20 {
		t.Errorf("%d messages, %d octets", n, octets)
	}
}

// refusal is what Cyrus 3.6 says to a message, as far as it has been measured.
func refusal(m imaptest.Message) string {
	header, _, _ := bytes.Cut(m.Body, []byte("\r\n\r\n"))
	switch bare := bytes.ReplaceAll(m.Body, []byte("\r\n"), nil); {
	case m.InternalDate.Unix() < 0:
		return "BAD Invalid date-time in Append command"
	case len(m.Body) == 0:
		return "NO Zero-length message literal"
	case bytes.IndexByte(m.Body, 0) >= 0:
		return "NO Message contains NUL characters"
	case bytes.IndexByte(bare, '\n') >= 0:
		return "NO Message contains bare newlines"
	}
	for i, line := range bytes.Split(header, []byte("\r\n")) {
		if i > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') || bytes.HasPrefix(line, []byte("From ")) {
			continue
		}
		if name, _, found := bytes.Cut(line, []byte(":")); !found || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			return "NO Message contains invalid header"
		}
	}
	return ""
}

func TestCorpusIsFitForCyrus(t *testing.T) {
	c := imaptest.NewCorpus(imaptest.CorpusOptions{Messages: 600, Large: 1 << 20})
	for _, f := range c.Folders {
		for _, level := range f.Path {
			if strings.ContainsAny(level, "!\"%;<>\\^`{|}") || strings.HasPrefix(level, "~") || strings.TrimSpace(level) != level {
				t.Errorf("folder %q", f.Path)
			}
		}
		keywords, twins := map[string]bool{}, map[string]int{}
		for i, m := range f.Messages {
			if r := refusal(m); r != "" {
				t.Errorf("%q message %d would be refused: %s\n%.300q", f.Path, i, r, m.Body)
			}
			for _, flag := range m.Flags {
				keywords[strings.ToLower(flag)] = true
			}
			twins[string(m.Body)]++
		}
		if len(keywords) > 100 {
			t.Errorf("%q has %d keywords", f.Path, len(keywords))
		}
		for body, n := range twins {
			if n > 10 {
				t.Errorf("%q has %d times %.50q", f.Path, n, body)
			}
		}
	}
	for _, a := range imaptest.Awkward() {
		if got := refusal(a.Message); got != a.Refusal {
			t.Errorf("%s: %q, want %q", a.Name, got, a.Refusal)
		}
	}
}

func TestCorpusHasEachKind(t *testing.T) {
	c := imaptest.NewCorpus(imaptest.CorpusOptions{})
	count := map[string]int{}
	seen := map[string]bool{}
	for _, f := range c.Folders {
		count["special "+f.Options.SpecialUse]++
		if len(f.Messages) == 0 {
			count[fmt.Sprint("empty ", f.Options.NoSelect)]++
		}
		for _, m := range f.Messages {
			header, body, _ := bytes.Cut(m.Body, []byte("\r\n\r\n"))
			for kind, is := range map[string]bool{
				"no Message-ID": !bytes.Contains(header, []byte("Message-ID:")), "no Date": !bytes.Contains(header, []byte("\nDate:")),
				"empty body": len(body) == 0, "deleted": slices.Contains(m.Flags, `\Deleted`), "long line": bytes.Contains(body, []byte(strings.Repeat("long ", 1000))),
				"Latin-1 header": bytes.Contains(header, []byte("\xc9t\xe9")), "lone CR": bytes.Contains(body, []byte("lone\rCR")),
				"twin": seen[string(m.Body)], "attachment": len(body) > 100_000, "keyword": slices.Contains(m.Flags, "MixedCase"),
			} {
				if is {
					count[kind]++
				}
			}
			seen[string(m.Body)] = true
		}
	}
	for _, kind := range []string{
		`special \Sent`, `special \Trash`, `special \Drafts`, `special \Junk`, "empty true", "empty false", "no Message-ID", "no Date", "empty body",
		"deleted", "long line", "Latin-1 header", "lone CR", "twin", "attachment", "keyword",
	} {
		if count[kind] == 0 {
			t.Errorf("nothing of kind %q", kind)
		}
	}
}

func TestLargeMessageReadsTheSameAnyHow(t *testing.T) {
	m := imaptest.NewLargeMessage(3, 100_001)
	whole, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil || len(whole) != 100_001 {
		t.Fatal(len(whole), err)
	}
	if r := refusal(imaptest.Message{Body: whole, InternalDate: date("2020-01-01 00:00:00 +0000")}); r != "" {
		t.Error(r)
	}
	for off := 0; off < 400; off++ {
		var buf [50]byte
		if _, err := m.ReadAt(buf[:], int64(off)); err != nil || !bytes.Equal(buf[:], whole[off:off+50]) {
			t.Fatalf("at %d: %q", off, buf)
		}
	}
	if other, _ := io.ReadAll(io.NewSectionReader(imaptest.NewLargeMessage(4, 100_001), 0, 100_001)); bytes.Equal(other, whole) {
		t.Error("another seed, the same text")
	}
	srv, ada := newServer(t, imaptest.Options{})
	inbox := ada.Mailbox("INBOX")
	uid := inbox.Append(imaptest.Message{Content: m, Size: m.Size()})
	if got, _ := inbox.Body(uid); !bytes.Equal(got, whole) || inbox.Messages()[0].SHA1 != sha1.Sum(whole) {
		t.Error("kept otherwise")
	}
	if err := srv.Err(); err != nil {
		t.Error(err)
	}
}

func TestStoreIsReloaded(t *testing.T) {
	dir := t.TempDir()
	first, err := imaptest.NewServer(imaptest.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	u := first.AddUser("Ada@old.example", "pw")
	u.Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Messages: 60, OddNames: true}))
	u.Subscribe("Gone")
	u.Unsubscribe("INBOX")
	odd := u.CreateMailbox("odd", imaptest.MailboxOptions{Wire: "A&B\xe9", Attributes: []string{`\Marked`}, UIDValidity: 4294967295})
	odd.Append(imaptest.Message{
		UID: 4000000000, Flags: []string{"[css3]", "caf\xe9"}, InternalDate: date("1988-08-08 08:08:08 -0130"),
		Odd: imaptest.Odd{SizeText: "0", DateText: "NIL", FetchNo: "x", FetchNoTimes: 2, Items: map[string]string{"X-GM-MSGID": "5"}},
	})
	odd.Expunge(odd.Append(imaptest.Message{}))
	first.AddUser("bob", "")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := imaptest.NewServer(imaptest.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := describe(t, first), describe(t, second); a != b {
		t.Errorf("reloaded otherwise:\n%s\n\n%s", a, b)
	}
	if !bytes.Equal(first.CAPEM(), second.CAPEM()) {
		t.Error("another certificate authority")
	}
	if v := second.AddUser("carl", "").Mailbox("INBOX").UIDValidity(); v <= first.User("bob").Mailbox("INBOX").UIDValidity() {
		t.Errorf("UIDVALIDITY %d again", v)
	}
	connect(t, second, imaptest.ImplicitTLS)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	refuseBroken(t, dir)
}

// describe writes down all that a server has.
func describe(t *testing.T, srv *imaptest.Server) string {
	t.Helper()
	var b strings.Builder
	for _, u := range srv.Users() {
		fmt.Fprintf(&b, "%s %q\n", u.Login(), u.Subscriptions())
		for _, m := range u.Mailboxes() {
			fmt.Fprintf(&b, "%q %+v %d\n", m.Name(), m.Options(), m.UIDNext())
			for _, msg := range m.Messages() {
				body, ok := m.Body(msg.UID)
				if !ok || sha1.Sum(body) != msg.SHA1 {
					t.Errorf("%q %d: wrong body", m.Name(), msg.UID)
				}
				date := msg.InternalDate.Format("2006-01-02 15:04:05 -0700")
				fmt.Fprintln(&b, msg.UID, msg.Flags, date, msg.Size, msg.SHA1, msg.ModSeq, msg.Odd)
			}
		}
	}
	return b.String()
}

func refuseBroken(t *testing.T, dir string) {
	t.Helper()
	index := filepath.Join(dir, "index.json")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"newer":   strings.Replace(string(data), `"format": 1`, `"format": 2`, 1),
		"no JSON": string(data[:len(data)/2]),
		"no body": strings.Replace(string(data), `"sha256": "`, `"sha256": "00`, 1),
	} {
		if err := os.WriteFile(index, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := imaptest.NewServer(imaptest.Options{Dir: dir}); err == nil {
			t.Errorf("an index that is %q is taken", name)
		}
	}
}

func TestChangesOfAClientAreSaved(t *testing.T) {
	dir := t.TempDir()
	srv, ada := newServer(t, imaptest.Options{Dir: dir})
	ada.Mailbox("INBOX").Append(imaptest.Message{Body: []byte("A: b\r\n\r\n")})
	if err := srv.Save(); err != nil {
		t.Fatal(err)
	}
	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.ok("SELECT INBOX")
	s.ok(`UID STORE 1 FLAGS (\Flagged)`)
	if err := srv.Save(); err != nil {
		t.Fatal(err)
	}
	again, err := imaptest.NewServer(imaptest.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if flags := again.User("ada@old.example").Mailbox("INBOX").Messages()[0].Flags; !slices.Equal(flags, []string{`\Flagged`}) {
		t.Errorf("flags %q", flags)
	}
}

func TestErrTellsOfALostFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	srv, err := imaptest.NewServer(imaptest.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	inbox := srv.AddUser("ada", "").Mailbox("INBOX")
	if err := os.WriteFile(filepath.Join(dir, "bodies"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if uid := inbox.Append(imaptest.Message{Body: []byte("x")}); uid != 0 || srv.Err() == nil {
		t.Errorf("UID %d, error %v", uid, srv.Err())
	}
	if _, err := srv.Listen(context.Background(), imaptest.Plain, "127.0.0.1:0"); err != nil {
		t.Error(err)
	}
	if err := srv.Close(); err == nil {
		t.Error("Close hides the error")
	}
}
