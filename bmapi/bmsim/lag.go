package bmsim

import (
	"context"
	"slices"
	"sync"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

// lagging is a view that is late, as bm-core 4 is behind Cyrus by replication:
// a message is shown when so much time has passed since it could first have
// been. Changes of what is shown already are not late.
type lagging struct {
	mail.View
	lag time.Duration
	now func() time.Time

	mu    sync.Mutex
	since map[string]map[uint32]time.Time // by folder and UID
}

func late(v mail.View, lag time.Duration, now func() time.Time) mail.View {
	if lag <= 0 {
		return v
	}
	return &lagging{View: v, lag: lag, now: now, since: map[string]map[uint32]time.Time{}}
}

// Records implements mail.View.
func (l *lagging) Records(ctx context.Context, folderUID string) ([]mail.Record, error) {
	all, err := l.View.Records(ctx, folderUID)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.since[folderUID]
	if since == nil {
		since = map[uint32]time.Time{}
		l.since[folderUID] = since
	}
	now := l.now()
	return slices.DeleteFunc(all, func(r mail.Record) bool {
		if since[r.UID].IsZero() {
			since[r.UID] = now
		}
		return now.Sub(since[r.UID]) < l.lag
	}), nil
}
