package imap

import "strings"

// traceSize and traceLine bound the protocol text kept for the log, in octets.
const (
	traceSize = 4096
	traceLine = 512
)

// trace keeps the last protocol lines, without literals and secrets.
type trace struct {
	buf  [traceSize]byte
	at   int
	full bool
}

func (t *trace) add(side byte, line []byte) {
	t.put([]byte{side, ':', ' '})
	if len(line) > traceLine {
		t.put(line[:traceLine])
		t.put([]byte("..."))
	} else {
		t.put(line)
	}
	t.put([]byte{'\n'})
}

func (t *trace) put(p []byte) {
	for len(p) > 0 {
		n := copy(t.buf[t.at:], p)
		p = p[n:]
		if t.at += n; t.at == traceSize {
			t.at, t.full = 0, true
		}
	}
}

// String gives the lines, oldest first; a line cut at the front is left out.
func (t *trace) String() string {
	if !t.full {
		return string(t.buf[:t.at])
	}
	s := string(t.buf[t.at:]) + string(t.buf[:t.at])
	_, s, _ = strings.Cut(s, "\n")
	return s
}

// masked hides the arguments of commands that carry secrets.
func masked(verb string, line []byte) []byte {
	switch verb {
	case "LOGIN", "AUTHENTICATE":
		tag, _, _ := strings.Cut(string(line), " ")
		return []byte(tag + " " + verb + " ***")
	}
	return line
}
