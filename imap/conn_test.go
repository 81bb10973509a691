package imap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdleSessionHasNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := scripted(t, func(p *peer) {
			p.login("")
			tag := p.expect("NOOP")
			time.Sleep(59 * time.Second)
			p.send("", "* 5 EXISTS") // progress
			time.Sleep(59 * time.Second)
			p.send(tag, "$ OK done")
			p.expect("NOOP")
			p.eof()
		})
		opts.Idle = time.Minute
		s, err := DialSource(t.Context(), plainServer, testLogin, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(24 * time.Hour)
		if err := s.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		e := wantError(t, s.Noop(t.Context()), KindTimeout)
		if d := time.Since(start); d != time.Minute || e.Command != "NOOP" {
			t.Errorf("after %v: %+v", d, e)
		}
		if again := wantError(t, s.Noop(t.Context()), KindTimeout); again != e {
			t.Errorf("not the first error: %v", again)
		}
	})
}

func TestSilentByeKeepsItsText(t *testing.T) {
	s := source(t, "", func(p *peer) {
		p.expect("NOOP")
		p.send("", "* BYE [UNAVAILABLE] shutting down")
	})
	e := wantError(t, s.Noop(t.Context()), KindBye)
	if e.Text != "shutting down" || !errors.Is(e, io.ErrUnexpectedEOF) {
		t.Errorf("got %+v", e)
	}
}

func TestHangUpWhileIdle(t *testing.T) {
	s := source(t, "", func(p *peer) { p.send("", "* BYE idle for too long") })
	<-s.client.Closed()
	wantError(t, s.Err(), KindBye)
	_, err := s.List(t.Context())
	wantError(t, err, KindBye)
}

func TestEndOfContext(t *testing.T) {
	why := errors.New("stop")
	for name, run := range map[string]func(ctx context.Context, s *Source) error{
		"go-imap": func(ctx context.Context, s *Source) error { return s.Noop(ctx) },
		"door":    func(ctx context.Context, s *Source) error { _, err := s.List(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := source(t, "", func(p *peer) {
				p.line()
				cancel(why)
				p.eof()
			})
			if err := run(ctx, s); !errors.Is(err, why) {
				t.Errorf("got %v", err)
			}
			wantError(t, s.Err(), KindInterrupted)
		})
	}
}

func TestContextThatEndedBeforeLeavesTheSessionAlone(t *testing.T) {
	s := source(t, "", func(p *peer) {
		p.answer("NOOP")
		p.bye()
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, s.Noop(ctx), KindInterrupted)
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUnknownAnswerEndsTheSession(t *testing.T) {
	s := source(t, "", func(p *peer) {
		p.send(p.expect(`LIST .*`), "$ MAYBE later")
		p.eof()
	})
	_, err := s.List(t.Context())
	wantError(t, err, KindProtocol)
}

func TestEndlessLine(t *testing.T) {
	s := source(t, "", func(p *peer) {
		p.expect(`LIST .*`)
		for {
			p.raw(strings.Repeat("x", 64<<10))
		}
	})
	_, err := s.List(t.Context())
	wantError(t, err, KindProtocol)
}

func TestLongLineIsRead(t *testing.T) {
	flags := strings.Repeat("keyword ", 100_000)
	s := source(t, "", func(p *peer) {
		p.answer("UID FETCH .*", `* 1 FETCH (UID 1 FLAGS (`+flags+`) INTERNALDATE NIL RFC822.SIZE 1)`)
		p.bye()
	})
	got, err := listed(t, s, 1, 0)
	if err != nil || len(got) != 1 || len(got[0].Flags) != 100_000 {
		t.Errorf("%d messages, %v", len(got), err)
	}
}

func TestFailureIsLoggedWithoutSecrets(t *testing.T) {
	var out bytes.Buffer
	opts := scripted(t, func(p *peer) {
		p.send("", "* OK hello s3cret")
		p.answer("CAPABILITY", capsOld)
		p.answer("LOGIN .*", "* OK [ALERT] your password s3cret is weak")
		p.answer("CAPABILITY", capsOld)
		p.expect("NOOP")
	})
	opts.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := DialSource(t.Context(), plainServer, testLogin, opts)
	if err != nil {
		t.Fatal(err)
	}
	e := wantError(t, s.Noop(t.Context()), KindClosed)
	s.Close()
	if !strings.Contains(e.Alert, "your password *** is weak") {
		t.Errorf("got %+v", e)
	}
	log := out.String()
	if strings.Contains(log, "s3cret") || !strings.Contains(log, "LOGIN ***") || !strings.Contains(log, "NOOP") {
		t.Errorf("log: %s", log)
	}
}

func TestCloseWithoutAnAnswerIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
			p.login("")
			p.eof()
		}))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != logoutLimit {
			t.Errorf("took %v", d)
		}
	})
}

func TestCloseEndsACommandUnderWay(t *testing.T) {
	started := make(chan struct{})
	s := source(t, "", func(p *peer) {
		p.expect("UID FETCH .*")
		p.raw("* 1 FETCH (UID 5 BODY[] {10}\r\n01234")
		close(started)
		p.eof()
	})
	done := make(chan error)
	go func() { done <- s.Fetch(t.Context(), []uint32{5}, got{}.take) }()
	<-started
	s.Close()
	wantError(t, <-done, KindClosed)
}

// No goroutine outlives its session, however that ended.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		t.Run("session", func(t *testing.T) {
			s := source(t, "", func(p *peer) {
				p.answer("NOOP")
				p.bye()
			})
			s.Noop(t.Context())
			s.Close()
			ctx, cancel := context.WithCancel(t.Context())
			s = source(t, "", func(p *peer) {
				p.expect("UID FETCH .*")
				p.raw("* 1 FETCH (UID 5 BODY[] {10}\r\n01234")
				cancel()
				p.eof()
			})
			s.Fetch(ctx, []uint32{5, 7, 9}, got{}.take)
			s.Close()
			tgt := target(t, "LITERAL+", func(p *peer) { p.octets(50) })
			a, err := tgt.Appender(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			a.Send(t.Context(), []Append{letter(strings.Repeat("x", 1000))})
			a.Close()
			tgt.Close()
			if _, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) { p.send("", "* BYE no") })); err == nil {
				t.Error("no error")
			}
		})
	}
	for range 100 { // timers and closed pipes need a moment
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

func TestTraceKeepsTheLastLines(t *testing.T) {
	var tr trace
	for range 1000 {
		tr.add('S', []byte("* 1 FETCH (FLAGS ())"))
	}
	tr.add('C', bytes.Repeat([]byte("x"), 5000))
	tr.add('S', []byte("the last"))
	s := tr.String()
	if len(s) > traceSize || !strings.HasSuffix(s, "...\nS: the last\n") || !strings.HasPrefix(s, "S: * 1 FETCH (FLAGS ())\n") {
		t.Errorf("%q", s)
	}
}
