package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Holder is the process that has a state file open for writing.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Started time.Time `json:"started"`
	Run     string    `json:"run,omitempty"` // name of its run, once one is begun
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	text := fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Started.Format(time.RFC3339))
	if h.Run != "" {
		text += ", run " + h.Run
	}
	return text
}

// lock is an flock(2) on a file beside the state. The kernel lets go of it
// when the process ends, however it ends. The file stays: removing it would
// let two processes lock two files of one name.
type lock struct {
	file   *os.File
	holder Holder
}

// acquire locks path+".lock" without waiting and writes there who holds it.
func acquire(path string) (*lock, error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fileError(path, err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer file.Close()
		return nil, &LockedError{Path: path, Holder: readHolder(file)}
	}
	if err != nil {
		file.Close()
		return nil, &FileError{path, nil, fmt.Errorf("lock: %w", err)}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	l := &lock{file: file, holder: Holder{PID: os.Getpid(), Host: host, Started: time.Now().Truncate(time.Second)}}
	if err := l.write(); err != nil {
		file.Close()
		return nil, fileError(path, err)
	}
	return l, nil
}

func readHolder(file *os.File) Holder {
	var h Holder
	text, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{} // it has only just locked: who it is stays unknown
	}
	return h
}

// write says in the lock file who holds it.
func (l *lock) write() error {
	text, err := json.Marshal(l.holder)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(text, '\n'), 0)
	return err
}

// release empties the file and lets go of it.
func (l *lock) release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}
