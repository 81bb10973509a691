package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bmsync/state"
)

// ForgetOptions name an account whose ledger is to be forgotten.
type ForgetOptions struct {
	Target   Target
	StateDir string
	Address  string // as in the plan or as on the target
	Do       bool   // else it is only said what would be
	Host     string
	PID      int
	Now      func() time.Time
}

// Forgotten is what the ledger held of an account.
type Forgotten struct {
	Address  string       `json:"address"`
	Target   string       `json:"target"`
	State    string       `json:"state"`
	Messages []StateCount `json:"messages"`
	Open     int64        `json:"open"`     // appends whose outcome is not known for sure
	Verified bool         `json:"verified"` // a verification is forgotten too
	Done     bool         `json:"done"`
}

// ForgetAccount forgets what a target's state knows of an account, so that the
// next run starts it anew. No server is touched, and what was copied stays
// where it is. It takes the state's lock, also to say only what would be
// forgotten.
func ForgetAccount(ctx context.Context, o ForgetOptions) (list []Forgotten, err error) {
	store, err := openForWriting(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	id, err := store.Identity(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := accountsOf(ctx, store, o.Target, o.Address)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		f, err := forgettable(ctx, store, id.Target, row)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	if !o.Do {
		return list, nil
	}
	return list, o.forget(ctx, store, rows, list)
}

func forgettable(ctx context.Context, store *state.Store, target string, row state.Account) (Forgotten, error) {
	f := Forgotten{Address: row.Address, Target: target, State: row.State, Verified: !row.VerifiedAt.IsZero()}
	sums, err := store.AccountSums(ctx, row.ID)
	if err != nil {
		return f, err
	}
	intents, err := store.OpenIntents(ctx)
	if err != nil {
		return f, err
	}
	doubts, err := store.OpenDoubts(ctx)
	f.Messages, f.Open = counts(sums), intents[row.ID]+doubts[row.ID]
	return f, err
}

// forget does it, as a run that the state remembers.
func (o *ForgetOptions) forget(ctx context.Context, store *state.Store, rows []state.Account, list []Forgotten) error {
	run := RunOptions{Host: o.Host, PID: o.PID, Now: o.Now}.withDefaults()
	name := fmt.Sprintf("%s-%s-%d-reset", run.Now().UTC().Format("20060102T150405.000000Z"), run.Host, run.PID)
	id, err := store.BeginRun(ctx, state.Run{Name: name, Host: run.Host, PID: run.PID, Command: "reset " + rows[0].Address, Started: run.Now()})
	if err != nil {
		return err
	}
	for i, row := range rows {
		if err := store.ForgetAccount(ctx, row.ID); err != nil {
			return err
		}
		list[i].Done = true
	}
	return store.EndRun(ctx, id, 0, "forgot "+rows[0].Address)
}
