package mail

import (
	"encoding/hex"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// box is the mail of one entry. Its mutex guards the content of its folders;
// the tree (folders, quota, Box) changes only under both Store.mu and it.
type box struct {
	Box
	quota int64 // KiB

	mu      sync.RWMutex
	folders []*folder
	used    int64
	log     *journal // nil in memory
	gone    error    // why nothing can be written any more
	owner   *Owner
}

// folder holds its records by ascending UID: new ones go to the end.
type folder struct {
	Folder
	box     *box
	recs    []record
	visible int
	unseen  int
	labels  []string      // keywords ever seen here, sorted
	mixed   bool          // item ids don't ascend with the UIDs
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// record is a Record with its body shared by all that have the same octets.
type record struct {
	itemID   int64
	version  int64
	uid      uint32
	flags    []string
	date     time.Time
	expunged bool
	body     *body
}

func (b Box) key() string { return b.Domain + "/" + b.EntryUID }

// Shared says whether the box belongs to the shared namespace.
func (b Box) Shared() bool { return b.Kind != KindUser }

func (b *box) byName(fullName string) *folder {
	for _, f := range b.folders {
		if f.FullName == fullName {
			return f
		}
	}
	return nil
}

// find returns the position of a UID, or where it would go.
func (f *folder) find(uid uint32) (int, bool) {
	// The newest is asked for most.
	if n := len(f.recs); n == 0 || f.recs[n-1].uid < uid {
		return n, false
	}
	i := sort.Search(len(f.recs), func(i int) bool { return f.recs[i].uid >= uid })
	return i, f.recs[i].uid == uid
}

func (f *folder) record(uid uint32) *record {
	if i, ok := f.find(uid); ok {
		return &f.recs[i]
	}
	return nil
}

// item finds a record by its item id.
func (f *folder) item(id int64) *record {
	if f.mixed {
		if i := slices.IndexFunc(f.recs, func(r record) bool { return r.itemID == id }); i >= 0 {
			return &f.recs[i]
		}
		return nil
	}
	i := sort.Search(len(f.recs), func(i int) bool { return f.recs[i].itemID >= id })
	if i < len(f.recs) && f.recs[i].itemID == id {
		return &f.recs[i]
	}
	return nil
}

// insert adds a record that has a UID above all others.
func (f *folder) insert(r record) {
	if n := len(f.recs); n > 0 && f.recs[n-1].itemID > r.itemID {
		f.mixed = true // two appends at once
	}
	f.recs = append(f.recs, r)
	f.LastUID = max(f.LastUID, r.uid)
	f.HighestModSeq = max(f.HighestModSeq, r.version)
	f.learn(r.flags)
	f.count(&r, +1)
	f.wake()
}

// set changes the flags of a record; expunged records don't come back.
func (f *folder) set(r *record, flags []string, expunged bool, version int64) {
	f.count(r, -1)
	r.flags, r.expunged, r.version = flags, r.expunged || expunged, version
	f.HighestModSeq = max(f.HighestModSeq, version)
	f.learn(flags)
	f.count(r, +1)
	f.wake()
}

func (f *folder) count(r *record, by int) {
	if r.expunged {
		return
	}
	f.visible += by
	f.box.used += int64(by) * r.body.size
	if !slices.Contains(r.flags, `\Seen`) {
		f.unseen += by
	}
}

func (f *folder) learn(flags []string) {
	for _, flag := range flags {
		if IsSystemFlag(flag) {
			continue
		}
		if i, known := slices.BinarySearch(f.labels, flag); !known {
			f.labels = slices.Insert(f.labels, i, flag)
		}
	}
}

func (f *folder) wake() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

func (r *record) export() Record {
	return Record{
		ItemID: r.itemID, Version: r.version, UID: r.uid, Flags: slices.Clone(r.flags),
		InternalDate: r.date, Size: r.body.size, SHA1: hex.EncodeToString(r.body.sum[:]), Expunged: r.expunged,
		MessageID: r.body.meta.MessageID, Subject: r.body.meta.Subject, Date: r.body.meta.Date,
	}
}

// IsSystemFlag says whether a flag is one of the five that BlueMind knows by
// their own bit; all others, \Recent too, are keywords to it.
func IsSystemFlag(flag string) bool {
	switch flag {
	case `\Seen`, `\Answered`, `\Flagged`, `\Draft`, `\Deleted`:
		return true
	}
	return false
}

// CanonicalFlags writes system flags in their usual case, leaves keywords as
// they are and drops what repeats another but for its case.
func CanonicalFlags(flags []string) []string {
	out := make([]string, 0, len(flags))
	for _, flag := range flags {
		flag = strings.ToValidUTF8(flag, "\uFFFD")
		switch strings.ToLower(flag) {
		case `\seen`:
			flag = `\Seen`
		case `\answered`:
			flag = `\Answered`
		case `\flagged`:
			flag = `\Flagged`
		case `\draft`:
			flag = `\Draft`
		case `\deleted`:
			flag = `\Deleted`
		}
		if indexFold(out, flag) < 0 {
			out = append(out, flag)
		}
	}
	return out
}

func indexFold(flags []string, flag string) int {
	return slices.IndexFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}
