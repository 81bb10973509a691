package imap

import (
	"fmt"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
)

func TestVetSource(t *testing.T) {
	allowed := []string{
		"CAPABILITY", "NOOP", "STARTTLS", `LOGIN "a" "b"`, "LOGIN {4}", "AUTHENTICATE PLAIN", "LOGOUT", `ID ("name" "bmsync")`, "NAMESPACE",
		`LIST "" "*"`, `LIST "" "*" RETURN (SPECIAL-USE)`, `LSUB "" "*"`, `XLIST "" "*"`, `STATUS "x" (MESSAGES)`, `EXAMINE "x"`, "UNSELECT",
		"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)", "uid fetch 1 (uid body.peek[])", "FETCH 1 FLAGS",
		`UID FETCH 1 (BODY.PEEK[HEADER.FIELDS (DATE FROM)] RFC822.SIZE)`, "UID FETCH 1 BODY.PEEK[]<0.100>", "UID FETCH 1 (BINARY.PEEK[1])",
		"UID FETCH 1 (X-GM-LABELS X-GM-MSGID DIGEST.SHA1 MODSEQ)", "UID FETCH 1:5 (UID FLAGS) (CHANGEDSINCE 12345)",
		"SEARCH ALL", "UID SEARCH 1:5", `GETQUOTAROOT "INBOX"`, `GETACL "x"`, `MYRIGHTS "x"`, `GETMETADATA "*" (/shared/x)`, `GETANNOTATION "*" "/x" ("value.shared")`,
	}
	refused := []string{
		`SELECT "x"`, `CREATE "x"`, `DELETE "x"`, `RENAME "x" "y"`, `SUBSCRIBE "x"`, `UNSUBSCRIBE "x"`, `APPEND "x" () {3+}`,
		"CLOSE", "EXPUNGE", "UID EXPUNGE 1", `STORE 1 +FLAGS (\Seen)`, `UID STORE 1 +FLAGS (\Seen)`, `COPY 1 "x"`, `UID COPY 1 "x"`,
		`MOVE 1 "x"`, `UID MOVE 1 "x"`, "CHECK", "IDLE", "ENABLE CONDSTORE", "COMPRESS DEFLATE", `SETQUOTA "" (STORAGE 1)`,
		`SETACL "x" y lr`, `DELETEACL "x" y`, `SETMETADATA "" ()`, `SETANNOTATION "x" ()`, "UNAUTHENTICATE", "NOTIFY NONE", "UID SORT (DATE) UTF-8 ALL",
		"UID", "UID NONSENSE 1", "XMOVE 1", "DONE", "BODY.PEEK[]", "LANGUAGE fr", "RESETKEY", `GENURLAUTH "x" y`, "PROXYAUTH x", "",
		"UID FETCH 1 BODY[]", "UID FETCH 1 (UID BODY[])", "FETCH 1 body[text]", "UID FETCH 1 RFC822", "UID FETCH 1 (FLAGS RFC822.TEXT)",
		"UID FETCH 1 BINARY[1]", "UID FETCH 1 (BODY.PEEK[HEADER.FIELDS (DATE)] BODY[])", "UID FETCH 1 FULLEST", "UID FETCH 1 BODY[1.MIME]",
		"UID FETCH 1 (BODY.PEEK[] RFC822)", `UID FETCH 1 (BODY.PEEK[HEADER.FIELDS ("[")] BODY[])`, "UID FETCH 1 (BODY.PEEK[]BODY[])",
		"UID FETCH 1 (UID BODY[]) (CHANGEDSINCE 1)", "UID FETCH 1 (UID) (CHANGEDSINCE 1) (BODY[])", "UID FETCH 1 (UID) (CHANGEDSINCE 1 VANISHED)", "UID FETCH 1 BODY[] (CHANGEDSINCE 1)",
		"NOOP {3}", `EXAMINE {5+}`,
	}
	vet := func(line string) error {
		cmd, err := parseCommand([]byte("A1 " + line + "\r\n"))
		if err != nil {
			return err
		}
		return vetSource(cmd)
	}
	for _, l := range allowed {
		if err := vet(l); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
	for _, l := range refused {
		if vet(l) == nil {
			t.Errorf("%s may leave", l)
		}
	}
}

func TestParseCommandRefusesMoreThanOneLine(t *testing.T) {
	for _, l := range []string{"A NOOP\r\nB DELETE x\r\n", "A NOOP\nB DELETE x\r\n", "A NOOP\r", "A NOOP\x00\r\n", "A NOOP", "\r\n", "A\r\n", " NOOP\r\n"} {
		if c, err := parseCommand([]byte(l)); err == nil {
			t.Errorf("%q passed as %+v", l, c)
		}
	}
}

// Whatever is used to send it, a command that may change the source never
// leaves: the script would see it.
func TestSourceSendsNoOtherVerb(t *testing.T) {
	set := goimap.UIDSetNum(1)
	for name, send := range map[string]func(s *Source) error{
		"select":  func(s *Source) error { _, err := s.client.Select("x", nil).Wait(); return err },
		"create":  func(s *Source) error { return s.client.Create("x", nil).Wait() },
		"expunge": func(s *Source) error { return s.client.Expunge().Close() },
		"close":   func(s *Source) error { return s.client.UnselectAndExpunge().Wait() },
		"store": func(s *Source) error {
			return s.client.Store(set, &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Flags: []goimap.Flag{goimap.FlagSeen}}, nil).Close()
		},
		"copy": func(s *Source) error { _, err := s.client.Copy(set, "x").Wait(); return err },
		"fetch": func(s *Source) error {
			return s.client.Fetch(set, &goimap.FetchOptions{BodySection: []*goimap.FetchItemBodySection{{}}}).Close()
		},
		"append": func(s *Source) error {
			c := s.client.Append("x", 3, nil)
			fmt.Fprint(c, "abc")
			c.Close()
			_, err := c.Wait()
			return err
		},
		"literal": func(s *Source) error { return s.client.Subscribe("a\nb").Wait() },
		"door":    func(s *Source) error { _, err := s.exchange(t.Context(), `DELETE "x"`, nil); return err },
		"two lines": func(s *Source) error {
			_, err := s.exchange(t.Context(), "NOOP\r\nB9 DELETE x", nil)
			return err
		},
		"raw": func(s *Source) error { return s.c.writeRaw([]byte("B1 DELETE x\r\n"), true) },
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, "", func(p *peer) {
				if l := p.line(); !strings.HasSuffix(l, "LOGOUT") {
					t.Errorf("%q left", l)
				}
			})
			if err := send(s); err == nil {
				t.Error("no error")
			}
			if err := s.Err(); err != nil {
				wantError(t, err, KindRefused)
			}
		})
	}
}

func TestQuoteMailbox(t *testing.T) {
	for in, want := range map[string]string{"inbox": `"INBOX"`, `a"b\c`: `"a\"b\\c"`, "inbox/x": `"inbox/x"`} {
		if got := quoteMailbox(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
