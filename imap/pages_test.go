package imap_test

import (
	"context"
	"errors"
	"testing"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// syntheticSource opens the INBOX of a source that makes its messages up.
func syntheticSource(t *testing.T, opts imaptest.SyntheticOptions) (*imap.Source, imap.Status) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	at, wait, err := imaptest.NewSynthetic(opts).Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); wait() })
	src, err := imap.DialSource(t.Context(), imap.Server{Addr: at, Security: imap.Plaintext}, imap.Credentials{Login: "ada", Secret: "x"}, imap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	st, err := src.Examine(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	return src, st
}

func TestPagesHoldAFewMessagesOfMany(t *testing.T) {
	const all = 120_000
	src, st := syntheticSource(t, imaptest.SyntheticOptions{Messages: func(string, string) uint32 { return all }})
	next, most := uint32(1), 0
	err := src.Pages(t.Context(), "INBOX", st, func(first, last uint32, listed []imap.Message) error {
		if first != next || len(listed) > 0 && (listed[0].UID != first || listed[len(listed)-1].UID > last) {
			t.Errorf("a page from %d to %d follows %d", first, last, next)
		}
		next, most = first+uint32(len(listed)), max(most, len(listed))
		if last == 1<<32-1 && next != all+1 {
			t.Errorf("the last page ends with %d", next-1)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if next != all+1 || most > 20_000 {
		t.Errorf("pages end at %d, with up to %d messages", next-1, most)
	}
}

func TestPagesEnd(t *testing.T) {
	src, st := syntheticSource(t, imaptest.SyntheticOptions{Messages: func(string, string) uint32 { return 30_000 }})
	enough := errors.New("enough")
	if err := src.Pages(t.Context(), "INBOX", st, func(uint32, uint32, []imap.Message) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("ended by %v", err)
	}
	if err := src.Noop(t.Context()); err != nil {
		t.Errorf("the session afterwards: %v", err)
	}
	empty, st := syntheticSource(t, imaptest.SyntheticOptions{Messages: func(string, string) uint32 { return 0 }})
	calls := 0
	err := empty.Pages(t.Context(), "INBOX", st, func(first, last uint32, listed []imap.Message) error {
		if calls++; first != 1 || last != 1<<32-1 || len(listed) > 0 {
			t.Errorf("an empty mailbox has %d messages from %d to %d", len(listed), first, last)
		}
		return nil
	})
	if err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
