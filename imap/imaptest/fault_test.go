package imaptest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bmsync/imap/imaptest"
)

// echo sends back what it gets until the end.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return ln.Addr().String()
}

func dialEcho(t *testing.T, read, write imaptest.Fault) *imaptest.FaultConn {
	t.Helper()
	conn, err := net.Dial("tcp", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return imaptest.NewFaultConn(conn, read, write)
}

func TestFaultConnCuts(t *testing.T) {
	for n := int64(1); n <= 10; n++ {
		c := dialEcho(t, imaptest.Fault{CutAfter: n}, imaptest.Fault{})
		io.WriteString(c, "0123456789")
		if got, err := io.ReadAll(c); string(got) != "0123456789"[:n] || err != nil {
			t.Errorf("read cut after %d: %q, %v", n, got, err)
		}
		if _, err := io.WriteString(c, "x"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after the cut: %v", err)
		}
		c = dialEcho(t, imaptest.Fault{}, imaptest.Fault{CutAfter: n})
		wrote, err := io.WriteString(c, "0123456789")
		if int64(wrote) != n || n < 10 && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write cut after %d: %d, %v", n, wrote, err)
		}
	}
	c := dialEcho(t, imaptest.Fault{CutAfter: -1}, imaptest.Fault{})
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("cut at once: %d, %v", n, err)
	}
}

func TestFaultConnStalls(t *testing.T) {
	c := dialEcho(t, imaptest.Fault{StallAfter: 3, OneByte: true}, imaptest.Fault{StallAfter: 5, OneByte: true})
	if n, err := io.WriteString(c, "0123456789"); n != 10 || err != nil {
		t.Errorf("a stalled write tells: %d, %v", n, err)
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if got, err := io.ReadAll(c); string(got) != "012" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stalled read: %q, %v", got, err)
	}
	c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
}

func TestFaultProxy(t *testing.T) {
	p, err := imaptest.NewFaultProxy(t.Context(), echo(t), imaptest.Faults{Down: imaptest.Fault{CutAfter: 4}},
		imaptest.Faults{Up: imaptest.Fault{CutAfter: 6, OneByte: true}}, imaptest.Faults{Up: imaptest.Fault{StallAfter: -1}},
		imaptest.Faults{Down: imaptest.Fault{CutAfter: -1}}, imaptest.Faults{Down: imaptest.Fault{OneByte: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	talk := func(limit time.Duration) (string, error) {
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(limit))
		io.WriteString(conn, "0123456789")
		conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		return string(got), err
	}
	if got, _ := talk(5 * time.Second); got != "0123" {
		t.Errorf("cut down: %q", got)
	}
	if got, _ := talk(5 * time.Second); !strings.HasPrefix("012345", got) {
		t.Errorf("cut up: %q", got)
	}
	if got, _ := talk(50 * time.Millisecond); got != "" {
		t.Errorf("stalled: %q", got)
	}
	if got, _ := talk(5 * time.Second); got != "" {
		t.Errorf("cut at once: %q", got)
	}
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 10)
	io.WriteString(conn, "0123456789")
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "0123456789" {
		t.Errorf("without faults: %q, %v", buf, err)
	}
	if n := p.Served(); n != 5 {
		t.Errorf("served %d", n)
	}
	p.Cut()
	if _, err := conn.Read(buf); err == nil {
		t.Error("lives after Cut")
	}
	p.SetFaults()
}

func TestFaultProxyStalls(t *testing.T) {
	for _, f := range []imaptest.Faults{{Up: imaptest.Fault{StallAfter: 3}}, {Down: imaptest.Fault{StallAfter: 3}}} {
		p, err := imaptest.NewFaultProxy(t.Context(), echo(t), f)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "0123456789")
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if got, err := io.ReadAll(conn); string(got) != "012" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%+v: %q, %v", f, got, err)
		}
		conn.Close()
		p.Close()
	}
}

// TestBridgeDelays proves on a false clock that a round trip costs both delays,
// that a pipeline pays them once, and that bandwidth is what it says.
func TestBridgeDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near := net.Pipe()
		far, server := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			imaptest.Faults{
				Down: imaptest.Fault{Delay: 30 * time.Millisecond, Bandwidth: 1 << 20}, Up: imaptest.Fault{Delay: 20 * time.Millisecond},
			}.Bridge(ctx, near, far)
		}()
		go io.Copy(server, server)
		begun := time.Now()
		go func() {
			for range 10 {
				client.Write([]byte{1})
			}
		}()
		if _, err := io.ReadFull(client, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun).Round(time.Millisecond); d != 50*time.Millisecond {
			t.Errorf("ten pipelined octets took %v", d)
		}
		begun = time.Now()
		go client.Write(bytes.Repeat([]byte{1}, 1<<20))
		if _, err := io.ReadFull(client, make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d < time.Second || d > 1200*time.Millisecond {
			t.Errorf("a MiB at 1 MiB/s took %v", d)
		}
		cancel()
		<-ended
		server.Close()
		client.Close()
	})
}
