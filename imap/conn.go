package imap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lastWords is how long a failed write waits for what the server may have
// said before it closed: BlueMind 5 sends an ALERT and hangs up.
const lastWords = time.Second

// conn speaks lines and literals over a sock. Responses are read by one
// goroutine at a time: the one that dials, then go-imap's decoder through
// pump, or whom pump lends the reading to. Commands may be sent meanwhile.
type conn struct {
	name     string
	log      *slog.Logger
	sock     *sock
	br       *bufio.Reader
	vet      func(command) error // nil: everything may leave
	resp     response
	long     []byte // a line longer than br's buffer
	dialling bool   // before the login is done; secrets may pass
	raw      bool   // octets other than command lines may leave
	out      []byte // what go-imap has still to read
	client   clientState

	wmu sync.Mutex
	bw  *bufio.Writer

	dead chan struct{} // closed by the first error

	mu         sync.Mutex
	err        *Error
	closing    bool
	pumping    bool
	pending    map[string]string // tag → verb
	handler    func(*response) error
	tags       uint64
	alert, bye string
	secrets    []string
	repairs    map[string]int
	trace      trace
}

func newConn(s *sock, opts Options) *conn {
	c := &conn{
		name: opts.Name, log: opts.Logger, sock: s,
		dialling: true, raw: true,
		dead:    make(chan struct{}),
		pending: map[string]string{},
		repairs: map[string]int{},
	}
	c.resp = response{c: c, mark: -1}
	c.over(s)
	return c
}

// over puts the connection on top of a stream: the socket, or TLS on it.
func (c *conn) over(rw io.ReadWriter) {
	c.br = bufio.NewReaderSize(rw, 64<<10)
	c.bw = bufio.NewWriterSize(rw, 64<<10)
}

// fail ends the connection. The first error is kept and is what everybody
// gets from then on.
func (c *conn) fail(e *Error) error {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = c.complete(e)
		close(c.dead)
	}
	kept, quiet, lines := c.err, c.closing, ""
	if first && !quiet {
		lines = c.redactLocked(c.trace.String())
	}
	c.mu.Unlock()
	if first {
		c.sock.Conn.Close() // the connection is over whatever this says
		if !quiet {
			c.log.LogAttrs(context.Background(), slog.LevelDebug, "imap session failed",
				slog.String("session", c.name), slog.String("error", kept.Error()), slog.String("trace", lines))
		}
	}
	return kept
}

// complete adds to an error what the connection knows; c.mu is held.
func (c *conn) complete(e *Error) *Error {
	if c.closing { // by our own wish: how it ends doesn't matter
		return &Error{Session: c.name, Kind: KindClosed, Text: "the session was closed"}
	}
	full := *e
	full.Session = c.name
	if full.Alert == "" {
		full.Alert = c.alert
	}
	if c.bye != "" {
		if full.Kind == KindClosed {
			full.Kind, full.Text = KindBye, c.bye
		}
		if full.Alert == "" {
			full.Alert = c.bye
		}
	}
	if full.Command == "" && len(c.pending) > 0 {
		for _, full.Command = range c.pending {
			break
		}
	}
	return &full
}

// refusal completes an error after which the session goes on. Of a refused
// login the ALERT before it is the reason; later it may be about anything.
func (c *conn) refusal(e *Error) error {
	full := *e
	full.Session = c.name
	c.mu.Lock()
	if c.dialling && full.Alert == "" {
		full.Alert = c.alert
	}
	c.mu.Unlock()
	return &full
}

// Err gives the first error as an error, nil if there is none.
func (c *conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return c.err
}

// watch has the end of ctx close the connection, until stop is called.
func (c *conn) watch(ctx context.Context) (stop func() bool, err error) {
	if ctx.Err() != nil {
		return nil, c.refusal(&Error{Kind: KindInterrupted, Err: context.Cause(ctx)})
	}
	return context.AfterFunc(ctx, func() {
		c.fail(&Error{Kind: KindInterrupted, Err: context.Cause(ctx)})
	}), nil
}

// repaired counts what was made readable or dropped, by kind.
func (c *conn) repaired(kind string) {
	c.mu.Lock()
	c.repairs[kind]++
	c.mu.Unlock()
}

// redact takes secrets out of the server's words.
func (c *conn) redact(s string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.redactLocked(s)
}

func (c *conn) redactLocked(s string) string {
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "***")
	}
	return s
}

// readLine reads one line, without its end. It is valid until the next read.
func (c *conn) readLine() ([]byte, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	line, err := c.br.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		line, err = c.readLong(line)
	}
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, c.fail(ioError(err))
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	c.note('S', line)
	return line, nil
}

func (c *conn) readLong(part []byte) ([]byte, error) {
	c.long = append(c.long[:0], part...)
	for {
		part, err := c.br.ReadSlice('\n')
		c.long = append(c.long, part...)
		if err != bufio.ErrBufferFull {
			return c.long, err
		}
		if len(c.long) > maxLine {
			return nil, &Error{Kind: KindProtocol, Text: "a line of more than " + strconv.Itoa(maxLine) + " octets"}
		}
	}
}

func (c *conn) note(side byte, line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialling && len(c.secrets) > 0 {
		line = []byte(c.redactLocked(string(line)))
	}
	c.trace.add(side, line)
}

// readResponse passes over what is left of the last response and reads the
// first line of the next.
func (c *conn) readResponse() (*response, error) {
	r := &c.resp
	if err := r.drain(); err != nil {
		return nil, err
	}
	line, err := c.readLine()
	if err != nil {
		return nil, err
	}
	r.tag, r.verb, r.name, r.num = "*", "", "", 0
	r.setLine(line, true)
	if err := c.classify(r, line); err != nil {
		return nil, err
	}
	return r, nil
}

// classify reads the head of a response, up to its name.
func (c *conn) classify(r *response, line []byte) error {
	if len(line) > 0 && line[0] == '+' {
		r.tag, r.pos = "+", 1
		return nil
	}
	tag := r.word()
	if !bytes.Equal(tag, []byte("*")) {
		c.tagged(r, string(tag))
		return nil
	}
	r.spaces()
	word := r.word()
	if n, ok := number(string(word)); ok {
		r.num = n
		r.spaces()
		word = r.word()
	}
	r.name = upperName(word)
	switch r.name {
	case "OK", "NO", "BAD", "PREAUTH", "BYE", "ALERT":
		c.heed(r)
	default:
		r.mark, r.size = literalMark(line)
		r.pos = min(r.pos, r.end())
	}
	return nil
}

// upperName avoids an allocation for the names of long listings.
func upperName(w []byte) string {
	if string(w) == "FETCH" {
		return "FETCH"
	}
	return strings.ToUpper(string(w))
}

// heed keeps what a server says before it hangs up. "* ALERT" is BlueMind's
// own form.
func (c *conn) heed(r *response) {
	pos := r.pos
	st := r.status()
	r.pos = pos
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.name == "BYE":
		c.bye = st.text
	case r.name == "ALERT" || st.code == "ALERT":
		c.alert = st.text
	}
}

// tagged finds the command that a tag belongs to. BlueMind 5 answers some
// errors as "T1BAD …".
func (c *conn) tagged(r *response, tag string) {
	c.mu.Lock()
	verb, ok := c.pending[tag]
	if !ok {
		for t := range c.pending {
			if rest, cut := strings.CutPrefix(tag, t); cut && (rest == "OK" || rest == "NO" || rest == "BAD") {
				tag, verb, ok = t, c.pending[t], true
				r.pos = len(t)
				c.repairs["tag without a space"]++
				break
			}
		}
	}
	if ok {
		delete(c.pending, tag)
	}
	c.mu.Unlock()
	r.tag = tag
	if !ok {
		return
	}
	c.sock.expect(-1)
	r.verb = verb
	r.spaces()
	r.name = strings.ToUpper(string(r.word()))
	c.heed(r)
}

// nextTag makes a tag of our own. go-imap's begin with T.
func (c *conn) nextTag() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tags++
	return "B" + strconv.FormatUint(c.tags, 10)
}

// send vets a whole command line, CRLF included, and sends it. flush false
// leaves it in the buffer.
func (c *conn) send(line []byte, flush bool) error {
	cmd, err := parseCommand(line)
	if err == nil && c.vet != nil {
		err = c.vet(cmd)
	}
	if err != nil {
		return c.refusal(&Error{Kind: KindRefused, Command: cmd.verb, Err: err})
	}
	if err := c.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	c.pending[cmd.tag] = cmd.verb
	c.trace.add('C', masked(cmd.verb, bytes.TrimRight(line, "\r\n")))
	c.mu.Unlock()
	c.sock.expect(1)
	return c.write(line, flush)
}

// write sends octets as they are.
func (c *conn) write(p []byte, flush bool) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, err := c.bw.Write(p)
	if err == nil && flush {
		err = c.bw.Flush()
	}
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// writeRaw sends octets that are no command line: literals, and answers to
// challenges. A source has none of these after its login.
func (c *conn) writeRaw(p []byte, flush bool) error {
	if !c.raw {
		return c.refusal(&Error{Kind: KindRefused, Text: "only commands may leave on a source"})
	}
	return c.write(p, flush)
}

// writeFailed gives the reading side a moment: the server's reason is worth
// more than "broken pipe".
func (c *conn) writeFailed(err error) error {
	c.mu.Lock()
	wait := c.pumping && c.err == nil
	c.mu.Unlock()
	if wait && !errors.Is(err, os.ErrDeadlineExceeded) {
		t := time.NewTimer(lastWords)
		defer t.Stop()
		select {
		case <-c.dead:
		case <-t.C:
		}
	}
	return c.fail(ioError(err))
}
