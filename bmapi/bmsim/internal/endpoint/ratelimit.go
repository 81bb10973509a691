package endpoint

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits are BlueMind's throughput limiters: a token bucket for each default
// address, shared by all its connections, as large as the largest message.
type limits struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// of returns the bucket of an address, full when it is new.
func (l *limits) of(email string, perSecond, burst int64) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := strings.ToLower(email)
	b := l.buckets[key]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(perSecond), int(burst))
		if l.buckets == nil {
			l.buckets = map[string]*rate.Limiter{}
		}
		l.buckets[key] = b
	}
	return b
}

// debit takes n octets that have come and says how long the socket must not be
// read afterwards. What has come is worked on at once: BlueMind's strategy
// "behind".
func debit(b *rate.Limiter, n int, now time.Time) time.Duration {
	return b.ReserveN(now, min(n, b.Burst())).DelayFrom(now)
}
