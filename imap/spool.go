package imap

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Budget bounds how many octets of message bodies all copies of a process
// keep in memory together. It is safe for concurrent use.
type Budget struct {
	sem  *semaphore.Weighted
	size int64

	mu         sync.Mutex
	kept, most int64
}

// NewBudget makes a budget of so many octets.
func NewBudget(octets int64) *Budget {
	octets = max(octets, 1<<20)
	return &Budget{sem: semaphore.NewWeighted(octets), size: octets}
}

// acquire takes n octets, or the whole budget where n is more: one holder at
// a time may exceed it then. It takes all or nothing, so that two copies
// can't each wait for what the other holds.
func (b *Budget) acquire(ctx context.Context, n int64) (int64, error) {
	n = min(n, b.size)
	return n, b.sem.Acquire(ctx, n)
}

func (b *Budget) release(n int64) { b.sem.Release(n) }

// Most is how many octets of bodies were in memory together at most, whatever was
// taken from the budget for them.
func (b *Budget) Most() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.most
}

// count notes that so many octets more are in memory.
func (b *Budget) count(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept += n
	b.most = max(b.most, b.kept)
}

// memoryLimit is up to which size a body is kept in memory; a larger one goes
// to a temporary file.
const memoryLimit = 1 << 20

// spooled is one message body on its way, hashed as it was read.
type spooled struct {
	Message
	mem    []byte
	file   *os.File
	size   int64
	sha1   [20]byte
	sha256 [32]byte
	munged [20]byte // with 8-bit header octets replaced by X; zero: there are none
	// defects are what real servers refuse: a NUL, a bare LF, no octet at all, a
	// header line that is no field. Such a message is not put into one command
	// with others.
	defects defect
	note    string
	redated bool // InternalDate isn't the source's

	// Of a repaired message, which has its octets from another:
	mended   *mended
	origin   *spooled // as the source gave it
	repaired defect   // what was done
	words    string   // the refusal for which it was done
}

// spool reads a body to its end, into memory or into a file in dir ("": the
// system's temporary folder). The file has no name any more when spool returns,
// so that a killed process leaves nothing behind.
func spool(m Message, size int64, body io.Reader, dir string, inMemory bool) (*spooled, error) {
	s := &spooled{Message: m}
	h1, h256, scan := sha1.New(), sha256.New(), &contentScan{}
	hashes := io.MultiWriter(h1, h256, scan)
	n, err := s.fill(size, body, dir, inMemory, hashes)
	if err == nil && n != size {
		err = fmt.Errorf("literal of %d octets ended after %d: %w", size, n, io.ErrUnexpectedEOF)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	s.size, s.defects = n, scan.defects()
	h1.Sum(s.sha1[:0])
	h256.Sum(s.sha256[:0])
	if scan.eightBit {
		h := sha1.New()
		if _, err := io.Copy(h, &munger{r: io.NewSectionReader(s, 0, n)}); err != nil {
			s.Close()
			return nil, fmt.Errorf("spool: %w", err)
		}
		h.Sum(s.munged[:0])
	}
	return s, nil
}

// fill reads the body, and gives the number of its octets.
func (s *spooled) fill(size int64, body io.Reader, dir string, inMemory bool, hashes io.Writer) (int64, error) {
	if inMemory {
		buf := make([]byte, size+1) // one more than should come
		n, err := io.ReadFull(body, buf)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil // n tells
		}
		s.mem = buf[:n]
		hashes.Write(s.mem)
		return int64(n), err
	}
	f, err := os.CreateTemp(dir, "bmsync-spool-")
	if err != nil {
		return 0, fmt.Errorf("spool: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return 0, fmt.Errorf("spool: %w", err)
	}
	s.file = f
	return io.Copy(io.MultiWriter(f, hashes), body)
}

// ReadAt implements io.ReaderAt over the body.
func (s *spooled) ReadAt(p []byte, off int64) (int, error) {
	if s.mended != nil {
		return s.mended.ReadAt(p, off)
	}
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	if off >= int64(len(s.mem)) {
		return 0, io.EOF
	}
	n := copy(p, s.mem[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close frees the body.
func (s *spooled) Close() {
	if s.file != nil {
		s.file.Close() // its name is gone; nothing can be lost
		s.file = nil
	}
	s.mem = nil
}
