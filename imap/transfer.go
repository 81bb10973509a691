package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// batch is a few messages on their way: fetched together, begun in the ledger
// together, in flight together.
type batch struct {
	msgs    []*spooled
	settled []Outcome // of messages that the source didn't deliver
	held    int64     // octets taken from the budget
	flights int       // that still need its messages
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
	budget.release(b.held)
	b.held = 0
}

// transfer copies messages, and tries again what the target refused for its
// own trouble, after a pause, and what it refused for its keywords, without.
func (c *copier) transfer(ctx context.Context, list []Message) error {
	for try := 0; len(list) > 0; try++ {
		c.again, c.lastTry = nil, try >= len(c.opts.RetryDelays)
		if err := c.pipe(ctx, list); err != nil {
			return err
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
// writer's error is the cause: it ends the reader.
func (c *copier) pipe(ctx context.Context, list []Message) error {
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, reading := make(chan *batch, 1), make(chan error, 1)
	go func() {
		err := c.read(rctx, list, ready)
		close(ready)
		reading <- err
	}()
	err := (&writer{copier: c}).run(ctx, ready)
	if err != nil {
		cancel() // a source still being read is of no use any more
	}
	for b := range ready {
		b.close(c.opts.Budget)
	}
	if readErr := <-reading; err == nil {
		err = readErr
	}
	return err
}

// read spools the messages batch by batch and hands them over, in order.
func (c *copier) read(ctx context.Context, list []Message, ready chan<- *batch) error {
	for len(list) > 0 {
		if c.opts.stopped() {
			return ErrStopped
		}
		n, octets, memory := c.cut(list)
		held, err := c.opts.Budget.acquire(ctx, memory)
		if err != nil {
			return err
		}
		b := &batch{held: held}
		if err := c.fetch(ctx, list[:n], b); err != nil {
			b.close(c.opts.Budget)
			return err
		}
		c.progress("fetched", len(b.msgs), octets)
		select {
		case ready <- b:
		case <-ctx.Done():
			b.close(c.opts.Budget)
			return context.Cause(ctx)
		}
		list = list[n:]
	}
	return nil
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

// fetch spools one batch. What the server left out of its answer is asked for
// again one by one; what it then refuses, or no longer lists, is settled.
func (c *copier) fetch(ctx context.Context, list []Message, b *batch) error {
	uids := make([]uint32, len(list))
	byUID := make(map[uint32]Message, len(list))
	for i, m := range list {
		uids[i], byUID[m.UID] = m.UID, m
	}
	got := make(map[uint32]*spooled, len(list))
	err := c.src.Fetch(ctx, uids, c.spoolInto(byUID, got, b))
	if err != nil && !refusal(err) {
		c.undelivered(list, got, err)
		free(got)
		return fmt.Errorf("fetch from %q: %w", c.opts.Source, err)
	}
	for _, m := range list {
		if got[m.UID] == nil {
			if err := c.fetchOne(ctx, m, got, b); err != nil {
				free(got)
				return err
			}
		}
		if s := got[m.UID]; s != nil {
			b.msgs = append(b.msgs, s)
		}
	}
	return nil
}

// undelivered counts the message that was due when the source ended the
// session. It may be why.
func (c *copier) undelivered(list []Message, got map[uint32]*spooled, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindBye && e.Kind != KindClosed && e.Kind != KindTimeout {
		return
	}
	for _, m := range list {
		if got[m.UID] == nil {
			c.opts.Undelivered[m.UID]++
			return
		}
	}
}

func free(got map[uint32]*spooled) {
	for _, s := range got {
		s.Close()
	}
}

func (c *copier) spoolInto(wanted map[uint32]Message, got map[uint32]*spooled, b *batch) func(uint32, int64, io.Reader) error {
	return func(uid uint32, size int64, body io.Reader) error {
		m, ok := wanted[uid]
		if !ok || got[uid] != nil {
			_, err := io.Copy(io.Discard, body)
			return err
		}
		s, err := spool(m, size, body, c.opts.SpoolDir, b.room(c.opts.Budget, m, size))
		if err != nil {
			return err
		}
		got[uid] = s
		return nil
	}
}

// refusal says whether an error is a tagged NO or BAD, after which the
// session goes on.
func refusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == KindNo || e.Kind == KindBad)
}

// fetchOne asks for one message alone, twice, unless the source doesn't list
// it any more, and settles it if the source doesn't deliver it.
func (c *copier) fetchOne(ctx context.Context, m Message, got map[uint32]*spooled, b *batch) error {
	o := Outcome{SrcUID: m.UID, Size: m.Size, InternalDate: m.InternalDate, DateText: m.DateText, Flags: Normalize(m.Flags)}
	o.Fate, o.By, o.Reason = Refused, "source", "fetch: the source lists the message and does not deliver it"
	for try := range 2 {
		listed := false
		err := c.src.Messages(ctx, m.UID, m.UID, func(Message) error { listed = true; return nil })
		if err != nil && !refusal(err) {
			return fmt.Errorf("list %q: %w", c.opts.Source, err)
		}
		if err == nil && !listed {
			o.Fate, o.By, o.Reason = Vanished, "", ""
			break
		}
		if try > 0 {
			if err := c.opts.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		words := c.src.Fetch(ctx, []uint32{m.UID}, c.spoolInto(map[uint32]Message{m.UID: m}, got, b))
		if words != nil && !refusal(words) {
			return fmt.Errorf("fetch from %q: %w", c.opts.Source, words)
		}
		if got[m.UID] != nil {
			return nil
		}
		if words != nil {
			o.Reason = "fetch: " + serverWords(words)
		}
	}
	b.settled = append(b.settled, o)
	return nil
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
