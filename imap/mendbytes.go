package imap

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
)

// nulMender leaves NUL octets out. To put another octet in their place would
// keep the length, which nothing needs, and would spoil what they mostly come
// from: text in UTF-16 sent as it is, and strings with their C ending.
type nulMender struct{ r io.Reader }

func (m *nulMender) Read(p []byte) (int, error) {
	for {
		n, err := m.r.Read(p)
		kept := p[:0]
		for rest := p[:n]; len(rest) > 0; {
			i := bytes.IndexByte(rest, 0)
			if i < 0 {
				i = len(rest)
			}
			kept = append(kept, rest[:i]...)
			rest = rest[min(i+1, len(rest)):]
		}
		if len(kept) > 0 || err != nil || n == 0 {
			return len(kept), err
		}
	}
}

// lineMender puts a CR before each LF that has none. A lone CR stays: Cyrus and
// BlueMind keep it, and it may be meant.
type lineMender struct {
	br *bufio.Reader
	cr bool // the last octet was one
	lf bool // a CR was given, its LF is due
}

func newLineMender(r io.Reader) *lineMender { return &lineMender{br: bufio.NewReaderSize(r, 32<<10)} }

func (m *lineMender) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if m.lf {
			p[n], m.lf, m.cr = '\n', false, false
			n++
			continue
		}
		c, err := m.br.ReadByte()
		if err != nil {
			return n, err
		}
		if c == '\n' && !m.cr {
			c, m.lf = '\r', true
		}
		p[n], m.cr = c, c == '\r'
		n++
	}
	return n, nil
}

// mendedLine is the field that an offending line is put into, as it is.
const mendedLine = "X-Bmsync-Line: "

// headerWindow is how far ahead is looked to tell text from a header, in octets.
const headerWindow = 64 << 10

// headerMender makes a header acceptable to Cyrus and leaves the body alone:
//
//   - blanks between a field's name and its colon go (RFC 5322 §4.5 allowed them);
//   - another line that is no field is put into one of its own, whole;
//   - where text begins instead, since there is no header or no empty line after
//     it, the empty line is put in;
//   - a header whose last line has no end gets one.
type headerMender struct {
	br     *bufio.Reader
	out    []byte // to be given next
	kept   [nameLimit]byte
	begun  bool
	within bool // a header line has begun
	body   bool // the rest passes as it is
	err    error

	at     int64 // where the line begins that is judged, or the next part of it
	fields int64 // no text begins before this place
}

func newHeaderMender(r io.Reader) *headerMender {
	return &headerMender{br: bufio.NewReaderSize(r, headerWindow)}
}

func (m *headerMender) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		switch {
		case m.err != nil:
			return 0, m.err
		case m.body:
			return m.br.Read(p)
		case m.within:
			m.rest()
		default:
			m.line()
		}
		m.begun = true
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// rest gives the next part of the line that has begun.
func (m *headerMender) rest() {
	part, err := m.br.ReadSlice('\n')
	m.out = part
	m.at += int64(len(part))
	switch err {
	case nil:
		m.within = false
	case bufio.ErrBufferFull:
	case io.EOF:
		m.out, m.err = append(slices.Clone(part), "\r\n"...), io.EOF
	default:
		m.err = err
	}
}

// line judges the line that begins.
func (m *headerMender) line() {
	start, err := m.br.Peek(nameLimit)
	if err != nil && err != io.EOF {
		m.err = err
		return
	}
	if i := bytes.IndexByte(start, '\n'); i >= 0 {
		start = start[:i+1]
	}
	switch {
	case len(start) == 0:
		if m.err = io.EOF; !m.begun {
			m.out = []byte("\r\n") // an empty message
		}
	case start[0] == '\r', start[0] == '\n':
		m.body = true
	case !badLine(start):
		m.within = true
	default:
		m.mend(start)
	}
}

func (m *headerMender) mend(line []byte) {
	if name, blanks := untidyName(line); name > 0 {
		m.out = append(m.kept[:0], line[:name]...)
		_, m.err = m.br.Discard(name + blanks)
		m.at += int64(name + blanks)
		m.within = true
		return
	}
	if m.textFollows() {
		m.out, m.body = append(m.kept[:0], "\r\n"...), true
		return
	}
	m.out, m.within = append(m.kept[:0], mendedLine...), true
}

// badLine says of the beginning of a header line, of up to nameLimit octets, that
// Cyrus takes it for none.
func badLine(line []byte) bool {
	var l lineScan
	for _, c := range line {
		if l.octet(c) {
			return true
		}
	}
	return len(line) < nameLimit && line[len(line)-1] != '\n' && !l.named
}

// untidyName finds a field's name that has blanks behind it, before the colon.
func untidyName(line []byte) (name, blanks int) {
	name = bytes.IndexFunc(line, func(r rune) bool { return r <= ' ' || r == ':' })
	if name <= 0 || line[0] == '>' {
		return 0, 0
	}
	after := bytes.TrimLeft(line[name:], " \t")
	if len(after) == 0 || after[0] != ':' {
		return 0, 0
	}
	return name, len(line) - name - len(after)
}

// textFollows says whether the line that begins belongs to text, not to a
// header: no well-known field follows before the next empty line, and it is the
// first of all, or there is no empty line that would have ended the header. Each
// part of a header is looked at twice at most.
func (m *headerMender) textFollows() bool {
	if m.at < m.fields {
		return false
	}
	window, err := m.br.Peek(headerWindow)
	at := 0
	for at < len(window) {
		line := window[at:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if line[0] == '\r' || line[0] == '\n' || knownField(line) {
			break
		}
		at += len(line)
	}
	ended := at < len(window) && (window[at] == '\r' || window[at] == '\n')
	switch {
	case at < len(window) && !ended:
		m.fields = m.at + int64(at)
		return false
	case !m.begun, !ended && err == io.EOF:
		return true
	}
	m.fields = m.at + max(int64(at), headerWindow/2)
	return false
}

// wellKnown are fields by which a header is recognised.
var wellKnown = strings.Fields(`From Sender Reply-To To Cc Bcc Subject Date Message-ID In-Reply-To References
	Received Return-Path Delivered-To Envelope-To MIME-Version Content-Type Content-Transfer-Encoding Content-Disposition
	X-Mailer User-Agent List-Id DKIM-Signature Authentication-Results Status X-Status X-UID`)

func knownField(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	return ok && slices.ContainsFunc(wellKnown, func(known string) bool { return len(known) == len(name) && strings.EqualFold(known, string(name)) })
}
