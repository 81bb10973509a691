package imaptest

import (
	"context"
	"net"
	"sync"
	"time"
)

// Faults are what goes wrong on a connection: Down from the server to the
// client, Up from the client to the server.
type Faults struct{ Down, Up Fault }

// FaultProxy stands between clients and a TCP server.
type FaultProxy struct {
	ln       net.Listener
	upstream string
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	plan   []Faults
	cuts   map[int]context.CancelFunc
	served int
}

// NewFaultProxy listens on a loopback port and passes each connection on to
// upstream, until ctx ends or Close. Faults are as in [FaultProxy.SetFaults].
func NewFaultProxy(ctx context.Context, upstream string, faults ...Faults) (*FaultProxy, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &FaultProxy{ln: ln, upstream: upstream, cancel: cancel, cuts: map[int]context.CancelFunc{}, plan: faults}
	p.running.Go(func() {
		stop := context.AfterFunc(ctx, func() { ln.Close() })
		defer stop()
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(ctx, conn) })
		}
	})
	return p, nil
}

// Addr returns where clients connect.
func (p *FaultProxy) Addr() string { return p.ln.Addr().String() }

// SetFaults sets the faults of the connections to come: the first of them has
// the first, and so on; the last holds for all after it. None: no faults.
func (p *FaultProxy) SetFaults(faults ...Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = faults
}

// Served returns how many connections there have been.
func (p *FaultProxy) Served() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

// Cut ends the connections there are.
func (p *FaultProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cut := range p.cuts {
		cut()
	}
}

// Close ends the proxy and its connections and waits for them.
func (p *FaultProxy) Close() error {
	p.cancel()
	p.running.Wait()
	return nil
}

func (p *FaultProxy) next() Faults {
	if len(p.plan) == 0 {
		return Faults{}
	}
	f := p.plan[0]
	if len(p.plan) > 1 {
		p.plan = p.plan[1:]
	}
	return f
}

func (p *FaultProxy) serve(ctx context.Context, near net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	p.served++
	id, faults := p.served, p.next()
	p.cuts[id] = cancel
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.cuts, id)
	}()
	far, err := new(net.Dialer).DialContext(ctx, "tcp", p.upstream)
	if err != nil {
		near.Close()
		return
	}
	faults.Bridge(ctx, near, far)
}

// Bridge passes octets between a client's connection and a server's until both
// directions have ended, a cut strikes or ctx ends. It closes both before it
// returns.
func (f Faults) Bridge(ctx context.Context, near, far net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	var running, directions sync.WaitGroup
	pass := func(dst, src net.Conn, fault Fault) func() {
		p := &pump{dst: dst, src: src, fault: fault, queue: make(chan chunk, queueLength), ended: make(chan struct{})}
		running.Go(func() { p.read(ctx) })
		return func() {
			half, ok := dst.(interface{ CloseWrite() error })
			if !p.run(ctx) || !ok || half.CloseWrite() != nil {
				cancel()
			}
		}
	}
	directions.Go(pass(near, far, f.Down))
	directions.Go(pass(far, near, f.Up))
	running.Go(func() {
		directions.Wait()
		cancel()
	})
	<-ctx.Done()
	near.Close()
	far.Close()
	running.Wait()
}

// pump passes one direction. What is read waits in a queue for its time, so
// that a delay costs no throughput.
type pump struct {
	dst, src net.Conn
	fault    Fault
	queue    chan chunk
	ended    chan struct{} // src has been read to its end
	passed   int64
	free     time.Time // when the line has sent what it was given
}

type chunk struct {
	data []byte
	due  time.Time
}

// queueLength bounds what is under way to about 16 MiB.
const queueLength = 512

func (p *pump) read(ctx context.Context) {
	defer close(p.queue)
	defer close(p.ended)
	for {
		buf := make([]byte, 32<<10)
		n, err := p.src.Read(buf)
		if n > 0 {
			select {
			case p.queue <- chunk{buf[:n], time.Now().Add(p.fault.Delay)}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// run writes what has been read; false means that the connection is over.
func (p *pump) run(ctx context.Context) bool {
	if p.over(ctx) {
		return false
	}
	for c := range p.queue {
		if !p.wait(ctx, c) || p.write(c.data) != nil || p.over(ctx) {
			return false
		}
	}
	return true
}

// over reports whether the fault has struck; a stall goes on until the sender
// ends.
func (p *pump) over(ctx context.Context) bool {
	cut, stall := p.fault.struck(p.passed)
	if stall {
		select {
		case <-ctx.Done():
		case <-p.ended:
		}
	}
	return cut || stall
}

// wait lets the chunk's time come: its delay, and its place on a slow line.
func (p *pump) wait(ctx context.Context, c chunk) bool {
	if p.fault.Delay == 0 && p.fault.Bandwidth == 0 {
		return true
	}
	now := time.Now()
	p.free = later(p.free, now).Add(p.fault.cost(int64(len(c.data))))
	t := time.NewTimer(later(c.due, p.free).Sub(now))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (p *pump) write(data []byte) error {
	data = data[:p.fault.allow(p.passed, int64(len(data)))]
	p.passed += int64(len(data))
	for len(data) > 0 {
		n := len(data)
		if p.fault.OneByte {
			n = 1
		}
		if _, err := p.dst.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
