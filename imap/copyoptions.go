package imap

import (
	"context"
	"io"
	"time"
)

// CopyOptions say how one folder is copied. The zero value of a field stands
// for its default.
type CopyOptions struct {
	Source, Target string // folder names, decoded
	// Only says which of the source's messages belong to this copy, where the
	// others go to other targets; nil: all.
	Only func(context.Context, Message) (bool, error)
	// Others gives the target's UIDs from first on, under a UIDVALIDITY, that
	// copies of other source folders into this target claim; nil: there are none.
	Others func(ctx context.Context, dstUIDValidity, first uint32, claim func(uid uint32)) error
	// Digests tells the SHA-1 of the target folder's messages from UID first on by
	// another way than IMAP, for a server whose listing doesn't; nil: there is none.
	// It may tell of some only, in any order, and of others beside: those it
	// doesn't tell of are read.
	Digests func(ctx context.Context, first uint32, tell func(uid uint32, sha1 [20]byte)) error
	Rules   Rules
	// Shown is what the target showed of the folder before, where no copy went
	// there since: it isn't asked again then. Zero: it is. It counts for a folder
	// only of which the FolderState has nothing.
	Shown Status

	// Batch is how many messages go together, and BatchBytes how many octets of
	// them; 64 and 4 MiB. Two batches are in flight, and more where the round
	// trip is longer than their execution: up to 16 times the messages and 4 times
	// the octets, or 1,024 and 16 MiB.
	Batch      int
	BatchBytes int64
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
	// UsersDelete says that any number of copies may have been deleted by users of
	// the target: those that are missing are noted, and never taken for a loss.
	// Other messages under our UIDs, or a UIDNEXT below them, are one all the same.
	UsersDelete bool
	// Moved counts those of the missing copies that are elsewhere on the target, by
	// their content, where users moved them; nil: none are known. It is called only
	// where so many are missing that it would be taken for a loss, and no more than
	// MostLost; it may select other mailboxes of the target.
	Moved func(ctx context.Context, lost []Claim) (int, error)
	// Relist compares both sides even where no number has moved.
	Relist bool
	// Departures only marks what vanished from the source, where the folder can't
	// be passed over; the rest is left for another call, as the Tally's Waits says.
	Departures bool
	// KeepTouched takes a flag that changed at the source over only where the copy
	// has those that it was last given: what users of the target did stays.
	KeepTouched bool
	// Pool has copies whose messages have vanished from other folders: where one of
	// them is met here, the copy is copied on the target. nil: none are followed.
	Pool *Pool
	// Followed keeps what became of copies out of Pool. It is called between the
	// ledger's calls; an error ends the copy. What is DepartedMoved is in the
	// ledger then.
	Followed func(context.Context, []Followed) error
	// ListEvery is for how long a source is believed what it says of changes
	// (RFC 7162) before it is listed in full again; 7 days.
	ListEvery time.Duration

	// Unanswered counts, by source UID, the sessions that the target ended
	// with the message under way. It is the caller's, who keeps it between
	// calls for the folder; nil: nothing is known.
	Unanswered map[uint32]int
	// Undelivered counts, likewise, the sessions that the source ended before
	// it had delivered the message; nil: nothing is known.
	Undelivered map[uint32]int

	// SourceErrors is how many messages side by side in the folder the source may
	// refuse before it is taken for sick; 0: any number. See SickError.
	SourceErrors int

	// Guard reads the first messages of an account back before it sends the
	// others; nil: they are read back with those, once the folder is full.
	Guard *Guard
	// Quarantine keeps the octets of a message that is refused, and gives a note
	// for its row that begins with QuarantineNote; nil: they are not kept. It is
	// called by one goroutine at a time.
	Quarantine func(ctx context.Context, o Outcome, body io.ReaderAt, size int64) (note string, err error)

	// Stop, when closed, ends the copy after what is in flight; the error is
	// ErrStopped then.
	Stop <-chan struct{}
	// Progress is called by two goroutines.
	Progress func(kind string, messages int, octets int64)
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error
}

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
	if o.ListEvery == 0 {
		o.ListEvery = 7 * 24 * time.Hour // a listing costs what every pass costs where there is no CONDSTORE
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = o.sleep
	}
	if o.Unanswered == nil {
		o.Unanswered = map[uint32]int{}
	}
	if o.Undelivered == nil {
		o.Undelivered = map[uint32]int{}
	}
	return o
}

func (o CopyOptions) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-o.Stop:
		return ErrStopped
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
