package directory

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The administrator of the installation.
const (
	AdminLogin = "admin0"
	AdminUID   = "admin0_global.virt"

	// HiddenAdmin is a user that BlueMind 4 has in each domain, an administrator
	// of Cyrus, too.
	HiddenAdmin = "bmhiddensysadmin"
)

// Session is a live session of a user. Groups and roles are those of the moment
// it was made.
type Session struct {
	ID     string    `json:"id"` // the authKey, or an API key
	Domain string    `json:"domain"`
	UID    string    `json:"uid"`
	Login  string    `json:"login"`
	Groups []string  `json:"groups"`
	Roles  []string  `json:"roles"`
	Origin string    `json:"origin"`
	ByKey  bool      `json:"byKey,omitempty"`
	Last   time.Time `json:"last"`

	saved time.Time // Last as it stands on disk
}

// Admin tells whether the session passes every check.
func (x *Session) Admin() bool { return slices.Contains(x.Roles, RoleSystem) }

// Who is login@domain uid, for logs.
func (x *Session) Who() string { return x.Login + "@" + x.Domain }

// saveEvery bounds how stale the idle clock on disk can be.
const saveEvery = time.Minute

// NewUUID makes a random UUID as BlueMind writes them.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// OpenSession makes a session of a user.
func (s *Store) OpenSession(e *Entry, origin string) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openSession(NewUUID(), e, origin, false)
}

func (s *Store) openSession(id string, e *Entry, origin string, byKey bool) (*Session, error) {
	x := &Session{
		ID: id, Domain: e.Domain, UID: e.UID, Login: string(e.User.Login), Groups: s.memberOf(e.Domain, e.UID),
		Roles: s.rolesOf(e.Domain, e.UID), Origin: origin, ByKey: byKey, Last: s.opts.Now(), saved: s.opts.Now(),
	}
	if err := s.files.put("sessions", id, x); err != nil {
		return nil, err
	}
	s.sessions[id] = x
	return x, nil
}

// Session returns the live session of that id and starts its idle time anew. An
// API key without a session gets one, under the key itself; not in 3.5.
func (s *Store) Session(id string) (*Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.live(id); x != nil {
		return s.used(x), true
	}
	if k := s.key(id); k != nil && s.opts.Version >= 4 {
		if d := s.domains[k.DomainUID]; d != nil && d.entries[k.Subject] != nil {
			x, err := s.openSession(id, d.entries[k.Subject], "apikey-of-"+k.Subject, true)
			return x, err == nil
		}
	}
	return nil, false
}

// used starts the idle time of a session anew.
func (s *Store) used(x *Session) *Session {
	n := *x
	n.Last = s.opts.Now()
	if n.Last.Sub(n.saved) >= saveEvery && s.files.put("sessions", n.ID, &n) == nil {
		n.saved = n.Last
	}
	s.sessions[n.ID] = &n
	return &n
}

// live returns a session that has not been idle too long.
func (s *Store) live(id string) *Session {
	x := s.sessions[id]
	if x == nil {
		return nil
	}
	if s.opts.Now().Sub(x.Last) > s.opts.Idle {
		s.end(id)
		return nil
	}
	return x
}

func (s *Store) end(id string) {
	delete(s.sessions, id)
	_ = s.files.drop("sessions", id) // at worst it idles out after a restart
}

// Logout ends a session.
func (s *Store) Logout(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(id)
}

// EndSessions ends all sessions, as entering maintenance does, and says how
// many there were.
func (s *Store) EndSessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.sessions)
	for id := range s.sessions {
		s.end(id)
	}
	return n
}

// Sessions counts live sessions by login@domain uid.
func (s *Store) Sessions() map[string]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := map[string]int{}
	for _, x := range s.sessions {
		if s.opts.Now().Sub(x.Last) <= s.opts.Idle {
			n[x.Who()]++
		}
	}
	return n
}

// keyRow is an API key as kept. Several rows may hold one sid.
type keyRow struct {
	Row int64 `json:"row"`
	APIKey
}

func (k *keyRow) file() string { return fmt.Sprintf("%012d", k.Row) }

func (s *Store) key(sid string) *keyRow {
	if i := slices.IndexFunc(s.keys, func(k *keyRow) bool { return k.SID == sid }); i >= 0 {
		return s.keys[i]
	}
	return nil
}

// AddKey adds an API key for the user of a session. The same name and even the
// same sid may repeat.
func (s *Store) AddKey(x *Session, sid, displayName string) (APIKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.TrimSpace(displayName) == "" {
		return APIKey{}, Faultf(Unknown, "API key display name cannot be empty")
	}
	k := &keyRow{Row: s.nextID, APIKey: APIKey{SID: sid, DisplayName: displayName, Subject: x.UID, DomainUID: x.Domain}}
	s.nextID++
	if err := s.files.put("keys", k.file(), k); err != nil {
		return APIKey{}, err
	}
	s.keys = append(s.keys, k)
	return s.key(sid).APIKey, nil
}

// Keys lists the API keys of a session's user.
func (s *Store) Keys(x *Session) []APIKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	own := []APIKey{}
	for _, k := range s.keys {
		if k.Subject == x.UID && k.DomainUID == x.Domain {
			own = append(own, k.APIKey)
		}
	}
	return own
}

// Key returns an API key, whoever asks.
func (s *Store) Key(sid string) (APIKey, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if k := s.key(sid); k != nil {
		return k.APIKey, true
	}
	return APIKey{}, false
}

// DeleteKey removes the caller's rows of that sid, and tells whether there were
// any. A session made under the key lives on.
func (s *Store) DeleteKey(x *Session, sid string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left, gone []*keyRow
	for _, k := range s.keys {
		if k.SID == sid && k.Subject == x.UID && k.DomainUID == x.Domain {
			gone = append(gone, k)
		} else {
			left = append(left, k)
		}
	}
	for _, k := range gone {
		if err := s.files.drop("keys", k.file()); err != nil {
			return false, err
		}
	}
	s.keys = left
	return len(gone) > 0, nil
}

// KeysAlive counts API keys by login@domain uid; keys of users that are gone
// count under their uid.
func (s *Store) KeysAlive() map[string]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := map[string]int{}
	for _, k := range s.keys {
		who := k.Subject
		if d := s.domains[k.DomainUID]; d != nil && d.entries[k.Subject] != nil {
			who = string(d.entries[k.Subject].User.Login)
		}
		n[who+"@"+k.DomainUID]++
	}
	return n
}
