package migrate

import (
	"cmp"
	"slices"
	"sync"
)

// waiting is an account to be run: where it stands in the plan, its size, and
// the user by whose key it is filled.
type waiting struct {
	offset int64
	bytes  int64
	user   string
}

func waitingOf(a *PlanAccount) waiting {
	return waiting{a.offset, a.Survey.Bytes, cmp.Or(a.Writer, a.Address)}
}

// line is the order in which accounts are begun: the biggest first, since it
// sets the end, but while others wait none of a user who is at work already.
// BlueMind 5 gives each user 1 MiB a second over all connections, so that two
// shares of one writer at a time are no faster than one after the other.
type line struct {
	mu      sync.Mutex
	waiting []waiting
	working map[string]int // accounts under way, by user
}

func newLine(list []waiting) *line {
	l := &line{waiting: slices.Clone(list), working: map[string]int{}}
	slices.SortStableFunc(l.waiting, func(a, b waiting) int { return cmp.Compare(b.bytes, a.bytes) })
	return l
}

// take gives the account to begin now. There must be one.
func (l *line) take() waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	best := 0
	for i, w := range l.waiting {
		if l.working[w.user] < l.working[l.waiting[best].user] {
			best = i
		}
		if l.working[l.waiting[best].user] == 0 {
			break
		}
	}
	next := l.waiting[best]
	copy(l.waiting[1:best+1], l.waiting[:best])
	l.waiting = l.waiting[1:]
	l.working[next.user]++
	return next
}

// done says that an account that was taken has ended.
func (l *line) done(w waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.working[w.user]--; l.working[w.user] == 0 {
		delete(l.working, w.user)
	}
}
