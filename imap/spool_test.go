package imap

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestSpool(t *testing.T) {
	big := "Subject: big\r\n\r\n" + strings.Repeat("0123456789\r\n", 200_000)
	tests := []struct {
		name, body, munged string
		suspect            bool
	}{
		{"plain", "Subject: a\r\n\r\nbody\r\n", "", false},
		{"8-bit header", "Subject: \xe9t\xe9\r\nX: y\r\n\r\nd\xe9j\xe0\r\n", "Subject: XtX\r\nX: y\r\n\r\nd\xe9j\xe0\r\n", false},
		{"8-bit body", "Subject: a\r\n\r\nd\xe9j\xe0\r\n", "", false},
		{"no blank line", "Subject: \xe9\r\n", "Subject: X\r\n", false},
		{"in a file", big, "", false},
		{"empty", "", "", true},
		{"NUL", "Subject: a\r\n\r\n\x00", "", true},
		{"bare LF", "Subject: a\r\n\r\none\ntwo\r\n", "", true},
		{"LF first", "\nSubject: a\r\n\r\n", "", true},
		{"no header", "Just text\r\n", "", true},
		{"blank before the colon", "X-A : b\r\n\r\n", "", true},
		{"mbox line", ">From me: x\r\n\r\n", "", true},
		{"lone CR", "Subject: a\rb\r\n\r\nc\rd\r\n", "", false},
	}
	for _, test := range tests {
		for how, read := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "by octets": iotest.OneByteReader} {
			t.Run(test.name+" "+how, func(t *testing.T) {
				s, err := spool(Message{UID: 1}, int64(len(test.body)), read(strings.NewReader(test.body)), t.TempDir(), test.name != "in a file")
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				got, err := io.ReadAll(io.NewSectionReader(s, 0, s.size))
				if err != nil || string(got) != test.body {
					t.Errorf("read back %d octets, %v", len(got), err)
				}
				if s.sha1 != sha1.Sum([]byte(test.body)) || s.sha256 != sha256.Sum256([]byte(test.body)) {
					t.Error("hashes differ")
				}
				want := [20]byte{}
				if test.munged != "" {
					want = sha1.Sum([]byte(test.munged))
				}
				if s.munged != want {
					t.Errorf("munged SHA-1 is %x, want %x", s.munged, want)
				}
				if (s.defects != 0) != test.suspect {
					t.Errorf("defects are %v", s.defects)
				}
			})
		}
	}
}

func TestSpoolTorn(t *testing.T) {
	dir := t.TempDir()
	if _, err := spool(Message{}, 100, strings.NewReader("short"), dir, false); err == nil {
		t.Error("a body shorter than its literal is taken")
	}
	if _, err := spool(Message{}, 3, bytes.NewReader([]byte("longer")), dir, true); err == nil {
		t.Error("a body longer than its literal is taken")
	}
}

// TestAssign finds what Cyrus made of a message with 8-bit header octets, and
// gives, of identical messages, to each the one of its date.
func TestAssign(t *testing.T) {
	sum, munged := [20]byte{1}, [20]byte{2}
	early, late, other := time.Unix(1e9, 0), time.Unix(2e9, 0), time.Unix(3e9, 0)
	free := func() *contents {
		c := &contents{}
		for _, m := range []Message{{UID: 9, SHA1: sum, InternalDate: late}, {UID: 5, SHA1: sum, InternalDate: early}, {UID: 7, SHA1: munged}} {
			c.add(m)
		}
		c.sort()
		return c
	}
	list := []wanted{
		{sum, munged, 1, other, nil}, {sum, munged, 1, late, nil}, {sum, munged, 6, early, nil}, {sum, munged, 1, other, nil}, {[20]byte{3}, [20]byte{4}, 7, early, [][20]byte{munged}},
	}
	var uids []uint32
	for _, m := range free().assign(list, nil) {
		uids = append(uids, m.UID)
	}
	if want := []uint32{5, 9, 7, 0, 0}; !slices.Equal(uids, want) {
		t.Errorf("assigned %v, want %v", uids, want)
	}
	if m := free().assign(list[:1], map[twin]int{{early.Unix(), 0}: 1})[0]; m.UID != 9 {
		t.Errorf("UID %d was taken, the first that nobody else is known to want is 9", m.UID)
	}
}
