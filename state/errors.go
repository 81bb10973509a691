package state

import (
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

var (
	// ErrReadOnly is what a write method of a store opened by [OpenReadOnly] returns.
	ErrReadOnly = errors.New("state is open for reading only")

	// ErrNotFound says that the account, folder, run or message is not in the file.
	ErrNotFound = errors.New("not in the state")

	// ErrDiskFull is inside a [FileError] when the disk or a quota is full.
	// What was written before stays, and the store is usable again once there is room.
	ErrDiskFull = errors.New("no space left on the disk")

	// ErrNotWritable is inside a [FileError] when the file or its folder can't be written.
	ErrNotWritable = errors.New("file or folder is not writable")

	// ErrNotState is inside a [FileError] when the file is not a state of bmsync, or is damaged.
	ErrNotState = errors.New("not a state file, or a damaged one")
)

// FileError is trouble with the file itself: the run must stop, since nothing
// more can be recorded. It wraps ErrDiskFull, ErrNotWritable or ErrNotState
// where one of them fits.
type FileError struct {
	Path string
	Kind error // one of the sentinels above, or nil
	Err  error // SQLite's or the system's words
}

func (e *FileError) Error() string {
	if e.Kind != nil {
		return fmt.Sprintf("state file %s: %v (%v)", e.Path, e.Kind, e.Err)
	}
	return fmt.Sprintf("state file %s: %v", e.Path, e.Err)
}

// Unwrap gives the kind and the cause.
func (e *FileError) Unwrap() []error {
	if e.Kind != nil {
		return []error{e.Kind, e.Err}
	}
	return []error{e.Err}
}

// NewerError says that a later bmsync has written the file.
type NewerError struct {
	Path       string
	Have, Want int // format of the file, newest format known here
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("state file %s has format %d, this bmsync knows %d: use the newer bmsync that wrote it", e.Path, e.Have, e.Want)
}

// OlderError says that the file has to be upgraded, which [OpenReadOnly] can't do.
type OlderError struct {
	Path       string
	Have, Want int
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("state file %s has format %d, this bmsync needs %d: the next run upgrades it", e.Path, e.Have, e.Want)
}

// IdentityError says that the file belongs to another target.
type IdentityError struct {
	Path       string
	Field      string // "target", "installation", "version" or "rehearsal"
	Have, Want string // what the file says, what was asked for
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("state file %s belongs to %s %q, not to %q", e.Path, e.Field, e.Have, e.Want)
}

// LockedError says that another process, or another store of this one, has the
// file open for writing.
type LockedError struct {
	Path   string
	Holder Holder // as far as it could be read
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("state file %s is in use by %s", e.Path, e.Holder)
}

// ConflictError is the wrong-account guard: the source is known with another
// target, or the target with another source. Nothing was written.
type ConflictError struct {
	Known, Asked Account // key fields are what matters; Known is as stored
}

func (e *ConflictError) Error() string {
	if e.Known.Source == e.Asked.Source && e.Known.SourceLogin == e.Asked.SourceLogin {
		return fmt.Sprintf("login %q of source %q is known as the source of %s, not of %s",
			e.Asked.SourceLogin, e.Asked.Source, e.Known.Address, e.Asked.Address)
	}
	return fmt.Sprintf("%s is known as the target of login %q of source %q, not of %q of %q",
		e.Asked.Address, e.Known.SourceLogin, e.Known.Source, e.Asked.SourceLogin, e.Asked.Source)
}

// IntentError says why [Store.Begin] refused a batch: of one message another
// copy may exist. Nothing of the batch was written.
type IntentError struct {
	Folder                 int64
	SrcUIDValidity, SrcUID uint32
	Reason                 string
}

func (e *IntentError) Error() string {
	return fmt.Sprintf("intent to append source UID %d (UIDVALIDITY %d): %s", e.SrcUID, e.SrcUIDValidity, e.Reason)
}

// fault turns what SQLite and the system say into the errors above.
func (s *Store) fault(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return fmt.Errorf("%s: %w", what, fileError(s.path, err))
}

// fileError wraps an error that is about the file; others pass.
func fileError(path string, err error) error {
	var known *FileError
	if err == nil || errors.As(err, &known) {
		return err
	}
	var code sqlite3.Error
	if !errors.As(err, &code) {
		switch {
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			return &FileError{path, ErrDiskFull, err}
		case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTDIR):
			return &FileError{path, ErrNotWritable, err}
		}
		return err
	}
	switch code.Code {
	case sqlite3.ErrConstraint:
		if code.ExtendedCode == sqlite3.ErrConstraintForeignKey {
			return fmt.Errorf("%w (%w)", ErrNotFound, err)
		}
		return err
	case sqlite3.ErrFull:
		return &FileError{path, ErrDiskFull, err}
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return &FileError{path, ErrNotWritable, err}
	case sqlite3.ErrNotADB, sqlite3.ErrCorrupt:
		return &FileError{path, ErrNotState, err}
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		switch code.SystemErrno {
		case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
			return &FileError{path, ErrDiskFull, err}
		case syscall.EROFS, syscall.EACCES, syscall.EPERM:
			return &FileError{path, ErrNotWritable, err}
		}
	}
	return &FileError{path, nil, err}
}
