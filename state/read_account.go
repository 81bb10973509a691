package state

import (
	"context"
	"encoding/json"
	"iter"
)

// AccountIDs lists all accounts by address. With [Store.AccountByID] a reader
// that is slow, or writes to somebody who is, goes through them without
// keeping a snapshot open.
func (s *Store) AccountIDs(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := s.each(ctx, "list accounts", "SELECT id FROM accounts ORDER BY address, kind, source_folder", nil,
		func(scan func(...any) error) (bool, error) {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return true, err
		})
	return ids, err
}

// AccountByID reads one account.
func (s *Store) AccountByID(ctx context.Context, id int64) (Account, error) {
	a, err := scanAccount(s.reader.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM accounts WHERE id = ?", id).Scan)
	return a, s.fault("read account", err)
}

// LastVerification reads the newest verification of an account, without its
// address and kind; [ErrNotFound] if there is none.
func (s *Store) LastVerification(ctx context.Context, account int64) (Verification, error) {
	v := Verification{Account: account}
	var at int64
	var findings []byte
	err := s.reader.QueryRowContext(ctx, `SELECT policy_digest, account_digest, at, ok, messages, bytes, findings
		FROM verifications WHERE account = ? ORDER BY id DESC LIMIT 1`, account).
		Scan(&v.PolicyDigest, &v.AccountDigest, &at, &v.OK, &v.Messages, &v.Bytes, &findings)
	if err == nil {
		v.At = unstamp(at)
		err = json.Unmarshal(findings, &v.Findings)
	}
	return v, s.fault("read the last verification", err)
}

// Notable yields those messages of a folder, under its present source
// UIDVALIDITY and by source UID, of which a report tells one by one or by
// kind: refused ones, those with a note, those on the target whose copy is
// gone. An error is the last it yields.
func (s *Store) Notable(ctx context.Context, folder int64) iter.Seq2[Message, error] {
	return s.messages(ctx, `WHERE folder = ?1 AND src_uidvalidity = (SELECT src_uidvalidity FROM folders WHERE id = ?1)
		AND (state = 4 OR note IS NOT NULL OR marks & 1 AND state IN (1, 2)) ORDER BY src_uid`, folder)
}

// Reasons counts the messages of a folder in one state, under its present
// source UIDVALIDITY, by their reason.
func (s *Store) Reasons(ctx context.Context, folder int64, state MessageState) (map[string]Sum, error) {
	sums := make(map[string]Sum)
	err := s.each(ctx, "count reasons", `SELECT coalesce(reason, ''), count(*), sum(max(size, 0)) FROM messages
		WHERE folder = ?1 AND src_uidvalidity = (SELECT src_uidvalidity FROM folders WHERE id = ?1) AND state = ?2
		GROUP BY reason`, []any{folder, int64(state)}, func(scan func(...any) error) (bool, error) {
		var reason string
		var sum Sum
		err := scan(&reason, &sum.Messages, &sum.Bytes)
		sums[reason] = sum
		return true, err
	})
	return sums, err
}
