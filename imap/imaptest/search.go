package imaptest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// criterion tells whether a message is searched for. The lock is held.
type criterion func(seq int, msg *message) bool

// search answers SEARCH, RFC 3501 §6.4.4, but for searches in bodies, and in the
// form of RFC 4731 where ESEARCH is announced.
func (s *session) search(cmd *command) reply {
	a := cmd.args
	a.space()
	options := s.returnOptions(a)
	if rest := a.text[a.part][a.pos:]; len(rest) > 8 && strings.EqualFold(string(rest[:8]), "CHARSET ") {
		a.pos += 8
		a.astring()
		a.space()
	}
	wanted := s.criteria(a, 0)
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	var found []uint32
	s.srv.mu.Lock()
	for i, uid := range s.view.uids {
		msg := s.view.mb.find(uid)
		if msg == nil || slices.Contains(s.quirks.OmitUIDs, uid) || !wanted(i+1, msg) {
			continue
		}
		if cmd.verb != "UID SEARCH" {
			uid = uint32(i + 1)
		}
		found = append(found, uid)
	}
	s.srv.mu.Unlock()
	if options != nil {
		s.line("* ESEARCH (TAG %s)%s", quote(cmd.tag), returned(cmd.verb == "UID SEARCH", options, found))
		return ok("Searched")
	}
	var text strings.Builder
	for _, n := range found {
		text.WriteString(" " + strconv.FormatUint(uint64(n), 10))
	}
	s.line("* SEARCH%s", text.String())
	return ok("Searched")
}

// returnOptions reads RETURN (…), nil where there is none.
func (s *session) returnOptions(a *args) []string {
	if rest := a.text[a.part][a.pos:]; !s.can("ESEARCH") || len(rest) < 7 || !strings.EqualFold(string(rest[:7]), "RETURN ") {
		return nil
	}
	a.pos += 7
	options := a.words()
	a.space()
	if len(options) == 0 {
		options = []string{"ALL"}
	}
	return options
}

// returned writes what was found, RFC 4731 §3.1.
func returned(byUID bool, options []string, found []uint32) string {
	var out strings.Builder
	if byUID {
		out.WriteString(" UID")
	}
	for _, option := range options {
		switch n := len(found); {
		case option == "COUNT":
			fmt.Fprintf(&out, " COUNT %d", n)
		case n == 0:
		case option == "MIN":
			fmt.Fprintf(&out, " MIN %d", found[0])
		case option == "MAX":
			fmt.Fprintf(&out, " MAX %d", found[n-1])
		case option == "ALL":
			out.WriteString(" ALL " + ranges(found))
		}
	}
	return out.String()
}

// ranges writes ascending numbers as a sequence set.
func ranges(numbers []uint32) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i + 1
		for j < len(numbers) && numbers[j] == numbers[j-1]+1 {
			j++
		}
		part := strconv.FormatUint(uint64(numbers[i]), 10)
		if j > i+1 {
			part += ":" + strconv.FormatUint(uint64(numbers[j-1]), 10)
		}
		parts, i = append(parts, part), j
	}
	return strings.Join(parts, ",")
}

// deepest is how far parentheses, NOT and OR may nest.
const deepest = 50

// criteria reads criteria that must all hold.
func (s *session) criteria(a *args, depth int) criterion {
	var all []criterion
	for {
		all = append(all, s.criterion(a, depth))
		if a.err != nil || !a.skip(' ') {
			break
		}
	}
	return func(seq int, msg *message) bool {
		for _, c := range all {
			if !c(seq, msg) {
				return false
			}
		}
		return true
	}
}

func (s *session) criterion(a *args, depth int) criterion {
	if depth > deepest {
		a.fail("search nests too deep")
	}
	if a.err != nil {
		return nil
	}
	if c := a.peek(); c == '*' || c >= '0' && c <= '9' {
		set := a.set(uint32(len(s.view.uids)))
		return func(seq int, _ *message) bool { return set.has(uint32(seq)) }
	}
	if a.skip('(') {
		inner := s.criteria(a, depth+1)
		a.want(')')
		return inner
	}
	key := strings.ToUpper(a.atom())
	if c := flagCriterion(key); c != nil {
		return c
	}
	if c := s.recentCriterion(key); c != nil {
		return c
	}
	if key == "ALL" {
		return func(int, *message) bool { return true }
	}
	a.space()
	return s.withArgument(key, a, depth)
}

func flagCriterion(key string) criterion {
	name, negated := strings.CutPrefix(key, "UN")
	switch name {
	case "SEEN", "ANSWERED", "FLAGGED", "DELETED", "DRAFT":
		return func(_ int, msg *message) bool { return msg.has(`\`+name) != negated }
	}
	return nil
}

func (s *session) recentCriterion(key string) criterion {
	from := s.view.recentFrom
	switch key {
	case "RECENT":
		return func(_ int, msg *message) bool { return msg.uid >= from }
	case "OLD":
		return func(_ int, msg *message) bool { return msg.uid < from }
	case "NEW":
		return func(_ int, msg *message) bool { return msg.uid >= from && !msg.has(`\Seen`) }
	}
	return nil
}

func (s *session) withArgument(key string, a *args, depth int) criterion {
	switch key {
	case "UID":
		last := uint32(0)
		if n := len(s.view.uids); n > 0 {
			last = s.view.uids[n-1]
		}
		set := a.set(last)
		return func(_ int, msg *message) bool { return set.has(msg.uid) }
	case "KEYWORD", "UNKEYWORD":
		flag := a.flag()
		return func(_ int, msg *message) bool { return msg.has(flag) == (key == "KEYWORD") }
	case "NOT":
		inner := s.criterion(a, depth+1)
		return func(seq int, msg *message) bool { return !inner(seq, msg) }
	case "OR":
		left := s.criterion(a, depth+1)
		a.space()
		right := s.criterion(a, depth+1)
		return func(seq int, msg *message) bool { return left(seq, msg) || right(seq, msg) }
	case "LARGER", "SMALLER":
		n := int64(a.number())
		return func(_ int, msg *message) bool {
			return key == "LARGER" && msg.body.size > n || key == "SMALLER" && msg.body.size < n
		}
	case "MODSEQ":
		n := a.number()
		return func(_ int, msg *message) bool { return msg.modSeq >= n }
	case "SINCE", "BEFORE", "ON":
		return dateCriterion(key, a)
	case "HEADER":
		field := a.astring()
		a.space()
		return headerCriterion(field, a.astring())
	case "SUBJECT", "FROM", "TO", "CC":
		return headerCriterion(key, a.astring())
	}
	a.fail("search key %q is not served", key)
	return nil
}

// dateCriterion compares days, disregarding time and zone.
func dateCriterion(key string, a *args) criterion {
	day, err := time.Parse("2-Jan-2006", a.astring())
	if err != nil {
		a.fail("invalid date")
	}
	return func(_ int, msg *message) bool {
		y, m, d := msg.date.Date()
		switch c := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Compare(day); key {
		case "SINCE":
			return c >= 0
		case "BEFORE":
			return c < 0
		default:
			return c == 0
		}
	}
}

func headerCriterion(field, text string) criterion {
	needle := bytes.ToLower([]byte(text))
	return func(_ int, msg *message) bool {
		content, done, err := msg.body.open()
		if err != nil {
			return false
		}
		defer done()
		header, err := readHeader(io.NewSectionReader(content, 0, msg.body.size))
		if err != nil {
			return false
		}
		found := bytes.TrimSuffix(pickFields(header, []string{field}, true), []byte("\r\n"))
		return len(found) > 0 && bytes.Contains(bytes.ToLower(found), needle)
	}
}
