package bmsim

import (
	"context"
	"strconv"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

// shelf is version 4 without a Cyrus: boxes are made and read by REST, and
// nothing behind the proxy speaks IMAP. Credentials are judged as ever; then the
// proxy finds no mail server.
type shelf struct {
	dir      string
	before47 bool
	store    *mail.Store
}

func (k *shelf) start(_ context.Context, s *Sim) (string, error) {
	var err error
	k.store, err = mail.Open(k.dir, mail.Options{
		Now: s.cfg.Now, DateMemory: s.cfg.DateMemory, QuotaMemory: s.cfg.QuotaMemory, Before47: k.before47,
	})
	if err != nil {
		return "", err
	}
	s.view, s.boxes = k.store, k.store
	return "", nil
}

// granted has nothing to do: nobody reads over IMAP.
func (k *shelf) granted(context.Context, *Sim, *directory.Entry, []directory.ACE) error { return nil }

func (k *shelf) close() error {
	if k.store == nil {
		return nil
	}
	return k.store.Close()
}

// before47 tells a release that makes boxes without Templates and, in
// mailshares, without Trash.
func before47(release string) bool {
	parts := strings.SplitN(release, ".", 3)
	major, err := strconv.Atoi(parts[0])
	if err != nil || major != 4 || len(parts) < 2 {
		return err == nil && major < 4
	}
	minor, err := strconv.Atoi(parts[1])
	return err == nil && minor < 7
}
