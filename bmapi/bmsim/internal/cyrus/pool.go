package cyrus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// maxIdle is how many sessions a pool keeps open: each is a process of Cyrus.
const maxIdle = 12

// pool lends sessions, by who they are for.
type pool struct {
	addr string
	who  login

	mu   sync.Mutex
	idle map[string][]*client // as → sessions
	n    int
}

// with runs fn in a session of the user (login@domain), or of the administrator
// for "". A kept session that turns out to be dead is replaced once, so fn may
// run twice.
func (p *pool) with(ctx context.Context, as string, fn func(*client) error) error {
	c := p.take(as)
	kept := c != nil
	for {
		if c == nil {
			var err error
			if c, err = p.dial(ctx, as); err != nil {
				return err
			}
		}
		err := fn(c)
		if !c.broken {
			p.give(as, c)
			return err
		}
		c.close()
		if !kept || ctx.Err() != nil {
			return err
		}
		c, kept = nil, false
	}
}

// dial opens a session. A SIGHUP that comes while Cyrus reads the login makes it
// fail, by a refusal or a closed connection: that is tried again.
func (p *pool) dial(ctx context.Context, as string) (*client, error) {
	who := p.who
	who.as = as
	for try := 1; ; try++ {
		c, err := dial(ctx, p.addr, who)
		var no *refusal
		if err == nil || try == 3 || errors.As(err, &no) && !strings.Contains(no.text, "Interrupted system call") {
			return c, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (p *pool) take(as string) *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[as]
	if len(kept) == 0 {
		return nil
	}
	p.n--
	p.idle[as] = kept[:len(kept)-1]
	return kept[len(kept)-1]
}

func (p *pool) give(as string, c *client) {
	p.mu.Lock()
	var evicted *client
	if p.n == maxIdle {
		evicted = p.evict()
	}
	p.idle[as] = append(p.idle[as], c)
	p.n++
	p.mu.Unlock()
	if evicted != nil {
		evicted.close()
	}
}

// evict takes out any kept session.
func (p *pool) evict() *client {
	for as, kept := range p.idle {
		if len(kept) == 0 {
			delete(p.idle, as)
			continue
		}
		p.idle[as] = kept[1:]
		p.n--
		return kept[0]
	}
	return nil
}

// clear closes all kept sessions: Cyrus's processes read imapd.conf only once.
func (p *pool) clear() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.n = map[string][]*client{}, 0
	p.mu.Unlock()
	for _, kept := range idle {
		for _, c := range kept {
			c.close()
		}
	}
}
