package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bmsync/bmapi"
	"bmsync/state"
)

// SweepOptions say whose keys to delete. Of RunOptions, Target and StateDir
// are needed; Stop is heeded.
type SweepOptions struct {
	RunOptions
	Addresses []string // as in accounts.csv or as on the target; empty: all that are known
	Rows      []Row    // accounts.csv: known where there is no state
}

// Sweep is what a sweep of API keys came to.
type Sweep struct {
	Target      string        `json:"target"`
	Accounts    int           `json:"accounts"`     // looked at
	Users       int           `json:"users"`        // of them, that exist on the target
	Keys        int           `json:"keys_deleted"` // all of bmsync's, whatever run made them
	Failed      []SweepFailed `json:"failed,omitempty"`
	Interrupted bool          `json:"interrupted,omitempty"`
}

// SweepFailed is an account whose keys could not be seen to.
type SweepFailed struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

// sweepers is how many accounts are swept at a time.
const sweepers = 8

// SweepTokens deletes every API key that bears bmsync's name, whatever run
// made it and whatever its lease, and ends the sessions built under it. It
// needs no state; where there is one, it takes its lock, so that a run of this
// host keeps its keys (*[state.LockedError]). Nobody is created.
func SweepTokens(ctx context.Context, o SweepOptions) (res Sweep, err error) {
	o.RunOptions = o.RunOptions.withDefaults()
	p, err := openPlatform(ctx, o.Target, o.Logger)
	if err != nil {
		return res, err
	}
	defer p.close(ctx)
	store, err := lockState(ctx, StatePath(o.StateDir, o.Target.Name), p.identity())
	if err != nil {
		return res, err
	}
	if store != nil {
		defer func() { err = errors.Join(err, store.Close()) }()
	}
	addresses, err := o.addresses(ctx, store)
	if err != nil {
		return res, err
	}
	s := newSweeper(p, func(string, time.Time) bool { return true })
	res = s.all(ctx, addresses, o.Stop)
	res.Target = o.Target.Name
	return res, nil
}

// identity is what a state file of this target is bound to.
func (p *platform) identity() state.Identity {
	return state.Identity{Target: p.target.Name, Installation: p.id, Version: p.version.Major, Rehearsal: p.target.Rehearsal, URL: p.target.URL}
}

// lockState opens a state that is there for writing; nil if there is none.
func lockState(ctx context.Context, path string, id state.Identity) (*state.Store, error) {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	return state.Open(ctx, path, id)
}

// addresses are those asked for or, without any, all that are known.
func (o *SweepOptions) addresses(ctx context.Context, store *state.Store) ([]string, error) {
	var list []string
	rows := map[string]bool{}
	for _, row := range o.Rows {
		rows[row.Address] = true
	}
	switch {
	case len(o.Addresses) > 0:
		for _, address := range o.Addresses {
			address = strings.ToLower(address)
			if rows[address] {
				address = o.Target.Address(address)
			}
			list = append(list, address)
		}
	case store != nil:
		for a, err := range store.Accounts(ctx) {
			if err != nil {
				return nil, err
			}
			list = append(list, a.Address)
		}
	default:
		for address := range rows {
			list = append(list, o.Target.Address(address))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

type sweeper struct {
	p       *platform
	mu      sync.Mutex
	domains map[string]*bmapi.Domain               // nil: unknown to the target
	left    func(run string, until time.Time) bool // whose keys may go
}

func newSweeper(p *platform, left func(string, time.Time) bool) *sweeper {
	return &sweeper{p: p, domains: map[string]*bmapi.Domain{}, left: left}
}

func (s *sweeper) all(ctx context.Context, addresses []string, stop <-chan struct{}) (res Sweep) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(sweepers)
	for _, address := range addresses {
		if ctx.Err() != nil || closed(stop) {
			res.Interrupted = true
			break
		}
		res.Accounts++
		g.Go(func() error {
			exists, keys, err := s.account(ctx, address)
			mu.Lock()
			defer mu.Unlock()
			res.Keys += keys
			if exists {
				res.Users++
			}
			if err != nil {
				res.Failed = append(res.Failed, SweepFailed{address, err.Error()})
			}
			return nil
		})
	}
	g.Wait()
	slices.SortFunc(res.Failed, func(a, b SweepFailed) int { return strings.Compare(a.Address, b.Address) })
	return res
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// account sweeps one user's keys. One who doesn't exist is only looked for:
// BlueMind makes some users up when one becomes them.
func (s *sweeper) account(ctx context.Context, address string) (exists bool, keys int, err error) {
	_, name, _ := strings.Cut(address, "@")
	d, err := s.domain(ctx, name)
	if err != nil || d == nil {
		return false, 0, err
	}
	box, err := s.p.admin.MailboxByEmail(ctx, d.UID, address)
	switch {
	case errors.Is(err, bmapi.ErrNotFound):
		return false, 0, nil
	case err != nil:
		return false, 0, fmt.Errorf("look for the mailbox: %w", err)
	case box.Type != "user":
		return false, 0, nil // has no keys
	}
	user, err := s.p.admin.Su(ctx, box.Name, d.UID)
	if err != nil {
		return true, 0, fmt.Errorf("become the user: %w", err)
	}
	keys, err = dropOurs(ctx, user, s.left)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	return true, keys, errors.Join(err, user.Logout(ending))
}

// dropOurs deletes those keys of a user that bear our name and may go.
func dropOurs(ctx context.Context, user *bmapi.Session, left func(string, time.Time) bool) (n int, err error) {
	keys, err := user.Keys(ctx)
	if err != nil {
		return 0, fmt.Errorf("list keys: %w", err)
	}
	for _, k := range keys {
		if run, until, ours := parseKeyName(k.DisplayName); !ours || !left(run, until) {
			continue
		}
		if dropping := drop(ctx, user, k.SID); dropping != nil {
			err = errors.Join(err, fmt.Errorf("delete a key: %w", dropping))
			continue
		}
		n++
	}
	return n, err
}

// domain looks a domain up once.
func (s *sweeper) domain(ctx context.Context, name string) (*bmapi.Domain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, known := s.domains[name]; known {
		return d, nil
	}
	d, err := s.p.admin.LookupDomain(ctx, name)
	if errors.Is(err, bmapi.ErrNotFound) {
		d, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for domain %s: %w", name, err)
	}
	s.domains[name] = d
	return d, nil
}

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
	reading, err := openForReading(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return nil, err
	}
	id, err := reading.Identity(ctx)
	if err := errors.Join(err, reading.Close()); err != nil {
		return nil, err
	}
	store, err := state.Open(ctx, StatePath(o.StateDir, o.Target.Name), id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
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
