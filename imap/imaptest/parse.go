package imaptest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// command is a command with its literals read.
type command struct {
	tag, verb string
	args      *args
	line      string // after the tag, literals as {n}
}

// errLine answers a command that was not understood. The stream is in step,
// but after BYE.
type errLine struct {
	tag, status, text string
}

func (e *errLine) Error() string { return e.text }

// readLine returns a line without its end. Of a line above the limit nothing
// is kept.
func readLine(r *bufio.Reader, limit int) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			tooLong = true
		} else {
			line = append(line, part...)
		}
		switch {
		case err == nil:
			line = bytes.TrimSuffix(line, []byte("\n"))
			return bytes.TrimSuffix(line, []byte("\r")), tooLong, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, tooLong, err
		}
	}
}

// literalSuffix finds the {n} or {n+} at the end of a line, RFC 7888.
func literalSuffix(line []byte) (size int64, nonSync, ok bool) {
	if !bytes.HasSuffix(line, []byte("}")) {
		return 0, false, false
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return 0, false, false
	}
	digits, nonSync := bytes.CutSuffix(line[i+1:len(line)-1], []byte("+"))
	n, err := strconv.ParseUint(string(digits), 10, 63)
	return int64(n), nonSync, err == nil
}

// readCommand reads a command and its literals; proceed asks the client to
// send one.
func readCommand(r *bufio.Reader, opts Options, nonSyncAllowed bool, proceed func() error) (*command, error) {
	a := &args{}
	var tag string
	left := opts.MaxLine
	for {
		line, tooLong, err := readLine(r, left)
		if err != nil {
			return nil, err
		}
		if tooLong {
			return nil, &errLine{"*", "BYE", "Command line too long"}
		}
		left -= len(line)
		a.text = append(a.text, line)
		if tag == "" {
			word, _, _ := bytes.Cut(line, []byte(" "))
			if tag = string(word); !validTag(tag) {
				return nil, &errLine{"*", "BAD", "Invalid tag"}
			}
		}
		size, nonSync, ok := literalSuffix(line)
		if !ok {
			return newCommand(tag, a)
		}
		data, err := readLiteral(r, size, nonSync, opts, proceed)
		if err != nil {
			return nil, err
		}
		refusal := &errLine{tag, "NO", "[TOOBIG] Literal is too large"}
		if nonSync && !nonSyncAllowed {
			refusal = &errLine{tag, "BAD", "LITERAL+ is not announced"}
		} else if data != nil {
			refusal = nil
		}
		if refusal != nil {
			if nonSync { // the rest of the command follows all the same
				if _, _, err := readLine(r, opts.MaxLine); err != nil {
					return nil, err
				}
			}
			return nil, refusal
		}
		a.literals = append(a.literals, data)
	}
}

// readLiteral returns nil for one above the limit.
func readLiteral(r *bufio.Reader, size int64, nonSync bool, opts Options, proceed func() error) ([]byte, error) {
	if size > opts.MaxLiteral {
		if !nonSync {
			return nil, nil
		}
		_, err := io.CopyN(io.Discard, r, size)
		return nil, err
	}
	if !nonSync {
		if err := proceed(); err != nil {
			return nil, err
		}
	}
	// Not allocated in advance: a size costs a liar nothing.
	data := bytes.NewBuffer([]byte{})
	if _, err := io.CopyN(data, r, size); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

func validTag(tag string) bool {
	return tag != "" && !strings.ContainsFunc(tag, func(r rune) bool { return !isAtom(r) && r != ']' || r == '+' })
}

func newCommand(tag string, a *args) (*command, error) {
	a.pos = len(tag)
	parts := make([]string, len(a.text))
	for i, t := range a.text {
		parts[i] = string(t)
	}
	c := &command{tag: tag, args: a, line: strings.TrimPrefix(strings.Join(parts, ""), tag+" ")}
	a.space()
	c.verb = strings.ToUpper(a.atom())
	if c.verb == "UID" {
		a.space()
		c.verb += " " + strings.ToUpper(a.atom())
	}
	if a.err != nil {
		return nil, &errLine{tag, "BAD", "Invalid command: " + a.err.Error()}
	}
	return c, nil
}

// args reads a command's arguments from left to right. After an error all
// methods return zero values; end gives the first.
type args struct {
	text     [][]byte // literals stand between them
	literals [][]byte
	part     int // in text
	pos      int // in that part
	err      error
}

func (a *args) fail(format string, v ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, v...)
	}
}

// peek returns the next octet, 0 at the end.
func (a *args) peek() byte {
	if a.err != nil || a.pos >= len(a.text[a.part]) {
		return 0
	}
	return a.text[a.part][a.pos]
}

// skip takes the octet if it comes next.
func (a *args) skip(c byte) bool {
	if a.peek() != c || c == 0 {
		return false
	}
	a.pos++
	return true
}

func (a *args) want(c byte) {
	if !a.skip(c) {
		a.fail("%q expected", string(c))
	}
}

func (a *args) space() { a.want(' ') }

// end fails unless everything has been read, and returns the first error.
func (a *args) end() error {
	if a.err == nil && (a.peek() != 0 || a.part < len(a.text)-1 || a.pos < len(a.text[a.part])) {
		a.fail("unexpected text at the end")
	}
	return a.err
}

func isAtom(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`(){%*"\]`, r)
}

func (a *args) run(allowed func(rune) bool, what string) string {
	start := a.pos
	for c := a.peek(); c != 0 && allowed(rune(c)); c = a.peek() {
		a.pos++
	}
	if a.err != nil || a.pos == start {
		a.fail("%s expected", what)
		return ""
	}
	return string(a.text[a.part][start:a.pos])
}

func (a *args) atom() string { return a.run(isAtom, "atom") }

// astring reads an atom, quoted string or literal.
func (a *args) astring() string {
	return a.stringOr(func(r rune) bool { return isAtom(r) || r == ']' || r >= 0x80 })
}

// listMailbox reads an astring that may hold wildcards.
func (a *args) listMailbox() string {
	return a.stringOr(func(r rune) bool { return isAtom(r) || strings.ContainsRune("]%*", r) || r >= 0x80 })
}

func (a *args) stringOr(allowed func(rune) bool) string {
	switch a.peek() {
	case '"':
		return a.quoted()
	case '{':
		return string(a.literal())
	}
	return a.run(allowed, "string")
}

func (a *args) quoted() string {
	a.want('"')
	var out []byte
	for {
		c := a.peek()
		switch {
		case c == 0:
			a.fail("unfinished quoted string")
			return ""
		case c == '"':
			a.pos++
			return string(out)
		case c == '\\':
			a.pos++
			if c = a.peek(); c != '"' && c != '\\' {
				a.fail("bad escape in quoted string")
				return ""
			}
		}
		out = append(out, c)
		a.pos++
	}
}

func (a *args) literal() []byte {
	size, _, ok := literalSuffix(a.text[a.part][a.pos:])
	if a.err != nil || !ok || a.part >= len(a.literals) || int64(len(a.literals[a.part])) != size ||
		bytes.LastIndexByte(a.text[a.part], '{') != a.pos {
		a.fail("literal expected")
		return nil
	}
	data := a.literals[a.part]
	a.part++
	a.pos = 0
	return data
}

func (a *args) number() uint64 {
	digits := a.run(func(r rune) bool { return r >= '0' && r <= '9' }, "number")
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		a.fail("number expected")
	}
	return n
}

// list calls item for each element of a parenthesised list, which may be empty.
func (a *args) list(item func()) {
	a.want('(')
	for first := true; a.err == nil && !a.skip(')'); first = false {
		if !first {
			a.space()
		}
		item()
	}
}

// words reads a list of atoms in upper case.
func (a *args) words() []string {
	var out []string
	a.list(func() { out = append(out, strings.ToUpper(a.atom())) })
	return out
}

func (a *args) flags() []string {
	out := []string{}
	a.list(func() { out = append(out, a.flag()) })
	return out
}

func (a *args) flag() string {
	if a.skip('\\') {
		return `\` + a.atom()
	}
	return a.run(func(r rune) bool { return isAtom(r) || r == ']' }, "flag")
}

// The date-time of RFC 3501 §9; the day may have a blank or a zero in front.
const dateTimeLayout = "_2-Jan-2006 15:04:05 -0700"

func (a *args) dateTime() time.Time {
	text := a.quoted()
	t, err := time.Parse(dateTimeLayout, text)
	if err != nil {
		a.fail("invalid date-time")
		return time.Time{}
	}
	_, offset := t.Zone() // never the machine's zone, should it have that offset
	return t.In(time.FixedZone("", offset))
}

// numSet is a sequence set, RFC 3501 §9: sorted ranges that do not overlap.
type numSet []numRange

type numRange struct{ first, last uint32 }

// set reads a sequence set in which "*" stands for star.
func (a *args) set(star uint32) numSet {
	var s numSet
	for {
		r := numRange{first: a.setNumber(star)}
		r.last = r.first
		if a.skip(':') {
			r.last = a.setNumber(star)
		}
		s = append(s, numRange{min(r.first, r.last), max(r.first, r.last)})
		if a.err != nil || !a.skip(',') {
			return s.merged()
		}
	}
}

func (a *args) setNumber(star uint32) uint32 {
	if a.skip('*') {
		return star
	}
	n := a.number()
	if a.err == nil && (n == 0 || n > math.MaxUint32) {
		a.fail("invalid number in set")
	}
	return uint32(n)
}

func (s numSet) merged() numSet {
	slices.SortFunc(s, func(a, b numRange) int { return int(int64(a.first) - int64(b.first)) })
	var out numSet
	for _, r := range s {
		if n := len(out); n > 0 && uint64(r.first) <= uint64(out[n-1].last)+1 {
			out[n-1].last = max(out[n-1].last, r.last)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s numSet) has(n uint32) bool {
	i, found := slices.BinarySearchFunc(s, n, func(r numRange, n uint32) int { return int(int64(r.first) - int64(n)) })
	return found || i > 0 && n <= s[i-1].last
}

// String writes the set as it stands in a response code.
func (s numSet) String() string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, r.first)
		if r.last != r.first {
			fmt.Fprintf(&b, ":%d", r.last)
		}
	}
	return b.String()
}

func setOf(nums []uint32) numSet {
	var s numSet
	for _, n := range nums {
		s = append(s, numRange{n, n})
	}
	return s.merged()
}
