package bmsim

import (
	"context"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

// Deliver puts a message into a folder.
func (s *Sim) Deliver(ctx context.Context, folderUID, message string, date time.Time, flags ...string) error {
	store := s.boxes.(*mail.Store)
	d := store.NewDraft(int64(len(message)))
	if _, err := d.Write([]byte(message)); err != nil {
		return err
	}
	_, err := store.Append(ctx, folderUID, d, flags, date)
	return err
}

// Expunge expunges messages of a folder.
func (s *Sim) Expunge(ctx context.Context, folderUID string, uids ...uint32) error {
	return s.boxes.(*mail.Store).Expunge(ctx, folderUID, uids)
}

// Admit is the proxy's decision.
func (s *Sim) Admit(ctx context.Context, address, secret string) (string, error) {
	return s.admit(ctx, address, secret)
}

// Authenticate is the check behind the proxy: the entry uid and, by the box, what
// the user may read of another.
func (s *Sim) Authenticate(ctx context.Context, who, secret string) (string, error) {
	e, err := s.authenticate(ctx, who, secret)
	if err != nil {
		return "", err
	}
	return e.UID, nil
}
