package imap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"slices"
	"strings"
)

// Another tool may have filled the target before, and have changed what it copied:
// imapsync adds a Message-Id where there is none, others end lines otherwise.
// Such a copy has another SHA-1, and would be copied a second time. So, where what
// is there is to be adopted, a message that isn't found by its octets, while the target
// has one of its INTERNALDATE and about its size, is put off until all others have
// found theirs. Then both are read: a copy is adopted that holds the message's own
// header lines, in their order, perhaps among others, and after them its
// text, line ends and NUL aside. Its row says so, and keeps the copy's hashes.

// nearMost is how many messages are put off at a time.
const nearMost = 50_000

// nearSize is by how much a changed copy may be larger or smaller.
func nearSize(size int64) int64 { return 64<<10 + size/20 }

// near puts messages off.
type near struct {
	list   []Message
	byDate []int32 // indices into the adoptable ones, by date
	over   bool    // nothing more is put off
}

// putsOff says whether a message without a found copy waits for the others.
func (c *copier) putsOff(m *spooled) bool {
	if !c.opts.Adopt || c.adopt == nil || c.near.over || m.redated || len(c.nearOnes(m.Message)) == 0 {
		return false
	}
	c.near.list = append(c.near.list, m.Message)
	return true
}

// nearOnes are the adoptable messages that may be a changed copy of m.
func (c *copier) nearOnes(m Message) (ones []int32) {
	list, by := c.adopt.list, &c.near.byDate
	if len(*by) != len(list) {
		*by = make([]int32, len(list))
		for i := range *by {
			(*by)[i] = int32(i)
		}
		slices.SortFunc(*by, func(a, b int32) int { return cmp.Or(cmp.Compare(list[a].date, list[b].date), cmp.Compare(a, b)) })
	}
	date := m.InternalDate.Unix()
	at, _ := slices.BinarySearchFunc(*by, date, func(i int32, date int64) int { return cmp.Compare(list[i].date, date) })
	for ; at < len(*by) && list[(*by)[at]].date == date; at++ {
		if e := &list[(*by)[at]]; !e.taken && max(e.size-m.Size, m.Size-e.size) <= nearSize(m.Size) {
			ones = append(ones, (*by)[at])
		}
	}
	return ones
}

// adoptNear settles what was put off: by changed copies, or by a copy of our own.
func (c *copier) adoptNear(ctx context.Context) error {
	list := c.near.list
	c.near.list, c.near.over = nil, true
	defer func() { c.near.over = false }()
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, byUID)
	c.reserved = nil
	var rest []Message
	for part := range slices.Chunk(list, c.opts.Batch) {
		left, err := c.adoptNearPart(ctx, part)
		if err != nil {
			return err
		}
		rest = append(rest, left...)
	}
	if err := c.transfer(ctx, rest); err != nil {
		return err
	}
	changes := c.lacking
	c.lacking = nil
	return c.syncFlags(ctx, changes)
}

// adoptNearPart gives those for which there is no copy.
func (c *copier) adoptNearPart(ctx context.Context, part []Message) (left []Message, err error) {
	var ours, theirs []uint32
	candidates := map[uint32]bool{}
	for _, m := range part {
		ours = append(ours, m.UID)
		for _, i := range c.nearOnes(m) {
			candidates[c.adopt.list[i].uid] = true
		}
	}
	for uid := range candidates {
		theirs = append(theirs, uid)
	}
	slices.Sort(theirs)
	if len(theirs) == 0 {
		return part, nil
	}
	source, err := essences(ctx, &c.src.Session, ours)
	if err != nil {
		return nil, fmt.Errorf("fetch from %q: %w", c.opts.Source, err)
	}
	if err := c.selectTarget(ctx); err != nil {
		return nil, err
	}
	target, err := essences(ctx, &c.dst.Session, theirs)
	if err != nil {
		return nil, fmt.Errorf("read back from %q: %w", c.opts.Target, err)
	}
	var found []Outcome
	for _, m := range part {
		o, ok := c.nearest(m, source[m.UID], target)
		if !ok {
			left = append(left, m)
			continue
		}
		found = append(found, o)
	}
	if len(found) == 0 {
		return left, nil
	}
	c.tally.Adopted += len(found)
	return left, c.ledger.Record(ctx, found)
}

// nearest takes the first changed copy of a message.
func (c *copier) nearest(m Message, is *essence, target map[uint32]*essence) (Outcome, bool) {
	if is == nil {
		return Outcome{}, false
	}
	for _, i := range c.nearOnes(m) {
		e := &c.adopt.list[i]
		there := target[e.uid]
		if there == nil {
			continue
		}
		added, ok := is.within(there)
		if !ok {
			continue
		}
		e.taken = true
		o := Outcome{SrcUID: m.UID, Size: is.size, InternalDate: m.InternalDate, DateText: m.DateText, Flags: Wanted(m.Flags, c.opts.Rules),
			SHA1: is.sha1, SHA256: is.sha256, Fate: Present, Reason: "found by content", DstUID: e.uid, DstUIDValidity: c.dstValidity,
			Sent: &Sent{there.sha1, there.sha256, there.size}, Note: "the target's copy, which is not ours, has other line ends"}
		if len(added) > 0 {
			o.Note = "the target's copy, which is not ours, has further header lines: " + strings.Join(added, ", ")
		}
		if lacks := lacking(o.Flags, c.adopt.flags[e.flags]); len(lacks) > 0 {
			c.lacking = append(c.lacking, FlagChange{SrcUID: m.UID, DstUID: e.uid, Add: lacks, Now: o.Flags})
			o.Flags = lacking(o.Flags, lacks)
		}
		c.state.DstMaxUID = max(c.state.DstMaxUID, e.uid)
		return o, true
	}
	return Outcome{}, false
}

// essence is what a change by another tool leaves of a message.
type essence struct {
	size   int64 // of the octets, as are the next two
	sha1   [20]byte
	sha256 [32]byte
	lines  []uint64 // of the header, each by a hash
	names  []string // and what stands before its colon
	text   [20]byte // SHA-1 of what follows, with all line ends the same and none at the end
}

// within says whether a message is in another with nothing but header lines
// added, and gives the names of these.
func (e *essence) within(other *essence) (added []string, ok bool) {
	if e.text != other.text {
		return nil, false
	}
	at := 0
	for i, line := range other.lines {
		if at < len(e.lines) && e.lines[at] == line {
			at++
		} else {
			added = append(added, other.names[i])
		}
	}
	return added, at == len(e.lines)
}

// essences reads messages of the open mailbox. What isn't delivered is left out.
func essences(ctx context.Context, s *Session, uids []uint32) (map[uint32]*essence, error) {
	out := map[uint32]*essence{}
	err := s.Fetch(ctx, uids, func(uid uint32, _ int64, body io.Reader) error {
		e, err := essenceOf(body)
		out[uid] = e
		return err
	})
	if refusal(err) {
		err = nil
	}
	return out, err
}

func essenceOf(body io.Reader) (*essence, error) {
	h1, h256, r := sha1.New(), sha256.New(), &reduce{text: sha1.New()}
	n, err := io.Copy(io.MultiWriter(h1, h256, r), body)
	if err != nil {
		return nil, err
	}
	r.end()
	e := &essence{size: n, lines: r.lines, names: r.names}
	h1.Sum(e.sha1[:0])
	h256.Sum(e.sha256[:0])
	r.text.Sum(e.text[:0])
	return e, nil
}

// reduce takes a message apart as it passes.
type reduce struct {
	text   hash.Hash
	lines  []uint64
	names  []string
	inText bool
	line   []byte // of the header, its first octets
	sum    hash.Hash64
	cr     bool // the octet before was one
	breaks int  // line ends of the text that were not written yet
}

func (r *reduce) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		run := bytes.IndexAny(p, "\x00\r\n")
		if run < 0 {
			run = len(p)
		}
		if run > 0 {
			r.take(p[:run])
			p, r.cr = p[run:], false
			continue
		}
		switch b := p[0]; {
		case b == 0:
		case b == '\n' && r.cr: // the line has ended
			r.cr = false
		default:
			r.cr = b == '\r'
			r.lineEnd()
		}
		p = p[1:]
	}
	return n, nil
}

func (r *reduce) take(run []byte) {
	if r.inText {
		for ; r.breaks > 0; r.breaks-- {
			r.text.Write([]byte{'\n'})
		}
		r.text.Write(run)
		return
	}
	if r.sum == nil {
		r.sum = fnv.New64a()
	}
	r.sum.Write(run)
	r.line = append(r.line, run[:min(len(run), 80-len(r.line))]...)
}

func (r *reduce) lineEnd() {
	switch {
	case r.inText:
		r.breaks++
	case r.sum == nil:
		r.inText = true
	default:
		name, _, _ := bytes.Cut(r.line, []byte(":"))
		r.lines, r.names = append(r.lines, r.sum.Sum64()), append(r.names, string(name))
		r.line, r.sum = nil, nil
	}
}

func (r *reduce) end() {
	if r.sum != nil {
		r.lineEnd()
	}
}
