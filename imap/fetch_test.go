package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func listed(t *testing.T, s *Source, first, last uint32) ([]Message, error) {
	t.Helper()
	var got []Message
	err := s.Messages(t.Context(), first, last, func(m Message) error {
		got = append(got, m)
		return nil
	})
	return got, err
}

func TestMessages(t *testing.T) {
	s := source(t, "", func(p *peer) {
		tag := p.expect(`UID FETCH 5:\* \(UID FLAGS INTERNALDATE RFC822.SIZE\)`)
		p.send(tag,
			`* 1 FETCH (UID 5 FLAGS (\Seen \Recent $Forwarded) INTERNALDATE " 7-Feb-2021 22:42:04 +0530" RFC822.SIZE 1234)`,
			`* 2 FETCH (RFC822.SIZE 0 INTERNALDATE "17-Jul-1996 02:44:25 -0700" FLAGS () UID 6)`, // UID last
			`* 99 EXISTS`, `* OK still here`, `* 3 FETCH (FLAGS (\Flagged))`, // unasked, and split
			`* 3 FETCH (UID 7 FLAGS (\Answered) RFC822.SIZE 7)`, `* 3 FETCH (INTERNALDATE "01-jan-99 00:00:00 +0000")`,
			`* 1 FETCH (UID 5 FLAGS (\Deleted))`, // an update of what was listed
			`* 4 FETCH (UID 8 FLAGS ([css3-page] "quoted flag" {4}`, `flag \ { café) INTERNALDATE NIL RFC822.SIZE -1)`,
			`* 5 FETCH (UID 9 FLAGS () INTERNALDATE "00-Jan-0000 00:00:00 +0000" RFC822.SIZE NIL MODSEQ (12) X-GM-LABELS ("a)b" c) ENVELOPE (NIL {3}`, `)"( ((a)) NIL))`,
			`* 5 FETCH (UID 9 FLAGS () INTERNALDATE "1-Jan-2000 00:00:00 +0000" RFC822.SIZE 1)`, // twice
			`* 6 FETCH (UID 4 FLAGS () INTERNALDATE "1-Jan-2000 00:00:00 +0000" RFC822.SIZE 1)`, // out of range: the last one
			`* 7 FETCH (UID 11 FLAGS ())`, `* 2 EXPUNGE`, `* 6 FETCH (INTERNALDATE " 1-JAN-2000 00:00:00 GMT" RFC822.SIZE 4294967296)`,
			`* 8 FETCH (UID 12 FLAGS (\Draft)`, `* 9 FETCH nonsense`, `* 10 FETCH (FLAGS (\Seen))`, ` BAD what`,
			`$ OK done`)
		p.bye()
	})
	got, err := listed(t, s, 5, 0)
	if err != nil {
		t.Fatal(err)
	}
	date := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := []Message{
		{UID: 5, Flags: []string{`\Seen`, "$Forwarded"}, InternalDate: date("2021-02-07T22:42:04+05:30"), DateText: "7-Feb-2021 22:42:04 +0530", Size: 1234},
		{UID: 6, InternalDate: date("1996-07-17T02:44:25-07:00"), DateText: "17-Jul-1996 02:44:25 -0700"},
		{UID: 7, Flags: []string{`\Answered`}, InternalDate: date("1999-01-01T00:00:00Z"), DateText: "01-jan-99 00:00:00 +0000", Size: 7},
		{UID: 8, Flags: []string{"[css3-page]", "quoted flag", "flag", `\`, "{", "café"}, Size: -1},
		{UID: 9, DateText: "00-Jan-0000 00:00:00 +0000", Size: -1},
		{UID: 11, InternalDate: date("2000-01-01T00:00:00Z"), DateText: "1-JAN-2000 00:00:00 GMT", Size: 4294967296},
		{UID: 12, Flags: []string{`\Draft`}, Size: -1},
	}
	if len(got) != len(want) {
		t.Errorf("got %d messages", len(got))
	}
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		_, gz := g.InternalDate.Zone()
		_, wz := w.InternalDate.Zone()
		if !g.InternalDate.Equal(w.InternalDate) || gz != wz {
			t.Errorf("UID %d: date %v, want %v", w.UID, g.InternalDate, w.InternalDate)
		}
		g.InternalDate, w.InternalDate = time.Time{}, time.Time{}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("got  %+v\nwant %+v", g, w)
		}
	}
	if r := s.Repairs(); r["unreadable FETCH"] != 2 || r["answer to no command"] != 1 {
		t.Errorf("repairs %v", r)
	}
}

func TestMessagesWithDigests(t *testing.T) {
	const sum = "0123456789abcdef0123456789ABCDEF01234567"
	s := target(t, "DIGEST=SHA1", func(p *peer) {
		p.answer(`UID FETCH 1:10 \(UID FLAGS INTERNALDATE RFC822.SIZE DIGEST.SHA1\)`,
			`* 1 FETCH (UID 1 FLAGS () INTERNALDATE "1-Jan-2000 00:00:00 +0000" RFC822.SIZE 1 DIGEST.SHA1 `+sum+`)`)
		p.answer(`UID FETCH 2:\* \(UID DIGEST.SHA1\)`, `* 2 FETCH (UID 2 DIGEST.SHA1 "`+sum+`")`, `* 3 FETCH (UID 3 DIGEST.SHA1 NIL)`)
		p.bye()
	})
	err := s.Messages(t.Context(), 0, 10, func(m Message) error {
		if !m.HasSHA1 || fmt.Sprintf("%x", m.SHA1) != strings.ToLower(sum) {
			t.Errorf("got %+v", m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = s.Digests(t.Context(), 2, 0, func(uid uint32, sha1 [20]byte) error {
		if n++; uid != 2 || fmt.Sprintf("%x", sha1) != strings.ToLower(sum) {
			t.Errorf("got %d %x", uid, sha1)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d digests, %v", n, err)
	}
}

func TestDigestsNeedTheExtension(t *testing.T) {
	s := target(t, "", func(p *peer) { p.bye() })
	wantError(t, s.Digests(t.Context(), 1, 0, nil), KindRefused)
}

func TestMessagesRefused(t *testing.T) {
	s := source(t, "", func(p *peer) {
		p.send(p.expect("UID FETCH .*"), "$ NO [UNAVAILABLE] later")
		p.answer("NOOP")
		p.bye()
	})
	_, err := listed(t, s, 1, 0)
	if e := wantError(t, err, KindNo); e.Code != "UNAVAILABLE" || e.Command != "UID FETCH" {
		t.Errorf("got %+v", e)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

// got gathers what Fetch gives.
type got map[uint32]string

func (g got) take(uid uint32, size int64, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if int64(len(b)) != size {
		return fmt.Errorf("UID %d: %d octets of %d", uid, len(b), size)
	}
	if _, ok := g[uid]; ok {
		return fmt.Errorf("UID %d twice", uid)
	}
	g[uid] = string(b)
	return nil
}

func TestFetchForms(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want got
	}{
		"literal":             {"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n", got{5: "abc"}},
		"UID after the body":  {"* 1 FETCH (BODY[] {3}\r\nabc UID 5)\r\n", got{5: "abc"}},
		"split, UID first":    {"* 1 FETCH (UID 5)\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\n", got{5: "abc"}},
		"split, UID last":     {"* 1 FETCH (BODY[] {3}\r\nabc)\r\n* 1 FETCH (UID 5)\r\n", got{5: "abc"}},
		"flags before":        {"* 1 FETCH (UID 5 FLAGS (\\Seen))\r\n* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n", got{5: "abc"}},
		"flags after":         {"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n* 1 FETCH (UID 5 FLAGS (\\Seen))\r\n", got{5: "abc"}},
		"literal8":            {"* 1 FETCH (UID 5 BODY[] ~{3}\r\na\x00c)\r\n", got{5: "a\x00c"}},
		"quoted":              {"* 1 FETCH (UID 5 BODY[] \"a\\\"c\")\r\n", got{5: `a"c`}},
		"quoted, UID after":   {"* 1 FETCH (BODY[] \"abc\" UID 5)\r\n", got{5: "abc"}},
		"empty literal":       {"* 1 FETCH (UID 5 BODY[] {0}\r\n)\r\n", got{5: ""}},
		"empty string":        {"* 1 FETCH (UID 5 BODY[] \"\")\r\n", got{5: ""}},
		"NIL":                 {"* 1 FETCH (UID 5 BODY[] NIL)\r\n", got{}},
		"nothing":             {"", got{}},
		"lower case":          {"* 1 fetch (uid 5 body[] {3}\r\nabc)\r\n", got{5: "abc"}},
		"a section besides":   {"* 1 FETCH (UID 5 BODY[HEADER.FIELDS (\"A B\")] {4}\r\nxx\r\n BODY[] {3}\r\nabc)\r\n", got{5: "abc"}},
		"other items":         {"* 1 FETCH (X-NEW (1 {2}\r\n() \"(\") UID 5 BODY[] {3}\r\nabc MODSEQ (3))\r\n", got{5: "abc"}},
		"looks like protocol": {"* 1 FETCH (UID 5 BODY[] {23}\r\n)\r\nB1 OK done\r\n* BYE {9)\r\n", got{5: ")\r\nB1 OK done\r\n* BYE {9"}},
		"twice":               {"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n* 1 FETCH (UID 5 BODY[] {3}\r\nxyz)\r\n", got{5: "abc"}},
		"not asked for":       {"* 9 FETCH (UID 99 BODY[] {3}\r\nxyz)\r\n* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n", got{5: "abc"}},
		"no UID ever":         {"* 1 FETCH (BODY[] {3}\r\nabc)\r\n", got{}},
		"expunge between":     {"* 2 FETCH (BODY[] {3}\r\nabc)\r\n* 1 EXPUNGE\r\n* 1 FETCH (UID 5)\r\n", got{5: "abc"}},
		"expunged itself":     {"* 1 FETCH (BODY[] {3}\r\nabc)\r\n* 1 EXPUNGE\r\n* 1 FETCH (UID 5)\r\n", got{}},
		"EXISTS, status":      {"* 5 EXISTS\r\n* NO heads up\r\n* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n* 4 RECENT\r\n", got{5: "abc"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, "", func(p *peer) {
				tag := p.expect(`UID FETCH 5 \(UID BODY.PEEK\[\]\)`)
				p.raw(c.raw + tag + " OK done\r\n")
				p.answer("NOOP")
				p.bye()
			})
			g := got{}
			if err := s.Fetch(t.Context(), []uint32{5}, g.take); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(g, c.want) {
				t.Errorf("got %v, want %v", g, c.want)
			}
			if err := s.Noop(t.Context()); err != nil {
				t.Errorf("out of step: %v", err)
			}
		})
	}
}

// At any cut, the session ends in an error and no short body passes.
func TestFetchTornAnywhere(t *testing.T) {
	const whole = "* 1 FETCH (UID 5 BODY[] {10}\r\n0123456789)\r\nB4 OK done\r\n"
	for cut := range len(whole) {
		s := source(t, "", func(p *peer) {
			p.expect("UID FETCH .*")
			p.raw(whole[:cut])
		})
		g := got{}
		err := s.Fetch(t.Context(), []uint32{5}, func(uid uint32, size int64, body io.Reader) error {
			var b bytes.Buffer
			n, err := io.Copy(&b, body)
			if err == nil && n != size {
				t.Errorf("cut at %d: %d octets of %d without an error", cut, n, size)
			}
			g[uid] = b.String()
			return nil // even a caller that forgets the error gets it from Fetch
		})
		wantError(t, err, KindClosed)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
		wantError(t, s.Err(), KindClosed)
	}
}

func TestFetchPipelinesChunks(t *testing.T) {
	uids := make([]uint32, 250)
	for i := range uids {
		uids[i] = uint32(2*i + 1)
	}
	s := source(t, "", func(p *peer) {
		var tags []string
		next := func() { tags = append(tags, p.expect("UID FETCH 1,3.*|UID FETCH 201.*|UID FETCH 401.*")) }
		next()
		next() // the second is out before the first is answered
		for i := range 3 {
			for _, u := range uids[i*100 : min(i*100+100, len(uids))] {
				p.raw(fmt.Sprintf("* %d FETCH (UID %d BODY[] {4}\r\n%04d)\r\n", u, u, u))
			}
			p.send(tags[i], "$ OK done")
			if i == 0 {
				next()
			}
		}
		p.bye()
	})
	g := got{}
	if err := s.Fetch(t.Context(), uids, g.take); err != nil {
		t.Fatal(err)
	}
	for _, u := range uids {
		if g[u] != fmt.Sprintf("%04d", u) {
			t.Fatalf("UID %d: %q", u, g[u])
		}
	}
}

func TestFetchGoesOnAfterARefusedChunk(t *testing.T) {
	uids := make([]uint32, 150)
	for i := range uids {
		uids[i] = uint32(i + 1)
	}
	s := source(t, "", func(p *peer) {
		first := p.expect("UID FETCH 1:100 .*")
		second := p.expect("UID FETCH 101:150 .*")
		p.send(second, "$ BAD overtakes") // as BlueMind 5 may
		p.raw("* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n")
		p.send(first, "$ NO [SERVERBUG] message 2 is broken")
		p.answer("NOOP")
		p.bye()
	})
	g := got{}
	err := s.Fetch(t.Context(), uids, g.take)
	if e := wantError(t, err, KindNo); e.Code != "SERVERBUG" || len(g) != 1 {
		t.Errorf("got %+v, %v", e, g)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFetchConsumerGivesUp(t *testing.T) {
	why := errors.New("disk full")
	s := source(t, "", func(p *peer) {
		p.expect("UID FETCH .*")
		p.raw("* 1 FETCH (UID 5 BODY[] {1000000}\r\n" + strings.Repeat("x", 500_000))
		p.eof()
	})
	err := s.Fetch(t.Context(), []uint32{5}, func(uint32, int64, io.Reader) error { return why })
	if err != why {
		t.Errorf("got %v", err)
	}
	wantError(t, s.Noop(t.Context()), KindClosed)
}

func TestFetchConsumerMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := scripted(t, func(p *peer) {
			p.login("")
			tag := p.expect("UID FETCH .*")
			p.raw("* 1 FETCH (UID 5 BODY[] {10}\r\n01234")
			time.Sleep(50 * time.Second)
			p.raw("56789)\r\n" + tag + " OK done\r\n")
			p.bye()
		})
		opts.Idle = time.Minute
		s, err := DialSource(t.Context(), plainServer, testLogin, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		err = s.Fetch(t.Context(), []uint32{5}, func(uid uint32, size int64, body io.Reader) error {
			if _, err := io.ReadFull(body, make([]byte, 5)); err != nil {
				return err
			}
			time.Sleep(time.Hour) // a throttled target
			_, err := io.ReadFull(body, make([]byte, 5))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestFetchStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := scripted(t, func(p *peer) {
			p.login("")
			p.expect("UID FETCH .*")
			p.raw("* 1 FETCH (UID 5 BODY[] {10}\r\n01234")
			p.eof()
		})
		opts.Idle = time.Minute
		s, err := DialSource(t.Context(), plainServer, testLogin, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		start := time.Now()
		err = s.Fetch(t.Context(), []uint32{5}, got{}.take)
		if e := wantError(t, err, KindTimeout); !errors.Is(err, os.ErrDeadlineExceeded) || e.Command != "UID FETCH" {
			t.Errorf("got %+v", e)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("after %v", d)
		}
	})
}

func TestFetchEndOfContext(t *testing.T) {
	why := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := source(t, "", func(p *peer) {
		p.expect("UID FETCH .*")
		p.raw("* 1 FETCH (UID 5 BODY[] {10}\r\n01234")
		cancel(why)
		p.eof()
	})
	err := s.Fetch(ctx, []uint32{5}, got{}.take)
	if wantError(t, err, KindInterrupted); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestParseDate(t *testing.T) {
	for in, want := range map[string]string{
		" 7-Feb-2021 22:42:04 +0100": "2021-02-07T22:42:04+01:00",
		"07-FEB-2021 22:42:04 +0000": "2021-02-07T22:42:04Z",
		"7-feb-70 22:42:04 -1130":    "1970-02-07T22:42:04-11:30",
		"7-Feb-21 22:42:04 UTC":      "2021-02-07T22:42:04Z",
		"31-Dec-2099 23:59:59 +1400": "2099-12-31T23:59:59+14:00",
		"29-Feb-2021 00:00:00 +0000": "0001-01-01T00:00:00Z",
		"00-Jan-0000 00:00:00 +0000": "0001-01-01T00:00:00Z",
		"7-Feb-2021 22:42:04":        "0001-01-01T00:00:00Z",
		"7-Feb-2021 22:42:04 +2400":  "2021-02-06T22:42:04Z",
		"7-Feb-2021 22:42:04 -2360":  "2021-02-08T22:42:04Z",
		"yesterday":                  "0001-01-01T00:00:00Z",
		"":                           "0001-01-01T00:00:00Z",
	} {
		if got := parseDate(in).Format(time.RFC3339); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestUIDSeen(t *testing.T) {
	s := uidSeen{}
	for _, u := range []uint32{1, 63, 64, 4095, 4096, 4294967295} {
		if s.has(u) || !s.add(u) || s.add(u) || !s.has(u) {
			t.Errorf("%d", u)
		}
	}
	if slices.Contains([]bool{s.has(2), s.has(65), s.has(4294967294)}, true) {
		t.Error("more than was added")
	}
}
