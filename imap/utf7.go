package imap

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mailbox names travel in modified UTF-7 (RFC 3501 §5.1.3): printable ASCII
// stands for itself, "&" is "&-", all else is UTF-16 in a base64 of its own
// alphabet between "&" and "-".

var utf7Encoding = base64.NewEncoding(
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// EncodeUTF7 encodes a mailbox name. A name that isn't UTF-8 has its bad
// bytes replaced by U+FFFD.
func EncodeUTF7(name string) string {
	var b strings.Builder
	var run []rune
	flush := func() {
		if len(run) == 0 {
			return
		}
		b.WriteByte('&')
		b.WriteString(utf7Encoding.EncodeToString(utf16Bytes(run)))
		b.WriteByte('-')
		run = run[:0]
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			run = append(run, r)
			continue
		}
		flush()
		b.WriteRune(r)
		if r == '&' {
			b.WriteByte('-')
		}
	}
	flush()
	return b.String()
}

func utf16Bytes(run []rune) []byte {
	units := utf16.Encode(run)
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}

// DecodeUTF7 decodes a mailbox name. It reports false for a name that the
// encoding doesn't produce; such a name is decoded where only one reading is
// possible (a run right after a run, ASCII in a run), else it comes back as it
// is.
func DecodeUTF7(wire string) (string, bool) {
	name, ok := decodeUTF7(wire)
	if !ok {
		return wire, false
	}
	return name, EncodeUTF7(name) == wire
}

func decodeUTF7(wire string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(wire); i++ {
		c := wire[i]
		if c < ' ' || c > '~' {
			return "", false
		}
		if c != '&' {
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(wire[i:], '-')
		if end < 0 {
			return "", false
		}
		if end == 1 {
			b.WriteByte('&')
		} else if !decodeRun(&b, wire[i+1:i+end]) {
			return "", false
		}
		i += end
	}
	return b.String(), true
}

// decodeRun decodes what stands between "&" and "-".
func decodeRun(b *strings.Builder, run string) bool {
	if strings.ContainsAny(run, "\r\n") { // base64 would pass over these
		return false
	}
	raw, err := utf7Encoding.DecodeString(run)
	if err != nil || len(raw)%2 != 0 {
		return false
	}
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return false
			}
			r = utf16.DecodeRune(r, rune(raw[i+2])<<8|rune(raw[i+3]))
			if r == utf8.RuneError {
				return false
			}
			i += 2
		}
		b.WriteRune(r)
	}
	return true
}

// displayName makes valid UTF-8 of a name that was sent raw: as it is, or
// read as Latin-1.
func displayName(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
