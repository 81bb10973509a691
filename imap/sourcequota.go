package imap

import (
	"context"
	"strconv"
	"strings"
)

// StorageQuota is how much a mailbox holds and may hold, in KiB (RFC 9208
// §3.1.1).
type StorageQuota struct{ Used, Limit int64 }

// Quota asks for the storage quota of a mailbox (GETQUOTAROOT, RFC 9208
// §4.1.2). Of several quota roots the tightest counts; ok is false where none
// limits storage.
func (s *Source) Quota(ctx context.Context, name string) (q StorageQuota, ok bool, err error) {
	wire := s.wire(name)
	if err := s.unsendable("GETQUOTAROOT", wire); err != nil {
		return q, false, err
	}
	_, err = s.exchange(ctx, "GETQUOTAROOT "+quoteMailbox(wire), named("QUOTA", func(r *response) error { return r.quota(&q, &ok) }))
	return q, ok, err
}

// quota reads what follows QUOTA: a root's name, then resources, what is used
// of each and its limit.
func (r *response) quota(q *StorageQuota, ok *bool) error {
	if _, _, err := r.str(); err != nil {
		return err
	}
	r.spaces()
	if !r.accept('(') {
		return nil
	}
	for r.spaces(); r.peek() != ')' && !r.over(); r.spaces() {
		resource := strings.ToUpper(string(r.word()))
		r.spaces()
		used, usedErr := strconv.ParseInt(string(r.word()), 10, 64)
		r.spaces()
		limit, limitErr := strconv.ParseInt(string(r.word()), 10, 64)
		if resource == "" || usedErr != nil || limitErr != nil || used < 0 || limit < 0 {
			r.c.repaired("quota that is not numbers")
			return nil
		}
		if resource == "STORAGE" && (!*ok || limit-used < q.Limit-q.Used) {
			*q, *ok = StorageQuota{used, limit}, true
		}
	}
	return nil
}
