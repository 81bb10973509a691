package endpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"bmsync/bmapi/bmsim/internal/mail"
)

const (
	// lineLimit bounds a command's text, which BlueMind doesn't.
	lineLimit = 8 << 20
	// textLimit is how much of a literal that isn't a message is looked at.
	textLimit = 64 << 10
	// messageLimit is the largest message that can be allowed; before login, when
	// nothing is refused, more than that is dropped.
	messageLimit = 100 << 20
	// atomLimit is the literal BlueMind puts into the text of a command.
	atomLimit = 256
)

// bad is what a client is told, in BlueMind's own words where they are known.
type bad string

func (b bad) Error() string { return string(b) }

func badf(format string, args ...any) error { return bad(fmt.Sprintf(format, args...)) }

// errLost says that a line raised an exception and is forgotten.
var errLost = errors.New("line is lost")

// command is what came from the client, cut out of the stream.
type command struct {
	tag  string // "" when the line has no space
	word string // the line without its tag, in lower case if it has one
	head string // what follows up to the first literal, in lower case
	text string // all that follows the tag, literals as {ATOM_0}, {ATOM_1} …
	lits []literal
	torn bool // a literal was announced without "{"
}

// literal is a message, or a text of which only the beginning is kept.
type literal struct {
	text  []byte
	draft *mail.Draft
}

func (c *command) discard() {
	for _, l := range c.lits {
		if l.draft != nil {
			l.draft.Discard()
		}
	}
}

// literalSize reads the size a line ends with, if it does, the way BlueMind
// does: backwards from "}" to "{" or a space, whatever stands between, in 32
// bits. So `LOGIN u abc}` announces a literal. Where it runs off the line there
// is an exception, and the line is lost (ok is false).
func literalSize(line []byte) (size int32, inline, ok bool) {
	if len(line) == 0 || line[len(line)-1] != '}' {
		return 0, false, true
	}
	unit := int32(1)
	for i := len(line) - 2; i >= 0; i-- {
		switch c := line[i]; c {
		case '{', ' ':
			return size, inline, true
		case '+':
			inline = true
		default:
			size += (int32(int8(c)) - '0') * unit
			unit *= 10
		}
	}
	return 0, false, false
}

// readCommand reads one command with its literals, asking for those that want
// to be asked for.
func (s *session) readCommand() (*command, error) {
	c := &command{}
	var text strings.Builder
	for first := true; ; first = false {
		line, err := s.readLine()
		if err != nil {
			return c, err
		}
		size, inline, ok := literalSize(line)
		if !ok {
			return c, errLost
		}
		if first {
			c.begin(line)
		}
		if size <= 0 {
			text.WriteString(ascii(line))
			break
		}
		if err := s.allow(int64(size)); err != nil {
			return c, err
		}
		if !inline {
			s.out.line("+ OK")
		}
		cut := strings.LastIndexByte(string(line), '{')
		if c.torn = c.torn || cut < 0; cut < 0 {
			cut = len(line)
		}
		fmt.Fprintf(&text, "%s{ATOM_%d}", ascii(line[:cut]), len(c.lits))
		c.text = text.String()
		l, err := s.readLiteral(c, int64(size))
		c.lits = append(c.lits, l)
		if err != nil {
			return c, err
		}
	}
	c.text = text.String()[min(len(c.tag)+1, text.Len()):]
	return c, nil
}

func (c *command) begin(line []byte) {
	whole := ascii(line)
	if i := strings.IndexByte(whole, ' '); i > 0 {
		c.tag, whole = whole[:i], strings.ToLower(whole[i+1:])
	}
	c.word, c.head = whole, strings.ToLower(whole)
}

// ascii reads octets as Java reads US-ASCII.
func ascii(b []byte) string {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			out := strings.Builder{}
			out.Write(b[:i])
			for _, c := range b[i:] {
				if c >= utf8.RuneSelf {
					out.WriteRune(utf8.RuneError)
				} else {
					out.WriteByte(c)
				}
			}
			return out.String()
		}
	}
	return string(b)
}

// readLine reads up to CRLF; a bare LF is text.
func (s *session) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := s.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil && len(line) >= 2 && line[len(line)-2] == '\r':
			return line[:len(line)-2], nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > lineLimit:
			return nil, fmt.Errorf("line of more than %d octets", lineLimit)
		}
	}
}

// allow ends the connection when a literal is over the limit, which there is
// only after login.
func (s *session) allow(size int64) error {
	a := s.acct.Load()
	if a == nil || size <= a.MaxLiteral {
		return nil
	}
	s.out.line("* ALERT too much data (%d > %d)", size, a.MaxLiteral)
	s.farewell()
	return errGone
}

func (s *session) readLiteral(c *command, size int64) (literal, error) {
	var l literal
	var to io.Writer = &capped{to: &l.text, left: textLimit}
	wanted := size
	if strings.HasPrefix(c.head, "append ") && size <= messageLimit {
		l.draft = s.srv.Store.NewDraft(size)
		to = l.draft
		wire, _ := appendFolder(c.text[min(len(c.tag)+1, len(c.text)):])
		folder, _ := mail.DecodeUTF7(wire)
		if f, ok := s.strike(verbAppend, folder, CutLiteral); ok {
			wanted = min(size, f.Bytes)
		}
	}
	for wanted > 0 {
		if _, err := s.in.Peek(1); err != nil {
			return l, err
		}
		chunk, err := s.in.Peek(int(min(int64(s.in.Buffered()), wanted)))
		if err != nil {
			return l, err
		}
		if _, err := to.Write(chunk); err != nil {
			return l, err
		}
		wanted, size = wanted-int64(len(chunk)), size-int64(len(chunk))
		if _, err := s.in.Discard(len(chunk)); err != nil {
			return l, err
		}
	}
	if size > 0 {
		s.cut()
		return l, errGone
	}
	return l, nil
}

// capped keeps the beginning of what is written.
type capped struct {
	to   *[]byte
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	keep := min(len(p), c.left)
	*c.to = append(*c.to, p[:keep]...)
	c.left -= keep
	return len(p), nil
}

// flat is a command's text; expanded, literals of less than 256 octets are part
// of it.
func (c *command) flat(expand bool) (string, error) {
	if c.torn {
		return "", bad("begin 0, end -1")
	}
	text := c.text
	for i, l := range c.lits {
		if expand && l.draft == nil && len(l.text) < atomLimit {
			text = strings.ReplaceAll(text, fmt.Sprintf("{ATOM_%d}", i), strings.ToValidUTF8(string(l.text), "\uFFFD"))
		}
	}
	return text, nil
}

// scanner reads the arguments of a command: quoted strings, with escapes,
// literals, and what has no space in it.
type scanner struct {
	text string
	lits []literal
	pos  int
}

// scan begins after the verb.
func (c *command) scan(verb string) (*scanner, error) {
	text, err := c.flat(false)
	if err != nil {
		return nil, err
	}
	if !hasPrefixFold(text, verb+" ") {
		return nil, badf("Command %s does not start with %s", text, verb)
	}
	return &scanner{text: text, lits: c.lits, pos: len(verb) + 1}, nil
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func (p *scanner) next() (string, error) {
	if p.pos >= len(p.text) {
		return "", badf("index %d > command length %d", p.pos, len(p.text))
	}
	switch p.text[p.pos] {
	case '"':
		return p.quoted(), nil
	case '{':
		return p.literal()
	}
	end := strings.IndexByte(p.text[p.pos:], ' ')
	if end < 0 {
		end = len(p.text) - p.pos
	}
	word := p.text[p.pos : p.pos+end]
	p.pos += end
	return word, nil
}

func (p *scanner) quoted() string {
	var out strings.Builder
	escaped := false
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case escaped:
			out.WriteByte(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			p.pos++
			return out.String()
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func (p *scanner) literal() (string, error) {
	if len(p.lits) == 0 {
		return "", bad("Index 0 out of bounds for length 0")
	}
	l := p.lits[0]
	p.lits = p.lits[1:]
	p.pos += strings.IndexByte(p.text[p.pos:], '}') + 1
	return strings.ToValidUTF8(string(l.text), "\uFFFD"), nil
}

func (p *scanner) space() error {
	if p.pos >= len(p.text) || p.text[p.pos] != ' ' {
		return badf("index %d is not a space", p.pos)
	}
	p.pos++
	return nil
}

// folderArg is the one argument of commands that name a folder. INBOX is known
// in any case here; a literal goes through the decoder of UTF-7, too.
func (c *command) folderArg(verb string) (string, error) {
	p, err := c.scan(verb)
	if err != nil {
		return "", err
	}
	name, err := p.next()
	if err != nil {
		return "", badf("Failed to extract folder name out of '%s'", p.text)
	}
	if strings.EqualFold(name, inbox) {
		name = inbox
	}
	return decodeName(name)
}

// match applies a pattern to the text as BlueMind does: anywhere in it.
func (c *command) match(re *regexp.Regexp, what string) ([]string, error) {
	text, err := c.flat(true)
	if err != nil {
		return nil, err
	}
	if m := re.FindStringSubmatch(text); m != nil {
		return m, nil
	}
	return nil, badf("Cannot analyze %s cmd %s", what, text)
}
