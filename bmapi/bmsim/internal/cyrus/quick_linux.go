package cyrus

import (
	"net"
	"syscall"
)

// quick acknowledges at once what it has read. Cyrus leaves Nagle's algorithm on:
// the second short part of an answer waits for the acknowledgement of the first,
// which Linux would delay by 40 ms. Linux forgets the wish, so it is repeated.
type quick struct{ net.Conn }

func (q quick) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	if sc, ok := q.Conn.(syscall.Conn); ok && n > 0 {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) })
		}
	}
	return n, err
}
