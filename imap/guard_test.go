package imap_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// TestGuard: a target that doesn't keep dates, flags or octets gets the first few
// messages and no more.
func TestGuard(t *testing.T) {
	for name, c := range map[string]struct {
		caps  []string
		alter func(*imaptest.Message)
		says  string
	}{
		"one day off": {nil, func(m *imaptest.Message) { m.InternalDate = m.InternalDate.AddDate(0, 0, 1) }, "otherwise"},
		"dated now":   {nil, func(m *imaptest.Message) { m.InternalDate = time.Now() }, "its own date"},
		"no flags":    {nil, func(m *imaptest.Message) { m.Flags = nil }, "lost flags"},
		"other bytes": {nil, func(m *imaptest.Message) { m.Body = append(bytes.Clone(m.Body), '!') }, "other bytes"},
		"other bytes, as listed": {[]string{"MULTIAPPEND", "DIGEST=SHA1"}, func(m *imaptest.Message) {
			m.Body = append(bytes.Clone(m.Body), '!')
		}, "other bytes"},
		"faithful":      {nil, func(*imaptest.Message) {}, ""},
		"a date or two": {nil, func(m *imaptest.Message) { m.InternalDate = time.Unix(m.InternalDate.Unix()/1e8*1e8+1, 0) }, ""},
		"some seconds":  {nil, func(m *imaptest.Message) { m.InternalDate = m.InternalDate.Add(-2 * time.Second) }, ""},
		"no keywords": {nil, func(m *imaptest.Message) {
			m.Flags = slices.DeleteFunc(m.Flags, func(f string) bool { return f[0] != '\\' })
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, c.caps...)
			if name == "a date or two" {
				for i := range 300 {
					p.from.Append(imaptest.Message{Body: letter(i, ""), Flags: []string{`\Seen`}, InternalDate: time.Unix(1e9+1+int64(i/14%2)*5, 0)})
				}
			} else {
				for i := range 300 {
					p.from.Append(imaptest.Message{Body: letter(i, ""), Flags: []string{`\Seen`, "Key"}, InternalDate: time.Unix(1e9+int64(i), 0)})
				}
			}
			p.dst.SetQuirks(imaptest.Quirks{Alter: c.alter})
			p.opts.Guard, p.opts.Batch = &imap.Guard{}, 64
			_, err := p.copy("")
			if c.says == "" {
				if err != nil || p.to.Len() != 300 {
					t.Fatalf("%d messages, %v", p.to.Len(), err)
				}
				return
			}
			var faithless *imap.FidelityError
			var altered *imap.AlteredError
			if !errors.As(err, &faithless) && !errors.As(err, &altered) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("ended with %v", err)
			}
			if n := p.to.Len(); n > 16 {
				t.Errorf("%d messages were written before it was seen", n)
			}
		})
	}
}

// TestGuardOnce: it costs one account one look, however many its folders.
func TestGuardOnce(t *testing.T) {
	p := newPair(t)
	p.opts.Guard = &imap.Guard{}
	for range 3 {
		p.fill(100)
		p.mustCopy()
	}
	p.equal()
	without := newPair(t)
	for range 3 {
		without.fill(100)
		without.mustCopy()
	}
	if with, without := count(p.dst, "SELECT"), count(without.dst, "SELECT"); with > without+2 { // to look, and to leave the folder again
		t.Errorf("%d SELECT, and %d without a guard", with, without)
	}
}
