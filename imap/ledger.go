package imap

import (
	"context"
	"fmt"
	"time"
)

// Intent is what the ledger keeps from before an APPEND until its outcome: by
// it, a message whose answer was lost is found again on the target.
type Intent struct {
	SrcUID       uint32
	DstUIDNext   uint32 // the target's UIDNEXT, or a lower bound of it, before
	Size         int64
	InternalDate time.Time
	Flags        []string
	SHA1         [20]byte // of the source's octets
	SHA256       [32]byte
	Munged       [20]byte // SHA-1 of what Cyrus' munge8bit makes of what is sent; zero: nothing else
	Sent         *Sent    // what is sent in its place; nil: itself
	DateText     string   // as Outcome's
	Note         string   // as Outcome's
	Begun        time.Time
}

// Sent is what was sent in the place of a source message that a target refused
// and the policy repairs.
type Sent struct {
	SHA1   [20]byte
	SHA256 [32]byte
	Size   int64
}

// sent gives SHA-1 and size of what an intent's APPEND carries.
func (i Intent) sent() ([20]byte, int64) {
	if i.Sent != nil {
		return i.Sent.SHA1, i.Sent.Size
	}
	return i.SHA1, i.Size
}

// Outcome is what became of one source message.
type Outcome struct {
	SrcUID         uint32
	DstUIDValidity uint32
	DstUID         uint32
	Size           int64
	InternalDate   time.Time
	DateText       string // INTERNALDATE as the source wrote it, where another is sent
	Flags          []string
	SHA1           [20]byte
	SHA256         [32]byte
	Sent           *Sent // the copy, where it isn't the same octets
	Fate           Fate
	Reason         string // a rule's name, or the words of who refused
	By             string // who refused: target, source, message_size_limit
	Note           string // what was lost or differs though the message arrived
	Gone           bool   // Copied, and the target has it no more
}

// Doubt remembers an intent that was settled as absent and whose message was
// appended again: a server may yet execute what it had received.
type Doubt struct {
	SrcUID       uint32
	DstUIDNext   uint32
	Size         int64 // of what was sent
	InternalDate time.Time
	SHA1         [20]byte // of what was sent
	Munged       [20]byte // as Intent's
	Since        time.Time
}

// Claim is a target message that the ledger knows as the copy of a source
// message.
type Claim struct {
	SrcUID, DstUID uint32
	Size           int64 // of the copy
	InternalDate   time.Time
	SHA1           [20]byte // of the copy
	Stored         [20]byte // of what the target made of it, where that is known to differ; else zero
	Flags          []string
	Gone           bool
	Fate           Fate
}

// Carried is a source message whose row is of a former UIDVALIDITY.
type Carried struct {
	From, To uint32 // its UID then and now
	Size     int64  // what the source says it is now, where the row's is to be replaced; -1: it stays
}

// Readdressed is a copy that has another UID on the target than before.
type Readdressed struct{ SrcUID, DstUID uint32 }

// Ledger is what the engine asks of the state of one folder, under the
// present UIDVALIDITYs of its source and target. Each method is one transaction, durable
// when it returns; repeating one is harmless. A Ledger is used by one
// goroutine at a time, except that Known may run beside Begin and Record.
type Ledger interface {
	// Known gives the rows with a source UID in [first, last], ascending.
	Known(ctx context.Context, first, last uint32) ([]Known, error)
	// Begin keeps intents, before their messages are sent.
	Begin(ctx context.Context, batch []Intent) error
	// Record keeps outcomes and closes their intents.
	Record(ctx context.Context, batch []Outcome) error
	// Open gives the intents without an outcome.
	Open(ctx context.Context) ([]Intent, error)
	// Vanish marks rows whose message is gone from the source.
	Vanish(ctx context.Context, srcUIDs []uint32) error
	// Flagged keeps the flags now synchronised.
	Flagged(ctx context.Context, changes []FlagChange) error
	// Return undoes Vanish for rows that have a copy on the target.
	Return(ctx context.Context, srcUIDs []uint32) error
	// Claims gives the copies with a target UID of at least first, ascending
	// by target UID, and no more than limit of them.
	Claims(ctx context.Context, first uint32, limit int) ([]Claim, error)
	// Repoint makes dstUID the copy of a source message, which is Copied then. sent,
	// if not nil, is what its octets are instead of the source's.
	Repoint(ctx context.Context, srcUID, dstUID uint32, sent *Sent) error
	// Annotate keeps, by source UID, what differs though a message arrived.
	Annotate(ctx context.Context, notes map[uint32]string) error
	// Gone marks copies seen missing on the target.
	Gone(ctx context.Context, srcUIDs []uint32) error
	// Former gives the source's UIDVALIDITYs, other than the present one, under
	// which something is kept. open says that some of it may yet be matched with
	// what the source lists now.
	Former(ctx context.Context) (srcUIDValidities []uint32, open bool, err error)
	// Carry moves rows of a former UIDVALIDITY to the present one, with all that
	// is known of them. One that had vanished and has a copy is no longer vanished.
	Carry(ctx context.Context, srcUIDValidity uint32, rows []Carried) error
	// Readdress gives rows the UIDs that their copies have under the present
	// UIDVALIDITY of the target.
	Readdress(ctx context.Context, rows []Readdressed) error

	Doubts(ctx context.Context) ([]Doubt, error)
	AddDoubts(ctx context.Context, batch []Doubt) error
	ClearDoubts(ctx context.Context, srcUIDs []uint32) error
}

// Books opens the ledger of a folder for the UIDVALIDITYs that the two servers
// show now. What was kept under others claims nothing.
type Books func(srcUIDValidity, dstUIDValidity uint32) Ledger

// WentBackError says that a server shows less than it showed before: a
// snapshot was restored, or a folder was made anew. Nothing was written.
type WentBackError struct {
	Side    string // "source" or "target"
	Mailbox string
	What    string // the numbers, in words
}

func (e *WentBackError) Error() string {
	return fmt.Sprintf("the %s went back in time: folder %q: %s", e.Side, e.Mailbox, e.What)
}

// QuotaError says that the target refused a message for want of space.
type QuotaError struct {
	Mailbox string
	Err     error
}

func (e *QuotaError) Error() string { return fmt.Sprintf("append to %q: %v", e.Mailbox, e.Err) }
func (e *QuotaError) Unwrap() error { return e.Err }

// RightError says that the target refused a message because this user may not
// write to the mailbox: it would refuse every other one as well.
type RightError struct {
	Mailbox string
	Err     error
}

func (e *RightError) Error() string { return fmt.Sprintf("append to %q: %v", e.Mailbox, e.Err) }

// Unwrap gives the server's words.
func (e *RightError) Unwrap() error { return e.Err }

// AlteredError says that the target stored other octets than were sent.
type AlteredError struct {
	Mailbox   string
	SrcUID    uint32
	Sent, Got [20]byte
}

func (e *AlteredError) Error() string {
	return fmt.Sprintf("append to %q: the target stored other bytes for source UID %d: SHA-1 %x, sent %x", e.Mailbox, e.SrcUID, e.Got, e.Sent)
}

// FidelityError says that the target doesn't keep what every message needs:
// nothing more is written before a person has looked.
type FidelityError struct {
	Mailbox string
	What    string
}

func (e *FidelityError) Error() string { return fmt.Sprintf("folder %q: %s", e.Mailbox, e.What) }
