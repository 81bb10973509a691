package state

import (
	"context"
	"database/sql"
	"iter"
	"time"
)

// Object is something that a run made on the target beside mail: a domain, an
// entry, a membership, a right. Kind, DomainUID, UID and Part are its key among
// those that are not withdrawn.
type Object struct {
	ID        int64
	Kind      string
	DomainUID string
	UID       string
	Part      string // which of several things at that uid: a member, a right; else ""
	Name      string // for people
	Detail    string // what else is needed to withdraw it
	Run       int64
	Begun     time.Time // before the call that makes it
	Done      time.Time // its answer came; zero: a run was cut, and nobody knows
	Withdrawn time.Time
}

const objectColumns = "id, kind, domain_uid, uid, part, name, detail, run, begun, done, withdrawn"

const byObjectKey = " WHERE kind = ? AND domain_uid = ? AND uid = ? AND part = ? AND withdrawn = 0"

func (o Object) key() []any { return []any{o.Kind, o.DomainUID, o.UID, o.Part} }

func scanObject(scan func(...any) error) (Object, error) {
	var o Object
	var begun, done, withdrawn int64
	err := scan(&o.ID, &o.Kind, &o.DomainUID, &o.UID, &o.Part, &o.Name, &o.Detail, &o.Run, &begun, &done, &withdrawn)
	o.Begun, o.Done, o.Withdrawn = unstamp(begun), unstamp(done), unstamp(withdrawn)
	return o, err
}

// BeginObject notes that an object is about to be made by o.Run; times in o are
// ignored. One that is noted already is noted anew, as not done: it is being
// made again.
func (s *Store) BeginObject(ctx context.Context, o Object) error {
	return s.exec(ctx, "note "+o.Kind+" "+o.Name, `INSERT INTO objects (kind, domain_uid, uid, part, name, detail, run, begun) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, domain_uid, uid, part) WHERE withdrawn = 0
		DO UPDATE SET name = excluded.name, detail = excluded.detail, run = excluded.run, begun = excluded.begun, done = 0`,
		o.Kind, o.DomainUID, o.UID, o.Part, o.Name, o.Detail, o.Run, stamp(s.now()))
}

// EndObject notes that an object was made; one that was never begun is
// [ErrNotFound]. Name and Detail are as known now; the time of an object that
// is done already stays. Where the note says so already, nothing is written.
func (s *Store) EndObject(ctx context.Context, o Object) error {
	known, err := scanObject(s.reader.QueryRowContext(ctx, "SELECT "+objectColumns+" FROM objects"+byObjectKey, o.key()...).Scan)
	if err == nil && !known.Done.IsZero() && known.Name == o.Name && known.Detail == o.Detail {
		return nil
	}
	return s.exec(ctx, "note "+o.Kind+" "+o.Name+" done", "UPDATE objects SET name = ?, detail = ?, done = CASE done WHEN 0 THEN ? ELSE done END"+byObjectKey,
		append([]any{o.Name, o.Detail, stamp(s.now())}, o.key()...)...)
}

// DropObject takes the note of an object back that was begun and not done: the
// target refused to make it. Without such a note nothing happens.
func (s *Store) DropObject(ctx context.Context, o Object) error {
	return s.write(ctx, "drop the note of "+o.Kind+" "+o.Name, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM objects"+byObjectKey+" AND done = 0", o.key()...)
		return err
	})
}

// WithdrawObject notes that an object was taken back from the target. Without
// a note of it nothing happens.
func (s *Store) WithdrawObject(ctx context.Context, o Object) error {
	return s.write(ctx, "note "+o.Kind+" "+o.Name+" withdrawn", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE objects SET withdrawn = ?"+byObjectKey, append([]any{stamp(s.now())}, o.key()...)...)
		return err
	})
}

// HasObject says whether a run noted an object that is not withdrawn, done or
// not.
func (s *Store) HasObject(ctx context.Context, o Object) (bool, error) {
	var n int
	err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM objects"+byObjectKey, o.key()...).Scan(&n)
	return n > 0, s.fault("look for "+o.Kind+" "+o.Name, err)
}

// Objects yields what was made of a kind and is not withdrawn, the newest
// first; of all kinds if kind is "". An error is the last it yields.
func (s *Store) Objects(ctx context.Context, kind string) iter.Seq2[Object, error] {
	return s.objects(ctx, "SELECT "+objectColumns+" FROM objects WHERE withdrawn = 0 AND (?1 = '' OR kind = ?1) ORDER BY id DESC", kind)
}

// ObjectsOf yields what was made of a kind under one uid of a domain and is
// not withdrawn, the newest first.
func (s *Store) ObjectsOf(ctx context.Context, kind, domainUID, uid string) iter.Seq2[Object, error] {
	return s.objects(ctx, "SELECT "+objectColumns+" FROM objects WHERE withdrawn = 0 AND kind = ? AND domain_uid = ? AND uid = ? ORDER BY id DESC", kind, domainUID, uid)
}

func (s *Store) objects(ctx context.Context, query string, args ...any) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		err := s.each(ctx, "list objects", query, args, func(scan func(...any) error) (bool, error) {
			o, err := scanObject(scan)
			return err == nil && yield(o, nil), err
		})
		if err != nil {
			yield(Object{}, err)
		}
	}
}

// ObjectCount counts the objects of a kind.
type ObjectCount struct {
	Kind      string
	Made      int64 // and not withdrawn; the open ones among them
	Open      int64 // begun, and no run saw the end
	Withdrawn int64
}

// ObjectCounts counts what runs made, by kind, in the order of their names.
func (s *Store) ObjectCounts(ctx context.Context) ([]ObjectCount, error) {
	var list []ObjectCount
	err := s.each(ctx, "count objects", `SELECT kind, sum(withdrawn = 0), sum(withdrawn = 0 AND done = 0), sum(withdrawn > 0)
		FROM objects GROUP BY kind ORDER BY kind`, nil, func(scan func(...any) error) (bool, error) {
		var c ObjectCount
		err := scan(&c.Kind, &c.Made, &c.Open, &c.Withdrawn)
		list = append(list, c)
		return true, err
	})
	return list, err
}
