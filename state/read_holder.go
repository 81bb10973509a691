package state

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// HolderOf says who has a state file open for writing, for one who only
// reads. held is false for a process that died: its name stays in the lock
// file, the lock doesn't. A zero Holder with held false is nobody. Of a lock
// held on another host, held tells nothing.
func HolderOf(path string) (h Holder, held bool, err error) {
	path, err = resolve(path)
	if err != nil {
		return h, false, err
	}
	file, err := os.Open(path + ".lock")
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, fileError(path, err)
	}
	defer file.Close()
	// The lock is tried only where somebody has left a name, so that a run
	// that begins just now isn't kept out by a look.
	if h = readHolder(file); h == (Holder{}) {
		return h, false, nil
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	switch {
	case err == nil:
		return h, false, nil // closing the file lets go of it
	case errors.Is(err, syscall.EWOULDBLOCK):
		return h, true, nil
	}
	return h, false, &FileError{path, nil, err}
}
