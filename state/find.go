package state

import (
	"context"
	"database/sql"
	"slices"
)

// FlagChange is what the flags of a message now are on both sides.
type FlagChange struct {
	SrcUIDValidity uint32
	SrcUID         uint32
	Flags          []string
}

// UpdateFlags replaces flags as last synchronised. Messages without a row are skipped.
func (s *Store) UpdateFlags(ctx context.Context, folder int64, batch []FlagChange) error {
	return s.write(ctx, "update flags", func(ctx context.Context, tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, "UPDATE messages SET flags = ? WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ?")
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, c := range batch {
			flags, err := packFlags(c.Flags)
			if err != nil {
				return err
			}
			if _, err := stmt.ExecContext(ctx, text(flags), folder, int64(c.SrcUIDValidity), int64(c.SrcUID)); err != nil {
				return err
			}
		}
		return nil
	})
}

// MarkVanished says that messages are no longer on the source. All else in
// their rows stays: whether the target has them, and whether we wrote them.
// An open intent stays open. Messages without a row are skipped.
func (s *Store) MarkVanished(ctx context.Context, folder int64, srcUIDValidity uint32, srcUIDs []uint32) error {
	return s.forUIDs(ctx, "mark vanished", "UPDATE messages SET state = 5 WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ? AND state <> 5",
		folder, srcUIDValidity, srcUIDs)
}

// MarkReturned undoes MarkVanished for messages that have a copy on the
// target, and what followed from it: they are listed by the source again.
func (s *Store) MarkReturned(ctx context.Context, folder int64, srcUIDValidity uint32, srcUIDs []uint32) error {
	return s.forUIDs(ctx, "mark returned", `UPDATE messages SET state = CASE WHEN marks & 2 THEN 1 ELSE 2 END, marks = marks & 3
		WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ? AND state = 5 AND dst_uid > 0`, folder, srcUIDValidity, srcUIDs)
}

// SetDstGone says whether messages once copied are missing on the target now.
// Messages without a row are skipped.
func (s *Store) SetDstGone(ctx context.Context, folder int64, srcUIDValidity uint32, srcUIDs []uint32, gone bool) error {
	set := "marks & ~1"
	if gone {
		set = "marks | 1"
	}
	return s.forUIDs(ctx, "mark gone on the target", "UPDATE messages SET marks = "+set+" WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ?",
		folder, srcUIDValidity, srcUIDs)
}

// forUIDs runs a statement of folder, source UIDVALIDITY and source UID for
// each of the UIDs, in one transaction.
func (s *Store) forUIDs(ctx context.Context, what, query string, folder int64, srcUIDValidity uint32, srcUIDs []uint32) error {
	return s.write(ctx, what, func(ctx context.Context, tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, uid := range srcUIDs {
			if _, err := stmt.ExecContext(ctx, folder, int64(srcUIDValidity), int64(uid)); err != nil {
				return err
			}
		}
		return nil
	})
}

// MessagesBySHA1 returns the rows of a folder, of all UIDVALIDITYs, whose
// octets have one of the hashes. There is no index on hashes (it would take 30
// bytes a row): the folder is read once, so ask for all hashes at once.
func (s *Store) MessagesBySHA1(ctx context.Context, folder int64, sums ...[20]byte) ([]Message, error) {
	var found []Message
	for m, err := range s.Messages(ctx, folder, 0) {
		if err != nil {
			return nil, err
		}
		if sent, _, _ := m.OnTarget(); slices.Contains(sums, m.SHA1) || m.Repaired != nil && slices.Contains(sums, sent) {
			found = append(found, m)
		}
	}
	return found, nil
}

// Query asks for messages of an account. Fields left zero are not asked for.
type Query struct {
	Source string // decoded name of the source folder
	SrcUID uint32
	Target string // target folder
	DstUID uint32
	SHA1   [20]byte // of the source's octets, or of what was sent instead
}

// Found is a message with its folder.
type Found struct {
	Folder  Folder
	Message Message
}

// FindMessages looks for messages in the folders of an account that fit the
// query. The folders that fit by name are read whole, unless SrcUID is given.
func (s *Store) FindMessages(ctx context.Context, account int64, q Query) ([]Found, error) {
	folders, err := s.Folders(ctx, account)
	if err != nil {
		return nil, err
	}
	var found []Found
	for _, f := range folders {
		if q.Source != "" && q.Source != f.Source || q.Target != "" && q.Target != f.Target {
			continue
		}
		where, args := "WHERE folder = ?", []any{f.ID}
		if q.SrcUID != 0 { // by key, whatever UIDVALIDITYs there are
			where += " AND src_uidvalidity IN (SELECT DISTINCT src_uidvalidity FROM sums WHERE folder = ?) AND src_uid = ?"
			args = append(args, f.ID, int64(q.SrcUID))
		}
		if q.DstUID != 0 {
			where += " AND dst_uid = ?"
			args = append(args, int64(q.DstUID))
		}
		if q.SHA1 != [20]byte{} {
			where += " AND (sha1 = ? OR substr(repaired, 1, 20) = ?)"
			args = append(args, q.SHA1[:], q.SHA1[:])
		}
		for m, err := range s.messages(ctx, where, args...) {
			if err != nil {
				return nil, err
			}
			found = append(found, Found{f, m})
		}
	}
	return found, nil
}
