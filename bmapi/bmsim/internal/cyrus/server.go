package cyrus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bmsync/bmapi/bmsim/internal/mail"
)

// Config is where a Cyrus is and how it is administered.
type Config struct {
	Addr               string // plain IMAP, host:port
	Admin, AdminSecret string
	ServerUID          string // BlueMind's uid of the server, part of a partition's name; empty: bm-master

	ConfPath  string // its imapd.conf, which gets two lines for a new domain
	SpoolDir  string // where partitions go; Cyrus must be able to make folders there
	MetaDir   string // the same for their metadata
	MasterPID int    // process that a SIGHUP makes read ConfPath again

	// Before47 leaves out the default folders that came with BlueMind 4.7:
	// Templates, and a mailshare's Trash.
	Before47 bool
}

// Server makes and reads boxes in Cyrus. It implements mail.Boxes and mail.View.
// Its methods may be called from several goroutines.
type Server struct {
	cfg  Config
	pool *pool

	domains sync.Mutex // held while a partition is made

	mu      sync.Mutex
	ready   map[string]bool // domains with a partition that works
	boxes   map[mail.Box]bool
	folders map[string]*folder // by uniqueid
	shared  string             // prefix of mailshares as users see them, on the wire
}

// New gives a Server. It connects when it is first used.
func New(cfg Config) *Server {
	if cfg.ServerUID == "" {
		cfg.ServerUID = "bm-master"
	}
	return &Server{
		cfg: cfg,
		pool: &pool{
			addr: cfg.Addr, who: login{admin: cfg.Admin, secret: cfg.AdminSecret},
			idle: map[string][]*client{},
		},
		ready: map[string]bool{}, boxes: map[mail.Box]bool{}, folders: map[string]*folder{},
	}
}

// Close ends all kept sessions. The Server may be used again after it.
func (s *Server) Close() error {
	s.pool.clear()
	return nil
}

// Rights of Cyrus (RFC 4314) for what BlueMind grants.
const (
	rightsAll   = "lrswipkxtea"
	rightsWrite = "lrswipkxte"
	rightsRead  = "lrp"
	rightsPost  = "p"
)

// Access is what somebody may do with a box.
type Access int

// What BlueMind's verbs come to in Cyrus.
const (
	NoAccess Access = iota
	ReadAccess
	WriteAccess
	AllAccess
)

func (a Access) rights() string {
	switch a {
	case ReadAccess:
		return rightsRead
	case WriteAccess:
		return rightsWrite
	case AllAccess:
		return rightsAll
	}
	return ""
}

// Create makes a box in its domain's partition with BlueMind's default folders,
// and whatever of that is missing when it is called again. The domain's partition
// is made with its first box.
func (s *Server) Create(ctx context.Context, box mail.Box) error {
	if err := s.AddDomain(ctx, box.Domain); err != nil {
		return err
	}
	create := s.createShare
	if box.Kind == mail.KindUser {
		create = s.createUser
	}
	if err := create(ctx, box); err != nil {
		return fmt.Errorf("cyrus: create %s: %w", root(box), err)
	}
	s.know(box)
	return nil
}

// createUser also subscribes the user to its default folders, as BlueMind does.
func (s *Server) createUser(ctx context.Context, box mail.Box) error {
	use := map[string]string{"Sent": `\Sent`, "Trash": `\Trash`, "Drafts": `\Drafts`, "Junk": `\Junk`, "Outbox": "", "Templates": ""}
	if s.cfg.Before47 {
		delete(use, "Templates")
	}
	err := s.pool.with(ctx, "", func(c *client) error {
		made, err := s.createRoot(ctx, c, box)
		if err != nil {
			return err
		}
		if made {
			if err := setACL(ctx, c, root(box), s.owner(box), rightsAll); err != nil {
				return err
			}
		}
		for name, attr := range use {
			how := ""
			if attr != "" {
				how = " (USE (" + attr + "))"
			}
			if _, err := createMailbox(ctx, c, internal(box, name), how); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.pool.with(ctx, s.owner(box), func(c *client) error {
		for name := range use {
			if err := c.do(ctx, nil, "SUBSCRIBE %s", quote(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// createShare makes no special use: Cyrus refuses it outside a user's box.
func (s *Server) createShare(ctx context.Context, box mail.Box) error {
	names := []string{"Sent"}
	if !s.cfg.Before47 {
		names = append(names, "Trash")
	}
	return s.pool.with(ctx, "", func(c *client) error {
		made, err := s.createRoot(ctx, c, box)
		if err != nil {
			return err
		}
		if made {
			if err := setACL(ctx, c, root(box), "anyone", rightsPost); err != nil {
				return err
			}
		}
		for _, name := range names {
			if _, err := createMailbox(ctx, c, internal(box, box.Name+"/"+name), ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// createRoot makes the box itself; what is made below it takes over its rights.
func (s *Server) createRoot(ctx context.Context, c *client, box mail.Box) (made bool, err error) {
	made, err = createMailbox(ctx, c, root(box), " (PARTITION "+s.partition(box.Domain)+")")
	if err == nil && made {
		err = setACL(ctx, c, root(box), s.cfg.Admin, rightsAll)
	}
	return made, err
}

// createMailbox says whether it was there already.
func createMailbox(ctx context.Context, c *client, name, how string) (made bool, err error) {
	err = c.do(ctx, nil, "CREATE %s%s", quote(name), how)
	var no *refusal
	if errors.As(err, &no) && strings.Contains(no.text, "already exists") {
		return false, nil
	}
	return err == nil, err
}

func setACL(ctx context.Context, c *client, name, who, rights string) error {
	if rights == "" {
		return c.do(ctx, nil, "DELETEACL %s %s", quote(name), quote(who))
	}
	return c.do(ctx, nil, "SETACL %s %s %s", quote(name), quote(who), rights)
}

// Drop removes a box with all its folders.
func (s *Server) Drop(ctx context.Context, box mail.Box) error {
	err := s.pool.with(ctx, "", func(c *client) error {
		found, err := list(ctx, c, box)
		if err != nil {
			return err
		}
		// Longest first: a mailshare with something below it is not deleted.
		slices.SortFunc(found, func(a, b listed) int { return len(b.wire) - len(a.wire) })
		for _, f := range found {
			if err := c.do(ctx, nil, "DELETE %s", quote(f.wire)); err != nil && !missing(err) {
				return err
			}
		}
		return nil
	})
	s.forget(box)
	if err != nil {
		return fmt.Errorf("cyrus: delete %s: %w", root(box), err)
	}
	return nil
}

// SetQuota sets the limit of a box in KiB, 0 for none.
func (s *Server) SetQuota(ctx context.Context, box mail.Box, kib int64) error {
	limit := "()"
	if kib > 0 {
		limit = fmt.Sprintf("(STORAGE %d)", kib)
	}
	err := s.pool.with(ctx, "", func(c *client) error {
		return c.do(ctx, nil, "SETQUOTA %s %s", quote(root(box)), limit)
	})
	if err != nil {
		return notFound(fmt.Errorf("cyrus: quota of %s: %w", root(box), err))
	}
	return nil
}

// Grant gives somebody (login@domainUid, or "anyone") access to a box and all its
// folders, in place of what access there was.
func (s *Server) Grant(ctx context.Context, box mail.Box, who string, access Access) error {
	err := s.pool.with(ctx, "", func(c *client) error {
		found, err := list(ctx, c, box)
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := setACL(ctx, c, f.wire, who, access.rights()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cyrus: rights on %s: %w", root(box), err)
	}
	return nil
}

func (s *Server) know(box mail.Box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boxes[box] = true
}

func (s *Server) forget(box mail.Box) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes, box)
	for uid, f := range s.folders {
		if f.box == box {
			delete(s.folders, uid)
		}
	}
}

// missing tells the refusal that names a mailbox that isn't there.
func missing(err error) bool {
	var no *refusal
	return errors.As(err, &no) &&
		(strings.Contains(no.text, "[NONEXISTENT]") || strings.Contains(no.text, "does not exist"))
}

func notFound(err error) error {
	if missing(err) {
		return errors.Join(mail.ErrNotFound, err)
	}
	return err
}
