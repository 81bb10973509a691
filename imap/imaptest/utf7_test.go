package imaptest_test

import (
	"testing"
	"unicode/utf8"

	"bmsync/imap/imaptest"
)

func TestNames(t *testing.T) {
	for name, wire := range map[string]string{
		"": "", "INBOX": "INBOX", "R&D": "R&-D", "Été": "&AMk-t&AOk-", "日本語": "&ZeVnLIqe-", "é&": "&AOk-&-",
		"📦 Colis": "&2D3c5g- Colis", "tab\tab": "tab&AAk-ab", "~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	} {
		if got := imaptest.EncodeName(name); got != wire {
			t.Errorf("%q becomes %q, want %q", name, got, wire)
		}
		if got, ok := imaptest.DecodeName(wire); !ok || got != name {
			t.Errorf("%q is read as %q, want %q", wire, got, name)
		}
	}
	for _, wire := range []string{"A&B", "&AB-", "&AOk", "&AOk-&AOg-", "&AEE-", "caf\xe9", "é", "\t", "&2D0-", "&AOl-", "&A=-"} {
		if got, ok := imaptest.DecodeName(wire); ok {
			t.Errorf("%q is read as %q", wire, got)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"&AMk-t&AOk-", "Été & \"x\"", "&-&-", "&2D3c5g-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) && !containsRune(s, utf8.RuneError) {
			if got, ok := imaptest.DecodeName(imaptest.EncodeName(s)); !ok || got != s {
				t.Errorf("%q comes back as %q", s, got)
			}
		}
		if name, ok := imaptest.DecodeName(s); ok && imaptest.EncodeName(name) != s {
			t.Errorf("%q is read as %q, which is written %q", s, name, imaptest.EncodeName(name))
		}
	})
}

func containsRune(s string, r rune) bool {
	for _, c := range s {
		if c == r {
			return true
		}
	}
	return false
}
