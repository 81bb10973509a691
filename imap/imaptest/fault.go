package imaptest

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Fault is what goes wrong in one direction of a connection. Octet counts: 0
// never, below 0 at once.
type Fault struct {
	CutAfter   int64         // close after so many octets
	StallAfter int64         // let nothing more pass after so many octets
	OneByte    bool          // pass octets one by one
	Delay      time.Duration // one way; on a FaultConn it passes before each call
	Bandwidth  int64         // octets a second; 0: all there is
}

// allow returns how many of n more octets may pass.
func (f Fault) allow(passed, n int64) int64 {
	for _, limit := range []int64{f.CutAfter, f.StallAfter} {
		if limit != 0 {
			n = min(n, max(limit-passed, 0))
		}
	}
	return n
}

// struck reports whether the fault has come; a cut goes before a stall.
func (f Fault) struck(passed int64) (cut, stall bool) {
	cut = f.CutAfter != 0 && passed >= f.CutAfter
	return cut, !cut && f.StallAfter != 0 && passed >= f.StallAfter
}

// cost is the time that octets take on a slow line.
func (f Fault) cost(n int64) time.Duration {
	if f.Bandwidth <= 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(f.Bandwidth) * float64(time.Second))
}

// FaultConn is a connection with faults. A stalled Read takes what arrives and
// gives nothing, until the deadline or the end of the connection; a stalled
// Write seems to succeed, as with a buffering network.
type FaultConn struct {
	net.Conn
	read, write Fault

	readMu, writeMu           sync.Mutex
	readPassed, writtenPassed int64
}

// NewFaultConn wraps a connection with a fault for what is read from it and one
// for what is written to it.
func NewFaultConn(conn net.Conn, read, write Fault) *FaultConn {
	return &FaultConn{Conn: conn, read: read, write: write}
}

// Read reads, unless the fault has struck.
func (c *FaultConn) Read(p []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	if c.read.OneByte {
		p = p[:1]
	}
	time.Sleep(c.read.Delay)
	switch cut, stall := c.read.struck(c.readPassed); {
	case cut:
		c.Conn.Close()
		return 0, io.EOF
	case stall:
		for {
			if _, err := c.Conn.Read(p); err != nil {
				return 0, err
			}
		}
	}
	n, err := c.Conn.Read(p[:c.read.allow(c.readPassed, int64(len(p)))])
	c.readPassed += int64(n)
	if cut, _ := c.read.struck(c.readPassed); cut {
		c.Conn.Close()
	}
	time.Sleep(c.read.cost(int64(n)))
	return n, err
}

// Write writes, unless the fault has struck.
func (c *FaultConn) Write(p []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	time.Sleep(c.write.Delay)
	n, err := c.pass(p[:c.write.allow(c.writtenPassed, int64(len(p)))])
	c.writtenPassed += int64(n)
	cut, stall := c.write.struck(c.writtenPassed)
	switch {
	case err != nil:
		return n, err
	case cut:
		c.Conn.Close()
		if n == len(p) {
			return n, nil
		}
		return n, &net.OpError{Op: "write", Net: "tcp", Addr: c.RemoteAddr(), Err: syscall.EPIPE}
	case stall:
		return len(p), nil
	}
	return n, nil
}

func (c *FaultConn) pass(p []byte) (n int, err error) {
	time.Sleep(c.write.cost(int64(len(p))))
	if !c.write.OneByte {
		return c.Conn.Write(p)
	}
	for n < len(p) && err == nil {
		_, err = c.Conn.Write(p[n : n+1])
		n++
	}
	return n, err
}
