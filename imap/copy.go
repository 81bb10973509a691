package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// FolderState is what the ledger keeps of a folder between runs: the numbers
// both servers showed when it was last brought up to date.
type FolderState struct {
	SrcUIDValidity, SrcUIDNext, SrcExists uint32
	SrcModSeq                             uint64
	DstUIDValidity, DstUIDNext, DstExists uint32
	DstModSeq                             uint64
	DstMaxUID                             uint32 // highest UID we ever wrote
	Rules                                 string // what the listing was judged by; "": to be judged anew
	Complete                              bool   // every listed message is settled
}

// CopyOptions say how one folder is copied. The zero value of a field stands
// for its default.
type CopyOptions struct {
	Source, Target string // folder names, decoded
	Rules          Rules

	Batch      int   // messages in one batch of intents, and in flight twice that; 64
	BatchBytes int64 // octets in one batch; 4 MiB
	Window     uint32
	Budget     *Budget
	SpoolDir   string

	// StandStill is how long the target's UIDNEXT must not move before an
	// open intent is taken for lost; 10 s.
	StandStill time.Duration
	// RetryDelays are the pauses before a message is sent again that the
	// target refused for its own trouble; 5 s and 30 s.
	RetryDelays []time.Duration
	// Adopt looks for each message's content among target messages that no
	// row claims, before it is appended.
	Adopt bool
	// Relist compares both sides even where no number has moved.
	Relist bool

	// Stop, when closed, ends the copy after what is in flight; the error is
	// ErrStopped then.
	Stop     <-chan struct{}
	Progress func(kind string, messages int, octets int64)
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error
}

// ErrStopped says that a copy ended early because it was asked to. What was
// in flight is recorded.
var ErrStopped = errors.New("stopped")

func (o CopyOptions) withDefaults() CopyOptions {
	if o.Batch == 0 {
		o.Batch = 64 // small enough to be settled by one look
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = 4 << 20
	}
	if o.Window == 0 {
		o.Window = 10_000
	}
	if o.Budget == nil {
		o.Budget = NewBudget(64 << 20)
	}
	if o.StandStill == 0 {
		o.StandStill = 10 * time.Second // Cyrus was seen committing 3 s after a cut
	}
	if o.RetryDelays == nil {
		o.RetryDelays = []time.Duration{5 * time.Second, 30 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o CopyOptions) event(kind string, n int) {
	if o.Progress != nil {
		o.Progress(kind, n, 0)
	}
}

func (o CopyOptions) stopped() bool {
	select {
	case <-o.Stop:
		return true
	default:
		return false
	}
}

// Tally counts what one CopyMailbox did. It is for progress only: results are
// summed from the ledger.
type Tally struct {
	Unmoved                                                        bool // no number had moved, so nothing was listed
	Listed                                                         int  // messages the source listed
	Copied, Adopted, Refused, Excluded, Vanished, Flagged, Settled int
	Bytes                                                          int64
	Notes                                                          []string
}

type copier struct {
	src         *Source
	dst         *Target
	books       Books
	ledger      Ledger
	opts        CopyOptions
	state       FolderState
	dstValidity uint32
	adopt       map[[20]byte][]stored
	tally       Tally
	firstNew    uint32 // lowest target UID written in this call; 0: none
	nextUID     uint32 // lower bound of the target's UIDNEXT

	again    []Message // to be tried once more
	lastTry  bool
	later    bool            // a refusal is worth another try next time
	bare     map[uint32]bool // to be sent without keywords, which the target refused
	unplaced bool            // a message was stored and the server didn't say where
}

// CopyMailbox brings one folder of the target up to date with the source:
// intents left open are settled, messages that lack are copied, flags that
// changed at the source are stored, and what vanished is marked. Calling it
// again is always safe, and is how it resumes. It gives the state to keep for
// the next call; after an error the state given in is still valid.
//
// Errors: *WentBackError, *QuotaError, *AlteredError and ErrStopped end the
// folder; an *Error of the session asks for a new session and another call.
func CopyMailbox(ctx context.Context, src *Source, dst *Target, books Books, state FolderState, o CopyOptions) (FolderState, Tally, error) {
	c := &copier{src: src, dst: dst, books: books, opts: o.withDefaults(), state: state, bare: map[uint32]bool{}}
	next, err := c.run(ctx)
	if err != nil {
		return state, c.tally, err
	}
	return next, c.tally, nil
}

func (c *copier) run(ctx context.Context) (FolderState, error) {
	from, err := c.src.Examine(ctx, c.opts.Source)
	if err != nil {
		return c.state, fmt.Errorf("examine %q: %w", c.opts.Source, err)
	}
	to, err := c.dst.Status(ctx, c.opts.Target)
	if err != nil {
		return c.state, fmt.Errorf("status of %q: %w", c.opts.Target, err)
	}
	if err := c.sameTime(from, to); err != nil {
		return c.state, err
	}
	c.dstValidity, c.nextUID = to.UIDValidity, to.UIDNext
	if c.tally.Unmoved = c.unmoved(from, to); c.tally.Unmoved {
		return c.state, nil
	}
	c.ledger = c.books(from.UIDValidity, to.UIDValidity)
	if c.state.SrcUIDValidity != 0 && c.state.SrcUIDValidity != from.UIDValidity {
		// The source numbers its messages anew: those that are on the target
		// already are known by their content only.
		c.opts.Adopt = true
	}
	if err := c.settle(ctx); err != nil {
		return c.state, err
	}
	if err := c.lookAtTarget(ctx, to); err != nil {
		return c.state, err
	}
	if err := c.windows(ctx, from); err != nil {
		return c.state, err
	}
	return c.finish(ctx, from)
}

// sameTime is law 6: neither side may show less than it showed before.
func (c *copier) sameTime(from, to Status) error {
	s := c.state
	switch {
	case from.UIDValidity == 0 || to.UIDValidity == 0:
		return fmt.Errorf("folder %q: a server gives no UIDVALIDITY: %w", c.opts.Source, &Error{Kind: KindProtocol})
	case s.SrcUIDValidity == from.UIDValidity && from.UIDNext != 0 && from.UIDNext < s.SrcUIDNext:
		return &WentBackError{"source", c.opts.Source, fmt.Sprintf("UIDNEXT was %d and is %d", s.SrcUIDNext, from.UIDNext)}
	case s.DstMaxUID != 0 && s.DstUIDValidity != to.UIDValidity:
		return &WentBackError{"target", c.opts.Target, fmt.Sprintf("UIDVALIDITY was %d and is %d: the folder was made anew", s.DstUIDValidity, to.UIDValidity)}
	case s.DstMaxUID != 0 && to.UIDNext <= s.DstMaxUID:
		return &WentBackError{"target", c.opts.Target, fmt.Sprintf("UIDNEXT is %d, but we wrote UID %d", to.UIDNext, s.DstMaxUID)}
	}
	return nil
}

// unmoved says whether the numbers prove that there is nothing to do. Without
// HIGHESTMODSEQ flags may have changed unseen, so the source is listed then.
func (c *copier) unmoved(from, to Status) bool {
	s := c.state
	return s.Complete && !c.opts.Relist && s.Rules == c.rulesKey() &&
		s.SrcUIDValidity == from.UIDValidity && s.SrcUIDNext == from.UIDNext && s.SrcExists == from.Messages &&
		from.HighestModSeq != 0 && s.SrcModSeq == from.HighestModSeq && c.targetUnmoved(to)
}

func (c *copier) targetUnmoved(to Status) bool {
	s := c.state
	return s.DstUIDValidity == to.UIDValidity && s.DstUIDNext == to.UIDNext && s.DstExists == to.Messages
}

func (c *copier) rulesKey() string { return fmt.Sprintf("%+v", c.opts.Rules) }

func (c *copier) selectTarget(ctx context.Context) error {
	// Selected anew each time: BlueMind 5 shows only what it knew then.
	if _, err := c.dst.Select(ctx, c.opts.Target); err != nil {
		return fmt.Errorf("select %q: %w", c.opts.Target, err)
	}
	return nil
}

// lookAtTarget compares what we wrote with what the target shows, where its
// numbers have moved. A UID of ours with another size or date is not our
// message: the target was restored and has filled up again.
func (c *copier) lookAtTarget(ctx context.Context, to Status) error {
	if c.state.DstMaxUID == 0 || c.targetUnmoved(to) && !c.opts.Relist {
		return nil
	}
	claims, err := c.ledger.Claims(ctx, 1)
	if err != nil || len(claims) == 0 {
		return err
	}
	if err := c.selectTarget(ctx); err != nil {
		return err
	}
	byUID := make(map[uint32]int, len(claims))
	for i, cl := range claims {
		byUID[cl.DstUID] = i
	}
	seen := make([]bool, len(claims))
	strangers := 0
	err = c.dst.Messages(ctx, 1, 0, func(m Message) error {
		i, ok := byUID[m.UID]
		if !ok {
			return nil
		}
		seen[i] = true
		if differs(m, claims[i]) {
			strangers++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %q: %w", c.opts.Target, err)
	}
	if strangers > 0 {
		return &WentBackError{"target", c.opts.Target, fmt.Sprintf("%d UIDs that we wrote hold other messages now", strangers)}
	}
	return c.missing(ctx, claims, seen)
}

// differs tells another message from ours by what a listing shows. Of size
// and date both must be off, since BlueMind 5 may state either a little wrongly,
// unless the octets are known to be others; those alone are no proof, for Cyrus
// may have replaced 8-bit octets of a header.
func differs(m Message, cl Claim) bool {
	size, date := m.Size != cl.Size, !m.InternalDate.Equal(cl.InternalDate)
	if m.HasSHA1 {
		return m.SHA1 != cl.SHA1 && (size || date)
	}
	return size && date
}

// missing marks the copies that are gone from the target, and calls for a
// person where they are many.
func (c *copier) missing(ctx context.Context, claims []Claim, seen []bool) error {
	var fresh []uint32
	gone := 0
	for i, cl := range claims {
		if seen[i] {
			continue
		}
		gone++
		if !cl.Gone {
			fresh = append(fresh, cl.SrcUID)
		}
	}
	if len(fresh) > 0 && manyGone(gone, len(claims)) {
		return &WentBackError{"target", c.opts.Target, fmt.Sprintf("%d of the %d messages that we wrote are gone", gone, len(claims))}
	}
	if len(fresh) == 0 {
		return nil
	}
	c.tally.Notes = append(c.tally.Notes, fmt.Sprintf("%d messages were deleted on the target after they were copied", len(fresh)))
	return c.ledger.Gone(ctx, fresh)
}

// manyGone is where deletions by a user end and a lost target begins.
func manyGone(gone, ours int) bool {
	return gone > 1 && gone == ours || gone > 10 && gone*10 > ours
}

// windows lists the source in windows of UIDs, so that memory is bounded
// whatever the size of the folder, and works each off before the next.
func (c *copier) windows(ctx context.Context, from Status) error {
	span := uint64(c.opts.Window)
	top := uint64(from.UIDNext)
	if top == 0 {
		top = 1 << 32 // the server doesn't say; the last window is open
	}
	for first := uint64(1); first < top || first == 1; {
		last := min(first+span-1, 1<<32-1)
		if last+1 >= top {
			last = 1<<32 - 1
		}
		n, err := c.window(ctx, uint32(first), uint32(last))
		if err != nil {
			return err
		}
		if last == 1<<32-1 {
			return nil
		}
		if n < int(c.opts.Window)/4 {
			span *= 2 // sparse UIDs
		} else if n > int(c.opts.Window)*3/4 {
			span = max(uint64(c.opts.Window), span/2)
		}
		first = last + 1
	}
	return nil
}

func (c *copier) window(ctx context.Context, first, last uint32) (int, error) {
	var listed []Message
	ask := last
	if last == 1<<32-1 {
		ask = 0
	}
	err := c.src.Messages(ctx, first, ask, func(m Message) error {
		listed = append(listed, m)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("list %q: %w", c.opts.Source, err)
	}
	slices.SortFunc(listed, func(a, b Message) int { return int(int64(a.UID) - int64(b.UID)) })
	known, err := c.ledger.Known(ctx, first, last)
	if err != nil {
		return 0, err
	}
	d := Compare(listed, known, c.opts.Rules)
	if n := len(d.Others); n > 0 {
		return 0, &WentBackError{"source", c.opts.Source, fmt.Sprintf("%d UIDs that were copied are other messages now", n)}
	}
	if err := c.book(ctx, d); err != nil {
		return 0, err
	}
	if c.opts.Adopt && c.adopt == nil && len(d.Copy) > 0 {
		if c.adopt, err = c.unclaimed(ctx, 1, nil); err != nil {
			return 0, err
		}
	}
	if err := c.transfer(ctx, d.Copy); err != nil {
		return 0, err
	}
	c.tally.Listed += len(listed)
	return len(listed), c.syncFlags(ctx, d.Flags)
}

// book records what needs no transfer.
func (c *copier) book(ctx context.Context, d Delta) error {
	for _, o := range d.Settle {
		if o.Fate == Refused {
			c.tally.Refused++
		} else {
			c.tally.Excluded++
		}
	}
	if len(d.Settle) > 0 {
		if err := c.ledger.Record(ctx, d.Settle); err != nil {
			return err
		}
	}
	if len(d.Vanished) == 0 {
		return nil
	}
	c.tally.Vanished += len(d.Vanished)
	return c.ledger.Vanish(ctx, d.Vanished)
}

// syncFlags stores on the target what changed at the source, and nothing
// else: what users of the target changed stays.
func (c *copier) syncFlags(ctx context.Context, changes []FlagChange) error {
	if len(changes) == 0 {
		return nil
	}
	if err := c.selectTarget(ctx); err != nil {
		return err
	}
	groups := map[string][]uint32{}
	var order []string
	flags := map[string][]string{}
	modes := map[string]FlagMode{}
	group := func(mode FlagMode, set []string, uid uint32) {
		if len(set) == 0 {
			return
		}
		key := fmt.Sprint(mode, set)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], uid)
		flags[key], modes[key] = set, mode
	}
	for _, ch := range changes {
		group(AddFlags, ch.Add, ch.DstUID)
		group(RemoveFlags, ch.Remove, ch.DstUID)
	}
	for _, key := range order {
		slices.Sort(groups[key])
		if err := c.dst.StoreFlags(ctx, groups[key], flags[key], modes[key]); err != nil {
			return fmt.Errorf("store flags in %q: %w", c.opts.Target, err)
		}
	}
	c.tally.Flagged += len(changes)
	return c.ledger.Flagged(ctx, changes)
}

// finish proves on the target what this call wrote, and notes both servers'
// numbers for the next one.
func (c *copier) finish(ctx context.Context, from Status) (FolderState, error) {
	if err := c.prove(ctx); err != nil {
		return c.state, err
	}
	to, err := c.dst.Status(ctx, c.opts.Target)
	if err != nil {
		return c.state, fmt.Errorf("status of %q: %w", c.opts.Target, err)
	}
	open, err := c.ledger.Open(ctx)
	if err != nil {
		return c.state, err
	}
	rules := c.rulesKey()
	if c.later {
		rules = ""
	}
	return FolderState{
		SrcUIDValidity: from.UIDValidity, SrcUIDNext: from.UIDNext, SrcExists: from.Messages, SrcModSeq: from.HighestModSeq,
		DstUIDValidity: to.UIDValidity, DstUIDNext: to.UIDNext, DstExists: to.Messages, DstModSeq: to.HighestModSeq,
		DstMaxUID: c.state.DstMaxUID, Rules: rules, Complete: len(open) == 0,
	}, nil
}
