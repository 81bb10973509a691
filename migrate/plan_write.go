package migrate

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
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

// Account writes an account's line and its folders'; its digest is computed
// here.
func (w *PlanWriter) Account(a *PlanAccount) error {
	a.Line, a.Digest = "account", a.digest()
	a.Survey.Folders = len(a.Folders)
	w.trailer.Accounts++
	if err := w.line(a); err != nil {
		return err
	}
	for _, f := range a.Folders {
		f.Line = "folder"
		w.trailer.Folders++
		w.trailer.Messages += f.Survey.Messages
		w.trailer.Bytes += f.Survey.Bytes
		if err := w.line(f); err != nil {
			return err
		}
	}
	return nil
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
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	text = append(text, '\n')
	w.sum.Write(text) // a hash never fails
	if _, err := w.buf.Write(text); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}
