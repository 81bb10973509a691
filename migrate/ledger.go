package migrate

import (
	"context"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"

	"bmsync/imap"
	"bmsync/state"
)

// ledger fits one folder of the state to what the copy engine asks for. It is
// bound to the UIDVALIDITY that the source shows now: rows under an older one
// are the folder's past, and claim nothing.
type ledger struct {
	store       *state.Store
	folder      int64
	srcValidity uint32
	dstValidity uint32
	run         int64
	first       bool         // nothing was kept of the folder before
	begun       atomic.Bool  // something is now
	missed      func(missed) // told of copies that are seen missing; nil: nobody is
}

var _ imap.Ledger = (*ledger)(nil)

// blank says that the state has nothing of the folder, so that it needs not be asked.
func (l *ledger) blank() bool { return l.first && !l.begun.Load() }

var fateOf = map[state.MessageState]imap.Fate{
	state.Copied: imap.Copied, state.Present: imap.Present, state.Excluded: imap.Excluded,
	state.Refused: imap.Refused, state.Vanished: imap.Vanished, state.Pending: imap.Pending,
}

var stateOf = map[imap.Fate]state.MessageState{
	imap.Copied: state.Copied, imap.Present: state.Present, imap.Excluded: state.Excluded,
	imap.Refused: state.Refused, imap.Vanished: state.Vanished, imap.Pending: state.Pending,
}

func (l *ledger) Known(ctx context.Context, first, last uint32) ([]imap.Known, error) {
	if l.blank() {
		return nil, nil
	}
	var out []imap.Known
	for m, err := range l.store.MessagesBetween(ctx, l.folder, l.srcValidity, first, last) {
		if err != nil {
			return nil, err
		}
		out = append(out, knownOf(m))
	}
	return out, nil
}

func knownOf(m state.Message) imap.Known {
	if m.Removed && m.DstGone {
		m.DstUID = 0 // by us: were the message listed again, it would have to be copied again
	}
	return imap.Known{SrcUID: m.SrcUID, DstUID: m.DstUID, Size: m.Size, InternalDate: m.InternalDate, Flags: m.Flags,
		DateText: m.DateText, SHA1: m.SHA1, Fate: fateOf[m.State], Reason: m.Reason, By: m.By, Note: m.Note, DstGone: m.DstGone}
}

func (l *ledger) Return(ctx context.Context, srcUIDs []uint32) error {
	return l.store.MarkReturned(ctx, l.folder, l.srcValidity, srcUIDs)
}

// Claims leaves out copies in a target folder that is no more.
func (l *ledger) Claims(ctx context.Context, first uint32, limit int) ([]imap.Claim, error) {
	if l.blank() {
		return nil, nil
	}
	var out []imap.Claim
	for m, err := range l.store.ClaimsPage(ctx, l.folder, l.srcValidity, l.dstValidity, first, limit) {
		if err != nil {
			return nil, err
		}
		sha1, _, size := m.OnTarget()
		out = append(out, imap.Claim{SrcUID: m.SrcUID, DstUID: m.DstUID, Size: size, InternalDate: m.InternalDate,
			SHA1: sha1, Stored: storedSHA1(m.Note), Flags: m.Flags, Gone: m.DstGone, Fate: fateOf[m.State]})
	}
	return out, nil
}

// storedSHA1 reads, out of a row's note, the SHA-1 of what the target stored.
func storedSHA1(note string) (sum [20]byte) {
	_, text, ok := strings.Cut(note, imap.MungedNote+" ")
	if !ok || len(text) < hex.EncodedLen(len(sum)) {
		return sum
	}
	if b, err := hex.DecodeString(text[:hex.EncodedLen(len(sum))]); err == nil {
		copy(sum[:], b)
	}
	return sum
}

func (l *ledger) Begin(ctx context.Context, batch []imap.Intent) error {
	l.begun.Store(true)
	out := make([]state.Intent, len(batch))
	for i, in := range batch {
		out[i] = state.Intent{SrcUIDValidity: l.srcValidity, SrcUID: in.SrcUID, DstUIDValidity: l.dstValidity, DstUIDNext: in.DstUIDNext,
			Size: in.Size, InternalDate: in.InternalDate, Flags: in.Flags, SHA1: in.SHA1, SHA256: in.SHA256, Munged: in.Munged,
			Repaired: (*state.Sent)(in.Sent), DateText: in.DateText, Note: in.Note, Begun: in.Begun, Run: l.run}
	}
	return l.store.Begin(ctx, l.folder, out)
}

func (l *ledger) Record(ctx context.Context, batch []imap.Outcome) error {
	l.begun.Store(true)
	out := make([]state.Message, len(batch))
	for i, o := range batch {
		out[i] = state.Message{SrcUIDValidity: l.srcValidity, SrcUID: o.SrcUID, DstUIDValidity: o.DstUIDValidity, DstUID: o.DstUID,
			Size: o.Size, InternalDate: o.InternalDate, DateText: o.DateText, Flags: o.Flags, SHA1: o.SHA1, SHA256: o.SHA256,
			Repaired: (*state.Sent)(o.Sent), State: stateOf[o.Fate], Reason: o.Reason, By: o.By, Note: o.Note, DstGone: o.Gone}
	}
	return l.store.Record(ctx, l.folder, out)
}

func (l *ledger) Open(ctx context.Context) ([]imap.Intent, error) {
	if l.blank() {
		return nil, nil
	}
	intents, err := l.store.Intents(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	var out []imap.Intent
	for _, in := range intents {
		if in.SrcUIDValidity != l.srcValidity || in.DstUIDValidity != l.dstValidity {
			continue // its folder is no more, and what it wrote with it
		}
		out = append(out, imap.Intent{SrcUID: in.SrcUID, DstUIDNext: in.DstUIDNext, Size: in.Size, InternalDate: in.InternalDate,
			Flags: in.Flags, SHA1: in.SHA1, SHA256: in.SHA256, Munged: in.Munged, Sent: (*imap.Sent)(in.Repaired),
			DateText: in.DateText, Note: in.Note, Begun: in.Begun})
	}
	return out, nil
}

func (l *ledger) Vanish(ctx context.Context, srcUIDs []uint32) error {
	return l.store.MarkVanished(ctx, l.folder, l.srcValidity, srcUIDs)
}

func (l *ledger) Flagged(ctx context.Context, changes []imap.FlagChange) error {
	out := make([]state.FlagChange, len(changes))
	for i, c := range changes {
		out[i] = state.FlagChange{SrcUIDValidity: l.srcValidity, SrcUID: c.SrcUID, Flags: c.Now}
	}
	return l.store.UpdateFlags(ctx, l.folder, out)
}

func (l *ledger) Repoint(ctx context.Context, srcUID, dstUID uint32, sent *imap.Sent) error {
	l.begun.Store(true)
	return l.store.Repoint(ctx, l.folder, l.srcValidity, srcUID, l.dstValidity, dstUID, (*state.Sent)(sent))
}

func (l *ledger) Annotate(ctx context.Context, notes map[uint32]string) error {
	return l.store.Annotate(ctx, l.folder, l.srcValidity, notes)
}

func (l *ledger) Gone(ctx context.Context, srcUIDs []uint32) error {
	if err := l.store.SetDstGone(ctx, l.folder, l.srcValidity, srcUIDs, true); err != nil || l.missed == nil {
		return err
	}
	l.missed(missed{l.folder, srcUIDs, l.srcValidity})
	return nil
}

func (l *ledger) Former(ctx context.Context) (validities []uint32, open bool, err error) {
	if l.first {
		return nil, false, nil // there is no other UIDVALIDITY
	}
	epochs, err := l.store.Epochs(ctx, l.folder)
	if err != nil {
		return nil, false, err
	}
	for _, e := range epochs {
		if e.SrcUIDValidity != l.srcValidity {
			validities, open = append(validities, e.SrcUIDValidity), open || !e.Closed
		}
	}
	return validities, open, nil
}

func (l *ledger) Carry(ctx context.Context, srcUIDValidity uint32, rows []imap.Carried) error {
	l.begun.Store(true)
	out := make([]state.Carried, len(rows))
	for i, r := range rows {
		out[i] = state.Carried(r)
	}
	return l.store.Carry(ctx, l.folder, srcUIDValidity, l.srcValidity, out)
}

func (l *ledger) Readdress(ctx context.Context, rows []imap.Readdressed) error {
	l.begun.Store(true)
	out := make([]state.Readdressed, len(rows))
	for i, r := range rows {
		out[i] = state.Readdressed(r)
	}
	return l.store.Readdress(ctx, l.folder, l.srcValidity, l.dstValidity, out)
}

func (l *ledger) Doubts(ctx context.Context) ([]imap.Doubt, error) {
	if l.blank() {
		return nil, nil
	}
	doubts, err := l.store.Doubts(ctx, l.folder)
	if err != nil {
		return nil, err
	}
	var out []imap.Doubt
	for _, d := range doubts {
		if d.SrcUIDValidity != l.srcValidity {
			continue
		}
		out = append(out, imap.Doubt{SrcUID: d.SrcUID, DstUIDNext: d.DstUIDNext, Size: d.Size, InternalDate: d.InternalDate, SHA1: d.SHA1, Munged: d.Munged, Since: d.Since})
	}
	return out, nil
}

func (l *ledger) AddDoubts(ctx context.Context, batch []imap.Doubt) error {
	l.begun.Store(true)
	out := make([]state.Doubt, len(batch))
	for i, d := range batch {
		out[i] = state.Doubt{SrcUIDValidity: l.srcValidity, SrcUID: d.SrcUID, DstUIDValidity: l.dstValidity, DstUIDNext: d.DstUIDNext,
			Size: d.Size, InternalDate: d.InternalDate, SHA1: d.SHA1, Munged: d.Munged, Since: d.Since}
	}
	return l.store.AddDoubts(ctx, l.folder, out)
}

func (l *ledger) ClearDoubts(ctx context.Context, srcUIDs []uint32) error {
	return l.store.ClearDoubts(ctx, l.folder, l.srcValidity, srcUIDs)
}

// engineState is the part of a folder's row that the copy engine goes by.
func engineState(f state.Folder) imap.FolderState {
	return imap.FolderState{
		SrcUIDValidity: f.SrcUIDValidity, SrcUIDNext: f.SrcUIDNext, SrcExists: f.SrcExists, SrcModSeq: f.SrcModSeq,
		DstUIDValidity: f.DstUIDValidity, DstUIDNext: f.DstUIDNext, DstExists: f.DstExists, DstModSeq: f.DstModSeq,
		DstMaxUID: f.DstMaxUID, Rules: f.Rules, Complete: f.Complete, ListedInFull: f.InFull,
	}
}

// keep puts what the engine found into a folder's row.
func keep(f *state.Folder, s imap.FolderState, at time.Time) {
	f.SrcUIDValidity, f.SrcUIDNext, f.SrcExists, f.SrcModSeq = s.SrcUIDValidity, s.SrcUIDNext, s.SrcExists, s.SrcModSeq
	f.DstUIDValidity, f.DstUIDNext, f.DstExists, f.DstModSeq = s.DstUIDValidity, s.DstUIDNext, s.DstExists, s.DstModSeq
	f.DstMaxUID, f.Rules, f.ListedAt, f.Complete, f.InFull = s.DstMaxUID, s.Rules, at, s.Complete, s.ListedInFull
}
