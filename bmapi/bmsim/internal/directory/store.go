package directory

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// GlobalDomain is the domain of admin0, present in every installation.
const GlobalDomain = "global.virt"

// Options of a store.
type Options struct {
	Version     int           // 3, 4 or 5
	Idle        time.Duration // of a session; 0: 20 minutes
	Now         func() time.Time
	Servers     []Item[Server] // nil: bm-master with [DefaultTags]
	AdminSecret string         // password of admin0; "": the one kept, at first "admin"
	// OnNotify learns of each notification mail that BlueMind would send when
	// rights change: entry whose box it is, subject that is told, and whether his
	// rights were "added", "updated" or "removed".
	OnNotify func(entry, subject, kind string)
}

func (o Options) withDefaults() Options {
	if o.Version == 0 {
		o.Version = 5
	}
	if o.Idle == 0 {
		o.Idle = 20 * time.Minute // core.sessions.idle-timeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Servers == nil {
		o.Servers = []Item[Server]{NewServer("bm-master", DefaultTags(o.Version))}
	}
	if o.OnNotify == nil {
		o.OnNotify = func(string, string, string) {}
	}
	return o
}

// Store is the directory. Its methods may be called from several goroutines.
type Store struct {
	opts  Options
	files files

	mu       sync.RWMutex
	nextID   int64
	domains  map[string]*domain
	byUID    map[string]*Entry   // containers are named by entry uid alone
	defaults map[string][]*Entry // default address → entries, over all domains
	keys     []*keyRow
	sessions map[string]*Session
	nobody   map[string]bool // logins that named nobody: AuthContextCache
	people   map[string]*people
	turn     int // round robin over servers
}

type domain struct {
	Meta
	Value       Domain            `json:"value"`
	Settings    map[string]string `json:"settings,omitempty"`
	Assignments []Assignment      `json:"assignments,omitempty"`

	entries map[string]*Entry
	names   map[string]*Entry   // by mailbox name
	lefts   map[string][]*Entry // by left part of an address
}

// Open reads the store kept in dir, or makes one in memory when dir is "".
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{
		opts: opts.withDefaults(), files: files{dir}, nextID: 1,
		domains: map[string]*domain{}, byUID: map[string]*Entry{}, defaults: map[string][]*Entry{},
		sessions: map[string]*Session{}, nobody: map[string]bool{}, people: map[string]*people{},
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	if s.domains[GlobalDomain] == nil {
		if err := s.install(); err != nil {
			return nil, fmt.Errorf("directory: %w", err)
		}
	}
	if s.opts.AdminSecret != "" {
		admin := *s.domains[GlobalDomain].entries[AdminUID]
		admin.Password = hashed(s.opts.AdminSecret)
		if err := s.put(&admin); err != nil {
			return nil, fmt.Errorf("directory: %w", err)
		}
	}
	return s, nil
}

func (s *Store) load() error {
	domains, err := load[domain](s.files, "domains")
	if err != nil {
		return err
	}
	for _, d := range domains {
		s.adopt(d)
	}
	entries, err := load[Entry](s.files, "entries")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if d := s.domains[e.Domain]; d != nil {
			s.index(d, e)
		}
	}
	if s.keys, err = load[keyRow](s.files, "keys"); err != nil {
		return err
	}
	slices.SortFunc(s.keys, func(a, b *keyRow) int { return cmp.Compare(a.Row, b.Row) })
	for _, k := range s.keys {
		s.nextID = max(s.nextID, k.Row+1)
	}
	sessions, err := load[Session](s.files, "sessions")
	if err != nil {
		return err
	}
	for _, x := range sessions {
		x.saved = x.Last
		s.sessions[x.ID] = x
		s.live(x.ID) // ends those that have been idle too long
	}
	return nil
}

// install makes what a fresh installation has. The creation date of
// global.virt differs from one installation to the next and stays.
func (s *Store) install() error {
	var r [4]byte
	rand.Read(r[:])
	past := time.Duration(binary.BigEndian.Uint32(r[:])) * 7 * time.Millisecond // up to 348 days
	born := s.opts.Now().Add(-past).UnixMilli()
	d := &domain{Meta: s.meta(GlobalDomain, ""), Value: Domain{
		Label: GlobalDomain, Name: GlobalDomain, Global: true, Aliases: []string{}, DefaultAlias: GlobalDomain,
		Properties: map[string]string{},
	}}
	d.Created, d.Updated, d.DisplayName = born, born, GlobalDomain
	if err := s.putDomain(d); err != nil {
		return err
	}
	admin := &Entry{Meta: s.meta(AdminUID, ""), Domain: GlobalDomain, Kind: KindUser, Password: hashed("admin"), User: &User{
		Base:  Base{Emails: []Email{}, System: true, Hidden: true},
		Login: AdminLogin, Routing: "none", AccountType: "FULL", Properties: map[string]string{},
		ContactInfos: Card{"identification": map[string]any{"name": map[string]any{"familyNames": AdminLogin}}},
	}}
	admin.DisplayName = AdminLogin
	return s.put(admin)
}

func (s *Store) meta(uid, by string) Meta {
	now := s.opts.Now().UnixMilli()
	m := Meta{UID: uid, InternalID: s.nextID, Version: 1, CreatedBy: Text(by), UpdatedBy: Text(by), Created: now, Updated: now, Flags: []string{}}
	s.nextID++
	return m
}

// touched is the item of a changed record.
func (s *Store) touched(m Meta, by string) Meta {
	m.Version++
	m.Updated, m.UpdatedBy = s.opts.Now().UnixMilli(), Text(by)
	return m
}

func (s *Store) adopt(d *domain) {
	if old := s.domains[d.UID]; old != nil {
		d.entries, d.names, d.lefts = old.entries, old.names, old.lefts
	} else {
		d.entries, d.names, d.lefts = map[string]*Entry{}, map[string]*Entry{}, map[string][]*Entry{}
	}
	s.domains[d.UID] = d
	s.nextID = max(s.nextID, d.InternalID+1)
}

func (s *Store) putDomain(d *domain) error {
	if err := s.files.put("domains", d.UID, d); err != nil {
		return err
	}
	s.adopt(d)
	return nil
}

// put writes an entry and replaces the one of that uid.
func (s *Store) put(e *Entry) error {
	if err := s.files.put("entries", e.id(), e); err != nil {
		return err
	}
	d := s.domains[e.Domain]
	if old := d.entries[e.UID]; old != nil {
		s.unindex(d, old)
	}
	s.index(d, e)
	return nil
}

func (s *Store) drop(e *Entry) error {
	if err := s.files.drop("entries", e.id()); err != nil {
		return err
	}
	s.unindex(s.domains[e.Domain], e)
	return nil
}

func (s *Store) index(d *domain, e *Entry) {
	d.entries[e.UID] = e
	if name := e.MailboxName(); name != "" {
		d.names[name] = e
	}
	s.byUID[e.UID] = e
	for _, m := range e.mailEmails() {
		left, _, _ := strings.Cut(m.Address, "@")
		d.lefts[left] = append(d.lefts[left], e)
	}
	if a := e.DefaultEmail(); a != "" {
		s.defaults[a] = append(s.defaults[a], e)
	}
	s.nextID = max(s.nextID, e.InternalID+1)
}

func (s *Store) unindex(d *domain, e *Entry) {
	without := func(all []*Entry) []*Entry {
		return slices.DeleteFunc(slices.Clone(all), func(x *Entry) bool { return x == e })
	}
	delete(d.entries, e.UID)
	if d.names[e.MailboxName()] == e {
		delete(d.names, e.MailboxName())
	}
	if s.byUID[e.UID] == e {
		delete(s.byUID, e.UID)
	}
	for _, m := range e.mailEmails() {
		left, _, _ := strings.Cut(m.Address, "@")
		d.lefts[left] = without(d.lefts[left])
	}
	if a := e.DefaultEmail(); a != "" {
		s.defaults[a] = without(s.defaults[a])
	}
}

// Entry returns an entry of a domain.
func (s *Store) Entry(domainUID, uid string) (*Entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil, false
	}
	e := d.entries[uid]
	return e, e != nil
}

// DomainOf is the domain of the entry with that uid, or "".
func (s *Store) DomainOf(uid string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byUID[uid]; e != nil {
		return e.Domain
	}
	return ""
}

// Entries lists the entries of a domain, by display name.
func (s *Store) Entries(domainUID string) []*Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil
	}
	all := make([]*Entry, 0, len(d.entries))
	for _, e := range d.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Entry) int {
		return cmp.Or(strings.Compare(string(a.DisplayName), string(b.DisplayName)), strings.Compare(a.UID, b.UID))
	})
	return all
}

// ByName finds a mailbox by its exact name.
func (s *Store) ByName(domainUID, name string) (*Entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.domains[domainUID]
	if d == nil {
		return nil, false
	}
	e := d.names[name]
	return e, e != nil
}

// ByExternalID finds an entry of a kind by the id it has elsewhere.
func (s *Store) ByExternalID(domainUID, kind, extID string) (*Entry, bool) {
	for _, e := range s.Entries(domainUID) {
		if e.Kind == kind && extID != "" && string(e.ExternalID) == extID {
			return e, true
		}
	}
	return nil, false
}

// ByEmail finds the entry that an address reaches, in one domain. The right
// part must be the address's own or, for an address valid in all aliases, the
// domain's uid or an alias.
func (s *Store) ByEmail(domainUID, address string) (*Entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byEmail(s.domains[domainUID], address)
}

func (s *Store) byEmail(d *domain, address string) (*Entry, bool) {
	left, right, ok := strings.Cut(address, "@")
	if d == nil || !ok {
		return nil, false
	}
	for _, e := range d.lefts[left] {
		if e.owns(left, right, d) {
			return e, true
		}
	}
	for _, e := range s.defaults[address] {
		if e.Domain == d.UID {
			return e, true
		}
	}
	return nil, false
}
