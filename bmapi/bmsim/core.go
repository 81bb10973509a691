package bmsim

import (
	"context"
	"net"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/endpoint"
	"bmsync/bmapi/bmsim/internal/mail"
)

// core is version 5: bm-core keeps the mail itself and speaks IMAP.
type core struct {
	dir   string
	store *mail.Store
}

func (k *core) start(ctx context.Context, s *Sim) (string, error) {
	var err error
	k.store, err = mail.Open(k.dir, mail.Options{
		Now: s.cfg.Now, DateMemory: s.cfg.DateMemory, QuotaMemory: s.cfg.QuotaMemory,
	})
	if err != nil {
		return "", err
	}
	s.view, s.boxes = k.store, k.store
	s.faults.imap = new(endpoint.Faults)
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	cfg := endpoint.Config{
		Store: k.store, Faults: s.faults.imap, RateLimit: s.cfg.RateLimit, RefusalDelay: s.cfg.RefusalDelay,
		Version: s.cfg.SoftwareVersion, Shares: s.shares, Readable: s.readable,
		Writable: func(_ context.Context, who, share mail.Box) bool { return s.may(who, share, "Write") },
		Ready:    func() bool { return s.State() == Running },
		Auth: func(ctx context.Context, who, secret string) (endpoint.Login, error) {
			e, err := s.authenticate(ctx, who, secret)
			if err != nil {
				return endpoint.Login{}, err
			}
			return endpoint.Login{Box: box(e), Email: e.DefaultEmail(), MaxLiteral: s.MessageSizeLimit()}, nil
		},
		Journal: s.hear,
	}
	s.work.Go(func() error { return endpoint.Serve(s.ctx, ln, cfg) })
	return ln.Addr().String(), nil
}

// hear writes what the endpoint tells into the journal.
func (s *Sim) hear(e endpoint.Event) {
	switch e.Kind {
	case endpoint.Appended:
		s.journal.add(Event{Append: &Append{
			Who: e.Login, Box: e.Box.EntryUID, Folder: e.Folder, UIDValidity: e.UIDValidity, UID: e.UID, Size: e.Size, SHA1: e.SHA1,
			Flags: e.Flags, Date: e.Date, Late: e.Late, Unanswered: e.Unanswered, Fault: e.Fault,
		}})
	case endpoint.Faulted:
		s.journal.add(Event{Note: "fault " + string(e.Fault) + " at " + e.Verb + " of " + e.Login})
	default:
		s.cfg.Logger.Debug("endpoint", "kind", e.Kind, "conn", e.Conn, "login", e.Login, "verb", e.Verb, "err", e.Err)
	}
}

// granted has nothing to do: the endpoint asks the directory each time.
func (k *core) granted(context.Context, *Sim, *directory.Entry, []directory.ACE) error { return nil }

func (k *core) close() error {
	if k.store == nil {
		return nil
	}
	return k.store.Close()
}
