package state

import (
	"context"
	"database/sql"
	"iter"
)

// A departure is a row whose message has vanished from its source folder while
// the target has, or had, a copy that we wrote. It is open until it is settled:
// the copy is to be removed, or left as it is. What is to be removed is due
// until the row says that the target has it no more.

// Departures yields the first open departures of a folder after a source UID,
// ascending by it and at most limit, of which the copy is under dstUIDValidity.
// Those are among them whose copy was seen missing on the target (DstGone).
func (s *Store) Departures(ctx context.Context, folder int64, srcUIDValidity, dstUIDValidity, after uint32, limit int) iter.Seq2[Message, error] {
	return s.messages(ctx, `WHERE folder = ? AND src_uidvalidity = ? AND src_uid > ? AND state = 5 AND marks & 14 = 2 AND dst_uid > 0
		AND dst_uidvalidity = ? ORDER BY src_uid LIMIT ?`, folder, int64(srcUIDValidity), int64(after), int64(dstUIDValidity), limit)
}

// DueRemovals yields the first rows of a folder after a source UID, ascending by
// it and at most limit, whose copy under dstUIDValidity is to be removed and
// isn't yet.
func (s *Store) DueRemovals(ctx context.Context, folder int64, srcUIDValidity, dstUIDValidity, after uint32, limit int) iter.Seq2[Message, error] {
	return s.messages(ctx, `WHERE folder = ? AND src_uidvalidity = ? AND src_uid > ? AND state = 5 AND marks & 15 = 6 AND dst_uid > 0
		AND dst_uidvalidity = ? ORDER BY src_uid LIMIT ?`, folder, int64(srcUIDValidity), int64(after), int64(dstUIDValidity), limit)
}

// Departure says what is done about the copy of a message that has vanished.
type Departure struct {
	SrcUIDValidity uint32
	SrcUID         uint32
	Left           bool   // as it is on the target; else it is to be removed
	Note           string // why
}

// SettleDepartures keeps what is to be done about vanished messages, before it
// is. Messages that haven't vanished, and those without a row, are skipped. A
// removal that is due may become a copy that is left.
func (s *Store) SettleDepartures(ctx context.Context, folder int64, batch []Departure) error {
	return s.write(ctx, "settle departures", func(ctx context.Context, tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `UPDATE messages SET marks = marks & 3 | ?1,
			note = CASE WHEN ?2 = '' THEN note WHEN note IS NULL THEN ?2 WHEN instr(note, ?2) THEN note ELSE note || '; ' || ?2 END
			WHERE folder = ?3 AND src_uidvalidity = ?4 AND src_uid = ?5 AND state = 5`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, d := range batch {
			mark := markRemoved
			if d.Left {
				mark = markLeft
			}
			if _, err := stmt.ExecContext(ctx, mark, d.Note, folder, int64(d.SrcUIDValidity), int64(d.SrcUID)); err != nil {
				return err
			}
		}
		return nil
	})
}

// VanishFolder is MarkVanished for every message of a folder: the source has the
// folder no more.
func (s *Store) VanishFolder(ctx context.Context, folder int64) error {
	return s.exec(ctx, "mark a folder vanished", "UPDATE messages SET state = 5 WHERE folder = ? AND state <> 5", folder)
}

// Living yields, for each message of an account that the target has (copied or
// present, not gone since), the folder's ID and the SHA-1 of its octets. An error
// is the last it yields.
func (s *Store) Living(ctx context.Context, account int64) iter.Seq2[Place, error] {
	return func(yield func(Place, error) bool) {
		var sum []byte
		err := s.each(ctx, "read hashes", `SELECT f.id, m.sha1 FROM folders f
			JOIN messages m ON m.folder = f.id AND m.src_uidvalidity = f.src_uidvalidity
			WHERE f.account = ? AND m.state IN (1, 2) AND m.marks & 1 = 0 AND m.sha1 IS NOT NULL`, []any{account},
			func(scan func(...any) error) (bool, error) {
				var p Place
				if err := scan(&p.Folder, &sum); err != nil {
					return false, err
				}
				copy(p.SHA1[:], sum)
				return yield(p, nil), nil
			})
		if err != nil {
			yield(Place{}, err)
		}
	}
}

// Place is where content is.
type Place struct {
	Folder int64
	SHA1   [20]byte
}
