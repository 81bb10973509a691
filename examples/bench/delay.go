package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// line is a wire to a server that takes its time: whatever goes in comes out
// half a round trip later, at any rate.
type line struct {
	ln    net.Listener
	to    string
	half  time.Duration
	turns atomic.Int64 // how often clients spoke after the server had
	work  sync.WaitGroup
}

func newLine(to string, rtt time.Duration) (*line, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &line{ln: ln, to: to, half: rtt / 2}
	l.work.Go(l.serve)
	return l, nil
}

// addr is where to go instead of to the server.
func (l *line) addr() string { return l.ln.Addr().String() }

// end waits for the connections to end.
func (l *line) end() {
	l.ln.Close()
	l.work.Wait()
}

func (l *line) serve() {
	for {
		near, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.work.Go(func() { l.relay(near) })
	}
}

// relay delays the connection's making as well, as the handshake would.
func (l *line) relay(near net.Conn) {
	defer near.Close()
	time.Sleep(2 * l.half)
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	var answered atomic.Bool // the server spoke last, as it does first
	answered.Store(true)
	both.Go(func() {
		l.carry(far, near, func() {
			if answered.Swap(false) {
				l.turns.Add(1)
			}
		})
	})
	both.Go(func() { l.carry(near, far, func() { answered.Store(true) }) })
	both.Wait()
}

type packet struct {
	due  time.Time
	data []byte
}

// carry copies one direction. At most about 64 MB are on the way.
func (l *line) carry(to, from net.Conn, seen func()) {
	way := make(chan packet, 1024)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				seen()
				way <- packet{time.Now().Add(l.half), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	var failed error
	for p := range way {
		if failed == nil {
			time.Sleep(time.Until(p.due))
			_, failed = to.Write(p.data)
		}
	}
	reader.Wait()
	if c, ok := to.(*net.TCPConn); ok && (failed == nil || errors.Is(failed, io.EOF)) {
		c.CloseWrite()
	} else {
		from.Close()
	}
}

// lines are before the source and the target of one run.
type lines struct{ source, target *line }

// newLines stands for both servers.
func newLines(w loopWork, rtt time.Duration) (loopWork, *lines, error) {
	l := &lines{}
	var err error
	if l.source, err = newLine(w.Source, rtt); err != nil {
		return w, nil, err
	}
	if l.target, err = newLine(w.Target, rtt); err != nil {
		l.source.end()
		return w, nil, err
	}
	w.Source, w.Target = l.source.addr(), l.target.addr()
	return w, l, nil
}

func (l *lines) end() {
	l.source.end()
	l.target.end()
}

// trips counts round trips to each server: how often a client spoke after the
// server had, from the first command on.
type trips struct{ Source, Target int64 }

func (l *lines) trips() *trips { return &trips{l.source.turns.Load(), l.target.turns.Load()} }
