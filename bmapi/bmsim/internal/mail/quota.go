package mail

import (
	"context"
	"math"
	"sync"
	"time"
)

// dateCache remembers the INTERNALDATE octets were first appended with. In
// BlueMind it is static: one for all users and folders of the server.
type dateCache struct {
	keep time.Duration

	mu    sync.Mutex
	dates map[[20]byte]rememberedDate
	order [][20]byte // by age, for forgetting
}

type rememberedDate struct{ date, at time.Time }

// best says which date a record gets: given is what APPEND said, zero for
// nothing; now is what it gets without one.
func (c *dateCache) best(sum [20]byte, given, now time.Time) time.Time {
	date := given
	if date.IsZero() {
		date = now
	}
	if c.keep < 0 {
		return date
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.order) > 0 && now.Sub(c.dates[c.order[0]].at) >= c.keep {
		delete(c.dates, c.order[0])
		c.order = c.order[1:]
	}
	if first, ok := c.dates[sum]; ok {
		return first.date
	}
	if c.dates == nil {
		c.dates = map[[20]byte]rememberedDate{}
	}
	c.dates[sum] = rememberedDate{date: date, at: now}
	c.order = append(c.order, sum)
	return date
}

// freeCache remembers free space by box, so that a raised quota is noticed
// only after keep without an append.
type freeCache struct {
	keep time.Duration

	mu    sync.Mutex
	space map[string]freeSpace
}

type freeSpace struct {
	bytes int64
	used  time.Time
}

func (c *freeCache) get(key string, now time.Time) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.space[key]
	if !ok || now.Sub(f.used) >= c.keep {
		delete(c.space, key)
		return 0, false
	}
	f.used = now
	c.space[key] = f
	return f.bytes, true
}

func (c *freeCache) set(key string, bytes int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.space[key] = freeSpace{bytes: bytes, used: now}
}

func (c *freeCache) consume(key string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.space[key]; ok && f.bytes != math.MaxInt64 {
		f.bytes -= n
		c.space[key] = f
	}
}

func (c *freeCache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.space, key)
}

// Free is how many bytes a box may still take, as an append sees it: believed
// for some time, counted in whole KiB, negative once the quota is exceeded.
func (s *Store) Free(ctx context.Context, which Box) (int64, error) {
	if free, ok := s.free.get(which.key(), s.opts.Now()); ok {
		return free, nil
	}
	used, err := s.Used(ctx, which)
	if err != nil {
		return 0, err
	}
	free := int64(math.MaxInt64)
	if quota := s.Quota(which); quota > 0 {
		free = quota<<10 - used>>10<<10
	}
	s.free.set(which.key(), free, s.opts.Now())
	return free, nil
}
