package imap

import (
	"cmp"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"slices"
)

// unclaimed lists the target's messages from UID first on that no row claims.
// sizes, if not nil, are the only ones worth reading for their hash, where the
// server gives none.
func (c *copier) unclaimed(ctx context.Context, first uint32, sizes map[int64]bool) (*contents, error) {
	taken := uidSeen{}
	var err error
	for _, l := range c.ledgers() {
		if err == nil {
			err = eachClaim(ctx, l, first, func(page []Claim) error {
				for _, cl := range page {
					taken.add(cl.DstUID)
				}
				return nil
			})
		}
	}
	if err == nil && c.opts.Others != nil {
		err = c.opts.Others(ctx, c.dstValidity, first, func(uid uint32) { taken.add(uid) })
	}
	if err != nil {
		return nil, err
	}
	return c.hashed(ctx, first, 0, func(m Message) bool {
		return !taken.has(m.UID) && (sizes == nil || m.HasSHA1 || sizesNear(sizes, m.Size))
	})
}

// sizesNear allows for BlueMind 5, whose RFC822.SIZE may be smaller than the
// message for malformed ones: then every size is worth a look.
func sizesNear(sizes map[int64]bool, size int64) bool {
	if sizes[size] || size < 0 {
		return true
	}
	for s := range sizes {
		if s > size && s-size <= 64<<10 {
			return true
		}
	}
	return false
}

// hashed lists the wanted messages of the target mailbox with UIDs from first
// to last (0: to the end) by their SHA-1: the one that comes with the listing,
// the one that the caller knows how to ask for, or that of the octets.
func (c *copier) hashed(ctx context.Context, first, last uint32, want func(Message) bool) (*contents, error) {
	out := &contents{}
	listed, octets, silent := int64(0), int64(0), uidSeen{}
	err := c.listTarget(ctx, first, last, true, func(m Message) error {
		listed++
		if !want(m) {
			return nil
		}
		out.add(m)
		if !m.HasSHA1 {
			silent.add(m.UID)
			octets += max(m.Size, 0)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.list, func(a, b content) int { return cmp.Compare(a.uid, b.uid) })
	told := func(uid uint32, sum [20]byte) {
		i, ok := slices.BinarySearchFunc(out.list, uid, func(e content, uid uint32) int { return cmp.Compare(e.uid, uid) })
		if ok && silent.has(uid) {
			out.list[i].sum = sum
			silent.remove(uid)
		}
	}
	if last == 0 && c.opts.Digests != nil && octets > max(digestLeast, listed*digestOctets) {
		if err := c.opts.Digests(ctx, first, told); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			c.tally.Notes = append(c.tally.Notes, "messages of the target are read to be recognised, since it doesn't tell their SHA-1 otherwise: "+err.Error())
		}
	}
	var unread []uint32
	for _, e := range out.list {
		if silent.has(e.uid) {
			unread = append(unread, e.uid)
		}
	}
	if err := c.readHashes(ctx, unread, told); err != nil {
		return nil, err
	}
	out.list = slices.DeleteFunc(out.list, func(e content) bool { return silent.has(e.uid) }) // went meanwhile
	out.sort()
	return out, nil
}

// digestOctets is about what Digests costs a message of the folder, in octets:
// it is asked where the bodies in question are more, and worth its round trips.
const (
	digestOctets = 1 << 10
	digestLeast  = 128 << 10
)

func byUID(a, b Message) int { return cmp.Compare(a.UID, b.UID) }

// readHashes reads bodies from the selected target mailbox to hash them.
func (c *copier) readHashes(ctx context.Context, uids []uint32, told func(uid uint32, sum [20]byte)) error {
	if len(uids) == 0 {
		return nil
	}
	err := c.dst.Fetch(ctx, uids, func(uid uint32, size int64, body io.Reader) error {
		h := sha1.New()
		if _, err := io.Copy(h, body); err != nil {
			return err
		}
		told(uid, [20]byte(h.Sum(nil)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read back from %q: %w", c.opts.Target, err)
	}
	return nil
}
