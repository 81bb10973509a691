package imap

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// maxLine bounds one line of a response, and maxString a literal that is read
// as a name or a value, in octets. Bodies have no bound: they are streamed.
const (
	maxLine   = 1 << 20
	maxString = 64 << 10
)

// response is one whole response of the server, read as it is used: the first
// line at once, literals and the lines after them on demand. A line that ends
// in a literal's mark is followed by so many octets; nothing in the grammar
// above can therefore bring the stream out of step. There is one per conn,
// used again for each response.
type response struct {
	c    *conn
	tag  string // "*" untagged, "+" continuation, else a tag
	verb string // tagged answer to one of our commands: its verb
	num  uint32 // "* 12 EXISTS": 12
	name string // upper-case: OK, FETCH, LIST; "" if there is none

	line   []byte // the present line, valid until the next is read
	pos    int
	mark   int   // where the line's literal mark begins; -1: none
	size   int64 // of that literal
	opened bool  // the literal of this line is being read
	lit    literal
}

// literalMark finds the mark at the end of a line: {n}, {n+} or ~{n}
// (RFC 9051 §4.3, RFC 7888, RFC 3516).
func literalMark(line []byte) (mark int, size int64) {
	n := len(line)
	if n < 3 || line[n-1] != '}' {
		return -1, 0
	}
	open := bytes.LastIndexByte(line, '{')
	if open < 0 {
		return -1, 0
	}
	digits := bytes.TrimSuffix(line[open+1:n-1], []byte("+"))
	if len(digits) == 0 || len(digits) > 18 {
		return -1, 0
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return -1, 0
		}
		size = size*10 + int64(d-'0')
	}
	if open > 0 && line[open-1] == '~' {
		open--
	}
	return open, size
}

// setLine begins a line. Lines of human text have no literals.
func (r *response) setLine(line []byte, text bool) {
	r.line, r.pos, r.opened = line, 0, false
	r.mark, r.size = -1, 0
	if !text {
		r.mark, r.size = literalMark(line)
	}
}

// end is where the tokens of the present line end.
func (r *response) end() int {
	if r.mark >= 0 {
		return r.mark
	}
	return len(r.line)
}

// rest is what is left of the present line, without its literal mark.
func (r *response) rest() []byte { return r.line[min(r.pos, r.end()):r.end()] }

func (r *response) spaces() {
	for r.pos < r.end() && (r.line[r.pos] == ' ' || r.line[r.pos] == '\t') {
		r.pos++
	}
}

// peek gives the next octet of the line, 0 at its end.
func (r *response) peek() byte {
	if r.pos < r.end() {
		return r.line[r.pos]
	}
	return 0
}

// accept passes over one octet, if it is next.
func (r *response) accept(b byte) bool {
	if r.peek() != b || r.pos >= r.end() {
		return false
	}
	r.pos++
	return true
}

// atLiteral says whether the line's literal is the next value.
func (r *response) atLiteral() bool { return r.mark >= 0 && r.pos == r.mark && !r.opened }

// over says whether the response has been read to its last octet.
func (r *response) over() bool { return r.mark < 0 && r.pos >= len(r.line) }

// word reads up to a space, a parenthesis or the line's end.
func (r *response) word() []byte {
	from := r.pos
	for r.pos < r.end() {
		switch r.line[r.pos] {
		case ' ', '\t', '(', ')':
			return r.line[from:r.pos]
		}
		r.pos++
	}
	return r.line[from:r.pos]
}

// quoted reads a quoted string, the opening quote being next. An unclosed one
// ends with the line.
func (r *response) quoted() []byte {
	r.pos++
	from := r.pos
	for plain := true; r.pos < r.end(); r.pos++ {
		switch r.line[r.pos] {
		case '"':
			s := r.line[from:r.pos]
			r.pos++
			if plain {
				return s
			}
			return unescape(s)
		case '\\':
			plain = false
			r.pos++
		}
	}
	r.pos = r.end()
	return unescape(r.line[from:r.pos])
}

func unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return out
}

// str reads a quoted string, a literal, an atom or NIL (isNil). What it gives
// is valid until the next line is read.
func (r *response) str() (s []byte, isNil bool, err error) {
	r.spaces()
	switch {
	case r.atLiteral():
		s, err = r.literalString()
		return s, false, err
	case r.peek() == '"':
		return r.quoted(), false, nil
	}
	s = r.word()
	return s, len(s) == 3 && strings.EqualFold(string(s), "NIL"), nil
}

// literalString reads the line's literal into memory; of a longer one than
// maxString the rest is dropped.
func (r *response) literalString() ([]byte, error) {
	lit := r.openLiteral()
	s, err := io.ReadAll(io.LimitReader(lit, maxString))
	if err != nil {
		return nil, err
	}
	return s, r.closeLiteral()
}

// openLiteral begins the line's literal. closeLiteral ends it.
func (r *response) openLiteral() *literal {
	r.opened = true
	r.lit = literal{c: r.c, left: r.size}
	return &r.lit
}

// closeLiteral passes over what is left of the literal and begins the line
// that follows it.
func (r *response) closeLiteral() error {
	if _, err := io.Copy(io.Discard, &r.lit); err != nil {
		return err
	}
	line, err := r.c.readLine()
	if err != nil {
		return err
	}
	r.setLine(line, false)
	return nil
}

// skip passes over one value, with all that is inside it.
func (r *response) skip() error {
	depth := 0
	for {
		r.spaces()
		switch {
		case r.atLiteral():
			r.openLiteral()
			if err := r.closeLiteral(); err != nil {
				return err
			}
		case r.pos >= r.end(): // unbalanced: the response ends here
			return nil
		case r.accept('('):
			depth++
			continue
		case r.peek() == ')':
			if depth == 0 {
				return nil
			}
			r.pos++
			depth--
		case r.peek() == '"':
			r.quoted()
		default:
			r.word()
		}
		if depth == 0 {
			return nil
		}
	}
}

// drain passes over the rest of the response.
func (r *response) drain() error {
	for r.mark >= 0 {
		if !r.opened {
			r.openLiteral()
		}
		if err := r.closeLiteral(); err != nil {
			return err
		}
	}
	r.pos = len(r.line)
	return nil
}

// literal reads the octets of one literal from the connection. It ends with
// io.EOF after the last one, and with the session's error before.
type literal struct {
	c    *conn
	left int64
}

func (l *literal) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.c.br.Read(p)
	l.left -= int64(n)
	if err != nil {
		return n, l.c.fail(ioError(err))
	}
	return n, nil
}

// status is a status response taken apart (RFC 9051 §7.1).
type status struct {
	name string // OK, NO, BAD, BYE, PREAUTH
	code string // upper-case
	args string // of the code
	text string
}

// status reads what follows the name of a status response. A code that isn't
// closed is text.
func (r *response) status() status {
	st := status{name: r.name}
	rest := strings.TrimLeft(string(r.rest()), " ")
	if strings.HasPrefix(rest, "[") {
		if end := closingBracket(rest); end > 0 {
			code, args, _ := strings.Cut(rest[1:end], " ")
			st.code, st.args = strings.ToUpper(code), args
			rest = strings.TrimLeft(rest[end+1:], " ")
		} else {
			r.c.repaired("unclosed response code")
		}
	}
	st.text = capText(r.c.redact(rest))
	return st
}

// closingBracket finds the bracket that ends a response code. Flags in
// PERMANENTFLAGS may hold brackets themselves, so a list in it goes first.
func closingBracket(s string) int {
	if open := strings.IndexByte(s, '('); open > 0 && strings.HasPrefix(strings.ToUpper(s), "[PERMANENTFLAGS") {
		if list := strings.Index(s[open:], ")]"); list >= 0 {
			return open + list + 1
		}
	}
	return strings.IndexByte(s, ']')
}

// err gives the Error of a NO, BAD or BYE, nil for an OK.
func (st status) err(verb string) *Error {
	kind := map[string]Kind{"NO": KindNo, "BAD": KindBad, "BYE": KindBye}[st.name]
	if kind == 0 {
		return nil
	}
	return &Error{Kind: kind, Code: st.code, Command: verb, Text: st.text}
}

// number reads a 32-bit number.
func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return uint32(n), err == nil
}

// modSeqNumber reads a mod-sequence value (RFC 7162), 0 if it is none.
func modSeqNumber(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0
	}
	return n
}
