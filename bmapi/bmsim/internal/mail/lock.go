package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
)

// BlueMind asks for an owner's lock in turns of 20 ms and gives up when the
// turn after the thousandth repetition has failed, too.
const (
	lockTurn  = 20 * time.Millisecond
	lockTurns = 1002
)

// readers is how many may hold an Owner at once; one writer counts as all.
const readers = 1 << 30

// Owner is the read/write lock of one box, in order of asking. BlueMind's IMAP
// endpoint holds it for a whole command, so that a reader waits while another
// connection appends.
type Owner struct {
	sem      *semaphore.Weighted
	patience time.Duration
}

// Owner returns the lock of a box, or nil of one that isn't there.
func (s *Store) Owner(which Box) *Owner {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.box(which)
	if err != nil {
		return nil
	}
	return b.owner
}

func newOwner(patience time.Duration) *Owner {
	return &Owner{sem: semaphore.NewWeighted(readers), patience: patience}
}

// Lock waits for the right to write and returns how to give it back, once.
// After Options.LockPatience it gives up with ErrBusy: the command that asked
// gets no answer in BlueMind. When ctx ends, its cause is the error. A nil
// owner locks nothing.
func (o *Owner) Lock(ctx context.Context) (unlock func(), err error) { return o.acquire(ctx, readers) }

// RLock waits for the right to read, as Lock does for the right to write.
func (o *Owner) RLock(ctx context.Context) (unlock func(), err error) { return o.acquire(ctx, 1) }

func (o *Owner) acquire(ctx context.Context, n int64) (func(), error) {
	if o == nil {
		return func() {}, nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, o.patience, ErrBusy)
	defer cancel()
	if err := o.sem.Acquire(limited, n); err != nil {
		cause := context.Cause(limited)
		if errors.Is(cause, ErrBusy) {
			return nil, fmt.Errorf("no lock within %v: %w", o.patience, ErrBusy)
		}
		return nil, cause
	}
	return func() { o.sem.Release(n) }, nil
}
