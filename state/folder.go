package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Folder is a source folder of an account, where it goes, and the numbers both
// servers gave when it was last gone through.
type Folder struct {
	ID      int64
	Account int64

	Source     string // decoded name
	SourceWire string // name as the source lists it: with Account and Part the key
	Part       string // of a source folder that is split: which of its messages go to Target; "": all
	Target     string
	Rule       string // policy rule that decided
	Reason     string // why, for instance why it is excluded
	Role       string // special use, or ""
	Late       bool   // appeared after planning
	Was        string // name at the source when it was first copied, if it is another now; see RenameSources
	Wanted     string // target to which the present one is to be renamed; "": none

	SrcUIDValidity uint32
	SrcUIDNext     uint32
	SrcExists      uint32
	SrcModSeq      uint64
	DstUIDValidity uint32
	DstUIDNext     uint32
	DstExists      uint32
	DstModSeq      uint64
	DstMaxUID      uint32 // highest UID of ours there, written or adopted; Record raises it

	ListedAt time.Time
	InFull   time.Time // when its source was last listed message by message
	Complete bool      // every message listed then is settled
	Rules    string    // what the listing was judged by
	Fault    string    // why it isn't complete
}

const folderColumns = `id, account, source_wire, source, target, rule, reason, role, late, src_uidvalidity, src_uidnext,
	src_exists, src_modseq, dst_uidvalidity, dst_uidnext, dst_exists, dst_modseq, dst_max_uid, listed_at, complete, rules, fault, part, was, wanted, in_full`

func scanFolder(scan func(...any) error) (Folder, error) {
	var f Folder
	var srcModSeq, dstModSeq, listed, inFull int64
	err := scan(&f.ID, &f.Account, &f.SourceWire, &f.Source, &f.Target, &f.Rule, &f.Reason, &f.Role, &f.Late,
		&f.SrcUIDValidity, &f.SrcUIDNext, &f.SrcExists, &srcModSeq, &f.DstUIDValidity, &f.DstUIDNext, &f.DstExists,
		&dstModSeq, &f.DstMaxUID, &listed, &f.Complete, &f.Rules, &f.Fault, &f.Part, &f.Was, &f.Wanted, &inFull)
	f.SrcModSeq, f.DstModSeq, f.ListedAt, f.InFull = uint64(srcModSeq), uint64(dstModSeq), unstamp(listed), unstamp(inFull)
	return f, err
}

// values are all columns after account and wire name, in their order, but for
// the part and those that only renames write.
func (f Folder) values() []any {
	return []any{f.Source, f.Target, f.Rule, f.Reason, f.Role, f.Late, f.SrcUIDValidity, f.SrcUIDNext, f.SrcExists,
		int64(f.SrcModSeq), f.DstUIDValidity, f.DstUIDNext, f.DstExists, int64(f.DstModSeq), f.DstMaxUID,
		stamp(f.ListedAt), f.Complete, f.Rules, f.Fault, stamp(f.InFull)}
}

// EnsureFolder returns the folder with the account, wire name and part of f as the
// file has it; where there is none, f is stored. An empty wire name stands for
// the decoded one (mail files have no other).
func (s *Store) EnsureFolder(ctx context.Context, f Folder) (Folder, error) {
	got, err := s.EnsureFolders(ctx, []Folder{f})
	if err != nil {
		return Folder{}, err
	}
	return got[0], nil
}

// EnsureFolders is EnsureFolder for several, in one transaction.
func (s *Store) EnsureFolders(ctx context.Context, list []Folder) ([]Folder, error) {
	got := make([]Folder, len(list))
	err := s.write(ctx, "ensure folders", func(ctx context.Context, tx *sql.Tx) (err error) {
		for i, f := range list {
			if got[i], err = ensureFolder(ctx, tx, f); err != nil {
				return fmt.Errorf("%s: %w", f.Source, err)
			}
		}
		return nil
	})
	return got, err
}

func ensureFolder(ctx context.Context, tx *sql.Tx, f Folder) (Folder, error) {
	if f.SourceWire == "" {
		f.SourceWire = f.Source
	}
	got, err := scanFolder(tx.QueryRowContext(ctx, `INSERT INTO folders (account, source_wire, source, target, rule, reason, role, late,
		src_uidvalidity, src_uidnext, src_exists, src_modseq, dst_uidvalidity, dst_uidnext, dst_exists, dst_modseq, dst_max_uid,
		listed_at, complete, rules, fault, in_full, part) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account, source_wire, part) DO NOTHING RETURNING `+folderColumns,
		append(append([]any{f.Account, f.SourceWire}, f.values()...), f.Part)...).Scan)
	if !errors.Is(err, sql.ErrNoRows) {
		return got, err
	}
	return scanFolder(tx.QueryRowContext(ctx, "SELECT "+folderColumns+" FROM folders WHERE account = ? AND source_wire = ? AND part = ?",
		f.Account, f.SourceWire, f.Part).Scan)
}

// UpdateFolder writes all but the key of a folder, found by its ID. A
// UIDVALIDITY of zero leaves the one that Record has kept since f was read, and
// DstMaxUID is not lowered while DstUIDValidity stays: it is what shows that a
// target went back in time.
func (s *Store) UpdateFolder(ctx context.Context, f Folder) error {
	return s.UpdateFolders(ctx, []Folder{f})
}

// UpdateFolders is UpdateFolder for several, in one transaction.
func (s *Store) UpdateFolders(ctx context.Context, list []Folder) error {
	if len(list) == 0 {
		return nil
	}
	return s.write(ctx, "update folders", func(ctx context.Context, tx *sql.Tx) error {
		for _, f := range list {
			result, err := tx.ExecContext(ctx, `UPDATE folders SET source = ?1, target = ?2, rule = ?3, reason = ?4, role = ?5,
				late = ?6, src_uidvalidity = iif(?7 = 0, src_uidvalidity, ?7), src_uidnext = ?8, src_exists = ?9, src_modseq = ?10,
				dst_uidvalidity = iif(?11 = 0, dst_uidvalidity, ?11), dst_uidnext = ?12, dst_exists = ?13, dst_modseq = ?14,
				dst_max_uid = iif(?11 IN (0, dst_uidvalidity), max(dst_max_uid, ?15), ?15),
				listed_at = ?16, complete = ?17, rules = ?18, fault = ?19, in_full = ?20 WHERE id = ?21`, append(f.values(), f.ID)...)
			if err != nil {
				return fmt.Errorf("%s: %w", f.Source, err)
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				return fmt.Errorf("%s: %w", f.Source, errors.Join(err, ErrNotFound))
			}
		}
		return nil
	})
}

// DropFolder forgets a folder from which nothing has gone to the target. It
// reports false, and changes nothing, where something has or may have.
func (s *Store) DropFolder(ctx context.Context, id int64) (dropped bool, err error) {
	err = s.write(ctx, "drop folder", func(ctx context.Context, tx *sql.Tx) error {
		var used bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM folders WHERE id = ?1 AND dst_max_uid > 0)
			OR EXISTS (SELECT 1 FROM messages WHERE folder = ?1 AND dst_uid > 0) OR EXISTS (SELECT 1 FROM intents WHERE folder = ?1)
			OR EXISTS (SELECT 1 FROM doubts WHERE folder = ?1)`, id).Scan(&used); err != nil || used {
			return err
		}
		dropped = true
		for _, table := range []string{"messages", "sums"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE folder = ?", id); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM folders WHERE id = ?", id)
		return err
	})
	return dropped && err == nil, err
}

// Folders returns the folders of an account by source name.
func (s *Store) Folders(ctx context.Context, account int64) ([]Folder, error) {
	var list []Folder
	err := s.each(ctx, "list folders", "SELECT "+folderColumns+" FROM folders WHERE account = ? ORDER BY source, source_wire, part",
		[]any{account}, func(scan func(...any) error) (bool, error) {
			f, err := scanFolder(scan)
			list = append(list, f)
			return err == nil, err
		})
	return list, err
}
