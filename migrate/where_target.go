package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/state"
)

// coreBox is an account's mailbox as BlueMind's core shows it to the
// administrator, for reading. A nil one can't be asked.
type coreBox struct {
	admin   *bmapi.Session
	row     state.Account
	box     box
	folders []bmapi.MailFolder // once listed
}

// entered finds by what name BlueMind knows the mailbox.
func (b *coreBox) entered(ctx context.Context) (box, error) {
	if b.row.EntryUID == "" || b.row.Kind != KindShare {
		return boxOf(b.row.Kind, b.row.Address, shareName(b.row.Kind, b.row.Address)), nil
	}
	known, err := b.admin.Mailbox(ctx, b.row.DomainUID, b.row.EntryUID)
	if err != nil {
		return box{}, fmt.Errorf("mailbox of %s: %w", b.row.Address, err)
	}
	return boxOf(b.row.Kind, b.row.Address, known.Name), nil
}

func (b *coreBox) list(ctx context.Context) ([]bmapi.MailFolder, error) {
	if b.folders != nil || b.row.EntryUID == "" {
		return b.folders, nil
	}
	list, err := b.admin.Folders(ctx, b.row.DomainUID, b.row.EntryUID, b.row.Kind != KindShare)
	if err != nil {
		return nil, fmt.Errorf("folders of %s: %w", b.row.Address, err)
	}
	b.folders = slices.DeleteFunc(list, func(f bmapi.MailFolder) bool { return f.Deleted })
	return b.folders, nil
}

// coreView is what core shows of some messages of a folder. A nil one is of a
// target that could not be asked.
type coreView struct {
	uidValidity uint32 // 0: not told, or no such folder
	items       map[uint32]bmapi.MailItem
}

// look finds messages of a folder by their IMAP UIDs.
func (b *coreBox) look(ctx context.Context, folder string, uids map[uint32]bool) (*coreView, error) {
	if b == nil {
		return nil, nil
	}
	folders, err := b.list(ctx)
	if err != nil {
		return nil, err
	}
	view := &coreView{items: map[uint32]bmapi.MailItem{}}
	folder = b.box.core(folder)
	i := slices.IndexFunc(folders, func(f bmapi.MailFolder) bool { return f.FullName == folder })
	if i < 0 {
		return view, nil
	}
	view.uidValidity = folders[i].UIDValidity
	err = b.each(ctx, folders[i].UID, func(it bmapi.MailItem) bool {
		if uids[it.IMAPUID] {
			view.items[it.IMAPUID] = it
		}
		return len(view.items) < len(uids)
	})
	return view, err
}

// each reads a folder's messages until fn has enough, the newest first: those
// are what is asked for mostly.
func (b *coreBox) each(ctx context.Context, folderUID string, fn func(bmapi.MailItem) bool) error {
	ids, err := b.admin.SortedIDs(ctx, folderUID, bmapi.AllMessages())
	if err != nil {
		return err
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	for part := range slices.Chunk(ids, bmapi.MaxItems) {
		items, err := b.admin.Items(ctx, folderUID, part)
		if err != nil {
			return err
		}
		for _, it := range items {
			if !fn(it) {
				return nil
			}
		}
	}
	return nil
}

// place is where a message is on the target.
type place struct {
	folder string
	uid    uint32
}

// find looks for a Message-ID in the whole mailbox.
func (b *coreBox) find(ctx context.Context, id string) ([]place, error) {
	folders, err := b.list(ctx)
	if err != nil {
		return nil, err
	}
	var found []place
	for _, f := range folders {
		if err := b.each(ctx, f.UID, func(it bmapi.MailItem) bool {
			if bare(it.MessageID) == id {
				name, _ := b.box.planned(f.FullName) // all that is listed is in this box
				found = append(found, place{name, it.IMAPUID})
			}
			return true
		}); err != nil {
			return found, fmt.Errorf("messages of %q: %w", f.FullName, err)
		}
	}
	slices.SortFunc(found, func(a, b place) int { return strings.Compare(a.folder, b.folder) })
	return found, nil
}

// of says what the target shows now of a copy.
func (v *coreView) of(f *Fate) string {
	if v == nil {
		return NowUnknown
	}
	it, ok := v.items[f.TargetUID]
	switch {
	case !ok, v.uidValidity != 0 && f.validity != 0 && v.uidValidity != f.validity:
		return NowGone
	case it.BodyGUID == "": // BlueMind 4's core has not read it yet
		return NowUnknown
	case sameContent(f.message, it.BodyGUID):
		return NowThere
	}
	return NowAltered
}
