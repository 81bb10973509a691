package endpoint

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

const verbAppend = "APPEND"

// appendCommand is APPEND (RFC 3501 §6.3.11), its arguments as BlueMind
// understands them.
type appendCommand struct {
	folder string
	flags  []string
	date   time.Time   // zero: now
	draft  *mail.Draft // nil: none came, or an empty one
	others []literal   // that were taken for something else
}

func (a *appendCommand) discard() {
	if a.draft != nil {
		a.draft.Discard()
	}
	for _, l := range a.others {
		if l.draft != nil {
			l.draft.Discard()
		}
	}
}

// outside is what Java says of an index that is off a string.
func outside(begin, end, length int) error {
	return badf("begin %d, end %d, length %d", begin, end, length)
}

// appendFolder reads the folder of an APPEND whose only literal is the message.
// Neither escapes nor inbox in small letters mean anything here.
func appendFolder(text string) (wire string, after int) {
	const start = len("append ")
	if start >= len(text) {
		return "", -1
	}
	if text[start] == '"' {
		if end := indexFrom(text, '"', start+2); end >= 0 {
			return text[start+1 : end], end + 2
		}
		return "", -1
	}
	if end := indexFrom(text, ' ', start+1); end >= 0 {
		return text[start:end], end + 1
	}
	return "", -1
}

func indexFrom(s string, c byte, from int) int {
	if from >= len(s) {
		return -1
	}
	if i := strings.IndexByte(s[from:], c); i >= 0 {
		return from + i
	}
	return -1
}

func (s *session) parseAppend(c *command, t *task) error {
	text, err := c.flat(false)
	if err != nil {
		return err
	}
	a := &appendCommand{others: c.lits}
	after := -1
	switch len(c.lits) {
	case 0, 1:
		wire, pos := appendFolder(text)
		if pos < 0 {
			return outside(len("append "), -1, len(text))
		}
		if a.folder, err = decodeName(wire); err != nil {
			return err
		}
		after = pos
	case 2:
		// The first literal is the folder, as plain UTF-8: that of a MULTIAPPEND is
		// a message, and no folder has such a name.
		a.folder = beginning(c.lits[0])
		after = strings.IndexByte(text, '}') + 1
	}
	last := strings.LastIndexByte(text, '{')
	if after < 0 || last < after {
		return outside(after, last, len(text))
	}
	if err := a.readArguments(text[after:last]); err != nil {
		return err
	}
	if n := len(c.lits); n > 0 {
		a.draft, a.others = c.lits[n-1].draft, c.lits[:n-1]
	}
	t.append, t.folder, t.lock, t.needs = a, a.folder, writeNamed, authenticated
	t.run = func(ctx context.Context) error { return s.appendMessage(ctx, t) }
	return nil
}

// beginning is as much of a literal as a folder's name can have.
func beginning(l literal) string {
	text := l.text
	if l.draft != nil {
		text, _ = io.ReadAll(io.LimitReader(l.draft.Reader(), textLimit)) // what can't be read names no folder
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// readArguments reads flags and date. Without a list of flags the date keeps the
// space behind it, isn't understood, and is lost.
func (a *appendCommand) readArguments(args string) error {
	if strings.HasPrefix(args, "(") {
		end := strings.IndexByte(args, ')')
		if end < 0 {
			return outside(1, -1, len(args))
		}
		for _, flag := range strings.Split(args[1:end], " ") {
			if flag != "" && !strings.EqualFold(flag, `\Expunged`) {
				a.flags = append(a.flags, flag)
			}
		}
		args = strings.TrimSpace(args[end+1:])
	}
	if !strings.HasPrefix(args, `"`) || len(args) <= 10 {
		return nil
	}
	date, err := parseDateTime(args[1 : len(args)-1])
	var wrong bad
	if errors.As(err, &wrong) {
		return wrong
	}
	a.date = date // zero, and only logged, when anything else is wrong
	return nil
}

// errDate says that a date is not one, which BlueMind keeps to itself.
var errDate = errors.New("not a date")

// parseDateTime reads a date-time (RFC 3501 §9) of 26 characters, or of 25
// without the space before a single digit. Another length is BAD; day, hour,
// minute and second may be out of range and run over.
func parseDateTime(text string) (time.Time, error) {
	if len(text) == 25 {
		text = " " + text
	}
	if len(text) < 26 {
		return time.Time{}, bad("invalid date format")
	}
	p := dateReader{text: text, pos: 0}
	if text[0] == ' ' {
		p.pos++
	}
	day := p.number(2 - p.pos)
	p.char('-')
	month := p.month()
	p.char('-')
	year := p.number(4)
	p.char(' ')
	hour := p.number(2)
	p.char(':')
	minute := p.number(2)
	p.char(':')
	second := p.number(2)
	p.char(' ')
	sign := -1
	if p.pos < len(text) && text[p.pos] == '+' {
		sign = 1
		p.char('+')
	} else {
		p.char('-')
	}
	zone := sign * (p.number(2)*3600 + p.number(2)*60)
	if p.failed || p.pos != len(text) {
		return time.Time{}, errDate
	}
	return time.Date(year, month, day, hour, minute, second, 0, time.FixedZone("", zone)), nil
}

type dateReader struct {
	text   string
	pos    int
	failed bool
}

func (p *dateReader) take(n int) string {
	if p.failed || p.pos+n > len(p.text) {
		p.failed = true
		return ""
	}
	p.pos += n
	return p.text[p.pos-n : p.pos]
}

func (p *dateReader) number(digits int) int {
	n := 0
	for _, c := range []byte(p.take(digits)) {
		if c < '0' || c > '9' {
			p.failed = true
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func (p *dateReader) char(c byte) {
	if p.take(1) != string(c) {
		p.failed = true
	}
}

func (p *dateReader) month() time.Month {
	name := p.take(3)
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(name, m.String()[:3]) {
			return m
		}
	}
	p.failed = true
	return time.January
}

// appendMessage executes APPEND under the lock of the folder's owner.
func (s *session) appendMessage(ctx context.Context, t *task) error {
	a, cmd := s.acct.Load(), t.append
	p, ok := a.resolve(ctx, cmd.folder)
	if !ok || cmd.draft == nil || cmd.draft.Size() == 0 {
		s.out.line("%s NO Rejected", t.tag)
		return nil
	}
	free, err := s.srv.Store.Free(ctx, p.box)
	if err != nil {
		return err
	}
	if free <= 0 {
		s.out.line("%s NO Over quota", t.tag)
		return nil
	}
	fault, _ := s.strike(t.verb, t.folder, DropStored, DropLost, WrongUID, WrongSHA1, Altered, AlteredHidden, Lost)
	if fault.Kind == DropLost {
		s.cut()
		return nil
	}
	rec, err := s.storeMessage(ctx, p, cmd, fault.Kind, false)
	if err != nil {
		return err
	}
	if fault.Kind == DropStored {
		s.cut()
		return nil
	}
	answer := fmt.Sprintf("%s OK [APPENDUID %d %d] APPEND completed %s", t.tag, p.folder.UIDValidity, rec.UID, rec.SHA1)
	if s.sel != nil && s.sel.folder.UID == p.folder.UID {
		return s.checkpoint(answer)
	}
	s.out.line("%s", answer)
	return nil
}

// storeMessage puts a message into its folder, in the way a fault wants it, and
// returns the record as the answer shall tell it.
func (s *session) storeMessage(ctx context.Context, p place, cmd *appendCommand, fault FaultKind, late bool) (mail.Record, error) {
	store, draft := s.srv.Store, cmd.draft
	sent := draft.SHA1()
	switch fault {
	case Lost:
		uid, err := s.burn(ctx, p.folder.UID)
		return mail.Record{UID: uid, SHA1: hex.EncodeToString(sent[:])}, err
	case Altered, AlteredHidden:
		var err error
		if draft, err = s.altered(draft); err != nil {
			return mail.Record{}, err
		}
	}
	rec, err := store.Append(ctx, p.folder.UID, draft, cmd.flags, cmd.date)
	if err != nil {
		return mail.Record{}, err
	}
	s.note(Event{
		Kind: Appended, Verb: verbAppend, Box: p.box, Folder: p.folder.FullName, UIDValidity: p.folder.UIDValidity,
		UID: rec.UID, Size: rec.Size, SHA1: rec.SHA1, Flags: rec.Flags, Date: rec.InternalDate,
		Late: late || s.left.Load(), Unanswered: fault == DropStored || late, Fault: fault,
	})
	switch fault {
	case AlteredHidden:
		rec.SHA1 = hex.EncodeToString(sent[:])
	case WrongSHA1:
		wrong := draft.SHA1()
		wrong[0] ^= 0xFF
		rec.SHA1 = hex.EncodeToString(wrong[:])
	case WrongUID:
		rec.UID += 1000
	}
	return rec, nil
}

// altered is a draft with one octet changed.
func (s *session) altered(draft *mail.Draft) (*mail.Draft, error) {
	text, err := io.ReadAll(draft.Reader())
	if err != nil {
		return nil, err
	}
	out := s.srv.Store.NewDraft(draft.Size())
	if _, err := out.Write(alter(text)); err != nil {
		out.Discard()
		return nil, err
	}
	return out, nil
}

// burn spends a UID, by a message that the database refuses, and returns it.
func (s *session) burn(ctx context.Context, folderUID string) (uint32, error) {
	draft := s.srv.Store.NewDraft(1)
	if _, err := draft.Write([]byte{0}); err != nil {
		return 0, err
	}
	if _, err := s.srv.Store.Append(ctx, folderUID, draft, nil, time.Time{}); err == nil {
		return 0, errors.New("a NUL was stored in a header")
	}
	snap, err := s.srv.Store.Snapshot(folderUID, false)
	return snap.LastUID, err
}
