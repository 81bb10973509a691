package migrate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// copies are the messages that a folder should have on the target: 40 octets
// each, for there may be a million.
type copies struct {
	rows  []copyRow
	notes map[uint32]string // of those that the target is known to have changed
	past  int               // copies of what the source has no more, left there
}

type copyRow struct {
	size int64
	sha1 [20]byte // as sent
	uid  uint32   // on the target; rows ascend by it
	core inCore
}

// inCore is what BlueMind's core shows of a copy.
type inCore uint8

const (
	coreMissing inCore = iota
	coreUnread         // without a digest: not replicated yet
	coreStrange        // with another digest
	coreEqual
)

// copiesOf reads what the ledger says of a folder, and counts what is gone.
func (v *prover) copiesOf(ctx context.Context, f state.Folder) (*copies, error) {
	sums, err := v.run.store.Sums(ctx, f.ID, f.SrcUIDValidity)
	if err != nil {
		return nil, err
	}
	c := &copies{rows: make([]copyRow, 0, sums[state.Copied].Messages+sums[state.Present].Messages), notes: map[uint32]string{}}
	for m, err := range v.run.store.Claims(ctx, f.ID, f.SrcUIDValidity, 1) {
		if err != nil {
			return nil, err
		}
		if m.DstGone {
			v.proof.Gone++
		}
		if !stands(m) {
			if !m.DstGone {
				c.past++
			}
			continue
		}
		sent, _, _ := m.OnTarget()
		c.rows = append(c.rows, copyRow{size: m.Size, sha1: sent, uid: m.DstUID})
		if strings.Contains(m.Note, imap.MungedNote) {
			c.notes[m.DstUID] = m.Note
		}
	}
	return c, nil
}

// stands says whether the target should have a claimed copy now.
func stands(m state.Message) bool { return m.State != state.Vanished && !m.DstGone }

func (c *copies) at(uid uint32) *copyRow {
	i, ok := slices.BinarySearchFunc(c.rows, uid, func(r copyRow, uid uint32) int { return cmp.Compare(r.uid, uid) })
	if !ok {
		return nil
	}
	return &c.rows[i]
}

// same accepts what sameContent does.
func (c *copies) same(r *copyRow, guid string) bool {
	return sameContent(state.Message{SHA1: r.sha1, Note: c.notes[r.uid]}, guid)
}

// inCore notes what core shows of one message.
func (c *copies) inCore(it bmapi.MailItem) {
	r := c.at(it.IMAPUID)
	switch {
	case r == nil:
	case it.BodyGUID == "":
		r.core = coreUnread
	case c.same(r, it.BodyGUID):
		r.core = coreEqual
	default:
		r.core = coreStrange
	}
}

// read says whether core has read every copy.
func (c *copies) read() bool {
	return !slices.ContainsFunc(c.rows, func(r copyRow) bool { return r.core <= coreUnread })
}

// core reads which messages BlueMind's core knows in a folder, and gives their
// number. On BlueMind 4 it waits, within its patience, until core shows what the
// ledger says: it follows Cyrus with a delay.
func (v *prover) core(ctx context.Context, user *bmapi.Session, folder string, c *copies) (held int, err error) {
	deadline := v.opts.Now().Add(v.opts.Patience)
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ids, err := user.SortedIDs(ctx, folder, bmapi.AllMessages())
		if err != nil {
			return 0, fmt.Errorf("messages in BlueMind's core: %w", err)
		}
		for i := range c.rows {
			c.rows[i].core = coreMissing
		}
		held := 0
		for part := range slices.Chunk(ids, bmapi.MaxItems) {
			list, err := user.Items(ctx, folder, part)
			if err != nil {
				return 0, fmt.Errorf("messages in BlueMind's core: %w", err)
			}
			held += len(list)
			for _, it := range list {
				c.inCore(it)
			}
		}
		if v.run.platform.version.Major != 4 || c.read() || v.opts.Now().After(deadline) {
			return held, nil
		}
		if err := v.run.pause(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// compare holds the ledger against core: each of our messages there, with our
// SHA-1 as its guid.
func (v *prover) compare(f state.Folder, c *copies, held int) {
	missing, strange := 0, 0
	for _, r := range c.rows {
		switch r.core {
		case coreMissing:
			missing++
		case coreEqual:
			v.proof.Messages++
			v.proof.Bytes += r.size
		default:
			strange++
		}
	}
	if missing > 0 {
		v.proof.find("folder %q: %d of %d messages are missing in BlueMind's core", f.Target, missing, len(c.rows))
	}
	if strange > 0 {
		v.proof.find("folder %q: %d messages have another SHA-1 in BlueMind's core", f.Target, strange)
	}
	// Several source folders may go into one.
	if v.targets == nil {
		v.targets = map[string]targetCount{}
	}
	t := v.targets[f.Target]
	if t.held, t.ours = held, t.ours+len(c.rows)-missing+c.past; t.claimed == nil && v.shared(f) {
		t.claimed = map[uint32]bool{}
	}
	twice := 0
	for _, r := range c.rows {
		if t.claimed[r.uid] {
			twice++
		} else if t.claimed != nil {
			t.claimed[r.uid] = true
		}
	}
	if twice > 0 {
		v.proof.find("folder %q: %d messages are taken for the copies of two source messages", f.Target, twice)
	}
	v.targets[f.Target] = t
}

// imapSide asks the IMAP server the same: how many messages, which UIDs, and,
// where it says them, their digests.
func (v *prover) imapSide(ctx context.Context, dst *imap.Target, f state.Folder, c *copies, held int) error {
	st, err := dst.Select(ctx, v.box.imap(f.Target))
	if err != nil {
		return err
	}
	if st.UIDValidity != f.DstUIDValidity {
		v.proof.find("folder %q: its UIDVALIDITY was %d and is %d", f.Target, f.DstUIDValidity, st.UIDValidity)
		return nil
	}
	if int(st.Messages) != held {
		v.proof.find("folder %q: IMAP counts %d messages, BlueMind's core %d", f.Target, st.Messages, held)
	}
	seen, other := 0, 0
	if st.Messages > 0 {
		if err := dst.Messages(ctx, 1, 0, func(m imap.Message) error {
			r := c.at(m.UID)
			if r != nil {
				seen++
			}
			if r != nil && m.HasSHA1 && !c.same(r, hex.EncodeToString(m.SHA1[:])) {
				other++
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if seen < len(c.rows) {
		v.proof.find("folder %q: %d of %d messages are missing over IMAP", f.Target, len(c.rows)-seen, len(c.rows))
	}
	if other > 0 {
		v.proof.find("folder %q: %d messages have another SHA-1 over IMAP", f.Target, other)
	}
	return nil
}

// rereadPage is how many messages are asked for together.
const rereadPage = 500

// reread reads messages back from the selected folder and compares them byte
// for byte, by SHA-256.
func (v *prover) reread(ctx context.Context, dst *imap.Target, f state.Folder, c *copies) error {
	if v.opts.Reread == RereadNone || len(c.rows) == 0 {
		return nil
	}
	step := 1
	if v.opts.Reread == RereadSample {
		step = max(1, len(c.rows)/sampleSize)
	}
	back := &readBack{page: map[uint32]state.Message{}}
	n := 0
	for m, err := range v.run.store.Claims(ctx, f.ID, f.SrcUIDValidity, 1) {
		if err != nil {
			return err
		}
		if !stands(m) || m.SHA256 == ([32]byte{}) {
			continue
		}
		if n++; (n-1)%step > 0 {
			continue
		}
		if back.page[m.DstUID] = m; len(back.page) == rereadPage {
			if err := back.fetch(ctx, dst); err != nil {
				return err
			}
		}
	}
	if err := back.fetch(ctx, dst); err != nil {
		return err
	}
	if back.differ > 0 {
		v.proof.find("folder %q: %d of %d messages read back differ from the source's bytes", f.Target, back.differ, back.got)
	}
	if back.got < back.asked {
		v.proof.find("folder %q: %d of %d messages could not be read back", f.Target, back.asked-back.got, back.asked)
	}
	v.proof.Reread += int64(back.got - back.differ)
	return nil
}

// readBack counts messages that were read back.
type readBack struct {
	page               map[uint32]state.Message // to be asked for next, by target UID
	asked, got, differ int
}

// fetch asks for a page, and begins the next.
func (b *readBack) fetch(ctx context.Context, dst *imap.Target) error {
	b.asked += len(b.page)
	err := dst.Fetch(ctx, slices.Sorted(maps.Keys(b.page)), func(uid uint32, _ int64, body io.Reader) error {
		h := sha256.New()
		if _, err := io.Copy(h, body); err != nil {
			return err
		}
		b.got++
		m := b.page[uid]
		if _, sent, _ := m.OnTarget(); [32]byte(h.Sum(nil)) != sent && !strings.Contains(m.Note, imap.MungedNote) {
			b.differ++
		}
		return nil
	})
	clear(b.page)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	return nil
}
