package imap

import (
	"context"
	"fmt"
	"io"
	"time"
)

// nowWindow is how near to the present a date must be to be taken for the
// server's own clock instead of the date we sent.
const nowWindow = 10 * time.Minute

// prove lists what this call wrote and compares it with the ledger: each UID
// there and, where the server says it, its SHA-1 ours, its date and flags kept.
// What differs though the message arrived is noted in its row. Sizes prove
// nothing: BlueMind 5 states them a little wrongly.
func (c *copier) prove(ctx context.Context) error {
	if c.firstNew == 0 {
		return nil
	}
	return c.proveAll(ctx, &proof{})
}

func (c *copier) proveAll(ctx context.Context, p *proof) error {
	if err := c.claims(ctx, c.firstNew, func(page []Claim) error { return c.provePage(ctx, page, p) }); err != nil {
		return err
	}
	return p.verdict(c.opts.Target)
}

func (c *copier) provePage(ctx context.Context, page []Claim, p *proof) error {
	there, err := c.listClaimed(ctx, page, !p.begun)
	if err != nil {
		return err
	}
	p.begun = true
	notes, err := c.readBack(ctx, page, there, p)
	if err != nil {
		return err
	}
	for _, cl := range page {
		if cl.Fate != Copied || cl.Gone {
			continue
		}
		p.ours++
		m, ok := there[cl.DstUID]
		if !ok {
			p.lost++
			continue
		}
		note, err := c.compare(ctx, cl, m, p)
		if err != nil {
			return err
		}
		if note = join(notes[cl.SrcUID], note); note != "" {
			if notes == nil {
				notes = map[uint32]string{}
			}
			notes[cl.SrcUID] = note
		}
	}
	if len(notes) == 0 {
		return nil
	}
	return c.ledger.Annotate(ctx, notes)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// sameDate compares instants to the second. BlueMind 5 stores no zone, so
// that the hour which an autumn night has twice may come back as the other.
func sameDate(a, b time.Time) bool { return a.IsZero() || a.Unix() == b.Unix() }

// dateLost says whether the target put its own clock in the place of a date.
// Cyrus does so for the epoch, which it takes for "none".
func (c *copier) dateLost(cl Claim, m Message) bool {
	if cl.InternalDate.IsZero() || cl.InternalDate.Unix() == 0 {
		return false
	}
	now := c.opts.Now()
	return now.Sub(m.InternalDate).Abs() < nowWindow && now.Sub(cl.InternalDate).Abs() > 2*nowWindow
}

func mungedNote(sum [20]byte) string { return fmt.Sprintf("%s %x", MungedNote, sum) }

// MungedNote begins the note of a message whose 8-bit header octets the
// target replaced; the SHA-1 of what it stored follows, in hex.
const MungedNote = "the target replaced 8-bit header bytes by X; SHA-1"

// munger replaces what Cyrus' munge8bit replaces, as it passes.
type munger struct {
	r     io.Reader
	words bool // the line has other octets than CRs
	body  bool
}

func (m *munger) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	for i := 0; i < n && !m.body; i++ {
		switch {
		case p[i] == '\n':
			m.body, m.words = !m.words, false
		case p[i] != '\r':
			m.words = true
		}
		if p[i] >= 0x80 {
			p[i] = 'X'
		}
	}
	return n, err
}
