package imaptest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// view is what a session believes of the mailbox it has selected.
type view struct {
	mb         *Mailbox
	readOnly   bool
	validity   uint32
	uids       []uint32 // by sequence number - 1
	modSeq     uint64   // new messages and flags up to here have been reported
	expunged   uint64   // and so have EXPUNGEs up to here
	recentFrom uint32   // UIDs from here on are \Recent to this session
}

// seq returns the sequence number of a UID, 0 if it is not in view.
func (v *view) seq(uid uint32) int {
	i, found := slices.BinarySearch(v.uids, uid)
	if !found {
		return 0
	}
	return i + 1
}

// target is a message that a command names.
type target struct {
	seq int
	uid uint32
}

// resolve reads a sequence set; by sequence number, one beyond the last is an
// error (RFC 3501 §9).
func (v *view) resolve(a *args, byUID bool) []target {
	var out []target
	if !byUID {
		set := a.set(uint32(len(v.uids)))
		if a.err == nil && (len(v.uids) == 0 || set[len(set)-1].last > uint32(len(v.uids))) {
			a.fail("Invalid messageset")
			return nil
		}
		for _, r := range set {
			for n := r.first; n <= r.last && n > 0; n++ {
				out = append(out, target{int(n), v.uids[n-1]})
			}
		}
		return out
	}
	last := uint32(0)
	if len(v.uids) > 0 {
		last = v.uids[len(v.uids)-1]
	}
	for _, r := range a.set(last) {
		i, _ := slices.BinarySearch(v.uids, r.first)
		for ; i < len(v.uids) && v.uids[i] <= r.last; i++ {
			out = append(out, target{i + 1, v.uids[i]})
		}
	}
	return out
}

// lookup returns the message of the mailbox; nil if it has gone. The lock is
// held.
func (v *view) lookup(t target) *message { return v.mb.find(t.uid) }

func (v *view) flagText(msg *message) string {
	flags := msg.flags
	if msg.uid >= v.recentFrom {
		flags = append(slices.Clip(flags), `\Recent`)
	}
	return "(" + strings.Join(flags, " ") + ")"
}

// open makes a view of a mailbox; SELECT takes \Recent away. The lock is held.
func (m *Mailbox) open(readOnly bool, window int) *view {
	v := &view{mb: m, readOnly: readOnly, validity: m.uidValidity, modSeq: m.modSeq, expunged: m.modSeq, recentFrom: m.recentFrom}
	messages := m.messages
	if window > 0 && len(messages) > window {
		messages = messages[len(messages)-window:]
	}
	v.uids = make([]uint32, len(messages))
	for i, msg := range messages {
		v.uids[i] = msg.uid
	}
	if !readOnly && m.recentFrom != m.uidNext {
		m.recentFrom = m.uidNext
		m.user.srv.dirty = true
	}
	return v
}

// update takes over what has happened to the mailbox and returns the responses
// that say so. Without expunges sequence numbers stay: messages that have gone
// are kept in view until next time. The lock is held.
func (v *view) update(expunges, modSeq bool) (lines []string, lost string) {
	switch m := v.mb; {
	case m.deleted:
		return nil, "Mailbox has been deleted"
	case m.uidValidity != v.validity:
		return nil, "UIDVALIDITY has changed"
	}
	if expunges && v.expunged != v.mb.modSeq {
		lines = v.dropExpunged()
	}
	if v.modSeq != v.mb.modSeq {
		lines = append(lines, v.takeChanges(modSeq)...)
	}
	return lines, ""
}

func (v *view) dropExpunged() (lines []string) {
	kept := v.uids[:0]
	for _, uid := range v.uids {
		if v.mb.find(uid) == nil {
			lines = append(lines, strconv.Itoa(len(kept)+1)+" EXPUNGE")
		} else {
			kept = append(kept, uid)
		}
	}
	v.uids = kept
	v.expunged = v.mb.modSeq
	return lines
}

func (v *view) takeChanges(modSeq bool) (lines []string) {
	before, last := len(v.uids), uint32(0)
	if before > 0 {
		last = v.uids[before-1]
	}
	for _, msg := range v.mb.messages {
		if msg.modSeq <= v.modSeq {
			continue
		}
		if n := v.seq(msg.uid); n > 0 {
			lines = append(lines, v.changedLine(n, msg, modSeq))
		} else if msg.uid > last {
			v.uids = append(v.uids, msg.uid)
		}
	}
	if len(v.uids) > before {
		lines = append(lines, fmt.Sprintf("%d EXISTS", len(v.uids)), fmt.Sprintf("%d RECENT", v.recent()))
	}
	v.modSeq = v.mb.modSeq
	return lines
}

// recent counts the messages that are \Recent to this session.
func (v *view) recent() int {
	i, _ := slices.BinarySearch(v.uids, v.recentFrom)
	return len(v.uids) - i
}

func (v *view) changedLine(n int, msg *message, modSeq bool) string {
	text := fmt.Sprintf("%d FETCH (UID %d FLAGS %s", n, msg.uid, v.flagText(msg))
	if modSeq {
		text += fmt.Sprintf(" MODSEQ (%d)", msg.modSeq)
	}
	return text + ")"
}

// report sends what has happened to the selected mailbox.
func (s *session) report(expunges bool) {
	s.srv.mu.Lock()
	lines, lost := s.view.update(expunges, s.condstore)
	s.srv.mu.Unlock()
	for _, text := range lines {
		s.line("* %s", text)
	}
	if lost != "" {
		s.line("* BYE %s", lost)
		s.ended = true
	}
}
