package imap_test

import (
	"crypto/sha1"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// remake makes the target folder anew, under another UIDVALIDITY and with other
// UIDs, and puts those of its messages back that keep says, the last first.
func (p *pair) remake(keep func(i int) bool) {
	old := p.to
	bodies := map[uint32][]byte{}
	messages := old.Messages()
	for _, m := range messages {
		bodies[m.UID], _ = old.Body(m.UID)
	}
	p.dst.User(user).DeleteMailbox("Box")
	p.to = p.dst.User(user).CreateMailbox("Box", imaptest.MailboxOptions{UIDValidity: p.state.DstUIDValidity + 5})
	for i, m := range slices.Backward(messages) {
		if keep != nil && keep(i) {
			p.to.Append(imaptest.Message{Body: bodies[m.UID], InternalDate: m.InternalDate, Flags: m.Flags})
		}
	}
}

// TestCopyTargetReaddressed: the target's folder has another UIDVALIDITY, and
// our copies under other UIDs. They are known by their content: nothing is copied
// twice, nor what users deleted, and flags go to where the copies are now.
func TestCopyTargetReaddressed(t *testing.T) {
	for _, caps := range [][]string{nil, {"DIGEST=SHA1"}} {
		t.Run(strings.Join(append(caps, "-"), ""), func(t *testing.T) {
			p := newPair(t, caps...)
			p.fill(40)
			for range 3 { // true duplicates
				p.from.Append(imaptest.Message{Body: letter(3, ""), InternalDate: time.Unix(1e9, 0)})
			}
			p.mustCopy()
			deleted := p.to.Messages()[7]
			p.to.Expunge(deleted.UID)
			p.mustCopy() // and it is known to be gone
			p.remake(func(i int) bool { return i != 11 })
			p.from.SetFlags(p.from.Messages()[2].UID, `\Flagged`)
			p.fill(2)
			told := ""
			tally := p.mustCopy()
			for _, n := range tally.Notes {
				told += n
			}
			if tally.Copied != 2 || tally.Adopted != 0 || !strings.Contains(told, "41 of the 42 messages that we wrote were found") {
				t.Errorf("%+v", tally)
			}
			got := p.to.Messages()
			if len(got) != 43 {
				t.Errorf("%d messages on the target, want 43: of 45, two were deleted there", len(got))
			}
			if n := len(slices.DeleteFunc(got, func(m imaptest.Message) bool { return !slices.Contains(m.Flags, `\Flagged`) })); n == 0 {
				t.Error("the flag didn't arrive")
			}
			seen := map[uint32]bool{}
			for uid, o := range p.ledger.rows {
				if p.ledger.gone[uid] {
					continue
				}
				if o.DstUIDValidity != p.to.UIDValidity() || seen[o.DstUID] || o.Fate != imap.Copied {
					t.Errorf("row %+v", o)
				}
				seen[o.DstUID] = true
			}
			if again := p.mustCopy(); again.Copied+again.Adopted != 0 {
				t.Errorf("the next run: %+v", again)
			}
		})
	}
}

// TestCopyLateCommitIsOurs: what was taken for lost comes through before it is
// sent again. It isn't sent again, and counts as copied by us.
func TestCopyLateCommitIsOurs(t *testing.T) {
	p := newPair(t)
	p.fill(12)
	p.mustCopy()
	p.from.Append(imaptest.Message{Body: letter(5000, "late"), InternalDate: time.Unix(1e9, 0)})
	late := p.from.Messages()[12]
	o := imap.Outcome{SrcUID: late.UID, Fate: imap.Pending, Size: int64(len(letter(5000, "late")))}
	p.ledger.rows[late.UID] = o
	p.ledger.doubts[late.UID] = imap.Doubt{SrcUID: late.UID, DstUIDNext: p.to.UIDNext(), Size: o.Size, SHA1: sha1.Sum(letter(5000, "late")), Since: time.Now()}
	p.to.Append(imaptest.Message{Body: letter(5000, "late"), InternalDate: time.Unix(1e9, 0)})
	p.to.Append(imaptest.Message{Body: letter(6000, "a user's own"), InternalDate: time.Unix(1e9, 0)})
	if tally := p.mustCopy(); tally.Copied != 0 || p.to.Len() != 14 || p.ledger.rows[late.UID].Fate != imap.Copied || len(p.ledger.doubts) > 0 {
		t.Errorf("%d on the target, %+v, row %+v", p.to.Len(), tally, p.ledger.rows[late.UID])
	}
}
