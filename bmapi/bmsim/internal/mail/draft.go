package mail

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// draftMemory is how much of a message being received is kept in memory; above
// it goes to a temporary file, as BlueMind's does.
const draftMemory = 512 << 10

// Draft is a message being received: write its octets, then give it to Append
// or Discard it. A draft belongs to one goroutine.
type Draft struct {
	dir  string // of temporary files; "": all in memory
	sum  hash.Hash
	buf  []byte
	file *os.File
	size int64
	done bool
}

// NewDraft begins a message of about size octets.
func (s *Store) NewDraft(size int64) *Draft {
	d := &Draft{dir: s.bodies.tmp, sum: sha1.New()}
	if size > 0 {
		d.buf = make([]byte, 0, min(size, draftMemory))
	}
	return d
}

// Write implements io.Writer.
func (d *Draft) Write(p []byte) (int, error) {
	if d.done {
		return 0, errors.New("write to a message that was handed over")
	}
	if d.file == nil && d.dir != "" && int64(len(d.buf)+len(p)) > draftMemory {
		if err := d.spill(); err != nil {
			return 0, err
		}
	}
	if d.file != nil {
		if _, err := d.file.Write(p); err != nil {
			return 0, fmt.Errorf("spool a message: %w", err)
		}
	} else {
		d.buf = append(d.buf, p...)
	}
	d.sum.Write(p)
	d.size += int64(len(p))
	return len(p), nil
}

func (d *Draft) spill() error {
	file, err := os.CreateTemp(d.dir, "draft-*")
	if err != nil {
		return fmt.Errorf("spool a message: %w", err)
	}
	d.file = file
	if _, err := file.Write(d.buf); err != nil {
		return fmt.Errorf("spool a message: %w", err)
	}
	d.buf = nil
	return nil
}

// Size is the number of octets written.
func (d *Draft) Size() int64 { return d.size }

// SHA1 is the digest of the octets written.
func (d *Draft) SHA1() [20]byte { return [20]byte(d.sum.Sum(nil)) }

// Reader reads the octets from their beginning.
func (d *Draft) Reader() io.Reader {
	if d.file != nil {
		return io.NewSectionReader(d.file, 0, d.size)
	}
	return bytes.NewReader(d.buf)
}

// Discard lets go of a message that is not wanted. After Append it does nothing.
func (d *Draft) Discard() {
	if d.done {
		return
	}
	d.done = true
	d.buf = nil
	if d.file != nil {
		// Nothing depends on the removal: Open clears the folder.
		d.file.Close()
		os.Remove(d.file.Name())
	}
}
