package mail

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files of a store: "index" has the boxes and their trees, "boxes/<hash>"
// the messages of one box, both a JSON value a line, only ever appended to. A
// line that the end of a process cut short is dropped at the next Open; nobody
// was told of it.

// What an index line says.
const (
	opBox    = "box"
	opDrop   = "drop"
	opQuota  = "quota"
	opFolder = "folder"
	opDelete = "delete"
	opRename = "rename"
)

// What a line of a box says.
const (
	opAppend = "append"
	opBurn   = "burn"
	opFlags  = "flags"
)

type indexEntry struct {
	Op       string  `json:"op"`
	Box      *Box    `json:"box"`
	Folder   *Folder `json:"folder,omitempty"`
	Quota    int64   `json:"quota,omitempty"`
	NextItem int64   `json:"next"`
}

type entry struct {
	Op      string       `json:"op"`
	Folder  uint32       `json:"folder"` // UIDVALIDITY: a folder made again has its old uid, never this
	UID     uint32       `json:"uid,omitempty"`
	Item    int64        `json:"item,omitempty"`
	Version int64        `json:"version,omitempty"`
	Flags   []string     `json:"flags,omitempty"`
	Date    int64        `json:"date,omitempty"` // ms since 1970
	SHA1    string       `json:"sha1,omitempty"`
	Size    int64        `json:"size,omitempty"`
	Offset  int64        `json:"offset,omitempty"`
	Meta    *metaEntry   `json:"meta,omitempty"`
	Changes []flagChange `json:"changes,omitempty"`
}

type metaEntry struct {
	MessageID string `json:"id,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Date      string `json:"date,omitempty"`
}

type flagChange struct {
	UID      uint32   `json:"uid"`
	Flags    []string `json:"flags,omitempty"`
	Expunged bool     `json:"expunged,omitempty"`
}

func appendEntry(r *record) entry {
	e := entry{
		Op: opAppend, UID: r.uid, Item: r.itemID, Version: r.version, Flags: r.flags,
		Date: r.date.UnixMilli(), SHA1: hex.EncodeToString(r.body.sum[:]), Size: r.body.size, Offset: r.body.offset,
	}
	if m := r.body.meta; m != (meta{}) {
		e.Meta = &metaEntry{MessageID: m.MessageID, Subject: m.Subject}
		if !m.Date.IsZero() {
			e.Meta.Date = m.Date.Format(time.RFC3339)
		}
	}
	return e
}

func (s *Store) boxPath(b Box) string {
	return filepath.Join(s.dir, "boxes", FolderUID(b, ""))
}

func (s *Store) load() error {
	if err := os.MkdirAll(filepath.Join(s.dir, "boxes"), 0o700); err != nil {
		return err
	}
	s.index = &journal{path: filepath.Join(s.dir, "index"), sync: s.opts.Sync}
	err := s.index.replay(func(line []byte) error {
		var e indexEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		return s.apply(e)
	})
	if err != nil {
		return err
	}
	folders := map[uint32]*folder{}
	for _, f := range s.folders {
		folders[f.UIDValidity] = f
	}
	for _, b := range s.boxes {
		if err := b.log.replay(func(line []byte) error { return s.recall(folders, line) }); err != nil {
			return err
		}
	}
	return nil
}

// note logs a change of boxes or folders and applies it. Callers hold s.mu.
func (s *Store) note(e indexEntry) error {
	if s.closed {
		return ErrClosed
	}
	e.NextItem = s.nextItem
	if err := s.index.write(e); err != nil {
		return err
	}
	return s.apply(e)
}

// note logs a change of messages. Callers hold the box's lock.
func (f *folder) note(e entry) error {
	if f.box.gone != nil {
		return f.box.gone
	}
	if f.Deleted {
		return ErrNotFound
	}
	e.Folder = f.UIDValidity
	return f.box.log.write(e)
}

// apply does in memory what an index line says.
func (s *Store) apply(e indexEntry) error {
	if e.Box == nil {
		return errors.New("line without a box")
	}
	s.nextItem = max(s.nextItem, e.NextItem)
	b := s.boxes[e.Box.key()]
	if b == nil {
		if e.Op != opBox {
			return nil // of a box dropped meanwhile
		}
		b = &box{Box: *e.Box, owner: newOwner(s.opts.LockPatience)}
		if s.dir != "" {
			b.log = &journal{path: s.boxPath(b.Box), sync: s.opts.Sync}
		}
		s.boxes[b.key()] = b
		s.byName[b.Domain+"/"+b.Name] = b
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Op {
	case opBox:
		s.unname(b)
		b.rename(*e.Box)
		s.byName[b.Domain+"/"+b.Name] = b
	case opDrop:
		for _, f := range b.folders {
			delete(s.folders, f.UID)
			f.Deleted = true
			f.wake()
		}
		b.gone = fmt.Errorf("box of %s in %s: %w", b.EntryUID, b.Domain, ErrNotFound)
		delete(s.boxes, b.key())
		s.unname(b)
	case opQuota:
		b.quota = e.Quota
	case opFolder:
		f := &folder{Folder: *e.Folder, box: b}
		b.folders = append(b.folders, f)
		s.folders[f.UID] = f
		s.nextID = max(s.nextID, f.UIDValidity+1)
		s.nextItem = max(s.nextItem, f.ID+1)
	case opDelete:
		s.forget(b, e.Folder.UID)
	case opRename:
		if f := s.folders[e.Folder.UID]; f != nil {
			f.FullName, f.Name, f.ParentUID = e.Folder.FullName, e.Folder.Name, e.Folder.ParentUID
		}
	default:
		return fmt.Errorf("unknown line %q", e.Op)
	}
	return nil
}

// unname forgets a box's name, unless another box has it by now.
func (s *Store) unname(b *box) {
	if name := b.Domain + "/" + b.Name; s.byName[name] == b {
		delete(s.byName, name)
	}
}

func (s *Store) forget(b *box, folderUID string) {
	f := s.folders[folderUID]
	if f == nil {
		return
	}
	for i := range f.recs {
		f.count(&f.recs[i], -1)
	}
	f.Deleted = true
	f.wake()
	delete(s.folders, folderUID)
	b.folders = slices.DeleteFunc(b.folders, func(have *folder) bool { return have == f })
}

// rename follows the directory: a share's folders bear its name.
func (b *box) rename(to Box) {
	old := b.Name
	b.Box = to
	if !b.Shared() || old == to.Name {
		return
	}
	for _, f := range b.folders {
		if f.FullName == old {
			f.FullName, f.Name = to.Name, to.Name
		} else if rest, ok := strings.CutPrefix(f.FullName, old+"/"); ok {
			f.FullName = to.Name + "/" + rest
		}
	}
}

// recall does in memory what a line of a box says. Lines of folders deleted
// since are passed over.
func (s *Store) recall(folders map[uint32]*folder, line []byte) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	f := folders[e.Folder]
	s.nextItem = max(s.nextItem, e.Item+1)
	if f == nil {
		return nil
	}
	switch e.Op {
	case opAppend:
		return s.recallAppend(f, &e)
	case opBurn:
		f.LastUID = max(f.LastUID, e.UID)
	case opFlags:
		for _, c := range e.Changes {
			if r := f.record(c.UID); r != nil {
				f.set(r, someFlags(c.Flags), c.Expunged, e.Version)
			}
		}
	default:
		return fmt.Errorf("unknown line %q", e.Op)
	}
	return nil
}

// someFlags makes no flags an empty list again, as they were before they went
// to the file.
func someFlags(flags []string) []string {
	if flags == nil {
		return []string{}
	}
	return flags
}

func (s *Store) recallAppend(f *folder, e *entry) error {
	sum, err := hex.DecodeString(e.SHA1)
	if err != nil || len(sum) != 20 {
		return fmt.Errorf("bad digest %q", e.SHA1)
	}
	found := &body{sum: [20]byte(sum), size: e.Size, offset: e.Offset}
	if e.Meta != nil {
		found.meta.MessageID, found.meta.Subject = e.Meta.MessageID, e.Meta.Subject
		if t, err := time.Parse(time.RFC3339, e.Meta.Date); err == nil {
			found.meta.Date = t
		}
	}
	f.insert(record{
		itemID: e.Item, version: e.Version, uid: e.UID, flags: someFlags(e.Flags),
		date: time.UnixMilli(e.Date).UTC(), body: s.bodies.recall(found),
	})
	return nil
}
