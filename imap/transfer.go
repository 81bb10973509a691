package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// batch is a few messages on their way: fetched together, begun in the ledger
// together, in flight together.
type batch struct {
	msgs    []*spooled
	settled []Outcome // of messages that the source didn't deliver
	held    int64     // octets taken from the budget
	kept    int64     // octets in memory
	flights int       // that still need its messages
	asked   int       // messages
	octets  int64     // of them, as listed
}

// room says whether a body may be kept in memory. More than its listed size
// promised, for many sources are wrong about it, needs more of the budget.
func (b *batch) room(budget *Budget, m Message, size int64) bool {
	if size > memoryLimit {
		return false
	}
	more := size - min(max(m.Size, 0), memoryLimit)
	if more <= 0 {
		return true
	}
	if !budget.sem.TryAcquire(more) {
		return false
	}
	b.held += more
	return true
}

func (b *batch) close(budget *Budget) {
	for _, m := range b.msgs {
		m.Close()
	}
	b.msgs = nil
	budget.count(-b.kept)
	budget.release(b.held)
	b.kept, b.held = 0, 0
}

// transfer copies messages, and tries again, after a pause, what the target
// refused for its own trouble.
func (c *copier) transfer(ctx context.Context, list []Message) error {
	rest, err := c.guarded(ctx, list)
	if err != nil {
		return err
	}
	return c.transferAll(ctx, rest)
}

func (c *copier) transferAll(ctx context.Context, list []Message) error {
	for try := 0; len(list) > 0; try++ {
		c.again, c.lastTry = nil, try >= len(c.opts.RetryDelays)
		for rest := list; len(rest) > 0; {
			err := c.pipe(ctx, rest)
			if err == nil {
				rest, err = c.move(ctx)
			}
			if err != nil {
				return err
			}
		}
		list = c.again
		slices.SortFunc(list, byUID)
		if len(list) == 0 || c.lastTry {
			continue
		}
		if err := c.opts.Sleep(ctx, c.opts.RetryDelays[try]); err != nil {
			return err
		}
	}
	if c.unplaced {
		c.unplaced = false
		return c.settle(ctx) // stored without an APPENDUID: found by content
	}
	return nil
}

// pipe fetches and appends messages, the two overlapping: a goroutine reads the
// source into spools, the caller's writes to the target. Where both fail, the
// writer's error is the cause: it ends the reader. The source's next listing is
// made while the last batches are written.
func (c *copier) pipe(ctx context.Context, list []Message) error {
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reader{copier: c, list: list, ready: make(chan *batch, 16), ahead: newAhead(c.opts, &c.src.ahead)}
	reading := make(chan error, 1)
	go func() {
		err := r.run(rctx)
		close(r.ready)
		if err == nil {
			c.pages.ahead(rctx)
		}
		reading <- err
	}()
	err := (&writer{copier: c, ahead: r.ahead}).run(ctx, r.ready)
	if err != nil {
		cancel() // a source still being read is of no use any more
	}
	for b := range r.ready {
		b.close(c.opts.Budget)
	}
	if readErr := <-reading; err == nil {
		err = readErr
	}
	return err
}

func (c *copier) progress(kind string, n int, octets int64) {
	if c.opts.Progress != nil {
		c.opts.Progress(kind, n, octets)
	}
}

// cut says how many of the listed messages make the next batch.
func (c *copier) cut(list []Message) (n int, octets, memory int64) {
	for _, m := range list {
		size := max(m.Size, 0)
		if n == c.opts.Batch || n > 0 && octets+size > c.opts.BatchBytes {
			break
		}
		n++
		octets += size
		memory += min(size, memoryLimit)
	}
	return n, octets, max(memory, 4096)
}

// refusal says whether an error is a tagged NO or BAD, after which the
// session goes on.
func refusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == KindNo || e.Kind == KindBad)
}

// serverWords gives what a server said, as it stands in the ledger.
func serverWords(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Kind == KindRefused {
		return "not sent: " + join(e.Text, errorText(e.Err))
	}
	words := e.Kind.String() + " "
	if e.Code != "" {
		words += "[" + e.Code + "] "
	}
	return words + e.Text
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func tooLargeReason(size, limit int64) string {
	return fmt.Sprintf("%s: %d bytes, the limit is %d", ReasonTooLarge, size, limit)
}
