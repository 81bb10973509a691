package objects

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"bmsync/bmapi"
)

// memory is what a Maker keeps between calls.
type memory struct {
	realms  realms
	servers lazy[[]bmapi.Server]
	strays  lazy[map[string]stray]
	locks   keyed
	rows    sync.Map // uid → address of the row that led to it
	told    sync.Map // uids of external users that an outcome tells of
	gone    sync.Map // what a dry run would have withdrawn
}

func (m *Maker) log() *slog.Logger {
	if m.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Log
}

// sameAs says that an earlier row led to the same mailbox, under another address.
func (m *Maker) sameAs(uid, address string) *refusal {
	first, known := m.memory.rows.LoadOrStore(uid, address)
	if !known || first == address {
		return nil
	}
	return because("take one of the two rows out", "%s and %s are the same mailbox in BlueMind", first, address)
}

func (m *Maker) begin(ctx context.Context, made Made) error {
	if m.Journal == nil {
		return nil
	}
	return m.Journal.Begin(ctx, made)
}

func (m *Maker) done(ctx context.Context, made Made) error {
	if m.Journal == nil {
		return nil
	}
	return m.Journal.Done(ctx, made)
}

func (m *Maker) drop(ctx context.Context, made Made) error {
	if m.Journal == nil {
		return nil
	}
	return m.Journal.Drop(ctx, made)
}

// confirm notes the end of a creation whose beginning was noted, maybe by a run
// that was cut before it saw the end.
func (m *Maker) confirm(ctx context.Context, made Made) error {
	if m.Journal == nil || m.Dry {
		return nil
	}
	ours, err := m.Journal.Pending(ctx, made)
	if err != nil || !ours {
		return err
	}
	return m.Journal.Done(ctx, made)
}

// create makes one thing: noted before, asked for, noted after. Where put fails,
// there looks whether the thing is there all the same: by a try whose answer was
// lost, now or in an earlier run. refused is BlueMind's own no.
func (m *Maker) create(ctx context.Context, made Made, put func() error, there func() (bool, error)) (refused, err error) {
	if err := m.begin(ctx, made); err != nil {
		return nil, err
	}
	putErr := put()
	m.log().DebugContext(ctx, "create", "kind", made.Kind, "name", made.Name, "uid", made.UID, "domain", made.DomainUID, "error", putErr)
	if putErr == nil {
		return nil, m.done(ctx, made)
	}
	if ctx.Err() != nil {
		return nil, putErr // the next run looks
	}
	is, err := there()
	switch {
	case err != nil:
		return nil, errors.Join(putErr, err)
	case is:
		return nil, m.done(ctx, made)
	case bmapi.Temporary(putErr) || bmapi.MaybeDone(putErr):
		return nil, putErr // it may come true yet: the note stays
	}
	if err := m.drop(ctx, made); err != nil {
		return nil, errors.Join(putErr, err)
	}
	if answered(putErr) {
		return putErr, nil
	}
	return nil, putErr
}

// found turns ErrNotFound into false.
func found[T any](v T, err error) (T, bool, error) {
	if errors.Is(err, bmapi.ErrNotFound) {
		return v, false, nil
	}
	return v, err == nil, err
}
