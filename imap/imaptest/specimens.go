package imaptest

import (
	"strings"
	"time"
)

// specimens writes one message of each uncommon kind that Cyrus and BlueMind
// take and keep octet for octet.
func (w *writer) specimens() []Message {
	out := []Message{
		w.without("Message-ID"), w.without("Date"), w.without("Message-ID", "Date", "Received", "MIME-Version", "Content-Type"),
		w.titled("Subject", "\xc9t\xe9 \xe0 Orl\xe9ans"), w.titled("Subject", "Été à Orléans"), w.titled("From", "Ren\xe9e <renee@mairie.example>"),
		w.titled("Subject", "folded\r\n and folded\r\n\tagain"), w.titled("X-Long", strings.Repeat("0123456789 ", 700)),
		w.reading(""), w.reading("no line end"), w.reading("\r\n\r\n\r\n"), w.reading("a lone\rCR and\r\r\ntwo"),
		w.reading(strings.Repeat("long ", 4000) + "\r\n"), w.reading("control \x01\x7f\x1b[31m and \xff\xfe octets\r\n"),
		w.reading("From the first column\r\n>From quoted\r\n.\r\n..\r\n)\r\n* BYE not yet\r\nt OK neither\r\n{5}\r\n"),
		w.digest(), w.receipt(),
	}
	out = append(out, w.sameID()...)
	out = append(out, w.twins()...)
	out = append(out, w.edgeDates()...)
	out = append(out, w.flagged()...)
	return out
}

func (w *writer) without(fields ...string) Message {
	l := w.letter()
	for _, f := range fields {
		l.drop(f)
	}
	return l.message()
}

func (w *writer) titled(field, value string) Message {
	l := w.letter()
	l.set(field, value)
	return l.message(`\Seen`)
}

func (w *writer) reading(body string) Message {
	l := w.letter()
	l.body = body
	return l.message()
}

// digest is a message in a message in a multipart.
func (w *writer) digest() Message {
	l := w.letter()
	l.set("Content-Type", "multipart/digest; boundary=_d")
	l.drop("Content-Transfer-Encoding")
	l.body = "--_d\r\n\r\n" + string(w.letter().message().Body) + "\r\n--_d\r\n\r\n" + string(w.alternative().Body) + "\r\n--_d--\r\n"
	return l.message()
}

// receipt has no sender at all.
func (w *writer) receipt() Message {
	l := w.letter()
	l.set("From", "<>")
	l.set("Content-Type", "multipart/report; report-type=disposition-notification; boundary=_r")
	l.body = "--_r\r\n\r\nread\r\n--_r\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: manual-action; displayed\r\n--_r--\r\n"
	return l.message("$MDNSent")
}

// sameID are three different messages under one Message-ID.
func (w *writer) sameID() []Message {
	var out []Message
	for _, body := range []string{"disk 81 % full\r\n", "disk 93 % full\r\n", "disk full\r\n"} {
		l := w.letter()
		l.set("Message-ID", "<alert@monitor.example>")
		l.body = body
		out = append(out, l.message(`\Seen`))
	}
	return out
}

// twins are equal octets: two with one date, one with another date and flags.
func (w *writer) twins() []Message {
	l := w.letter()
	a := l.message(`\Seen`)
	c := l.message(`\Flagged`)
	c.InternalDate = a.InternalDate.Add(41 * time.Hour)
	return []Message{a, a, c}
}

// edgeDates are INTERNALDATEs near the limits, with zones that are no whole
// hours, on a one-digit day, and in the hour that a clock shows twice.
func (w *writer) edgeDates() []Message {
	zone := func(minutes int) *time.Location { return time.FixedZone("", 60*minutes) }
	var out []Message
	for _, t := range []time.Time{
		time.Date(1970, 1, 1, 0, 0, 1, 0, zone(0)),
		time.Date(1999, 12, 31, 23, 59, 59, 0, zone(-12*60)),
		time.Date(2004, 2, 29, 0, 0, 0, 0, zone(14*60)),
		time.Date(2016, 10, 30, 2, 30, 0, 0, zone(120)),
		time.Date(2016, 10, 30, 2, 30, 0, 0, zone(60)),
		time.Date(2019, 3, 7, 9, 10, 11, 0, zone(345)),
		time.Date(2037, 6, 1, 12, 0, 0, 0, zone(-210)),
	} {
		m := w.letter().message(`\Seen`)
		m.InternalDate = t
		out = append(out, m)
	}
	return out
}

func (w *writer) flagged() []Message {
	var out []Message
	for _, flags := range [][]string{
		{`\Seen`, `\Answered`, `\Flagged`, `\Draft`}, {`\Deleted`}, {`\Seen`, `\Deleted`}, {"$Forwarded", "$Label1", "MixedCase", "NonJunk"},
		{`\Seen`, strings.Repeat("k", 60)},
	} {
		out = append(out, w.letter().message(flags...))
	}
	return out
}

// AwkwardMessage is one that a strict target refuses.
type AwkwardMessage struct {
	Name    string
	Message Message
	Refusal string // as Cyrus 3.6 answers APPEND
}

// Awkward returns messages that Cyrus refuses, each for another reason.
func Awkward() []AwkwardMessage {
	when := time.Date(2021, 5, 6, 7, 8, 9, 0, time.FixedZone("", 7200))
	refused := func(name, body, refusal string) AwkwardMessage {
		return AwkwardMessage{name, Message{Body: []byte(body), InternalDate: when, Flags: []string{`\Seen`}}, refusal}
	}
	const (
		bare    = "NO Message contains bare newlines"
		nul     = "NO Message contains NUL characters"
		invalid = "NO Message contains invalid header"
	)
	old := refused("date before 1970", "Subject: old\r\n\r\nold\r\n", "BAD Invalid date-time in Append command")
	old.Message.InternalDate = time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC)
	return []AwkwardMessage{
		refused("empty", "", "NO Zero-length message literal"),
		refused("bare LF in the body", "Subject: a\r\n\r\none\ntwo\r\n", bare),
		refused("bare LF in the header", "Subject: a\nTo: b\r\n\r\nbody\r\n", bare),
		refused("bare LF everywhere", "Subject: a\nTo: b\n\nbody\n", bare),
		refused("NUL in the body", "Subject: a\r\n\r\na\x00b\r\n", nul),
		refused("NUL in the header", "Subject: a\x00b\r\n\r\nbody\r\n", nul),
		refused("no header", "Just some text.\r\nAnd more.\r\n", invalid),
		refused("header line without colon", "Subject: a\r\nno colon here\r\n\r\nbody\r\n", invalid),
		refused("blank before the colon", "Subject : a\r\n\r\nbody\r\n", invalid),
		refused("empty field name", ": a\r\n\r\nbody\r\n", invalid),
		refused("quoted mbox line first", ">From ada Mon Jan  1 00:00:00 2001\r\nSubject: a\r\n\r\nbody\r\n", invalid),
		old,
	}
}
