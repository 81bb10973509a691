package state

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Intent is an APPEND that was about to be sent. While it is open, only the
// target knows whether it has the message.
type Intent struct {
	SrcUIDValidity uint32
	SrcUID         uint32
	DstUIDValidity uint32
	DstUIDNext     uint32 // the target's UIDNEXT noted before: look from here on
	Size           int64
	InternalDate   time.Time
	Flags          []string
	SHA1           [20]byte // of the source's octets, which are sent but for Repaired
	SHA256         [32]byte
	Munged         [20]byte // SHA-1 of what Cyrus' munge8bit makes of what is sent; zero: nothing else
	Repaired       *Sent    // what is sent instead
	DateText, Note string   // for the row, as Message's
	Begun          time.Time
	Run            int64
}

// The row is not written where a copy is known that counts, nor over an open
// intent for other octets.
const beginIntent = `INSERT INTO intents (folder, src_uidvalidity, src_uid, dst_uidvalidity, dst_uidnext, size, date, zone, flags,
		sha1, sha256, begun, run, munged, repaired, date_text, note)
	SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17
	WHERE NOT EXISTS (SELECT 1 FROM messages WHERE folder = ?1 AND src_uidvalidity = ?2 AND src_uid = ?3
		AND state IN (1, 2) AND marks & 1 = 0 AND dst_uidvalidity = ?4)
	ON CONFLICT DO UPDATE SET dst_uidvalidity = excluded.dst_uidvalidity, dst_uidnext = excluded.dst_uidnext,
		size = excluded.size, date = excluded.date, zone = excluded.zone, flags = excluded.flags,
		begun = excluded.begun, run = excluded.run, munged = excluded.munged, date_text = excluded.date_text, note = excluded.note
	WHERE sha1 = excluded.sha1 AND sha256 = excluded.sha256 AND repaired IS excluded.repaired`

// Begin opens intents for a batch, durably before it returns: only then may
// the APPENDs be sent. An intent already open for the same octets is replaced;
// one for other octets, or a message whose row says that the target has it
// under this UIDVALIDITY, gives an *[IntentError] and nothing is written.
func (s *Store) Begin(ctx context.Context, folder int64, batch []Intent) error {
	return s.write(ctx, "begin messages", func(ctx context.Context, tx *sql.Tx) error {
		stmt := tx.StmtContext(ctx, s.beginning)
		defer stmt.Close()
		for i := range batch {
			in := &batch[i]
			flags, err := packFlags(in.Flags)
			if err != nil {
				return err
			}
			date, zone := packDate(in.InternalDate)
			result, err := stmt.ExecContext(ctx, folder, int64(in.SrcUIDValidity), int64(in.SrcUID), int64(in.DstUIDValidity),
				int64(in.DstUIDNext), in.Size, date, zone, text(flags), in.SHA1[:], in.SHA256[:], stamp(in.Begun), in.Run, hash(in.Munged[:]),
				in.Repaired.pack(), text(in.DateText), text(in.Note))
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil {
				return err
			} else if n == 0 {
				return refusal(ctx, tx, folder, in)
			}
		}
		return firstEpoch(ctx, tx, folder, batch, func(in *Intent) uint32 { return in.SrcUIDValidity })
	})
}

// firstEpoch notes the source UIDVALIDITY under which a folder's first copy
// began: were it cut short and the source numbered anew, what arrived is known
// by its content only.
func firstEpoch[T any](ctx context.Context, tx *sql.Tx, folder int64, batch []T, validity func(*T) uint32) error {
	if len(batch) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "UPDATE folders SET src_uidvalidity = ? WHERE id = ? AND src_uidvalidity = 0", validity(&batch[0]), folder)
	return err
}

// refusal finds out why an intent was not written.
func refusal(ctx context.Context, tx *sql.Tx, folder int64, in *Intent) error {
	reason := "another APPEND of it is open, for other octets"
	var one int
	err := tx.QueryRowContext(ctx, "SELECT 1 FROM intents WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ? AND (sha1 <> ? OR sha256 <> ? OR repaired IS NOT ?)",
		folder, in.SrcUIDValidity, in.SrcUID, in.SHA1[:], in.SHA256[:], in.Repaired.pack()).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		reason = "the ledger says that the target has it"
	} else if err != nil {
		return err
	}
	return &IntentError{Folder: folder, SrcUIDValidity: in.SrcUIDValidity, SrcUID: in.SrcUID, Reason: reason}
}

// Intents returns the open intents of a folder by source UID.
func (s *Store) Intents(ctx context.Context, folder int64) ([]Intent, error) {
	var list []Intent
	err := s.each(ctx, "list intents", `SELECT src_uidvalidity, src_uid, dst_uidvalidity, dst_uidnext, size, date, zone,
		coalesce(flags, ''), sha1, sha256, munged, begun, run, repaired, coalesce(date_text, ''), coalesce(note, '') FROM intents WHERE folder = ? ORDER BY src_uidvalidity, src_uid`, []any{folder},
		func(scan func(...any) error) (bool, error) {
			var in Intent
			var date, zone sql.NullInt64
			var flags string
			var sha1, sha256, munged, repaired sql.RawBytes
			var begun int64
			if err := scan(&in.SrcUIDValidity, &in.SrcUID, &in.DstUIDValidity, &in.DstUIDNext, &in.Size, &date, &zone,
				&flags, &sha1, &sha256, &munged, &begun, &in.Run, &repaired, &in.DateText, &in.Note); err != nil {
				return false, err
			}
			copy(in.SHA1[:], sha1)
			copy(in.SHA256[:], sha256)
			copy(in.Munged[:], munged)
			in.Repaired = unpackSent(repaired)
			in.InternalDate, in.Flags, in.Begun = unpackDate(date.Valid, date.Int64, zone.Int64), unpackFlags(flags), unstamp(begun)
			list = append(list, in)
			return true, nil
		})
	return list, err
}

// OpenIntents counts open intents by account. Accounts without are left out.
func (s *Store) OpenIntents(ctx context.Context) (map[int64]int64, error) {
	return s.countByAccount(ctx, "count intents", "intents")
}

// Doubt is an intent that was settled as absent and appended again. The first
// APPEND may still come through on the target, so it is looked for once more
// before the account is complete.
type Doubt struct {
	SrcUIDValidity uint32
	SrcUID         uint32
	DstUIDValidity uint32
	DstUIDNext     uint32 // look from here on
	Size           int64
	InternalDate   time.Time
	SHA1           [20]byte
	Munged         [20]byte // as Intent's
	Since          time.Time
}

// AddDoubts notes doubts. Of one already known the later time counts, for what
// was sent last may come through last, and the lower DstUIDNext if the target's
// UIDVALIDITY is the same.
func (s *Store) AddDoubts(ctx context.Context, folder int64, batch []Doubt) error {
	return s.write(ctx, "add doubts", func(ctx context.Context, tx *sql.Tx) error {
		for _, d := range batch {
			date, zone := packDate(d.InternalDate)
			if _, err := tx.ExecContext(ctx, `INSERT INTO doubts (folder, src_uidvalidity, src_uid, dst_uidvalidity, dst_uidnext, size, date, zone, sha1, since, munged)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET
					dst_uidnext = CASE WHEN dst_uidvalidity = excluded.dst_uidvalidity THEN min(dst_uidnext, excluded.dst_uidnext) ELSE excluded.dst_uidnext END,
					dst_uidvalidity = excluded.dst_uidvalidity, size = excluded.size, date = excluded.date, zone = excluded.zone,
					sha1 = excluded.sha1, munged = excluded.munged, since = max(since, excluded.since)`,
				folder, d.SrcUIDValidity, d.SrcUID, d.DstUIDValidity, d.DstUIDNext, d.Size, date, zone, d.SHA1[:], stamp(d.Since), hash(d.Munged[:])); err != nil {
				return err
			}
		}
		return nil
	})
}

// Doubts returns the doubts of a folder by source UID.
func (s *Store) Doubts(ctx context.Context, folder int64) ([]Doubt, error) {
	var list []Doubt
	err := s.each(ctx, "list doubts", `SELECT src_uidvalidity, src_uid, dst_uidvalidity, dst_uidnext, size, date, zone, sha1, munged, since
		FROM doubts WHERE folder = ? ORDER BY src_uidvalidity, src_uid`, []any{folder}, func(scan func(...any) error) (bool, error) {
		var d Doubt
		var date, zone sql.NullInt64
		var sha1, munged sql.RawBytes
		var since int64
		if err := scan(&d.SrcUIDValidity, &d.SrcUID, &d.DstUIDValidity, &d.DstUIDNext, &d.Size, &date, &zone, &sha1, &munged, &since); err != nil {
			return false, err
		}
		copy(d.SHA1[:], sha1)
		copy(d.Munged[:], munged)
		d.InternalDate, d.Since = unpackDate(date.Valid, date.Int64, zone.Int64), unstamp(since)
		list = append(list, d)
		return true, nil
	})
	return list, err
}

// ClearDoubts removes the doubts about some messages. Those without are skipped.
func (s *Store) ClearDoubts(ctx context.Context, folder int64, srcUIDValidity uint32, srcUIDs []uint32) error {
	return s.forUIDs(ctx, "clear doubts", "DELETE FROM doubts WHERE folder = ? AND src_uidvalidity = ? AND src_uid = ?",
		folder, srcUIDValidity, srcUIDs)
}

// OpenDoubts counts doubts by account. Accounts without are left out.
func (s *Store) OpenDoubts(ctx context.Context) (map[int64]int64, error) {
	return s.countByAccount(ctx, "count doubts", "doubts")
}

func (s *Store) countByAccount(ctx context.Context, what, table string) (map[int64]int64, error) {
	counts := make(map[int64]int64)
	err := s.each(ctx, what, "SELECT f.account, count(*) FROM "+table+" t JOIN folders f ON f.id = t.folder GROUP BY f.account", nil,
		func(scan func(...any) error) (bool, error) {
			var account, n int64
			err := scan(&account, &n)
			counts[account] = n
			return true, err
		})
	return counts, err
}
