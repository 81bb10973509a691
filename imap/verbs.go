package imap

import (
	"bytes"
	"fmt"
	"strings"
)

// command is a line about to leave, taken apart.
type command struct {
	tag, verb, args string
	literal         bool // the line announces a literal
}

// parseCommand takes a whole line apart, CRLF included. A line that holds
// another one, or none, can't be vetted and is an error.
func parseCommand(line []byte) (command, error) {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.ContainsAny(text, "\r\n\x00") {
		return command{}, fmt.Errorf("not one command line")
	}
	tag, rest, _ := strings.Cut(string(text), " ")
	verb, args, _ := strings.Cut(rest, " ")
	verb = strings.ToUpper(verb)
	if verb == "UID" {
		var sub string
		sub, args, _ = strings.Cut(args, " ")
		verb += " " + strings.ToUpper(sub)
	}
	if tag == "" || verb == "" {
		return command{}, fmt.Errorf("not a command")
	}
	mark, _ := literalMark(text)
	return command{tag: tag, verb: verb, args: args, literal: mark >= 0}, nil
}

// vetSource says whether a command may leave on a source connection: it must
// be one that can't change anything there. The list is of what is allowed.
func vetSource(c command) error {
	if c.literal && c.verb != "LOGIN" {
		return fmt.Errorf("%s with a literal is not allowed on a source", c.verb)
	}
	switch c.verb {
	case "CAPABILITY", "NOOP", "STARTTLS", "LOGIN", "AUTHENTICATE", "LOGOUT", "ID",
		"NAMESPACE", "LIST", "LSUB", "XLIST", "STATUS", "EXAMINE", "UNSELECT",
		"SEARCH", "UID SEARCH", "GETQUOTAROOT", "GETACL", "MYRIGHTS", "GETMETADATA", "GETANNOTATION":
		return nil
	case "FETCH", "UID FETCH":
		return vetFetch(c)
	}
	return fmt.Errorf("%s is not allowed on a source", c.verb)
}

// vetFetch lets FETCH items pass that leave \Seen alone.
func vetFetch(c command) error {
	_, items, _ := strings.Cut(c.args, " ")
	if at := strings.LastIndex(items, " (CHANGEDSINCE "); at >= 0 && strings.Trim(items[at+len(" (CHANGEDSINCE "):], "0123456789") == ")" {
		items = items[:at] // RFC 7162 §3.1.4.1
	}
	for _, item := range fetchItems(items) {
		if !harmlessItem(item) {
			return fmt.Errorf("%s %s is not allowed on a source", c.verb, item)
		}
	}
	return nil
}

func harmlessItem(item string) bool {
	switch item {
	case "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "RFC822.HEADER", "ENVELOPE", "BODYSTRUCTURE", "BODY",
		"MODSEQ", "EMAILID", "THREADID", "SAVEDATE", "DIGEST.SHA1", "X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS":
		return true
	}
	for _, p := range []string{"BODY.PEEK[", "BINARY.PEEK[", "BINARY.SIZE["} {
		if section, ok := strings.CutPrefix(item, p); ok {
			return harmlessSection(section)
		}
	}
	return false
}

// harmlessSection says whether an item ends where its section does, but for a
// partial range. A bracket or a quote inside could hide another item.
func harmlessSection(s string) bool {
	section, partial, ok := strings.Cut(s, "]")
	return ok && !strings.ContainsAny(section, `["`) && strings.Trim(partial, "<>.0123456789") == ""
}

// fetchItems gives the item names of a FETCH, upper-case; what stands in
// brackets stays with its item.
func fetchItems(s string) []string {
	depth := 0
	return strings.FieldsFunc(strings.ToUpper(s), func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return depth <= 0 && (r == ' ' || r == '(' || r == ')')
	})
}

// quote writes a quoted string (RFC 9051 §4.3). The caller has made sure that
// it holds no CR, LF or NUL; parseCommand refuses these anyway.
func quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// quoteMailbox writes a mailbox's wire name. INBOX goes in capitals:
// BlueMind 5 takes no other in APPEND and STATUS.
func quoteMailbox(wire string) string {
	if strings.EqualFold(wire, "INBOX") {
		return `"INBOX"`
	}
	return quote(wire)
}
