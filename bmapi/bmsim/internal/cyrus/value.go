package cyrus

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// value is a part of a response: a list, or the octets of an atom, a quoted
// string or a literal.
type value struct {
	text   []byte
	list   []value
	isList bool
	atom   bool // neither quoted nor a literal
}

func (v value) String() string { return string(v.text) }

// is compares an atom without regard to case.
func (v value) is(word string) bool { return strings.EqualFold(string(v.text), word) }

// null tells NIL from a string.
func (v value) null() bool { return v.atom && v.is("NIL") }

func (v value) number() (int64, error) { return strconv.ParseInt(string(v.text), 10, 64) }

// pairs calls fn for each name and value of a list such as FETCH's.
func (v value) pairs(fn func(name string, v value) error) error {
	for i := 0; i+1 < len(v.list); i += 2 {
		if err := fn(strings.ToUpper(v.list[i].String()), v.list[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// parse splits a response, in the form that client.response gives it.
func parse(b []byte) ([]value, error) {
	p := parser{rest: b}
	vals, err := p.values(false)
	if err != nil {
		return nil, fmt.Errorf("response %.80q: %w", b, err)
	}
	return vals, nil
}

type parser struct{ rest []byte }

func (p *parser) values(inside bool) ([]value, error) {
	var vals []value
	for len(p.rest) > 0 {
		switch p.rest[0] {
		case ' ':
			p.rest = p.rest[1:]
		case ')':
			if !inside {
				return nil, errors.New("a parenthesis too many")
			}
			p.rest = p.rest[1:]
			return vals, nil
		case '(':
			p.rest = p.rest[1:]
			list, err := p.values(true)
			if err != nil {
				return nil, err
			}
			vals = append(vals, value{list: list, isList: true})
		default:
			v, err := p.word()
			if err != nil {
				return nil, err
			}
			vals = append(vals, v)
		}
	}
	if inside {
		return nil, errors.New("a list without end")
	}
	return vals, nil
}

func (p *parser) word() (value, error) {
	switch p.rest[0] {
	case '"':
		return p.quoted()
	case '{':
		head, body, _ := bytes.Cut(p.rest, []byte("\n"))
		size, ok := literalSize(head)
		if !ok || size > len(body) {
			return value{}, errors.New("a broken literal")
		}
		p.rest = body[size:]
		return value{text: body[:size]}, nil
	}
	end := bytes.IndexAny(p.rest, " ()")
	if end < 0 {
		end = len(p.rest)
	}
	v := value{text: p.rest[:end], atom: true}
	p.rest = p.rest[end:]
	return v, nil
}

func (p *parser) quoted() (value, error) {
	text := []byte{}
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '"':
			p.rest = p.rest[i+1:]
			return value{text: text}, nil
		case '\\':
			i++
		}
		if i < len(p.rest) {
			text = append(text, p.rest[i])
		}
	}
	return value{}, errors.New("a quoted string without end")
}

// literalSize reads the {n} that ends a line (RFC 9051 §4.3).
func literalSize(line []byte) (int, bool) {
	i := bytes.LastIndexByte(line, '{')
	if i < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[i+1 : len(line)-1]))
	return n, err == nil && n >= 0
}
