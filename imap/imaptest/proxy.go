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

// Bridge passes octets between a client's connection and a server's until one
// side ends, a cut strikes or ctx ends. It closes both before it returns.
func (f Faults) Bridge(ctx context.Context, near, far net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	pump := func(dst, src net.Conn, fault Fault) {
		defer cancel()
		newPump(dst, src, fault).run(ctx)
	}
	running.Go(func() { pump(near, far, f.Down) })
	running.Go(func() { pump(far, near, f.Up) })
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
	passed   int64
	free     time.Time // when the line has sent what it was given
}

type chunk struct {
	data []byte
	due  time.Time
}

// queueLength bounds what is under way to about 16 MiB.
const queueLength = 512

func newPump(dst, src net.Conn, fault Fault) *pump {
	return &pump{dst: dst, src: src, fault: fault, queue: make(chan chunk, queueLength)}
}

func (p *pump) run(ctx context.Context) {
	var reading sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	reading.Go(func() { p.read(ctx) })
	cut, stall := p.fault.struck(0)
	if stall {
		<-ctx.Done()
	}
	for c := range p.queue {
		if cut || stall || !p.wait(ctx, c) || !p.write(ctx, c.data) {
			break
		}
	}
	cancel()
	// Bridge closes src when this returns; without that, read may wait for it.
	p.src.Close()
	reading.Wait()
}

func (p *pump) read(ctx context.Context) {
	defer close(p.queue)
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

func (p *pump) write(ctx context.Context, data []byte) bool {
	data = data[:p.fault.allow(p.passed, int64(len(data)))]
	p.passed += int64(len(data))
	for len(data) > 0 {
		n := len(data)
		if p.fault.OneByte {
			n = 1
		}
		if _, err := p.dst.Write(data[:n]); err != nil {
			return false
		}
		data = data[n:]
	}
	cut, stall := p.fault.struck(p.passed)
	if stall {
		<-ctx.Done()
	}
	return !cut && !stall
}
