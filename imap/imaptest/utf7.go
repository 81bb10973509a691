package imaptest

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The base64 alphabet of modified UTF-7, RFC 3501 §5.1.3.
const utf7Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,"

func utf7Encoding() *base64.Encoding {
	return base64.NewEncoding(utf7Alphabet).WithPadding(base64.NoPadding).Strict()
}

// EncodeName puts a mailbox name into modified UTF-7.
func EncodeName(name string) string {
	var out strings.Builder
	var run []rune
	flush := func() {
		if len(run) == 0 {
			return
		}
		var raw []byte
		for _, u := range utf16.Encode(run) {
			raw = append(raw, byte(u>>8), byte(u))
		}
		out.WriteString("&" + utf7Encoding().EncodeToString(raw) + "-")
		run = run[:0]
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			run = append(run, r)
			continue
		}
		flush()
		out.WriteRune(r)
		if r == '&' {
			out.WriteByte('-')
		}
	}
	flush()
	return out.String()
}

// DecodeName reads modified UTF-7; false means that the name is malformed.
func DecodeName(wire string) (string, bool) {
	var out strings.Builder
	for len(wire) > 0 {
		c := wire[0]
		if c < ' ' || c > '~' {
			return "", false
		}
		if c != '&' {
			out.WriteByte(c)
			wire = wire[1:]
			continue
		}
		run, rest, ok := strings.Cut(wire[1:], "-")
		if !ok {
			return "", false
		}
		wire = rest
		if run == "" {
			out.WriteByte('&')
			continue
		}
		text, ok := decodeRun(run)
		if !ok || strings.HasPrefix(rest, "&") && !strings.HasPrefix(rest, "&-") {
			return "", false // a null shift: one run should have held both
		}
		out.WriteString(text)
	}
	return out.String(), true
}

func decodeRun(run string) (string, bool) {
	raw, err := utf7Encoding().DecodeString(run)
	if err != nil || len(raw)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	runes := utf16.Decode(units)
	for _, r := range runes {
		if r == utf8.RuneError || r >= ' ' && r <= '~' {
			return "", false
		}
	}
	return string(runes), true
}
