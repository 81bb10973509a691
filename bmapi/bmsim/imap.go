package bmsim

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

// box is the mail of an entry.
func box(e *directory.Entry) mail.Box {
	kind := mail.KindUser
	if e.Kind != directory.KindUser {
		kind = mail.KindMailshare
	}
	return mail.Box{Domain: e.Domain, EntryUID: e.UID, Kind: kind, Name: e.MailboxName()}
}

// refusal is why an IMAP login is not let in; clients never see it.
type refusal string

func (r refusal) Error() string { return string(r) }

// admit is the decision of the mail proxy: an address of a user and a secret of
// that user become login@domain uid.
func (s *Sim) admit(_ context.Context, address, secret string) (string, error) {
	e, kind, err := s.judge(strings.ToLower(address), secret)
	l := &Login{Address: address, Secret: "refused"}
	if e != nil {
		l.Login = login(e)
	}
	if err != nil {
		l.Reason = err.Error()
	} else {
		l.Secret = kind
	}
	s.journal.add(Event{Login: l})
	if err != nil {
		return "", err
	}
	return l.Login, nil
}

func login(e *directory.Entry) string { return string(e.User.Login) + "@" + e.Domain }

func (s *Sim) judge(address, secret string) (*directory.Entry, string, error) {
	if st := s.State(); st != Running {
		return nil, "", refusal("state is " + st)
	}
	local, right, ok := strings.Cut(address, "@")
	switch {
	case !ok:
		return nil, "", refusal("login without @")
	case local == directory.AdminLogin || local == hiddenAdmin || right == directory.GlobalDomain:
		return nil, "", refusal("administrators have no mail")
	}
	e, kind, err := s.check(address, secret)
	if err != nil {
		return e, "", err
	}
	// The login may be fine while the address belongs to something else.
	d, ok := s.dir.LookupDomain(right)
	if !ok {
		return e, "", refusal("unknown domain")
	}
	if owner, ok := s.dir.ByEmail(d.UID, address); !ok || owner.User == nil {
		return e, "", refusal("not an address of a user")
	}
	return e, kind, nil
}

// check compares a secret and tells what it is.
func (s *Sim) check(address, secret string) (*directory.Entry, string, error) {
	v := s.dir.Check(address, secret)
	switch {
	case v.Entry == nil:
		return nil, "", refusal(v.Reason)
	case v.Entry.Archived():
		return v.Entry, "", refusal("archived")
	case v.Secret == "" && s.cached.has(address, secret, s.cfg.Now()):
		return v.Entry, directory.SecretKey, nil
	case v.Secret == "":
		return v.Entry, "", refusal(v.Reason)
	case v.Expired:
		return v.Entry, "", refusal("password expired")
	}
	if v.Secret == directory.SecretKey || v.Session != nil && v.Session.ByKey {
		s.cached.add(address, secret, s.cfg.Now())
		return v.Entry, directory.SecretKey, nil
	}
	return v.Entry, v.Secret, nil
}

// authenticate is the second check, of the endpoint or of saslauthd, by the name
// that the proxy passed on.
func (s *Sim) authenticate(_ context.Context, who, secret string) (*directory.Entry, error) {
	if st := s.State(); st != Running {
		return nil, refusal("state is " + st)
	}
	e, _, err := s.check(who, secret)
	if err != nil {
		s.journal.add(Event{Login: &Login{Address: who, Secret: "refused", Reason: "behind the proxy: " + err.Error()}})
		return nil, err
	}
	if !e.HasMailbox() {
		return nil, refusal("no mailbox")
	}
	return e, nil
}

// shares lists the boxes of others that a user is subscribed to and may read.
func (s *Sim) shares(_ context.Context, who mail.Box) ([]mail.Box, error) {
	var all []mail.Box
	for _, e := range s.dir.Shared(who.Domain, who.EntryUID) {
		all = append(all, box(e))
	}
	return all, nil
}

// readable tells whether a user may read a box.
func (s *Sim) readable(_ context.Context, who, share mail.Box) bool {
	return s.may(who, share, "Read")
}

func (s *Sim) may(who, share mail.Box, verb directory.Verb) bool {
	e, ok := s.dir.Entry(share.Domain, share.EntryUID)
	return ok && s.dir.Allowed(who.EntryUID, s.dir.MemberOf(who.Domain, who.EntryUID), e, verb)
}

// makeBox makes the box of an entry, unless a fault forbids it. As in BlueMind
// such a fault is swallowed.
func (s *Sim) makeBox(c *call, e *directory.Entry) error {
	if e.Kind == directory.KindGroup || !e.HasMailbox() {
		return nil
	}
	if _, ok := s.faults.take(HookACL, c.req.Method, c.path); ok {
		s.journal.add(Event{Note: "box of " + e.UID + " left without the container of its rights on purpose"})
		if err := s.dir.SetNoACL(e, true); err != nil {
			return err
		}
	}
	if _, ok := s.faults.take(Hook, c.req.Method, c.path); ok {
		s.journal.add(Event{Note: "box of " + e.UID + " left without folders on purpose"})
		return nil
	}
	return s.settleBox(e)
}

func (s *Sim) settleBox(e *directory.Entry) error {
	if err := s.boxes.Create(s.ctx, box(e)); err != nil {
		return err
	}
	return s.boxes.SetQuota(s.ctx, box(e), e.QuotaKiB())
}

// updateBox follows a rename and a new quota. A box that is missing stays so.
func (s *Sim) updateBox(e *directory.Entry) error {
	if e.Kind == directory.KindGroup || !e.HasMailbox() {
		return nil
	}
	if _, err := s.view.Folders(s.ctx, box(e)); errors.Is(err, mail.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return s.settleBox(e)
}

// keyCache is BlueMind 4's ysnp: it remembers keys that were good.
type keyCache struct {
	life time.Duration // not above zero: nothing is remembered

	mu   sync.Mutex
	good map[[sha256.Size]byte]time.Time
}

func (k *keyCache) of(address, secret string) [sha256.Size]byte {
	return sha256.Sum256([]byte(address + "\x00" + secret))
}

func (k *keyCache) add(address, secret string, now time.Time) {
	if k.life <= 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for x, until := range k.good {
		if now.After(until) {
			delete(k.good, x)
		}
	}
	k.good[k.of(address, secret)] = now.Add(k.life)
}

func (k *keyCache) has(address, secret string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	until, ok := k.good[k.of(address, secret)]
	return ok && now.Before(until)
}
