package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxCommand is how long a command before login may be, literals included: the
// proxy's buffer.
const maxCommand = 8 << 10

var (
	errTooLong = errors.New("a command before login is longer than 8 KiB")
	errSyntax  = errors.New("invalid command")
)

// command is one command before login.
type command struct {
	tag  string
	verb string // upper case
	args []string
}

// readCommand reads a command with its literals; next is called for each that
// waits for a continuation (RFC 9051 §4.3). After errSyntax the next command can
// be read, and the tag is there if it was readable.
func readCommand(r *bufio.Reader, next func() error) (command, error) {
	var cmd command
	var words []string
	room := maxCommand
	line, err := readLine(r, &room)
	if err != nil {
		return cmd, err
	}
	cmd.tag, line, _ = strings.Cut(line, " ")
	for {
		var size int
		var sync, literal bool
		line, size, sync, literal = cutLiteral(line)
		more, err := split(line)
		if err != nil {
			return cmd, err
		}
		words = append(words, more...)
		if !literal {
			break
		}
		if size > room {
			return cmd, errTooLong
		}
		if sync {
			if err := next(); err != nil {
				return cmd, err
			}
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(r, text); err != nil {
			return cmd, err
		}
		room -= size
		words = append(words, string(text))
		if line, err = readLine(r, &room); err != nil {
			return cmd, err
		}
	}
	if cmd.tag == "" || len(words) == 0 {
		return cmd, errSyntax
	}
	cmd.verb, cmd.args = strings.ToUpper(words[0]), words[1:]
	return cmd, nil
}

// readLine reads up to a line feed, without it and a CR before it.
func readLine(r *bufio.Reader, room *int) (string, error) {
	var line []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		if *room--; *room < 0 {
			return "", errTooLong
		}
		if b == '\n' {
			return string(bytes.TrimSuffix(line, []byte("\r"))), nil
		}
		line = append(line, b)
	}
}

// cutLiteral takes {n} or {n+} (RFC 7888) off the end of a line.
func cutLiteral(line string) (before string, size int, sync, literal bool) {
	i := strings.LastIndexByte(line, '{')
	if i < 0 || !strings.HasSuffix(line, "}") || i > 0 && line[i-1] != ' ' {
		return line, 0, false, false
	}
	digits, plus := strings.CutSuffix(line[i+1:len(line)-1], "+")
	size, err := strconv.Atoi(digits)
	if err != nil || size < 0 {
		return line, 0, false, false
	}
	return line[:i], size, !plus, true
}

// split gives the atoms and quoted strings of a line.
func split(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " ")
		if line == "" {
			return words, nil
		}
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		word, rest, ok := cutQuoted(line[1:])
		if !ok {
			return nil, errSyntax
		}
		words, line = append(words, word), rest
	}
}

func cutQuoted(s string) (word, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
