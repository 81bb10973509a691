package objects

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"bmsync/bmapi"
)

// realm is a domain as rows meet it: what BlueMind says of it and, in a dry run,
// what would be made of it.
type realm struct {
	uid       string
	settings  lazy[map[string]string]
	locations lazy[[]string]       // servers of its mail
	full      lazy[map[string]int] // users that count against limits, by account type
	groups    sync.Map             // name → *lazy[*bmapi.Group]

	mu     sync.Mutex
	domain *bmapi.Domain     // nil: a dry run finds none
	names  []string          // all that may stand after "@", its uid among them
	fresh  []string          // names that this Maker gave to a domain that was there
	stated map[string]string // settings that a dry run would have put
	would  would
}

// realms are found by any of their names.
type realms struct {
	mu     sync.Mutex
	byName map[string]*realm
}

func (rs *realms) of(d *bmapi.Domain, name string) *realm {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	key := name
	if d != nil {
		key = d.UID
	}
	r := rs.byName[key]
	if r == nil {
		r = &realm{uid: key}
		rs.put(r, key)
	}
	if d != nil {
		r.learn(d)
	}
	for _, n := range r.all() {
		rs.put(r, n)
	}
	return r
}

func (rs *realms) put(r *realm, name string) {
	if rs.byName == nil {
		rs.byName = map[string]*realm{}
	}
	rs.byName[name] = r
}

// realm is the domain of a row: as given or, in a dry run that finds none, the
// one that would be made with that name.
func (m *Maker) realm(d *bmapi.Domain, address string) *realm {
	return m.memory.realms.of(d, domainOf(address))
}

// learn takes over what BlueMind said of the domain, now.
func (r *realm) learn(d *bmapi.Domain) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.domain = d
	r.add(d.UID, d.Name)
	r.add(d.Aliases...)
}

// add is called with the lock held.
func (r *realm) add(names ...string) {
	for _, n := range names {
		if n = strings.ToLower(n); !slices.Contains(r.names, n) {
			r.names = append(r.names, n)
		}
	}
}

// plan takes over what a dry run would make of the domain.
func (r *realm) plan(names []string, settings map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(names...)
	if r.stated == nil {
		r.stated = map[string]string{}
	}
	maps.Copy(r.stated, settings)
}

func (r *realm) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names)
}

func (r *realm) has(name string) bool { return slices.Contains(r.all(), name) }

// several tells whether it matters that an address counts under all names: the
// uid that BlueMind's console makes up is none that people write to.
func (r *realm) several() bool {
	n := 0
	for _, name := range r.all() {
		if !strings.HasSuffix(name, ".internal") {
			n++
		}
	}
	return n > 1
}

// is BlueMind's domain; nil where a dry run finds none.
func (r *realm) is() *bmapi.Domain {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.domain
}

// wouldBe tells whether an address is under a name that only a dry run gave to a
// domain that is there.
func (r *realm) wouldBe(address string) bool {
	d, name := r.is(), domainOf(address)
	return d != nil && name != r.uid && !d.Has(name) && r.has(name)
}

func (r *realm) refresh(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = append(r.fresh, names...)
}

// renamed tells whether a name was given to the domain by this Maker: who was
// asked for under it before may still be nobody to BlueMind.
func (r *realm) renamed(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.fresh, name)
}

// settingsOf reads a domain's settings once; in a dry run with what would be put.
func (m *Maker) settingsOf(ctx context.Context, r *realm) (map[string]string, error) {
	all := map[string]string{}
	if r.is() != nil {
		have, err := r.settings.get(func() (map[string]string, error) { return m.Admin.Settings(ctx, r.uid) })
		if err != nil {
			return nil, fmt.Errorf("settings of domain %s: %w", r.uid, err)
		}
		maps.Copy(all, have)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(all, r.stated)
	return all, nil
}

// mailServers are the uids that a data location in the domain can be.
func (m *Maker) mailServers(ctx context.Context, r *realm) ([]string, error) {
	uids, err := r.locations.get(func() ([]string, error) { return m.Admin.MailServers(ctx, r.uid) })
	if err != nil {
		return nil, fmt.Errorf("servers of domain %s: %w", r.uid, err)
	}
	return uids, nil
}

// group finds a group by name, and remembers it; nil: there is none.
func (m *Maker) group(ctx context.Context, r *realm, name string) (*bmapi.Group, error) {
	if r.is() == nil {
		return nil, nil
	}
	slot, _ := r.groups.LoadOrStore(strings.ToLower(name), &lazy[*bmapi.Group]{})
	g, err := slot.(*lazy[*bmapi.Group]).get(func() (*bmapi.Group, error) { return m.groupNamed(ctx, r, name) })
	if errors.Is(err, bmapi.ErrNotFound) {
		return nil, nil // not remembered: it may be made yet
	}
	if err != nil {
		return nil, fmt.Errorf("look for group %s of %s: %w", name, r.uid, err)
	}
	return g, nil
}

// groupNamed finds a group by name, or gives bmapi.ErrNotFound. BlueMind compares
// such names without regard to case when one is made, and with regard to it when
// one is looked for.
func (m *Maker) groupNamed(ctx context.Context, r *realm, name string) (*bmapi.Group, error) {
	g, err := m.Admin.GroupByName(ctx, r.uid, name)
	if !errors.Is(err, bmapi.ErrNotFound) {
		return g, err
	}
	return m.groupLike(ctx, r, name)
}

// groupLike finds a group whose name is written in another case.
func (m *Maker) groupLike(ctx context.Context, r *realm, name string) (*bmapi.Group, error) {
	if name == strings.ToLower(name) && name == strings.ToUpper(name) {
		return nil, bmapi.ErrNotFound // there is no other
	}
	entries, _, err := m.Admin.Search(ctx, r.uid, bmapi.DirQuery{Kinds: []string{bmapi.KindGroup}, NameOrEmail: name})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.EqualFold(e.DisplayName, name) {
			return m.Admin.Group(ctx, r.uid, e.EntryUID)
		}
	}
	return nil, bmapi.ErrNotFound
}
