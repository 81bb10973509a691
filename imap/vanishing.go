package imap

import (
	"context"
	"fmt"
)

// Vanishing opens a source folder with EXAMINE and hands to fn, ascending by
// source UID, the rows of its ledger whose messages the source doesn't hold any
// more: what CopyMailbox would mark as vanished, found before it. Nothing is
// written, neither to a server nor to the ledger, and no body, flag, date or size
// is read: it costs one round trip where the numbers in state have not moved, and
// two or three more, with a few octets a range of UIDs, where they have.
//
// It needs the folder's Source and the Window of o; books is called with the
// source's UIDVALIDITY and the target's in state. Rows of every fate come but
// those that are Vanished already; that of a part of a split folder needs no Only,
// since it has the part's rows alone. fn gets nothing where the source's
// UIDVALIDITY isn't state's any more (from tells it), or state is of no earlier
// pass. No row is taken for vanished unless the server leaves it out of its UIDs
// and, asked for it once more by its UID, doesn't answer.
//
// from is what EXAMINE showed. It is for CopyMailbox to judge whether the source
// went back in time; a caller that would act on what vanished looks at
// from.UIDNext first. If fn returns an error, that is the error.
func Vanishing(ctx context.Context, src *Source, books Books, state FolderState, o CopyOptions, fn func(Known) error) (from Status, err error) {
	o = o.withDefaults()
	if from, err = src.Examine(ctx, o.Source); err != nil {
		return from, fmt.Errorf("examine %q: %w", o.Source, err)
	}
	if state.SrcUIDValidity == 0 || state.SrcUIDValidity != from.UIDValidity || state.Complete && state.SrcUIDNext == from.UIDNext && state.SrcExists == from.Messages {
		return from, nil
	}
	there, none, err := src.whatIsLeft(ctx, from, state)
	if err != nil {
		return from, fmt.Errorf("list the UIDs of %q: %w", o.Source, err)
	}
	if none {
		return from, nil
	}
	w := rowWalk{ledger: books(from.UIDValidity, state.DstUIDValidity), window: o.Window, top: uint64(from.UIDNext), end: 1<<32 - 1}
	for {
		rows, done, err := w.next(ctx)
		if err != nil || done {
			return from, err
		}
		missing, err := src.confirm(ctx, o.Source, lost(rows, there))
		if err != nil {
			return from, err
		}
		for _, k := range missing {
			if err := fn(k); err != nil {
				return from, err
			}
		}
	}
}

// whatIsLeft gives the UIDs that the open mailbox holds, or says that none
// vanished since state was kept. Without ESEARCH, that is found by counting: what
// came in since makes up the difference.
func (s *Session) whatIsLeft(ctx context.Context, from Status, state FolderState) (there uidSpans, none bool, err error) {
	if !s.Can("ESEARCH") && state.Complete && state.SrcUIDNext != 0 && from.UIDNext >= state.SrcUIDNext {
		fresh, err := s.uidsByFetch(ctx, state.SrcUIDNext)
		if err != nil || uint64(from.Messages) == uint64(state.SrcExists)+uint64(fresh.count(state.SrcUIDNext, 1<<32-1)) {
			return nil, err == nil, err
		}
	}
	there, err = s.presence(from.Messages).all(ctx)
	return there, false, err
}

// lost are the rows whose messages should be at the source and aren't in there.
func lost(rows []Known, there uidSpans) (out []Known) {
	for _, k := range rows {
		if k.Fate != Vanished && !there.has(k.SrcUID) {
			out = append(out, k)
		}
	}
	return out
}

// confirm asks for the messages of rows by their UIDs, and gives the rows of those
// that the open mailbox doesn't show: servers that search by an index of their own
// have been seen to leave messages out.
func (s *Session) confirm(ctx context.Context, mailbox string, rows []Known) (missing []Known, err error) {
	var uids []uint32
	for _, k := range rows {
		uids = append(uids, k.SrcUID)
	}
	var there uidSpans
	err = s.fetchThese(ctx, uids, "UID", 0, func(p *partial) error { there.add(p.UID, p.UID); return nil })
	if err != nil {
		return nil, fmt.Errorf("list the UIDs of %q: %w", mailbox, err)
	}
	return lost(rows, there), nil
}

// rowWalk goes through a ledger's rows in windows of UIDs, up to end.
type rowWalk struct {
	ledger Ledger
	window uint32
	top    uint64 // no rows are expected from here on; 0: unknown
	end    uint64
	first  uint64 // of the next window
	span   uint64
}

// next gives the rows of the next window, none where it holds none, and done
// after the last window.
func (w *rowWalk) next(ctx context.Context) (rows []Known, done bool, err error) {
	if w.first == 0 {
		w.first, w.span = 1, uint64(w.window)
	}
	if w.first > w.end {
		return nil, true, nil
	}
	last := min(w.first+w.span-1, w.end)
	if w.top != 0 && last+1 >= w.top {
		last = w.end
	}
	rows, err = w.ledger.Known(ctx, uint32(w.first), uint32(last))
	if n := len(rows); n < int(w.window)/4 {
		w.span = min(2*w.span, widest*uint64(w.window))
	} else if n > int(w.window)*3/4 {
		w.span = max(uint64(w.window), w.span/2)
	}
	w.first = last + 1
	return rows, false, err
}

// widest is by how much a window may grow over sparse UIDs: rows may be dense
// again behind them.
const widest = 16
