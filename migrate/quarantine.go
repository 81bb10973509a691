package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"bmsync/imap"
)

// quarantineMost is how much one run puts into quarantine, in octets: a target
// that refuses everything must not fill a disk.
const quarantineMost = 10 << 30

// quarantine keeps the octets of refused messages: one .eml file for each, as
// the source delivered it, and beside it a .json file that says why. Its folders
// and files are the owner's alone.
type quarantine struct {
	dir  string
	most int64
	now  func() time.Time
	used atomic.Int64
}

// quarantined is what the .json file beside a message says.
type quarantined struct {
	Account      string    `json:"account"`
	Folder       string    `json:"folder"`
	SourceUID    uint32    `json:"source_uid"`
	InternalDate time.Time `json:"internal_date,omitzero"`
	DateText     string    `json:"date_text,omitempty"`
	Flags        []string  `json:"flags,omitempty"`
	Size         int64     `json:"size"`
	SHA1         string    `json:"sha1"`
	SHA256       string    `json:"sha256"`
	By           string    `json:"refused_by"`
	Words        string    `json:"words"`
	Kept         time.Time `json:"kept"`
}

// of gives the engine its way into the quarantine for one folder of an account;
// nil where there is none.
func (q *quarantine) of(target, account, folder string) func(context.Context, imap.Outcome, io.ReaderAt, int64) (string, error) {
	if q == nil {
		return nil
	}
	return func(_ context.Context, o imap.Outcome, body io.ReaderAt, size int64) (string, error) {
		sum := hex.EncodeToString(o.SHA256[:])
		name := path.Join(fileName(target), fileName(account), fmt.Sprintf("%s-%d-%.8s.eml", fileName(folder), o.SrcUID, sum))
		about := quarantined{Account: account, Folder: folder, SourceUID: o.SrcUID, InternalDate: o.InternalDate, DateText: o.DateText, Flags: o.Flags,
			Size: size, SHA1: hex.EncodeToString(o.SHA1[:]), SHA256: sum, By: o.By, Words: o.Reason, Kept: q.now().UTC().Truncate(time.Second)}
		if err := q.keep(name, about, o.SHA256, io.NewSectionReader(body, 0, size)); err != nil {
			return "", err
		}
		return imap.QuarantineNote + name, nil
	}
}

// keep writes a message and what is known of it, unless the message is there. It
// is there as a whole under its name, or not at all.
func (q *quarantine) keep(name string, about quarantined, sum [32]byte, body *io.SectionReader) error {
	to := filepath.Join(q.dir, filepath.FromSlash(name))
	if there, err := holds(to, body.Size(), sum); there || err != nil {
		return err
	}
	if q.used.Add(body.Size()) > q.most {
		return fmt.Errorf("this run has put %s there, which is the most: see why so much is refused", FormatSize(q.most))
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(about, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(strings.TrimSuffix(to, ".eml")+".json", strings.NewReader(string(text)+"\n"), nil, nil); err != nil {
		return err
	}
	return writeWhole(to, body, sha256.New(), sum[:])
}

// holds says whether a file is there with these octets.
func holds(name string, size int64, sum [32]byte) (bool, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, os.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() != size) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [32]byte(h.Sum(nil)) == sum, err
}

// writeWhole writes a file that only its owner may read. It appears under its name
// once it is whole and on disk; where sum is given, its octets have that hash.
func writeWhole(name string, from io.Reader, h hash.Hash, sum []byte) (err error) {
	part := name + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) { // of a run that was killed
		return err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if h != nil {
		from = io.TeeReader(from, h)
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if h != nil && string(h.Sum(nil)) != string(sum) {
		return errors.New("the message was read with other bytes than before")
	}
	return os.Rename(part, name)
}

// longestFileName is how much of a name stands in a file's, in octets.
const longestFileName = 60

// fileName makes of a name one that is a file's on every system, and that no
// shell, path or spreadsheet takes for anything else. Names that would be lost in
// it are told apart by their hash.
func fileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_', r == '@':
			return r
		}
		return '_'
	}, name)
	safe = strings.ReplaceAll(safe, "..", "__")
	if safe == "" || strings.ContainsRune(".-@", rune(safe[0])) || device(safe) {
		safe = "_" + safe
	}
	if len(safe) > longestFileName {
		safe = safe[:longestFileName]
	}
	if safe != name {
		sum := sha256.Sum256([]byte(name))
		safe += "-" + hex.EncodeToString(sum[:4])
	}
	return safe
}

// device knows the names that Windows takes for devices, whatever follows a dot.
func device(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT"))
}
