package imaptest

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// syntheticSession is one connection to a [Synthetic].
type syntheticSession struct {
	*Synthetic
	r       *bufio.Reader
	w       *bufio.Writer
	login   string
	mailbox string // that is open
}

func newSyntheticSession(s *Synthetic, conn net.Conn) *syntheticSession {
	return &syntheticSession{Synthetic: s, r: bufio.NewReaderSize(conn, 64<<10), w: bufio.NewWriterSize(conn, 64<<10)}
}

// run answers commands until the connection or the session ends.
func (c *syntheticSession) run() {
	fmt.Fprintf(c.w, "* OK [CAPABILITY %s] ready\r\n", c.capabilities())
	for {
		if c.r.Buffered() == 0 && c.w.Flush() != nil {
			return
		}
		line, tooLong, err := readLine(c.r, 64<<10)
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(string(line), " ")
		verb, args, _ := strings.Cut(rest, " ")
		if tooLong {
			fmt.Fprintf(c.w, "%s BAD too long\r\n", tag)
			continue
		}
		if verb = strings.ToUpper(verb); verb == "UID" {
			sub, more, _ := strings.Cut(args, " ")
			verb, args = "UID "+strings.ToUpper(sub), more
		}
		answer, err := c.execute(verb, args)
		if err != nil {
			return
		}
		fmt.Fprintf(c.w, "%s %s\r\n", tag, answer)
		if verb == "LOGOUT" {
			c.w.Flush()
			return
		}
	}
}

func (c *syntheticSession) capabilities() string {
	caps := "IMAP4rev1 LITERAL+ NAMESPACE UIDPLUS SPECIAL-USE LIST-EXTENDED"
	if c.opts.ModSeq {
		caps += " CONDSTORE"
	}
	return caps
}

// execute writes a command's untagged answers and gives the tagged one.
func (c *syntheticSession) execute(verb, args string) (answer string, err error) {
	switch verb {
	case "CAPABILITY":
		fmt.Fprintf(c.w, "* CAPABILITY %s\r\n", c.capabilities())
	case "LOGIN":
		c.login, _ = cutName(args)
		c.Sessions.Add(1)
		return "OK [CAPABILITY " + c.capabilities() + "] logged in", nil
	case "NAMESPACE":
		fmt.Fprint(c.w, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
	case "LIST":
		if !strings.Contains(args, `"*"`) { // the delimiter alone is asked for
			break
		}
		for _, name := range c.opts.Folders {
			fmt.Fprintf(c.w, "* LIST (\\HasNoChildren \\Subscribed) \"/\" \"%s\"\r\n", name)
		}
	case "EXAMINE", "SELECT":
		name, _ := cutName(args)
		if !slices.Contains(c.opts.Folders, name) {
			return "NO [NONEXISTENT] no such mailbox", nil
		}
		c.mailbox = name
		n := c.opts.Messages(c.login, name)
		fmt.Fprintf(c.w, "* %d EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Answered $Forwarded)\r\n* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n", n, c.validity(name), n+1)
		if c.opts.ModSeq {
			fmt.Fprintf(c.w, "* OK [HIGHESTMODSEQ %d] ok\r\n", n+1)
		}
		return "OK [READ-ONLY] open", nil
	case "STATUS":
		name, _ := cutName(args)
		if !slices.Contains(c.opts.Folders, name) {
			return "NO [NONEXISTENT] no such mailbox", nil
		}
		n := c.opts.Messages(c.login, name)
		fmt.Fprintf(c.w, "* STATUS \"%s\" (MESSAGES %d UIDNEXT %d UIDVALIDITY %d", name, n, n+1, c.validity(name))
		if c.opts.ModSeq {
			fmt.Fprintf(c.w, " HIGHESTMODSEQ %d", n+1)
		}
		fmt.Fprint(c.w, ")\r\n")
	case "UID FETCH":
		return c.fetch(args)
	case "UID SEARCH":
		c.search(args)
	case "NOOP", "CHECK", "CLOSE", "UNSELECT":
	case "LOGOUT":
		fmt.Fprint(c.w, "* BYE logging out\r\n")
	default:
		return "BAD unknown command", nil
	}
	return "OK done", nil
}

func (c *syntheticSession) validity(mailbox string) uint32 {
	return syntheticValidity + uint32(slices.Index(c.opts.Folders, mailbox))
}

// cutName takes a quoted string or an atom off.
func cutName(args string) (name, rest string) {
	if quoted, ok := strings.CutPrefix(args, `"`); ok {
		name, rest, _ = strings.Cut(quoted, `"`)
		return name, strings.TrimPrefix(rest, " ")
	}
	name, rest, _ = strings.Cut(args, " ")
	return name, rest
}

// fetch answers UID FETCH of a listing, or of bodies.
func (c *syntheticSession) fetch(args string) (answer string, err error) {
	set, items, _ := strings.Cut(args, " ")
	items = strings.ToUpper(items)
	since := uint64(0)
	if _, text, ok := strings.Cut(items, "CHANGEDSINCE "); ok {
		since, _ = strconv.ParseUint(strings.TrimRight(text, ")"), 10, 64)
	}
	whole := strings.Contains(items, "BODY.PEEK[]")
	top := c.opts.Messages(c.login, c.mailbox)
	for part := range strings.SplitSeq(set, ",") {
		first, last, ok := parseRange(part, top)
		if !ok {
			return "BAD unreadable set", nil
		}
		for uid := uint64(first); uid <= uint64(min(last, top)); uid++ {
			if uid <= since {
				continue
			}
			if err := c.tell(uint32(uid), items, whole); err != nil {
				return "", err
			}
		}
	}
	return "OK fetched", nil
}

// tell writes one FETCH response, the body last.
func (c *syntheticSession) tell(uid uint32, items string, whole bool) error {
	m := c.message(c.login, c.mailbox, uid)
	b := fmt.Appendf(c.w.AvailableBuffer(), "* %d FETCH (UID %d", uid, uid)
	if strings.Contains(items, "FLAGS") {
		b = append(b, " FLAGS ("...)
		for i, flag := range m.flags() {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, flag...)
		}
		b = append(b, ')')
	}
	if strings.Contains(items, "RFC822.SIZE") {
		b = fmt.Appendf(b, " RFC822.SIZE %d", m.size)
	}
	if strings.Contains(items, "INTERNALDATE") {
		b = append(m.date().AppendFormat(append(b, " INTERNALDATE \""...), "02-Jan-2006 15:04:05 -0700"), '"')
	}
	if c.opts.ModSeq && !whole {
		b = fmt.Appendf(b, " MODSEQ (%d)", uid)
	}
	if !whole {
		c.Listed.Add(1)
		_, err := c.w.Write(append(b, ")\r\n"...))
		return err
	}
	c.Fetched.Add(1)
	if _, err := c.w.Write(fmt.Appendf(b, " BODY[] {%d}\r\n", m.size)); err != nil {
		return err
	}
	if err := m.writeTo(c.w); err != nil {
		return err
	}
	_, err := c.w.WriteString(")\r\n")
	return err
}

// parseRange reads "5", "5:9" or "5:*" (RFC 3501 §9, seq-range).
func parseRange(text string, top uint32) (first, last uint32, ok bool) {
	from, to, ranged := strings.Cut(text, ":")
	if !ranged {
		to = from
	}
	var ends [2]uint32
	for i, end := range []string{from, to} {
		if end == "*" {
			ends[i] = max(top, 1)
			continue
		}
		n, err := strconv.ParseUint(end, 10, 32)
		if err != nil || n == 0 {
			return 0, 0, false
		}
		ends[i] = uint32(n)
	}
	return min(ends[0], ends[1]), max(ends[0], ends[1]), true
}

// search finds a message by its Message-ID, or by nothing else.
func (c *syntheticSession) search(args string) {
	c.w.WriteString("* SEARCH")
	if _, id, ok := strings.Cut(args, "<"); ok {
		number, _, _ := strings.Cut(id, ".")
		uid, err := strconv.ParseUint(number, 10, 32)
		top := c.opts.Messages(c.login, c.mailbox)
		if err == nil && uid > 0 && uid <= uint64(top) && strings.HasPrefix(id, c.message(c.login, c.mailbox, uint32(uid)).id()+">") {
			fmt.Fprintf(c.w, " %d", uid)
		}
	}
	c.w.WriteString("\r\n")
}
