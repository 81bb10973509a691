package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// Run is one start of the program on this target.
type Run struct {
	ID               int64
	Name             string // unique; display name of its tokens
	Host             string
	PID              int
	PolicyDigest     string
	PlanSHA256       string
	Command          string
	WithoutRehearsal string // the reason given for going without, else ""
	Started          time.Time
	Ended            time.Time // zero: under way, or killed
	Exit             int
	Summary          string
}

// BeginRun notes that a run starts (Ended, Exit and Summary are ignored) and
// says so in the lock file.
func (s *Store) BeginRun(ctx context.Context, r Run) (int64, error) {
	var id int64
	err := s.write(ctx, "begin run "+r.Name, func(ctx context.Context, tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `INSERT INTO runs (name, host, pid, policy_digest, plan_sha256, command, without_rehearsal, started)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, r.Name, r.Host, r.PID, r.PolicyDigest, r.PlanSHA256, r.Command,
			r.WithoutRehearsal, stamp(r.Started)).Scan(&id); err != nil {
			return err
		}
		s.lock.holder.Run = r.Name
		return s.lock.write()
	})
	return id, err
}

// EndRun notes how a run ended. Repeating it overwrites.
func (s *Store) EndRun(ctx context.Context, id int64, exit int, summary string) error {
	return s.exec(ctx, "end run", "UPDATE runs SET ended = ?, exit = ?, summary = ? WHERE id = ?",
		stamp(s.now()), exit, summary, id)
}

// Runs lists all runs ever, oldest first: tokens that bear the name of a dead
// one may be swept.
func (s *Store) Runs(ctx context.Context) ([]Run, error) {
	var runs []Run
	err := s.each(ctx, "list runs", `SELECT id, name, host, pid, policy_digest, plan_sha256, command, without_rehearsal,
		started, ended, exit, summary FROM runs ORDER BY id`, nil, func(scan func(...any) error) (bool, error) {
		var r Run
		var started, ended int64
		err := scan(&r.ID, &r.Name, &r.Host, &r.PID, &r.PolicyDigest, &r.PlanSHA256, &r.Command, &r.WithoutRehearsal,
			&started, &ended, &r.Exit, &r.Summary)
		r.Started, r.Ended = unstamp(started), unstamp(ended)
		runs = append(runs, r)
		return true, err
	})
	return runs, err
}

// Verification is the outcome of one independent proof of an account.
type Verification struct {
	Account       int64
	Address, Kind string // of the account; read only
	PolicyDigest  string
	AccountDigest string
	At            time.Time
	OK            bool
	Messages      int64
	Bytes         int64
	Findings      []string
}

// RecordVerification adds a verification. Earlier ones stay.
func (s *Store) RecordVerification(ctx context.Context, v Verification) error {
	findings, err := json.Marshal(append([]string{}, v.Findings...))
	if err != nil {
		return err
	}
	return s.exec(ctx, "record verification", `INSERT INTO verifications
		(account, policy_digest, account_digest, at, ok, messages, bytes, findings) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		v.Account, v.PolicyDigest, v.AccountDigest, stamp(v.At), v.OK, v.Messages, v.Bytes, string(findings))
}

// Verifications lists all verifications, oldest first. The gate reads them
// from the file of a rehearsal target.
func (s *Store) Verifications(ctx context.Context) ([]Verification, error) {
	var list []Verification
	err := s.each(ctx, "list verifications", `SELECT v.account, a.address, a.kind, v.policy_digest, v.account_digest, v.at, v.ok,
		v.messages, v.bytes, v.findings FROM verifications v JOIN accounts a ON a.id = v.account ORDER BY v.id`, nil,
		func(scan func(...any) error) (bool, error) {
			var v Verification
			var at int64
			var findings []byte
			if err := scan(&v.Account, &v.Address, &v.Kind, &v.PolicyDigest, &v.AccountDigest, &at, &v.OK,
				&v.Messages, &v.Bytes, &findings); err != nil {
				return false, err
			}
			v.At = unstamp(at)
			if err := json.Unmarshal(findings, &v.Findings); err != nil {
				return false, err
			}
			list = append(list, v)
			return true, nil
		})
	return list, err
}
