package directory

import (
	"strings"
)

// What a secret was recognised as.
const (
	SecretKey      = "key"
	SecretPassword = "password"
	SecretSession  = "session"
)

// Verdict is what became of a login and its secret.
type Verdict struct {
	Entry   *Entry   // the user named, whatever the secret; nil: nobody
	Session *Session // the live session that the secret names
	Secret  string   // SecretKey, SecretPassword, SecretSession, or "": wrong
	Expired bool     // the password is right and must be changed
	Reason  string   // of a refusal, for the journal
}

// nobodyMax bounds the memory of failed names.
const nobodyMax = 10000

// Check resolves a login and compares the secret: a live session of that very
// user, an API key of that user, the password. Archived users are resolved, and
// it's up to the caller to refuse them.
func (s *Store) Check(login, secret string) Verdict {
	if login == "" || secret == "" {
		return Verdict{Reason: "empty login or secret"}
	}
	v := s.judge(login, secret)
	if v.Entry == nil || v.Secret != "" || v.Reason != "" {
		return v
	}
	// Hashing is slow, so it's done without the lock.
	if v.Entry.Owned() { // the directory's word is the last
		if !s.knows(v.Entry, secret) {
			v.Reason = "wrong secret"
			return v
		}
		v.Secret = SecretPassword
		return v
	}
	if v.Entry.Password == "" || !matches(v.Entry.Password, secret) {
		v.Reason = "wrong secret"
		return v
	}
	v.Secret, v.Expired = SecretPassword, v.Entry.User.PasswordMustChange
	return v
}

func (s *Store) judge(login, secret string) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, reason := s.resolve(login)
	if e == nil {
		return Verdict{Reason: reason}
	}
	v := Verdict{Entry: e}
	if x := s.live(secret); x != nil && x.UID == e.UID && x.Domain == e.Domain {
		v.Session, v.Secret = s.used(x), SecretSession
		return v
	}
	if k := s.key(secret); k != nil && k.Subject == e.UID && k.DomainUID == e.Domain {
		v.Secret = SecretKey
	}
	return v
}

// resolve finds the user a login names: on a domain's uid by login and then by
// address, on an alias by address only. A name that failed is remembered until
// a user with that address is written, or until a restart.
func (s *Store) resolve(login string) (*Entry, string) {
	if s.nobody[login] {
		return nil, "unknown login (remembered)"
	}
	e, reason := s.search(login)
	if e == nil && len(s.nobody) < nobodyMax {
		s.nobody[login] = true
	}
	return e, reason
}

func (s *Store) search(login string) (*Entry, string) {
	parts := strings.FieldsFunc(login, func(r rune) bool { return r == '@' })
	if len(parts) == 0 {
		return nil, "empty login"
	}
	local, right := strings.TrimSpace(parts[0]), GlobalDomain
	if len(parts) > 1 {
		right = strings.TrimSpace(parts[1])
	}
	d := s.lookup(right)
	if d == nil {
		return nil, "unknown domain"
	}
	if right == d.UID {
		if e := s.byLogin(d, local); e != nil {
			return e, ""
		}
	}
	if e, ok := s.byEmail(d, strings.ToLower(login)); ok && e.User != nil {
		return e, ""
	}
	return nil, "unknown login"
}

// ForgetNobody ends the memory of failed names, as a restart does.
func (s *Store) ForgetNobody() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.nobody)
}

// forget clears the failed names that a user's change answers.
func (s *Store) forget(d *domain, e *Entry) {
	if e.User == nil {
		return
	}
	delete(s.nobody, string(e.User.Login)+"@"+d.UID)
	for _, m := range e.Emails() {
		left, _, _ := strings.Cut(m.Address, "@")
		delete(s.nobody, m.Address)
		if m.AllAliases {
			delete(s.nobody, left+"@"+d.UID)
			for _, a := range d.Value.Aliases {
				delete(s.nobody, left+"@"+a)
			}
		}
	}
}
