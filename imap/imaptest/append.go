package imaptest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// arrival is one message of an APPEND.
type arrival struct {
	msg  Message
	data []byte
}

// append answers APPEND, RFC 3501 §6.3.11, with APPENDUID of RFC 4315, and of
// several messages at once where MULTIAPPEND (RFC 3502) is announced.
func (s *session) append(cmd *command) reply {
	a := cmd.args
	a.space()
	name := a.astring()
	var list []arrival
	for len(list) == 0 || a.err == nil && s.can("MULTIAPPEND") && a.peek() == ' ' {
		a.space()
		list = append(list, a.arrival())
	}
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	var stored []*body
	for i := range list {
		x := &list[i]
		if r, refused := s.refuse(*x); refused {
			return r
		}
		data := s.quirks.kept(x.data)
		if s.quirks.Alter != nil {
			x.msg.Body = data
			s.quirks.Alter(&x.msg)
			data, x.msg.Body = x.msg.Body, nil
		}
		b, err := s.srv.bodies.putBytes(data)
		if err != nil {
			return no("[SERVERBUG] The message could not be kept")
		}
		stored = append(stored, b)
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	m := s.user.lookup(name)
	if m == nil || m.noSelect {
		return no("[TRYCREATE] Mailbox does not exist")
	}
	uids := make([]uint32, len(list))
	for i, x := range list {
		uids[i] = m.add(x.msg, stored[i])
	}
	s.srv.touch()
	if !s.can("UIDPLUS") {
		return ok("Appended")
	}
	return ok("[APPENDUID %d %s] Appended", m.uidValidity, setOf(uids))
}

func (a *args) arrival() arrival {
	var x arrival
	if a.peek() == '(' {
		x.msg.Flags = a.flags()
		a.space()
	}
	if a.peek() == '"' {
		x.msg.InternalDate = a.dateTime()
		a.space()
	}
	x.data = a.literal()
	return x
}

// refuse asks the quirk of that name.
func (s *session) refuse(x arrival) (reply, bool) {
	if s.quirks.Refuse == nil {
		return reply{}, false
	}
	x.msg.Body = x.data
	switch word, text, _ := strings.Cut(s.quirks.Refuse(x.msg), " "); word {
	case "":
		return reply{}, false
	case "CUT":
		s.cut()
		return reply{}, true
	default:
		return reply{word, text}, true
	}
}

// kept is what is stored of a message's octets.
func (q Quirks) kept(data []byte) []byte {
	if q.Keep != nil {
		data = q.Keep(data)
	}
	if !q.Munge {
		return data
	}
	data = slices.Clone(data)
	header := len(data)
	if i := bytes.Index(data, []byte("\r\n\r\n")); i >= 0 {
		header = i
	}
	for i, c := range data[:header] {
		if c >= 0x80 {
			data[i] = 'X'
		}
	}
	return data
}

// store answers STORE, RFC 3501 §6.4.6.
func (s *session) store(cmd *command) reply {
	a := cmd.args
	a.space()
	targets := s.view.resolve(a, cmd.verb == "UID STORE")
	a.space()
	sign := byte(0)
	if c := a.peek(); c == '+' || c == '-' {
		sign = c
		a.pos++
	}
	item := a.atom()
	a.space()
	flags := a.flags()
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	silent := item == "FLAGS.SILENT"
	if item != "FLAGS" && !silent {
		return bad("FLAGS expected")
	}
	if s.view.readOnly {
		return no("Mailbox is open read-only")
	}
	s.report(false) // what others did, apart from what this command does
	s.srv.mu.Lock()
	var lines []string
	for _, t := range targets {
		msg := s.view.lookup(t)
		if msg == nil {
			continue
		}
		s.view.mb.setFlags(msg, combine(msg.flags, sign, flags))
		if !silent {
			lines = append(lines, s.view.changedLine(t.seq, msg, s.condstore))
		}
	}
	s.view.modSeq = s.view.mb.modSeq
	s.srv.touch()
	s.srv.mu.Unlock()
	for _, text := range lines {
		s.line("* %s", text)
	}
	return ok("Stored")
}

// combine returns the flags after a change, in a slice of their own.
func combine(old []string, sign byte, change []string) []string {
	if sign == 0 {
		return slices.Clone(change)
	}
	has := func(flags []string, f string) bool { return (&message{flags: flags}).has(f) }
	var out []string
	for _, f := range old {
		if sign == '+' || !has(change, f) {
			out = append(out, f)
		}
	}
	for _, f := range change {
		if sign == '+' && !has(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// copy answers COPY and MOVE (RFC 6851).
func (s *session) copy(cmd *command) reply {
	a := cmd.args
	a.space()
	targets := s.view.resolve(a, cmd.verb == "UID COPY" || cmd.verb == "UID MOVE")
	a.space()
	name := a.astring()
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	move := cmd.verb == "MOVE" || cmd.verb == "UID MOVE"
	if move && s.view.readOnly {
		return no("Mailbox is open read-only")
	}
	uids := make([]uint32, len(targets))
	for i, t := range targets {
		uids[i] = t.uid
	}
	code, found := s.transfer(name, among(uids), move)
	switch {
	case !found:
		return no("[TRYCREATE] Mailbox does not exist")
	case code == "" || !s.can("UIDPLUS") || s.quirks.HideCopyUID:
		return ok("Done")
	case move: // RFC 6851 §4.3: before the EXPUNGEs
		s.line("* OK %s Moved", code)
		return ok("Done")
	}
	return ok("%s Copied", code)
}

// transfer copies or moves and returns the COPYUID code, RFC 4315 §3.
func (s *session) transfer(name string, wanted func(*message) bool, move bool) (code string, found bool) {
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	to := s.user.lookup(name)
	if to == nil || to.noSelect {
		return "", false
	}
	run := s.view.mb.copyTo
	if move {
		run = s.view.mb.moveTo
	}
	from, copied := run(to, wanted)
	if len(from) == 0 {
		return "", true
	}
	s.srv.touch()
	return fmt.Sprintf("[COPYUID %d %s %s]", to.uidValidity, setOf(from), setOf(copied)), true
}

// expunge answers EXPUNGE and UID EXPUNGE; what is gone is reported like
// anything else that happens to the mailbox.
func (s *session) expunge(cmd *command) reply {
	a := cmd.args
	wanted := func(*message) bool { return true }
	if cmd.verb == "UID EXPUNGE" {
		a.space()
		set := a.set(0xffffffff)
		wanted = func(msg *message) bool { return set.has(msg.uid) }
	}
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	if s.view.readOnly {
		return no("Mailbox is open read-only")
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	gone := s.view.mb.expunge(func(msg *message) bool { return msg.has(`\Deleted`) && wanted(msg) })
	if len(gone) > 0 {
		s.srv.touch()
	}
	return ok("%s", fmt.Sprintf("%d expunged", len(gone)))
}
