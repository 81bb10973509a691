package state

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strconv"
)

// Identity is the BlueMind installation a state file is bound to. All but URL
// is bound for ever: an installation may get another address.
type Identity struct {
	Target       string // its name in the configuration
	Installation string // its own identifier, as the API says it
	Version      int    // 4 or 5
	Rehearsal    bool
	URL          string
}

// Identity reads what the file is bound to.
func (s *Store) Identity(ctx context.Context) (Identity, error) {
	id, err := readIdentity(ctx, s.reader)
	return id, s.fault("read the identity", err)
}

// querier is what *sql.DB and *sql.Tx have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readIdentity(ctx context.Context, q querier) (Identity, error) {
	var id Identity
	err := q.QueryRowContext(ctx, "SELECT target, installation, version, rehearsal, url FROM identity").
		Scan(&id.Target, &id.Installation, &id.Version, &id.Rehearsal, &id.URL)
	return id, err
}

// differs names the first bound field that isn't the same.
func (id Identity) differs(path string, want Identity) error {
	for _, f := range []struct{ name, have, want string }{
		{"installation", id.Installation, want.Installation},
		{"target", id.Target, want.Target},
		{"version", strconv.Itoa(id.Version), strconv.Itoa(want.Version)},
		{"rehearsal", strconv.FormatBool(id.Rehearsal), strconv.FormatBool(want.Rehearsal)},
	} {
		if f.have != f.want {
			return &IdentityError{Path: path, Field: f.name, Have: f.have, Want: f.want}
		}
	}
	return nil
}

// prepare brings the file to the newest format and binds it, or refuses it.
func (s *Store) prepare(ctx context.Context, id Identity) error {
	format, err := formatOf(ctx, s.writer, s.path)
	if err != nil {
		return err
	}
	if format > 0 { // whose it is comes before any change
		have, err := readIdentity(ctx, s.writer)
		if err != nil {
			return fmt.Errorf("read the identity: %w", err)
		}
		if err := have.differs(s.path, id); err != nil {
			return err
		}
	}
	var mode string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return &FileError{s.path, nil, fmt.Errorf("its file system has no shared memory (journal mode is %q)", mode)}
	}
	if format > 0 {
		if err := upgrade(ctx, s.writer, s.path, format, upgrades()); err != nil {
			return err
		}
		_, err := s.writer.ExecContext(ctx, "UPDATE identity SET url = ?1 WHERE url <> ?1", id.URL)
		return err
	}
	return transact(ctx, s.writer, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d", applicationID, newest())); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO identity VALUES (1, ?, ?, ?, ?, ?)",
			id.Target, id.Installation, id.Version, id.Rehearsal, id.URL)
		return err
	})
}

// readable checks a file that was opened for reading.
func (s *Store) readable(ctx context.Context) error {
	format, err := formatOf(ctx, s.reader, s.path)
	switch {
	case err != nil:
		return err
	case format == 0:
		return &FileError{s.path, nil, fmt.Errorf("never begun: %w", fs.ErrNotExist)}
	case format < newest():
		return &OlderError{Path: s.path, Have: format, Want: newest()}
	}
	return nil
}
