package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
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
	Here             bool // begun in this very file, not in one that it is a copy of; read only
}

// fileOf names the file that a run is begun in, so that a copy is told from it:
// whoever holds the copy's lock knows nothing of who is at work on the original.
// The host is part of it for a file that is moved, and the path for one that
// outlives its host's name, as a container's volume does.
func fileOf(path string) string {
	host, err := os.Hostname()
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d\n%s\n%s", stat.Ino, host, path)
}

func sameFile(a, b string) bool {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	return len(x) > 2 && len(y) > 2 && x[0] == y[0] && (x[1] == y[1] || x[2] == y[2])
}

// BeginRun notes that a run starts (Ended, Exit and Summary are ignored) and
// says so in the lock file.
func (s *Store) BeginRun(ctx context.Context, r Run) (int64, error) {
	var id int64
	err := s.write(ctx, "begin run "+r.Name, func(ctx context.Context, tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `INSERT INTO runs (name, host, pid, policy_digest, plan_sha256, command, without_rehearsal, started, file)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, r.Name, r.Host, r.PID, r.PolicyDigest, r.PlanSHA256, r.Command,
			r.WithoutRehearsal, stamp(r.Started), fileOf(s.path)).Scan(&id); err != nil {
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
	here := fileOf(s.path)
	err := s.each(ctx, "list runs", `SELECT id, name, host, pid, policy_digest, plan_sha256, command, without_rehearsal,
		started, ended, exit, summary, file FROM runs ORDER BY id`, nil, func(scan func(...any) error) (bool, error) {
		var r Run
		var started, ended int64
		var file string
		err := scan(&r.ID, &r.Name, &r.Host, &r.PID, &r.PolicyDigest, &r.PlanSHA256, &r.Command, &r.WithoutRehearsal,
			&started, &ended, &r.Exit, &r.Summary, &file)
		r.Started, r.Ended, r.Here = unstamp(started), unstamp(ended), sameFile(file, here)
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
