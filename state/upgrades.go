package state

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// schema makes a new file of the newest format.
//
//go:embed schema.sql
var schema string

// applicationID marks our files in the SQLite header ("bmsy").
const applicationID = 0x626d7379

// upgrades takes a file from format i+1 to i+2. Append only: a step that has
// been released is never changed, and schema.sql is what all steps lead to.
func upgrades() []string {
	return nil
}

// newest is the format that schema.sql makes.
func newest() int { return len(upgrades()) + 1 }

// formatOf reads PRAGMA user_version of a file that is ours; 0 is a file with
// nothing in it, as a process killed at its very beginning leaves it.
func formatOf(ctx context.Context, db *sql.DB, path string) (int, error) {
	var app, format, tables int
	err := db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&app, &format, &tables)
	switch {
	case err != nil:
		return 0, fileError(path, err)
	case app == 0 && format == 0 && tables == 0:
		return 0, nil
	case app != applicationID || format < 1:
		return 0, &FileError{path, ErrNotState, fmt.Errorf("application id is %#x", app)}
	case format > newest():
		return 0, &NewerError{Path: path, Have: format, Want: newest()}
	}
	return format, nil
}

// upgrade copies the file to "<path>.format-<n>" and runs the missing steps,
// each with its new number in one transaction. An interrupted upgrade goes on
// where it was; the copy is of the file before its first step.
func upgrade(ctx context.Context, db *sql.DB, path string, format int, steps []string) error {
	if format > len(steps) {
		return nil
	}
	if err := backup(ctx, db, fmt.Sprintf("%s.format-%d", path, format)); err != nil {
		return fmt.Errorf("copy before the upgrade: %w", err)
	}
	for ; format <= len(steps); format++ {
		err := transact(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, steps[format-1]); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version=%d", format+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("upgrade from format %d: %w", format, err)
		}
	}
	return nil
}

// backup writes a copy that only its owner can read. One that is there stays:
// it is older, hence nearer to the beginning.
func backup(ctx context.Context, db *sql.DB, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := secure(part); err != nil { // VACUUM INTO takes an empty file, and its mode
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return err
	}
	return os.Rename(part, path)
}
