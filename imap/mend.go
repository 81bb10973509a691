package imap

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

// Repairs are the changes that make a message acceptable which a target has
// refused by name. The original octets always go first.
type Repairs struct {
	BareLF bool // a CR before each LF that has none
	NUL    bool // NUL octets are left out
	Header bool // lines that are no header fields are put into one; 8-bit octets are encoded (RFC 2047) where the target takes none
	Date   bool // INTERNALDATE is taken from the header, or brought to the nearest that the target can hold
}

// defect is what a target refuses a message for.
type defect uint8

const (
	hasNUL defect = 1 << iota
	hasBareLF
	badHeader
	headerEightBit
	badDate
)

// refusedFor finds the defect that a refusal names. The words are Cyrus' own
// (imap/imap_err.et), those of PostgreSQL behind BlueMind 5 for a NUL in a header,
// and BlueMind 5's of an empty message.
func refusedFor(words string, size int64) defect {
	words = strings.ToLower(words)
	for _, known := range []struct {
		words string
		is    defect
	}{
		{"bare newline", hasBareLF}, {"nul character", hasNUL}, {"0x00", hasNUL}, {"invalid header", badHeader}, {"zero-length", badHeader},
		{"non-ascii characters in header", headerEightBit}, {"8bit", headerEightBit}, {"invalid date", badDate}, {"internaldate", badDate},
	} {
		if strings.Contains(words, known.words) {
			return known.is
		}
	}
	if size == 0 && strings.HasPrefix(words, "no rejected") {
		return badHeader
	}
	return 0
}

// allow gives the defects that may be repaired.
func (r Repairs) allow() (d defect) {
	for _, a := range []struct {
		on bool
		is defect
	}{{r.BareLF, hasBareLF}, {r.NUL, hasNUL}, {r.Header, badHeader | headerEightBit}, {r.Date, badDate}} {
		if a.on {
			d |= a.is
		}
	}
	return d
}

// String names repairs as the policy does.
func (d defect) String() string {
	var names []string
	for _, n := range []struct {
		is   defect
		name string
	}{{hasNUL, "nul"}, {hasBareLF, "bare_lf"}, {badHeader, "header"}, {headerEightBit, "header, encoded words"}, {badDate, "date"}} {
		if d&n.is != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// RepairedNote begins the note of a message that was repaired; what was done
// follows.
const RepairedNote = "repaired for the target: "

// alsoRepaired stands in the reason of a message that was refused as it is and
// as it had been repaired, between the words of the two refusals.
const alsoRepaired = "; and as repaired: "

// mender reads a message as some repairs make it. Each is a pass of its own over
// the octets as they stream, in an order in which none undoes another: a CR LF may
// appear where a NUL was, and header lines end where a LF has got its CR. A
// mended message needs no further mending.
func mender(r io.Reader, repairs defect) io.Reader {
	if repairs&hasNUL != 0 {
		r = &nulMender{r: r}
	}
	if repairs&hasBareLF != 0 {
		r = newLineMender(r)
	}
	if repairs&badHeader != 0 {
		r = newHeaderMender(r)
	}
	if repairs&headerEightBit != 0 {
		r = newWordMender(r)
	}
	return r
}

// mended is a repaired body. It is not kept: it is made again as it is read,
// which is from its beginning to its end, a few times.
type mended struct {
	from    *spooled
	repairs defect
	r       io.Reader
	pos     int64
}

// ReadAt implements io.ReaderAt. It is fast for reads that follow each other.
func (m *mended) ReadAt(p []byte, off int64) (int, error) {
	if m.r == nil || off < m.pos {
		m.r, m.pos = mender(io.NewSectionReader(m.from, 0, m.from.size), m.repairs), 0
	}
	if off > m.pos {
		n, err := io.CopyN(io.Discard, m.r, off-m.pos)
		if m.pos += n; err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(m.r, p)
	m.pos += int64(n)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// mend makes the repaired form of a message; nil: it is the same octets.
func (s *spooled) mend(repairs defect) (*spooled, error) {
	body := &mended{from: s, repairs: repairs}
	out := *s
	out.mem, out.file, out.munged, out.mended, out.origin = nil, nil, [20]byte{}, body, s.source()
	h1, h256, scan := sha1.New(), sha256.New(), &contentScan{}
	n, err := io.Copy(io.MultiWriter(h1, h256, scan), mender(io.NewSectionReader(s, 0, s.size), repairs))
	if err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	out.size = n
	h1.Sum(out.sha1[:0])
	h256.Sum(out.sha256[:0])
	if out.sha256 == s.sha256 {
		return nil, nil
	}
	if scan.eightBit {
		h := sha1.New()
		if _, err := io.Copy(h, &munger{r: mender(io.NewSectionReader(s, 0, s.size), repairs)}); err != nil {
			return nil, fmt.Errorf("repair: %w", err)
		}
		h.Sum(out.munged[:0])
	}
	out.repaired |= repairs
	return &out, nil
}

// source is the message as the source gave it.
func (s *spooled) source() *spooled {
	if s.origin != nil {
		return s.origin
	}
	return s
}

// sent says of a repaired message what goes in the place of the source's.
func (s *spooled) sent() *Sent {
	if s.origin == nil || s.sha256 == s.origin.sha256 {
		return nil
	}
	return &Sent{SHA1: s.sha1, SHA256: s.sha256, Size: s.size}
}

// notes are what there is to say of a message that arrives.
func (s *spooled) notes() string {
	if s.repaired == 0 {
		return s.note
	}
	return join(RepairedNote+s.repaired.String(), s.note)
}

// forms are what repairs can have made of a message, in an earlier run perhaps
// under another policy: by the octets' SHA-1 alone such a copy is found again.
func (s *spooled) forms() ([]*spooled, error) {
	var out []*spooled
	can := s.repairable()
	for repairs := defect(1); repairs <= can; repairs++ {
		if repairs&^can != 0 {
			continue // no subset
		}
		m, err := s.mend(repairs)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out = append(out, m)
		}
	}
	return out, nil
}

// repairable are the defects for which a target may have refused the message, each
// with a repair of its octets.
func (s *spooled) repairable() defect {
	if s.munged != [20]byte{} {
		return s.defects | headerEightBit
	}
	return s.defects
}

// contentScan looks, as the octets of a message pass, for what Cyrus refuses
// (message_copy_strict), and for 8-bit octets in its header.
type contentScan struct {
	n        int64
	last     byte
	found    defect
	line     lineScan
	eightBit bool
}

// lineScan follows the lines of a header as Cyrus does.
type lineScan struct {
	over    bool // the empty line has passed
	blank   bool // nothing but CRs so far on this line; see munger
	checked bool // the header lines have ended for the check, which is at a CR that begins a line
	at      int  // octets into the line, as far as they count
	named   bool // its name, or that it has none, is known
	from    bool // it begins as an mbox separator
}

func (c *contentScan) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		c.found |= hasNUL
	}
	for rest := p; c.found&hasBareLF == 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		at := len(p) - len(rest) + i
		before := c.last
		if at > 0 {
			before = p[at-1]
		}
		if before != '\r' {
			c.found |= hasBareLF
		}
		rest = rest[i+1:]
	}
	for i := 0; i < len(p) && !c.line.over; i++ {
		if p[i] >= 0x80 {
			c.eightBit = true
		}
		if c.line.octet(p[i]) {
			c.found |= badHeader
		}
	}
	if len(p) > 0 {
		c.last = p[len(p)-1]
	}
	c.n += int64(len(p))
	return len(p), nil
}

// defects are those of the whole message, once it has passed.
func (c *contentScan) defects() defect {
	d := c.found
	if c.n == 0 || !c.line.over && !c.line.checked && c.last != '\n' {
		d |= badHeader // nothing, or a header whose last line has no end
	}
	return d
}

// nameLimit is how far into a line Cyrus looks for the end of a field's name.
const nameLimit = 4096

// octet takes the next octet of a header and says whether it makes its line no
// field.
func (l *lineScan) octet(c byte) (bad bool) {
	switch c {
	case '\n':
		l.over = l.at == 0 && !l.named || l.blank
		bad = !l.over && !l.named && !l.checked
		*l = lineScan{over: l.over, checked: l.checked}
		return bad
	case '\r':
		if l.at == 0 {
			l.blank, l.checked = true, true
		}
	default:
		l.blank = false
	}
	l.at++
	switch {
	case l.checked || l.named:
	case l.at == 1 && (c == ' ' || c == '\t'), c == ':' && l.at > 1, l.at > nameLimit:
		l.named = true
	case l.at == 5 && c == ' ' && l.from:
		l.named = true
	case c <= ' ', c == ':':
		bad, l.named = true, true
	case l.at <= 4:
		l.from = c == "From"[l.at-1] && (l.at == 1 || l.from)
	}
	return bad
}
