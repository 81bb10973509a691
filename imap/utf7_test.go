package imap

import (
	"testing"
	"unicode/utf8"
)

func TestUTF7(t *testing.T) {
	for name, wire := range map[string]string{
		"INBOX":                 "INBOX",
		"":                      "",
		"R&D":                   "R&-D",
		"&&":                    "&-&-",
		"Éléments envoyés":      "&AMk-l&AOk-ments envoy&AOk-s",
		"Dossiers partagés/":    "Dossiers partag&AOk-s/",
		"台北":                    "&U,BTFw-",
		"~peter/mail/台北/日本語":    "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // RFC 3501 §5.1.3
		"é&":                    "&AOk-&-",
		"😀":                     "&2D3eAA-",
		"a😀é~":                  "a&2D3eAADp-~",
		"tab\tdel\x7f":          "tab&AAk-del&AH8-",
		`q"b\`:                  `q"b\`,
		"\u00ff\u0100\uffff.":   "&AP8BAP,,-.",
		"Entw\u00fcrfe/e\u0301": "Entw&APw-rfe/e&AwE-",
	} {
		if got := EncodeUTF7(name); got != wire {
			t.Errorf("encode %q: got %q, want %q", name, got, wire)
		}
		if got, ok := DecodeUTF7(wire); got != name || !ok {
			t.Errorf("decode %q: got %q, %v, want %q", wire, got, ok, name)
		}
	}
}

func TestUTF7Malformed(t *testing.T) {
	for wire, want := range map[string]string{
		"A&B":           "A&B",           // no end
		"&":             "&",             //
		"A&B-":          "A&B-",          // one digit
		"&AOk":          "&AOk",          // no end
		"&AOl-":         "&AOl-",         // bits left over
		"&AO-":          "&AO-",          // half a unit
		"&2D0-":         "&2D0-",         // half a surrogate pair
		"&3gDYPQ-":      "&3gDYPQ-",      // pair in the wrong order
		"&A!k-":         "&A!k-",         // not base64
		"&AOk-&AOg-":    "\u00e9\u00e8",  // null shift: one reading
		"&AGE-":         "a",             // ASCII in a run: one reading
		"caf\xe9":       "caf\xe9",       // Latin-1
		"caf\u00e9":     "caf\u00e9",     // raw UTF-8
		"tab\there":     "tab\there",     // control
		"&AO\r\nk-":     "&AO\r\nk-",     // line end in a run
		"&AOk=-":        "&AOk=-",        // padding
		"&ZeVnLIqe-&ZS": "&ZeVnLIqe-&ZS", // half of it
	} {
		if got, ok := DecodeUTF7(wire); got != want || ok {
			t.Errorf("%q: got %q, %v, want %q, false", wire, got, ok, want)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	for _, s := range []string{"", "INBOX", "R&D", "&AOk-&AOg-", "台北", "😀", "&2D3eAA-", "A&B", "\xff", "&AGE-", "&-&", "a&AAA-", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) {
			if got, ok := DecodeUTF7(EncodeUTF7(s)); got != s || !ok {
				t.Errorf("%q came back as %q, %v", s, got, ok)
			}
		}
		name, ok := DecodeUTF7(s)
		if ok && EncodeUTF7(name) != s {
			t.Errorf("%q decodes to %q, which is %q", s, name, EncodeUTF7(name))
		}
		if !utf8.ValidString(displayName(name)) {
			t.Errorf("%q is shown as %q", s, displayName(name))
		}
	})
}
