package imap

import "context"

// intent is what is kept before a message is sent.
func (w *writer) intent(m *spooled, next uint32) Intent {
	o := w.outcome(m)
	return Intent{SrcUID: m.UID, DstUIDNext: next, Size: o.Size, InternalDate: o.InternalDate, DateText: o.DateText, Flags: o.Flags,
		SHA1: o.SHA1, SHA256: o.SHA256, Munged: m.munged, Sent: o.Sent, Note: o.Note, Begun: w.opts.Now()}
}

// adopted is a message on the target that is taken for the copy of one of the
// source: without a UID there is none.
type adopted struct {
	Message
	as *spooled // the form that was found: the message itself, or what repairs make of it
}

// found gives, for each message, the one on the target that is adopted for it.
func (w *writer) found(msgs []*spooled) ([]adopted, error) {
	out := make([]adopted, len(msgs))
	if w.adopt == nil {
		return out, nil
	}
	list, forms := make([]wanted, len(msgs)), make([][]*spooled, len(msgs))
	for i, m := range msgs {
		list[i] = wanted{sha1: m.sha1, munged: m.munged, date: m.InternalDate}
		if m.repairable() == 0 {
			continue
		}
		var err error
		if forms[i], err = m.forms(); err != nil {
			return nil, err
		}
		for _, form := range forms[i] {
			list[i].forms = append(list[i].forms, form.sha1, form.munged)
		}
	}
	for i, there := range w.adopt.assign(list, w.reserved) {
		out[i] = adopted{there, msgs[i]}
		for _, form := range forms[i] {
			if there.UID != 0 && (form.sha1 == there.SHA1 || form.munged == there.SHA1) {
				out[i].as = form
			}
		}
	}
	return out, nil
}

// settled finds the outcome of a message that needs no APPEND. An adopted one
// is recorded with those of its flags that it has, and gets the others.
func (w *writer) settled(ctx context.Context, m *spooled, found adopted) (Outcome, bool, error) {
	if found.UID != 0 {
		o := w.outcome(found.as)
		o.Fate, o.DstUID, o.DstUIDValidity, o.Reason = Present, found.UID, w.dstValidity, "found by content"
		if w.doubted[m.UID] {
			o.Fate, o.Reason = Copied, "" // what we had sent has come through
		}
		if found.SHA1 != found.as.sha1 {
			o.Note = join(o.Note, mungedNote(found.SHA1))
		}
		if lacks := lacking(o.Flags, found.Flags); len(lacks) > 0 {
			w.lacking = append(w.lacking, FlagChange{SrcUID: m.UID, DstUID: found.UID, Add: lacks, Now: o.Flags})
			o.Flags = lacking(o.Flags, lacks)
		}
		w.state.DstMaxUID = max(w.state.DstMaxUID, found.UID)
		w.tally.Adopted++
		return o, true, nil
	}
	if w.tooLarge(m) {
		o := w.outcome(m)
		o.Fate, o.By, o.Reason = Refused, byLimit, tooLargeReason(m.size, w.opts.Rules.MaxSize)
		w.tally.Refused++
		w.refusing = true
		return o, true, w.keep(ctx, m, &o)
	}
	return Outcome{}, false, nil
}
