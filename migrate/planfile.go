package migrate

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"path/filepath"
)

// maxPlanLine bounds one line of a plan: an account with thousands of aliases
// or a folder with a name of a hundred levels is still far below.
const maxPlanLine = 1 << 20

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

// Plan is a plan file that was read through once and found whole.
type Plan struct {
	Path    string
	Header  PlanHeader
	Domains []PlanDomain
	Trailer PlanTrailer
}

// PlanError says what is wrong with a plan file.
type PlanError struct {
	Path string
	Line int // 0: the file as a whole
	Text string
}

func (e *PlanError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Text)
	}
	return fmt.Sprintf("%s: %s", e.Path, e.Text)
}

const planMend = "a plan is generated, never edited: change bmsync.yaml or accounts.csv and run bmsync plan again"

// OpenPlan reads a plan through: format, order of lines, digests, counts. It
// keeps the header, the domains and the trailer; accounts are streamed by
// Accounts, so that 50,000 of them need no more memory than 50.
func OpenPlan(path string) (*Plan, error) {
	p := &Plan{Path: path}
	seen := PlanTrailer{}
	addresses := map[string]int{}
	err := p.scan(func(a *PlanAccount, line int) error {
		seen.Accounts++
		seen.Folders += len(a.Folders)
		if a.Digest != a.digest() {
			return &PlanError{path, line, fmt.Sprintf("the decisions for %s don't fit their digest (%s)", a.Address, planMend)}
		}
		if other := addresses[a.Address+"\x00"+a.Kind]; other != 0 {
			return &PlanError{path, line, fmt.Sprintf("%s stands in line %d already (%s)", a.Address, other, planMend)}
		}
		addresses[a.Address+"\x00"+a.Kind] = line
		for _, f := range a.Folders {
			seen.Messages += f.Survey.Messages
			seen.Bytes += f.Survey.Bytes
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t := p.Trailer
	if t.Accounts != seen.Accounts || t.Folders != seen.Folders || t.Domains != len(p.Domains) || t.Messages != seen.Messages || t.Bytes != seen.Bytes {
		return nil, &PlanError{path, 0, "the counts in the last line don't fit the lines before it (" + planMend + ")"}
	}
	return p, nil
}

// Accounts yields the plan's accounts with their folders, in the plan's order.
func (p *Plan) Accounts() iter.Seq2[*PlanAccount, error] {
	return func(yield func(*PlanAccount, error) bool) {
		stop := errors.New("stop")
		fresh := &Plan{Path: p.Path}
		err := fresh.scan(func(a *PlanAccount, _ int) error {
			if !yield(a, nil) {
				return stop
			}
			return nil
		})
		if err != nil && err != stop {
			yield(nil, err)
		}
	}
}

// at reads the account whose line begins at an offset, and its folders.
func (p *Plan) at(offset int64) (*PlanAccount, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	in := bufio.NewReaderSize(f, 64<<10)
	var found *PlanAccount
	for {
		text, err := readLine(in)
		if err == io.EOF && found != nil {
			return found, nil
		}
		var kind struct {
			Line string `json:"line"`
		}
		if err == nil {
			err = json.Unmarshal(text, &kind)
		}
		switch {
		case err != nil:
		case found == nil && kind.Line == "account":
			found = &PlanAccount{}
			err = json.Unmarshal(text, found)
		case found != nil && kind.Line == "folder":
			var folder PlanFolder
			err = json.Unmarshal(text, &folder)
			found.Folders = append(found.Folders, folder)
		case found != nil:
			return found, nil
		default:
			err = errors.New("no account begins here: the plan was replaced meanwhile")
		}
		if err != nil {
			return nil, fmt.Errorf("read plan %s at %d: %w", p.Path, offset, err)
		}
	}
}

// scan reads all lines, hands over each account once its folders are read,
// and fills the rest of p.
func (p *Plan) scan(each func(*PlanAccount, int) error) error {
	f, err := os.Open(p.Path)
	if err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	defer f.Close()
	r := planReader{plan: p, sum: sha256.New(), each: each}
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		text, err := readLine(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return &PlanError{p.Path, r.line + 1, err.Error()}
		}
		if err := r.take(text); err != nil {
			return err
		}
	}
	if !r.ended {
		return &PlanError{p.Path, 0, "it ends before its last line (" + planMend + ")"}
	}
	return nil
}

// readLine reads up to and with the next newline.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxPlanLine {
			return nil, errors.New("line too long for a plan")
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF && len(line) > 0 {
			return line, nil
		}
		return line, err
	}
}

type planReader struct {
	plan    *Plan
	sum     hash.Hash
	each    func(*PlanAccount, int) error
	line    int
	read    int64 // octets so far, the present line's with them
	account *PlanAccount
	at      int // line of account
	ended   bool
}

func (r *planReader) fault(format string, args ...any) error {
	return &PlanError{r.plan.Path, r.line, fmt.Sprintf(format, args...)}
}

func (r *planReader) take(text []byte) error {
	r.line++
	r.read += int64(len(text))
	if r.ended {
		return r.fault("there is more after the last line (%s)", planMend)
	}
	var kind struct {
		Line string `json:"line"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return r.fault("not a line of a plan: %v", err)
	}
	if (r.line == 1) != (kind.Line == "header") {
		return r.fault("a plan begins with its header, and has one")
	}
	if kind.Line != "folder" {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if kind.Line == "end" {
		return r.end(text)
	}
	r.sum.Write(text)
	switch kind.Line {
	case "header":
		return r.header(text)
	case "domain":
		var d PlanDomain
		if err := r.decode(text, &d); err != nil {
			return err
		}
		r.plan.Domains = append(r.plan.Domains, d)
	case "account":
		r.account, r.at = &PlanAccount{offset: r.read - int64(len(text))}, r.line
		return r.decode(text, r.account)
	case "folder":
		if r.account == nil {
			return r.fault("a folder without an account")
		}
		var f PlanFolder
		if err := r.decode(text, &f); err != nil {
			return err
		}
		r.account.Folders = append(r.account.Folders, f)
	default:
		return r.fault("a line of kind %q is not built yet; this plan is of another release", kind.Line)
	}
	return nil
}

func (r *planReader) flush() error {
	a := r.account
	r.account = nil
	if a == nil {
		return nil
	}
	if a.Kind != "user" {
		return &PlanError{r.plan.Path, r.at, fmt.Sprintf("an account of kind %q is not built yet", a.Kind)}
	}
	return r.each(a, r.at)
}

func (r *planReader) header(text []byte) error {
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &format); err != nil {
		return r.fault("not a header: %v", err)
	}
	if format.Format != PlanFormat {
		return r.fault("a plan of format %d; this release reads format %d (run bmsync plan again)", format.Format, PlanFormat)
	}
	h := &r.plan.Header
	if err := r.decode(text, h); err != nil {
		return err
	}
	if h.Policy.Digest() != h.PolicyDigest || h.TargetVersion != h.Policy.TargetVersion {
		return r.fault("the policy doesn't fit its digest (%s)", planMend)
	}
	return nil
}

func (r *planReader) end(text []byte) error {
	t := &r.plan.Trailer
	if err := r.decode(text, t); err != nil {
		return err
	}
	if t.SHA256 != hex.EncodeToString(r.sum.Sum(nil)) {
		return r.fault("the lines before this one were changed since the plan was made (%s)", planMend)
	}
	r.ended = true
	return nil
}

// decode takes no key that it doesn't know: what another release decided must
// not be left out unseen.
func (r *planReader) decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return r.fault("%v (%s)", err, planMend)
	}
	return nil
}
