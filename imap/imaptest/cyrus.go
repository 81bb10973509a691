package imaptest

import (
	"bytes"
	"strings"
)

// CyrusRefusal answers APPEND as Cyrus 3.6 does to a message that it doesn't
// take for its octets or its date; "" where it takes it. It is for
// [Quirks.Refuse].
func CyrusRefusal(m Message) string {
	if !m.InternalDate.IsZero() && m.InternalDate.Unix() < 0 {
		return "BAD Invalid date-time in Append command"
	}
	switch {
	case len(m.Body) == 0:
		return "NO Zero-length message literal"
	case bytes.IndexByte(m.Body, 0) >= 0:
		return "NO Message contains NUL characters"
	case bareNewline(m.Body):
		return "NO Message contains bare newlines"
	case !soundHeader(string(m.Body)):
		return "NO Message contains invalid header"
	}
	return ""
}

func bareNewline(body []byte) bool {
	return bytes.Count(body, []byte("\n")) != bytes.Count(body, []byte("\r\n"))
}

// soundHeader reads lines as fgets does, 4,096 octets at a time: each that begins
// a line must have a name up to its colon, without blanks or controls in it.
func soundHeader(rest string) bool {
	begins := true
	for rest != "" {
		part := rest[:min(len(rest), 4096)]
		if i := strings.IndexByte(part, '\n'); i >= 0 {
			part = part[:i+1]
		}
		rest = rest[len(part):]
		if begins {
			switch part[0] {
			case '\r':
				return true
			case ':':
				return false
			case ' ', '\t':
			default:
				if name, _, _ := strings.Cut(part, ":"); !strings.HasPrefix(part, "From ") && strings.IndexFunc(name, func(r rune) bool { return r <= ' ' }) >= 0 {
					return false
				}
			}
		}
		begins = part[len(part)-1] == '\n'
	}
	return begins
}

// WithoutEightBit is [CyrusRefusal] of a server that takes no 8-bit octets in
// headers (reject8bit).
func WithoutEightBit(m Message) string {
	if words := CyrusRefusal(m); words != "" {
		return words
	}
	header := m.Body
	if i := bytes.Index(append([]byte("\n"), m.Body...), []byte("\n\r")); i >= 0 {
		header = m.Body[:i] // a CR begins its last line
	}
	for _, c := range header {
		if c >= 0x80 {
			return "NO Message contains non-ASCII characters in headers"
		}
	}
	return ""
}
