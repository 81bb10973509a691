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
	Addresses []string // as in accounts.csv or as on the target; empty: all users of the domains that are known
	Rows      []Row    // accounts.csv, which tells of domains as the state does
	Domains   []string // further ones, as in bmsync.yaml
}

// Sweep is what a sweep of API keys came to.
type Sweep struct {
	Target      string        `json:"target"`
	Accounts    int           `json:"accounts"`     // looked at: those known here, and all users of their domains
	Users       int           `json:"users"`        // of them, that exist on the target
	Suspended   int           `json:"suspended"`    // users that nobody can become, so that their keys weren't looked at
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
// made it and whatever its lease, and ends the sessions built under it: of all
// users of the domains, for a crash on another machine may have been at work on
// whom nobody knows here. It needs no state; where there is one, it takes its
// lock, so that a run of this host keeps its keys (*[state.LockedError]). Nobody
// is created.
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
	s := newSweeper(p, anyKey)
	res = s.all(ctx, addresses, o.Stop)
	res.Target = o.Target.Name
	if len(o.Addresses) > 0 {
		return res, nil
	}
	return res, s.everybody(ctx, o.domains(addresses), o.Stop, &res)
}

// domains are those of addresses and those that are configured, on the target.
func (o *SweepOptions) domains(addresses []string) []string {
	var list []string
	for _, address := range addresses {
		_, name, _ := strings.Cut(address, "@")
		list = append(list, name)
	}
	for _, name := range o.Domains {
		list = append(list, o.Target.domain(name))
	}
	slices.Sort(list)
	return slices.Compact(list)
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
	default:
		for address := range rows {
			list = append(list, o.Target.Address(address))
		}
		if store == nil {
			break
		}
		for a, err := range store.Accounts(ctx) {
			if err != nil {
				return nil, err
			}
			list = append(list, a.Address)
			if a.Writer != "" {
				list = append(list, a.Writer)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

type sweeper struct {
	p       *platform
	mu      sync.Mutex
	domains map[string]*bmapi.Domain               // nil: unknown to the target
	seen    map[string]bool                        // domain uid and uid of users that were swept
	left    func(run string, until time.Time) bool // whose keys may go
}

// anyKey takes every key of bmsync's.
func anyKey(string, time.Time) bool { return true }

func newSweeper(p *platform, left func(string, time.Time) bool) *sweeper {
	return &sweeper{p: p, domains: map[string]*bmapi.Domain{}, seen: map[string]bool{}, left: left}
}

// first says whether a user wasn't swept yet, and that he is now.
func (s *sweeper) first(domainUID, uid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := domainUID + "\x00" + uid
	before := s.seen[key]
	s.seen[key] = true
	return !before
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
	if !s.first(d.UID, box.UID) {
		return true, 0, nil // by another of his addresses
	}
	keys, err = s.user(ctx, box.Name, d.UID)
	return true, keys, err
}

// user sweeps the keys of somebody who is known to exist.
func (s *sweeper) user(ctx context.Context, login, domainUID string) (keys int, err error) {
	if err := refuseAdministrators(login, login+"@"+domainUID); err != nil {
		return 0, err
	}
	user, err := s.p.admin.Su(ctx, login, domainUID)
	if err != nil {
		return 0, fmt.Errorf("become the user: %w", err)
	}
	keys, err = dropOurs(ctx, user, s.left)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	return keys, errors.Join(err, user.Logout(ending))
}

// everybody sweeps the rest of the users of some domains, and adds to res.
func (s *sweeper) everybody(ctx context.Context, domains []string, stop <-chan struct{}, res *Sweep) error {
	for _, name := range domains {
		d, err := s.domain(ctx, name)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		uids, err := s.p.admin.MailboxUIDs(ctx, d.UID)
		if err != nil {
			return fmt.Errorf("users of domain %s: %w", name, err)
		}
		for part := range slices.Chunk(uids, sweepPart) {
			if ctx.Err() != nil || closed(stop) {
				res.Interrupted = true
				return nil
			}
			boxes, err := s.p.admin.MailboxesOf(ctx, d.UID, part)
			if err != nil {
				return fmt.Errorf("users of domain %s: %w", name, err)
			}
			s.boxes(ctx, d.UID, boxes, stop, res)
		}
	}
	return nil
}

// sweepPart is how many mailboxes are read at a time.
const sweepPart = 500

// boxes sweeps the users among mailboxes of a domain, but for those who were.
func (s *sweeper) boxes(ctx context.Context, domainUID string, boxes []*bmapi.Mailbox, stop <-chan struct{}, res *Sweep) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(sweepers)
	for _, box := range boxes {
		if box.Type != bmapi.BoxUser || IsAdministrator(box.Name+"@"+domainUID) || !s.first(domainUID, box.UID) {
			continue
		}
		if ctx.Err() != nil || closed(stop) {
			res.Interrupted = true
			break
		}
		res.Accounts++
		res.Users++
		if box.Archived {
			res.Suspended++
			continue
		}
		g.Go(func() error {
			keys, err := s.user(ctx, box.Name, domainUID)
			mu.Lock()
			defer mu.Unlock()
			res.Keys += keys
			if err != nil {
				res.Failed = append(res.Failed, SweepFailed{box.Name + "@" + domainUID, err.Error()})
			}
			return nil
		})
	}
	g.Wait() // its calls return none
	slices.SortFunc(res.Failed, func(a, b SweepFailed) int { return strings.Compare(a.Address, b.Address) })
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
