package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bmsync/state"
)

// The phases of an account.
const (
	PhasePresync = "presync" // the target belongs to the runs: what the source does is followed there
	PhaseLive    = "live"    // a final run has handed it over: new mail is copied, what users did stays
	PhaseClosed  = "closed"  // it is over: runs leave the account alone
)

// AccountPhases are the phases of an account, in their order.
func AccountPhases() []string { return []string{PhasePresync, PhaseLive, PhaseClosed} }

// PhaseOptions say which accounts go to which phase. Addresses, Wave and All
// name the accounts; one of them is required.
type PhaseOptions struct {
	Target    Target
	StateDir  string
	Phase     string
	Addresses []string // as in the plan or as on the target
	Wave      string
	All       bool
	Do        bool // else it is only said what would be
	Host      string
	PID       int
}

// PhaseChange is an account that goes to another phase.
type PhaseChange struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	From    string `json:"from"`
	To      string `json:"to"`
	State   string `json:"state"`
	Why     string `json:"why_not,omitempty"` // it may not
	Done    bool   `json:"done"`
}

// SetPhase closes accounts, or opens them again. No server is touched. Only a
// final run hands an account over: one in presync can't be called live here. It
// takes the state's lock, also to say only what would be.
func SetPhase(ctx context.Context, o PhaseOptions) (list []PhaseChange, err error) {
	store, err := openForWriting(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	rows, err := o.rows(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Phase != o.Phase {
			list = append(list, PhaseChange{Address: row.Address, Kind: row.Kind, From: row.Phase, To: o.Phase, State: row.State, Why: o.forbidden(row)})
		}
	}
	if !o.Do || len(list) == 0 {
		return list, nil
	}
	return list, o.record(ctx, store, rows, list)
}

func (o *PhaseOptions) forbidden(row state.Account) string {
	if row.Phase == PhasePresync && o.Phase == PhaseLive {
		return "only bmsync run --final hands an account over"
	}
	return ""
}

// rows are the accounts that are meant.
func (o *PhaseOptions) rows(ctx context.Context, store *state.Store) (rows []state.Account, err error) {
	for _, address := range o.Addresses {
		found, err := accountsOf(ctx, store, o.Target, address)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	if !o.All && o.Wave == "" {
		return rows, nil
	}
	for row, err := range store.Accounts(ctx) {
		if err != nil {
			return nil, err
		}
		if o.All || row.Wave == o.Wave {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		what := "account"
		if o.Wave != "" {
			what = "account of wave " + o.Wave
		}
		return nil, NewInputError([]Problem{{File: store.Path(), Text: "no run has met an " + what}})
	}
	return rows, nil
}

// record does it, as a run that the state remembers.
func (o *PhaseOptions) record(ctx context.Context, store *state.Store, rows []state.Account, list []PhaseChange) error {
	run := RunOptions{Host: o.Host, PID: o.PID}.withDefaults()
	name := fmt.Sprintf("%s-%s-%d-phase", run.Now().UTC().Format("20060102T150405.000000Z"), run.Host, run.PID)
	id, err := store.BeginRun(ctx, state.Run{Name: name, Host: run.Host, PID: run.PID, Command: "phase " + o.Phase, Started: run.Now()})
	if err != nil {
		return err
	}
	changed := 0
	for _, row := range rows {
		i := slices.IndexFunc(list, func(c PhaseChange) bool { return c.Address == row.Address && c.Kind == row.Kind && c.From == row.Phase })
		if row.Phase == o.Phase || i < 0 || list[i].Why != "" {
			continue
		}
		row.Phase = o.Phase
		if err := store.UpdateAccount(ctx, row); err != nil {
			return err
		}
		changed++
	}
	for i := range list {
		list[i].Done = list[i].Why == ""
	}
	return store.EndRun(ctx, id, 0, fmt.Sprintf("%d accounts are %s", changed, o.Phase))
}

// accountID tells the accounts of plan and state apart.
type accountID struct{ source, login, folder, address, kind string }

// whoIsClosed notes which accounts the run leaves alone.
func (r *runner) whoIsClosed(ctx context.Context) error {
	r.closed = map[accountID]bool{}
	if r.store == nil {
		return nil
	}
	for a, err := range r.store.Accounts(ctx) {
		if err != nil {
			return err
		}
		if a.Phase == PhaseClosed {
			r.closed[accountID{a.Source, a.SourceLogin, a.SourceFolder, a.Address, a.Kind}] = true
		}
	}
	return nil
}

func (r *runner) isClosed(a *PlanAccount) bool {
	return len(r.closed) > 0 && r.closed[accountID{a.Source, a.SourceLogin, a.SourceFolder, r.opts.Target.Address(a.Address), a.Kind}]
}

// leftAlone are the closed accounts, by address, among those that were asked for.
func (r *runner) leftAlone() (list []string, err error) {
	if len(r.closed) == 0 {
		return nil, nil
	}
	for a, err := range r.opts.Plan.heads() {
		if err != nil {
			return nil, err
		}
		if r.opts.asksFor(a) && r.isClosed(a) {
			list = append(list, a.Address)
		}
	}
	return list, nil
}
