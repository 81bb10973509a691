package migrate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// TestLabCyrusRefusesAsModelled holds the model of what Cyrus refuses, which
// tests without a lab and the repairs go by, to a real one.
func TestLabCyrusRefusesAsModelled(t *testing.T) {
	w, _ := labWorld(t, "dora")
	embedded := newWorld(t, bmsim.Config{}, "dora")
	w.opts.Sources, w.rows[0].Login = embedded.opts.Sources, "dora@old.example"
	w.plan()
	w.complete() // makes the mailbox
	bodies := []string{
		"\r\n", "\r\nno header\r\n", "Subject: a", "Subject: a\r\n", "Subject: a\r\n\r\nno end", "abc", " goes on first\r\n\r\n", " only",
		"\rx y\r\n\r\n", "Subject: a\r\n\rx y\r\nbad line\r\n", "Sub\rject: a\r\n\r\n", "A: b\rc\r\n\r\n", "\x01: a\r\n\r\n", "A\x7f: a\r\n\r\n", "\xe9: a\r\n\r\n",
		"From x\r\nA: b\r\n\r\n", "A: b\r\nFrom x y\r\nC: d\r\n\r\n", "From \r\n\r\n", "From\r\n\r\n", "From:x\r\n\r\n", "FROM x\r\n\r\n", "Fro m: x\r\n\r\n",
		strings.Repeat("x", 4095) + "\r\n\r\n", strings.Repeat("x", 4096) + " y\r\n\r\n", strings.Repeat("x", 4094) + " y\r\n\r\n", strings.Repeat("x", 9000) + "\r\n\r\n",
		strings.Repeat("x", 5000) + ": y\r\n\r\n", "\tA b\r\nC: d\r\n\r\n", "A:\r\n\r\n", "A:\r\n \r\n \t\r\n\r\nx\ry\r\n", "\r\r\nA b\r\n", "A: b\r\n\r\r\nC d\r\n",
		"a\n", "\n", "A: b\r\n\r\n\n", "\x00", "A: b\r\n\r\nx\n\x00",
	}
	for _, a := range imaptest.Awkward() {
		bodies = append(bodies, string(a.Message.Body))
	}
	w.withKey(w.opts.Target, w.rows[0].Address, func(ctx context.Context, secret string) {
		dst, err := imap.DialTarget(ctx, w.opts.Target.IMAP, imap.Token{Address: w.rows[0].Address, Secret: secret}, imap.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer dst.Close()
		out, err := dst.Appender(ctx, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		for _, body := range bodies {
			m := imaptest.Message{Body: []byte(body), InternalDate: time.Unix(1e9, 0)}
			if err := out.Send(ctx, []imap.Append{{InternalDate: m.InternalDate, Size: int64(len(body)), Body: strings.NewReader(body)}}); err != nil {
				t.Fatal(err)
			}
			got, err := out.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			words := ""
			if e, ok := errors.AsType[*imap.Error](got[0].Err); ok {
				words = e.Kind.String() + " " + e.Text
			}
			if want := imaptest.CyrusRefusal(m); words != want {
				t.Errorf("%.80q (%d octets): Cyrus says %q, the model %q", body, len(body), words, want)
			}
		}
	})
}
