package imap

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"
)

// contents are messages of a mailbox by the SHA-1 of their octets, each taken
// out once. A million of them need some 60 MB.
type contents struct {
	list  []content // by sum, then UID
	flags [][]string
	known map[string]uint32 // flags, joined → index in flags
}

// content is a Message, packed.
type content struct {
	sum        [20]byte
	uid, flags uint32
	size, date int64
	taken      bool
}

func (c *content) twin() twin { return twin{c.date, c.size} }

func (c *contents) add(m Message) {
	key := strings.Join(m.Flags, " ")
	i, ok := c.known[key]
	if !ok {
		if c.known == nil {
			c.known = map[string]uint32{}
		}
		i = uint32(len(c.flags))
		c.known[key], c.flags = i, append(c.flags, slices.Clone(m.Flags))
	}
	c.list = append(c.list, content{sum: m.SHA1, uid: m.UID, flags: i, size: m.Size, date: m.InternalDate.Unix()})
}

// sort makes the list ready for same.
func (c *contents) sort() {
	slices.SortFunc(c.list, func(a, b content) int {
		return cmp.Or(bytes.Compare(a.sum[:], b.sum[:]), cmp.Compare(a.uid, b.uid))
	})
}

// same gives the messages with these octets, ascending by UID, taken or not.
func (c *contents) same(sum [20]byte) []content {
	order := func(e content, sum [20]byte) int { return bytes.Compare(e.sum[:], sum[:]) }
	from, _ := slices.BinarySearchFunc(c.list, sum, order)
	to := from
	for to < len(c.list) && c.list[to].sum == sum {
		to++
	}
	return c.list[from:to]
}

func (c *contents) message(e *content) Message {
	return Message{UID: e.uid, Flags: c.flags[e.flags], InternalDate: time.Unix(e.date, 0), Size: e.size, SHA1: e.sum, HasSHA1: true}
}

// wanted is a message looked for on the target by its octets, or what Cyrus'
// munge8bit makes of them, from UID first on.
type wanted struct {
	sha1, munged [20]byte
	first        uint32
	date         time.Time
	forms        [][20]byte // what repairs can have made of it
}

// twin is what a listing shows of a message of the source.
type twin struct{ date, size int64 }

func twinOf(m Message) twin { return twin{m.InternalDate.Unix(), m.Size} }

// assign takes a message for each that is wanted; one without a UID says that
// there is none. Those of the same INTERNALDATE go first, so that each of several
// with the same octets gets its own. What is left goes to whoever has none, for a
// target may keep another date, but for as many as are reserved, since somebody
// still to come has their date. So does what repairs can have made of a message,
// whatever its date: it may be somebody's own octets.
func (c *contents) assign(list []wanted, reserved map[twin]int) []Message {
	out := make([]Message, len(list))
	sameDate := func(w wanted) fits { return func(e *content, _ []content) bool { return e.date == w.date.Unix() } }
	free := func(e *content, same []content) bool {
		twins := 0
		for j := range same {
			if !same[j].taken && same[j].twin() == e.twin() {
				twins++
			}
		}
		return twins > reserved[e.twin()]
	}
	for i, w := range list {
		out[i] = c.take(w.own(), w.first, sameDate(w))
		if t := twinOf(out[i]); reserved[t] > 0 {
			reserved[t]--
		}
	}
	for i, w := range list {
		if dated := sameDate(w); out[i].UID == 0 {
			out[i] = c.take(w.forms, w.first, func(e *content, same []content) bool { return dated(e, same) && free(e, same) })
		}
	}
	for i, w := range list {
		if out[i].UID == 0 {
			out[i] = c.take(append(w.own(), w.forms...), w.first, free)
		}
	}
	return out
}

// own are the octets of a message that no repair was made of.
func (w wanted) own() [][20]byte { return [][20]byte{w.sha1, w.munged} }

// fits says whether a message may be taken, of all that have the same octets.
type fits func(e *content, same []content) bool

// take takes the first message with one of the hashes, from UID first on, that
// fits.
func (c *contents) take(sums [][20]byte, first uint32, fits fits) Message {
	for _, sum := range sums {
		same := c.same(sum)
		for i := range same {
			if e := &same[i]; !e.taken && e.uid >= first && fits(e, same) {
				e.taken = true
				return c.message(e)
			}
		}
	}
	return Message{}
}
