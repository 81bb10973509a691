package imap

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/semaphore"
)

// Budget bounds how many octets of message bodies all copies of a process
// keep in memory together. It is safe for concurrent use.
type Budget struct {
	sem  *semaphore.Weighted
	size int64
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
	// suspect is set where real servers refuse content: a NUL, a bare LF, no
	// octet at all, a first line that is no header. Such a message is not
	// put into one command with others.
	suspect bool
	note    string
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
	s.size, s.suspect = n, scan.suspect()
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

// header gives the first octets of the body, at most 64 KiB.
func (s *spooled) header() []byte {
	buf := make([]byte, min(s.size, 64<<10))
	n, _ := s.ReadAt(buf, 0) // a short read is a shorter header
	buf = buf[:n]
	if i := bytes.Index(buf, []byte("\r\n\r\n")); i >= 0 {
		buf = buf[:i+2]
	}
	return buf
}

// contentScan looks for what Cyrus refuses while the octets pass.
type contentScan struct {
	n       int64
	last    byte
	nul     bool
	bareLF  bool
	first   []byte // start of the first line
	firstOK bool   // first line seen to its end

	tail     [4]byte // the last octets of the header
	body     bool    // the header is over
	eightBit bool    // the header has octets above 127
}

func (c *contentScan) Write(p []byte) (int, error) {
	c.nul = c.nul || bytes.IndexByte(p, 0) >= 0
	for rest := p; !c.bareLF; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		at := len(p) - len(rest) + i
		before := c.last
		if at > 0 {
			before = p[at-1]
		}
		c.bareLF = before != '\r'
		rest = rest[i+1:]
	}
	if !c.firstOK {
		line := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line, c.firstOK = p[:i], true
		}
		if room := 128 - len(c.first); room > 0 {
			c.first = append(c.first, line[:min(room, len(line))]...)
		}
	}
	for i := 0; i < len(p) && !c.body; i++ {
		copy(c.tail[:], c.tail[1:])
		c.tail[3] = p[i]
		c.eightBit = c.eightBit || p[i] >= 0x80
		c.body = string(c.tail[:]) == "\r\n\r\n"
	}
	if len(p) > 0 {
		c.last = p[len(p)-1]
	}
	c.n += int64(len(p))
	return len(p), nil
}

func (c *contentScan) suspect() bool {
	if c.n == 0 || c.nul || c.bareLF {
		return true
	}
	name, _, ok := bytes.Cut(bytes.TrimRight(c.first, "\r"), []byte(":"))
	return !ok || len(name) == 0 || bytes.ContainsAny(name, " \t>")
}
