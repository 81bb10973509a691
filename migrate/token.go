package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
)

// keyPrefix begins the display name of every key that bmsync makes. The name
// says which run made it and until when that run means to use it, so that any
// host can tell a key left by a crash from one in use:
//
//	bmsync RUN until 2026-11-24T06:30:00Z
const keyPrefix = "bmsync "

// keyLease is how far ahead a run claims its keys; it renews them well before.
// Terms are by BlueMind's clock: those of two hosts may be an hour apart.
const keyLease = 15 * time.Minute

func keyName(run string, until time.Time) string {
	return keyPrefix + run + " until " + until.UTC().Format(time.RFC3339)
}

// parseKeyName finds run and term in a display name; ours is false for keys
// that others made.
func parseKeyName(name string) (run string, until time.Time, ours bool) {
	rest, ok := strings.CutPrefix(name, keyPrefix)
	if !ok {
		return "", time.Time{}, false
	}
	run, term, _ := strings.Cut(rest, " until ")
	until, _ = time.Parse(time.RFC3339, term) // unreadable: long past
	return run, until, true
}

// key is a user's API key for as long as accounts are filled by it: made with a
// lease, renewed while it is in use, deleted with its sessions at the end. It
// is never stored. Safe for concurrent use.
type key struct {
	p   *platform
	e   *entry
	run string
	now func() time.Time

	mu   sync.Mutex
	user *bmapi.Session // by _su
	sid  string
	past []string // deleted keys whose sessions may live on
	lost bool     // a key may have been made that we don't know
	used bool     // there may be a session by the key
	stop context.CancelFunc
	done chan struct{}
}

// openKey becomes the user and makes a key, after having swept what crashed
// runs left. A key of a run that may be alive elsewhere blocks the account.
func openKey(ctx context.Context, p *platform, e *entry, run string, dead map[string]bool, now func() time.Time) (*key, error) {
	if err := refuseAdministrators(e.Address, e.Login, e.Login+"@"+e.Domain.UID); err != nil {
		return nil, err
	}
	k := &key{p: p, e: e, run: run, now: now, done: make(chan struct{})}
	err := k.sweep(ctx, dead)
	if err == nil {
		err = k.renew(ctx)
	}
	if err == nil {
		err = k.alone(ctx, dead)
	}
	if err == nil {
		err = k.prove(ctx)
	}
	if err != nil {
		close(k.done)
		return nil, errors.Join(err, k.close(ctx))
	}
	kctx, cancel := context.WithCancel(ctx)
	k.stop = cancel
	go k.keep(kctx)
	return k, nil
}

// refuseAdministrators is law 1: under none of the names by which BlueMind
// knows somebody may he be one of its administrators.
func refuseAdministrators(names ...string) error {
	for _, name := range names {
		if IsAdministrator(name) {
			return &BlockedError{Reason: name + " is one of BlueMind's administrators", Err: imap.ErrAdministrator,
				Mend: "mail is copied as each user: name a user's address"}
		}
	}
	return nil
}

// as acts as the user. A session that died (20 idle minutes, a restart of
// BlueMind) is opened anew, once.
func (k *key) as(ctx context.Context, do func(*bmapi.Session) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for try := 0; ; try++ {
		if k.user == nil {
			user, err := k.p.admin.Su(ctx, k.e.Login, k.e.Domain.UID)
			if err != nil {
				return fmt.Errorf("become %s: %w", k.e.Address, err)
			}
			k.user = user // whoever it is, the session is ended with the key
		}
		if who := k.user.Who(); IsAdministrator(who.Login) || IsAdministrator(who.Login+"@"+who.DomainUID) {
			return refuseAdministrators(who.Login + "@" + who.DomainUID)
		}
		err := do(k.user)
		if try > 0 || !errors.Is(err, bmapi.ErrUnauthenticated) {
			return err
		}
		k.user = nil
	}
}

// sweep deletes the keys of runs that are known to be over: earlier runs on
// this state (whose lock we hold) and those whose lease has ended.
func (k *key) sweep(ctx context.Context, dead map[string]bool) error {
	return k.as(ctx, func(user *bmapi.Session) error {
		others, err := k.others(ctx, user, dead)
		if err != nil {
			return err
		}
		for _, old := range others {
			if err := drop(ctx, user, old.SID); err != nil {
				return fmt.Errorf("sweep a key of %s: %w", k.e.Address, err)
			}
		}
		return nil
	})
}

// alone looks once more, now that the key is there for every other run to see. Of
// two that began at the same moment, and saw nothing of each other before, the one
// that made its key later sees the other's here, or both do: then neither goes on.
func (k *key) alone(ctx context.Context, dead map[string]bool) error {
	return k.as(ctx, func(user *bmapi.Session) error {
		_, err := k.others(ctx, user, dead)
		return err
	})
}

// others gives the keys of other runs that are over. One that may be alive is a
// *BlockedError.
func (k *key) others(ctx context.Context, user *bmapi.Session, dead map[string]bool) (over []bmapi.Key, err error) {
	keys, err := user.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", k.e.Address, err)
	}
	for _, old := range keys {
		run, until, ours := parseKeyName(old.DisplayName)
		switch {
		case !ours || run == k.run && old.SID == k.sid:
		case run != k.run && !dead[run] && k.time().Before(until):
			return nil, blocked(fmt.Sprintf("wait until that run has ended; if it crashed, wait until %s, or delete its keys now: bmsync reset --tokens", until.Local().Format("15:04")),
				"another run (%s) is at work on %s", run, k.e.Address)
		default:
			over = append(over, old)
		}
	}
	return over, nil
}

// time is BlueMind's.
func (k *key) time() time.Time {
	if t, ok := k.p.client.ServerTime(); ok {
		return t
	}
	return k.now()
}

// drop deletes a key and ends the session that was built under it.
func drop(ctx context.Context, user *bmapi.Session, sid string) error {
	if err := user.DeleteKey(ctx, sid); err != nil {
		return err
	}
	return user.Client().WithKey(sid).Logout(ctx)
}

// renew makes a key with a new lease. The one before is deleted; IMAP
// sessions that it opened go on. It doesn't end with ctx halfway, for then
// nobody would know whether there is a key.
func (k *key) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	return k.as(ctx, func(user *bmapi.Session) error {
		made, err := user.CreateKey(ctx, keyName(k.run, k.time().Add(keyLease)))
		if err != nil {
			k.lost = true
			return fmt.Errorf("make a key for %s: %w", k.e.Address, err)
		}
		if made.Subject != "" && k.e.UID != "" && made.Subject != k.e.UID {
			k.lost = true
			return blocked("report this, with the version of BlueMind", "BlueMind made a key of another user (%s) for %s", made.Subject, k.e.Address)
		}
		old := k.sid
		k.sid, k.lost = made.SID, k.lost || made.Twins
		if old == "" {
			return nil
		}
		k.past = append(k.past, old)
		err = user.DeleteKey(ctx, old)
		k.lost = k.lost || err != nil
		return err
	})
}

// prove asks BlueMind whether it takes the key as the user's password, before
// IMAP is asked, which is slow to refuse and may lock out.
func (k *key) prove(ctx context.Context) error {
	answer, err := k.p.client.Validate(ctx, k.e.Login+"@"+k.e.Domain.UID, k.secret())
	if err != nil {
		return fmt.Errorf("try the key of %s: %w", k.e.Address, err)
	}
	if answer != bmapi.ValidToken && answer != bmapi.ValidPassword {
		return blocked("see in BlueMind whether the user may log in", "BlueMind refuses the key that it made for %s (%s)", k.e.Address, answer)
	}
	return nil
}

// keep renews the key until the account ends.
func (k *key) keep(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTicker(keyLease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.renew(ctx); err != nil && ctx.Err() == nil {
				// The old key goes on working; the next tick tries again.
				k.p.log.Warn("key not renewed", "account", k.e.Address, "error", err)
			}
		}
	}
}

func (k *key) secret() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sid
}

// token is what opens the target's mailbox: the only place where an
// imap.Token is made. What opens the API for the administrator is none.
func (k *key) token() (imap.Token, error) {
	secret := k.secret()
	if secret == "" || k.p.administrators(secret) {
		return imap.Token{}, &BlockedError{Reason: "the key of " + k.e.Address + " is the administrator's own secret", Err: imap.ErrAdministrator,
			Mend: "give the administrator of the API a secret of his own"}
	}
	return imap.Token{Address: k.e.Address, Secret: secret}, nil
}

// dial opens an IMAP session of the user, by the key and nothing else.
func (k *key) dial(ctx context.Context) (*imap.Target, error) {
	for {
		token, err := k.token()
		if err != nil {
			return nil, err
		}
		t := k.p.target
		dst, err := imap.DialTarget(ctx, t.IMAP, token, imap.Options{Idle: t.Idle, Logger: k.p.log, Name: "target " + t.Name})
		if e, ok := errors.AsType[*imap.Error](err); ok && e.Kind == imap.KindNo {
			if k.secret() != token.Secret {
				continue // it was renewed meanwhile
			}
			return nil, &KeyRefusedError{err}
		}
		return dst, err
	}
}

// KeyRefusedError says that the IMAP server refused the key that the API made
// and has proven: a guard against the guessing of passwords, or a server that
// isn't ready yet.
type KeyRefusedError struct{ Err error }

func (e *KeyRefusedError) Error() string { return "the key is refused over IMAP: " + e.Err.Error() }

// Unwrap gives the server's words.
func (e *KeyRefusedError) Unwrap() error { return e.Err }

// session acts as the user by the key, for reads of his own mail.
func (k *key) session() *bmapi.Session {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used = true
	return k.p.client.WithKey(k.sid)
}

// close deletes every key of this run and ends their sessions and the user's,
// also after an interrupt. What fails is told; the next run sweeps it.
func (k *key) close(ctx context.Context) error {
	if k.stop != nil {
		k.stop()
	}
	<-k.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	var err error
	if k.lost || k.sid != "" {
		err = k.as(ctx, func(user *bmapi.Session) error { return k.drop(ctx, user) })
	}
	if k.user != nil {
		err = errors.Join(err, k.user.Logout(ctx))
	}
	if err != nil {
		return fmt.Errorf("keys of %s could not be deleted: %w", k.e.Address, err)
	}
	return nil
}

// drop deletes the key, and where there may be one its session with it.
func (k *key) drop(ctx context.Context, user *bmapi.Session) error {
	if k.lost {
		return k.dropAll(ctx, user)
	}
	err := user.DeleteKey(ctx, k.sid)
	if k.used {
		for _, sid := range append(slices.Clone(k.past), k.sid) {
			err = errors.Join(err, user.Client().WithKey(sid).Logout(ctx))
		}
	}
	return err
}

// dropAll deletes this run's keys as BlueMind lists them, where we don't know all
// of them: of a call that failed nobody knows what it has done.
func (k *key) dropAll(ctx context.Context, user *bmapi.Session) error {
	keys, err := user.Keys(ctx)
	if err != nil {
		return err
	}
	for _, left := range keys {
		if run, _, ours := parseKeyName(left.DisplayName); ours && run == k.run {
			err = errors.Join(err, drop(ctx, user, left.SID))
		}
	}
	for _, sid := range k.past {
		err = errors.Join(err, user.Client().WithKey(sid).Logout(ctx))
	}
	return err
}
