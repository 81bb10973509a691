package imaptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// session is one connection. It belongs to one goroutine, but for user, which
// the server's lock guards.
type session struct {
	srv  *Server
	id   int
	mode Mode
	ctx  context.Context

	raw      net.Conn // as accepted
	conn     net.Conn // raw, or TLS over it
	in       *bufio.Reader
	out      *bufio.Writer
	cutAfter int64
	sent     int64

	secure    bool
	user      *User
	view      *view
	condstore bool
	quirks    Quirks // as of the current command
	idling    bool
	ended     bool
}

func newSession(srv *Server, id int, conn net.Conn, mode Mode) *session {
	s := &session{srv: srv, id: id, mode: mode, raw: conn}
	s.attach(conn)
	return s
}

func (s *session) attach(conn net.Conn) {
	s.conn = conn
	s.in = bufio.NewReaderSize(sessionReader{s}, 16<<10)
	s.out = bufio.NewWriterSize(sessionWriter{s}, 16<<10)
}

// sessionReader sends what is buffered before it waits for the client, so that
// pipelined commands are answered together and no answer is ever held back.
type sessionReader struct{ *session }

func (r sessionReader) Read(p []byte) (int, error) {
	if !r.idling { // the writer is then another goroutine's
		if err := r.out.Flush(); err != nil {
			return 0, err
		}
	}
	return r.conn.Read(p)
}

var errCut = errors.New("connection cut on purpose")

// sessionWriter counts, for Quirks.CutAfter.
type sessionWriter struct{ *session }

func (w sessionWriter) Write(p []byte) (int, error) {
	if w.cutAfter > 0 && w.sent+int64(len(p)) > w.cutAfter {
		n, _ := w.conn.Write(p[:w.cutAfter-w.sent])
		w.raw.Close()
		return n, errCut
	}
	n, err := w.conn.Write(p)
	w.sent += int64(n)
	return n, err
}

// run serves the connection. Errors of the connection end it silently: what a
// client sees of them is its own affair.
func (s *session) run(ctx context.Context) {
	s.ctx = ctx
	if s.mode == ImplicitTLS {
		s.attach(tls.Server(s.raw, s.srv.authority.server))
		s.secure = true
	}
	s.refresh()
	defer s.linger()
	if !s.greet() {
		return
	}
	for !s.ended {
		cmd, err := readCommand(s.in, s.srv.opts, s.can("LITERAL+"), s.proceed)
		var wrong *errLine
		switch {
		case errors.As(err, &wrong):
			s.line("%s %s %s", wrong.tag, wrong.status, wrong.text)
			s.ended = wrong.status == "BYE"
		case err != nil:
			return
		default:
			s.refresh()
			s.do(cmd)
		}
	}
}

// lingering is how long a client may take to read the last words.
const lingering = 200 * time.Millisecond

// linger ends the sending side and takes what the client still sends. Closing
// at once would answer pipelined commands with a TCP reset, which may overtake
// the last words.
func (s *session) linger() {
	tcp, isTCP := s.raw.(*net.TCPConn)
	if s.out.Flush() != nil || !isTCP {
		return
	}
	if secure, isTLS := s.conn.(*tls.Conn); isTLS {
		secure.CloseWrite()
	}
	if tcp.CloseWrite() == nil && tcp.SetReadDeadline(time.Now().Add(lingering)) == nil {
		io.Copy(io.Discard, tcp)
	}
}

// refresh takes over the quirks that hold now.
func (s *session) refresh() {
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	s.quirks = s.srv.quirks
	if s.view != nil && s.view.mb.quirks != nil {
		s.quirks = *s.view.mb.quirks
	}
	s.cutAfter = 0
	if s.quirks.CutConnections == 0 || s.id <= s.quirks.CutConnections {
		s.cutAfter = s.quirks.CutAfter
	}
	if s.cutAfter > 0 {
		s.cutAfter = max(s.cutAfter, s.sent)
	}
}

func (s *session) greet() bool {
	s.srv.mu.Lock()
	open, preauth := len(s.srv.sessions), s.srv.users[strings.ToLower(s.quirks.Preauth)]
	if s.quirks.Preauth != "" {
		s.user = preauth
	}
	s.srv.mu.Unlock()
	q := s.quirks
	if q.MaxConnections > 0 && open > q.MaxConnections || q.RefuseConnection > 0 && s.id == q.RefuseConnection {
		s.line("* BYE Too many connections, try again later")
		return false
	}
	word := "OK"
	if s.user != nil {
		word = "PREAUTH"
	}
	if q.BareGreeting {
		s.line("* %s imaptest ready", word)
	} else {
		s.line("* %s [CAPABILITY %s] imaptest ready", word, strings.Join(s.capabilities(), " "))
	}
	return true
}

func (s *session) capabilities() []string {
	return s.srv.capabilities(s.quirks, s.mode, s.secure, s.user != nil)
}

// can reports whether the server's capabilities, as seen after login, have this
// one.
func (s *session) can(capability string) bool {
	for _, c := range s.srv.capabilities(s.quirks, s.mode, s.secure, true) {
		if strings.EqualFold(c, capability) {
			return true
		}
	}
	return false
}

func (s *session) proceed() error {
	s.line("+ OK")
	return s.out.Flush()
}

// line sends one response line. An error stays in the writer and shows at the
// next flush.
func (s *session) line(format string, v ...any) {
	s.pause()
	fmt.Fprintf(s.out, format+"\r\n", v...)
}

func (s *session) pause() {
	if s.quirks.ResponseDelay > 0 {
		s.out.Flush()
		s.sleep(s.quirks.ResponseDelay)
	}
}

func (s *session) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
	case <-t.C:
	}
}

// reply is the tagged answer to a command; the zero value stands for none.
type reply struct{ status, text string }

func ok(format string, v ...any) reply  { return reply{"OK", fmt.Sprintf(format, v...)} }
func no(format string, v ...any) reply  { return reply{"NO", fmt.Sprintf(format, v...)} }
func bad(format string, v ...any) reply { return reply{"BAD", fmt.Sprintf(format, v...)} }

func (s *session) login() string {
	if s.user == nil {
		return ""
	}
	return s.user.login
}

func (s *session) record(cmd *command) {
	e := Entry{Time: s.srv.opts.Now(), Conn: s.id, User: s.login(), Tag: cmd.tag, Verb: cmd.verb, Line: cmd.line}
	if s.view != nil {
		e.Mailbox, e.ReadOnly = s.view.mb.Name(), s.view.readOnly
	}
	if cmd.verb == "LOGIN" || cmd.verb == "AUTHENTICATE" {
		e.Line = masked(cmd)
	}
	s.srv.log.add(e)
}

// masked keeps the verb and its first argument, if more follows. What is not
// written as it should be may be a secret as a whole.
func masked(cmd *command) string {
	words := strings.SplitN(cmd.line, " ", 3)
	switch {
	case len(words) == 3:
		return words[0] + " " + words[1] + " ***"
	case cmd.verb == "AUTHENTICATE" && len(words) == 2:
		return cmd.line
	}
	return cmd.verb + " ***"
}

// do executes a command and answers it.
func (s *session) do(cmd *command) {
	s.record(cmd)
	obey := false
	if t := s.spring(cmd.verb, 0); t != nil {
		if t.Action == Obey {
			obey = true
		} else if r, stop := s.trapped(t); stop {
			s.answer(cmd, r)
			return
		}
	}
	h, known := s.handler(cmd.verb)
	var r reply
	switch {
	case !known:
		r = bad("Unknown command")
	case h.state == authenticated && s.user == nil, h.state == selected && s.view == nil, h.state == unauthenticated && s.user != nil:
		r = bad("%s is not possible in this state", cmd.verb)
	default:
		r = h.run(s, cmd)
	}
	if obey {
		s.cut()
		return
	}
	if s.view != nil && !s.ended {
		s.report(cmd.verb != "FETCH" && cmd.verb != "STORE" && cmd.verb != "SEARCH")
	}
	s.answer(cmd, r)
}

func (s *session) answer(cmd *command, r reply) {
	if r.status != "" {
		s.line("%s %s %s", cmd.tag, r.status, r.text)
	}
}

func (s *session) spring(verb string, uid uint32) *Trap {
	mailbox := ""
	if s.view != nil {
		mailbox = s.view.mb.Name()
	}
	return s.srv.spring(func(t Trap) bool { return t.matches(verb, s.login(), mailbox, uid) })
}

// trapped does what a trap does; true means that the command ends here.
func (s *session) trapped(t *Trap) (reply, bool) {
	switch t.Action {
	case No:
		return no("%s", t.Text), true
	case Bad:
		return bad("%s", t.Text), true
	case Bye:
		s.line("* BYE %s", t.Text)
		s.ended = true
		return reply{}, true
	case Cut, CutLiteral:
		s.cut()
		return reply{}, true
	case Stall:
		s.stall()
		return reply{}, true
	}
	if t.Action == Delay {
		s.out.Flush()
		s.sleep(t.Wait)
	}
	return reply{}, false
}

// cut sends what is due and closes without a word.
func (s *session) cut() {
	s.out.Flush()
	s.raw.Close()
	s.ended = true
}

// stall sends what is due and then nothing until the connection ends.
func (s *session) stall() {
	s.out.Flush()
	buf := make([]byte, 4096)
	for {
		if _, err := s.conn.Read(buf); err != nil {
			s.ended = true
			return
		}
	}
}
