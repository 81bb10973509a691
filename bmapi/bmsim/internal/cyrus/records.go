package cyrus

import (
	"context"
	"fmt"
	"mime"
	netmail "net/mail"
	"slices"
	"sort"
	"strings"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

// Records lists a folder by UID. A message is marked expunged once it has been
// seen here and is gone; what came and went between two calls is never seen.
func (s *Server) Records(ctx context.Context, folderUID string) ([]mail.Record, error) {
	f, err := s.folder(ctx, folderUID)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	as, name := s.reader(f)
	err = s.pool.with(ctx, as, func(c *client) error { return f.update(ctx, c, name) })
	if err != nil {
		return nil, notFound(fmt.Errorf("cyrus: folder %q of %s: %w", f.name, root(f.box), err))
	}
	records := slices.Clone(f.records)
	for i := range records {
		records[i].Flags = slices.Clone(records[i].Flags)
	}
	if f.box.Kind != mail.KindUser {
		if err := s.mergeSeen(ctx, f, records); err != nil {
			return nil, fmt.Errorf("cyrus: folder %q: %w", f.name, err)
		}
	}
	return records, nil
}

// update brings the records up to date.
func (f *folder) update(ctx context.Context, c *client, name string) error {
	var now listed
	err := c.do(ctx, func(v []value) error {
		if len(v) == 3 && v[0].is("STATUS") {
			return readStatus(&now, v[2])
		}
		return nil
	}, "STATUS %s (UIDVALIDITY HIGHESTMODSEQ)", quote(name))
	if err != nil {
		return err
	}
	if now.validity != f.validity {
		f.validity, f.modseq, f.records = now.validity, 0, nil
	}
	if now.modseq == f.modseq {
		return nil
	}
	exists := 0
	err = c.do(ctx, func(v []value) error {
		if len(v) == 2 && v[1].is("EXISTS") {
			n, err := v[0].number()
			exists = int(n)
			return err
		}
		return nil
	}, "EXAMINE %s", quote(name))
	if err != nil {
		return err
	}
	since := ""
	if f.modseq > 0 {
		since = fmt.Sprintf(" (CHANGEDSINCE %d)", f.modseq)
	}
	err = c.do(ctx, func(v []value) error {
		if len(v) != 3 || !v[1].is("FETCH") {
			return nil
		}
		r, err := readRecord(v[2])
		if err == nil && r.SHA1 != "" {
			f.put(r)
		}
		return err
	}, "UID FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE ENVELOPE DIGEST.SHA1)%s", since)
	if err != nil {
		return err
	}
	if f.live() != exists {
		if err := f.markExpunged(ctx, c, now.modseq); err != nil {
			return err
		}
	}
	f.modseq = now.modseq
	return nil
}

// markExpunged asks which messages there are and marks all others.
func (f *folder) markExpunged(ctx context.Context, c *client, modseq int64) error {
	there := map[int64]bool{}
	err := c.do(ctx, func(v []value) error {
		if len(v) == 0 || !v[0].is("SEARCH") {
			return nil
		}
		for _, uid := range v[1:] {
			n, err := uid.number()
			if err != nil {
				return err
			}
			there[n] = true
		}
		return nil
	}, "UID SEARCH ALL")
	if err != nil {
		return err
	}
	for i, r := range f.records {
		if !r.Expunged && !there[int64(r.UID)] {
			f.records[i].Expunged, f.records[i].Version = true, modseq
		}
	}
	return nil
}

func (f *folder) put(r mail.Record) {
	i := sort.Search(len(f.records), func(i int) bool { return f.records[i].UID >= r.UID })
	if i < len(f.records) && f.records[i].UID == r.UID {
		f.records[i] = r
		return
	}
	f.records = slices.Insert(f.records, i, r)
}

func (f *folder) live() int {
	n := 0
	for _, r := range f.records {
		if !r.Expunged {
			n++
		}
	}
	return n
}

// mergeSeen marks as seen what anybody has seen who may mark messages of the
// share. BlueMind's Cyrus shares the seen state there, this one keeps each user's.
func (s *Server) mergeSeen(ctx context.Context, f *folder, records []mail.Record) error {
	var users []string
	err := s.pool.with(ctx, "", func(c *client) error {
		return c.do(ctx, func(v []value) error {
			for i := 2; i+1 < len(v) && v[0].is("ACL"); i += 2 {
				who := v[i].String()
				if strings.Contains(who, "@") && strings.Contains(v[i+1].String(), "s") {
					users = append(users, who)
				}
			}
			return nil
		}, "GETACL %s", quote(internal(f.box, f.name)))
	})
	if err != nil {
		return err
	}
	for _, user := range users {
		seen := map[uint32]bool{}
		err := s.pool.with(ctx, user, func(c *client) error { return s.seenBy(ctx, c, f, seen) })
		if err != nil {
			return err
		}
		for i, r := range records {
			if seen[r.UID] && !slices.Contains(r.Flags, `\Seen`) {
				records[i].Flags = append(r.Flags, `\Seen`)
				slices.Sort(records[i].Flags)
			}
		}
	}
	return nil
}

func (s *Server) seenBy(ctx context.Context, c *client, f *folder, seen map[uint32]bool) error {
	prefix, err := s.sharedPrefix(ctx, c)
	if err != nil {
		return err
	}
	if err := c.do(ctx, nil, "EXAMINE %s", quote(prefix+mail.EncodeUTF7(f.name))); err != nil {
		return err
	}
	return c.do(ctx, func(v []value) error {
		if len(v) > 0 && v[0].is("SEARCH") {
			for _, uid := range v[1:] {
				n, err := uid.number()
				if err != nil {
					return err
				}
				seen[uint32(n)] = true
			}
		}
		return nil
	}, "UID SEARCH SEEN")
}

// readRecord reads a FETCH response; one that came unasked has no SHA-1.
func readRecord(items value) (mail.Record, error) {
	var r mail.Record
	err := items.pairs(func(name string, v value) (err error) {
		var n int64
		switch name {
		case "UID":
			n, err = v.number()
			r.UID, r.ItemID = uint32(n), n
		case "FLAGS":
			for _, flag := range v.list {
				if !flag.is(`\Recent`) {
					r.Flags = append(r.Flags, flag.String())
				}
			}
			slices.Sort(r.Flags)
		case "MODSEQ":
			if len(v.list) == 1 {
				r.Version, err = v.list[0].number()
			}
		case "INTERNALDATE":
			r.InternalDate, err = time.Parse("_2-Jan-2006 15:04:05 -0700", v.String())
		case "RFC822.SIZE":
			r.Size, err = v.number()
		case "DIGEST.SHA1":
			r.SHA1 = v.String()
		case "ENVELOPE":
			readEnvelope(&r, v.list)
		}
		return err
	})
	return r, err
}

// readEnvelope takes what can be read; strangers' mail holds all sorts of things.
func readEnvelope(r *mail.Record, parts []value) {
	if len(parts) != 10 {
		return
	}
	if date, err := netmail.ParseDate(parts[0].String()); err == nil {
		r.Date = date
	}
	if !parts[1].null() {
		r.Subject = parts[1].String()
		if subject, err := new(mime.WordDecoder).DecodeHeader(r.Subject); err == nil {
			r.Subject = subject
		}
	}
	if !parts[9].null() {
		r.MessageID = parts[9].String()
	}
}
