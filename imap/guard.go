package imap

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// Guard stops a copy before a target that doesn't keep what it is given has been
// given much: the first messages of an account are read back before the others
// are sent, their dates, flags and octets compared. One Guard goes with all
// copies of an account; it is used by one of them at a time.
type Guard struct{ passed bool }

// guardMessages are sent and read back first, where there are more to be sent.
// Fewer in a folder are read back with its end, before the next folder begins.
const guardMessages = 16

// guardReads is how many of them are read back octet for octet where the listing
// doesn't give their SHA-1, and guardOctets how large each may be.
const (
	guardReads  = 3
	guardOctets = 256 << 10
)

// guarded copies the first of the messages and reads them back, if that is still
// to be done, and gives the others.
func (c *copier) guarded(ctx context.Context, list []Message) ([]Message, error) {
	g := c.opts.Guard
	if g == nil || g.passed || len(list) <= guardMessages {
		return list, nil
	}
	ours, err := c.ledger.Claims(ctx, 1, guardMessages+1)
	if err != nil {
		return nil, err
	}
	if len(ours) > guardMessages { // an earlier run read them back before it went on
		g.passed = true
		return list, nil
	}
	n, _, _ := c.cut(list[:guardMessages])
	if err := c.transferAll(ctx, list[:n]); err != nil {
		return nil, err
	}
	if c.firstNew == 0 {
		return list[n:], nil // all of them were there, or are refused
	}
	p := proof{first: true}
	if err := c.proveAll(ctx, &p); err != nil {
		return nil, err
	}
	g.passed = p.ours > 0
	return list[n:], nil
}

// proof counts what a target did to our copies.
type proof struct {
	first               bool // it is of the first messages: octets are read back
	begun               bool
	ours, lost, undated int
	dated               int    // otherwise by nowWindow or more, and not by the target's clock
	flagged, unflagged  int    // with system flags, and without those they had
	example             string // of either
	read                int    // octet for octet
}

// verdict says whether what is wrong is more than a few messages' affair. Single
// dates may differ: BlueMind 5 gives the same octets the date that it saw with
// them before, in whichever mailbox: of a mail to all staff, some seconds apart.
func (p *proof) verdict(mailbox string) error {
	switch {
	case p.lost > 0:
		return &FidelityError{mailbox, fmt.Sprintf("the target confirmed %d messages and doesn't show %d of them", p.ours, p.lost)}
	case p.undated > 2 || p.undated > 0 && p.undated == p.ours:
		return &FidelityError{mailbox, fmt.Sprintf("the target gave its own date to %d of %d messages", p.undated, p.ours)}
	case p.first && p.dated > 2 && 2*p.dated > p.ours:
		return &FidelityError{mailbox, fmt.Sprintf("the target dates %d of the first %d messages otherwise: %s", p.dated, p.ours, p.example)}
	case p.first && p.unflagged > 2 && 2*p.unflagged > p.flagged:
		return &FidelityError{mailbox, fmt.Sprintf("the target lost flags of %d of the first %d messages that have any: %s", p.unflagged, p.flagged, p.example)}
	}
	return nil
}

// compare counts one copy, and gives a note on what differs.
func (c *copier) compare(ctx context.Context, cl Claim, m Message, p *proof) (note string, err error) {
	if m.HasSHA1 && m.SHA1 != cl.SHA1 {
		if note, err = c.munged(ctx, cl, m.SHA1); err != nil {
			return "", err
		}
	}
	if c.dateLost(cl, m) {
		p.undated++
	} else if !sameDate(cl.InternalDate, m.InternalDate) {
		if cl.InternalDate.Sub(m.InternalDate).Abs() >= nowWindow {
			p.dated++
		}
		p.example = fmt.Sprintf("UID %d, sent with %s, has %s", cl.DstUID, cl.InternalDate.Format(time.RFC3339), m.InternalDate.Format(time.RFC3339))
		note = join(note, "the target dates it "+m.InternalDate.Format(time.RFC3339)+" (as an identical message, or as it can)")
	}
	want, system := cl.Flags, systemFlags(cl.Flags)
	if c.bare[cl.SrcUID] {
		want = system // STORE tells of the others
	}
	if len(system) > 0 {
		p.flagged++
	}
	if lost := lacking(system, m.Flags); len(lost) > 0 {
		p.unflagged++
		p.example = fmt.Sprintf("UID %d, sent with %v, has %v", cl.DstUID, cl.Flags, m.Flags)
	}
	if lost := lacking(want, m.Flags); len(lost) > 0 {
		note = join(note, flagsNotKept(lost))
	}
	return note, nil
}

// readBack compares octets, where nothing else proves them.
func (c *copier) readBack(ctx context.Context, page []Claim, there map[uint32]Message, p *proof) (map[uint32]string, error) {
	if !p.first {
		return nil, nil
	}
	of, notes := map[uint32]Claim{}, map[uint32]string{}
	var uids []uint32
	for _, cl := range page {
		m, ok := there[cl.DstUID]
		if p.read == guardReads || !ok || m.HasSHA1 || cl.Fate != Copied || cl.Size > guardOctets {
			continue
		}
		p.read++
		uids, of[cl.DstUID] = append(uids, cl.DstUID), cl
	}
	slices.Sort(uids)
	sums := map[uint32][20]byte{}
	if len(uids) == 0 {
		return nil, nil
	}
	if err := c.readHashes(ctx, uids, func(uid uint32, sum [20]byte) { sums[uid] = sum }); err != nil {
		return nil, err
	}
	for uid, sum := range sums {
		if cl := of[uid]; sum != cl.SHA1 {
			note, err := c.munged(ctx, cl, sum)
			if err != nil {
				return nil, err
			}
			notes[cl.SrcUID] = note
		}
	}
	return notes, nil
}

// munged explains a SHA-1 that isn't ours: Cyrus, where munge8bit is on,
// replaces header octets above 127 by X. Any other difference is an error.
func (c *copier) munged(ctx context.Context, cl Claim, got [20]byte) (string, error) {
	known := false
	err := c.src.Fetch(ctx, []uint32{cl.SrcUID}, func(_ uint32, size int64, body io.Reader) error {
		m, err := spool(Message{UID: cl.SrcUID}, size, body, c.opts.SpoolDir, size <= memoryLimit)
		if err != nil {
			return err
		}
		defer m.Close()
		known = m.munged == got
		if known || m.defects == 0 {
			return nil
		}
		forms, err := m.forms()
		known = slices.ContainsFunc(forms, func(form *spooled) bool { return form.munged == got })
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read %q again: %w", c.opts.Source, err)
	}
	if !known {
		return "", &AlteredError{Mailbox: c.opts.Target, SrcUID: cl.SrcUID, Sent: cl.SHA1, Got: got}
	}
	return mungedNote(got), nil
}
