package imap

import (
	"context"
	"fmt"
)

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
	top    uint32 // no rows are expected from here on; 0: unknown
	end    uint32 // 0: the highest UID there can be
	first  uint64 // of the next window
	span   uint64
}

// next gives the rows of the next window, none where it holds none, and done
// after the last window.
func (w *rowWalk) next(ctx context.Context) (rows []Known, done bool, err error) {
	if w.first == 0 {
		w.first, w.span = 1, uint64(w.window)
	}
	end := uint64(w.end)
	if end == 0 {
		end = 1<<32 - 1
	}
	if w.first > end {
		return nil, true, nil
	}
	last := min(w.first+w.span-1, end)
	if w.top != 0 && last+1 >= uint64(w.top) {
		last = end
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
