package imap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// wordMender writes the words of a header that hold 8-bit octets as encoded
// words (RFC 2047), for a Cyrus with reject8bit. Their charset is UTF-8, or, where
// they are no UTF-8, the one that says it isn't known (RFC 1428).
type wordMender struct {
	br    *bufio.Reader
	out   []byte
	begun bool // a line has
	body  bool
	again bool // the word before was encoded
	err   error
}

// longestWord is what is taken for one word at a time, in octets.
const longestWord = 4096

func newWordMender(r io.Reader) *wordMender {
	return &wordMender{br: bufio.NewReaderSize(r, headerWindow)}
}

func (m *wordMender) Read(p []byte) (int, error) {
	for len(m.out) == 0 {
		switch {
		case m.err != nil:
			return 0, m.err
		case m.body:
			return m.br.Read(p)
		}
		m.next()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// next gives blanks, a line's end, or a word.
func (m *wordMender) next() {
	ahead, err := m.br.Peek(longestWord)
	if len(ahead) == 0 {
		m.err = err
		return
	}
	first := !m.begun
	m.begun = true
	m.again = m.again && (!first || blank(ahead[0]))
	switch {
	case first && (ahead[0] == '\r' || ahead[0] == '\n'):
		m.body = true
		return
	case first && eightBit(fieldName(ahead)):
		m.out, m.again = []byte(mendedLine), false
		return
	}
	n := wordLength(ahead)
	if name := len(fieldName(ahead)); first && name > 0 && name < len(ahead) && ahead[name] == ':' {
		n = name + 1
	}
	word := ahead[:n]
	switch {
	case word[0] == '\n':
		m.begun = false
		m.out = slices.Clone(word)
	case blank(word[0]) || !eightBit(word):
		m.out = slices.Clone(word)
		m.again = m.again && blank(word[0])
	default:
		m.out = encodedWords(word, m.again)
		if n < len(ahead) && ahead[n] != '\n' && !blank(ahead[n]) {
			m.out = append(m.out, ' ') // a quoted string that something follows at once
		}
		m.again = true
	}
	_, m.err = m.br.Discard(n)
}

func fieldName(line []byte) []byte {
	if i := bytes.IndexAny(line, ":\n"); i >= 0 {
		line = line[:i]
	}
	if len(line) > 0 && blank(line[0]) {
		return nil // no name, the line goes on with a field
	}
	return line
}

// wordLength is that of the word, the blanks or the line end that p begins with.
func wordLength(p []byte) int {
	if p[0] == '\n' {
		return 1
	}
	if p[0] == '"' { // a quoted string is one word, where it ends on its line
		for i := 1; i < len(p) && p[i] != '\n'; i++ {
			switch p[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	}
	is := blank(p[0])
	for i, c := range p {
		if c == '\n' || blank(c) != is {
			return i
		}
	}
	return len(p)
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func eightBit(p []byte) bool { return slices.ContainsFunc(p, func(c byte) bool { return c >= 0x80 }) }

// encodedWords writes octets as encoded words of at most 75 characters. The blank
// between two of them doesn't count (RFC 2047 §6.2): it goes into the second.
func encodedWords(word []byte, again bool) []byte {
	if len(word) > 1 && word[0] == '"' && word[len(word)-1] == '"' {
		word = bytes.ReplaceAll(word[1:len(word)-1], []byte(`\"`), []byte(`"`))
	}
	charset := "utf-8"
	if !utf8.Valid(word) {
		charset = "unknown-8bit"
	}
	if again {
		word = slices.Concat([]byte(" "), word)
	}
	var out []byte
	for len(word) > 0 {
		n := min(18, len(word))
		for charset == "utf-8" && n < len(word) && n > 1 && !utf8.RuneStart(word[n]) {
			n--
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = fmt.Appendf(out, "=?%s?q?", charset)
		for _, c := range word[:n] {
			switch {
			case c == ' ':
				out = append(out, '_')
			case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
				out = append(out, c)
			default:
				out = fmt.Appendf(out, "=%02X", c)
			}
		}
		out = append(out, "?="...)
		word = word[n:]
	}
	return out
}
