package imap

import (
	"net"
	"syscall"
)

// quickAck gives a function that has the kernel acknowledge at once what was
// read. Linux forgets the wish, so it is repeated after each read. Without it
// a server that leaves Nagle's algorithm on (Cyrus) holds its second short
// answer back until our acknowledgement, which Linux delays by 40 ms.
func quickAck(nc net.Conn) func() {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	if _, ok := nc.RemoteAddr().(*net.TCPAddr); !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) }
	return func() { raw.Control(set) }
}
