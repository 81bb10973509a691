package bmsim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bmsync/bmapi/bmsim/internal/cyrus"
	"bmsync/bmapi/bmsim/internal/directory"
)

// CyrusConfig is the Cyrus behind a BlueMind 4, and how it is administered.
type CyrusConfig struct {
	Addr               string // plain IMAP, host:port
	Admin, AdminSecret string // its administrator
	AuthSocket         string // where it asks saslauthd
	ConfPath           string // its imapd.conf, which gets two lines for each new domain
	SpoolDir, MetaDir  string // where partitions go
	MasterPID          int    // whom a SIGHUP makes read ConfPath again
	Before47           bool   // no Templates, no Trash in mailshares
}

// behind is version 4: a real Cyrus holds the mail.
type behind struct {
	cfg    CyrusConfig
	server *cyrus.Server
}

// socketWait is how long a simulator waits for its turn at Cyrus's socket.
// Tests of several packages run side by side, and some hold it for a minute.
const socketWait = 5 * time.Minute

func (b *behind) start(ctx context.Context, s *Sim) (string, error) {
	b.server = cyrus.New(cyrus.Config{
		Addr: b.cfg.Addr, Admin: b.cfg.Admin, AdminSecret: b.cfg.AdminSecret, ConfPath: b.cfg.ConfPath,
		SpoolDir: b.cfg.SpoolDir, MetaDir: b.cfg.MetaDir, MasterPID: b.cfg.MasterPID, Before47: b.cfg.Before47,
	})
	s.view, s.boxes = b.server, b.server
	waiting, cancel := context.WithTimeout(ctx, socketWait)
	defer cancel()
	ln, err := cyrus.ListenAuth(waiting, b.cfg.AuthSocket)
	if err != nil {
		return "", err
	}
	s.work.Go(func() error {
		return cyrus.ServeAuth(s.ctx, ln, cyrus.AuthConfig{
			Admin: b.cfg.Admin, AdminSecret: b.cfg.AdminSecret,
			// Keys are remembered before the proxy's check, by our own cache.
			Auth: func(ctx context.Context, login, domain, secret string) error {
				_, err := s.authenticate(ctx, login+"@"+domain, secret)
				return err
			},
		})
	})
	// The view knows a box by its having been made: after a restart, once more.
	for _, d := range s.dir.Domains() {
		for _, e := range s.dir.Entries(d.UID) {
			if e.Kind == directory.KindGroup || !e.HasMailbox() {
				continue
			}
			err := s.settleBox(e)
			if err != nil && pause(ctx, time.Second) == nil {
				// Cyrus names what was deleted by the second: a restart within one
				// collides with the check that the first start made and deleted.
				err = s.settleBox(e)
			}
			if err != nil {
				return "", err
			}
		}
	}
	return b.cfg.Addr, nil
}

// granted carries the rights of each user concerned over to Cyrus. A group's
// rights are given to its present members.
func (b *behind) granted(ctx context.Context, s *Sim, e *directory.Entry, before []directory.ACE) error {
	var users []*directory.Entry
	for _, a := range slices.Concat(before, e.ACL) {
		for _, uid := range s.members(e.Domain, a.Subject) {
			u, ok := s.dir.Entry(e.Domain, uid)
			if ok && u.User != nil && u.UID != e.UID && !slices.Contains(users, u) {
				users = append(users, u)
			}
		}
	}
	for _, u := range users {
		groups, access := s.dir.MemberOf(e.Domain, u.UID), cyrus.NoAccess
		switch {
		case s.dir.Allowed(u.UID, groups, e, "All"):
			access = cyrus.AllAccess
		case s.dir.Allowed(u.UID, groups, e, "Write"):
			access = cyrus.WriteAccess
		case s.dir.Allowed(u.UID, groups, e, "Read"):
			access = cyrus.ReadAccess
		}
		if err := b.server.Grant(ctx, box(e), login(u), access); err != nil {
			return fmt.Errorf("rights of %s: %w", login(u), err)
		}
	}
	return nil
}

// members lists the users that a subject of a right stands for.
func (s *Sim) members(domainUID, subject string) []string {
	all, err := s.dir.ExpandedMembers(domainUID, subject)
	if err != nil {
		return []string{subject}
	}
	var uids []string
	for _, m := range all {
		uids = append(uids, m.UID)
	}
	return uids
}

func (b *behind) close() error {
	if b.server == nil {
		return nil
	}
	return b.server.Close()
}
