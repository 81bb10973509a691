package imaptest

import (
	"fmt"
	"slices"
	"strings"
)

func systemFlags() []string {
	return []string{`\Answered`, `\Flagged`, `\Deleted`, `\Seen`, `\Draft`}
}

// lookup finds a mailbox by its name as sent: a raw name first, then one in
// modified UTF-7. The lock is held.
func (u *User) lookup(wire string) *Mailbox {
	for _, m := range u.mailboxes {
		if m.wire != "" && m.wire == wire {
			return m
		}
	}
	name, valid := DecodeName(wire)
	if !valid {
		return nil
	}
	return u.mailboxes[inboxName(name)]
}

// selectable returns the mailbox, or the refusal.
func (u *User) selectable(wire string) (*Mailbox, reply) {
	m := u.lookup(wire)
	if m == nil || m.noSelect {
		return nil, no("[NONEXISTENT] Mailbox does not exist")
	}
	return m, reply{}
}

func (s *session) selectMailbox(cmd *command) reply {
	a := cmd.args
	a.space()
	name := a.astring()
	condstore := s.condstore
	if a.skip(' ') {
		condstore = slices.Contains(a.words(), "CONDSTORE") || condstore
	}
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	s.view = nil
	s.refresh()
	s.srv.mu.Lock()
	m, refusal := s.user.selectable(name)
	if m == nil {
		s.srv.mu.Unlock()
		return refusal
	}
	if m.quirks != nil {
		s.quirks = *m.quirks
	}
	s.view = m.open(cmd.verb == "EXAMINE", s.quirks.Window)
	lines := s.view.describe(s.quirks, s.can("CONDSTORE"))
	s.srv.mu.Unlock()

	s.condstore = condstore
	for _, text := range lines {
		s.line("* %s", text)
	}
	if s.view.readOnly {
		return ok("[READ-ONLY] Examined")
	}
	return ok("[READ-WRITE] Selected")
}

// describe returns the untagged responses of SELECT, RFC 3501 §6.3.1. The lock
// is held.
func (v *view) describe(q Quirks, condstore bool) []string {
	m := v.mb
	flags := append(systemFlags(), m.keywords()...)
	permanent := append(slices.Clone(flags), `\*`)
	if q.PermanentFlags != nil {
		permanent = q.PermanentFlags
	}
	if v.readOnly {
		permanent = nil
	}
	lines := []string{
		"FLAGS (" + strings.Join(flags, " ") + ")",
		"OK [PERMANENTFLAGS (" + strings.Join(permanent, " ") + ")] Flags permitted",
		fmt.Sprintf("%d EXISTS", len(v.uids)),
		fmt.Sprintf("%d RECENT", v.recent()),
	}
	for i, uid := range v.uids {
		if !m.find(uid).has(`\Seen`) {
			lines = append(lines, fmt.Sprintf("OK [UNSEEN %d] First unseen", i+1))
			break
		}
	}
	lines = append(lines, fmt.Sprintf("OK [UIDVALIDITY %d] UIDs valid", m.uidValidity), fmt.Sprintf("OK [UIDNEXT %d] Predicted next UID", m.uidNext))
	if condstore {
		lines = append(lines, fmt.Sprintf("OK [HIGHESTMODSEQ %d] Highest", m.modSeq))
	}
	return lines
}

// closeMailbox answers CLOSE and UNSELECT.
func (s *session) closeMailbox(cmd *command) reply {
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	v := s.view
	s.view = nil
	if cmd.verb == "CLOSE" && !v.readOnly {
		s.srv.mu.Lock()
		defer s.srv.mu.Unlock()
		if gone := v.mb.expunge(func(msg *message) bool { return msg.has(`\Deleted`) }); len(gone) > 0 {
			s.srv.touch()
		}
	}
	return ok("Closed")
}

// status answers STATUS, RFC 3501 §6.3.10.
func (s *session) status(cmd *command) reply {
	a := cmd.args
	a.space()
	name := a.astring()
	a.space()
	items := a.words()
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	s.srv.mu.Lock()
	m, refusal := s.user.selectable(name)
	var text string
	if m != nil {
		refusal = ok("Done")
		var known bool
		if text, known = m.status(items, s.quirks.Window); !known {
			m, refusal = nil, bad("Unknown status item")
		}
	}
	var line string
	if m != nil {
		line = "* STATUS " + m.wireName() + " " + text
	}
	s.srv.mu.Unlock()
	if line != "" {
		s.line("%s", line)
	}
	return refusal
}

// status returns the parenthesised values; the lock is held.
func (m *Mailbox) status(items []string, window int) (string, bool) {
	v := m.peek(window)
	var out []string
	for _, item := range items {
		var n uint64
		switch item {
		case "MESSAGES":
			n = uint64(len(v.uids))
		case "RECENT":
			n = uint64(v.recent())
		case "UIDNEXT":
			n = uint64(m.uidNext)
		case "UIDVALIDITY":
			n = uint64(m.uidValidity)
		case "HIGHESTMODSEQ":
			n = m.modSeq
		case "UNSEEN", "DELETED", "SIZE":
			n = v.sum(item)
		default:
			return "", false
		}
		out = append(out, fmt.Sprintf("%s %d", item, n))
	}
	return "(" + strings.Join(out, " ") + ")", true
}

// peek is a view that changes nothing.
func (m *Mailbox) peek(window int) *view { return m.open(true, window) }

func (v *view) sum(item string) uint64 {
	n := uint64(0)
	for _, uid := range v.uids {
		switch msg := v.mb.find(uid); {
		case item == "SIZE":
			n += uint64(msg.body.size)
		case item == "UNSEEN" && !msg.has(`\Seen`), item == "DELETED" && msg.has(`\Deleted`):
			n++
		}
	}
	return n
}

// rawName returns the name as it is sent, without quotes or escapes.
func (m *Mailbox) rawName() string {
	if m.wire != "" {
		return m.wire
	}
	return EncodeName(m.name)
}

// wireName returns the name as it is sent, with quotes. A raw wire name is not
// escaped: it may be wrong in that way too.
func (m *Mailbox) wireName() string {
	if m.wire != "" {
		return `"` + m.wire + `"`
	}
	return quote(m.rawName())
}
