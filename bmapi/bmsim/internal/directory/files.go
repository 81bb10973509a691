package directory

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// files keeps records, one file each, in folders by kind. Without a folder it
// keeps nothing. A record is replaced by rename, so a killed process leaves the
// old one or the new one.
type files struct{ dir string }

// maxName leaves room for the suffix under the 255 octets file systems allow.
const maxName = 180

func (f files) path(kind, id string) string {
	name := url.PathEscape(id)
	if len(name) > maxName {
		sum := sha1.Sum([]byte(id))
		name = name[:maxName-40] + hex.EncodeToString(sum[:])
	}
	return filepath.Join(f.dir, kind, name+".json")
}

func (f files) put(kind, id string, v any) error {
	if f.dir == "" {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	to := f.path(kind, id)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	tmp := to + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

func (f files) drop(kind, id string) error {
	if f.dir == "" {
		return nil
	}
	err := os.Remove(f.path(kind, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// load reads all records of a kind.
func load[T any](f files, kind string) ([]*T, error) {
	if f.dir == "" {
		return nil, nil
	}
	dir := filepath.Join(f.dir, kind)
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []*T
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".json") {
			continue // the rest of a write that was killed
		}
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			return nil, err
		}
		v := new(T)
		if err := json.Unmarshal(b, v); err != nil {
			return nil, fmt.Errorf("read %s/%s: %w", kind, n.Name(), err)
		}
		all = append(all, v)
	}
	return all, nil
}
