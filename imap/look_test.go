package imap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// TestCopyManyGone: how many copies may be missing from a folder of the target
// before it is taken for one that was lost, and when it is asked which of them are
// elsewhere.
func TestCopyManyGone(t *testing.T) {
	tests := map[string]struct {
		copies int
		before int // were known to be gone
		gone   int // are newly missing
		moved  int // of these, found elsewhere
		users  bool
		blocks bool
		asks   int
	}{
		"a few":                       {copies: 100, gone: 20},
		"more, and more than a fifth": {copies: 100, gone: 21, blocks: true, asks: 1},
		"more, and a fifth":           {copies: 105, gone: 21},
		"few, and most":               {copies: 24, gone: 20},
		"most were moved":             {copies: 100, gone: 60, moved: 40, asks: 1},
		"too few of them were moved":  {copies: 100, gone: 60, moved: 39, blocks: true, asks: 1},
		"all were moved":              {copies: 30, gone: 30, moved: 30, asks: 1},
		"all of a small folder":       {copies: 10, gone: 10},
		"all of two":                  {copies: 2, gone: 2},
		"all of a larger folder":      {copies: 11, gone: 11, blocks: true, asks: 1},
		"as many again as before":     {copies: 100, before: 20, gone: 20},
		"a fifth of what was left":    {copies: 150, before: 20, gone: 26},
		"more than a fifth of that":   {copies: 150, before: 20, gone: 27, blocks: true, asks: 1},
		"the last of them":            {copies: 25, before: 20, gone: 5},
		"all that were left":          {copies: 31, before: 20, gone: 11, blocks: true, asks: 1},
		"most, where users may":       {copies: 100, gone: 90, users: true},
		"all, where users may":        {copies: 100, gone: 100, users: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.fill(test.copies)
			p.mustCopy()
			take := func(n int) {
				var uids []uint32
				for _, m := range p.to.Messages()[:n] {
					uids = append(uids, m.UID)
				}
				p.to.Expunge(uids...)
			}
			if take(test.before); test.before > 0 {
				p.mustCopy()
			}
			asked := 0
			p.opts.UsersDelete = test.users
			p.opts.Moved = func(_ context.Context, lost []imap.Claim) (int, error) {
				if asked++; len(lost) != test.gone {
					t.Errorf("asked for %d, want the %d that are newly missing", len(lost), test.gone)
				}
				return test.moved, nil
			}
			take(test.gone)
			p.fill(3)
			tally, err := p.copy("")
			var back *imap.WentBackError
			if blocked := errors.As(err, &back); blocked != test.blocks || err != nil && !blocked {
				t.Fatalf("ended with %v", err)
			}
			if asked != test.asks {
				t.Errorf("asked %d times, want %d", asked, test.asks)
			}
			want := test.before + test.gone
			if test.blocks {
				want = test.before
				if _, err := p.copy(""); !errors.As(err, &back) {
					t.Errorf("called again: %v", err)
				}
			} else if tally.Copied != 3 || p.to.Len() != test.copies-want+3 {
				t.Errorf("%d on the target, %+v", p.to.Len(), tally)
			}
			marked := 0
			for _, gone := range p.ledger.gone {
				if gone {
					marked++
				}
			}
			if marked != want {
				t.Errorf("%d are marked as gone, want %d", marked, want)
			}
		})
	}
}

// TestCopyMovedUnknown: where it can't be asked what was moved, the copies that
// are missing have gone.
func TestCopyMovedUnknown(t *testing.T) {
	p := newPair(t)
	p.fill(60)
	p.mustCopy()
	for _, m := range p.to.Messages()[:30] {
		p.to.Expunge(m.UID)
	}
	var back *imap.WentBackError
	if _, err := p.copy(""); !errors.As(err, &back) || !strings.Contains(back.What, "30 of the 60") {
		t.Errorf("got %v", err)
	}
	broken := errors.New("the session ended")
	p.opts.Moved = func(context.Context, []imap.Claim) (int, error) { return 30, broken }
	if _, err := p.copy(""); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestCopyWentBackWhereUsersDelete: that users may delete what they like excuses
// neither UIDs that come a second time, nor other messages under ours.
func TestCopyWentBackWhereUsersDelete(t *testing.T) {
	for name, do := range map[string]func(p *pair){
		"restored": func(p *pair) {
			p.dst.User(user).DeleteMailbox("Box")
			p.to = p.dst.User(user).CreateMailbox("Box", imaptest.MailboxOptions{UIDValidity: p.state.DstUIDValidity})
		},
		"restored, and filled up":           func(p *pair) { p.replaceNewest(5) },
		"restored, filled up, and new mail": func(p *pair) { p.replaceNewest(1); p.fill(1) },
		"restored, filled up, and most of that deleted": func(p *pair) {
			p.replaceNewest(20)
			for _, m := range p.to.Messages()[10:29] {
				p.to.Expunge(m.UID)
			}
			p.to.Append(imaptest.Message{Body: letter(999, "another"), InternalDate: time.Unix(1.2e9, 0)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.opts.UsersDelete = true
			p.fill(30)
			p.mustCopy()
			do(p)
			var back *imap.WentBackError
			if _, err := p.copy(""); !errors.As(err, &back) || back.Side != "target" {
				t.Errorf("got %v", err)
			}
		})
	}
}
