package imap_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// changed are the ways in which a target, or a tool that filled it, changes what
// it stores.
func changed() map[string]func([]byte) []byte {
	return map[string]func([]byte) []byte{
		"as it is": nil,
		"header line on top": func(b []byte) []byte {
			return append([]byte("Received: by target; Mon, 7 May 2012 07:08:09 +0000\r\n"), b...)
		},
		"header line at the end of the header": func(b []byte) []byte {
			return bytes.Replace(b, []byte("\r\n\r\n"), []byte("\r\nMessage-Id: <17@imapsync>\r\n\r\n"), 1)
		},
		"bare LF": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) },
		"last line ended": func(b []byte) []byte {
			return append(slices.Clone(b), "\r\n"...)
		},
	}
}

// TestC2SecondRun is case C2: the target changes what it stores and the state is
// lost, again and again. Nothing is copied twice, what lacked is copied, and true
// duplicates stay as many as they are.
func TestC2SecondRun(t *testing.T) {
	for name, keep := range changed() {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.dst.SetQuirks(imaptest.Quirks{Keep: keep})
			p.fill(20)
			for i := range 6 { // three identical ones, and three like them but for a word
				p.from.Append(imaptest.Message{Body: fmt.Appendf(nil, "Subject: scan\r\n\r\npage %d\r\n", max(i-2, 0)), InternalDate: time.Unix(1e9, 0)})
			}
			p.mustCopy()
			p.to.Expunge(p.to.Messages()[3].UID, p.to.Messages()[21].UID) // an earlier tool left them out
			p.opts.Adopt = true
			for run := range 10 {
				p.ledger, p.state = newLedger(), imap.FolderState{}
				tally := p.mustCopy()
				want := 26
				if run == 0 {
					want = 24
				}
				if tally.Adopted != want || tally.Copied != 26-want || p.to.Len() != 26 {
					t.Fatalf("run %d: %d on the target, %+v", run, p.to.Len(), tally)
				}
				again := p.mustCopy()
				if again.Adopted+again.Copied+again.Flagged > 0 {
					t.Fatalf("run %d, again: %+v", run, again)
				}
			}
			seen := map[uint32]bool{}
			for _, o := range p.ledger.rows {
				if seen[o.DstUID] || o.Fate != imap.Present || keep != nil && (o.Sent == nil || !strings.Contains(o.Note, "not ours")) {
					t.Errorf("row %+v", o)
				}
				seen[o.DstUID] = true
			}
		})
	}
}

// TestChangedCopiesAreOurs: what has the date of a message and nearly its size is
// not taken for a copy of it where it is another message.
func TestChangedCopiesAreOurs(t *testing.T) {
	const letter = "From: a@x.test\r\nSubject: one\r\nTo: b@x.test\r\n\r\ntext\r\n"
	for name, other := range map[string]string{
		"other text":        strings.Replace(letter, "text", "Text", 1),
		"text added":        letter + "more\r\n",
		"header line lacks": strings.Replace(letter, "Subject: one\r\n", "", 1),
		"another subject":   strings.Replace(letter, "one", "two", 1),
		"lines exchanged":   "Subject: one\r\nFrom: a@x.test\r\nTo: b@x.test\r\n\r\ntext\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.opts.Adopt = true
			p.from.Append(imaptest.Message{Body: []byte(letter), InternalDate: time.Unix(1e9, 0)})
			p.to.Append(imaptest.Message{Body: []byte(other), InternalDate: time.Unix(1e9, 0)})
			if tally := p.mustCopy(); tally.Copied != 1 || tally.Adopted != 0 {
				t.Errorf("%+v", tally)
			}
		})
	}
	// A message that lacks on the target, and one like it that is there as it is.
	p := newPair(t)
	p.opts.Adopt = true
	longer := append([]byte("X-More: yes\r\n"), letter...)
	p.from.Append(imaptest.Message{Body: []byte(letter), InternalDate: time.Unix(1e9, 0)})
	p.from.Append(imaptest.Message{Body: longer, InternalDate: time.Unix(1e9, 0)})
	p.to.Append(imaptest.Message{Body: longer, InternalDate: time.Unix(1e9, 0)})
	if tally := p.mustCopy(); tally.Copied != 1 || tally.Adopted != 1 {
		t.Errorf("%+v", tally)
	}
	p.equal()
}
