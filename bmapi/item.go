package bmapi

import (
	"context"
	"errors"
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
	ExternalID  string `json:"externalId"`
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

// all reads a list of items; a null among them is left out.
func all[T, R any](ctx context.Context, s *Session, to endpoint, of func(item[T]) R) ([]R, error) {
	return list(ctx, s, "GET", to, nil, of)
}

func list[T, R any](ctx context.Context, s *Session, method string, to endpoint, body any, of func(item[T]) R) ([]R, error) {
	var items []*item[T]
	if err := s.do(ctx, method, to, body, &items); err != nil {
		return nil, err
	}
	out := make([]R, 0, len(items))
	for _, it := range items {
		if it != nil {
			out = append(out, of(*it))
		}
	}
	return out, nil
}

// texts reads a list of texts, mostly uids.
func (s *Session) texts(ctx context.Context, to endpoint) ([]string, error) {
	var list []string
	err := s.do(ctx, "GET", to, nil, &list)
	return list, err
}

// absent lets a deletion pass whose thing is not there.
func absent(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
