package objects_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

const secret = "Adm1n!secret"

// site is a BlueMind and an administrator's session on it.
type site struct {
	t     *testing.T
	sim   *bmsim.Sim
	admin *bmapi.Session
	v     bmapi.Version
}

func start(t *testing.T, version int, domains ...bmsim.Domain) *site {
	t.Helper()
	sim, err := bmsim.Start(t.Context(), bmsim.Config{Version: version, AdminPassword: secret, Domains: domains, RefusalDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	s := &site{t: t, sim: sim}
	s.admin, s.v = s.login(bmapi.Retry{})
	return s
}

// login opens a session whose calls are tried again as said.
func (s *site) login(retry bmapi.Retry) (*bmapi.Session, bmapi.Version) {
	s.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.sim.CAPEM())
	c, err := bmapi.New(bmapi.Options{BaseURL: s.sim.URL(), TLS: &tls.Config{RootCAs: pool}, Retry: retry})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	v, err := c.Installation(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	admin, err := c.Login(s.t.Context(), "admin0@global.virt", secret)
	if err != nil {
		s.t.Fatal(err)
	}
	return admin, v
}

// maker is one that may change things.
func (s *site) maker(j objects.Journal) *objects.Maker {
	return &objects.Maker{Admin: s.admin, Version: s.v, Journal: j, Update: true}
}

// dry is one that looks only.
func (s *site) dry() *objects.Maker {
	return &objects.Maker{Admin: s.admin, Version: s.v, Dry: true, Update: true}
}

// writes are the calls that wanted to change something since mark.
func (s *site) writes(mark int) []string {
	var list []string
	for _, c := range s.sim.Journal().Calls()[mark:] {
		if c.Write && !strings.HasPrefix(c.Path, "/auth/") {
			list = append(list, c.Method+" "+c.Path)
		}
	}
	return list
}

func (s *site) mark() int { return len(s.sim.Journal().Calls()) }

// domain is one that is there already.
func (s *site) domain(name string) *bmapi.Domain {
	s.t.Helper()
	d, err := s.admin.LookupDomain(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func ptr(n int64) *int64 { return &n }

// ledger is a Journal in memory.
type ledger struct {
	mu   sync.Mutex
	done map[string]bool // false: begun
	all  []objects.Made  // as they began
}

func key(m objects.Made) string {
	k := fmt.Sprintf("%s %s %s", m.Kind, m.DomainUID, m.UID)
	switch m.Kind {
	case objects.KindMember, objects.KindRight, objects.KindSubscription:
		k += " " + m.Detail
	}
	return k
}

func (l *ledger) set(k string, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = map[string]bool{}
	}
	l.done[k] = done
}

func (l *ledger) Begin(_ context.Context, m objects.Made) error {
	l.set(key(m), false)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, m)
	return nil
}

func (l *ledger) Done(_ context.Context, m objects.Made) error {
	if is, _ := l.Pending(context.Background(), m); !is {
		return fmt.Errorf("done without a beginning: %+v", m)
	}
	l.set(key(m), true)
	return nil
}

func (l *ledger) Drop(_ context.Context, m objects.Made) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done[key(m)] {
		delete(l.done, key(m))
	}
	return nil
}

func (l *ledger) Pending(_ context.Context, m objects.Made) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.done[key(m)]
	return ok, nil
}

// text is all of it, in order.
func (l *ledger) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for k, done := range l.done {
		if !done {
			k += " ?"
		}
		lines = append(lines, k)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// world is what a plan wants, in the words of this package.
type world struct {
	domains []objects.Domain
	users   []objects.User
	shares  []objects.Share
	groups  []objects.Group
	rights  map[string][]objects.Right // by mailbox
	subs    map[string][]string        // user → mailboxes
}

// small is the plan of the issue: 2 domains, 3 users, 1 share, 1 group.
func small() world {
	password := func(context.Context) (string, error) { return "First-1-password", nil }
	return world{
		domains: []objects.Domain{
			{Name: "one.test", Aliases: []string{"uno.test", "eins.test"}, DefaultAlias: "uno.test", UserQuota: ptr(2048), UserQuotaMax: ptr(1 << 20), Language: "fr", Create: true},
			{Name: "two.test", ShareQuotaMax: ptr(1 << 20), Create: true},
		},
		users: []objects.User{
			{Address: "ada.love@one.test", Login: "ada", FirstName: "Ada", LastName: "Lovelace", DisplayName: "Ada L.", Quota: ptr(4096), AllAliases: true,
				Aliases: []string{"countess@one.test"}, Groups: []string{"maths"}, Password: password, Create: true},
			{Address: "bob@one.test", DisplayName: "Bob", Aliases: []string{"robert@uno.test"}, Password: password, Create: true},
			{Address: "carl@two.test", LastName: "Gauss", Create: true},
		},
		shares: []objects.Share{{Address: "support@one.test", Label: "Support Désk", Quota: ptr(8192), AllAliases: true, Create: true}},
		groups: []objects.Group{
			{Name: "maths", Address: "maths@one.test", Description: "all who count", Create: true, Members: []objects.Ref{
				{Kind: objects.RefUser, Name: "bob@one.test"}, {Kind: objects.RefExternal, Name: "emmy@else.where"}}},
		},
		rights: map[string][]objects.Right{"support@one.test": {
			{Grantee: objects.Ref{Kind: objects.RefUser, Name: "bob@one.test"}, Verbs: []string{"Write"}},
			{Grantee: objects.Ref{Kind: objects.RefGroup, Name: "maths"}, Verbs: []string{"read"}},
		}},
		subs: map[string][]string{"bob@one.test": {"support@one.test"}},
	}
}

// made is what came of a world.
type made struct{ outcomes []objects.Outcome }

func (r *made) of(name string) objects.Outcome {
	for _, o := range r.outcomes {
		if o.Name == name {
			return o
		}
	}
	return objects.Outcome{}
}

// not lists the outcomes of other actions than those given.
func (r *made) not(actions ...objects.Action) []string {
	var list []string
	for _, o := range r.outcomes {
		if !slices.Contains(actions, o.Action) {
			list = append(list, fmt.Sprintf("%s %s: %s %v %s", o.Kind, o.Name, o.Action, o.Changes, o.Reason))
		}
	}
	return list
}

// build makes a world in the order of a run.
func (w world) build(ctx context.Context, m *objects.Maker) (*made, error) {
	r := &made{}
	domains := map[string]*bmapi.Domain{}
	for _, d := range w.domains {
		found, o, err := m.Domain(ctx, d)
		if r.outcomes = append(r.outcomes, o); err != nil {
			return r, err
		}
		for _, n := range append(d.Aliases, d.Name) {
			domains[n] = found
		}
	}
	of := func(address string) *bmapi.Domain { return domains[address[strings.Index(address, "@")+1:]] }
	for _, g := range w.groups {
		bare := g
		bare.Members = nil
		o, _, err := m.Group(ctx, of(g.Address), bare)
		if r.outcomes = append(r.outcomes, o); err != nil {
			return r, err
		}
	}
	entries := map[string]*objects.Entry{}
	for _, u := range w.users {
		e, o, err := m.User(ctx, of(u.Address), u)
		if r.outcomes = append(r.outcomes, o); err != nil {
			return r, err
		}
		entries[u.Address] = e
	}
	for _, s := range w.shares {
		e, o, err := m.Share(ctx, of(s.Address), s)
		if r.outcomes = append(r.outcomes, o); err != nil {
			return r, err
		}
		entries[s.Address] = e
	}
	for _, g := range w.groups {
		all, err := m.Members(ctx, of(g.Address), g)
		if r.outcomes = append(r.outcomes, all...); err != nil {
			return r, err
		}
	}
	for _, box := range slices.Sorted(keys(w.rights)) {
		if entries[box] == nil {
			continue
		}
		all, err := m.Grant(ctx, entries[box], w.rights[box])
		if r.outcomes = append(r.outcomes, all...); err != nil {
			return r, err
		}
	}
	for _, user := range slices.Sorted(keys(w.subs)) {
		for _, box := range w.subs[user] {
			if entries[user] == nil || entries[box] == nil {
				continue
			}
			o, err := m.Subscribe(ctx, entries[user], entries[box])
			if r.outcomes = append(r.outcomes, o); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// must builds a world, and wants no error.
func (s *site) must(m *objects.Maker, w world) *made {
	s.t.Helper()
	r, err := w.build(s.t.Context(), m)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// once tries each call one time only, as a run that is killed.
func (s *site) once() *bmapi.Session {
	admin, _ := s.login(bmapi.Retry{Tries: 1, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	return admin
}
