package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// FolderState is what the ledger keeps of a folder between runs: the numbers
// both servers showed when it was last brought up to date.
type FolderState struct {
	SrcUIDValidity, SrcUIDNext, SrcExists uint32
	SrcModSeq                             uint64
	DstUIDValidity, DstUIDNext, DstExists uint32
	DstModSeq                             uint64
	DstMaxUID                             uint32 // highest UID we ever wrote or adopted
	Rules                                 string // what the listing was judged by
	Complete                              bool   // every listed message is settled
	// ListedInFull is when the source was last listed message by message, not by
	// what it says has changed.
	ListedInFull time.Time
}

// ErrStopped says that a copy ended early because it was asked to. What was
// in flight is recorded.
var ErrStopped = errors.New("stopped")

// Tally counts what one CopyMailbox did. It is for progress only: results are
// summed from the ledger.
type Tally struct {
	Unmoved                                                        bool // no number had moved, so nothing was listed
	Waits                                                          bool // of Departures: the folder is to be gone through
	Listed                                                         int  // messages the source lists, or said of by their UIDs that it holds them
	InFull                                                         bool // each of them was listed
	Elsewhere                                                      int  // listed beside these, and not of this copy
	Copied, Adopted, Refused, Excluded, Vanished, Flagged, Settled int
	Carried                                                        int // known under another UIDVALIDITY of the source
	Moved                                                          int // copied on the target
	Bytes                                                          int64
	Notes                                                          []string
}

type copier struct {
	src         *Source
	dst         *Target
	books       Books
	ledger      Ledger
	formers     []*former
	opts        CopyOptions
	state       FolderState
	srcValidity uint32
	dstValidity uint32
	adoptFrom   uint32    // lowest target UID that may be adopted; 0: none is
	adopt       *contents // read when it is first needed
	near        near
	doubted     map[uint32]bool // source UIDs whose messages were sent once, and not found
	reserved    map[twin]int    // messages of this window that may yet be found
	tally       Tally
	firstNew    uint32 // lowest target UID written in this call; 0: none
	nextUID     uint32 // lower bound of the target's UIDNEXT
	pages       *pages

	again    []Message // to be tried once more
	lastTry  bool
	later    bool // a refusal is worth another try next time
	left     bool // a message stays pending
	refusing bool // a message is, or stays, refused
	gap      sizeGap
	listed   []Message       // the page of the source's listing that is worked off
	refusals map[int]int     // of the source, by place in it
	bare     map[uint32]bool // to be sent with system flags only: the target refused others
	full     bool            // the target takes no more different keywords in this folder
	lacking  []FlagChange    // of adopted messages, of moved ones, and of bare ones
	unkept   error           // refused messages can't be put into quarantine
	moving   []moving        // to be copied on the target
	unplaced bool            // a message was stored and the server didn't say where
	wrote    bool            // something went to the target, or was found there late
	opened   Status          // what the target said when its mailbox was last opened
}

// CopyMailbox brings one folder of the target up to date with the source:
// intents left open are settled, messages that lack are copied, flags that
// changed at the source are stored, and what vanished is marked. Calling it
// again is always safe, and is how it resumes. It gives the state to keep for
// the next call; after an error the state given in is still valid.
//
// Errors: *WentBackError, *SickError, *QuotaError, *RightError, *AlteredError and ErrStopped
// end the folder; an *Error of the session asks for a new session and another call.
func CopyMailbox(ctx context.Context, src *Source, dst *Target, books Books, state FolderState, o CopyOptions) (FolderState, Tally, error) {
	c := &copier{src: src, dst: dst, books: books, opts: o.withDefaults(), state: state, bare: map[uint32]bool{}}
	next, err := c.run(ctx)
	c.tally.Notes = append(c.tally.Notes, c.gap.note()...)
	if err != nil {
		return state, c.tally, err
	}
	return next, c.tally, nil
}

func (c *copier) run(ctx context.Context) (FolderState, error) {
	from, to, newest, err := c.open(ctx)
	if err != nil {
		return c.state, err
	}
	if err := c.sameTime(from, to); err != nil {
		return c.state, err
	}
	c.srcValidity, c.dstValidity, c.nextUID = from.UIDValidity, to.UIDValidity, to.UIDNext
	c.ledger = c.books(from.UIDValidity, to.UIDValidity)
	still, err := c.targetStill(ctx, to, newest)
	if err != nil {
		return c.state, err
	}
	if c.tally.Unmoved = still && c.unmoved(from); c.tally.Unmoved {
		return c.state, nil
	}
	if c.opts.Departures {
		c.tally.Waits = true
		return c.state, c.findDepartures(ctx, from)
	}
	if err := c.catchUp(ctx, from, to, still); err != nil {
		return c.state, err
	}
	c.pages = newPages(c, from)
	if err := c.pages.begin(ctx, from); err != nil {
		return c.state, err
	}
	for {
		p, err := c.pages.next(ctx)
		if err != nil {
			return c.state, err
		}
		if err := c.window(ctx, p); err != nil {
			return c.state, err
		}
		if last := p.last == 1<<32-1; last || len(c.near.list) > nearMost {
			if err := c.adoptNear(ctx); err != nil {
				return c.state, err
			}
			if !last {
				continue
			}
			return c.finish(ctx, from, to)
		}
	}
}

// catchUp brings the ledger up to what the servers show: of what it says, and of
// what it doesn't know yet.
func (c *copier) catchUp(ctx context.Context, from, to Status, still bool) (err error) {
	if err := c.openFormers(ctx); err != nil {
		return err
	}
	present := 0
	if s := c.state; s.DstMaxUID != 0 && s.DstUIDValidity != to.UIDValidity {
		if present, err = c.readdress(ctx, to); err != nil {
			return err
		}
		still = true
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	if !still {
		if present, err = c.lookAtTarget(ctx); err != nil {
			return err
		}
	}
	if err := c.readFormers(ctx); err != nil {
		return err
	}
	// Where nothing is kept of what was copied under another UIDVALIDITY, it is
	// known by its content only.
	lost := c.state.SrcUIDValidity != 0 && c.state.SrcUIDValidity != from.UIDValidity && len(c.formers) == 0
	if c.adoptFrom = 1; !c.opts.Adopt && !lost {
		c.adoptFrom, err = c.arrivals(ctx, to, present)
	}
	return err
}

// open asks both servers at once what they say of the folder, and the target for
// the copy with the highest UID: an untouched folder costs one round trip.
func (c *copier) open(ctx context.Context) (from, to Status, newest []Message, err error) {
	var examine error
	var source sync.WaitGroup
	source.Go(func() { from, examine = c.src.Examine(ctx, c.opts.Source) })
	uid := c.state.DstMaxUID
	if c.opts.Relist {
		uid = 0 // all copies are looked at
	}
	if to = c.opts.Shown; to.UIDValidity == 0 || !c.blank() {
		to, newest, err = c.dst.glance(ctx, c.opts.Target, uid)
	}
	source.Wait()
	switch {
	case examine != nil:
		err = fmt.Errorf("examine %q: %w", c.opts.Source, examine)
	case err != nil:
		err = fmt.Errorf("status of %q: %w", c.opts.Target, err)
	}
	return from, to, newest, err
}

// blank says whether nothing is kept of the folder as yet.
func (c *copier) blank() bool { return c.state.SrcUIDValidity == 0 && c.state.DstUIDValidity == 0 }

// sameTime is law 6: neither side may show less than it showed before.
func (c *copier) sameTime(from, to Status) error {
	s := c.state
	switch {
	case from.UIDValidity == 0 || to.UIDValidity == 0:
		return fmt.Errorf("folder %q: %w", c.opts.Source, ErrNoUIDValidity)
	case s.SrcUIDValidity == from.UIDValidity && from.UIDNext != 0 && from.UIDNext < s.SrcUIDNext:
		return &WentBackError{"source", c.opts.Source, fmt.Sprintf("UIDNEXT was %d and is %d", s.SrcUIDNext, from.UIDNext)}
	case s.DstMaxUID != 0 && s.DstUIDValidity == to.UIDValidity && to.UIDNext <= s.DstMaxUID:
		return &WentBackError{"target", c.opts.Target, fmt.Sprintf("UIDNEXT is %d, but we wrote UID %d", to.UIDNext, s.DstMaxUID)}
	}
	return nil
}

func (c *copier) selectTarget(ctx context.Context) error {
	if _, err := c.dst.Select(ctx, c.opts.Target); err != nil {
		return fmt.Errorf("select %q: %w", c.opts.Target, err)
	}
	return nil
}

// window works off one page of the source's listing.
func (c *copier) window(ctx context.Context, p page) error {
	if !p.own {
		var err error
		if p.listed, err = c.ours(ctx, p.listed); err != nil {
			return err
		}
		if err := c.carryByUID(ctx, p); err != nil {
			return err
		}
		if p.known, err = c.ledger.Known(ctx, p.first, p.last); err != nil {
			return err
		}
	}
	c.pages.known = len(p.known)
	c.listed, c.refusals = p.listed, map[int]int{}
	d := Compare(p.listed, p.known, c.opts.Rules)
	if n := len(d.Others); n > 0 {
		return &WentBackError{"source", c.opts.Source, fmt.Sprintf("%d UIDs that were copied are other messages now", n)}
	}
	if err := c.measure(ctx, &d, p.listed); err != nil {
		return err
	}
	c.refusing = c.refusing || d.Refused
	apart := c.setApart(&d)
	if len(d.Copy)+len(apart) == 0 { // the source is idle
		listing := make(chan struct{})
		go func() { defer close(listing); c.pages.ahead(ctx) }()
		defer func() { <-listing }()
	}
	if err := c.book(ctx, d); err != nil {
		return err
	}
	if wanted := append(slices.Concat(apart...), d.Copy...); len(wanted) > 0 {
		if err := c.readyToAdopt(ctx, wanted); err != nil {
			return err
		}
	}
	if err := c.transfer(ctx, d.Copy); err != nil {
		return err
	}
	for _, group := range apart {
		if err := c.transfer(ctx, group); err != nil {
			return err
		}
	}
	c.tally.Listed += len(p.listed)
	changes := append(d.Flags, c.lacking...)
	c.lacking = nil
	return c.syncFlags(ctx, changes)
}

// ours leaves out what belongs to other copies of the same source folder.
func (c *copier) ours(ctx context.Context, listed []Message) ([]Message, error) {
	if c.opts.Only == nil {
		return listed, nil
	}
	var own []Message
	for _, m := range listed {
		ok, err := c.opts.Only(ctx, m)
		if err != nil {
			return nil, err
		}
		if ok {
			own = append(own, m)
		}
	}
	c.tally.Elsewhere += len(listed) - len(own)
	return own, nil
}

// unansweredLimit is how many sessions, of either side, may end with a message
// under way before it is taken for the cause.
const unansweredLimit = 4

// setApart takes the messages out of what is to be copied with which sessions
// ended: they go after the others, with nothing else under way and fewer together
// each time, for one of them may be why. Those that were too often among the last
// stay pending, so that what follows gets its turn.
func (c *copier) setApart(d *Delta) (groups [][]Message) {
	var suspects [unansweredLimit][]Message // by the number of sessions
	d.Copy = slices.DeleteFunc(d.Copy, func(m Message) bool {
		by, did, counts := "target", "was sent", c.opts.Unanswered
		if counts[m.UID] < c.opts.Undelivered[m.UID] {
			by, did, counts = "source", "was fetched", c.opts.Undelivered
		}
		n := counts[m.UID]
		switch {
		case n >= unansweredLimit:
			c.later, c.left = true, true
			reason := fmt.Sprintf("the %s ended the connection each of the %d times it %s", by, unansweredLimit, did)
			if n == unansweredLimit { // told once
				c.tally.Notes = append(c.tally.Notes, fmt.Sprintf("the message with source UID %d is left out for now: %s", m.UID, reason))
				counts[m.UID]++
			}
			d.Settle = append(d.Settle, Outcome{SrcUID: m.UID, Size: m.Size, InternalDate: m.InternalDate, DateText: m.DateText,
				Flags: Wanted(m.Flags, c.opts.Rules), Fate: Pending, By: by, Reason: reason})
		case n > 0 && by == "source": // it is the one that was due
			groups = append(groups, []Message{m})
		case n > 0:
			suspects[n] = append(suspects[n], m)
		}
		return n > 0
	})
	for n, together := range [unansweredLimit]int{1, c.opts.Batch, max(c.opts.Batch/8, 1), 1} {
		groups = slices.AppendSeq(groups, slices.Chunk(suspects[n], together))
	}
	return groups
}

// readyToAdopt lists, once, what the target has that no row claims, where it may
// have what is wanted.
func (c *copier) readyToAdopt(ctx context.Context, list []Message) (err error) {
	c.reserved = make(map[twin]int, len(list))
	for _, m := range list {
		c.reserved[twinOf(m)]++
	}
	if c.adopt == nil && c.adoptFrom != 0 {
		if c.adopt, err = c.unclaimed(ctx, c.adoptFrom, nil); err != nil {
			return err
		}
		var doubts []Doubt
		doubts, err = c.ledger.Doubts(ctx)
		c.doubted = make(map[uint32]bool, len(doubts))
		for _, d := range doubts {
			c.doubted[d.SrcUID] = true
		}
	}
	return err
}

// book records what needs no transfer.
func (c *copier) book(ctx context.Context, d Delta) error {
	for _, o := range d.Settle {
		switch o.Fate {
		case Refused:
			c.tally.Refused++
		case Excluded:
			c.tally.Excluded++
		}
	}
	if len(d.Settle) > 0 {
		if err := c.ledger.Record(ctx, d.Settle); err != nil {
			return err
		}
	}
	if len(d.Returned) > 0 {
		if err := c.ledger.Return(ctx, d.Returned); err != nil {
			return err
		}
	}
	if len(d.Vanished) == 0 {
		return nil
	}
	c.tally.Vanished += len(d.Vanished)
	return c.ledger.Vanish(ctx, d.Vanished)
}

// written gives the target's numbers after all was written: those with which prove
// opened the mailbox, if it has and they are all there, else those of STATUS.
func (c *copier) written(ctx context.Context) (Status, error) {
	st := c.opened
	if st.UIDValidity == c.dstValidity && c.firstNew != 0 && st.UIDNext >= c.nextUID && st.Messages > 0 &&
		(st.HighestModSeq != 0 || !c.dst.Can("CONDSTORE")) {
		return st, nil
	}
	st, err := c.dst.Status(ctx, c.opts.Target)
	if err != nil {
		return st, fmt.Errorf("status of %q: %w", c.opts.Target, err)
	}
	return st, nil
}

// finish proves on the target what this call wrote, and notes both servers'
// numbers for the next one.
//
// to is what the target showed at first, and is what it shows where nothing was
// written: it isn't asked again then.
func (c *copier) finish(ctx context.Context, from, to Status) (FolderState, error) {
	c.opened = Status{}
	if err := c.prove(ctx); err != nil {
		return c.state, err
	}
	if c.unkept != nil {
		return c.state, c.unkept
	}
	if c.wrote {
		var err error
		if to, err = c.written(ctx); err != nil {
			return c.state, err
		}
	}
	open, err := c.ledger.Open(ctx)
	if err != nil {
		return c.state, err
	}
	rules := c.rulesKey(c.refusing)
	if c.later {
		rules = flagRules(rules) + rulesCut + "to be judged anew"
	}
	listed := c.state.ListedInFull
	if c.tally.InFull = c.pages.full; c.tally.InFull {
		listed = c.opts.Now()
	}
	return FolderState{
		SrcUIDValidity: from.UIDValidity, SrcUIDNext: from.UIDNext, SrcExists: from.Messages, SrcModSeq: from.HighestModSeq,
		DstUIDValidity: to.UIDValidity, DstUIDNext: to.UIDNext, DstExists: to.Messages, DstModSeq: to.HighestModSeq,
		DstMaxUID: c.state.DstMaxUID, Rules: rules, Complete: len(open) == 0 && !c.left, ListedInFull: listed,
	}, nil
}
