package state

import (
	"context"
	"database/sql"
	"slices"
)

// writing is a write that waits for its turn, or for somebody else's.
type writing struct {
	fn   func(ctx context.Context, tx *sql.Tx) error
	err  error // once done is closed
	done chan struct{}
}

// groupLimit is how many writes one transaction takes in at most.
const groupLimit = 64

// write runs fn in a transaction, when its turn has come. A transaction costs a
// disk's fsync, of which it does some hundred in a second: all writes that wait by
// then share one, and each of them has happened, durably, when its call returns.
// One that fails takes nothing of the others back. Once begun, a write does not
// listen to ctx: it is short, and SQLite's own interruption would cost a goroutine
// for each statement.
func (s *Store) write(ctx context.Context, what string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if s.lock == nil {
		return ErrReadOnly
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w := &writing{fn: fn, done: make(chan struct{})}
	s.join(w)
	select {
	case <-w.done:
		return s.fault(what, w.err)
	case <-s.turn:
	case <-ctx.Done():
		if s.leave(w) {
			return context.Cause(ctx)
		}
		<-w.done
		return s.fault(what, w.err)
	}
	defer func() { s.turn <- struct{}{} }()
	for {
		select {
		case <-w.done:
			return s.fault(what, w.err)
		default:
			s.writeGroup(context.WithoutCancel(ctx))
		}
	}
}

func (s *Store) join(w *writing) {
	s.joining.Lock()
	defer s.joining.Unlock()
	s.joined = append(s.joined, w)
}

// leave takes back a write that nobody has begun; false where somebody has.
func (s *Store) leave(w *writing) bool {
	s.joining.Lock()
	defer s.joining.Unlock()
	i := slices.Index(s.joined, w)
	if i < 0 {
		return false
	}
	s.joined = slices.Delete(s.joined, i, i+1)
	return true
}

// writeGroup does the writes that wait, as many as one transaction takes. The
// turn is the caller's.
func (s *Store) writeGroup(ctx context.Context) {
	s.joining.Lock()
	group := slices.Clone(s.joined[:min(len(s.joined), groupLimit)])
	s.joined = slices.Delete(s.joined, 0, len(group))
	s.joining.Unlock()
	err := transact(ctx, s.writer, func(ctx context.Context, tx *sql.Tx) error {
		if len(group) == 1 {
			return group[0].fn(ctx, tx)
		}
		for _, w := range group {
			if err := apart(ctx, tx, w); err != nil {
				return err
			}
		}
		return nil
	})
	for _, w := range group {
		if err != nil {
			w.err = err // nothing of the group was written
		}
		close(w.done)
	}
}

// apart does one write of several so that its failure undoes nothing of the
// others. Its error is the whole transaction's, which SQLite ends by itself where
// a disk is full.
func apart(ctx context.Context, tx *sql.Tx, w *writing) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	if w.err = w.fn(ctx, tx); w.err != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
			return w.err
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE one")
	return err
}

func transact(ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit: nothing
	if err := fn(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// exec is write for one statement that must touch a row.
func (s *Store) exec(ctx context.Context, what, query string, args ...any) error {
	return s.write(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrNotFound
	})
}
