package mail

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// packLimit parts bodies that go into the pack, one write each, from those
// that get a file of their own.
const packLimit = 64 << 10

// ownFile is the offset of a body that has its own file.
const ownFile = -1

// body is an octet string some records share.
type body struct {
	sum    [20]byte
	size   int64
	offset int64 // in the pack, or ownFile
	data   []byte
	meta   meta
}

// bodies keeps octet strings by SHA-1: in memory, or the small ones one after
// another in a pack and the others in a file each. Nothing is taken out.
type bodies struct {
	dir  string // "": memory
	tmp  string
	sync bool

	mu    sync.Mutex
	known map[[20]byte]*body
	pack  *os.File
	end   int64
}

func openBodies(dir string, sync bool) (*bodies, error) {
	b := &bodies{known: map[[20]byte]*body{}, sync: sync}
	if dir == "" {
		return b, nil
	}
	b.dir, b.tmp = filepath.Join(dir, "bodies"), filepath.Join(dir, "tmp")
	if err := os.RemoveAll(b.tmp); err != nil {
		return nil, fmt.Errorf("clear drafts: %w", err)
	}
	for _, d := range []string{b.dir, b.tmp} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the store: %w", err)
		}
	}
	pack, err := os.OpenFile(filepath.Join(b.dir, "pack"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the pack: %w", err)
	}
	if b.end, err = pack.Seek(0, io.SeekEnd); err != nil {
		return nil, errors.Join(fmt.Errorf("open the pack: %w", err), pack.Close())
	}
	b.pack = pack
	if sync {
		if err := syncDir(b.dir); err != nil {
			return nil, errors.Join(fmt.Errorf("open the pack: %w", err), pack.Close())
		}
	}
	return b, nil
}

func (b *bodies) close() error {
	if b == nil || b.pack == nil {
		return nil
	}
	return b.pack.Close()
}

// put takes a draft over and returns the body its octets have from now on.
func (b *bodies) put(d *Draft) (*body, error) {
	m, err := readMeta(d.Reader())
	if err != nil {
		return nil, err
	}
	out := &body{sum: d.SHA1(), size: d.size, offset: ownFile, meta: m}
	b.mu.Lock()
	defer b.mu.Unlock()
	if found := b.known[out.sum]; found != nil {
		d.Discard()
		return found, nil
	}
	if err := b.store(d, out); err != nil {
		return nil, fmt.Errorf("store a body: %w", err)
	}
	d.done = true
	b.known[out.sum] = out
	return out, nil
}

func (b *bodies) store(d *Draft, out *body) error {
	switch {
	case b.dir == "":
		out.data = d.buf
		return nil
	case d.file == nil && d.size < packLimit:
		return b.append(d, out)
	}
	path := b.path(out.sum)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var err error
	if d.file != nil {
		err = b.adopt(d, path)
	} else {
		err = b.write(path, d.buf)
	}
	if err != nil || !b.sync {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(b.dir))
}

func (b *bodies) append(d *Draft, out *body) error {
	if _, err := b.pack.WriteAt(d.buf, b.end); err != nil {
		return err
	}
	if b.sync {
		if err := b.pack.Sync(); err != nil {
			return err
		}
	}
	out.offset = b.end
	b.end += d.size
	return nil
}

func (b *bodies) adopt(d *Draft, path string) error {
	if b.sync {
		if err := d.file.Sync(); err != nil {
			return err
		}
	}
	if err := d.file.Close(); err != nil {
		return err
	}
	return os.Rename(d.file.Name(), path)
}

func (b *bodies) write(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil && b.sync {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (b *bodies) path(sum [20]byte) string {
	name := hex.EncodeToString(sum[:])
	return filepath.Join(b.dir, name[:2], name[2:])
}

// recall makes a body known that a log speaks of.
func (b *bodies) recall(found *body) *body {
	b.mu.Lock()
	defer b.mu.Unlock()
	if have := b.known[found.sum]; have != nil {
		return have
	}
	b.known[found.sum] = found
	return found
}

type sectionCloser struct{ io.Reader }

func (sectionCloser) Close() error { return nil }

func (b *bodies) open(which *body) (io.ReadCloser, error) {
	switch {
	case b.dir == "":
		return sectionCloser{bytes.NewReader(which.data)}, nil
	case which.offset != ownFile:
		return sectionCloser{io.NewSectionReader(b.pack, which.offset, which.size)}, nil
	}
	return os.Open(b.path(which.sum))
}
