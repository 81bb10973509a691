package imap

import (
	"bytes"
	"crypto/sha1"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"bmsync/imap/imaptest"
)

func mendAll(t *testing.T, body []byte, repairs defect) []byte {
	t.Helper()
	out, err := io.ReadAll(mender(bytes.NewReader(body), repairs))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMend(t *testing.T) {
	long := strings.Repeat("word ", 20_000)
	for name, c := range map[string]struct {
		repairs  defect
		in, want string
	}{
		"NUL":                        {hasNUL, "A: b\x00\r\n\r\nH\x00e\x00l\x00\x00lo", "A: b\r\n\r\nHello"},
		"bare LF":                    {hasBareLF, "A: b\n\nc\r\nd\n\ne\r\r\n\n", "A: b\r\n\r\nc\r\nd\r\n\r\ne\r\r\n\r\n"},
		"lone CR stays":              {hasBareLF, "A: b\r\n\r\nc\rd\r\re\n\r", "A: b\r\n\r\nc\rd\r\re\r\n\r"},
		"CR and LF around a NUL":     {hasNUL | hasBareLF, "A: b\r\x00\n\x00\n", "A: b\r\n\r\n"},
		"blanks before the colon":    {badHeader, "Subject \t : a : b\r\n\r\nx : y\r\n", "Subject: a : b\r\n\r\nx : y\r\n"},
		"no colon":                   {badHeader, "Subject: a\r\nno colon here\r\n go on\r\nTo: b\r\n\r\nbody", "Subject: a\r\nX-Bmsync-Line: no colon here\r\n go on\r\nTo: b\r\n\r\nbody"},
		"no name":                    {badHeader, ": a\r\nTo: b\r\n\r\n", "X-Bmsync-Line: : a\r\nTo: b\r\n\r\n"},
		"quoted mbox line":           {badHeader, ">From ada Mon Jan  1 00:00:00 2001\r\nSubject: a\r\n\r\n>From b\r\n", "X-Bmsync-Line: >From ada Mon Jan  1 00:00:00 2001\r\nSubject: a\r\n\r\n>From b\r\n"},
		"mbox line stays":            {badHeader, "From ada Mon Jan  1 00:00:00 2001\r\nSubject: a\r\n\r\n", "From ada Mon Jan  1 00:00:00 2001\r\nSubject: a\r\n\r\n"},
		"text":                       {badHeader, "Just some text.\r\nNote: more\r\n\r\nFrom: x\r\n", "\r\nJust some text.\r\nNote: more\r\n\r\nFrom: x\r\n"},
		"junk, then a header":        {badHeader, "Just some text.\r\nFrom: x\r\n\r\nbody", "X-Bmsync-Line: Just some text.\r\nFrom: x\r\n\r\nbody"},
		"long text":                  {badHeader, long + "\r\n", "\r\n" + long + "\r\n"},
		"text where a header ends":   {badHeader, "Subject: a\r\nDear all,\r\nas agreed.\r\n", "Subject: a\r\n\r\nDear all,\r\nas agreed.\r\n"},
		"a body's offset is kept":    {badHeader, "Subject: a\r\nbad line\r\n\r\nbody", "Subject: a\r\nX-Bmsync-Line: bad line\r\n\r\nbody"},
		"header without a last end":  {badHeader, "Subject: a", "Subject: a\r\n"},
		"empty":                      {badHeader, "", "\r\n"},
		"sound":                      {badHeader, " go on first\r\nA:b\r\n\r\nno colon\r\n", " go on first\r\nA:b\r\n\r\nno colon\r\n"},
		"long line without a colon":  {badHeader, strings.Repeat("x", 5000) + " y\r\n\r\n", strings.Repeat("x", 5000) + " y\r\n\r\n"},
		"words":                      {headerEightBit, "Subject: caf\xc3\xa9 cr\xc3\xa8me\r\n br\xfbl\xe9e x\r\nA: b\r\n\r\n\xe9", "Subject: =?utf-8?q?caf=C3=A9?= =?utf-8?q?_cr=C3=A8me?=\r\n =?unknown-8bit?q?_br=FBl=E9e?= x\r\nA: b\r\n\r\n\xe9"},
		"quoted words":               {headerEightBit, "From: \"Ren\xc3\xa9e D\"<r@x>\r\n\r\n", "From: =?utf-8?q?Ren=C3=A9e_D?= <r@x>\r\n\r\n"},
		"8-bit name":                 {headerEightBit, "B\xfcro: a\r\n\r\n", "X-Bmsync-Line: =?unknown-8bit?q?B=FCro=3A?= a\r\n\r\n"},
		"words, but no header":       {headerEightBit, "\r\n\xe9 \xe9\r\n", "\r\n\xe9 \xe9\r\n"},
		"a long word in UTF-8":       {headerEightBit, "S: " + strings.Repeat("\u00e9", 12) + "\r\n\r\n", "S: =?utf-8?q?" + strings.Repeat("=C3=A9", 9) + "?= =?utf-8?q?" + strings.Repeat("=C3=A9", 3) + "?=\r\n\r\n"},
		"all three, each needed":     {hasNUL | hasBareLF | badHeader, "Subject : a\x00\nbad\nTo: b\n\nbody\n", "Subject: a\r\nX-Bmsync-Line: bad\r\nTo: b\r\n\r\nbody\r\n"},
		"blank only where it begins": {badHeader, "A: b\r\n\t : c\r\n\r\n", "A: b\r\n\t : c\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mendAll(t, []byte(c.in), c.repairs); string(got) != c.want {
				t.Errorf("%.300q\nbecame %.300q\nwant   %.300q", c.in, got, c.want)
			}
		})
	}
}

// cyrusBody is where the body of a message begins for Cyrus.
func cyrusBody(body []byte) []byte {
	for rest := body; len(rest) > 0; {
		if rest[0] == '\r' {
			return rest
		}
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	return nil
}

func FuzzMend(f *testing.F) {
	for _, a := range imaptest.Awkward() {
		f.Add(a.Message.Body)
	}
	for _, s := range []string{"a\r", "\r\n", "From \r\n", "From: x\r\nb", "\x00\n\n: \r\n", "a : b\r\n c\n\n", "\rx: y\r\n\r\n", "a\u00e9 \"\xff\" : \xfe\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		scan := &contentScan{}
		scan.Write(body)
		refusal := imaptest.CyrusRefusal(imaptest.Message{Body: body})
		if (scan.defects() != 0) != (refusal != "") {
			t.Fatalf("%q has defects %q, and Cyrus says %q", body, scan.defects(), refusal)
		}
		const all = hasNUL | hasBareLF | badHeader
		for repairs := defect(1); repairs <= all; repairs++ {
			once := mendAll(t, body, repairs)
			if again := mendAll(t, once, repairs); !bytes.Equal(again, once) {
				t.Fatalf("%v: %q became %q and then %q", repairs, body, once, again)
			}
			slow, err := io.ReadAll(mender(iotest.OneByteReader(bytes.NewReader(body)), repairs))
			if err != nil || !bytes.Equal(slow, once) {
				t.Fatalf("%v: read by octets %q becomes %q", repairs, body, slow)
			}
			if repairs == all && imaptest.CyrusRefusal(imaptest.Message{Body: once}) != "" {
				t.Fatalf("%q became %q, which Cyrus doesn't take: %s", body, once, imaptest.CyrusRefusal(imaptest.Message{Body: once}))
			}
			if repairs&scan.defects() == 0 && scan.defects() == 0 && !bytes.Equal(once, body) {
				t.Fatalf("%v: %q, which is sound, became %q", repairs, body, once)
			}
		}
		if mended := mendAll(t, body, badHeader); !bytes.HasSuffix(mended, cyrusBody(body)) {
			t.Fatalf("the body of %q isn't that of %q", body, mended)
		}
		encoded := mendAll(t, body, headerEightBit)
		if again := mendAll(t, encoded, headerEightBit); !bytes.Equal(again, encoded) {
			t.Fatalf("encoded words of %q become %q and then %q", body, encoded, again)
		}
		if refusal == "" && imaptest.WithoutEightBit(imaptest.Message{Body: encoded}) != "" {
			t.Fatalf("%q became %q: %s", body, encoded, imaptest.WithoutEightBit(imaptest.Message{Body: encoded}))
		}
	})
}

// endless gives lines that end without a CR.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	n := copy(p, "Subject: a\n")
	for i := n; i < len(p); i++ {
		if p[i] = 'x'; i%64 == 0 {
			p[i] = '\n'
		}
	}
	return len(p), nil
}

// TestMendLarge: a message of any size is repaired as it streams, and read as it is sent, in little memory.
func TestMendLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MB in a temporary file")
	}
	const size = 64 << 20
	s, err := spool(Message{UID: 1, Size: size}, size, io.LimitReader(endless{}, size), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := s.mend(s.defects)
	if err != nil || m == nil {
		t.Fatal(m, err)
	}
	h, buf := sha1.New(), make([]byte, 32<<10)
	for at := int64(0); at < m.size; {
		n, err := m.ReadAt(buf[:min(int64(len(buf)), m.size-at)], at)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(buf[:n])
		at += int64(n)
	}
	runtime.ReadMemStats(&after)
	if [20]byte(h.Sum(nil)) != m.sha1 || m.size <= size {
		t.Errorf("%d octets read have another hash than was foretold", m.size)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d octets were allocated for it", n)
	}
	if _, err := os.ReadDir(t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestSubsetsOfRepairs(t *testing.T) {
	body := "Subject : a\x00\nbad\nTo: b\n\nbody\n"
	s, err := spool(Message{UID: 1}, int64(len(body)), strings.NewReader(body), "", true)
	if err != nil {
		t.Fatal(err)
	}
	forms, err := s.forms()
	if err != nil || len(forms) != 7 {
		t.Fatalf("%d forms, %v", len(forms), err)
	}
	for _, m := range forms {
		got, err := io.ReadAll(io.NewSectionReader(m, 0, m.size))
		if err != nil || sha1.Sum(got) != m.sha1 || m.sent() == nil || m.source() != s {
			t.Errorf("%v: %q, %v", m.repaired, got, err)
		}
	}
}
