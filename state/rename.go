package state

import (
	"context"
	"database/sql"
	"errors"
)

// SourceRename says by which name the source calls a known folder now.
type SourceRename struct {
	ID         int64 // of the folder
	Source     string
	SourceWire string
	Wanted     string // target to which its present one is to be renamed; "": it stays
}

// RenameSources gives folders of one account the names that the source has for
// them now, all at once, for two may have changed names with each other. What a
// folder was called when it was first copied is kept as Was.
func (s *Store) RenameSources(ctx context.Context, list []SourceRename) error {
	return s.write(ctx, "rename source folders", func(ctx context.Context, tx *sql.Tx) error {
		for _, r := range list { // names that no other has, first
			if _, err := tx.ExecContext(ctx, "UPDATE folders SET source_wire = char(0) || id WHERE id = ?", r.ID); err != nil {
				return err
			}
		}
		for _, r := range list {
			if _, err := tx.ExecContext(ctx, `UPDATE folders SET was = CASE was WHEN '' THEN source ELSE was END,
				source = ?2, source_wire = ?3, wanted = ?4 WHERE id = ?1`, r.ID, r.Source, r.SourceWire, r.Wanted); err != nil {
				return err
			}
		}
		return nil
	})
}

// FolderRename is a RENAME of a folder on the target, with those below it.
type FolderRename struct {
	Account  int64
	From, To string // as Folder.Target
	Run      int64
}

// BeginRename notes, durably before it returns, the one RENAME of an account
// that is about to be sent.
func (s *Store) BeginRename(ctx context.Context, r FolderRename) error {
	return s.exec(ctx, "begin a rename", `INSERT INTO renames (account, from_target, to_target, run) VALUES (?, ?, ?, ?)
		ON CONFLICT (account) DO UPDATE SET from_target = excluded.from_target, to_target = excluded.to_target, run = excluded.run`,
		r.Account, r.From, r.To, r.Run)
}

// OpenRename is the RENAME of an account whose outcome isn't recorded; ok is
// false where there is none.
func (s *Store) OpenRename(ctx context.Context, account int64) (r FolderRename, ok bool, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT account, from_target, to_target, run FROM renames WHERE account = ?", account).
		Scan(&r.Account, &r.From, &r.To, &r.Run)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, s.fault("read the open rename", err)
}

// EndRename records what became of the open RENAME: moved has, by former target,
// where folders are now. Rows that point there and the notes of folders that
// runs made follow; a row that has come to what it wanted wants nothing more.
func (s *Store) EndRename(ctx context.Context, account int64, moved map[string]string) error {
	return s.write(ctx, "end a rename", func(ctx context.Context, tx *sql.Tx) error {
		// Through names that no folder has, for one's new name may be another's old one.
		const aside = "\x00"
		for _, table := range []string{"folders", "made_folders"} {
			for from, to := range moved {
				if _, err := tx.ExecContext(ctx, "UPDATE "+table+" SET target = ?3 WHERE account = ?1 AND target = ?2", account, from, aside+to); err != nil {
					return err
				}
			}
			for _, to := range moved {
				if _, err := tx.ExecContext(ctx, "UPDATE OR REPLACE "+table+" SET target = ?2 WHERE account = ?1 AND target = ?3", account, to, aside+to); err != nil {
					return err
				}
			}
		}
		if _, err := tx.ExecContext(ctx, "UPDATE folders SET wanted = '' WHERE account = ? AND target = wanted", account); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM renames WHERE account = ?", account)
		return err
	})
}

// KeepTarget notes that folders stay where they are on the target, and that no
// RENAME is open.
func (s *Store) KeepTarget(ctx context.Context, account int64, folders ...int64) error {
	return s.write(ctx, "give up a rename", func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range folders {
			if _, err := tx.ExecContext(ctx, "UPDATE folders SET wanted = '' WHERE id = ?", id); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM renames WHERE account = ?", account)
		return err
	})
}

// NoteMade notes folders of the target that a run is about to make.
func (s *Store) NoteMade(ctx context.Context, account, run int64, targets []string) error {
	return s.write(ctx, "note folders to be made", func(ctx context.Context, tx *sql.Tx) error {
		for _, target := range targets {
			if _, err := tx.ExecContext(ctx, "INSERT INTO made_folders (account, target, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", account, target, run); err != nil {
				return err
			}
		}
		return nil
	})
}

// Made are the folders of the target that runs made for an account.
func (s *Store) Made(ctx context.Context, account int64) (map[string]bool, error) {
	made := map[string]bool{}
	err := s.each(ctx, "list folders made", "SELECT target FROM made_folders WHERE account = ?", []any{account},
		func(scan func(...any) error) (bool, error) {
			var target string
			err := scan(&target)
			made[target] = true
			return err == nil, err
		})
	return made, err
}

// Unmade notes that a folder which runs had made is gone from the target: rows
// that pointed there begin anew, should their source folder come back.
func (s *Store) Unmade(ctx context.Context, account int64, target string) error {
	return s.write(ctx, "note a folder removed", func(ctx context.Context, tx *sql.Tx) error {
		for _, query := range []string{
			"DELETE FROM made_folders WHERE account = ? AND target = ?",
			`UPDATE folders SET dst_uidvalidity = 0, dst_uidnext = 0, dst_exists = 0, dst_modseq = 0, dst_max_uid = 0, rules = ''
				WHERE account = ? AND target = ?`,
		} {
			if _, err := tx.ExecContext(ctx, query, account, target); err != nil {
				return err
			}
		}
		return nil
	})
}
