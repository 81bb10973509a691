package bmapi

import (
	"context"
	"time"
)

// millis is a moment as BlueMind writes it: milliseconds since 1970; 0: null.
type millis int64

func (m millis) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// item is BlueMind's ItemValue: what a container holds, with its keeping.
type item[T any] struct {
	UID         string `json:"uid"`
	InternalID  int64  `json:"internalId"`
	Version     int64  `json:"version"`
	DisplayName string `json:"displayName"`
	Created     millis `json:"created"`
	Value       T      `json:"value"`
}

// get reads one item; without a uid there is none.
func get[T any](ctx context.Context, s *Session, to endpoint) (item[T], error) {
	var it item[T]
	if err := s.do(ctx, "GET", to, nil, &it); err != nil {
		return it, err
	}
	if it.UID == "" {
		return it, &Fault{ErrorCode: CodeNotFound, Status: 200, Method: "GET", Path: to.shown, Message: "nothing there"}
	}
	return it, nil
}
