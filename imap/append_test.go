package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// letter is a message to append.
func letter(body string, flags ...string) Append {
	return Append{
		Flags: flags, InternalDate: time.Date(2021, 2, 7, 22, 42, 4, 0, time.FixedZone("", 3600)),
		Size: int64(len(body)), Body: strings.NewReader(body),
	}
}

const stamp = `" 7-Feb-2021 22:42:04 +0100"`

// appended reads a command with one literal and gives its tag and body. A
// synchronising literal gets its consent.
func (p *peer) appended(want string, size int) (tag, body string) {
	tag, got, _ := strings.Cut(p.line(), " ")
	if got != want {
		panic(fmt.Sprintf("got %q, want %q", got, want))
	}
	if !strings.HasSuffix(want, "+}") {
		p.send(tag, "+ go")
	}
	body = p.octets(size)
	return tag, body
}

func (p *peer) crlf() {
	if l := p.line(); l != "" {
		panic("got " + l + " after the literal")
	}
}

func appender(t *testing.T, s *Target, name string) *Appender {
	t.Helper()
	a, err := s.Appender(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestAppendPipelined(t *testing.T) {
	const sum = "0123456789abcdef0123456789abcdef01234567"
	s := target(t, "LITERAL+ UIDPLUS", func(p *peer) {
		tag1, body := p.appended(`APPEND "R&-D/\"x\"" (\Seen $Forwarded) `+stamp+` {3+}`, 3)
		if body != "abc" {
			panic(body)
		}
		p.crlf()
		tag2, _ := p.appended(`APPEND "R&-D/\"x\"" () {4+}`, 4)
		p.crlf()
		tag3, _ := p.appended(`APPEND "R&-D/\"x\"" ([css3-page]) `+stamp+` {0+}`, 0)
		p.crlf()
		p.send(tag2, "$ BAD [TOOBIG] no") // out of order
		p.send(tag1, "* 1 EXISTS", "$ OK [APPENDUID 38505 3955] APPEND completed "+sum)
		p.send(tag3, " BAD Missing analyzer", "$ NO Rejected")
		p.answer("NOOP")
		p.bye()
	})
	a := appender(t, s, `R&D/"x"`)
	batch := []Append{letter("abc", `\Seen`, `\Recent`, "$Forwarded"), letter("defg"), letter("", "[css3-page]")}
	batch[1].InternalDate = time.Time{}
	if err := a.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	res, err := a.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := res[0]; r.Err != nil || r.UIDValidity != 38505 || r.UID != 3955 || !r.HasSHA1 || fmt.Sprintf("%x", r.SHA1) != sum {
		t.Errorf("got %+v", r)
	}
	if e := wantError(t, res[1].Err, KindBad); e.Code != "TOOBIG" || e.Command != "APPEND" || res[1].Unknown {
		t.Errorf("got %+v", res[1])
	}
	wantError(t, res[2].Err, KindNo)
	wantError(t, s.Noop(t.Context()), KindRefused) // the appender holds the session
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAppendSynchronisingRefusalCostsNoUpload(t *testing.T) {
	for _, caps := range []string{"LITERAL+", ""} {
		s := target(t, caps, func(p *peer) {
			mark := "+"
			if caps == "" {
				mark = ""
			}
			tag1, _ := p.appended(`APPEND "INBOX" () `+stamp+` {10`+mark+`}`, 10)
			p.crlf()
			tag2 := p.expect(`APPEND "INBOX" \(\) ` + stamp2 + ` \{11\}`)
			p.send(tag1, "$ OK [APPENDUID 1 7] done") // while the second waits
			p.send(tag2, "$ NO [OVERQUOTA] full")
			tag3, _ := p.appended(`APPEND "INBOX" () `+stamp+` {12}`, 12)
			p.crlf()
			p.send(tag3, "$ OK [APPENDUID 1 8] done")
			p.bye()
		})
		s.opts.SyncAbove = 10
		a := appender(t, s, "Inbox")
		err := a.Send(t.Context(), []Append{letter("0123456789"), letter("0123456789a"), letter("0123456789ab")})
		if err != nil {
			t.Fatal(err)
		}
		res, err := a.Receive(t.Context())
		if err != nil || res[0].UID != 7 || res[2].UID != 8 {
			t.Fatalf("got %+v, %v", res, err)
		}
		if e := wantError(t, res[1].Err, KindNo); e.Code != "OVERQUOTA" {
			t.Errorf("got %+v", e)
		}
		a.Close()
		s.Close()
	}
}

var stamp2 = strings.ReplaceAll(stamp, "+", `\+`)

func TestAppendLiteralMinus(t *testing.T) {
	s := target(t, "LITERAL-", func(p *peer) {
		for _, want := range []string{"{4096+}", "{4097}"} {
			size := 4096
			if want == "{4097}" {
				size++
			}
			tag, _ := p.appended(`APPEND "x" () `+stamp+` `+want, size)
			p.crlf()
			p.send(tag, "$ OK done")
		}
		p.bye()
	})
	a := appender(t, s, "x")
	if err := a.Send(t.Context(), []Append{letter(strings.Repeat("x", 4096)), letter(strings.Repeat("x", 4097))}); err != nil {
		t.Fatal(err)
	}
	if res, err := a.Receive(t.Context()); err != nil || res[0].Err != nil || res[1].Err != nil || res[0].UID != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
	a.Close()
}

func TestAppendImpossibleMessagesAreNotSent(t *testing.T) {
	s := target(t, "LITERAL+ MULTIAPPEND", func(p *peer) {
		tag, _ := p.appended(`APPEND "x" (\Seen) `+stamp+` {3+}`, 3)
		p.crlf()
		p.send(tag, "$ OK [APPENDUID 1 2] done")
		p.bye()
	})
	a := appender(t, s, "x")
	late := letter("abc")
	late.InternalDate = time.Date(12021, 1, 1, 0, 0, 0, 0, time.UTC)
	err := a.Send(t.Context(), []Append{letter("abc", "two words"), letter("abc", `\Seen`), letter("abc", "caf\u00e9"), late, letter("abc", `a"b`), letter("abc", "")})
	if err != nil {
		t.Fatal(err)
	}
	res, err := a.Receive(t.Context())
	if err != nil || res[1].UID != 2 {
		t.Fatalf("got %+v, %v", res, err)
	}
	for _, i := range []int{0, 2, 3, 4, 5} {
		if wantError(t, res[i].Err, KindRefused); res[i].Unknown {
			t.Errorf("%d is unknown", i)
		}
	}
	a.Close()
}

func TestMultiAppend(t *testing.T) {
	for name, c := range map[string]struct {
		answer  string
		uids    []uint32
		refused bool
	}{
		"range":        {"OK [APPENDUID 5 10:12] done", []uint32{10, 11, 12}, false},
		"set":          {"OK [APPENDUID 5 3,7:8] done", []uint32{3, 7, 8}, false},
		"wrong count":  {"OK [APPENDUID 5 3:4] done", []uint32{0, 0, 0}, false},
		"no APPENDUID": {"OK done", []uint32{0, 0, 0}, false},
		"refused":      {"NO Message contains NUL characters", []uint32{0, 0, 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := target(t, "LITERAL+ MULTIAPPEND", func(p *peer) {
				tag, _ := p.appended(`APPEND "x" (\Seen) `+stamp+` {3+}`, 3)
				if l := p.line(); l != ` () `+stamp+` {4+}` {
					panic(l)
				}
				p.octets(4)
				if l := p.line(); l != ` () `+stamp+` {5}` {
					panic(l)
				}
				p.send(tag, "+ go")
				p.octets(5)
				p.crlf()
				p.send(tag, "$ "+c.answer)
				p.bye()
			})
			s.opts.SyncAbove = 4
			a := appender(t, s, "x")
			if !a.Multi() {
				t.Error("not multi")
			}
			if err := a.Send(t.Context(), []Append{letter("abc", `\Seen`), letter("abcd"), letter("abcde")}); err != nil {
				t.Fatal(err)
			}
			res, err := a.Receive(t.Context())
			if err != nil || len(res) != 3 {
				t.Fatalf("got %+v, %v", res, err)
			}
			for i, r := range res {
				if r.UID != c.uids[i] || (r.Err != nil) != c.refused || r.Err != res[0].Err {
					t.Errorf("%d: got %+v", i, r)
				}
			}
			a.Close()
		})
	}
}

func TestMultiAppendRefusedInTheMiddle(t *testing.T) {
	s := target(t, "MULTIAPPEND", func(p *peer) {
		tag, _ := p.appended(`APPEND "x" () `+stamp+` {3}`, 3)
		p.line()
		p.send(tag, "$ NO [OVERQUOTA] full")
		p.answer("NOOP")
		p.bye()
	})
	a := appender(t, s, "x")
	if err := a.Send(t.Context(), []Append{letter("abc"), letter("abcd"), letter("abcde")}); err != nil {
		t.Fatal(err)
	}
	res, err := a.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res {
		wantError(t, r.Err, KindNo)
	}
	a.Close()
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

// What was answered counts; what had left as a whole is unknown; the rest is
// not stored. The reason that the server gave before it hung up is told.
func TestAppendAlertAndHangUp(t *testing.T) {
	s := target(t, "LITERAL+", func(p *peer) {
		tag, _ := p.appended(`APPEND "x" () `+stamp+` {3+}`, 3)
		p.crlf()
		p.appended(`APPEND "x" () `+stamp+` {4+}`, 4)
		p.crlf()
		p.send(tag, "$ OK [APPENDUID 1 2] done")
		p.expect(`APPEND "x" \(\) .* \{11\}`)
		p.send("", "* ALERT too much data (11 > 10)")
	})
	s.opts.SyncAbove = 10
	a := appender(t, s, "x")
	err := a.Send(t.Context(), []Append{letter("abc"), letter("abcd"), letter("0123456789a"), letter("e")})
	if e := wantError(t, err, KindClosed); e.Alert != "too much data (11 > 10)" {
		t.Errorf("got %+v", e)
	}
	res, err := a.Receive(t.Context())
	wantError(t, err, KindClosed)
	if res[0].UID != 2 || res[0].Err != nil {
		t.Errorf("answered: %+v", res[0])
	}
	for i, unknown := range []bool{false, true, false, false} {
		if res[i].Unknown != unknown {
			t.Errorf("%d: unknown %v", i, res[i].Unknown)
		}
	}
	for _, r := range res[1:] {
		if e := wantError(t, r.Err, KindClosed); e.Alert == "" {
			t.Errorf("got %+v", e)
		}
	}
	wantError(t, a.Close(), KindClosed)
	if _, err := a.Receive(t.Context()); err == nil {
		t.Error("one more batch")
	}
}

// The server hangs up while we write; its reason arrives all the same.
func TestAppendHangUpWhileWriting(t *testing.T) {
	s := target(t, "LITERAL+", func(p *peer) {
		p.line()
		p.octets(1000)
		p.send("", "* BYE over and out")
	})
	s.opts.SyncAbove = 10 << 20
	a := appender(t, s, "x")
	err := a.Send(t.Context(), []Append{letter(strings.Repeat("x", 5<<20))})
	if e := wantError(t, err, KindBye); e.Text != "over and out" {
		t.Errorf("got %+v", e)
	}
	res, err := a.Receive(t.Context())
	if wantError(t, err, KindBye); res[0].Unknown {
		t.Error("half a message may be stored")
	}
}

func TestAppendShortBody(t *testing.T) {
	s := target(t, "LITERAL+", func(p *peer) { p.eof() })
	a := appender(t, s, "x")
	m := letter("abc")
	m.Size = 5
	if err := a.Send(t.Context(), []Append{m}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if res, err := a.Receive(t.Context()); err == nil || res[0].Err == nil || res[0].Unknown {
		t.Errorf("got %+v, %v", res, err)
	}
	wantError(t, s.Err(), KindClosed)
}

// The server doesn't read on before it got rid of its answers.
func TestAppendAnswersPileUp(t *testing.T) {
	const n = 200
	s := target(t, "LITERAL+", func(p *peer) {
		for i := range n {
			tag, _ := p.appended(`APPEND "x" () `+stamp+` {1000+}`, 1000)
			p.crlf()
			p.send(tag, fmt.Sprintf("$ OK [APPENDUID 1 %d] %s", i+1, strings.Repeat("x", 1000))) // waits for a reader
		}
		p.bye()
	})
	a := appender(t, s, "x")
	for range n / 20 {
		if err := a.Send(t.Context(), slices.Repeat([]Append{letter(strings.Repeat("y", 1000))}, 20)); err != nil {
			t.Fatal(err)
		}
	}
	var uid uint32
	for range n / 20 {
		res, err := a.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res {
			if uid++; r.UID != uid {
				t.Fatalf("UID %d, want %d", r.UID, uid)
			}
		}
	}
	a.Close()
}

func TestAppendReceiveInItsOwnGoroutine(t *testing.T) {
	s := target(t, "LITERAL+", func(p *peer) {
		for i := range 30 {
			tag, _ := p.appended(`APPEND "x" () `+stamp+` {3+}`, 3)
			p.crlf()
			p.send(tag, fmt.Sprintf("$ OK [APPENDUID 1 %d] done", i+1))
		}
		p.bye()
	})
	a := appender(t, s, "x")
	done := make(chan error)
	go func() {
		for i := range 30 {
			res, err := a.Receive(t.Context())
			if err != nil || res[0].UID != uint32(i+1) {
				done <- fmt.Errorf("got %+v, %w", res, err)
				return
			}
		}
		done <- nil
	}()
	for range 30 {
		if err := a.Send(t.Context(), []Append{letter("abc")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	a.Close()
}

// A server that reads slowly, as BlueMind 5 throttled, is not dead; one that
// reads nothing for Idle is.
func TestAppendProgressCounts(t *testing.T) {
	for _, pieces := range []int{16, 3} {
		synctest.Test(t, func(t *testing.T) {
			opts := scripted(t, func(p *peer) {
				p.login("LITERAL+")
				tag, _, _ := strings.Cut(p.line(), " ")
				for range pieces {
					p.octets(64 << 10)
					time.Sleep(50 * time.Second)
				}
				if pieces < 16 {
					time.Sleep(time.Hour)
					return
				}
				p.crlf()
				p.send(tag, "$ OK [APPENDUID 1 2] done")
				p.bye()
			})
			opts.Idle, opts.SyncAbove = time.Minute, 10<<20
			s, err := DialTarget(t.Context(), plainServer, testToken, opts)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			a, err := s.Appender(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			err = a.Send(t.Context(), []Append{letter(strings.Repeat("x", 1<<20))})
			if pieces < 16 {
				if wantError(t, err, KindTimeout); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if res, err := a.Receive(t.Context()); err != nil || res[0].UID != 2 {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
}

func TestAppendEndOfContext(t *testing.T) {
	why := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := target(t, "LITERAL+", func(p *peer) {
		p.appended(`APPEND "x" () `+stamp+` {3+}`, 3)
		p.crlf()
		cancel(why)
		p.eof()
	})
	a := appender(t, s, "x")
	if err := a.Send(ctx, []Append{letter("abc")}); err != nil && !errors.Is(err, why) {
		t.Fatal(err)
	}
	res, err := a.Receive(ctx)
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if len(res) > 0 && !res[0].Unknown {
		t.Errorf("got %+v", res)
	}
}

func TestAppenderNamesCantBreakOut(t *testing.T) {
	s := target(t, "", func(p *peer) { p.bye() })
	s.names.Store("odd", "a\r\nb")
	_, err := s.Appender(t.Context(), "odd")
	wantError(t, err, KindRefused)
}

func TestAppendLeavesTheMailboxThatItFills(t *testing.T) {
	for _, test := range []struct{ name, caps, open, fill, verb string }{
		{"BlueMind 5", "LITERAL+ UIDPLUS BM-ROCKS", "INBOX", "inbox", "CLOSE"},
		{"Cyrus", "LITERAL+ UIDPLUS UNSELECT", "INBOX", "INBOX", "UNSELECT"},
		{"another mailbox is open", "LITERAL+ UIDPLUS BM-ROCKS", "Sent", "INBOX", ""},
		{"CLOSE would expunge", "LITERAL+ UIDPLUS", "INBOX", "INBOX", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := target(t, test.caps, func(p *peer) {
				tag, got, _ := strings.Cut(p.line(), " ")
				if got != `SELECT "`+test.open+`"` {
					panic(got)
				}
				p.send(tag, "* 1 EXISTS", "$ OK done")
				p.answer(`UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)`)
				for range 2 {
					if test.verb != "" {
						left := p.expect(test.verb)
						test.verb = ""
						p.send(left, "$ OK done")
					}
					appended, _ := p.appended(`APPEND "INBOX" () `+stamp+` {3+}`, 3)
					p.crlf()
					p.send(appended, "$ OK [APPENDUID 1 2] done")
				}
				p.answer("NOOP")
				p.bye()
			})
			if _, err := s.messagesIn(t.Context(), test.open, 1, 0, func(Message) error { return nil }); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				a := appender(t, s, test.fill)
				if err := a.Send(t.Context(), []Append{letter("abc")}); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Receive(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Noop(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
