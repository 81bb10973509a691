package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// List gives all mailboxes the server lists, one entry a line of its answer:
// a name that comes twice stays twice. Names are decoded; one that is
// malformed is kept so that Examine finds it again by its decoded name.
//
// On a source, special uses and subscriptions are asked for in whatever way
// the server knows: LIST RETURN (RFC 5258, RFC 6154), else XLIST and LSUB. A
// target gets the plain LIST, since BlueMind 5 answers nothing to others.
func (s *Session) List(ctx context.Context) ([]Mailbox, error) {
	if s.source && s.Can("LIST-EXTENDED") {
		options := "SUBSCRIBED"
		if s.Can("SPECIAL-USE") {
			options += " SPECIAL-USE"
		}
		boxes, err := s.list(ctx, `LIST "" "*" RETURN (`+options+`)`)
		if err == nil || !refusedAlone(err) {
			return boxes, err
		}
	}
	boxes, err := s.list(ctx, `LIST "" "*"`)
	if err != nil || !s.source {
		return boxes, err
	}
	if err := s.addSpecialUses(ctx, boxes); err != nil {
		return nil, err
	}
	return boxes, s.addSubscriptions(ctx, boxes)
}

// ListStatus is List, with the numbers of each mailbox that Statuses would give, in
// one command, where the server announces LIST-STATUS (RFC 5819). numbers is nil
// where it doesn't, and leaves out a mailbox that the server tells nothing of.
func (s *Source) ListStatus(ctx context.Context) (boxes []Mailbox, numbers map[string]Status, err error) {
	if !s.Can("LIST-EXTENDED") || !s.Can("LIST-STATUS") {
		boxes, err = s.List(ctx)
		return boxes, nil, err
	}
	options := "SUBSCRIBED"
	if s.Can("SPECIAL-USE") {
		options += " SPECIAL-USE"
	}
	told := map[string]Status{} // by wire name
	boxes, err = s.listAnd(ctx, `LIST "" "*" RETURN (`+options+" STATUS ("+s.statusItems()+"))", func(r *response) error {
		wire, err := r.statusName()
		if err != nil || wire == "" {
			return err
		}
		var st Status
		err = r.statusValues(&st)
		told[wire] = st
		return err
	})
	if refusedAlone(err) {
		boxes, err = s.List(ctx)
		return boxes, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	numbers = map[string]Status{}
	for _, m := range boxes {
		if st := told[m.Wire]; st.UIDValidity != 0 {
			numbers[m.Name] = st
		}
	}
	return boxes, numbers, nil
}

// ListBelow lists one mailbox and what lies below it, for servers that show
// some only to who asks for them by name (public folders of Courier and UW).
// A name with a wildcard can't be asked for and gives nothing.
func (s *Source) ListBelow(ctx context.Context, name string, delim rune) ([]Mailbox, error) {
	if strings.ContainsAny(name, "*%") {
		return nil, nil
	}
	name = strings.TrimSuffix(name, string(delim))
	var boxes []Mailbox
	for _, pattern := range []string{name, name + string(delim) + "*"} {
		found, err := s.list(ctx, `LIST "" `+quote(EncodeUTF7(pattern)))
		if err != nil {
			return nil, err
		}
		boxes = append(boxes, found...)
	}
	return boxes, nil
}

// refusedAlone says whether the server refused one command, after which the
// session goes on.
func refusedAlone(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == KindNo || e.Kind == KindBad)
}

// addSpecialUses asks XLIST where LIST told of no special use: BlueMind 5 and
// old Gmail-like servers tell in XLIST only.
func (s *Session) addSpecialUses(ctx context.Context, boxes []Mailbox) error {
	if !s.Can("XLIST") || slices.ContainsFunc(boxes, hasSpecialUse) {
		return nil
	}
	special, err := s.list(ctx, `XLIST "" "*"`)
	if err != nil {
		if refusedAlone(err) {
			return nil
		}
		return err
	}
	merge(boxes, special, func(attr string) bool { return isSpecialUse(attr) || strings.EqualFold(attr, `\Inbox`) })
	return nil
}

// addSubscriptions marks what LSUB lists as \Subscribed. A server without
// LSUB leaves the marks out.
func (s *Session) addSubscriptions(ctx context.Context, boxes []Mailbox) error {
	subs, err := s.list(ctx, `LSUB "" "*"`)
	if err != nil {
		if refusedAlone(err) {
			return nil
		}
		return err
	}
	for i := range subs {
		if subs[i].Has(`\Noselect`) { // a parent of a subscribed mailbox, RFC 3501 §6.3.9
			subs[i].Attrs = nil
			continue
		}
		subs[i].Attrs = []string{`\Subscribed`}
	}
	merge(boxes, subs, func(string) bool { return true })
	return nil
}

// merge adds attributes from one listing to another, by wire name.
func merge(boxes, from []Mailbox, want func(string) bool) {
	attrs := make(map[string][]string, len(from))
	for _, m := range from {
		attrs[m.Wire] = append(attrs[m.Wire], m.Attrs...)
	}
	for i := range boxes {
		for _, a := range attrs[boxes[i].Wire] {
			if want(a) && !boxes[i].Has(a) {
				boxes[i].Attrs = append(boxes[i].Attrs, a)
			}
		}
	}
}

func hasSpecialUse(m Mailbox) bool { return slices.ContainsFunc(m.Attrs, isSpecialUse) }

// isSpecialUse knows the attributes of RFC 6154 and XLIST's own names.
func isSpecialUse(attr string) bool {
	return hasFlag([]string{`\All`, `\Archive`, `\Drafts`, `\Flagged`, `\Junk`, `\Sent`, `\Trash`,
		`\Important`, `\AllMail`, `\Spam`, `\Starred`}, attr)
}

// list runs one listing command and reads its lines.
func (s *Session) list(ctx context.Context, command string) ([]Mailbox, error) {
	return s.listAnd(ctx, command, nil)
}

// listAnd is list, with the STATUS responses that come with it handed to each.
func (s *Session) listAnd(ctx context.Context, command string, each func(*response) error) ([]Mailbox, error) {
	var boxes []Mailbox
	_, err := s.exchange(ctx, command, func(r *response) error {
		switch r.name {
		case "STATUS":
			if each != nil {
				return each(r)
			}
		case "LIST", "XLIST", "LSUB":
			m, err := r.mailbox()
			if err != nil {
				return err
			}
			boxes = append(boxes, m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.learn(boxes)
	return boxes, nil
}

// mailbox reads what follows LIST (RFC 9051 §7.3.1).
func (r *response) mailbox() (Mailbox, error) {
	var m Mailbox
	m.Attrs = r.flags()
	r.spaces()
	if rest := r.rest(); strings.HasPrefix(string(rest), `"\" `) { // unescaped, as Exchange 5.5 and Domino sent it
		m.Delim = '\\'
		r.pos += len(`"\" `)
	} else {
		delim, isNil, err := r.str()
		if err != nil {
			return m, err
		}
		if !isNil && len(delim) > 0 {
			m.Delim, _ = utf8.DecodeRune(delim)
		}
	}
	r.spaces()
	quoted := r.peek() == '"' || r.atLiteral()
	if !quoted {
		m.Wire = r.bareName()
		return m, nil
	}
	name, _, err := r.str()
	m.Wire = string(name)
	return m, err
}

// bareName reads a name that isn't quoted. One with spaces in it, which
// should have been, reaches to the line's end.
func (r *response) bareName() string {
	rest := string(r.rest())
	name, after, found := strings.Cut(rest, " ")
	if found && !strings.HasPrefix(strings.TrimLeft(after, " "), "(") && strings.TrimSpace(after) != "" {
		r.c.repaired("name with spaces not quoted")
		name = strings.TrimRight(rest, " ")
	}
	r.pos = r.end()
	return name
}

// learn decodes the names of a listing and keeps the wire form of those that
// can't be encoded back. Where the decoded form of a malformed name is
// another mailbox's name, the malformed one goes by its wire form, or by a number
// where that is taken too.
func (s *Session) learn(boxes []Mailbox) {
	taken := make(map[string]string, len(boxes))
	for i := range boxes {
		m := &boxes[i]
		name, ok := DecodeUTF7(m.Wire)
		if m.Name = name; ok {
			taken[m.Name] = m.Wire
		}
		m.Malformed = !ok
	}
	for i := range boxes {
		m := &boxes[i]
		if !m.Malformed {
			continue
		}
		s.c.repaired("malformed mailbox name")
		m.Name = displayName(m.Name)
		free := func() bool { wire, ok := taken[m.Name]; return !ok || wire == m.Wire }
		if !free() {
			m.Name = displayName(m.Wire)
		}
		for base, n := m.Name, 2; !free(); n++ { // R&D, where R&-D is R&D
			m.Name = fmt.Sprintf("%s (%d)", base, n)
		}
		taken[m.Name] = m.Wire
		s.names.Store(m.Name, m.Wire)
	}
}

// Namespace gives the roots of personal, other users' and shared mailboxes (RFC
// 2342), as they were told with the login where the server announces them.
func (s *Session) Namespace(ctx context.Context) (Namespaces, error) {
	if s.namespaces != nil {
		return *s.namespaces, s.c.Err()
	}
	var ns Namespaces
	err := s.exchanges(ctx, step{"NAMESPACE", named("NAMESPACE", func(r *response) (err error) {
		ns, err = r.namespaces()
		return err
	})})
	return ns, err
}

// namespaces reads the three lists that follow NAMESPACE.
func (r *response) namespaces() (ns Namespaces, err error) {
	for _, into := range []*[]NamespaceEntry{&ns.Personal, &ns.Other, &ns.Shared} {
		if *into, err = r.namespace(); err != nil {
			return ns, err
		}
	}
	return ns, nil
}

// namespace reads one list of roots, or NIL.
func (r *response) namespace() ([]NamespaceEntry, error) {
	r.spaces()
	if !r.accept('(') {
		r.word()
		return nil, nil
	}
	var entries []NamespaceEntry
	for {
		r.spaces()
		if !r.accept('(') {
			r.accept(')')
			return entries, nil
		}
		prefix, _, err := r.str()
		if err != nil {
			return nil, err
		}
		name, _ := DecodeUTF7(string(prefix))
		e := NamespaceEntry{Prefix: displayName(name)}
		delim, isNil, err := r.str()
		if err != nil {
			return nil, err
		}
		if !isNil && len(delim) > 0 {
			e.Delim, _ = utf8.DecodeRune(delim)
		}
		for r.spaces(); r.peek() != ')' && (r.peek() != 0 || r.atLiteral()); r.spaces() { // extensions
			if err := r.skip(); err != nil {
				return nil, err
			}
		}
		r.accept(')')
		entries = append(entries, e)
	}
}

// Status asks for the numbers of a mailbox without opening it. It must not be
// the selected one (RFC 9051 §6.3.11).
func (s *Session) Status(ctx context.Context, name string) (Status, error) {
	var st Status
	err := s.exchanges(ctx, s.statusStep(name, &st))
	return st, s.checkedStatus(st, err)
}

func (s *Session) statusStep(name string, st *Status) step {
	wire := s.wire(name)
	return step{"STATUS " + quoteMailbox(wire) + " (" + s.statusItems() + ")", named("STATUS", func(r *response) error {
		return r.mailboxStatus(wire, st)
	})}
}

func (s *Session) statusItems() string {
	if s.Can("CONDSTORE") {
		return "MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ"
	}
	return "MESSAGES UIDNEXT UIDVALIDITY"
}

func (s *Session) checkedStatus(st Status, err error) error {
	if err == nil && st.UIDValidity == 0 {
		return s.c.refusal(&Error{Kind: KindNo, Command: "STATUS", Text: "the server gave no usable UIDVALIDITY"})
	}
	return err
}

// mailboxStatus reads what follows STATUS (RFC 9051 §7.3.4), if it is about
// the mailbox asked for: by its wire name, or another spelling of it.
func (r *response) mailboxStatus(wire string, st *Status) error {
	got, err := r.statusName()
	if err != nil || got == "" {
		return err
	}
	if !sameMailbox(got, wire) {
		r.c.repaired("STATUS of another mailbox")
		return nil
	}
	return r.statusValues(st)
}

// statusName reads the mailbox's name of a STATUS response, "" where there is none.
func (r *response) statusName() (string, error) {
	r.spaces()
	if r.peek() == '"' || r.atLiteral() {
		s, _, err := r.str()
		return string(s), err
	}
	rest := string(r.rest())
	open := strings.Index(rest, " (")
	if open < 0 {
		return "", nil
	}
	r.pos += open
	return strings.TrimSpace(rest[:open]), nil
}

// statusValues reads the numbers of a STATUS response.
func (r *response) statusValues(st *Status) error {
	r.spaces()
	r.accept('(')
	for r.spaces(); r.peek() != 0 && r.peek() != ')'; r.spaces() {
		item := strings.ToUpper(string(r.word()))
		r.spaces()
		if r.peek() == '(' || item == "" {
			if err := r.skip(); err != nil {
				return err
			}
			continue
		}
		st.set(item, string(r.word()))
	}
	return nil
}

func (st *Status) set(item, value string) {
	n, _ := number(value)
	switch item {
	case "MESSAGES":
		st.Messages = n
	case "UIDNEXT":
		st.UIDNext = n
	case "UIDVALIDITY":
		st.UIDValidity = n
	case "HIGHESTMODSEQ":
		st.HighestModSeq = modSeqNumber(value)
	}
}

func sameMailbox(a, b string) bool {
	if a == b || (strings.EqualFold(a, "INBOX") && strings.EqualFold(b, "INBOX")) {
		return true
	}
	da, _ := DecodeUTF7(a)
	db, _ := DecodeUTF7(b)
	return da == db
}
