package imap

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// WrappedNote ends the note on a message whose date the source keeps in 32 bits.
const WrappedNote = ", which 32 bits can't hold"

// UndatedNote begins the note of a message for which the source has no date that
// can be read, AbsurdNote that of one whose date can't be true; what was taken
// instead follows.
const (
	UndatedNote = "the source gives no usable date"
	AbsurdNote  = "the source dates it "
)

// oddDate is outside of what a 32-bit time can say: Cyrus refuses the one and
// wraps the other.
func oddDate(t time.Time) bool { return t.Unix() <= 0 || t.Unix() >= 1<<32 }

// wrapped recognises dates before 1970 that a source keeps in 32 bits without a
// sign: Dovecot serves 1969 as 2105 once its index has the message.
func wrapped(t time.Time) bool {
	return t.Unix() >= time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix() && t.Unix() < 1<<32
}

// absurd dates are those before 2 January 1970, whatever the zone, and those
// later than the day after tomorrow: no message arrives then.
func absurd(t, now time.Time) bool {
	return t.Unix() < 24*3600 || t.After(now.Add(48*time.Hour))
}

// redate finds the date to append a message with. INTERNALDATE goes as it is,
// with its zone. Where it is missing, can't be read, or is the epoch, which is how
// servers keep none and what Cyrus takes for none, and where it is absurd and the
// rules say so, the first of these counts that is there and not absurd itself: the
// topmost Received field, the Date field. Without either an absurd date stays, the
// epoch becomes a second later, and what has none gets the target's own time.
func (c *copier) redate(m *spooled) {
	when, now := m.InternalDate, c.opts.Now()
	if wrapped(when) {
		past := when.Add(-(1 << 32) * time.Second)
		m.note = "INTERNALDATE " + when.Format(time.RFC3339) + " taken for " + past.Format(time.RFC3339) + WrappedNote
		m.InternalDate, m.redated, when = past, true, past
	}
	none := when.IsZero() || when.Unix() == 0
	if !none && !(c.opts.Rules.HeaderDates && absurd(when, now)) {
		return
	}
	why := UndatedNote
	if !none {
		why = AbsurdNote + when.Format(time.RFC3339)
	}
	date, field := headerDate(m.header(), now)
	switch {
	case field != "":
		m.InternalDate, m.redated = date, true
		why += "; taken from " + field
	case when.IsZero():
		why += "; the target's own time"
	case none:
		m.InternalDate, m.redated = when.Add(time.Second), true
		why += "; the epoch and a second, since Cyrus takes the epoch for none"
	default:
		why += "; nothing better is in its header"
	}
	m.note = join(m.note, why)
}

// mendDate is redate for a message whose date the target has refused; false:
// there is nothing else to send.
func (c *copier) mendDate(m *spooled) (*spooled, bool) {
	if m.repaired&badDate != 0 {
		return nil, false
	}
	out, was := *m, m.InternalDate
	date, field := headerDate(m.header(), c.opts.Now())
	if field == "" {
		date, field = nearestDate(was), "the nearest that it takes"
	}
	if date.Equal(was) {
		return nil, false
	}
	out.InternalDate, out.redated, out.repaired, out.origin = date, true, m.repaired|badDate, m.source()
	out.note = join(m.note, fmt.Sprintf("the target refused INTERNALDATE %s; sent instead: %s, %s", was.Format(time.RFC3339), date.Format(time.RFC3339), field))
	return &out, true
}

// nearestDate is that of all dates which a 32-bit time can say, and which Cyrus
// doesn't take for none.
func nearestDate(t time.Time) time.Time {
	if t.Unix() <= 0 {
		return time.Unix(1, 0).UTC()
	}
	return time.Unix(1<<31-1, 0).UTC()
}

// headerLimit is how much of a message is searched for dates, in octets.
const headerLimit = 64 << 10

// header gives the first octets of the body.
func (s *spooled) header() []byte {
	buf := make([]byte, min(s.size, headerLimit))
	n, _ := io.ReadFull(io.NewSectionReader(s, 0, int64(len(buf))), buf) // a short read is a shorter header
	return buf[:n]
}

// headerDate finds the date of the topmost Received field that has one, else of
// the Date field, and says which it is; "": there is none that isn't absurd.
func headerDate(header []byte, now time.Time) (time.Time, string) {
	var received, date time.Time
	eachField(header, func(name string, value []byte) bool {
		switch {
		case strings.EqualFold(name, "Received") && received.IsZero():
			if i := bytes.LastIndexByte(value, ';'); i >= 0 {
				received = soundDate(value[i+1:], now)
			}
		case strings.EqualFold(name, "Date") && date.IsZero():
			date = soundDate(value, now)
		}
		return received.IsZero()
	})
	switch {
	case !received.IsZero():
		return received, "Received"
	case !date.IsZero():
		return date, "Date"
	}
	return time.Time{}, ""
}

// eachField goes through the fields of a header, however malformed it is, until
// fn has enough. Values are unfolded; lines that are no fields are passed over.
func eachField(header []byte, fn func(name string, value []byte) bool) {
	var name string
	var value []byte
	known := false
	for len(header) > 0 {
		line, rest, whole := bytes.Cut(header, []byte("\n"))
		header = rest
		line = bytes.TrimRight(line, "\r")
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && whole {
			value = append(append(value, ' '), line...)
			continue
		}
		if known && !fn(name, value) {
			return
		}
		known = false
		if len(line) == 0 {
			return
		}
		if n, v, ok := bytes.Cut(line, []byte(":")); ok && whole {
			name, value, known = string(bytes.TrimRight(n, " \t")), bytes.Clone(v), true
		}
	}
	if known {
		fn(name, value)
	}
}

// mailDates are how programs wrote dates beside RFC 5322 §3.3.
var mailDates = [...]string{
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700", "2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04 -0700", "2 Jan 2006 15:04:05", "2 Jan 06 15:04:05",
	"2-Jan-2006 15:04:05 -0700", "2-Jan-06 15:04:05 -0700", "2-Jan-06 15:04:05",
	"Jan 2 15:04:05 2006", "Jan 2 15:04:05 -0700 2006", "Jan 2 2006 15:04:05",
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05",
}

// zoneWords are zones by name (RFC 5322 §4.3); of others nobody knows the
// offset.
var zoneWords = map[string]string{
	"GMT": "+0000", "UT": "+0000", "UTC": "+0000", "Z": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700", "CET": "+0100", "MET": "+0100", "CEST": "+0200", "MEST": "+0200", "BST": "+0100",
}

// longestDate is the most that is taken for a date, in octets.
const longestDate = 200

// soundDate reads a date as mail has it; zero where it can't be read, is absurd,
// or where INTERNALDATE couldn't say it.
func soundDate(text []byte, now time.Time) time.Time {
	if len(text) > longestDate {
		return time.Time{}
	}
	t := mailDate(string(text))
	if t.IsZero() || absurd(t, now) || t.Unix() >= 1<<32 || len(t.Format(appendDate)) != len(appendDate) {
		return time.Time{}
	}
	if _, offset := t.Zone(); offset <= -24*3600 || offset >= 24*3600 {
		return t.UTC()
	}
	return t
}

// mailDate reads a date as any program may have written it. It doesn't ask this
// machine what a zone's name means: another would read another date.
func mailDate(text string) time.Time {
	words := strings.Fields(strings.ReplaceAll(withoutComments(text), ",", " "))
	if len(words) > 1 && weekday(words[0]) {
		words = words[1:]
	}
	var tidy []string
	zoned := false
	for _, w := range words {
		zone := zoneOf(w)
		switch {
		case zone != "" && zoned: // its name, after its offset
		case zone != "":
			tidy, zoned = append(tidy, zone), true
		case strings.EqualFold(w, "AM"), strings.EqualFold(w, "PM"):
			return time.Time{}
		case month(w):
			tidy = append(tidy, w[:3])
		case len(tidy) > 0 && len(w) <= 5 && strings.Trim(strings.ToUpper(w), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "": // a zone that nobody knows
		default:
			tidy = append(tidy, clock(w))
		}
	}
	for _, layout := range mailDates {
		if t, err := time.ParseInLocation(layout, strings.Join(tidy, " "), time.UTC); err == nil {
			_, offset := t.Zone()
			return t.In(time.FixedZone("", offset))
		}
	}
	return time.Time{}
}

// zoneOf gives a zone as an offset, "" for what is none.
func zoneOf(word string) string {
	if zone := zoneWords[strings.ToUpper(word)]; zone != "" {
		return zone
	}
	if len(word) > 5 {
		word = strings.TrimPrefix(word, "GMT")
	}
	if len(word) == 6 && word[3] == ':' {
		word = word[:3] + word[4:]
	}
	if len(word) == 5 && (word[0] == '+' || word[0] == '-') && strings.Trim(word[1:], "0123456789") == "" {
		return word
	}
	return ""
}

// clock writes a time of day with two digits each, and a leap second as the one
// before.
func clock(word string) string {
	parts := strings.Split(word, ":")
	if len(parts) < 2 || len(parts) > 3 || strings.Trim(word, "0123456789:") != "" {
		return word
	}
	for i, p := range parts {
		if len(p) == 1 {
			parts[i] = "0" + p
		}
	}
	if len(parts) == 3 && parts[2] == "60" {
		parts[2] = "59"
	}
	return strings.Join(parts, ":")
}

func month(word string) bool {
	word = strings.ToLower(strings.TrimRight(word, "."))
	for m := time.January; m <= time.December; m++ {
		if len(word) >= 3 && strings.HasPrefix(strings.ToLower(m.String()), word) {
			return true
		}
	}
	return false
}

func weekday(word string) bool {
	word = strings.ToLower(strings.TrimRight(word, ",."))
	for d := time.Sunday; d <= time.Saturday; d++ {
		if len(word) >= 3 && strings.HasPrefix(strings.ToLower(d.String()), word) {
			return true
		}
	}
	return false
}

// withoutComments leaves out what stands in parentheses.
func withoutComments(text string) string {
	var b strings.Builder
	depth := 0
	for _, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}
