package imap_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// throttled reads as BlueMind 5 does under its rate limit: of what has come
// everything at once, and then nothing until that is paid for. The bucket is of
// one user.
type throttled struct {
	net.Conn
	*bucket
}

type bucket struct {
	rate, burst float64 // octets a second, octets
	mu          sync.Mutex
	has         float64
	at          time.Time
	taken       int64     // of mail
	first, last time.Time // that mail came
}

func (c throttled) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	time.Sleep(c.debit(n))
	return n, err
}

func (b *bucket) debit(n int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.has = min(b.burst, b.has+now.Sub(b.at).Seconds()*b.rate) - float64(n)
	if b.at = now; n > 1000 { // more than a command
		if b.taken += int64(n); b.first.IsZero() {
			b.first = now
		}
		b.last = now
	}
	return max(0, time.Duration(-b.has/b.rate*float64(time.Second)))
}

// TestCopyThrottled: accounts that a target holds back, each by itself, get
// what each may have; none is given up, and each is seen to get on. What the
// target lets come at once forgives a pause: of little they must make none,
// where they share memory enough; of more, a longer one, where they wait for it.
func TestCopyThrottled(t *testing.T) {
	for name, test := range map[string]struct{ memory, burst int64 }{
		"memory enough":     {4 * throttledBatch, 16 << 10},
		"memory for little": {throttledBatch * 13 / 10, 128 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { copyThrottled(t, test.memory, float64(test.burst)) })
		})
	}
}

const throttledBatch = 256 << 10

func copyThrottled(t *testing.T, memory int64, burst float64) {
	const accounts, messages, size, rate = 6, 100, 30_000, 512 << 10
	budget := imap.NewBudget(accounts * memory)
	var all sync.WaitGroup
	for i := range accounts {
		p := newFarPair(t, "LITERAL+")
		b := &bucket{rate: rate, burst: burst, has: burst, at: time.Now()}
		p.arriving = func(c net.Conn) net.Conn { return throttled{c, b} }
		for n := range messages {
			p.from.Append(imaptest.Message{Body: letter(n, strings.Repeat(fmt.Sprintf("account %03d\r\n", i), size/13)), InternalDate: time.Unix(1e9, 0)})
		}
		last, slowest := time.Now(), time.Duration(0)
		p.opts.Budget, p.opts.BatchBytes = budget, throttledBatch
		p.opts.Progress = func(kind string, _ int, _ int64) {
			if kind == "copied" {
				slowest, last = max(slowest, time.Since(last)), time.Now()
			}
		}
		all.Go(func() {
			_, tally, err := p.took()
			if err != nil || tally.Copied != messages {
				t.Errorf("account %d: %+v, %v", i, tally, err)
			}
			if share := (float64(b.taken) - burst) / (rate * b.last.Sub(b.first).Seconds()); share < 0.95 {
				t.Errorf("account %d got %.3f of its rate", i, share)
			}
			if slowest > 10*throttledBatch*time.Second/rate {
				t.Errorf("account %d: nothing was seen for %v", i, slowest)
			}
			p.equal()
			p.src.Close()
			p.dst.Close()
		})
	}
	all.Wait()
	synctest.Wait()
}
