package endpoint

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"bmsync/bmapi/bmsim/internal/mail"
)

const (
	// queueLength and queueOctets bound what is received and not yet executed.
	// BlueMind knows no bound; past it, the socket is not read.
	queueLength = 512
	queueOctets = 64 << 20
	// lingerTime is how long a connection that is ended with a word is kept, so
	// that the word isn't lost in a reset.
	lingerTime = time.Second
	// startDelay is what a client waits for nothing while the core isn't running.
	startDelay = 2 * time.Second
)

// state is that of a connection. BlueMind sets it while commands run and looks
// at one value of it, inAuth, while they are read.
type state int32

const (
	notAuthenticated state = iota
	inAuth
	authenticated
	selected
	idling
)

var (
	// errNoAnswer is a Java Error nobody catches: the command has no answer.
	errNoAnswer = errors.New("no answer")
	// errGone ends a connection.
	errGone = errors.New("connection is over")
	errIdle = errors.New("silent for too long")
)

// session is one connection. The fields below "runner" belong to the goroutine
// that executes commands, those below "reader" to the other one.
type session struct {
	srv   *server
	id    uint64
	conn  net.Conn
	out   *output
	state atomic.Int32
	acct  atomic.Pointer[account] // nil before login
	mech  atomic.Pointer[string]  // that AUTHENTICATE named
	queue chan *task
	room  *semaphore.Weighted // queueOctets
	life  context.Context     // over when nothing more is to be executed or read
	end   context.CancelFunc  // of life
	left  atomic.Bool         // the client is gone

	// runner
	sel     *selection
	idleTag string
	authTag string

	// reader
	in    *bufio.Reader
	pause time.Duration // before the socket is read again
	hold  *hold
}

// task is a command that was read and is to be executed.
type task struct {
	tag, verb string
	folder    string // what it names, decoded
	lock      lockKind
	needs     state // notAuthenticated: none
	run       func(ctx context.Context) error
	append    *appendCommand // of APPEND alone
	weight    int64          // in session.room
}

func (t *task) discard() {
	if t.append != nil {
		t.append.discard()
	}
}

// lockKind says whose lock a command holds, and how.
type lockKind int

const (
	lockNone lockKind = iota
	readNamed
	writeNamed
	readSelected
	writeSelected
)

func (srv *server) serve(ctx context.Context, conn net.Conn) {
	outer := ctx
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s := &session{
		srv: srv, id: srv.conns.Add(1), conn: conn,
		queue: make(chan *task, queueLength),
		room:  semaphore.NewWeighted(queueOctets),
	}
	s.life, s.end = context.WithCancel(ctx)
	defer s.end()
	s.in = bufio.NewReaderSize(source{ctx, s}, 64<<10)
	s.out = &output{conn: conn, w: bufio.NewWriterSize(conn, 16<<10)}
	s.note(Event{Kind: Connected})
	defer func() { s.note(Event{Kind: Left}) }()
	if srv.Ready != nil && !srv.Ready() {
		_ = sleep(ctx, startDelay) // an early end of it ends the connection, too
		return
	}
	s.out.line("* OK IMAP4 ready")
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	err := s.read()
	if s.hold != nil {
		s.commitLate(outer, done)
	}
	s.left.Store(true)
	close(s.queue)
	if !errors.Is(err, errGone) {
		conn.Close()
	}
	<-done
}

func (s *session) note(e Event) {
	e.Conn = s.id
	if a := s.acct.Load(); a != nil && e.Login == "" {
		e.Login = a.name
	}
	s.srv.note(e)
}

// occasion is what faults are matched with while the connection is used.
func (s *session) occasion(verb, folder string) occasion {
	o := occasion{verb: verb, folder: folder}
	if a := s.acct.Load(); a != nil {
		o.login, o.email = a.name, a.Email
	}
	return o
}

// strike uses up a fault and journals it.
func (s *session) strike(verb, folder string, kinds ...FaultKind) (Fault, bool) {
	f, ok := s.srv.Faults.take(s.occasion(verb, folder), kinds...)
	if ok {
		s.note(Event{Kind: Faulted, Fault: f.Kind, Verb: verb, Folder: folder})
	}
	return f, ok
}

// cut ends the connection at once; what is queued is not executed.
func (s *session) cut() {
	s.end()
	s.conn.Close()
}

// hangUp ends the connection after a word that the client shall read.
func (s *session) hangUp() {
	s.end()
	s.farewell()
}

// farewell sends nothing more and closes the connection a little later, so that
// the last word isn't lost in a reset. What is queued may go on.
func (s *session) farewell() {
	s.out.silence()
	half, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		s.conn.Close()
		return
	}
	time.AfterFunc(lingerTime, func() { s.conn.Close() })
}

// source reads the socket for the reader, under the rate limit and with a
// deadline.
type source struct {
	ctx context.Context
	*session
}

func (r source) Read(p []byte) (int, error) {
	if err := sleep(r.ctx, r.pause); err != nil {
		return 0, err
	}
	r.pause = 0
	for {
		wait := r.srv.IdleTimeout
		if r.hold != nil {
			wait = r.hold.fault.Wait
		}
		begun := time.Now()
		if err := r.conn.SetReadDeadline(begun.Add(wait)); err != nil {
			return 0, err
		}
		n, err := r.conn.Read(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			if r.hold == nil && r.out.wroteSince(begun) {
				continue
			}
			return 0, errIdle
		}
		if a := r.acct.Load(); a != nil && r.srv.RateLimit > 0 {
			r.session.pause = debit(a.bucket, n, time.Now())
		}
		return n, err
	}
}

// read cuts the stream into commands until it ends.
func (s *session) read() error {
	for {
		c, err := s.readCommand()
		if err != nil || s.life.Err() != nil {
			c.discard()
		}
		switch {
		case errors.Is(err, errGone), s.life.Err() != nil:
			io.Copy(io.Discard, s.conn) // until the client has read our last word
			return errGone
		case errors.Is(err, errLost):
			continue
		case err != nil:
			return err
		}
		t, err := s.analyse(c)
		switch {
		case errors.Is(err, errNoAnswer):
			c.discard()
		case err != nil:
			c.discard()
			s.out.line("%s BAD %s", c.tag, oneLine(err.Error()))
		default:
			if err := s.enqueue(t); err != nil {
				return err
			}
		}
	}
}

func (s *session) enqueue(t *task) error {
	if held, err := s.heldBack(t); held || err != nil {
		return err
	}
	if t.append != nil && t.append.draft != nil {
		t.weight = min(t.append.draft.Size(), queueOctets)
	}
	if err := s.room.Acquire(s.life, t.weight); err != nil {
		t.discard()
		return errGone
	}
	select {
	case s.queue <- t:
		return nil
	case <-s.life.Done():
		t.discard()
		return errGone
	}
}

// run executes what is queued until the reader has ended, and then the rest.
func (s *session) run(ctx context.Context) {
	defer s.drain()
	for {
		select {
		case t, ok := <-s.queue:
			if !ok || s.life.Err() != nil {
				if ok {
					t.discard()
				}
				return
			}
			s.execute(ctx, t)
			s.room.Release(t.weight)
		case <-s.watch():
			s.idleUpdate(ctx)
		case <-s.life.Done():
			return
		}
	}
}

// drain lets go of what is queued: it will not be executed.
func (s *session) drain() {
	for {
		select {
		case t, ok := <-s.queue:
			if !ok {
				return
			}
			t.discard()
			s.room.Release(t.weight)
		default:
			return
		}
	}
}

func (s *session) execute(ctx context.Context, t *task) {
	defer t.discard()
	s.note(Event{Kind: Command, Verb: t.verb})
	if s.spoil(ctx, t) {
		return
	}
	unlock, err := s.acquire(ctx, t)
	switch {
	case errors.Is(err, mail.ErrBusy), ctx.Err() != nil:
		s.drain() // in BlueMind they hang on the command that failed
		return
	case err != nil:
		s.out.line("%s BAD %s", t.tag, oneLine(err.Error()))
		return
	}
	defer unlock()
	if s.refused(t) {
		return
	}
	if t.needs != notAuthenticated && s.acct.Load() == nil { // during AUTHENTICATE
		s.out.line("%s NO unknown error: %s", t.tag, errNoMailbox)
		return
	}
	if _, ok := s.strike(t.verb, t.folder, CutDone); ok {
		s.out.silence()
		defer func() { s.cut(); s.drain() }()
	}
	switch err := t.run(ctx); {
	case err == nil, errors.Is(err, errNoAnswer), errors.Is(err, errGone):
	default:
		s.out.line("%s NO unknown error: %s", t.tag, oneLine(err.Error()))
	}
}

// acquire takes the lock a command needs, of nobody when there is no such
// folder. BlueMind looks for the folder before it looks at the state, so that
// some commands before login fail in the analysis: the error here.
func (s *session) acquire(ctx context.Context, t *task) (unlock func(), err error) {
	var owner *mail.Owner
	switch t.lock {
	case readNamed, writeNamed:
		a := s.acct.Load()
		if a == nil {
			return nil, errNoMailbox
		}
		if p, ok := a.resolve(ctx, t.folder); ok {
			owner = s.srv.Store.Owner(p.box)
		}
	case readSelected, writeSelected:
		if s.sel != nil {
			owner = s.srv.Store.Owner(s.sel.box)
		}
	}
	if t.lock == writeNamed || t.lock == writeSelected {
		return owner.Lock(ctx)
	}
	return owner.RLock(ctx)
}

// refused answers what the state doesn't allow.
func (s *session) refused(t *task) bool {
	now := state(s.state.Load())
	switch {
	case t.needs == notAuthenticated:
		return false
	case now == notAuthenticated:
		s.out.line("%s BAD invalid command", t.tag)
	case t.needs == idling && now != idling:
		s.out.line("%s BAD not idling", t.tag)
	case t.needs == selected && now != selected:
		s.out.line("%s BAD Please select a mailbox first", t.tag)
	default:
		return false
	}
	return true
}

// errNoMailbox stands for the exceptions BlueMind runs into before login.
var errNoMailbox = bad(`Cannot invoke "MailboxConnection.select" because "ctx.mailbox()" is null`)
