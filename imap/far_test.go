package imap_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// far is the delay of one direction: a round trip takes 100 ms.
const far = 50 * time.Millisecond

// farPair is a pair of servers behind long lines, on a false clock.
type farPair struct {
	*pair
	mu   sync.Mutex
	cuts map[string]func() // end the present connection to a server
	open int               // most intents that were open together
	// begun is told how many are, before each batch is sent.
	begun func(open int)
	// arriving, if not nil, stands before what the target reads.
	arriving func(net.Conn) net.Conn
}

// testFar runs a test inside a bubble. Many batches are sent ahead, as to any
// far server.
func testFar(t *testing.T, caps []string, test func(t *testing.T, p *farPair)) {
	synctest.Test(t, func(t *testing.T) {
		p := newFarPair(t, caps...)
		test(t, p)
		p.close()
	})
}

func newFarPair(t *testing.T, caps ...string) *farPair {
	p := &farPair{pair: &pair{t: t, ledger: newLedger(), dialing: map[string]imap.Options{}}, cuts: map[string]func(){}}
	p.src, p.from = p.server("source")
	p.dst, p.to = p.server("target", caps...)
	p.opts = imap.CopyOptions{Source: "Box", Target: "Box", Unanswered: map[uint32]int{}, Undelivered: map[uint32]int{},
		StandStill: 2 * time.Second, RetryDelays: []time.Duration{time.Second}, Batch: 16}
	return p
}

func (p *farPair) close() {
	p.src.Close()
	p.dst.Close()
	synctest.Wait()
}

func (p *farPair) server(side string, caps ...string) (*imaptest.Server, *imaptest.Mailbox) {
	srv, err := imaptest.NewServer(imaptest.Options{Capabilities: append(imaptest.DefaultCapabilities(), caps...)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.dialing[side] = imap.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		client, near := net.Pipe()
		beyond, server := net.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		p.mu.Lock()
		p.cuts[side] = func() { client.Close(); cancel() }
		p.mu.Unlock()
		line := imaptest.Fault{Delay: far}
		go imaptest.Faults{Up: line, Down: line}.Bridge(ctx, near, beyond)
		end := buffered(server)
		if side == "target" && p.arriving != nil {
			end = p.arriving(end)
		}
		go srv.ServeConn(context.Background(), end, imaptest.Plain)
		return client, nil
	}}
	return srv, srv.AddUser(user, "secret").CreateMailbox("Box", imaptest.MailboxOptions{})
}

// cut breaks the present connection to a server, which goes on with what has
// reached it.
func (p *farPair) cut(side string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts[side]()
}

// lingering is a server's end of a connection as a kernel keeps it: what has
// arrived is read after the client is gone, and what is said then is lost.
type lingering struct {
	net.Conn
	mu   sync.Mutex
	more *sync.Cond
	have bytes.Buffer
	end  error
}

func buffered(conn net.Conn) net.Conn {
	l := &lingering{Conn: conn}
	l.more = sync.NewCond(&l.mu)
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := conn.Read(buf)
			l.mu.Lock()
			l.have.Write(buf[:n])
			l.end = err
			l.more.Signal()
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *lingering) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.have.Len() == 0 {
		if l.end != nil {
			return 0, io.EOF
		}
		l.more.Wait()
	}
	return l.have.Read(p)
}

func (l *lingering) Write(p []byte) (int, error) {
	if _, err := l.Conn.Write(p); errors.Is(err, io.ErrClosedPipe) {
		return len(p), nil // a kernel takes it
	}
	return len(p), nil
}

// countingLedger notes how much is open at a time.
type countingLedger struct {
	*memLedger
	p *farPair
}

func (l countingLedger) Begin(ctx context.Context, batch []imap.Intent) error {
	err := l.memLedger.Begin(ctx, batch)
	l.p.open = max(l.p.open, len(l.intents))
	if l.p.begun != nil {
		l.p.begun(len(l.intents))
	}
	return err
}

// took copies once and gives the time that CopyMailbox alone needed, and its error.
func (p *farPair) took() (time.Duration, imap.Tally, error) {
	p.t.Helper()
	src, dst, err := p.dial("")
	if err != nil {
		p.t.Fatal(err)
	}
	defer src.Close()
	defer dst.Close()
	state := p.state
	if state.DstMaxUID = p.ledger.maxUID(); state.DstMaxUID > 0 {
		state.DstUIDValidity = p.to.UIDValidity()
	}
	began := time.Now()
	next, tally, err := imap.CopyMailbox(p.t.Context(), src, dst, func(uint32, uint32) imap.Ledger { return countingLedger{p.ledger, p} }, state, p.opts)
	took := time.Since(began)
	if err == nil {
		_, err = imap.FinalLook(p.t.Context(), dst, p.ledger, next.DstUIDValidity, p.opts)
	}
	if err == nil {
		p.state = next
	}
	return took, tally, err
}
