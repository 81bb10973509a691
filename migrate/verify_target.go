package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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

// folder waits, within its patience, until core shows what the ledger says:
// on BlueMind 4 it follows Cyrus with a delay.
func (v *prover) folder(ctx context.Context, user *bmapi.Session, dst *imap.Target, uid string, f state.Folder) error {
	rows := map[uint32]state.Message{}
	for m, err := range v.run.store.Claims(ctx, f.ID, f.SrcUIDValidity, 1) {
		if err != nil {
			return err
		}
		if m.State != state.Vanished && !m.DstGone {
			rows[m.DstUID] = m
		}
		if m.DstGone {
			v.proof.Gone++
		}
	}
	items, err := v.core(ctx, user, uid, rows)
	if err != nil {
		return err
	}
	v.compare(f, rows, items)
	if err := v.imapSide(ctx, dst, f, rows, len(items)); err != nil {
		return err
	}
	return v.reread(ctx, dst, f, rows)
}

// core reads which messages BlueMind's core knows in a folder, by IMAP UID.
func (v *prover) core(ctx context.Context, user *bmapi.Session, folder string, rows map[uint32]state.Message) (map[uint32]bmapi.MailItem, error) {
	deadline := v.opts.Now().Add(v.opts.Patience)
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ids, err := user.SortedIDs(ctx, folder, bmapi.AllMessages())
		if err != nil {
			return nil, fmt.Errorf("messages in BlueMind's core: %w", err)
		}
		items := make(map[uint32]bmapi.MailItem, len(ids))
		for part := range slices.Chunk(ids, 500) {
			list, err := user.Items(ctx, folder, part)
			if err != nil {
				return nil, fmt.Errorf("messages in BlueMind's core: %w", err)
			}
			for _, it := range list {
				items[it.IMAPUID] = it
			}
		}
		if v.run.platform.version.Major != 4 || holdsAll(items, rows) || v.opts.Now().After(deadline) {
			return items, nil
		}
		if err := v.run.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func holdsAll(items map[uint32]bmapi.MailItem, rows map[uint32]state.Message) bool {
	for uid := range rows {
		if it, ok := items[uid]; !ok || it.BodyGUID == "" {
			return false
		}
	}
	return true
}

// compare holds the ledger against core: each of our messages there, with our
// SHA-1 as its guid.
func (v *prover) compare(f state.Folder, rows map[uint32]state.Message, items map[uint32]bmapi.MailItem) {
	missing, strange := 0, 0
	for uid, m := range rows {
		it, ok := items[uid]
		switch {
		case !ok:
			missing++
		case !sameContent(m, it.BodyGUID):
			strange++
		default:
			v.proof.Messages++
			v.proof.Bytes += m.Size
		}
	}
	if missing > 0 {
		v.proof.find("folder %q: %d of %d messages are missing in BlueMind's core", f.Target, missing, len(rows))
	}
	if strange > 0 {
		v.proof.find("folder %q: %d messages have another SHA-1 in BlueMind's core", f.Target, strange)
	}
	// Several source folders may go into one.
	if v.targets == nil {
		v.targets = map[string]targetCount{}
	}
	t := v.targets[f.Target]
	if t.held, t.ours = len(items), t.ours+len(rows)-missing; t.claimed == nil && v.shared(f) {
		t.claimed = map[uint32]bool{}
	}
	twice := 0
	for uid := range rows {
		if t.claimed[uid] {
			twice++
		} else if t.claimed != nil {
			t.claimed[uid] = true
		}
	}
	if twice > 0 {
		v.proof.find("folder %q: %d messages are taken for the copies of two source messages", f.Target, twice)
	}
	v.targets[f.Target] = t
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

// imapSide asks the IMAP server the same: how many messages, which UIDs, and,
// where it says them, their digests.
func (v *prover) imapSide(ctx context.Context, dst *imap.Target, f state.Folder, rows map[uint32]state.Message, inCore int) error {
	st, err := dst.Select(ctx, v.box.imap(f.Target))
	if err != nil {
		return err
	}
	if st.UIDValidity != f.DstUIDValidity {
		v.proof.find("folder %q: its UIDVALIDITY was %d and is %d", f.Target, f.DstUIDValidity, st.UIDValidity)
		return nil
	}
	if int(st.Messages) != inCore {
		v.proof.find("folder %q: IMAP counts %d messages, BlueMind's core %d", f.Target, st.Messages, inCore)
	}
	seen, other := 0, 0
	if st.Messages > 0 {
		if err := dst.Messages(ctx, 1, 0, func(m imap.Message) error {
			if _, ok := rows[m.UID]; ok {
				seen++
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if dst.Can("DIGEST=SHA1") && st.Messages > 0 {
		if err := dst.Digests(ctx, 1, 0, func(uid uint32, sum [20]byte) error {
			if m, ok := rows[uid]; ok && !sameContent(m, hex.EncodeToString(sum[:])) {
				other++
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if seen < len(rows) {
		v.proof.find("folder %q: %d of %d messages are missing over IMAP", f.Target, len(rows)-seen, len(rows))
	}
	if other > 0 {
		v.proof.find("folder %q: %d messages have another SHA-1 over IMAP", f.Target, other)
	}
	return nil
}

// reread reads messages back from the selected folder and compares them byte
// for byte, by SHA-256.
func (v *prover) reread(ctx context.Context, dst *imap.Target, f state.Folder, rows map[uint32]state.Message) error {
	if v.opts.Reread == RereadNone || len(rows) == 0 {
		return nil
	}
	uids := make([]uint32, 0, len(rows))
	for uid, m := range rows {
		if m.SHA256 != ([32]byte{}) {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	if step := len(uids) / sampleSize; v.opts.Reread == RereadSample && step > 1 {
		var some []uint32
		for i := 0; i < len(uids); i += step {
			some = append(some, uids[i])
		}
		uids = some
	}
	differ, got := 0, 0
	err := dst.Fetch(ctx, uids, func(uid uint32, _ int64, body io.Reader) error {
		h := sha256.New()
		if _, err := io.Copy(h, body); err != nil {
			return err
		}
		got++
		m := rows[uid]
		if _, sent, _ := m.OnTarget(); [32]byte(h.Sum(nil)) != sent && !strings.Contains(m.Note, imap.MungedNote) {
			differ++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if differ > 0 {
		v.proof.find("folder %q: %d of %d messages read back differ from the source's bytes", f.Target, differ, got)
	}
	if got < len(uids) {
		v.proof.find("folder %q: %d of %d messages could not be read back", f.Target, len(uids)-got, len(uids))
	}
	v.proof.Reread += int64(got - differ)
	return nil
}
