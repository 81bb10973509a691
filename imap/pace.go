package imap

import (
	"context"
	"sync"
	"time"
)

// How much may be under way at a time, as multiples of two batches: the one
// being executed and the one arriving, which is all that a near server needs. A
// far one is sent more of small messages, so that their round trips overlap; of
// octets twice as much is plenty. What is under way when a connection breaks has
// to be looked for: the last two bound it whatever a batch is.
const (
	farMessages  = 8
	farOctets    = 2
	mostMessages = 1024
	mostOctets   = 16 << 20
)

// window is how much may be under way on one connection, or is.
type window struct {
	batches  int
	messages int
	octets   int64
}

func (w *window) add(messages int, octets int64) {
	w.batches++
	w.messages += messages
	w.octets += octets
}

func (w *window) sub(messages int, octets int64) {
	w.batches--
	w.messages -= messages
	w.octets -= octets
}

// windowOf gives the window that is times as large as two batches.
func (o CopyOptions) windowOf(times float64) window {
	batches := window{2, 2 * o.Batch, 2 * o.BatchBytes}
	return window{
		batches:  batches.batches, // whatever they hold
		messages: min(int(float64(batches.messages)*times), max(batches.messages, mostMessages)),
		octets:   min(int64(float64(batches.octets)*min(times, farOctets)), max(batches.octets, mostOctets)),
	}
}

// takes says whether another batch may follow what is under way.
func (w window) takes(o CopyOptions, under window) bool {
	return under.batches < w.batches || under.messages+o.Batch <= w.messages && under.octets+o.BatchBytes <= w.octets
}

// pace is how large a target's window has come to be, between one session's
// copies. A batch is answered after the round trip, its own execution and that
// of what the server had before it; by the shortest such time and how much more
// it takes with so much under way, it is known what waits at the server and what
// is on the wire. The window is kept at twice the latter.
type pace struct {
	least time.Duration // from a batch's last octet to its answer, at best; 0: not known
	times float64       // of windowOf; 0: 1
}

// window is at least of two batches.
func (p *pace) window(o CopyOptions) window { return o.windowOf(max(p.times, 1)) }

// answered takes in that a batch was answered, which took so long while under
// had been under way, itself included.
func (p *pace) answered(o CopyOptions, under window, took time.Duration) {
	took = max(took, time.Microsecond)
	if p.least == 0 || took < p.least {
		p.least = took
	}
	one := o.windowOf(1)
	used := max(float64(under.messages)/float64(one.messages), float64(under.octets)/float64(one.octets))
	want, times := 2*used*float64(p.least)/float64(took), max(p.times, 1)
	if want > times {
		times = min(want, 2*times)
	} else {
		times -= (times - want) / 8 // one slow answer says little
	}
	p.times = min(max(times, 1), farMessages)
}

// ahead bounds what is asked of the source and not yet taken by the writer. It
// grows while the writer waits for a source that isn't asked for more: then it
// is the round trip that both wait for.
type ahead struct {
	opts  CopyOptions
	times *float64 // of windowOf; kept between one session's copies

	mu      sync.Mutex
	under   window
	waiting bool
	freed   chan struct{}
}

func newAhead(o CopyOptions, times *float64) *ahead {
	*times = max(*times, 1)
	return &ahead{opts: o, times: times, freed: make(chan struct{}, 1)}
}

// take waits until so much more may be asked for.
func (a *ahead) take(ctx context.Context, messages int, octets int64) error {
	for {
		a.mu.Lock()
		a.waiting = !a.opts.windowOf(*a.times).takes(a.opts, a.under)
		if !a.waiting {
			a.under.add(messages, octets)
			a.mu.Unlock()
			return nil
		}
		a.mu.Unlock()
		select {
		case <-a.freed:
		case <-a.opts.Stop:
			return ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// free gives back what take took.
func (a *ahead) free(messages int, octets int64) {
	a.mu.Lock()
	a.under.sub(messages, octets)
	a.mu.Unlock()
	a.wake()
}

// starved says that the writer waited for the batch that has now come.
func (a *ahead) starved() {
	a.mu.Lock()
	if a.waiting {
		*a.times = min(2**a.times, farMessages)
	}
	a.mu.Unlock()
	a.wake()
}

func (a *ahead) wake() {
	select {
	case a.freed <- struct{}{}:
	default:
	}
}
