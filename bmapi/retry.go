package bmapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Retry says how often and how fast a call is tried again.
type Retry struct {
	Tries int           // in all; 0: 4; 1: each call once, whatever happens
	Base  time.Duration // before the second try, doubled for each one after; 0: 500 ms
	Max   time.Duration // longest wait, also where the server asks for more by Retry-After; 0: 1 min

	// Outage is how long a call waits for a BlueMind that has answered us before and is
	// away now: nobody listens, or its proxy says 502, 503 or 504. Tries made meanwhile
	// are not counted. 0: 2 minutes, the time that a restart of its core takes; below
	// 0: an outage is treated like other trouble.
	Outage time.Duration

	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer
	Rand  func() float64                                   // in [0,1), spreads the waits; nil: math/rand
	Now   func() time.Time                                 // for Outage, and Retry-After given as a date; nil: time.Now
}

// outagePause is the longest wait between two looks whether BlueMind is back.
const outagePause = 10 * time.Second

func (r Retry) withDefaults() Retry {
	if r.Tries == 0 {
		r.Tries = 4
	}
	if r.Base == 0 {
		r.Base = 500 * time.Millisecond
	}
	if r.Max == 0 {
		r.Max = time.Minute
	}
	if r.Outage == 0 {
		r.Outage = 2 * time.Minute
	}
	if r.Sleep == nil {
		r.Sleep = sleep
	}
	if r.Rand == nil {
		r.Rand = rand.Float64
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	return r
}

// wait is the pause after the given number of failed tries, half of it at random.
func (r Retry) wait(failed int) time.Duration {
	d := r.Max
	if failed < 20 {
		d = min(r.Base<<(failed-1), r.Max)
	}
	return d/2 + time.Duration(r.Rand()*float64(d/2))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// patience is how much of it one call has spent.
type patience struct {
	Retry
	tries  int           // that count
	all    int           // the others too
	began  time.Time     // of the first try
	waited time.Duration // in pauses
}

func (r Retry) patience() *patience { return &patience{Retry: r, began: r.Now()} }

// next tells how long to wait before the next try, and whether there is one.
func (p *patience) next(v verdict, reached bool) (time.Duration, bool) {
	p.all++
	if !v.again || v.after > p.Max || p.Tries == 1 {
		return 0, false
	}
	if !v.away || !reached || p.Outage < 0 {
		if p.tries++; p.tries >= p.Tries {
			return 0, false
		}
		return p.pause(max(p.wait(p.all), v.after)), true
	}
	// Time spent in tries counts, too: a proxy that answers 504 takes minutes for it.
	if max(p.waited, p.Now().Sub(p.began)) >= p.Outage {
		return 0, false
	}
	return p.pause(max(min(p.wait(p.all), outagePause), v.after)), true
}

func (p *patience) pause(d time.Duration) time.Duration {
	p.waited += d
	return d
}

// verdict is what a failed try means for the next.
type verdict struct {
	again      bool          // it may be made
	away       bool          // BlueMind is not there, as far as can be seen
	unanswered bool          // the server may have done what was asked
	after      time.Duration // how long it asked us to wait
}

func judge(cl call, err error) verdict {
	if f, ok := errors.AsType[*Fault](err); ok {
		f.blind = cl.once && f.unanswered()
		return verdict{again: f.temporary() && !f.blind, away: f.proxy(), unanswered: f.unanswered(), after: f.RetryAfter}
	}
	if e, ok := errors.AsType[*ConnError](err); ok {
		e.blind = cl.once && e.Sent
		return verdict{again: !e.fatal && !e.blind, away: !e.Sent, unanswered: e.Sent}
	}
	return verdict{}
}
