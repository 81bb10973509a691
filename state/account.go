package state

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"time"
)

// Account is one mailbox to migrate. Source, SourceLogin, SourceFolder,
// Address and Kind are its key: other accounts' coming and going changes
// nothing for it.
type Account struct {
	ID           int64
	Source       string // name of the source in the configuration
	SourceLogin  string
	SourceFolder string // a subtree of the source, or ""
	Address      string // ASCII letters match in any case
	Kind         string // "user" or "share"

	Wave              string
	AccountDigest     string
	PolicyDigest      string
	DomainUID         string
	EntryUID          string
	Phase             string // "presync", "live" or "closed"
	State             string // "pending", "running", "partial", "complete", "failed" or "blocked"
	Reason            string // one sentence
	Mend              string // what to type, or to do
	Created           bool   // we created its entry
	SourceFingerprint string
	StartedAt         time.Time
	EndedAt           time.Time
	VerifiedAt        time.Time
	VerifiedPolicy    string
	VerifiedResult    string
	Told              string // the refusals that a run has told of, as migrate names them
	Writer            string // of a share: the address of the user whose key fills it
	Adopt             bool   // the target held mail when we first came: look for each message's content there before it is copied
}

const accountColumns = `id, source, source_login, source_folder, address, kind, wave, account_digest, policy_digest,
	domain_uid, entry_uid, phase, state, reason, mend, created, source_fingerprint, started_at, ended_at,
	verified_at, verified_policy, verified_result, told, adopt, writer`

func scanAccount(scan func(...any) error) (Account, error) {
	var a Account
	var started, ended, verified int64
	err := scan(&a.ID, &a.Source, &a.SourceLogin, &a.SourceFolder, &a.Address, &a.Kind, &a.Wave, &a.AccountDigest,
		&a.PolicyDigest, &a.DomainUID, &a.EntryUID, &a.Phase, &a.State, &a.Reason, &a.Mend, &a.Created,
		&a.SourceFingerprint, &started, &ended, &verified, &a.VerifiedPolicy, &a.VerifiedResult, &a.Told, &a.Adopt, &a.Writer)
	a.StartedAt, a.EndedAt, a.VerifiedAt = unstamp(started), unstamp(ended), unstamp(verified)
	return a, err
}

const byAccountKey = ` WHERE source = ? AND source_login = ? AND source_folder = ? AND address = ? AND kind = ?`

func (a Account) key() []any {
	return []any{a.Source, a.SourceLogin, a.SourceFolder, a.Address, a.Kind}
}

// EnsureAccount returns the account with the key of a; where there is none it
// is made, in phase "presync" and state "pending", with the wave of a. Where
// its source is known with another address, or its address with another
// source, for the same kind and source folder, the error is a *[ConflictError].
func (s *Store) EnsureAccount(ctx context.Context, a Account) (Account, error) {
	var got Account
	err := s.write(ctx, "ensure account "+a.Address, func(ctx context.Context, tx *sql.Tx) (err error) {
		got, err = scanAccount(tx.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM accounts"+byAccountKey, a.key()...).Scan)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		known, err := scanAccount(tx.QueryRowContext(ctx, "SELECT "+accountColumns+` FROM accounts
			WHERE source_folder = ?3 AND kind = ?5 AND (source = ?1 AND source_login = ?2 OR address = ?4) LIMIT 1`, a.key()...).Scan)
		if err == nil {
			return &ConflictError{Known: known, Asked: a}
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		got, err = scanAccount(tx.QueryRowContext(ctx, `INSERT INTO accounts (source, source_login, source_folder, address, kind, wave)
			VALUES (?, ?, ?, ?, ?, ?) RETURNING `+accountColumns, append(a.key(), a.Wave)...).Scan)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	return got, nil
}

// FindAccount looks an account up by its key.
func (s *Store) FindAccount(ctx context.Context, a Account) (Account, error) {
	got, err := scanAccount(s.reader.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM accounts"+byAccountKey, a.key()...).Scan)
	return got, s.fault("find account "+a.Address, err)
}

// UpdateAccount writes all but the key of an account, found by its ID.
func (s *Store) UpdateAccount(ctx context.Context, a Account) error {
	return s.exec(ctx, "update account "+a.Address, `UPDATE accounts SET wave = ?, account_digest = ?, policy_digest = ?,
		domain_uid = ?, entry_uid = ?, phase = ?, state = ?, reason = ?, mend = ?, created = ?, source_fingerprint = ?,
		started_at = ?, ended_at = ?, verified_at = ?, verified_policy = ?, verified_result = ?, told = ?, adopt = ?, writer = ? WHERE id = ?`,
		a.Wave, a.AccountDigest, a.PolicyDigest, a.DomainUID, a.EntryUID, a.Phase, a.State, a.Reason, a.Mend, a.Created,
		a.SourceFingerprint, stamp(a.StartedAt), stamp(a.EndedAt), stamp(a.VerifiedAt), a.VerifiedPolicy, a.VerifiedResult, a.Told, a.Adopt, a.Writer, a.ID)
}

// Accounts yields all accounts by address. An error is the last it yields.
func (s *Store) Accounts(ctx context.Context) iter.Seq2[Account, error] {
	return s.accounts(ctx, "list accounts", "SELECT "+accountColumns+" FROM accounts ORDER BY address, kind, source_folder")
}

// AccountByAddress returns the accounts that go to an address: several if
// subtrees of sources are gathered there, none if it isn't known.
func (s *Store) AccountByAddress(ctx context.Context, address string) ([]Account, error) {
	var list []Account
	for a, err := range s.accounts(ctx, "find account "+address,
		"SELECT "+accountColumns+" FROM accounts WHERE address = ? ORDER BY kind, source_folder", address) {
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

func (s *Store) accounts(ctx context.Context, what, query string, args ...any) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		err := s.each(ctx, what, query, args, func(scan func(...any) error) (bool, error) {
			a, err := scanAccount(scan)
			return err == nil && yield(a, nil), err
		})
		if err != nil {
			yield(Account{}, err)
		}
	}
}

// ForgetAccount deletes an account with all its folders, messages, intents,
// doubts and verifications, to start it anew.
func (s *Store) ForgetAccount(ctx context.Context, id int64) error {
	return s.exec(ctx, "forget account", "DELETE FROM accounts WHERE id = ?", id)
}
