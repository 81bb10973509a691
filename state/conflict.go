package state

import (
	"context"
	"database/sql"
	"iter"
	"time"
)

// Conflict is an object of the target that stands against the plan. Kind,
// Domain and Name are its key.
type Conflict struct {
	Kind, Domain, Name string
	Text               string // what was seen; JSON
	Run                int64
	Seen               time.Time // read only
}

// PutConflict notes a conflict, over what was noted of the same object.
func (s *Store) PutConflict(ctx context.Context, c Conflict) error {
	return s.exec(ctx, "note a conflict of "+c.Kind+" "+c.Name, `INSERT INTO conflicts VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET text = excluded.text, run = excluded.run, seen = excluded.seen`,
		c.Kind, c.Domain, c.Name, c.Text, c.Run, stamp(s.now()))
}

// DropConflict notes that a conflict is no more. Without one nothing happens.
func (s *Store) DropConflict(ctx context.Context, c Conflict) error {
	return s.write(ctx, "drop a conflict of "+c.Kind+" "+c.Name, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM conflicts WHERE kind = ? AND domain = ? AND name = ?", c.Kind, c.Domain, c.Name)
		return err
	})
}

// Conflicts yields all conflicts by kind, domain and name. An error is the
// last it yields.
func (s *Store) Conflicts(ctx context.Context) iter.Seq2[Conflict, error] {
	return func(yield func(Conflict, error) bool) {
		err := s.each(ctx, "list conflicts", "SELECT kind, domain, name, text, run, seen FROM conflicts ORDER BY kind, domain, name", nil,
			func(scan func(...any) error) (bool, error) {
				var c Conflict
				var seen int64
				err := scan(&c.Kind, &c.Domain, &c.Name, &c.Text, &c.Run, &seen)
				c.Seen = unstamp(seen)
				return err == nil && yield(c, nil), err
			})
		if err != nil {
			yield(Conflict{}, err)
		}
	}
}
