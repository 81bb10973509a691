package imaptest

import (
	"fmt"
	"slices"
	"strings"
)

// listing is a LIST command, RFC 3501 §6.3.8 and RFC 5258.
type listing struct {
	verb      string
	extended  bool
	only      []string // selection options
	reference string
	patterns  []string
	options   []string // return options
	status    []string // of RETURN (STATUS (…)), RFC 5819
}

func (l *listing) wants(option string) bool {
	return slices.Contains(l.options, option) || slices.Contains(l.only, option)
}

func parseListing(cmd *command, extensions bool) (*listing, error) {
	a, l := cmd.args, &listing{verb: cmd.verb}
	extensions = extensions && cmd.verb == "LIST"
	a.space()
	if extensions && a.peek() == '(' {
		l.extended = true
		l.only = a.words()
		a.space()
	}
	l.reference = a.astring()
	a.space()
	if extensions && a.peek() == '(' {
		l.extended = true
		a.list(func() { l.patterns = append(l.patterns, a.listMailbox()) })
	} else {
		l.patterns = []string{a.listMailbox()}
	}
	if extensions && a.skip(' ') {
		l.extended = true
		if a.err == nil && !strings.EqualFold(a.atom(), "RETURN") {
			a.fail("RETURN expected")
		}
		a.space()
		a.list(func() {
			option := strings.ToUpper(a.atom())
			l.options = append(l.options, option)
			if option == "STATUS" {
				a.space()
				l.status = a.words()
			}
		})
	}
	return l, a.end()
}

// listed is a line of the answer.
type listed struct {
	attrs  []string
	raw    string
	name   string // quoted
	status string
}

func (s *session) list(cmd *command) reply {
	l, err := parseListing(cmd, s.can("LIST-EXTENDED"))
	if err != nil {
		return bad("%v", err)
	}
	if !l.extended && l.patterns[0] == "" { // only the delimiter is asked
		s.line(`* %s (\Noselect) %s ""`, cmd.verb, quote(string(s.srv.opts.Delimiter)))
		return ok("Done")
	}
	s.srv.mu.Lock()
	lines, known := s.collect(l)
	s.srv.mu.Unlock()
	if !known {
		return bad("Unknown status item")
	}
	for _, e := range lines {
		name := e.name
		if s.quirks.ListLiterals {
			name = fmt.Sprintf("{%d}\r\n%s", len(e.raw), e.raw)
		}
		s.line("* %s (%s) %s %s", cmd.verb, strings.Join(e.attrs, " "), quote(string(s.srv.opts.Delimiter)), name)
		if e.status != "" {
			s.line("* STATUS %s %s", e.name, e.status)
		}
	}
	return ok("Done")
}

// collect returns the mailboxes that a listing asks for; the lock is held.
func (s *session) collect(l *listing) (lines []listed, known bool) {
	subscribedOnly := l.verb == "LSUB" || slices.Contains(l.only, "SUBSCRIBED")
	specialOnly := slices.Contains(l.only, "SPECIAL-USE")
	for _, m := range s.user.sorted() {
		if !l.matches(m.rawName(), s.srv.opts.Delimiter) || s.hidden(m, l) || subscribedOnly && !s.user.subscribed[m.name] || specialOnly && m.specialUse == "" {
			continue
		}
		e := listed{attrs: s.attributes(m, l), raw: m.rawName(), name: m.wireName()}
		if l.status != nil && !m.noSelect {
			if e.status, known = m.status(l.status, s.quirks.Window); !known {
				return nil, false
			}
		}
		lines = append(lines, e)
	}
	if !subscribedOnly || specialOnly {
		return lines, true
	}
	for _, name := range s.user.sortedSubscriptions() { // also of what is gone
		if wire := EncodeName(name); s.user.mailboxes[name] == nil && l.matches(wire, s.srv.opts.Delimiter) {
			e := listed{raw: wire, name: quote(wire)}
			if l.extended {
				e.attrs = []string{`\NonExistent`, `\Subscribed`}
			}
			lines = append(lines, e)
		}
	}
	return lines, true
}

// attributes returns what is said of a mailbox. As Dovecot does, plain LIST
// tells of children and special use, extended LIST what it is asked.
func (s *session) attributes(m *Mailbox, l *listing) []string {
	attrs := slices.Clone(m.attributes)
	if m.noSelect {
		attrs = append(attrs, `\Noselect`)
	}
	if l.verb == "XLIST" && m.name == "INBOX" {
		attrs = append(attrs, `\Inbox`)
	}
	if s.can("CHILDREN") && (!l.extended || l.wants("CHILDREN")) {
		if s.user.hasChildren(m.name) {
			attrs = append(attrs, `\HasChildren`)
		} else {
			attrs = append(attrs, `\HasNoChildren`)
		}
	}
	special := l.verb == "XLIST" || s.can("SPECIAL-USE") && l.verb == "LIST" && (!l.extended || l.wants("SPECIAL-USE"))
	if special && m.specialUse != "" {
		attrs = append(attrs, m.specialUse)
	}
	if l.wants("SUBSCRIBED") && s.user.subscribed[m.name] {
		attrs = append(attrs, `\Subscribed`)
	}
	return attrs
}

// hidden says whether a listing leaves a mailbox out that it wasn't asked for.
func (s *session) hidden(m *Mailbox, l *listing) bool {
	return s.quirks.HideForeign && slices.ContainsFunc([]string{s.srv.opts.Others, s.srv.opts.Shared}, func(prefix string) bool {
		return prefix != "" && strings.HasPrefix(m.name, prefix) && !strings.HasPrefix(l.reference+l.patterns[0], EncodeName(prefix))
	})
}

func (l *listing) matches(wire string, delimiter rune) bool {
	for _, p := range l.patterns {
		p = l.reference + p
		if wire == "INBOX" {
			p = strings.ToUpper(p)
		}
		if matchPattern(p, wire, byte(delimiter)) {
			return true
		}
	}
	return false
}

// matchPattern reports whether a name matches a pattern in which "*" stands for
// anything and "%" for anything without delimiter. reach[i] says that the
// pattern so far can match name[:i], which keeps hostile patterns cheap.
func matchPattern(pattern, name string, delimiter byte) bool {
	reach := make([]bool, len(name)+1)
	reach[0] = true
	for k := range len(pattern) {
		next := make([]bool, len(name)+1)
		for i := range next {
			switch c := pattern[k]; c {
			case '*', '%':
				next[i] = reach[i] || i > 0 && next[i-1] && (c == '*' || name[i-1] != delimiter)
			default:
				next[i] = i > 0 && reach[i-1] && name[i-1] == c
			}
		}
		reach = next
	}
	return reach[len(name)]
}

// nameOf decodes a mailbox name that a client wants to make.
func (s *session) nameOf(wire string) (string, bool) {
	delimiter := string(s.srv.opts.Delimiter)
	name, valid := DecodeName(strings.TrimSuffix(wire, delimiter))
	name = inboxName(name)
	if !valid || name == "" || strings.HasPrefix(name, delimiter) || strings.Contains(name, delimiter+delimiter) {
		return "", false
	}
	return name, name == "INBOX" || strings.HasPrefix(name, s.srv.opts.Prefix)
}

func (s *session) create(cmd *command) reply {
	cmd.args.space()
	wire := cmd.args.astring()
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	name, valid := s.nameOf(wire)
	if !valid {
		return no("[CANNOT] Invalid mailbox name")
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	if m := s.user.mailboxes[name]; m != nil {
		if !m.noSelect {
			return no("[ALREADYEXISTS] Mailbox exists")
		}
		m.noSelect = false
	} else {
		s.user.make(name, MailboxOptions{})
	}
	s.srv.touch()
	return ok("Created")
}

func (s *session) deleteMailbox(cmd *command) reply {
	cmd.args.space()
	wire := cmd.args.astring()
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	m := s.user.lookup(wire)
	if m == nil || m.noSelect && s.user.hasChildren(m.name) {
		return no("[NONEXISTENT] Mailbox does not exist")
	}
	if !s.user.remove(m.name) {
		return no("[CANNOT] INBOX stays")
	}
	return ok("Deleted")
}

func (s *session) rename(cmd *command) reply {
	cmd.args.space()
	from := cmd.args.astring()
	cmd.args.space()
	wire := cmd.args.astring()
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	to, valid := s.nameOf(wire)
	if !valid {
		return no("[CANNOT] Invalid mailbox name")
	}
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	m := s.user.lookup(from)
	if m == nil {
		return no("[NONEXISTENT] Mailbox does not exist")
	}
	if !s.user.rename(m.name, to) {
		return no("[ALREADYEXISTS] Cannot rename")
	}
	return ok("Renamed")
}

func (s *session) subscribe(cmd *command) reply {
	cmd.args.space()
	wire := cmd.args.astring()
	if err := cmd.args.end(); err != nil {
		return bad("%v", err)
	}
	name, valid := DecodeName(wire)
	if !valid {
		return no("[CANNOT] Invalid mailbox name")
	}
	s.user.subscribe(name, cmd.verb == "SUBSCRIBE")
	return ok("Done")
}
