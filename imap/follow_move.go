package imap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Followed is what became of a departed copy.
type Followed struct {
	Departed
	How  Departure
	Note string // for its row
}

// moveBatch is how many messages one UID COPY takes: an answer that is lost has
// to be settled for all of them.
const moveBatch = 500

// moving is a message that was read and, by its SHA-1, is one that the target
// has in another folder.
type moving struct {
	Message
	size         int64
	sha1, munged [20]byte
	sha256       [32]byte
	note         string
	from         Departed
}

// NotBroughtBackNote begins the note of a message that was moved at the source
// after a user of the target had removed its copy.
const NotBroughtBackNote = "not copied: it comes from"

// departed takes a message out of the pipeline whose copy the target has
// elsewhere already.
func (c *copier) departed(m *spooled) bool {
	if c.opts.Pool == nil {
		return false
	}
	d, ok := c.opts.Pool.take(m.sha1, m.size, m.InternalDate, Wanted(m.Flags, c.opts.Rules))
	if ok {
		c.moving = append(c.moving, moving{m.Message, m.size, m.sha1, m.munged, m.sha256, m.note, d})
	}
	return ok
}

// findDepartures marks as vanished what the source doesn't hold any more, by UIDs
// alone: no message that is new may be copied before the departures of all folders
// are known.
func (c *copier) findDepartures(ctx context.Context, from Status) error {
	s := c.state
	if s.SrcUIDValidity != from.UIDValidity { // rows under another one are no departures
		return nil
	}
	if s.Complete && s.SrcUIDNext == from.UIDNext && s.SrcExists == from.Messages {
		return nil
	}
	there, none, err := c.src.whatIsLeft(ctx, from, c.state)
	if err != nil {
		return fmt.Errorf("list the UIDs of %q: %w", c.opts.Source, err)
	}
	if none {
		return nil
	}
	w := rowWalk{ledger: c.ledger, window: c.opts.Window, top: from.UIDNext}
	for {
		rows, done, err := w.next(ctx)
		if err != nil || done {
			return err
		}
		missing, err := c.src.confirm(ctx, c.opts.Source, lost(rows, there))
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			continue
		}
		uids := make([]uint32, len(missing))
		for i, k := range missing {
			uids[i] = k.SrcUID
		}
		c.tally.Vanished += len(uids)
		if err := c.ledger.Vanish(ctx, uids); err != nil {
			return err
		}
	}
}

// move copies on the target what the pipeline set aside, and gives what has to be
// copied from the source after all.
func (c *copier) move(ctx context.Context) (rest []Message, err error) {
	list := c.moving
	c.moving = nil
	c.wrote = c.wrote || len(list) > 0
	slices.SortFunc(list, func(a, b moving) int {
		return cmp.Or(strings.Compare(a.from.Mailbox, b.from.Mailbox), cmp.Compare(a.from.DstUID, b.from.DstUID))
	})
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(m moving) bool { return m.from.Mailbox != list[0].from.Mailbox })
		if n < 0 {
			n = len(list)
		}
		n = min(n, moveBatch)
		left, err := c.moveFrom(ctx, list[:n])
		if err != nil {
			return nil, fmt.Errorf("copy from %q to %q on the target: %w", list[0].from.Mailbox, c.opts.Target, err)
		}
		rest, list = append(rest, left...), list[n:]
	}
	slices.SortFunc(rest, byUID)
	return rest, nil
}

// moveFrom does it for messages out of one mailbox. Only what is there as we left
// it is taken. What is missing there was removed by a user, and isn't brought
// back; what he changed stays with him, and the new place gets its own copy.
func (c *copier) moveFrom(ctx context.Context, list []moving) (rest []Message, err error) {
	there, same, err := c.dst.departedIn(ctx, list[0].from, uidsOf(list))
	if err != nil {
		return nil, err
	}
	if !same { // nobody knows what became of them
		for _, m := range list {
			rest = append(rest, m.Message)
		}
		return rest, nil
	}
	var fit []moving
	var gone []Outcome
	var followed []Followed
	for _, m := range list {
		got, ok := there[m.from.DstUID]
		if !ok || m.from.Stays {
			o := m.outcome(c.opts.Rules)
			o.Fate, o.Gone, o.DstUIDValidity = Copied, true, c.dstValidity
			f := Followed{m.from, DepartedGone, fmt.Sprintf("moved at the source; the copy had been removed on the target and isn't made anew in %q", c.opts.Target)}
			why := fmt.Sprintf("%s %q, where a user of the target had removed the copy", NotBroughtBackNote, m.from.Mailbox)
			if m.from.Stays {
				f.How, f.Note = DepartedStays, "moved at the source after go-live; the copy stays here"
				why = fmt.Sprintf("not copied: the source moved it here after go-live, and its copy stays in %q", m.from.Mailbox)
			}
			o.Note = join(o.Note, why)
			gone, followed = append(gone, o), append(followed, f)
			continue
		}
		if why := m.from.touched(got); why != "" {
			rest = append(rest, m.Message)
			followed = append(followed, Followed{m.from, DepartedTouched, "moved at the source; the copy stays here, since " + why})
			continue
		}
		m.note = join(m.note, inherited(m.from, got))
		fit = append(fit, m)
	}
	if len(gone) > 0 {
		if err := c.ledger.Record(ctx, gone); err != nil {
			return nil, err
		}
	}
	if err := c.followed(ctx, followed); err != nil || len(fit) == 0 {
		return rest, err
	}
	left, err := c.copyOnTarget(ctx, fit)
	return append(rest, left...), err
}

func uidsOf(list []moving) []uint32 {
	uids := make([]uint32, len(list))
	for i, m := range list {
		uids[i] = m.from.DstUID
	}
	return uids
}

func (c *copier) followed(ctx context.Context, list []Followed) error {
	if len(list) == 0 || c.opts.Followed == nil {
		return nil
	}
	return c.opts.Followed(ctx, list)
}

// inherited are the parts of a copy's note that hold for the copy of the copy.
func inherited(d Departed, got Message) (note string) {
	for part := range strings.SplitSeq(d.Note, "; ") {
		if strings.HasPrefix(part, flagsNotKept(nil)) {
			note = join(note, part)
		}
	}
	if got.HasSHA1 && strings.Contains(d.Note, mungedNote(got.SHA1)) {
		note = join(note, mungedNote(got.SHA1))
	}
	return note
}

func (m *moving) outcome(rules Rules) Outcome {
	return Outcome{SrcUID: m.UID, Size: m.size, InternalDate: m.InternalDate, DateText: m.DateText,
		Flags: Wanted(m.Flags, rules), SHA1: m.sha1, SHA256: m.sha256, Sent: m.from.Sent, Note: m.note}
}

// copyOnTarget copies messages of the selected mailbox to the copy's target,
// with an intent before, as for an APPEND: where the answer is lost, the copies
// are found by their content.
func (c *copier) copyOnTarget(ctx context.Context, list []moving) (rest []Message, err error) {
	intents := make([]Intent, len(list))
	for i, m := range list {
		intents[i] = Intent{SrcUID: m.UID, DstUIDNext: c.nextUID, Size: m.size, InternalDate: m.InternalDate,
			Flags: Normalize(m.from.Flags), SHA1: m.sha1, SHA256: m.sha256, Munged: m.munged, Sent: m.from.Sent, DateText: m.DateText, Note: m.note, Begun: c.opts.Now()}
	}
	if err := c.ledger.Begin(ctx, intents); err != nil {
		return nil, err
	}
	validity, placed, err := c.dst.copyUIDs(ctx, uidsOf(list), c.opts.Target)
	if err != nil && !refusal(err) {
		return nil, err
	}
	if placed == nil {
		return c.movesByContent(ctx, list)
	}
	if validity != c.dstValidity {
		return nil, &WentBackError{"target", c.opts.Target, fmt.Sprintf("UIDVALIDITY was %d and is %d: the folder was made anew", c.dstValidity, validity)}
	}
	out := make([]Outcome, len(list))
	var done []moving
	for i, m := range list {
		out[i] = m.outcome(c.opts.Rules)
		uid := placed[m.from.DstUID]
		if uid == 0 { // the server says that it copied the others only
			out[i].Fate, rest = Pending, append(rest, m.Message)
			continue
		}
		out[i].Fate, out[i].DstUID, out[i].DstUIDValidity = Copied, uid, validity
		c.wasMoved(m, &out[i])
		done = append(done, m)
	}
	if err := c.ledger.Record(ctx, out); err != nil {
		return nil, err
	}
	return rest, c.moved(ctx, done)
}

// wasMoved notes where a copy of a copy is, and what its flags lack: it has those
// that its original had.
func (c *copier) wasMoved(m moving, o *Outcome) {
	want, have := o.Flags, Normalize(m.from.Flags)
	if add, remove := lacking(want, have), lacking(have, want); len(add)+len(remove) > 0 {
		c.lacking = append(c.lacking, FlagChange{SrcUID: m.UID, DstUID: o.DstUID, Add: add, Remove: remove, Now: want})
		o.Flags = have
	}
	c.nextUID = max(c.nextUID, o.DstUID+1)
	c.state.DstMaxUID = max(c.state.DstMaxUID, o.DstUID)
	if c.firstNew == 0 || o.DstUID < c.firstNew {
		c.firstNew = o.DstUID
	}
}

// moved tells the caller, who keeps that the originals are to be removed.
func (c *copier) moved(ctx context.Context, done []moving) error {
	if len(done) == 0 {
		return nil
	}
	list := make([]Followed, len(done))
	for i, m := range done {
		list[i] = Followed{m.from, DepartedMoved, fmt.Sprintf("moved to %q at the source", c.opts.Source)}
	}
	c.tally.Moved += len(done)
	c.progress("moved", len(done), 0)
	return c.followed(ctx, list)
}

// movesByContent settles a UID COPY that was refused, or after which the server
// didn't say where the copies are: it may have made some of them.
func (c *copier) movesByContent(ctx context.Context, list []moving) (rest []Message, err error) {
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	var done []moving
	for _, m := range list {
		known, err := c.ledger.Known(ctx, m.UID, m.UID)
		if err != nil {
			return nil, err
		}
		if len(known) == 0 || known[0].Fate != Copied {
			rest = append(rest, m.Message)
			continue
		}
		o := m.outcome(c.opts.Rules)
		o.DstUID = known[0].DstUID
		c.wasMoved(m, &o)
		done = append(done, m)
	}
	return rest, c.moved(ctx, done)
}

// departedIn selects the mailbox of a departed copy and lists those with these
// UIDs, which are sorted. It is selected anew for each look: BlueMind 5 shows
// only what it knew then. same is false where the mailbox isn't there, or is
// another one by now.
func (t *Target) departedIn(ctx context.Context, d Departed, uids []uint32) (there map[uint32]Message, same bool, err error) {
	st, err := t.Select(ctx, d.Mailbox)
	if refusal(err) || err == nil && st.UIDValidity != d.DstUIDValidity {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	list, err := t.listed(ctx, uids)
	there = make(map[uint32]Message, len(list))
	for _, m := range list {
		there[m.UID] = m
	}
	return there, true, err
}

// copyUIDs copies messages of the selected mailbox to another (RFC 9051 §6.4.7);
// uids are sorted, and no more than one command takes. It gives the UID of each
// copy by that of its original (COPYUID, RFC 4315 §3), or nil where the server
// doesn't tell. Flags, keywords and INTERNALDATE come with it, on BlueMind 5 and
// on Cyrus.
func (t *Target) copyUIDs(ctx context.Context, uids []uint32, mailbox string) (validity uint32, placed map[uint32]uint32, err error) {
	wire := t.wire(mailbox)
	if err := t.unsendable("UID COPY", wire); err != nil {
		return 0, nil, err
	}
	placed = map[uint32]uint32{}
	for _, chunk := range uidChunks(uids, 0) {
		st, err := t.exchange(ctx, "UID COPY "+chunk.set+" "+quoteMailbox(wire), nil)
		if err != nil {
			return 0, nil, err
		}
		words := strings.Fields(st.args)
		if st.code != "COPYUID" || len(words) != 3 {
			return 0, nil, nil
		}
		v, ok := number(words[0])
		var named uidSpans
		parseSpans(words[1], &named)
		from := parseUIDs(words[1], min(named.count(1, 1<<32-1), len(chunk.uids)))
		to := parseUIDs(words[2], len(from))
		if !ok || len(from) == 0 || len(to) != len(from) {
			t.c.repaired("unreadable COPYUID")
			return 0, nil, nil
		}
		validity = v
		for i, uid := range from {
			placed[uid] = to[i]
		}
	}
	return validity, placed, nil
}
