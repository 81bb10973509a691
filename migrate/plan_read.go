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
	"math"
	"os"
)

// Plan is a plan file that was read through once and found whole. It stays
// open, so that another plan which takes its place meanwhile changes nothing
// for who is at work by this one.
type Plan struct {
	Path    string
	Header  PlanHeader
	Domains []PlanDomain
	Groups  []PlanGroup  // each once, whole
	Public  []PlanPublic // at its end
	Trailer PlanTrailer

	file *os.File // closed by Close, or with the last use of the plan
}

// Close lets go of the file.
func (p *Plan) Close() error { return p.file.Close() }

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
// keeps the header, the domains, the groups and the trailer; accounts are
// streamed by Accounts and Rights, so that 50,000 of them need no more memory
// than 50.
func OpenPlan(path string) (*Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p := &Plan{Path: path, file: f}
	if err := p.check(); err != nil {
		f.Close() // the error that counts is told
		return nil, err
	}
	return p, nil
}

func (p *Plan) check() error {
	seen := PlanTrailer{}
	addresses := map[string]int{}
	err := p.scan(p, true, func(a *PlanAccount, line int) error {
		seen.add(a)
		if a.Digest != a.digest() {
			return &PlanError{p.Path, line, fmt.Sprintf("the decisions for %s don't fit their digest (%s)", a.Address, planMend)}
		}
		if other := addresses[a.Address+"\x00"+a.Kind]; other != 0 {
			return &PlanError{p.Path, line, fmt.Sprintf("%s stands in line %d already (%s)", a.Address, other, planMend)}
		}
		addresses[a.Address+"\x00"+a.Kind] = line
		return nil
	})
	if err != nil {
		return err
	}
	seen.Line, seen.SHA256, seen.Domains, seen.Groups, seen.Public = p.Trailer.Line, p.Trailer.SHA256, len(p.Domains), len(p.Groups), len(p.Public)
	if seen != p.Trailer {
		return &PlanError{p.Path, 0, "the counts in the last line don't fit the lines before it (" + planMend + ")"}
	}
	return nil
}

// Accounts yields the plan's accounts with their folders, in the plan's order.
func (p *Plan) Accounts() iter.Seq2[*PlanAccount, error] { return p.accounts(true) }

// Rights yields the rights of all mailboxes, in the plan's order.
func (p *Plan) Rights() iter.Seq2[PlanRight, error] {
	return func(yield func(PlanRight, error) bool) {
		for a, err := range p.Accounts() {
			if err != nil {
				yield(PlanRight{}, err)
				return
			}
			for _, r := range a.Rights {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// heads yields the accounts without their folders and rights, which is several
// times faster.
func (p *Plan) heads() iter.Seq2[*PlanAccount, error] { return p.accounts(false) }

func (p *Plan) accounts(folders bool) iter.Seq2[*PlanAccount, error] {
	return func(yield func(*PlanAccount, error) bool) {
		stop := errors.New("stop")
		fresh := &Plan{Path: p.Path}
		err := p.scan(fresh, folders, func(a *PlanAccount, _ int) error {
			if !yield(a, nil) {
				return stop
			}
			return nil
		})
		if err == nil && fresh.Trailer.SHA256 != p.Trailer.SHA256 {
			err = p.changed()
		}
		if err != nil && err != stop {
			yield(nil, err)
		}
	}
}

func (p *Plan) changed() error {
	return &PlanError{p.Path, 0, "it was changed in its place while it was in use (" + planMend + ")"}
}

// at reads the account whose line begins at an offset, its folders and rights.
func (p *Plan) at(offset int64) (*PlanAccount, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(p.file, offset, math.MaxInt64-offset), 16<<10)
	var found *PlanAccount
	for {
		text, err := readLine(in)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("read plan %s at %d: %w", p.Path, offset, err)
		}
		switch kind := kindOf(text); {
		case found == nil && kind == "account":
			found = &PlanAccount{}
			err = json.Unmarshal(text, found)
		case found != nil && kind == "folder":
			var folder PlanFolder
			err = json.Unmarshal(text, &folder)
			found.Folders = append(found.Folders, folder)
		case found != nil && kind == "right":
			var right PlanRight
			err = json.Unmarshal(text, &right)
			found.Rights = append(found.Rights, right)
		case found != nil && found.Digest == found.digest():
			return found, nil
		default:
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, p.changed()
		}
	}
}

// kindOf finds what a line is, "" if it can't be read. The key comes first in
// every line that we wrote.
func kindOf(text []byte) string {
	if rest, ok := bytes.CutPrefix(text, []byte(`{"line":"`)); ok {
		if i := bytes.IndexByte(rest, '"'); i > 0 {
			return string(rest[:i])
		}
	}
	return ""
}

// scan reads all lines, fills into with what isn't an account, and hands over
// each account once its folders, if they are wanted, are read.
func (p *Plan) scan(into *Plan, folders bool, each func(*PlanAccount, int) error) error {
	r := planReader{plan: into, sum: sha256.New(), each: each, folders: folders}
	in := bufio.NewReaderSize(io.NewSectionReader(p.file, 0, math.MaxInt64), 64<<10)
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

// maxPlanLine bounds one line of a plan: an account with thousands of aliases
// or a folder with a name of a hundred levels is still far below.
const maxPlanLine = 1 << 20

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
	folders bool
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
	kind := kindOf(text)
	if kind == "" {
		return r.fault("not a line of a plan (%s)", planMend)
	}
	if (r.line == 1) != (kind == "header") {
		return r.fault("a plan begins with its header, and has one")
	}
	if kind != "folder" && kind != "right" {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if kind == "end" {
		return r.end(text)
	}
	r.sum.Write(text)
	switch kind {
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
	case "group":
		var g PlanGroup
		if err := r.decode(text, &g); err != nil {
			return err
		}
		r.plan.Groups = joinGroup(r.plan.Groups, g)
	case "public":
		var u PlanPublic
		if err := r.decode(text, &u); err != nil {
			return err
		}
		r.plan.Public = append(r.plan.Public, u)
	case "folder", "right":
		return r.below(kind, text)
	default:
		return r.fault("a line of kind %q is not built yet; this plan is of another release", kind)
	}
	return nil
}

// below reads what stands below an account's line.
func (r *planReader) below(kind string, text []byte) error {
	if r.account == nil {
		return r.fault("a %s without an account", kind)
	}
	if kind == "right" {
		r.account.rightsSum = sumLine(r.account.rightsSum, text)
	}
	switch {
	case !r.folders:
		return nil // read once, and the same octets now: the digest tells
	case kind == "folder":
		var f PlanFolder
		if err := r.decode(text, &f); err != nil {
			return err
		}
		r.account.Folders = append(r.account.Folders, f)
		return nil
	}
	var right PlanRight
	if err := r.decode(text, &right); err != nil {
		return err
	}
	if right.Mailbox != r.account.Address {
		return r.fault("a right on %s below the account %s (%s)", right.Mailbox, r.account.Address, planMend)
	}
	r.account.Rights = append(r.account.Rights, right)
	return nil
}

func (r *planReader) flush() error {
	a := r.account
	r.account = nil
	if a == nil {
		return nil
	}
	if a.Kind != KindUser && a.Kind != KindShare {
		return &PlanError{r.plan.Path, r.at, fmt.Sprintf("an account of kind %q is not built yet; this plan is of another release", a.Kind)}
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
