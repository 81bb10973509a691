package state

import (
	"context"
	"database/sql"
	"encoding/binary"
	"iter"
	"strconv"
	"time"
)

// MessageState is the one ledger state of a source message. The numbers are stored.
type MessageState uint8

const (
	Copied   MessageState = 1 // appended by us
	Present  MessageState = 2 // found on the target and adopted
	Excluded MessageState = 3 // by a rule
	Refused  MessageState = 4 // by a server, or as unreadable
	Vanished MessageState = 5 // from the source; DstUID says whether it had been copied
	Pending  MessageState = 6 // not yet
)

var stateNames = [...]string{"unknown", "copied", "present", "excluded", "refused", "vanished", "pending"}

func (m MessageState) String() string {
	if int(m) < len(stateNames) {
		return stateNames[m]
	}
	return stateNames[0]
}

// Message is a row of the ledger: one source message.
type Message struct {
	SrcUIDValidity uint32
	SrcUID         uint32
	DstUIDValidity uint32
	DstUID         uint32 // 0: none
	Size           int64  // -1: unknown
	InternalDate   time.Time
	DateText       string   // INTERNALDATE as the source sent it, where it can't be read
	Flags          []string // and keywords, as last synchronised
	SHA1           [20]byte // of the source's octets; zero: not known
	SHA256         [32]byte
	State          MessageState
	Reason         string // the rule, or the server's words
	By             string // who refused
	Repaired       *Sent  // what was sent instead, if it was repaired
	Wrote          bool   // the target's copy is ours: set by Record for Copied, kept when it vanishes
	DstGone        bool   // seen missing on the target after copying
	Removed        bool   // vanished: we remove the copy from the target, or have if DstGone
	Left           bool   // vanished: the copy is left as it is on the target
	Note           string // for instance a lost keyword
}

// Sent is what was sent in the place of a source message that had to be repaired.
type Sent struct {
	SHA1   [20]byte
	SHA256 [32]byte
	Size   int64
}

// OnTarget gives hash and size of a message's copy on the target: the source
// message's own, or what it was repaired to.
func (m *Message) OnTarget() (sha1 [20]byte, sha256 [32]byte, size int64) {
	if m.Repaired != nil {
		return m.Repaired.SHA1, m.Repaired.SHA256, m.Repaired.Size
	}
	return m.SHA1, m.SHA256, m.Size
}

const (
	markGone    = 1
	markWrote   = 2
	markRemoved = 4
	markLeft    = 8
)

const messageColumns = `src_uidvalidity, src_uid, state, marks, dst_uidvalidity, dst_uid, size, date, zone, flags, sha1, sha256,
	date_text, reason, decider, repaired, note`

const recordMessage = `INSERT INTO messages (folder, ` + messageColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT DO UPDATE SET state = excluded.state, marks = excluded.marks, dst_uidvalidity = excluded.dst_uidvalidity,
		dst_uid = excluded.dst_uid, size = excluded.size, date = excluded.date, zone = excluded.zone, flags = excluded.flags,
		sha1 = excluded.sha1, sha256 = excluded.sha256, date_text = excluded.date_text, reason = excluded.reason,
		decider = excluded.decider, repaired = excluded.repaired, note = excluded.note`

// closeIntents takes the UIDs as a JSON array.
const closeIntents = "DELETE FROM intents WHERE folder = ? AND src_uidvalidity = ? AND src_uid IN (SELECT value FROM json_each(?))"

// Record stores what became of messages: it closes their intents, if any are
// open, writes or replaces their rows, and raises the folder's DstMaxUID. A
// folder without UIDVALIDITYs gets those of its first rows.
func (s *Store) Record(ctx context.Context, folder int64, batch []Message) error {
	return s.write(ctx, "record messages", func(ctx context.Context, tx *sql.Tx) error {
		recording := tx.StmtContext(ctx, s.recording)
		defer recording.Close()
		highest, settled := make(map[uint32]uint32, 1), make(map[uint32][]uint32, 1)
		for i := range batch {
			m := &batch[i]
			row, err := m.row(folder)
			if err != nil {
				return err
			}
			if _, err := recording.ExecContext(ctx, row...); err != nil {
				return err
			}
			settled[m.SrcUIDValidity] = append(settled[m.SrcUIDValidity], m.SrcUID)
			if m.State == Copied || m.State == Present {
				highest[m.DstUIDValidity] = max(highest[m.DstUIDValidity], m.DstUID)
			}
		}
		for validity, uids := range settled {
			if _, err := tx.ExecContext(ctx, closeIntents, folder, validity, array(uids)); err != nil {
				return err
			}
		}
		for validity, uid := range highest {
			if _, err := tx.ExecContext(ctx, `UPDATE folders SET src_uidvalidity = iif(src_uidvalidity = 0, ?4, src_uidvalidity),
				dst_max_uid = iif(dst_uidvalidity IN (0, ?2), max(dst_max_uid, ?3), dst_max_uid), dst_uidvalidity = iif(dst_uidvalidity = 0, ?2, dst_uidvalidity)
				WHERE id = ?1`, folder, validity, uid, batch[0].SrcUIDValidity); err != nil {
				return err
			}
		}
		if len(highest) > 0 {
			return nil
		}
		return firstEpoch(ctx, tx, folder, batch, func(m *Message) uint32 { return m.SrcUIDValidity })
	})
}

// array is UIDs in JSON.
func array(uids []uint32) string {
	text := []byte{'['}
	for i, uid := range uids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(uid), 10)
	}
	return string(append(text, ']'))
}

func (m *Message) row(folder int64) ([]any, error) {
	flags, err := packFlags(m.Flags)
	if err != nil {
		return nil, err
	}
	var marks int64
	if m.DstGone {
		marks |= markGone
	}
	if m.Wrote && m.State != Present || m.State == Copied {
		marks |= markWrote
	}
	if m.State == Vanished && m.Removed {
		marks |= markRemoved
	}
	if m.State == Vanished && m.Left {
		marks |= markLeft
	}
	date, zone := packDate(m.InternalDate)
	return []any{folder, int64(m.SrcUIDValidity), int64(m.SrcUID), int64(m.State), marks, int64(m.DstUIDValidity), int64(m.DstUID),
		m.Size, date, zone, text(flags), hash(m.SHA1[:]), hash(m.SHA256[:]), text(m.DateText), text(m.Reason), text(m.By),
		m.Repaired.pack(), text(m.Note)}, nil
}

// Messages yields the rows of a folder by source UID, those of one source
// UIDVALIDITY or, if that is 0, of all. It is one snapshot; its body may call
// any method. An error is the last it yields.
func (s *Store) Messages(ctx context.Context, folder int64, srcUIDValidity uint32) iter.Seq2[Message, error] {
	if srcUIDValidity == 0 {
		return s.messages(ctx, "WHERE folder = ? ORDER BY src_uidvalidity, src_uid", folder)
	}
	return s.messages(ctx, "WHERE folder = ? AND src_uidvalidity = ? ORDER BY src_uid", folder, int64(srcUIDValidity))
}

func (s *Store) messages(ctx context.Context, where string, args ...any) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var row messageRow
		dest := row.dest()
		err := s.each(ctx, "read messages", "SELECT "+messageColumns+" FROM messages "+where, args,
			func(scan func(...any) error) (bool, error) {
				if err := scan(dest...); err != nil {
					return false, err
				}
				return yield(row.message(), nil), nil
			})
		if err != nil {
			yield(Message{}, err)
		}
	}
}

// packDate gives INTERNALDATE as stored: its instant, to the second as IMAP
// has it, and its zone.
func packDate(t time.Time) (date, zone any) {
	if t.IsZero() {
		return nil, nil
	}
	_, offset := t.Zone()
	return t.Unix(), int64(offset / 60)
}

func unpackDate(known bool, date, zone int64) time.Time {
	switch {
	case !known:
		return time.Time{}
	case zone == 0:
		return time.Unix(date, 0).UTC()
	}
	return time.Unix(date, 0).In(time.FixedZone("", int(zone)*60))
}

// pack writes SHA-1, SHA-256 and size, one after the other; nil is NULL.
func (s *Sent) pack() any {
	if s == nil {
		return nil
	}
	out := append(s.SHA1[:], s.SHA256[:]...)
	return binary.BigEndian.AppendUint64(out, uint64(s.Size))
}

func unpackSent(b []byte) *Sent {
	if len(b) != sentSize {
		return nil
	}
	return &Sent{SHA1: [20]byte(b), SHA256: [32]byte(b[20:]), Size: int64(binary.BigEndian.Uint64(b[52:]))}
}

const sentSize = 20 + 32 + 8

// text and hash are NULL where there is nothing.
func text(t string) any {
	if t == "" {
		return nil
	}
	return t
}

func hash(sum []byte) any {
	for _, b := range sum {
		if b != 0 {
			return sum
		}
	}
	return nil
}

// messageRow is what a row is scanned into. Of all types, database/sql passes
// any and RawBytes on as they are; integers of other types go through text and
// reflection, which took two thirds of the time of loading a folder.
type messageRow struct {
	srcUIDValidity, srcUID, state, marks, dstUIDValidity, dstUID, size, date, zone any
	flags, dateText, reason, by, note                                              any
	sha1, sha256, repaired                                                         sql.RawBytes
}

// dest points to the fields in the order of messageColumns.
func (r *messageRow) dest() []any {
	return []any{&r.srcUIDValidity, &r.srcUID, &r.state, &r.marks, &r.dstUIDValidity, &r.dstUID, &r.size, &r.date, &r.zone,
		&r.flags, &r.sha1, &r.sha256, &r.dateText, &r.reason, &r.by, &r.repaired, &r.note}
}

func (r *messageRow) message() Message {
	marks := integer(r.marks)
	m := Message{
		SrcUIDValidity: uint32(integer(r.srcUIDValidity)), SrcUID: uint32(integer(r.srcUID)),
		DstUIDValidity: uint32(integer(r.dstUIDValidity)), DstUID: uint32(integer(r.dstUID)),
		Size: integer(r.size), InternalDate: unpackDate(r.date != nil, integer(r.date), integer(r.zone)),
		DateText: words(r.dateText), Flags: unpackFlags(words(r.flags)), State: MessageState(integer(r.state)),
		Reason: words(r.reason), By: words(r.by), Note: words(r.note),
		Wrote: marks&markWrote != 0, DstGone: marks&markGone != 0, Removed: marks&markRemoved != 0, Left: marks&markLeft != 0,
	}
	copy(m.SHA1[:], r.sha1)
	copy(m.SHA256[:], r.sha256)
	m.Repaired = unpackSent(r.repaired)
	return m
}

// integer and words take a column of a strict table, or NULL.
func integer(v any) int64 {
	n, _ := v.(int64)
	return n
}

func words(v any) string {
	t, _ := v.(string)
	return t
}
