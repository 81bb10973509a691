package mail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Append stores a message in a folder and takes its draft over, whether it
// succeeds or not. Flags become canonical; a zero date means now, and the date
// of the same octets' first append wins over both (Options.DateMemory). Dates
// are kept to the millisecond, in UTC. The record and its body are in the files
// when it returns. Quota is not looked at here: see Free. A refused message
// leaves a gap in the UIDs.
func (s *Store) Append(_ context.Context, folderUID string, d *Draft, flags []string, date time.Time) (Record, error) {
	defer d.Discard()
	f, err := s.folder(folderUID)
	if err != nil {
		return Record{}, err
	}
	date = s.dates.best(d.SHA1(), date, s.opts.Now()).UTC().Truncate(time.Millisecond)
	stored, err := s.bodies.put(d)
	if err != nil {
		return Record{}, errors.Join(err, f.burn())
	}
	rec := record{flags: CanonicalFlags(flags), date: date, body: stored}
	item := s.items(1)
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	out, err := f.add(rec, item)
	if err != nil {
		return Record{}, fmt.Errorf("append to %s: %w", f.FullName, err)
	}
	s.free.consume(f.box.key(), stored.size)
	return out, nil
}

// burn spends a UID on a message that couldn't be stored.
func (f *folder) burn() error {
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	if err := f.note(entry{Op: opBurn, UID: f.LastUID + 1}); err != nil {
		return err
	}
	f.LastUID++
	return nil
}

// add logs a record and then inserts it. Callers hold the box's lock.
func (f *folder) add(rec record, item int64) (Record, error) {
	rec.itemID, rec.uid, rec.version = item, f.LastUID+1, f.HighestModSeq+1
	if err := f.note(appendEntry(&rec)); err != nil {
		return Record{}, err
	}
	f.insert(rec)
	return rec.export(), nil
}

// Copy puts messages of one folder into another, with flags and dates, and
// returns the new records in order. Messages that aren't there are left out.
func (s *Store) Copy(_ context.Context, fromUID string, uids []uint32, toUID string) ([]Record, error) {
	from, err := s.folder(fromUID)
	if err != nil {
		return nil, err
	}
	to, err := s.folder(toUID)
	if err != nil {
		return nil, err
	}
	from.box.mu.RLock()
	var found []record
	for _, uid := range uids {
		if r := from.record(uid); r != nil && !r.expunged {
			c := *r
			c.flags = slices.Clone(r.flags)
			found = append(found, c)
		}
	}
	from.box.mu.RUnlock()

	item := s.items(len(found))
	to.box.mu.Lock()
	defer to.box.mu.Unlock()
	out := make([]Record, 0, len(found))
	for i, rec := range found {
		added, err := to.add(rec, item+int64(i))
		if err != nil {
			return out, fmt.Errorf("copy to %s: %w", to.FullName, err)
		}
		out = append(out, added)
	}
	return out, nil
}

// items takes n item ids from the store's sequence and returns the first.
func (s *Store) items(n int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.nextItem
	s.nextItem += int64(n)
	return first
}
