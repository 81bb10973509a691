package imap

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"strings"
	"time"
)

// nowWindow is how near to the present a date must be to be taken for the
// server's own clock instead of the date we sent.
const nowWindow = 10 * time.Minute

// prove lists what this call wrote and compares it with the ledger: each UID
// there, its size and, where the server says it, its SHA-1 ours, its date and
// flags kept. What differs though the message arrived is noted in its row.
func (c *copier) prove(ctx context.Context) error {
	if c.firstNew == 0 {
		return nil
	}
	claims, err := c.ledger.Claims(ctx, c.firstNew)
	if err != nil {
		return err
	}
	if err := c.selectTarget(ctx); err != nil {
		return err
	}
	shown := map[uint32]Message{}
	err = c.dst.Messages(ctx, c.firstNew, 0, func(m Message) error { shown[m.UID] = m; return nil })
	if err == nil && c.dst.Can("DIGEST=SHA1") {
		err = c.dst.Digests(ctx, c.firstNew, 0, func(uid uint32, sum [20]byte) error {
			m := shown[uid]
			m.SHA1, m.HasSHA1 = sum, true
			shown[uid] = m
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("read back %q: %w", c.opts.Target, err)
	}
	return c.judge(ctx, claims, shown)
}

func (c *copier) judge(ctx context.Context, claims []Claim, shown map[uint32]Message) error {
	notes := map[uint32]string{}
	lost, undated, ours := 0, 0, 0
	for _, cl := range claims {
		if cl.Fate != Copied || cl.Gone {
			continue
		}
		ours++
		m, ok := shown[cl.DstUID]
		if !ok || m.UID == 0 {
			lost++
			continue
		}
		if m.HasSHA1 && m.SHA1 != cl.SHA1 {
			note, err := c.munged(ctx, cl, m.SHA1)
			if err != nil {
				return err
			}
			notes[cl.SrcUID] = note
		}
		if c.dateLost(cl, m) {
			undated++
		} else if !sameDate(cl.InternalDate, m.InternalDate) {
			notes[cl.SrcUID] = join(notes[cl.SrcUID], "the target dates it "+m.InternalDate.Format(time.RFC3339)+" (as an identical message, or as it can)")
		}
		if note := c.flagsLost(cl, m); note != "" {
			notes[cl.SrcUID] = join(notes[cl.SrcUID], note)
		}
	}
	if lost > 0 {
		return &FidelityError{c.opts.Target, fmt.Sprintf("the target confirmed %d messages and doesn't show %d of them", ours, lost)}
	}
	if undated > 2 || undated > 0 && undated == ours {
		return &FidelityError{c.opts.Target, fmt.Sprintf("the target gave its own date to %d of %d messages", undated, ours)}
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

func (c *copier) flagsLost(cl Claim, m Message) string {
	lost := lacking(cl.Flags, m.Flags)
	if len(lost) == 0 {
		return ""
	}
	return "flags not kept: " + strings.Join(lost, " ")
}

// munged explains a SHA-1 that isn't ours: Cyrus, where munge8bit is on,
// replaces header octets above 127 by X. Any other difference is an error.
func (c *copier) munged(ctx context.Context, cl Claim, got [20]byte) (string, error) {
	var sum [20]byte
	err := c.src.Fetch(ctx, []uint32{cl.SrcUID}, func(_ uint32, size int64, body io.Reader) error {
		h := sha1.New()
		if _, err := io.Copy(h, &munger{r: body}); err != nil {
			return err
		}
		sum = [20]byte(h.Sum(nil))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read %q again: %w", c.opts.Source, err)
	}
	if sum != got {
		return "", &AlteredError{Mailbox: c.opts.Target, SrcUID: cl.SrcUID, Sent: cl.SHA1, Got: got}
	}
	return mungedNote(got), nil
}

func mungedNote(sum [20]byte) string { return fmt.Sprintf("%s %x", MungedNote, sum) }

// MungedNote begins the note of a message whose 8-bit header octets the
// target replaced; the SHA-1 of what it stored follows, in hex.
const MungedNote = "the target replaced 8-bit header bytes by X; SHA-1"

// munger replaces what Cyrus' munge8bit replaces, as it passes.
type munger struct {
	r    io.Reader
	tail [4]byte // the last octets seen
	body bool
}

func (m *munger) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	for i := 0; i < n && !m.body; i++ {
		copy(m.tail[:], m.tail[1:])
		m.tail[3] = p[i]
		if p[i] >= 0x80 {
			p[i] = 'X'
		}
		m.body = bytes.Equal(m.tail[:], []byte("\r\n\r\n"))
	}
	return n, err
}
