package state

import (
	"context"
	"fmt"
	"iter"
)

// Sum counts messages and their octets; unknown sizes count 0.
type Sum struct {
	Messages int64
	Bytes    int64
}

// Sums are a Sum for each [MessageState], which is the index.
type Sums [len(stateNames)]Sum

// Total adds the states up.
func (s Sums) Total() Sum {
	var total Sum
	for _, sum := range s {
		total.Messages += sum.Messages
		total.Bytes += sum.Bytes
	}
	return total
}

// OnSource adds up what the source should have now: all but the vanished.
func (s Sums) OnSource() Sum {
	total := s.Total()
	total.Messages -= s[Vanished].Messages
	total.Bytes -= s[Vanished].Bytes
	return total
}

// currentSums are those under the folder's present source UIDVALIDITY.
const currentSums = `FROM sums s JOIN folders f ON f.id = s.folder AND f.src_uidvalidity = s.src_uidvalidity`

// Sums counts the messages of a folder under one source UIDVALIDITY, or, if
// that is 0, under the one the folder has in the file.
func (s *Store) Sums(ctx context.Context, folder int64, srcUIDValidity uint32) (Sums, error) {
	if srcUIDValidity == 0 {
		return s.sums(ctx, "SELECT s.state, s.messages, s.bytes "+currentSums+" WHERE f.id = ?", folder)
	}
	return s.sums(ctx, "SELECT state, messages, bytes FROM sums WHERE folder = ? AND src_uidvalidity = ?", folder, srcUIDValidity)
}

// AccountSums counts the messages of an account, each folder under its present
// source UIDVALIDITY.
func (s *Store) AccountSums(ctx context.Context, account int64) (Sums, error) {
	return s.sums(ctx, "SELECT s.state, sum(s.messages), sum(s.bytes) "+currentSums+" WHERE f.account = ? GROUP BY s.state", account)
}

// FolderSums are AccountSums by folder. Folders without messages are left out.
func (s *Store) FolderSums(ctx context.Context, account int64) (map[int64]Sums, error) {
	return s.sumsBy(ctx, "SELECT f.id, s.state, s.messages, s.bytes "+currentSums+" WHERE f.account = ?", account)
}

// SumsByAccount are AccountSums of all accounts. Accounts without messages are
// left out.
func (s *Store) SumsByAccount(ctx context.Context) (map[int64]Sums, error) {
	return s.sumsBy(ctx, "SELECT f.account, s.state, sum(s.messages), sum(s.bytes) "+currentSums+" GROUP BY f.account, s.state")
}

// Totals are the whole file in numbers.
type Totals struct {
	Accounts map[string]int64 // by Account.State
	Messages Sums
	Intents  int64 // open
	Doubts   int64 // not yet cleared
}

// Totals counts accounts, messages and what is open.
func (s *Store) Totals(ctx context.Context) (Totals, error) {
	t := Totals{Accounts: make(map[string]int64)}
	err := s.each(ctx, "count accounts", "SELECT state, count(*) FROM accounts GROUP BY state", nil,
		func(scan func(...any) error) (bool, error) {
			var state string
			var n int64
			err := scan(&state, &n)
			t.Accounts[state] = n
			return true, err
		})
	if err != nil {
		return t, err
	}
	if t.Messages, err = s.sums(ctx, "SELECT s.state, sum(s.messages), sum(s.bytes) "+currentSums+" GROUP BY s.state"); err != nil {
		return t, err
	}
	err = s.reader.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM intents), (SELECT count(*) FROM doubts)").Scan(&t.Intents, &t.Doubts)
	return t, s.fault("count what is open", err)
}

func (s *Store) sums(ctx context.Context, query string, args ...any) (Sums, error) {
	var sums Sums
	err := s.each(ctx, "sum up messages", query, args, func(scan func(...any) error) (bool, error) {
		var state MessageState
		var sum Sum
		if err := scan(&state, &sum.Messages, &sum.Bytes); err != nil {
			return false, err
		}
		return true, sums.set(state, sum)
	})
	return sums, err
}

func (s *Store) sumsBy(ctx context.Context, query string, args ...any) (map[int64]Sums, error) {
	all := make(map[int64]Sums)
	err := s.each(ctx, "sum up messages", query, args, func(scan func(...any) error) (bool, error) {
		var id int64
		var state MessageState
		var sum Sum
		if err := scan(&id, &state, &sum.Messages, &sum.Bytes); err != nil {
			return false, err
		}
		sums := all[id]
		err := sums.set(state, sum)
		all[id] = sums
		return true, err
	})
	return all, err
}

func (s *Sums) set(state MessageState, sum Sum) error {
	if state < Copied || state > Pending {
		return fmt.Errorf("message state %d is unknown", state)
	}
	s[state] = sum
	return nil
}

// Hashes yields the SHA-256 of all messages of an account that the target has
// (copied or present, not gone since), sorted: what the certificate's root hash
// is over. Equal messages give equal hashes, each yielded. For a repaired
// message it is the hash of what was sent. An error is the last it yields.
func (s *Store) Hashes(ctx context.Context, account int64) iter.Seq2[[32]byte, error] {
	return func(yield func([32]byte, error) bool) {
		err := s.each(ctx, "read hashes", `SELECT coalesce(substr(m.repaired, 21, 32), m.sha256) AS hash FROM folders f
			JOIN messages m ON m.folder = f.id AND m.src_uidvalidity = f.src_uidvalidity
			WHERE f.account = ? AND m.state IN (1, 2) AND m.marks & 1 = 0 AND hash IS NOT NULL ORDER BY hash`, []any{account},
			func(scan func(...any) error) (bool, error) {
				var sum []byte
				if err := scan(&sum); err != nil {
					return false, err
				}
				return yield([32]byte(sum), nil), nil
			})
		if err != nil {
			yield([32]byte{}, err)
		}
	}
}

// Check reads the whole file: whether SQLite finds it sound, whether rows refer
// to rows that exist, and whether the kept sums are those of the messages.
func (s *Store) Check(ctx context.Context) error {
	for _, check := range []struct{ what, query string }{
		{"file", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
		{"references", `SELECT "table" || ' refers to a missing ' || parent FROM pragma_foreign_key_check`},
		{"sums", `WITH counted AS (SELECT folder, src_uidvalidity, state, count(*) AS messages, sum(max(size, 0)) AS bytes
				FROM messages GROUP BY folder, src_uidvalidity, state),
			kept AS (SELECT folder, src_uidvalidity, state, messages, bytes FROM sums WHERE messages <> 0 OR bytes <> 0)
			SELECT 'folder ' || folder || ' state ' || state FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept)
			UNION SELECT 'folder ' || folder || ' state ' || state FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted)`},
	} {
		err := s.each(ctx, "check "+check.what, check.query, nil, func(scan func(...any) error) (bool, error) {
			var finding string
			if err := scan(&finding); err != nil {
				return false, err
			}
			return false, &FileError{s.path, ErrNotState, fmt.Errorf("%s: %s", check.what, finding)}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
