package imaptest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// body is the octets of a message. Equal bodies are kept once.
type body struct {
	key  [sha256.Size]byte
	sha1 [sha1.Size]byte
	size int64

	content io.ReaderAt // in memory; nil: in the file
	path    string
}

// open returns the octets from 0 to size; close ends it.
func (b *body) open() (r io.ReaderAt, close func() error, err error) {
	if b.content != nil {
		return b.content, func() error { return nil }, nil
	}
	f, err := os.Open(b.path)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

func (b *body) bytes() ([]byte, error) {
	r, done, err := b.open()
	if err != nil {
		return nil, err
	}
	defer done()
	buf := make([]byte, b.size)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, b.size), buf); err != nil {
		return nil, fmt.Errorf("read body %x: %w", b.key[:4], err)
	}
	return buf, nil
}

// bodies keeps octets by their SHA-256, in memory or below dir.
type bodies struct {
	dir   string
	mu    sync.Mutex
	known map[[sha256.Size]byte]*body
}

func newBodies(dir string) *bodies {
	return &bodies{dir: dir, known: map[[sha256.Size]byte]*body{}}
}

func (s *bodies) path(key [sha256.Size]byte) string {
	name := hex.EncodeToString(key[:])
	return filepath.Join(s.dir, "bodies", name[:2], name)
}

// put keeps size octets of r. With a dir they are copied; without, r itself is
// kept and must not change.
func (s *bodies) put(r io.ReaderAt, size int64) (*body, error) {
	h1, h256 := sha1.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(h1, h256), io.NewSectionReader(r, 0, size))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("body of %d octets ends after %d: %w", size, n, err)
	}
	b := &body{size: size}
	h1.Sum(b.sha1[:0])
	h256.Sum(b.key[:0])

	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.known[b.key]; old != nil {
		return old, nil
	}
	if s.dir == "" {
		b.content = r
	} else {
		b.path = s.path(b.key)
		if err := writeFile(b.path, io.NewSectionReader(r, 0, size)); err != nil {
			return nil, fmt.Errorf("keep body: %w", err)
		}
	}
	s.known[b.key] = b
	return b, nil
}

func (s *bodies) putBytes(data []byte) (*body, error) {
	return s.put(bytes.NewReader(bytes.Clone(data)), int64(len(data)))
}

// find returns a body kept by an earlier process.
func (s *bodies) find(key [sha256.Size]byte, sum [sha1.Size]byte, size int64) (*body, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.known[key]; b != nil {
		return b, nil
	}
	b := &body{key: key, sha1: sum, size: size, path: s.path(key)}
	info, err := os.Stat(b.path)
	if err != nil {
		return nil, err
	}
	if info.Size() != size {
		return nil, fmt.Errorf("%s has %d octets, the index says %d", b.path, info.Size(), size)
	}
	s.known[key] = b
	return b, nil
}

// writeFile makes path appear with all its content or not at all.
func writeFile(path string, r io.Reader) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
