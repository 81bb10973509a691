package labtest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"
)

// modified base64 of RFC 3501 §5.1.3: a comma for the slash, no padding.
var base64UTF7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// EncodeUTF7 writes a mailbox name in modified UTF-7 (RFC 3501 §5.1.3).
func EncodeUTF7(name string) string {
	var out strings.Builder
	var run []rune
	flush := func() {
		if len(run) == 0 {
			return
		}
		var b []byte
		for _, u := range utf16.Encode(run) {
			b = append(b, byte(u>>8), byte(u))
		}
		out.WriteString("&" + base64UTF7.EncodeToString(b) + "-")
		run = run[:0]
	}
	for _, r := range name {
		switch {
		case r < ' ' || r > '~':
			run = append(run, r)
		case r == '&':
			flush()
			out.WriteString("&-")
		default:
			flush()
			out.WriteRune(r)
		}
	}
	flush()
	return out.String()
}

// DecodeUTF7 reads a mailbox name in modified UTF-7.
func DecodeUTF7(wire string) (string, error) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(wire, "&")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		run, after, ok := strings.Cut(rest, "-")
		if !ok {
			return "", fmt.Errorf("mailbox name %q: unclosed run", wire)
		}
		wire = after
		if run == "" {
			out.WriteByte('&')
			continue
		}
		b, err := base64UTF7.DecodeString(run)
		if err != nil || len(b)%2 != 0 {
			return "", fmt.Errorf("mailbox name: run %q is no UTF-16 in base64", run)
		}
		units := make([]uint16, 0, len(b)/2)
		for i := 0; i < len(b); i += 2 {
			units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
		}
		out.WriteString(string(utf16.Decode(units)))
	}
}
