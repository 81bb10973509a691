package imaptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Script is a transcript of a conversation, of which one side can be played
// against a real peer. It is written a step a line; blanks in front, empty
// lines and lines that begin with "--" don't count:
//
//	S: * OK ready           the server sends this line
//	C: $1 LOGIN ada pw      the client sends this line; its tag becomes $1
//	C~ $2 UID FETCH .*      a line that matches all of an expression
//	S= "* 1 FETCH (BODY[] {5}\r\nab"   octets, as a Go string, no line end
//	C# 120                  so many octets, whatever they are
//	S! close                the connection ends
//	S! stall                nothing more comes until the other side closes
//	S! wait 20ms            time passes
//
// A side that plays sends its own steps and checks the other's. A tag "$x" that
// has not been seen is taken as it comes, or sent as "x".
type Script struct{ steps []step }

type step struct {
	number int // of the line in the text
	side   byte
	kind   byte // ':' '~' '=' '#' '!'
	text   string
	size   int
	wait   time.Duration
}

// ParseScript reads a transcript.
func ParseScript(text string) (*Script, error) {
	s := &Script{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimLeft(line, " \t")
		if line == "" || strings.HasPrefix(line, "--") {
			continue
		}
		st, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("script line %d: %w", i+1, err)
		}
		st.number = i + 1
		s.steps = append(s.steps, st)
	}
	return s, nil
}

func parseStep(line string) (step, error) {
	if len(line) < 3 || line[0] != 'C' && line[0] != 'S' || line[2] != ' ' {
		return step{}, fmt.Errorf("%q does not begin with a side and a kind", line)
	}
	st := step{side: line[0], kind: line[1], text: line[3:]}
	var err error
	switch st.kind {
	case ':':
	case '~':
		_, err = regexp.Compile(st.text)
	case '=':
		st.text, err = strconv.Unquote(st.text)
	case '#':
		st.size, err = strconv.Atoi(st.text)
	case '!':
		if text, isWait := strings.CutPrefix(st.text, "wait "); isWait {
			st.wait, err = time.ParseDuration(text)
		} else if st.text != "close" && st.text != "stall" {
			err = fmt.Errorf("%q is no action", st.text)
		}
	default:
		err = fmt.Errorf("%q is no kind", string(st.kind))
	}
	return st, err
}

// Mismatch is the first step of a script that went otherwise.
type Mismatch struct {
	Line      int // of the script
	Want, Got string
}

// Error tells both.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("script line %d: want %q, got %q", m.Line, m.Want, m.Got)
}

// Side is who plays.
type Side byte

// The sides.
const (
	ClientSide Side = 'C'
	ServerSide Side = 'S'
)

// Play plays one side on a connection and closes it at the end of the script.
// It returns a *Mismatch for what the other side did wrong.
func (s *Script) Play(ctx context.Context, conn net.Conn, side Side) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := &player{conn: conn, in: bufio.NewReader(conn), side: byte(side), tags: map[string]string{}}
	for _, st := range s.steps {
		if err := p.play(ctx, st); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	return nil
}

// Pipe plays the server on one end of a net.Pipe and returns the other. Wait
// returns what Play does.
func (s *Script) Pipe(ctx context.Context) (client net.Conn, wait func() error) {
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.Play(ctx, server, ServerSide) }()
	return client, sync.OnceValue(func() error { return <-done })
}

// ListenScripts plays servers on a loopback port, to one connection after the
// other. Wait returns when all have been played or one went otherwise; after
// that, or when ctx ends, nobody listens.
func ListenScripts(ctx context.Context, scripts ...*Script) (addr string, wait func() error, err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	done := make(chan error, 1)
	go func() {
		defer ln.Close()
		stop := context.AfterFunc(ctx, func() { ln.Close() })
		defer stop()
		done <- playEach(ctx, ln, scripts)
	}()
	return ln.Addr().String(), sync.OnceValue(func() error { return <-done }), nil
}

func playEach(ctx context.Context, ln net.Listener, scripts []*Script) error {
	for i, s := range scripts {
		conn, err := ln.Accept()
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if err := s.Play(ctx, conn, ServerSide); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	return nil
}

type player struct {
	conn net.Conn
	in   *bufio.Reader
	side byte
	tags map[string]string
}

func (p *player) play(ctx context.Context, st step) error {
	if st.kind == '!' {
		return p.act(ctx, st)
	}
	if st.side == p.side {
		return p.send(st)
	}
	return p.expect(st)
}

func (p *player) act(ctx context.Context, st step) error {
	mine := st.side == p.side
	switch {
	case st.wait > 0 && mine:
		t := time.NewTimer(st.wait)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	case st.text == "close" && mine:
		return p.conn.Close()
	case st.text == "stall" && mine: // until the other side closes
		io.Copy(io.Discard, p.in)
	case st.text == "close":
		if got, err := p.in.ReadString('\n'); err == nil || got != "" {
			return &Mismatch{st.number, "the end of the connection", got}
		}
	}
	return nil
}

func (p *player) send(st step) error {
	if st.kind == '~' || st.kind == '#' {
		return fmt.Errorf("script line %d: only the other side's octets may be left open", st.number)
	}
	text := st.text
	if tag, rest := cutTag(text); tag != "" {
		if p.tags[tag] == "" {
			p.tags[tag] = tag
		}
		text = p.tags[tag] + rest
	}
	if st.kind == ':' {
		text += "\r\n"
	}
	if _, err := io.WriteString(p.conn, text); err != nil {
		return fmt.Errorf("script line %d: %w", st.number, err)
	}
	return nil
}

// cutTag parts "$1 NOOP" into "1" and " NOOP".
func cutTag(text string) (tag, rest string) {
	if !strings.HasPrefix(text, "$") {
		return "", text
	}
	n := strings.IndexByte(text+" ", ' ')
	return text[1:n], text[n:]
}

func (p *player) expect(st step) error {
	if st.kind == '=' || st.kind == '#' {
		size := max(st.size, len(st.text))
		if st.kind == '=' {
			size = len(st.text)
		}
		buf := make([]byte, size)
		n, err := io.ReadFull(p.in, buf)
		if err != nil || st.kind == '=' && string(buf) != st.text {
			return &Mismatch{st.number, st.text, string(buf[:n]) + ended(err)}
		}
		return nil
	}
	line, err := p.in.ReadString('\n')
	got := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if err != nil {
		return &Mismatch{st.number, st.text, got + ended(err)}
	}
	tag, want := cutTag(st.text)
	rest := got
	if tag != "" {
		word, _, _ := strings.Cut(got, " ")
		if p.tags[tag] == "" && word != "*" && word != "+" && word != "" {
			p.tags[tag] = word
		}
		if word != p.tags[tag] {
			return &Mismatch{st.number, p.tags[tag] + want, got}
		}
		rest = got[len(word):]
	}
	same := rest == want
	if st.kind == '~' {
		same = regexp.MustCompile(`^(?s:` + want + `)$`).MatchString(rest)
	}
	if !same {
		return &Mismatch{st.number, st.text, got}
	}
	return nil
}

func ended(err error) string {
	if err == nil {
		return ""
	}
	return "<" + err.Error() + ">"
}
