package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// line is a wire to a server that takes its time: whatever goes in comes out
// half a round trip later, at any rate.
type line struct {
	ln   net.Listener
	to   string
	half time.Duration
	work sync.WaitGroup
}

// newLine gives the address to use for a server. Without a round-trip time it
// is the server's own.
func newLine(to string, rtt time.Duration) (addr string, end func(), err error) {
	if rtt == 0 {
		return to, func() {}, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	l := &line{ln: ln, to: to, half: rtt / 2}
	l.work.Go(l.serve)
	return ln.Addr().String(), func() { ln.Close(); l.work.Wait() }, nil
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
	both.Go(func() { l.carry(far, near) })
	both.Go(func() { l.carry(near, far) })
	both.Wait()
}

type packet struct {
	due  time.Time
	data []byte
}

// carry copies one direction. At most about 64 MB are on the way.
func (l *line) carry(to, from net.Conn) {
	way := make(chan packet, 1024)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
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
