package mail

import (
	"context"
	"fmt"
	"slices"
)

// Mode says what Update does with the flags it is given.
type Mode int

// What Update can do.
const (
	Replace Mode = iota
	Add
	Remove
)

// Update changes flags of messages by UID. Messages that aren't there or are
// expunged are left alone. Names of keywords are compared without case.
func (s *Store) Update(_ context.Context, folderUID string, uids []uint32, mode Mode, flags []string) error {
	f, err := s.folder(folderUID)
	if err != nil {
		return err
	}
	flags = CanonicalFlags(flags)
	return f.change(uids, func(r *record) ([]string, bool) {
		return combine(r.flags, mode, flags), false
	})
}

// Expunge marks messages as expunged, whatever their flags, and as \Deleted.
// They stay, for View, and are gone for Snapshot.
func (s *Store) Expunge(_ context.Context, folderUID string, uids []uint32) error {
	f, err := s.folder(folderUID)
	if err != nil {
		return err
	}
	return f.change(uids, func(r *record) ([]string, bool) {
		return combine(r.flags, Add, []string{`\Deleted`}), true
	})
}

func combine(have []string, mode Mode, flags []string) []string {
	switch mode {
	case Add:
		return CanonicalFlags(append(slices.Clone(have), flags...))
	case Remove:
		return slices.DeleteFunc(slices.Clone(have), func(f string) bool { return indexFold(flags, f) >= 0 })
	default:
		return slices.Clone(flags)
	}
}

// change logs and applies one change to some records, as one new version.
func (f *folder) change(uids []uint32, how func(*record) (flags []string, expunged bool)) error {
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	e := entry{Op: opFlags, Version: f.HighestModSeq + 1}
	var touched []*record
	for _, uid := range uids {
		r := f.record(uid)
		if r == nil || r.expunged {
			continue
		}
		flags, expunged := how(r)
		touched = append(touched, r)
		e.Changes = append(e.Changes, flagChange{UID: uid, Flags: flags, Expunged: expunged})
	}
	if len(touched) == 0 {
		return nil
	}
	if err := f.note(e); err != nil {
		return fmt.Errorf("change messages of %s: %w", f.FullName, err)
	}
	for i, r := range touched {
		f.set(r, e.Changes[i].Flags, e.Changes[i].Expunged, e.Version)
	}
	return nil
}

// Snapshot is a folder at one moment.
type Snapshot struct {
	Folder
	UIDs    []uint32 // of messages not expunged, ascending
	Unseen  int
	Labels  []string // keywords known to the folder
	Visible int      // len(UIDs), also when they were not asked for
}

// Snapshot reads a folder's state: with its UIDs at a cost that grows with the
// folder, without them at once.
func (s *Store) Snapshot(folderUID string, withUIDs bool) (Snapshot, error) {
	f, err := s.folder(folderUID)
	if err != nil {
		return Snapshot{}, err
	}
	f.box.mu.RLock()
	defer f.box.mu.RUnlock()
	out := Snapshot{Folder: f.Folder, Unseen: f.unseen, Labels: slices.Clone(f.labels), Visible: f.visible}
	if !withUIDs {
		return out, nil
	}
	out.UIDs = make([]uint32, 0, f.visible)
	for i := range f.recs {
		if !f.recs[i].expunged {
			out.UIDs = append(out.UIDs, f.recs[i].uid)
		}
	}
	return out, nil
}

// Changed returns a channel that is closed at the folder's next change after
// version, or is closed already when there was one.
func (s *Store) Changed(folderUID string, version int64) (<-chan struct{}, error) {
	f, err := s.folder(folderUID)
	if err != nil {
		return nil, err
	}
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	if f.HighestModSeq > version {
		done := make(chan struct{})
		close(done)
		return done, nil
	}
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed, nil
}
