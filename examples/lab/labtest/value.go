package labtest

import (
	"bytes"
	"errors"
	"fmt"
)

// value is one part of a response: a list, or an atom, string or literal.
type value struct {
	text   []byte
	list   []value
	isList bool
}

// parse splits a response into its values. A literal stands in it as {n}, a line
// feed, and its n bytes.
func parse(b []byte) ([]value, error) {
	vals, rest, err := parseUntil(b, false)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("text after the response: %.40q", rest)
	}
	return vals, err
}

func parseUntil(b []byte, inList bool) (vals []value, rest []byte, err error) {
	for len(b) > 0 {
		switch b[0] {
		case ' ':
			b = b[1:]
		case ')':
			if !inList {
				return nil, nil, errors.New("a parenthesis too many")
			}
			return vals, b[1:], nil
		case '(':
			list, after, err := parseUntil(b[1:], true)
			if err != nil {
				return nil, nil, err
			}
			vals, b = append(vals, value{list: list, isList: true}), after
		default:
			text, after, err := parseString(b)
			if err != nil {
				return nil, nil, err
			}
			vals, b = append(vals, value{text: text}), after
		}
	}
	if inList {
		return nil, nil, errors.New("a list without end")
	}
	return vals, nil, nil
}

func parseString(b []byte) (text, rest []byte, err error) {
	switch b[0] {
	case '"':
		for i := 1; i < len(b); i++ {
			switch b[i] {
			case '\\':
				i++
				if i < len(b) {
					text = append(text, b[i])
				}
			case '"':
				return text, b[i+1:], nil
			default:
				text = append(text, b[i])
			}
		}
		return nil, nil, errors.New("a quoted string without end")
	case '{':
		head, body, _ := bytes.Cut(b, []byte("\n"))
		size, ok := literalSize(head)
		if !ok || size > len(body) {
			return nil, nil, fmt.Errorf("literal %.20q", head)
		}
		return body[:size], body[size:], nil
	}
	end := bytes.IndexAny(b, " ()")
	if end < 0 {
		end = len(b)
	}
	return b[:end], b[end:], nil
}
