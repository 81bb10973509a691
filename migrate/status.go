package migrate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"bmsync/migrate/objects"
	"bmsync/state"
)

// StatusOptions say what to look at. Target and StateDir are required.
type StatusOptions struct {
	Target   Target
	StateDir string
	Plan     *Plan // what is to be done; nil: not known
}

// Status is how far a target is, by its state file alone.
type Status struct {
	Target       string `json:"target"`
	URL          string `json:"url"`
	Version      int    `json:"version"` // of BlueMind
	Installation string `json:"installation"`
	Rehearsal    bool   `json:"rehearsal"`
	StateFile    string `json:"state_file"`

	LastRun  *RunStatus       `json:"last_run,omitempty"`
	Planned  int              `json:"planned,omitempty"` // accounts of the plan
	NotBegun int              `json:"not_begun,omitempty"`
	Accounts map[string]int64 `json:"accounts"` // by state
	Phases   map[string]int64 `json:"phases"`   // accounts by phase
	Messages []StateCount     `json:"messages"`
	Refused  int64            `json:"refused"`
	Intents  int64            `json:"open_intents"`
	Doubts   int64            `json:"doubts"`

	Objects   []ObjectsMade     `json:"objects,omitempty"`   // that runs made
	Conflicts int64             `json:"conflicts,omitempty"` // objects that stand against the plan
	Against   []objects.Outcome `json:"against,omitempty"`   // the first MaxTroubles of them

	NeedYou []Trouble `json:"need_you,omitempty"` // the first MaxTroubles
	Partial []Trouble `json:"partial,omitempty"`  // the first MaxTroubles

	PolicyDigest string     `json:"policy_digest,omitempty"` // the plan's, else the last run's
	Rehearsed    *Rehearsal `json:"rehearsed,omitempty"`     // of that policy; nil for a rehearsal
}

// MaxTroubles is how many accounts of a kind, and how many objects, Status
// names. How many there are is in Accounts and Conflicts.
const MaxTroubles = 20

// The states of a run.
const (
	RunAtWork  = "at work"
	RunEnded   = "ended"
	RunCrashed = "crashed" // it has no end, and nobody holds the state
)

// RunStatus is one run, as the state tells it.
type RunStatus struct {
	Name             string     `json:"name"`
	Command          string     `json:"command"`
	Host             string     `json:"host"`
	PID              int        `json:"pid"`
	State            string     `json:"state"`
	Started          time.Time  `json:"started"`
	Ended            *time.Time `json:"ended,omitempty"`
	Summary          string     `json:"summary,omitempty"`
	WithoutRehearsal string     `json:"without_rehearsal,omitempty"`
}

// StateCount counts the messages in one ledger state.
type StateCount struct {
	State    string `json:"state"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// Trouble is an account that isn't complete: why, and what to type.
type Trouble struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
	Mend    string `json:"mend,omitempty"`
}

// counts writes sums in the order of the ledger's states.
func counts(sums state.Sums) []StateCount {
	out := make([]StateCount, 0, len(sums)-1)
	for s := state.Copied; s <= state.Pending; s++ {
		out = append(out, StateCount{s.String(), sums[s].Messages, sums[s].Bytes})
	}
	return out
}

// openForReading opens a target's state beside a run that may be writing it.
func openForReading(ctx context.Context, dir, target string) (*state.Store, error) {
	path := StatePath(dir, target)
	s, err := state.OpenReadOnly(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, NewInputError([]Problem{{File: path, Text: "nothing was run on target " + target + " yet", Mend: "bmsync run --target " + target, Err: err}})
	}
	return s, err
}

// openForWriting opens the state that runs on a target left, with its lock, for
// who calls no server and so takes the state's word for whose it is.
func openForWriting(ctx context.Context, dir, target string) (*state.Store, error) {
	reading, err := openForReading(ctx, dir, target)
	if err != nil {
		return nil, err
	}
	id, err := reading.Identity(ctx)
	if err := errors.Join(err, reading.Close()); err != nil {
		return nil, err
	}
	return state.Open(ctx, StatePath(dir, target), id)
}

// GetStatus reads a target's state. It touches no server and takes no lock.
func GetStatus(ctx context.Context, o StatusOptions) (st Status, err error) {
	store, err := openForReading(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	id, err := store.Identity(ctx)
	if err != nil {
		return st, err
	}
	st = Status{Target: id.Target, URL: id.URL, Version: id.Version, Installation: id.Installation, Rehearsal: id.Rehearsal, StateFile: store.Path()}
	totals, err := store.Totals(ctx)
	if err != nil {
		return st, err
	}
	st.Accounts, st.Messages, st.Intents, st.Doubts = totals.Accounts, counts(totals.Messages), totals.Intents, totals.Doubts
	st.Refused = totals.Messages[state.Refused].Messages
	if st.Objects, err = objectsMade(ctx, store); err != nil {
		return st, err
	}
	if st.Against, st.Conflicts, err = against(ctx, store); err != nil {
		return st, err
	}
	runs, err := store.Runs(ctx)
	if err != nil {
		return st, err
	}
	st.PolicyDigest = lastPolicy(runs)
	if len(runs) > 0 {
		if st.LastRun, err = runStatus(store.Path(), runs[len(runs)-1]); err != nil {
			return st, err
		}
	}
	if err := st.planned(o.Plan); err != nil {
		return st, err
	}
	if err := st.troubles(ctx, store); err != nil || id.Rehearsal || st.PolicyDigest == "" {
		return st, err
	}
	rehearsed, _, err := Rehearsed(ctx, o.StateDir, st.PolicyDigest)
	st.Rehearsed = &rehearsed
	return st, err
}

// planned counts what the plan has and the state has not.
func (st *Status) planned(p *Plan) error {
	if p == nil {
		return nil
	}
	known := 0
	for _, n := range st.Accounts {
		known += int(n)
	}
	st.Planned, st.NotBegun = p.Trailer.Accounts, max(0, p.Trailer.Accounts-known)
	st.PolicyDigest = p.Header.PolicyDigest
	return nil
}

// lastPolicy is the policy of the last run that had one.
func lastPolicy(runs []state.Run) string {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].PolicyDigest != "" {
			return runs[i].PolicyDigest
		}
	}
	return ""
}

func runStatus(path string, r state.Run) (*RunStatus, error) {
	out := &RunStatus{Name: r.Name, Command: r.Command, Host: r.Host, PID: r.PID, State: RunEnded, Started: r.Started,
		Summary: r.Summary, WithoutRehearsal: r.WithoutRehearsal}
	if !r.Ended.IsZero() {
		out.Ended = &r.Ended
		return out, nil
	}
	at, err := atWork(path, r)
	if out.State = RunCrashed; at {
		out.State = RunAtWork
	}
	return out, err
}

// atWork says whether a run without an end goes on. On another host only the
// name that it left tells.
func atWork(path string, r state.Run) (bool, error) {
	h, held, err := state.HolderOf(path)
	if err != nil || h.Run != r.Name {
		return false, err
	}
	host, err := os.Hostname()
	return held || h.Host != host, err
}

// troubles finds the accounts that aren't complete.
func (st *Status) troubles(ctx context.Context, store *state.Store) error {
	working := st.LastRun != nil && st.LastRun.State == RunAtWork
	st.Phases = map[string]int64{}
	for a, err := range store.Accounts(ctx) {
		if err != nil {
			return err
		}
		st.Phases[a.Phase]++
		t := Trouble{a.Address, a.Reason, a.Mend}
		switch {
		case a.State == AccountBlocked:
			addTrouble(&st.NeedYou, t)
		case a.State == AccountPartial:
			addTrouble(&st.Partial, t)
		case a.State == AccountRunning && !working:
			t.Reason, t.Mend = "the run that was at it crashed", "run again"
			addTrouble(&st.Partial, t)
		}
	}
	return nil
}

func addTrouble(list *[]Trouble, t Trouble) {
	if len(*list) < MaxTroubles {
		*list = append(*list, t)
	}
}
