package migrate

import (
	"context"
	"sync"
)

// keyPool gives each user one key at a time, however many accounts are filled
// by it: the user's own mailbox, and the shares that the user writes to. The
// key goes with the last of them. The zero value is an empty pool.
type keyPool struct {
	mu    sync.Mutex
	slots map[string]*keySlot // by domain and entry UID
}

type keySlot struct {
	turn  chan struct{} // held by who makes or deletes the key
	key   *key
	users int
}

func (p *keyPool) slot(e *entry) *keySlot {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := e.Domain.UID + "\x00" + e.UID
	if p.slots == nil {
		p.slots = map[string]*keySlot{}
	}
	if p.slots[id] == nil {
		p.slots[id] = &keySlot{turn: make(chan struct{}, 1)}
	}
	return p.slots[id]
}

// takeKey gives the key of the user by whom an entry is filled, and makes it
// where nobody has it yet. Each is given back by giveKey.
func (r *runner) takeKey(ctx context.Context, e *entry) (*key, error) {
	user := e.filler()
	if user == nil {
		return nil, blocked("name a writer in the share's row, or under policy.shares.writers", "nobody is known to write to %s", e.Address)
	}
	s := r.keys.slot(user)
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if s.key == nil {
		k, err := openKey(ctx, r.platform, user, r.name, r.dead, r.opts.Now)
		if err != nil {
			return nil, err
		}
		s.key = k
	}
	s.users++
	return s.key, nil
}

// giveKey gives a key back. With the last who had it, it is deleted, and its
// sessions with it, also after an interrupt.
func (r *runner) giveKey(ctx context.Context, k *key) error {
	s := r.keys.slot(k.e)
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.users--; s.users > 0 {
		return nil
	}
	s.key = nil
	return k.close(ctx)
}

// filler is the user by whose key an entry is filled; nil where nobody is known.
func (e *entry) filler() *entry {
	if e.Share {
		return e.Writer
	}
	return e
}
