package state

import (
	"context"
	"database/sql"
	"iter"
)

// MessagesBetween yields the rows of a folder under one source UIDVALIDITY
// whose source UID lies in [first, last], ascending: one window of a listing.
func (s *Store) MessagesBetween(ctx context.Context, folder int64, srcUIDValidity, first, last uint32) iter.Seq2[Message, error] {
	return s.messages(ctx, "WHERE folder = ? AND src_uidvalidity = ? AND src_uid BETWEEN ? AND ? ORDER BY src_uid",
		folder, int64(srcUIDValidity), int64(first), int64(last))
}

// The rows with a copy, by its UID; and a page of those under one UIDVALIDITY.
const (
	claimsWhere = "WHERE folder = ? AND src_uidvalidity = ? AND dst_uid >= ? AND dst_uid > 0 AND state IN (1, 2, 5) AND marks & 5 <> 5"
	claimsFrom  = claimsWhere + " ORDER BY dst_uid"
	claimsPage  = claimsWhere + " AND dst_uidvalidity = ? ORDER BY dst_uid LIMIT ?"
)

// Claims yields the rows of a folder that have a copy on the target with a
// target UID of at least first, ascending by that UID. Rows whose message has
// vanished from the source are among them, but for those whose copy we removed.
func (s *Store) Claims(ctx context.Context, folder int64, srcUIDValidity, first uint32) iter.Seq2[Message, error] {
	return s.messages(ctx, claimsFrom, folder, int64(srcUIDValidity), int64(first))
}

// ClaimsPage yields the first of the rows that Claims does, at most limit,
// and only those with a copy under one target UIDVALIDITY.
func (s *Store) ClaimsPage(ctx context.Context, folder int64, srcUIDValidity, dstUIDValidity, first uint32, limit int) iter.Seq2[Message, error] {
	return s.messages(ctx, claimsPage, folder, int64(srcUIDValidity), int64(first), int64(dstUIDValidity), limit)
}

// Repoint makes another target message the copy of a source message, which
// is copied then and no longer gone; sent, if not nil, is what that one's octets
// are instead of the source's. A message without a row is skipped.
func (s *Store) Repoint(ctx context.Context, folder int64, srcUIDValidity, srcUID, dstUIDValidity, dstUID uint32, sent *Sent) error {
	return s.write(ctx, "repoint a message", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE messages SET dst_uidvalidity = ?, dst_uid = ?, marks = (marks | 2) & ~1, reason = NULL, decider = NULL,
			state = CASE state WHEN 5 THEN 5 ELSE 1 END, repaired = coalesce(?, repaired)
			WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ?`, int64(dstUIDValidity), int64(dstUID), sent.pack(), folder, int64(srcUIDValidity), int64(srcUID))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE folders SET dst_max_uid = max(dst_max_uid, ?1), dst_uidvalidity = ?3 WHERE id = ?2 AND dst_uidvalidity IN (0, ?3)",
			int64(dstUID), folder, int64(dstUIDValidity))
		return err
	})
}

// Annotate adds notes to rows, by source UID. A note that is there already is
// not added again; messages without a row are skipped.
func (s *Store) Annotate(ctx context.Context, folder int64, srcUIDValidity uint32, notes map[uint32]string) error {
	return s.write(ctx, "annotate messages", func(ctx context.Context, tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `UPDATE messages SET note = CASE WHEN note IS NULL THEN ?1 WHEN instr(note, ?1) THEN note ELSE note || '; ' || ?1 END
			WHERE folder = ?2 AND src_uidvalidity = ?3 AND src_uid = ?4`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for uid, note := range notes {
			if _, err := stmt.ExecContext(ctx, note, folder, int64(srcUIDValidity), int64(uid)); err != nil {
				return err
			}
		}
		return nil
	})
}
