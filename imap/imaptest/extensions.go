package imaptest

import (
	"fmt"
	"slices"
	"strings"
)

// ownRights are what a mailbox's owner may do.
const ownRights = "lrswipkxtea"

// SetACL says who else may do what with the mailbox: pairs of identifier and
// rights (RFC 4314), such as "bob", "lrs", "$staff", "lr", "-anyone", "r". GETACL
// gives them after the owner's own. They are told, and not enforced; a kept
// store forgets them.
func (m *Mailbox) SetACL(pairs ...string) {
	changed(m, func() bool { m.acl = slices.Clone(pairs); return true })
}

// SetAnnotation sets an entry of the mailbox's metadata, such as
// "/shared/vendor/kolab/folder-type". A kept store forgets it.
func (m *Mailbox) SetAnnotation(entry, value string) {
	changed(m, func() bool {
		if m.annotations == nil {
			m.annotations = map[string]string{}
		}
		m.annotations[entry] = value
		return true
	})
}

// SetQuota limits what the user's mailboxes hold together, in KiB; 0: no
// limit. It is told, and not enforced; a kept store forgets it.
func (u *User) SetQuota(kib int64) {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	u.quota = kib
}

// named reads the one mailbox that a command names. The lock is held by none.
func (s *session) named(cmd *command) (m *Mailbox, wire string, refusal reply) {
	cmd.args.space()
	wire = cmd.args.astring()
	if err := cmd.args.end(); err != nil {
		return nil, "", bad("%v", err)
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	if m = s.user.lookup(wire); m == nil {
		refusal = no("[NONEXISTENT] Mailbox does not exist")
	}
	return m, wire, refusal
}

// rights are the session's user's on a mailbox; the lock is held.
func (s *session) rights(m *Mailbox) string {
	if m.user == s.user {
		return ownRights
	}
	rights := ""
	for i := 0; i+1 < len(m.acl); i += 2 {
		if strings.EqualFold(m.acl[i], s.user.login) || m.acl[i] == "anyone" {
			rights += m.acl[i+1]
		}
	}
	return rights
}

// getACL answers GETACL, RFC 4314 §3.3.
func (s *session) getACL(cmd *command) reply {
	m, wire, refusal := s.named(cmd)
	if m == nil {
		return refusal
	}
	s.srv.mu.Lock()
	mine, acl := s.rights(m), slices.Clone(m.acl)
	owner := m.user.login
	s.srv.mu.Unlock()
	if !strings.Contains(mine, "a") {
		return no("[NOPERM] You have no right to administer the mailbox")
	}
	line := "* ACL " + quote(wire) + " " + quote(owner) + " " + ownRights
	for i := 0; i+1 < len(acl); i += 2 {
		line += " " + quote(acl[i]) + " " + quote(acl[i+1])
	}
	s.line("%s", line)
	return ok("Done")
}

// myRights answers MYRIGHTS, RFC 4314 §3.5.
func (s *session) myRights(cmd *command) reply {
	m, wire, refusal := s.named(cmd)
	if m == nil {
		return refusal
	}
	s.srv.mu.Lock()
	mine := s.rights(m)
	s.srv.mu.Unlock()
	if mine == "" {
		return no("[NOPERM] No rights")
	}
	s.line("* MYRIGHTS %s %s", quote(wire), mine)
	return ok("Done")
}

// getQuotaRoot answers GETQUOTAROOT, RFC 9208 §4.1.2: one root for all of a
// user's mailboxes.
func (s *session) getQuotaRoot(cmd *command) reply {
	if s.quirks.DieOfQuota {
		s.raw.Close() // the answer goes nowhere
	}
	m, wire, refusal := s.named(cmd)
	if m == nil {
		return refusal
	}
	s.srv.mu.Lock()
	limit, used := m.user.quota, int64(0)
	for _, box := range m.user.mailboxes {
		for _, msg := range box.messages {
			if box.user == m.user {
				used += msg.body.size
			}
		}
	}
	s.srv.mu.Unlock()
	if limit == 0 {
		s.line("* QUOTAROOT %s", quote(wire))
		return ok("Done")
	}
	s.line(`* QUOTAROOT %s "User quota"`, quote(wire))
	s.line(`* QUOTA "User quota" (MESSAGE 1 1000000 STORAGE %d %d)`, (used+1023)/1024, limit)
	return ok("Done")
}

// getMetadata answers GETMETADATA, RFC 5464; * stands for every mailbox, as
// Cyrus has it.
func (s *session) getMetadata(cmd *command) reply {
	cmd.args.space()
	wire := cmd.args.listMailbox()
	cmd.args.space()
	var entries []string
	if cmd.args.peek() == '(' {
		cmd.args.list(func() { entries = append(entries, cmd.args.astring()) })
	} else {
		entries = []string{cmd.args.astring()}
	}
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	s.srv.mu.Lock()
	var lines []string
	for _, m := range s.user.sorted() {
		var pairs []string
		for _, e := range entries {
			if value, ok := m.annotations[e]; ok {
				pairs = append(pairs, quote(e)+" "+quote(value))
			}
		}
		if (wire == "*" || wire == m.rawName()) && len(pairs) > 0 {
			lines = append(lines, fmt.Sprintf("* METADATA %s (%s)", m.wireName(), strings.Join(pairs, " ")))
		}
	}
	s.srv.mu.Unlock()
	for _, line := range lines {
		s.line("%s", line)
	}
	return ok("Done")
}
