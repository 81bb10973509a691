package imap

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Departed is a copy of ours on the target whose source message has vanished
// from its folder: moved to another one, or deleted.
type Departed struct {
	Mailbox        string // on the target
	DstUIDValidity uint32
	DstUID         uint32
	Size           int64
	InternalDate   time.Time
	Flags          []string // as last synchronised
	SHA1           [20]byte
	Sent           *Sent  // what was sent in the message's place; nil: itself
	Note           string // of its row
	Gone           bool   // the target has it no more: a user removed it there
	// Due says that it is to be removed: an earlier run may have set \Deleted.
	Due bool
	// Stays says that it stays where it is, and that its message isn't copied to
	// where that was moved: the target is no mirror of the source any more.
	Stays bool

	Folder                 int64 // the caller's own key of the row, with SrcUIDValidity and SrcUID
	SrcUIDValidity, SrcUID uint32
}

// What becomes of a Departed when a copy meets its message in another folder.
type Departure int

// The ways: it was copied on the target to where its message is now, and the
// old copy is to be removed; it stays, since somebody changed it; it was removed
// on the target before, and isn't copied anew.
const (
	DepartedMoved Departure = iota
	DepartedTouched
	DepartedGone
	DepartedStays
)

// Pool holds departed copies, to be found by content. It is safe for
// concurrent use.
type Pool struct {
	mu   sync.Mutex
	by   map[[20]byte][]Departed
	held int
	most int
}

// NewPool makes a pool that holds at most so many copies.
func NewPool(most int) *Pool { return &Pool{by: map[[20]byte][]Departed{}, most: most} }

// Add puts a copy into the pool; it reports false where the pool is full.
func (p *Pool) Add(d Departed) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= p.most {
		return false
	}
	p.by[d.SHA1] = append(p.by[d.SHA1], d)
	p.held++
	return true
}

// Len is how many copies are in the pool.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// take removes a copy of the same octets, size and date from the pool; of
// several one that is there, with the same flags if possible.
func (p *Pool) take(sum [20]byte, size int64, date time.Time, flags []string) (Departed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.by[sum]
	best, worth := -1, 0
	for i, d := range list {
		if d.Size != size || d.InternalDate.Unix() != date.Unix() {
			continue
		}
		w := 1
		if !d.Gone {
			w += 2
		}
		if len(lacking(flags, d.Flags))+len(lacking(d.Flags, flags)) == 0 {
			w++
		}
		if w > worth {
			best, worth = i, w
		}
	}
	if best < 0 {
		return Departed{}, false
	}
	d := list[best]
	p.by[sum] = slices.Delete(list, best, best+1)
	p.held--
	return d, true
}

// touched says why a copy isn't as we left it, "" if it is.
func (d Departed) touched(m Message) string {
	want := slices.DeleteFunc(Normalize(d.Flags), func(f string) bool {
		return strings.Contains(d.Note, flagsNotKept(nil)) && keptOut(d.Note, f) && !hasFlag(m.Flags, f)
	})
	have := Normalize(m.Flags)
	if d.Due {
		ours := func(f string) bool { return strings.EqualFold(f, `\Deleted`) }
		want, have = slices.DeleteFunc(want, ours), slices.DeleteFunc(have, ours)
	}
	sum, size := Intent{SHA1: d.SHA1, Size: d.Size, Sent: d.Sent}.sent()
	switch {
	case len(lacking(want, have))+len(lacking(have, want)) > 0:
		return "its flags were changed on the target"
	case m.HasSHA1 && m.SHA1 != sum && !strings.Contains(d.Note, mungedNote(m.SHA1)):
		return "the target has other bytes under its UID"
	case differs(m, Claim{Size: size, InternalDate: d.InternalDate, SHA1: sum}):
		return "the target has another message under its UID"
	}
	return ""
}

// keptOut says whether a note tells that the target didn't keep a flag.
func keptOut(note, flag string) bool {
	for part := range strings.SplitSeq(note, "; ") {
		if list, ok := strings.CutPrefix(part, flagsNotKept(nil)); ok && hasFlag(strings.Fields(list), flag) {
			return true
		}
	}
	return false
}

// ContentOf gives the SHA-1 of the wanted messages of a mailbox with UIDs from
// first on, by UID. Those whose SHA-1 the server doesn't say are asked of digests,
// which is as CopyOptions.Digests, or read.
func ContentOf(ctx context.Context, dst *Target, mailbox string, first uint32, digests func(context.Context, uint32, func(uint32, [20]byte)) error, want func(Message) bool) (map[uint32][20]byte, error) {
	c := &copier{dst: dst, opts: CopyOptions{Target: mailbox, Digests: digests}.withDefaults()}
	found, err := c.hashed(ctx, first, 0, want)
	if err != nil {
		return nil, err
	}
	out := make(map[uint32][20]byte, len(found.list))
	for _, e := range found.list {
		out[e.uid] = e.sum
	}
	return out, nil
}
