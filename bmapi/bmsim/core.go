package bmsim

import (
	"context"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

// core is version 5: bm-core keeps the mail itself.
type core struct {
	dir   string
	store *mail.Store
}

func (k *core) start(_ context.Context, s *Sim) (string, error) {
	var err error
	if k.store, err = mail.Open(k.dir, mail.Options{Now: s.cfg.Now}); err != nil {
		return "", err
	}
	s.view, s.boxes = k.store, k.store
	return "127.0.0.1:1", nil
}

// granted has nothing to do: the endpoint asks the directory each time.
func (k *core) granted(context.Context, *Sim, *directory.Entry, []directory.ACE) error { return nil }

func (k *core) orders([]byte) error { return nil }

func (k *core) close() error {
	if k.store == nil {
		return nil
	}
	return k.store.Close()
}
