package migrate

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// target proves the target's side: by the REST interface as core sees it, and
// over IMAP as a user sees it: the mailbox's own, or one of a share's.
func (v *prover) target(ctx context.Context, folders []state.Folder) error {
	admin := v.run.platform.admin
	e := &entry{Domain: &bmapi.Domain{UID: v.row.DomainUID}, UID: v.row.EntryUID, Address: v.row.Address, Version: v.run.platform.version.Major,
		Share: v.row.Kind == KindShare}
	known, err := admin.Mailbox(ctx, e.Domain.UID, e.UID)
	if err != nil {
		return fmt.Errorf("mailbox of %s: %w", e.Address, err)
	}
	e.Login = known.Name
	core, err := admin.Folders(ctx, e.Domain.UID, e.UID, !e.Share)
	if err != nil {
		return fmt.Errorf("folders of %s in BlueMind's core: %w", e.Address, err)
	}
	if e.Share {
		if e.Writer, err = v.reader(ctx, e); err != nil {
			return err
		}
	}
	marked := v.row
	marked.VerifiedResult = verifyRunning
	if e.Share {
		marked.Writer = e.Writer.Address
	}
	if err := v.run.store.UpdateAccount(ctx, marked); err != nil {
		return err
	}
	k, err := v.run.takeKey(ctx, e)
	if err != nil {
		return err
	}
	err = v.folders(ctx, k, e, core, folders)
	if closing := v.run.giveKey(ctx, k); closing != nil {
		v.run.event(Event{Kind: EventWarning, Account: e.Address, Text: closing.Error(), Mend: "the next run sweeps it"})
	}
	return err
}

func (v *prover) folders(ctx context.Context, k *key, e *entry, core []bmapi.MailFolder, folders []state.Folder) error {
	dst, err := k.dial(ctx)
	if err != nil {
		return err
	}
	defer dst.Close()
	if v.box, err = v.run.find(ctx, dst, e, v.row.Kind, v.row.Address); err != nil {
		return err
	}
	v.rows = folders
	for _, f := range folders {
		if f.Rule != "" || removedFolder(f) {
			continue
		}
		name := v.box.core(f.Target)
		i := slices.IndexFunc(core, func(c bmapi.MailFolder) bool { return c.FullName == name && !c.Deleted })
		if i < 0 {
			v.proof.find("folder %q is not known to BlueMind's core", name)
			continue
		}
		if strings.Contains(name, "/") && core[i].ParentUID == "" {
			v.proof.find("folder %q has no parent in BlueMind's core", name)
		}
		if err := v.folder(ctx, k.session(), dst, core[i].UID, f); err != nil {
			return fmt.Errorf("folder %q: %w", name, err)
		}
	}
	for _, t := range v.targets {
		v.proof.Foreign += int64(max(0, t.held-t.ours))
	}
	return nil
}

// folder proves one folder: in core, over IMAP, and byte for byte where that is
// asked for.
func (v *prover) folder(ctx context.Context, user *bmapi.Session, dst *imap.Target, uid string, f state.Folder) error {
	c, err := v.copiesOf(ctx, f)
	if err != nil {
		return err
	}
	held, err := v.core(ctx, user, uid, c)
	if err != nil {
		return err
	}
	v.compare(f, c, held)
	if err := v.imapSide(ctx, dst, f, c, held); err != nil {
		return err
	}
	return v.reread(ctx, dst, f, c)
}

// shared says whether other source folders go to a folder's target too.
func (v *prover) shared(f state.Folder) bool {
	return slices.ContainsFunc(v.rows, func(other state.Folder) bool { return other.ID != f.ID && other.Target == f.Target && other.Rule == "" })
}

// sameContent accepts the SHA-1 of what we sent or, where the copy noted that
// the target replaces 8-bit header bytes, of what it made of it.
func sameContent(m state.Message, guid string) bool {
	sent, _, _ := m.OnTarget()
	return strings.EqualFold(guid, hex.EncodeToString(sent[:])) ||
		guid != "" && strings.Contains(m.Note, imap.MungedNote+" "+strings.ToLower(guid))
}
