package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

// Options tune a store; the zero value behaves as BlueMind 5 does.
type Options struct {
	// Now is the clock of quota and date caches and of messages appended
	// without a date. Nil: time.Now.
	Now func() time.Time
	// DateMemory is how long the date of an octet string's first append is
	// given to the same octets again, in any box. 0: 10 minutes, BlueMind's
	// figure; negative: never.
	DateMemory time.Duration
	// QuotaMemory is how long, after its last use, a box's free space is
	// believed without counting. 0: 2 minutes, BlueMind's; negative: never.
	QuotaMemory time.Duration
	// LockPatience is how long an Owner is waited for. 0: BlueMind's thousand
	// turns of 20 ms and two.
	LockPatience time.Duration
	// Sync makes each change reach the disk before it is answered. Without it
	// a change survives the end of the process, not that of the machine.
	Sync bool
	// Before47 leaves out the default folders that came with BlueMind 4.7:
	// Templates, and a mailshare's Trash.
	Before47 bool
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.DateMemory == 0 {
		o.DateMemory = 10 * time.Minute
	}
	if o.QuotaMemory == 0 {
		o.QuotaMemory = 2 * time.Minute
	}
	if o.LockPatience <= 0 {
		o.LockPatience = lockTurns * lockTurn
	}
	return o
}

// Store keeps boxes, folders, records and bodies. It implements View and Boxes.
type Store struct {
	opts   Options
	dir    string // "": memory only
	bodies *bodies
	dates  dateCache
	free   freeCache

	mu       sync.RWMutex // maps, sequences, index, names of boxes and the tree of folders
	boxes    map[string]*box
	byName   map[string]*box    // by domain and name
	folders  map[string]*folder // by uid, deleted ones excepted
	nextItem int64
	nextID   uint32 // next UIDVALIDITY
	index    *journal
	closed   bool
}

var (
	_ View  = (*Store)(nil)
	_ Boxes = (*Store)(nil)
)

// Open reads a store from dir, or makes one there; dir "" keeps all in memory.
// One process at a time may have a dir open.
func Open(dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	s := &Store{
		opts: opts, dir: dir,
		dates:   dateCache{keep: opts.DateMemory},
		free:    freeCache{keep: opts.QuotaMemory, space: map[string]freeSpace{}},
		boxes:   map[string]*box{},
		byName:  map[string]*box{},
		folders: map[string]*folder{},
		nextID:  1, nextItem: 1,
	}
	var err error
	if s.bodies, err = openBodies(dir, opts.Sync); err != nil {
		return nil, err
	}
	if dir == "" {
		return s, nil
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open mail store %s: %w", dir, err), s.Close())
	}
	return s, nil
}

// Close releases the files. What was answered is in them already.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	errs := []error{s.bodies.close(), s.index.close()}
	for _, b := range s.boxes {
		b.mu.Lock()
		errs = append(errs, b.log.close())
		if b.gone == nil {
			b.gone = ErrClosed
		}
		b.mu.Unlock()
	}
	return errors.Join(errs...)
}

// box finds a box by its directory entry. Callers hold s.mu.
func (s *Store) box(b Box) (*box, error) {
	if s.closed {
		return nil, ErrClosed
	}
	found := s.boxes[b.key()]
	if found == nil {
		return nil, fmt.Errorf("box of %s in %s: %w", b.EntryUID, b.Domain, ErrNotFound)
	}
	return found, nil
}

// folder finds a folder by uid and locks nothing.
func (s *Store) folder(uid string) (*folder, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	f := s.folders[uid]
	if f == nil {
		return nil, fmt.Errorf("folder %s: %w", uid, ErrNotFound)
	}
	return f, nil
}

// BoxByName finds the box of a user or mailshare of a domain by its name.
func (s *Store) BoxByName(domain, name string) (Box, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return Box{}, ErrClosed
	}
	if b := s.byName[domain+"/"+name]; b != nil {
		return b.Box, nil
	}
	return Box{}, fmt.Errorf("box %q in %s: %w", name, domain, ErrNotFound)
}

// List names all boxes, by domain and name.
func (s *Store) List() []Box {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]Box, 0, len(s.boxes))
	for _, b := range s.boxes {
		out = append(out, b.Box)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Domain != out[j].Domain {
			return out[i].Domain < out[j].Domain
		}
		return out[i].Name < out[j].Name
	})
	return out
}

// Folders implements View.
func (s *Store) Folders(_ context.Context, which Box) ([]Folder, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.box(which)
	if err != nil {
		return nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]Folder, 0, len(b.folders))
	for _, f := range b.folders {
		out = append(out, f.Folder)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].FullName != out[j].FullName {
			return out[i].FullName < out[j].FullName
		}
		return out[i].UIDValidity < out[j].UIDValidity
	})
	return out, nil
}

// FolderByUID implements View.
func (s *Store) FolderByUID(_ context.Context, uid string) (Box, Folder, error) {
	f, err := s.folder(uid)
	if err != nil {
		return Box{}, Folder{}, err
	}
	f.box.mu.RLock()
	defer f.box.mu.RUnlock()
	return f.box.Box, f.Folder, nil
}

// FolderByName finds a folder of a box by its full name; of two with one name,
// which CREATE of a name with "^" can make, the older.
func (s *Store) FolderByName(which Box, fullName string) (Folder, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.box(which)
	if err != nil {
		return Folder{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if f := b.byName(fullName); f != nil {
		return f.Folder, nil
	}
	return Folder{}, fmt.Errorf("folder %q of %s: %w", fullName, b.Name, ErrNotFound)
}

// Records implements View.
func (s *Store) Records(_ context.Context, folderUID string) ([]Record, error) {
	f, err := s.folder(folderUID)
	if err != nil {
		return nil, err
	}
	f.box.mu.RLock()
	defer f.box.mu.RUnlock()
	out := make([]Record, len(f.recs))
	for i := range f.recs {
		out[i] = f.recs[i].export()
	}
	return out, nil
}

// Items are the messages of a folder with these item ids, expunged or not, in
// the order asked for; what isn't there is left out.
func (s *Store) Items(_ context.Context, folderUID string, ids []int64) ([]Record, error) {
	f, err := s.folder(folderUID)
	if err != nil {
		return nil, err
	}
	f.box.mu.RLock()
	defer f.box.mu.RUnlock()
	out := make([]Record, 0, len(ids))
	for _, id := range ids {
		if r := f.item(id); r != nil {
			out = append(out, r.export())
		}
	}
	return out, nil
}

// Record is one message of a folder, expunged or not.
func (s *Store) Record(folderUID string, uid uint32) (Record, error) {
	f, err := s.folder(folderUID)
	if err != nil {
		return Record{}, err
	}
	f.box.mu.RLock()
	defer f.box.mu.RUnlock()
	r := f.record(uid)
	if r == nil {
		return Record{}, fmt.Errorf("message %d of %s: %w", uid, f.FullName, ErrNotFound)
	}
	return r.export(), nil
}

// Body implements View. Expunged messages have their body still.
func (s *Store) Body(_ context.Context, folderUID string, uid uint32) (io.ReadCloser, int64, error) {
	f, err := s.folder(folderUID)
	if err != nil {
		return nil, 0, err
	}
	f.box.mu.RLock()
	r := f.record(uid)
	f.box.mu.RUnlock()
	if r == nil {
		return nil, 0, fmt.Errorf("message %d of %s: %w", uid, folderUID, ErrNotFound)
	}
	rc, err := s.bodies.open(r.body)
	if err != nil {
		return nil, 0, fmt.Errorf("body of message %d of %s: %w", uid, folderUID, err)
	}
	return rc, r.body.size, nil
}

// Used implements View.
func (s *Store) Used(_ context.Context, which Box) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.box(which)
	if err != nil {
		return 0, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.used, nil
}

// Create implements Boxes. A box that is there under another name takes the
// new one, and a mailshare's folders with it.
func (s *Store) Create(_ context.Context, which Box) error {
	if which.Domain == "" || which.EntryUID == "" || which.Name == "" || strings.Contains(which.Name, "/") ||
		(which.Kind != KindUser && which.Kind != KindMailshare) {
		return fmt.Errorf("box %+v: %w", which, ErrName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	b := s.boxes[which.key()]
	if b == nil || b.Box != which {
		if err := s.note(indexEntry{Op: opBox, Box: &which}); err != nil {
			return err
		}
	}
	b = s.boxes[which.key()]
	for _, name := range DefaultFolders(which) {
		if b.byName(name) != nil || s.opts.Before47 && since47(which, name) {
			continue
		}
		if _, err := s.createFolder(b, name); err != nil {
			return fmt.Errorf("default folder %q of %s: %w", name, which.Name, err)
		}
	}
	return nil
}

// Drop implements Boxes. Bodies stay in the store: other boxes may share them.
func (s *Store) Drop(_ context.Context, which Box) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.box(which)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.note(indexEntry{Op: opDrop, Box: &b.Box}); err != nil {
		return err
	}
	s.free.forget(which.key())
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.log == nil {
		return nil
	}
	// What a crash leaves of the log here means nothing to a box made again:
	// its folders have other UIDVALIDITYs.
	err = errors.Join(b.log.close(), os.Remove(b.log.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// SetQuota implements Boxes.
func (s *Store) SetQuota(_ context.Context, which Box, kib int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.box(which)
	if err != nil {
		return err
	}
	if b.quota == kib {
		return nil
	}
	return s.note(indexEntry{Op: opQuota, Box: &b.Box, Quota: kib})
}

// Quota is the box's limit in KiB, 0 for none.
func (s *Store) Quota(which Box) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.box(which)
	if err != nil {
		return 0
	}
	return b.quota
}
