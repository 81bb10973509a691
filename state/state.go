package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Store is an open state file. Its methods may be called concurrently.
type Store struct {
	path string
	now  func() time.Time

	lock   *lock   // nil: open for reading only
	writer *sql.DB // one connection; nil as above

	beginning, recording *sql.Stmt     // of writer, which closes them
	turn                 chan struct{} // holds a token while nobody writes
	reader               *sql.DB

	joining sync.Mutex
	joined  []*writing // wait for somebody's turn

	counters counters

	closing sync.Once
	closed  error
}

// Open opens the state file for writing and locks it; a missing file and its
// missing folders (mode 0700) are made and bound to id. A file bound to
// another identity gives an *[IdentityError], one in use a *[LockedError], one
// of a later format a *[NewerError], and trouble with the file a *[FileError].
// An earlier format is upgraded after a copy of the file was put beside it.
// Don't keep the file on NFS.
func Open(ctx context.Context, path string, id Identity) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fileError(path, err)
	}
	held, err := acquire(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, now: time.Now, lock: held, turn: make(chan struct{}, 1)}
	if err := s.open(ctx, id); err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	s.turn <- struct{}{}
	return s, nil
}

func (s *Store) open(ctx context.Context, id Identity) error {
	if err := secure(s.path); err != nil {
		return fileError(s.path, err)
	}
	// No journal mode here: a file that turns out not to be ours stays as it is.
	s.writer = s.openDB(dsn(s.path, "mode=rw", "_synchronous=FULL", "_txlock=immediate",
		"_cache_size=-8000", "_stmt_cache_size=64"))
	s.writer.SetMaxOpenConns(1)
	if err := s.prepare(ctx, id); err != nil {
		return fileError(s.path, err)
	}
	var err error
	// What runs once a message is compiled once a file.
	if s.beginning, err = s.writer.PrepareContext(ctx, beginIntent); err == nil {
		s.recording, err = s.writer.PrepareContext(ctx, recordMessage)
	}
	if err != nil {
		return fileError(s.path, err)
	}
	s.openReader("mode=ro")
	return nil
}

// openReader opens the connections that read. Their number has no limit: a
// goroutine in the midst of an iterator may need a second one, and a pool with
// a limit could then be waited for by all who hold it.
func (s *Store) openReader(mode string) {
	s.reader = s.openDB(dsn(s.path, mode, "_query_only=1", "_cache_size=-2000", "_stmt_cache_size=32"))
	s.reader.SetMaxIdleConns(8)
	s.reader.SetConnMaxIdleTime(time.Minute)
}

// OpenReadOnly opens the state for reading, also while another process writes
// it. It takes no lock; write methods return [ErrReadOnly]. Where there is no
// file, or one that was never begun, the error is [fs.ErrNotExist].
func OpenReadOnly(ctx context.Context, path string) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	// Never opened here: closing a file lets go of all POSIX locks that this
	// process, perhaps with a writing Store, has on it.
	if info, err := os.Stat(path); err != nil {
		return nil, fileError(path, err)
	} else if info.Size() == 0 {
		return nil, &FileError{path, nil, fs.ErrNotExist}
	}
	s := &Store{path: path, now: time.Now}
	s.openReader("mode=ro")
	err = s.readable(ctx)
	if _, wal := os.Stat(path + "-wal"); err != nil && errors.Is(wal, fs.ErrNotExist) && !writableDir(path) {
		// Put away on read-only storage: nobody writes it, nothing is pending.
		s.reader.Close()
		s.openReader("immutable=1")
		err = s.readable(ctx)
	}
	if err != nil {
		s.reader.Close()
		return nil, fileError(path, err)
	}
	return s, nil
}

// writableDir says whether SQLite can put its shared memory beside the file.
func writableDir(path string) bool {
	probe, err := os.CreateTemp(filepath.Dir(path), ".bmsync-*")
	if err != nil {
		return false
	}
	probe.Close()
	os.Remove(probe.Name())
	return true
}

// Path is where the file is, absolute and without symbolic links.
func (s *Store) Path() string { return s.path }

// Close trims the file and lets go of it. The store must not be in use.
// Closing again returns what the first time returned.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Store) close() error {
	if s.lock == nil {
		return s.reader.Close()
	}
	errReader := s.reader.Close()
	s.reader = nil
	return errors.Join(errReader, fileError(s.path, s.trim()), s.abandon())
}

// Where more than a quarter of the file is unused, after an account was
// forgotten, it is written anew; not if that would keep a user waiting.
const (
	vacuumPages = 1 << 10  // 4 MiB unused, at least
	vacuumLimit = 64 << 10 // 256 MiB in use, at most
)

func (s *Store) trim() error {
	var pages, free int64
	if err := s.writer.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		return err
	}
	if err := s.writer.QueryRow("PRAGMA freelist_count").Scan(&free); err != nil {
		return err
	}
	if free > pages/4 && free > vacuumPages && pages-free < vacuumLimit {
		if _, err := s.writer.Exec("VACUUM"); err != nil && !errors.Is(fileError(s.path, err), ErrDiskFull) {
			return err
		}
	}
	var busy, log, done int64 // a reader of another process may keep some of the log: no harm
	return s.writer.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done)
}

// abandon closes what is open, the lock last.
func (s *Store) abandon() error {
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(append(errs, s.lock.release())...)
}

// each runs query on a connection for reading and calls fn for every row,
// until it returns false.
func (s *Store) each(ctx context.Context, what, query string, args []any, fn func(scan func(...any) error) (bool, error)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rows, err := s.reader.QueryContext(context.WithoutCancel(ctx), query, args...)
	if err != nil {
		return s.fault(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if more, err := fn(rows.Scan); err != nil || !more {
			return s.fault(what, err)
		}
	}
	return s.fault(what, rows.Err())
}

// resolve makes the path absolute and follows symbolic links, so that two
// names of one file have one lock.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("state file %s: %w", path, err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path)), nil
	}
	return path, nil
}

// secure makes the file where it is missing, and takes it from others' eyes.
func secure(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(path, 0o600)
}

// dsn names the file for go-sqlite3. Settings belong here: a PRAGMA run on a
// pool reaches one connection only.
func dsn(path string, params ...string) string {
	// database/sql lets one goroutine at a time use a connection: SQLite need not.
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_mutex=no&_busy_timeout=5000&_foreign_keys=on"
	for _, p := range params {
		name += "&" + p
	}
	return name
}

// stamp and unstamp convert times of the small tables; zero is 0.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unstamp(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
