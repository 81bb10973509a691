package bmsim

import (
	"context"
	"fmt"
	"io"
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
	return slices.DeleteFunc(all, func(r mail.Record) bool { return !l.shown(folderUID, r.UID) }), nil
}

// Body implements mail.View.
func (l *lagging) Body(ctx context.Context, folderUID string, uid uint32) (io.ReadCloser, int64, error) {
	l.mu.Lock()
	shown := l.shown(folderUID, uid)
	l.mu.Unlock()
	if !shown {
		return nil, 0, fmt.Errorf("message %d: %w", uid, mail.ErrNotFound)
	}
	return l.View.Body(ctx, folderUID, uid)
}

// shown notes the first look at a message and tells whether that was long ago.
func (l *lagging) shown(folderUID string, uid uint32) bool {
	since, now := l.since[folderUID], l.now()
	if since == nil {
		since = map[uint32]time.Time{}
		l.since[folderUID] = since
	}
	if since[uid].IsZero() {
		since[uid] = now
	}
	return now.Sub(since[uid]) >= l.lag
}
