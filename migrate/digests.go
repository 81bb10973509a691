package migrate

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"bmsync/bmapi"
)

// digests asks BlueMind's core for the SHA-1 of the messages in a folder of the
// target: body.guid, which is that of the octets. Version 5's IMAP listing doesn't
// tell it; 1 + n/500 calls do, where else every message would be read. They are
// the user's own calls, by the key that the mail is copied with. Version 4 has it in
// Cyrus' listing, and core follows with a delay: it isn't asked, nil.
//
// The newest items are asked for first, since those that came last are those in
// doubt; what is older than the UID first isn't asked for. Of a million messages, the
// ids (8 MB) and 500 items are in memory at a time.
func (w *accountWork) digests(target string) func(context.Context, uint32, func(uint32, [20]byte)) error {
	if w.run.platform.version.Major == 4 {
		return nil
	}
	return func(ctx context.Context, first uint32, tell func(uid uint32, sha1 [20]byte)) error {
		core, err := w.run.platform.admin.Folders(ctx, w.entry.Domain.UID, w.entry.UID, !w.entry.Share)
		if err != nil {
			return fmt.Errorf("folders of %s in BlueMind's core: %w", w.entry.Address, err)
		}
		name := w.box.core(target)
		i := slices.IndexFunc(core, func(f bmapi.MailFolder) bool { return f.FullName == name && !f.Deleted })
		if i < 0 {
			return fmt.Errorf("folder %q is not known to BlueMind's core", name)
		}
		var ids []int64
		err = w.asUser(func(user *bmapi.Session) (err error) {
			ids, err = user.SortedIDs(ctx, core[i].UID, bmapi.AllMessages())
			return err
		})
		slices.Sort(ids)
		for newer := true; err == nil && newer && len(ids) > 0; {
			from := max(0, len(ids)-bmapi.MaxItems)
			newer, err = w.tellItems(ctx, core[i].UID, ids[from:], first, tell)
			ids = ids[:from]
		}
		if err != nil {
			return fmt.Errorf("messages in BlueMind's core: %w", err)
		}
		return nil
	}
}

// tellItems tells the digests of items. newer says that one of them at least has
// the UID first, or a later one.
func (w *accountWork) tellItems(ctx context.Context, folder string, ids []int64, first uint32, tell func(uint32, [20]byte)) (newer bool, err error) {
	err = w.asUser(func(user *bmapi.Session) error {
		items, err := user.Items(ctx, folder, ids)
		for _, it := range items {
			var sum [20]byte
			if len(it.BodyGUID) != hex.EncodedLen(len(sum)) {
				continue
			}
			if _, err := hex.Decode(sum[:], []byte(it.BodyGUID)); err != nil {
				continue
			}
			newer = newer || it.IMAPUID >= first
			tell(it.IMAPUID, sum)
		}
		return err
	})
	return newer, err
}

// asUser acts by the account's key. One that is renewed meanwhile is no key any
// more: the new one is tried, once.
func (w *accountWork) asUser(do func(*bmapi.Session) error) error {
	err := do(w.key.session())
	if errors.Is(err, bmapi.ErrUnauthenticated) {
		err = do(w.key.session())
	}
	return err
}
