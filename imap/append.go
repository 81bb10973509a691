package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// literalMinus is the largest non-synchronising literal of LITERAL- (RFC 7888
// §5), in octets.
const literalMinus = 4096

// Appender fills one mailbox of a Target. It holds the session from its
// creation until Close. Send and Receive may run in two goroutines, with
// several Sends ahead of Receive; neither may run twice at a time.
//
// Answers are read by the session's own goroutine, whoever waits: a server
// whose answers pile up can always get rid of them, so that it goes on
// reading what Send writes.
type Appender struct {
	t       *Target
	name    string // as it goes over the wire, quoted
	multi   bool
	release func()
	plus    chan struct{} // the server's consent to a literal
	buf     []byte        // Send's

	mu      sync.Mutex
	byTag   map[string]*appending
	batches []*sending // sent and not received, oldest first
	more    chan struct{}
	once    sync.Once
}

// appending is one APPEND command under way: of one message, or of several.
type appending struct {
	of      *sending
	results []*Appended
	left    bool          // all literals have been written to the connection
	given   bool          // up by Receive: the session had ended
	done    chan struct{} // closed by the answer
}

// sending is one Send.
type sending struct {
	results  []Appended
	commands []*appending
	left     int           // commands without an answer
	at       time.Time     // of the last answer
	done     chan struct{} // closed by it
}

// Appender opens the session's raw door on one mailbox, which needs not be
// selected. One that is gets closed by a command that goes ahead of the first
// APPEND: BlueMind 5 would list the whole folder at each. The end of ctx, as of any of the
// Appender's own calls, closes the connection.
func (t *Target) Appender(ctx context.Context, mailbox string) (*Appender, error) {
	wire := t.wire(mailbox)
	if err := t.unsendable("APPEND", wire); err != nil {
		return nil, err
	}
	name := quoteMailbox(wire)
	release, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	a := &Appender{
		t: t, name: name, multi: t.Can("MULTIAPPEND"), release: release,
		plus: make(chan struct{}, 1), more: make(chan struct{}, 1),
		byTag: map[string]*appending{},
	}
	t.c.mu.Lock()
	t.c.handler = a.response
	t.c.mu.Unlock()
	if verb := t.leaving(wire); verb != "" {
		// Its answer is nobody's: refused, it costs time and nothing else.
		if err := t.c.send([]byte(t.c.nextTag()+" "+verb+"\r\n"), false); err != nil {
			return nil, errors.Join(err, a.Close())
		}
		t.selected = ""
	}
	return a, nil
}

// Multi says whether a batch of several messages goes as one MULTIAPPEND
// command (RFC 3502), of which the server takes all messages or none.
func (a *Appender) Multi() bool { return a.multi }

// Send sends one batch: a MULTIAPPEND command where the server knows it and
// the batch is of more than one message, else pipelined APPENDs. A message
// that can't be sent (an impossible flag or date) is left out, with its Err
// in what Receive gives. Each Send that returns nil, or ends in an error after
// which Err of the session is set, is answered by one Receive.
func (a *Appender) Send(ctx context.Context, messages []Append) error {
	stop, err := a.t.c.watch(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := a.t.c.Err(); err != nil {
		return err
	}
	s := &sending{results: make([]Appended, len(messages))}
	var parts []part
	for i, m := range messages {
		head, err := appendHead(m)
		if err != nil {
			s.results[i].Err = a.t.c.refusal(&Error{Kind: KindRefused, Command: "APPEND", Err: err})
			continue
		}
		parts = append(parts, part{head, m, &s.results[i]})
	}
	groups := make([][]part, 0, len(parts))
	if a.multi && len(parts) > 1 {
		groups = append(groups, parts)
	} else {
		for i := range parts {
			groups = append(groups, parts[i:i+1])
		}
	}
	for _, g := range groups {
		s.commands = append(s.commands, newAppending(s, g))
	}
	s.left, s.done = len(groups), make(chan struct{})
	if s.left == 0 {
		close(s.done)
	}
	a.mu.Lock()
	a.batches = append(a.batches, s)
	a.mu.Unlock()
	defer a.wake()
	for i, g := range groups {
		if err := a.sendCommand(s.commands[i], g); err != nil {
			return err
		}
	}
	return a.t.c.write(nil, true)
}

// part is one message of a command.
type part struct {
	head   string // flags and date
	msg    Append
	result *Appended
}

func newAppending(s *sending, parts []part) *appending {
	p := &appending{of: s, done: make(chan struct{})}
	for _, x := range parts {
		p.results = append(p.results, x.result)
	}
	return p
}

// wake tells Receive that a batch was sent, or will not be.
func (a *Appender) wake() {
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// sendCommand sends one APPEND with its literals. A command that the server
// ends before its last literal is over; the next may follow.
func (a *Appender) sendCommand(p *appending, parts []part) error {
	tag := a.t.c.nextTag()
	a.mu.Lock()
	a.byTag[tag] = p
	a.mu.Unlock()
	start := tag + " APPEND " + a.name
	for i, x := range parts {
		plus := a.nonSync(x.msg.Size)
		line := fmt.Appendf(nil, "%s %s {%d%s}\r\n", start, x.head, x.msg.Size, plus)
		start = ""
		if plus == "" {
			a.forgetPlus()
		}
		var err error
		if i == 0 {
			err = a.t.c.send(line, plus == "")
		} else {
			err = a.t.c.writeRaw(line, plus == "")
		}
		if err != nil {
			return err
		}
		if plus == "" {
			consent, err := a.consent(p)
			if err != nil || !consent {
				return err
			}
		}
		if err := a.sendBody(x.msg); err != nil {
			return err
		}
	}
	a.mu.Lock()
	p.left = true
	a.mu.Unlock()
	return a.t.c.writeRaw([]byte("\r\n"), false)
}

// nonSync gives the mark of a literal that doesn't wait for consent, "" for
// one that does.
func (a *Appender) nonSync(size int64) string {
	switch {
	case size > a.t.opts.SyncAbove:
	case a.t.Can("LITERAL+"), a.t.Can("LITERAL-") && size <= literalMinus:
		return "+"
	}
	return ""
}

// forgetPlus drops a consent that was given without need.
func (a *Appender) forgetPlus() {
	select {
	case <-a.plus:
		a.t.c.repaired("continuation without need")
	default:
	}
}

// consent waits for the server's "+". An answer in its place is a refusal
// that costs no upload. Where both have come, the server reads the literal.
func (a *Appender) consent(p *appending) (bool, error) {
	select {
	case <-a.plus:
		return true, nil
	case <-p.done:
		select {
		case <-a.plus:
			return true, nil
		default:
			return false, nil
		}
	case <-a.t.c.dead:
		return false, a.t.c.Err()
	}
}

// sendBody sends one literal's octets. If its source gives fewer than
// announced, the connection can't be used any more.
func (a *Appender) sendBody(m Append) error {
	if a.buf == nil {
		a.buf = make([]byte, 32<<10)
	}
	for at := int64(0); at < m.Size; {
		want := min(int64(len(a.buf)), m.Size-at)
		n, err := m.Body.ReadAt(a.buf[:want], at)
		if int64(n) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			a.t.c.fail(&Error{Kind: KindClosed, Command: "APPEND", Text: "a message could not be read to its end", Err: err})
			return fmt.Errorf("read message to append: %w", err)
		}
		if err := a.t.c.writeRaw(a.buf[:n], false); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// Receive gives the results of the oldest batch that wasn't received yet, in
// the batch's order; it waits for a Send that hasn't begun. If the session
// ends, what was answered is given all the same, together with the session's
// error, and the rest carry that error: see Appended.Unknown.
func (a *Appender) Receive(ctx context.Context) ([]Appended, error) {
	results, _, err := a.receive(ctx)
	return results, err
}

// receive is Receive, and says when the last answer came.
func (a *Appender) receive(ctx context.Context) ([]Appended, time.Time, error) {
	stop, err := a.t.c.watch(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer stop()
	s, err := a.oldest()
	if err != nil {
		return nil, time.Time{}, err
	}
	select {
	case <-s.done:
	case <-a.t.c.dead:
	}
	return a.settle(s)
}

// due gives a channel that is closed when the oldest batch that wasn't received
// yet has all its answers; nil: there is none.
func (a *Appender) due() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.batches) == 0 {
		return nil
	}
	return a.batches[0].done
}

// oldest takes the oldest batch out of the queue.
func (a *Appender) oldest() (*sending, error) {
	for {
		a.mu.Lock()
		if len(a.batches) > 0 {
			s := a.batches[0]
			a.batches = a.batches[1:]
			a.mu.Unlock()
			return s, nil
		}
		a.mu.Unlock()
		select {
		case <-a.more:
		case <-a.t.c.dead:
			a.mu.Lock()
			none := len(a.batches) == 0
			a.mu.Unlock()
			if none {
				return nil, a.t.c.Err()
			}
		}
	}
}

// settle marks what was never answered.
func (a *Appender) settle(s *sending) ([]Appended, time.Time, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var failed error
	for _, p := range s.commands {
		select {
		case <-p.done:
			continue
		default:
		}
		p.given = true
		failed = a.t.c.Err()
		for _, r := range p.results {
			r.Err, r.Unknown = failed, p.left
		}
	}
	return s.results, s.at, failed
}

// Close waits for the answers that are due, as long as the connection lives,
// and gives the session back. It returns the session's error, if any.
func (a *Appender) Close() error {
	a.once.Do(func() {
		a.mu.Lock()
		var due []*appending
		for _, p := range a.byTag {
			due = append(due, p)
		}
		a.mu.Unlock()
		for _, p := range due {
			select {
			case <-p.done:
			case <-a.t.c.dead:
			}
		}
		a.t.c.mu.Lock()
		a.t.c.handler = nil
		a.t.c.mu.Unlock()
		a.release()
	})
	return a.t.c.Err()
}

// response takes one response; it is called by the session's goroutine and
// never waits. BlueMind 5 lets BAD and "+" overtake pending answers, so
// answers are matched by tag alone.
func (a *Appender) response(r *response) error {
	switch {
	case r.tag == "+":
		select {
		case a.plus <- struct{}{}:
		default:
			a.t.c.repaired("continuation without need")
		}
	case r.tag == "*":
	case r.verb == "":
		a.t.c.repaired("answer to no command")
	default:
		a.answered(r.tag, r.status())
	}
	return nil
}

func (a *Appender) answered(tag string, st status) {
	err := a.t.c.answer(st, "APPEND")
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.byTag[tag]
	if p == nil || p.given {
		return
	}
	delete(a.byTag, tag)
	for _, r := range p.results {
		r.Err = err
	}
	if err == nil {
		a.stored(p, st)
	}
	close(p.done)
	if p.of.left--; p.of.left == 0 {
		p.of.at = time.Now()
		close(p.of.done)
	}
}

// stored reads where the messages are (RFC 4315 §3, a set for MULTIAPPEND)
// and, for one message, the SHA-1 at the end of BlueMind 5's answer.
func (a *Appender) stored(p *appending, st status) {
	if st.code == "APPENDUID" {
		validity, set, _ := strings.Cut(strings.TrimSpace(st.args), " ")
		v, ok := number(validity)
		uids := parseUIDs(set, len(p.results))
		if !ok || uids == nil {
			a.t.c.repaired("unreadable APPENDUID")
			uids = nil
		}
		for i, u := range uids {
			p.results[i].UIDValidity, p.results[i].UID = v, u
		}
	}
	if len(p.results) == 1 {
		words := strings.Fields(st.text)
		if len(words) > 0 {
			r := p.results[0]
			r.SHA1, r.HasSHA1 = parseSHA1([]byte(words[len(words)-1]))
		}
	}
}
