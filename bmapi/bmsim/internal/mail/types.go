package mail

import (
	"context"
	"errors"
	"io"
	"time"
)

// Kinds of boxes.
const (
	KindUser      = "user"
	KindMailshare = "mailshare"
)

// What a store can refuse. All are wrapped with the name of the thing.
var (
	// ErrNotFound says that a box, a folder or a message isn't there.
	ErrNotFound = errors.New("not found")
	// ErrExists says that a folder of that name is there already, or that the
	// name can't be had.
	ErrExists = errors.New("already exists")
	// ErrName says that a folder's name holds what BlueMind refuses.
	ErrName = errors.New("invalid folder name")
	// ErrNoParent says that the folder above the one to be made is missing.
	ErrNoParent = errors.New("parent not found")
	// ErrProtected says that a default folder can't be renamed or deleted.
	ErrProtected = errors.New("protected folder")
	// ErrBusy says that a box's lock couldn't be had in time.
	ErrBusy = errors.New("mailbox is locked")
	// ErrClosed says that the store has been closed.
	ErrClosed = errors.New("store is closed")
)

// Box names the mail of one directory entry.
type Box struct {
	Domain   string `json:"domain"`   // domain uid
	EntryUID string `json:"entryUid"` // uid of the directory entry
	Kind     string `json:"kind"`     // KindUser or KindMailshare
	Name     string `json:"name"`     // login or name of the share
}

// Folder is a mail folder as REST and IMAP see it.
type Folder struct {
	UID           string `json:"uid"` // hex hash of owner and name
	ID            int64  `json:"id"`  // item id in the box's tree
	Name          string `json:"name"`
	FullName      string `json:"fullName"` // decoded, levels parted by "/"
	ParentUID     string `json:"parentUid,omitempty"`
	UIDValidity   uint32 `json:"uidValidity"`
	LastUID       uint32 `json:"lastUid"`
	HighestModSeq int64  `json:"highestModSeq"`
	Deleted       bool   `json:"deleted,omitempty"`
}

// Record is a message in a folder.
type Record struct {
	ItemID       int64
	Version      int64 // of the folder, when the record last changed
	UID          uint32
	Flags        []string // wire names: \Seen … and keywords
	InternalDate time.Time
	Size         int64
	SHA1         string // hex, of the stored octets
	Expunged     bool
	MessageID    string // with its angle brackets; empty when absent
	Subject      string
	Date         time.Time // of the Date field; zero when absent
}

// View is what REST reads. [Store] is the view of version 5.
type View interface {
	// Folders lists a box's folders by full name. The root of a mailshare
	// bears the share's name. A box nobody has made: ErrNotFound.
	Folders(ctx context.Context, box Box) ([]Folder, error)
	// FolderByUID finds a folder in any box, or returns ErrNotFound.
	FolderByUID(ctx context.Context, uid string) (Box, Folder, error)
	// Records lists a folder by UID, expunged records included and marked.
	Records(ctx context.Context, folderUID string) ([]Record, error)
	// Body opens the octets of a message and says how many there are.
	Body(ctx context.Context, folderUID string, uid uint32) (io.ReadCloser, int64, error)
	// Used sums the sizes of a box's messages that are not expunged.
	Used(ctx context.Context, box Box) (int64, error)
}

// Boxes is what provisioning does.
type Boxes interface {
	// Create makes a box with its default folders; repeating it is harmless.
	Create(ctx context.Context, box Box) error
	// Drop removes a box and all its mail; of an unknown one it is harmless.
	Drop(ctx context.Context, box Box) error
	// SetQuota sets the limit in KiB, 0 for none. Appends notice it late, as
	// BlueMind's do: see Options.QuotaMemory.
	SetQuota(ctx context.Context, box Box, kib int64) error
}
