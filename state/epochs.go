package state

import (
	"context"
	"database/sql"
)

// Epoch is a source UIDVALIDITY under which a folder has rows, intents or doubts.
type Epoch struct {
	SrcUIDValidity uint32
	Closed         bool // see [Store.CloseEpoch]
}

// Epochs returns a folder's source UIDVALIDITYs, ascending. The present one is
// among them, and counts as closed where all that it has has vanished.
func (s *Store) Epochs(ctx context.Context, folder int64) ([]Epoch, error) {
	var list []Epoch
	// Each step finds the next one by the key: there may be a million rows of one.
	const walk = `WITH RECURSIVE e(v) AS (VALUES (-1) UNION ALL SELECT min(
			ifnull((SELECT min(src_uidvalidity) FROM messages WHERE folder = ?1 AND src_uidvalidity > v), 1 << 32),
			ifnull((SELECT min(src_uidvalidity) FROM intents WHERE folder = ?1 AND src_uidvalidity > v), 1 << 32),
			ifnull((SELECT min(src_uidvalidity) FROM doubts WHERE folder = ?1 AND src_uidvalidity > v), 1 << 32)) FROM e WHERE v < 1 << 32)
		SELECT v, NOT (EXISTS (SELECT 1 FROM messages WHERE folder = ?1 AND src_uidvalidity = v AND state <> 5)
			OR EXISTS (SELECT 1 FROM intents WHERE folder = ?1 AND src_uidvalidity = v)
			OR EXISTS (SELECT 1 FROM doubts WHERE folder = ?1 AND src_uidvalidity = v)) FROM e WHERE v BETWEEN 0 AND (1 << 32) - 1`
	err := s.each(ctx, "list source UIDVALIDITYs", walk, []any{folder}, func(scan func(...any) error) (bool, error) {
		var e Epoch
		err := scan(&e.SrcUIDValidity, &e.Closed)
		list = append(list, e)
		return true, err
	})
	return list, err
}

// Carried is a row to be moved from one source UIDVALIDITY to another: the
// message's UID under both, and its size where the row's is to be replaced (-1:
// it stays).
type Carried struct {
	From, To uint32
	Size     int64
}

const carryMessage = `INSERT INTO messages (folder, ` + messageColumns + `)
	SELECT folder, ?4, ?5, iif(state = 5 AND dst_uid > 0, iif(marks & 2, 1, 2), state), marks & 3, dst_uidvalidity, dst_uid,
		iif(?6 < 0, size, ?6), date, zone, flags, sha1, sha256, date_text, reason, decider, repaired, note
	FROM messages WHERE folder = ?1 AND src_uidvalidity = ?2 AND src_uid = ?3
	ON CONFLICT DO UPDATE SET state = excluded.state, marks = excluded.marks, dst_uidvalidity = excluded.dst_uidvalidity,
		dst_uid = excluded.dst_uid, size = excluded.size, date = excluded.date, zone = excluded.zone, flags = excluded.flags,
		sha1 = excluded.sha1, sha256 = excluded.sha256, date_text = excluded.date_text, reason = excluded.reason,
		decider = excluded.decider, repaired = excluded.repaired, note = excluded.note
	WHERE messages.dst_uid = 0`

// Carry moves rows, with their doubts, from one source UIDVALIDITY of a folder
// to another: the source numbered the same messages anew. One that had vanished
// and has a copy is no longer vanished. A row that is not there is skipped, as is
// one whose new place is taken by a row with a copy.
func (s *Store) Carry(ctx context.Context, folder int64, from, to uint32, rows []Carried) error {
	return s.write(ctx, "carry messages to a new UIDVALIDITY", func(ctx context.Context, tx *sql.Tx) error {
		carry, err := tx.PrepareContext(ctx, carryMessage)
		if err != nil {
			return err
		}
		defer carry.Close()
		for _, r := range rows {
			result, err := carry.ExecContext(ctx, folder, int64(from), int64(r.From), int64(to), int64(r.To), r.Size)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				if err != nil {
					return err
				}
				continue
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM messages WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ?", folder, int64(from), int64(r.From)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE OR REPLACE doubts SET src_uidvalidity = ?, src_uid = ? WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ?",
				int64(to), int64(r.To), folder, int64(from), int64(r.From)); err != nil {
				return err
			}
		}
		return nil
	})
}

// CloseEpoch ends a folder's source UIDVALIDITY, after the source was numbered
// anew and its messages were matched and recorded under the new one. What is left
// under the old one has vanished from the source: rows with a copy on the target
// are kept as such, all else is deleted.
func (s *Store) CloseEpoch(ctx context.Context, folder int64, srcUIDValidity uint32) error {
	return s.write(ctx, "close an old UIDVALIDITY", func(ctx context.Context, tx *sql.Tx) error {
		for _, do := range []string{
			"DELETE FROM intents WHERE folder = ? AND src_uidvalidity = ?",
			"DELETE FROM doubts WHERE folder = ? AND src_uidvalidity = ?",
			"DELETE FROM messages WHERE folder = ? AND src_uidvalidity = ? AND dst_uid = 0",
			"UPDATE messages SET state = 5 WHERE folder = ? AND src_uidvalidity = ? AND state <> 5",
		} {
			if _, err := tx.ExecContext(ctx, do, folder, int64(srcUIDValidity)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Readdressed is a copy that has another UID on the target.
type Readdressed struct{ SrcUID, DstUID uint32 }

// Readdress gives rows the UIDs that their copies have under another UIDVALIDITY
// of the target. All else in them stays. Rows that are not there are skipped.
func (s *Store) Readdress(ctx context.Context, folder int64, srcUIDValidity, dstUIDValidity uint32, rows []Readdressed) error {
	return s.write(ctx, "readdress messages", func(ctx context.Context, tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `UPDATE messages SET dst_uidvalidity = ?, dst_uid = ?
			WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ? AND dst_uid > 0`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, r := range rows {
			if _, err := stmt.ExecContext(ctx, int64(dstUIDValidity), int64(r.DstUID), folder, int64(srcUIDValidity), int64(r.SrcUID)); err != nil {
				return err
			}
		}
		return nil
	})
}

// ClaimedUIDs tells the UIDs, from first on, of a folder's copies under one
// target UIDVALIDITY, whatever the source's was.
func (s *Store) ClaimedUIDs(ctx context.Context, folder int64, dstUIDValidity, first uint32, claim func(uid uint32)) error {
	return s.each(ctx, "read claims", `SELECT dst_uid FROM messages WHERE folder = ? AND dst_uidvalidity = ? AND dst_uid >= ? AND dst_uid > 0
		AND state IN (1, 2, 5)`, []any{folder, int64(dstUIDValidity), int64(first)}, func(scan func(...any) error) (bool, error) {
		var uid int64
		err := scan(&uid)
		claim(uint32(uid))
		return err == nil, err
	})
}
