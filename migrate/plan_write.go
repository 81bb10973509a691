package migrate

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"os"
	"path/filepath"
)

// PlanWriter writes plan.jsonl line by line into a temporary file beside it,
// which takes its place when Finish has written the trailer.
type PlanWriter struct {
	path    string
	file    *os.File
	buf     *bufio.Writer
	sum     hash.Hash
	trailer PlanTrailer
}

// CreatePlan starts a plan. The header's digest is computed here.
func CreatePlan(path string, h PlanHeader) (*PlanWriter, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".plan-*.jsonl")
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	w := &PlanWriter{path: path, file: f, buf: bufio.NewWriterSize(f, 64<<10), sum: sha256.New()}
	h.Line, h.Format, h.Policy, h.PolicyDigest = "header", PlanFormat, h.Policy.Canonical(), h.Policy.Digest()
	h.TargetVersion = h.Policy.TargetVersion
	if err := w.line(h); err != nil {
		w.Abandon()
		return nil, err
	}
	return w, nil
}

// Domain writes a domain's line.
func (w *PlanWriter) Domain(d PlanDomain) error {
	d.Line = "domain"
	w.trailer.Domains++
	return w.line(d)
}

// groupMembers is how many members stand in one line: far below maxPlanLine.
const groupMembers = 1000

// Group writes a group, on several lines where it has very many members.
func (w *PlanWriter) Group(g PlanGroup) error {
	w.trailer.Groups++
	g.Line = "group"
	members := g.Members
	for {
		n := min(len(members), groupMembers)
		g.Members, members = members[:n:n], members[n:]
		if err := w.line(g); err != nil || len(members) == 0 {
			return err
		}
	}
}

// joinGroup adds the next line of a plan to the groups before it.
func joinGroup(groups []PlanGroup, g PlanGroup) []PlanGroup {
	if last := len(groups) - 1; last >= 0 && groups[last].Name == g.Name && groups[last].Domain == g.Domain {
		groups[last].Members = append(groups[last].Members, g.Members...)
		return groups
	}
	return append(groups, g)
}

// add counts an account and what stands below it.
func (t *PlanTrailer) add(a *PlanAccount) {
	t.Accounts++
	if a.Kind == KindShare {
		t.Shares++
	}
	t.Folders += len(a.Folders)
	for _, f := range a.Folders {
		t.Messages += f.Survey.Messages
		t.Bytes += f.Survey.Bytes
	}
	t.Rights += len(a.Rights)
	for _, r := range a.Rights {
		if r.Unresolved {
			t.Unresolved++
		}
	}
}

// Account writes an account's line, its folders' and its rights'; its digest
// is computed here.
func (w *PlanWriter) Account(a *PlanAccount) error {
	a.Line, a.Digest = "account", a.digest()
	a.Survey.Folders = len(a.Folders)
	w.trailer.add(a)
	if err := w.line(a); err != nil {
		return err
	}
	for _, f := range a.Folders {
		f.Line = "folder"
		if err := w.line(f); err != nil {
			return err
		}
	}
	a.rightsSum = 0
	for _, r := range a.Rights {
		r.Line, r.Mailbox = "right", a.Address
		text, err := w.text(r)
		if err != nil {
			return err
		}
		a.rightsSum = sumLine(a.rightsSum, text)
		if err := w.write(text); err != nil {
			return err
		}
	}
	return nil
}

// Public writes what no row takes.
func (w *PlanWriter) Public(p PlanPublic) error {
	p.Line = "public"
	w.trailer.Public++
	return w.line(p)
}

// sumLine goes on with a checksum over lines, by which two plans are compared.
func sumLine(sum uint64, line []byte) uint64 {
	h := fnv.New64a()
	binary.Write(h, binary.LittleEndian, sum) // a hash never fails
	h.Write(line)
	return h.Sum64()
}

// Finish writes the trailer and puts the plan in its place.
func (w *PlanWriter) Finish() (PlanTrailer, error) {
	w.trailer.Line, w.trailer.SHA256 = "end", hex.EncodeToString(w.sum.Sum(nil))
	err := w.line(w.trailer)
	if err == nil {
		err = w.buf.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = w.file.Chmod(0o644)
	}
	err = errors.Join(err, w.file.Close())
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		os.Remove(w.file.Name()) // the error that counts is told
		return w.trailer, fmt.Errorf("write plan: %w", err)
	}
	return w.trailer, nil
}

// Abandon removes what was written.
func (w *PlanWriter) Abandon() {
	w.file.Close() // it goes away
	os.Remove(w.file.Name())
}

func (w *PlanWriter) line(v any) error {
	text, err := w.text(v)
	if err != nil {
		return err
	}
	return w.write(text)
}

// text is a line as it is written.
func (w *PlanWriter) text(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	return append(text, '\n'), nil
}

func (w *PlanWriter) write(text []byte) error {
	w.sum.Write(text) // a hash never fails
	if _, err := w.buf.Write(text); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}
