package endpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

var (
	fetchPattern    = regexp.MustCompile(`(?i)fetch (\S+) (.*)$`)
	uidFetchPattern = regexp.MustCompile(`(?i)uid fetch (\S+) (.*)$`)
)

// set is a set of UIDs or sequence numbers as BlueMind understands it for FETCH,
// STORE and UID COPY: reversed ranges are turned, "*" alone is everything, and
// "n:*" is nothing when n is above the last.
type set struct{ spans []span }

type span struct{ from, to int64 }

const endless = int64(1) << 62

func parseSet(text string) (set, error) {
	var out set
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(part, ":")
		from, err := setNumber(low)
		if err != nil {
			return out, err
		}
		to := from
		if ranged {
			if to, err = setNumber(high); err != nil {
				return out, err
			}
		}
		switch {
		case from == endless && to == endless:
			from = 1
		case from == 0 || to == 0:
			return out, badf("don't know how to match in %s", part)
		case to < from:
			from, to = to, from
		}
		out.spans = append(out.spans, span{from, to})
	}
	sort.Slice(out.spans, func(i, j int) bool { return out.spans[i].from < out.spans[j].from })
	// Joined, so that one look finds the span a number could be in.
	joined := out.spans[:0]
	for _, sp := range out.spans {
		if n := len(joined); n > 0 && sp.from <= joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, sp.to)
			continue
		}
		joined = append(joined, sp)
	}
	out.spans = joined
	return out, nil
}

func setNumber(text string) (int64, error) {
	if text == "*" {
		return endless, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, badf("For input string: %q", text)
	}
	return n, nil
}

func (x set) contains(n int64) bool {
	i := sort.Search(len(x.spans), func(i int) bool { return x.spans[i].to >= n })
	return i < len(x.spans) && x.spans[i].from <= n
}

// pick lists the selected messages in a set, by UID.
func (sel *selection) pick(text string, byUID bool) ([]uint32, error) {
	x, err := parseSet(text)
	if err != nil {
		return nil, err
	}
	var uids []uint32
	for i, uid := range sel.snap.UIDs {
		n := int64(i + 1)
		if byUID {
			n = int64(uid)
		}
		if x.contains(n) {
			uids = append(uids, uid)
		}
	}
	return uids, nil
}

// part is an item that FETCH asks for.
type part struct {
	name, section string
	options       []string
	bracketed     bool
	partial       string
}

// String is the item as it is echoed, but for ".PEEK": with "<o.n>" where a
// server should say "<o>".
func (p part) String() string {
	out := p.name
	if p.bracketed {
		out += "[" + p.section
		if len(p.options) > 0 {
			out += " (" + strings.Join(p.options, " ") + ")"
		}
		out += "]"
	}
	if p.partial != "" {
		out += "<" + p.partial + ">"
	}
	return strings.ReplaceAll(out, ".PEEK", "")
}

// atom is a word of a FETCH and what is in the brackets behind it.
type atom struct {
	word  string
	inner []*atom
	open  bool // has brackets
}

// parseParts reads the items of FETCH. All brackets nest alike.
func parseParts(text string) ([]part, error) {
	if !strings.HasPrefix(text, "(") && !strings.HasSuffix(text, ")") {
		text = "(" + text + ")"
	}
	root := &atom{}
	stack := []*atom{}
	current := root
	var last *atom
	push := func() error {
		if len(stack) == 0 {
			return badf("imbalanced fetch spec: %s", text)
		}
		current = &atom{}
		top := stack[len(stack)-1]
		top.inner = append(top.inner, current)
		return nil
	}
	for _, c := range text {
		var err error
		switch c {
		case '(', '[', '<':
			current.open, current.inner = true, nil
			stack = append(stack, current)
			err = push()
		case ')', ']', '>':
			if len(stack) == 0 {
				return nil, badf("imbalanced fetch spec: %s", text)
			}
			last = stack[len(stack)-1]
			stack = stack[:len(stack)-1]
		case ' ':
			err = push()
		default:
			current.word += string(c)
		}
		if err != nil {
			return nil, err
		}
	}
	if last == nil {
		return nil, badf("imbalanced fetch spec: %s", text)
	}
	parts := make([]part, 0, len(last.inner))
	for _, a := range last.inner {
		parts = append(parts, a.part())
	}
	return parts, nil
}

func (a *atom) part() part {
	p := part{name: strings.ToUpper(a.word), bracketed: a.open}
	if !a.open || len(a.inner) == 0 {
		return p
	}
	section := a.inner[0]
	p.section = strings.ToUpper(section.word)
	switch {
	case len(a.inner) == 2:
		for _, option := range a.inner[1].inner {
			p.options = append(p.options, option.word)
		}
	case section.open && len(section.inner) == 1:
		p.partial = section.inner[0].word
	}
	return p
}

// parseFetch is FETCH and UID FETCH. Only the latter brings the selection up to
// date first. Nothing sets \Seen.
func (s *session) parseFetch(byUID bool) func(*command, *task) error {
	return func(c *command, t *task) error {
		re := fetchPattern
		if byUID {
			re = uidFetchPattern
		}
		m, err := c.match(re, "fetch")
		if err != nil {
			return err
		}
		parts, err := parseParts(m[2])
		if err != nil {
			return err
		}
		t.lock, t.needs = readSelected, selected
		t.run = func(context.Context) error { return s.fetch(t.tag, m[1], parts, byUID) }
		return nil
	}
}

func (s *session) fetch(tag, set string, parts []part, byUID bool) error {
	begun := time.Now()
	if s.sel == nil {
		return errNothingSelected
	}
	news, err := s.newKeywords()
	if byUID {
		news, err = s.news()
	}
	if err != nil {
		return err
	}
	s.send(news)
	uids, err := s.sel.pick(set, byUID)
	if err != nil {
		return err
	}
	for _, uid := range uids {
		if err := s.sendMessage(uid, parts); err != nil {
			return err
		}
	}
	unit := " ms"
	if byUID {
		unit = "ms"
	}
	s.out.line("%s OK Completed (took %d%s)", tag, time.Since(begun).Milliseconds(), unit)
	return nil
}

// errNothingSelected stands for what BlueMind runs into after IDLE and DONE
// without a selected folder.
var errNothingSelected = bad(`Cannot read field "sequences" because the return value of "ctx.selected()" is null`)

// send sends whole lines, if there are any.
func (s *session) send(lines string) {
	if lines != "" {
		s.out.line("%s", strings.TrimSuffix(lines, "\r\n"))
	}
}

// sendMessage sends one FETCH response: UID first, the items in the order asked
// for, what is unknown left out.
func (s *session) sendMessage(uid uint32, parts []part) error {
	rec, err := s.srv.Store.Record(s.sel.snap.UID, uid)
	if errors.Is(err, mail.ErrNotFound) || err == nil && rec.Expunged {
		return nil
	}
	if err != nil {
		return err
	}
	// What can fail is read before the first octet is sent.
	pieces := make([]piece, 0, len(parts))
	defer func() {
		for _, p := range pieces {
			p.close()
		}
	}()
	for _, part := range parts {
		p, err := s.render(rec, part)
		if err != nil {
			return err
		}
		pieces = append(pieces, p)
	}
	s.out.write(func(w *bufio.Writer) error {
		fmt.Fprintf(w, "* %d FETCH (UID %d", s.sel.sequence(uid), uid)
		for i, p := range pieces {
			if !p.known {
				continue
			}
			fmt.Fprintf(w, " %s %s", parts[i], p.text)
			if p.body == nil {
				continue
			}
			if n, err := io.Copy(w, p.body); err != nil || n != p.size {
				return errors.Join(err, io.ErrUnexpectedEOF)
			}
		}
		_, err := w.WriteString(")\r\n")
		return err
	})
	return nil
}

// piece is the value of an item: a text, perhaps with a body behind it.
type piece struct {
	known bool
	text  string
	body  io.Reader
	size  int64
	under io.Closer
}

func (p piece) close() {
	if p.under != nil {
		p.under.Close()
	}
}

func known(text string) piece { return piece{known: true, text: text} }

func literalOf(text string) piece {
	return known("{" + strconv.Itoa(len(text)) + "}\r\n" + text)
}

func (s *session) render(rec mail.Record, p part) (piece, error) {
	switch p.name {
	case "FLAGS":
		flags := slices.DeleteFunc(rec.Flags, func(f string) bool {
			return !mail.IsSystemFlag(f) && !slices.Contains(s.sel.snap.Labels, f)
		})
		return known("(" + strings.Join(flags, " ") + ")"), nil
	case "INTERNALDATE":
		return known(rec.InternalDate.In(s.srv.Location).Format(`"02-Jan-2006 15:04:05 -0700"`)), nil
	case "RFC822.SIZE":
		return known(strconv.FormatInt(rec.Size, 10)), nil
	case "RFC822.HEADER":
		text, err := s.header(rec, defaultFields)
		return literalOf(text), err
	case "BODY", "BODY.PEEK", "RFC822":
		return s.renderBody(rec, p)
	}
	return piece{}, nil
}

func (s *session) renderBody(rec mail.Record, p part) (piece, error) {
	offset, length, valid := partialOf(p.partial)
	if p.partial != "" && !valid {
		return piece{}, nil
	}
	switch p.section {
	case "":
		return s.wholeBody(rec, offset, length, valid)
	case "HEADER.FIELDS":
		fields := p.options
		if fields == nil {
			fields = defaultFields
		}
		text, err := s.header(rec, fields)
		return literalOf(text), err
	case "HEADER":
		text, err := s.header(rec, defaultFields)
		return literalOf(text), err
	case "TEXT":
		return piece{}, badf("Index out of bounds: length %d", rec.Size) // sliced with the size of the whole
	}
	return piece{}, nil
}

func partialOf(text string) (offset, length int64, ok bool) {
	first, second, found := strings.Cut(text, ".")
	if !found {
		return 0, 0, false
	}
	offset, err := strconv.ParseInt(first, 10, 32)
	if err != nil || offset < 0 {
		return 0, 0, false
	}
	length, err = strconv.ParseInt(second, 10, 32)
	return offset, length, err == nil && length >= 0
}

// wholeBody is the message as it was stored, or a part of it. An empty part is a
// quoted string.
func (s *session) wholeBody(rec mail.Record, offset, length int64, partial bool) (piece, error) {
	body, size, err := s.srv.Store.Body(context.Background(), s.sel.snap.UID, rec.UID)
	if err != nil {
		return piece{}, err
	}
	var from io.Reader = body
	if partial {
		offset = min(offset, size)
		if _, err := io.CopyN(io.Discard, body, offset); err != nil {
			return piece{}, errors.Join(err, body.Close())
		}
		size = min(length, size-offset)
		from = io.LimitReader(body, size)
	}
	if size == 0 {
		return known(`""`), body.Close()
	}
	return piece{known: true, text: fmt.Sprintf("{%d}\r\n", size), body: from, size: size, under: body}, nil
}
