package imaptest

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"strings"
	"time"
)

// writer writes the mail of a corpus.
type writer struct {
	rng     *rand.Rand
	address string
	count   int
}

func (w *writer) pick(from ...string) string { return from[w.rng.IntN(len(from))] }

// dated returns a time in the 20 years before 2025, in one of many zones.
func (w *writer) dated() time.Time {
	start := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)
	t := start.Add(time.Duration(w.rng.Int64N(20*365*24*3600)) * time.Second)
	minutes := []int{0, 0, 60, 60, 120, 120, -300, -480, -210, 330, 345, 540, 780}
	return t.In(time.FixedZone("", 60*minutes[w.rng.IntN(len(minutes))]))
}

// letter is a message under way: header fields in order, then a body.
type letter struct {
	header []string
	body   string
	date   time.Time
}

func (l *letter) set(field, value string) {
	for i, h := range l.header {
		if strings.HasPrefix(h, field+":") {
			l.header[i] = field + ": " + value
			return
		}
	}
	l.header = append(l.header, field+": "+value)
}

func (l *letter) drop(field string) {
	kept := l.header[:0]
	for _, h := range l.header {
		if !strings.HasPrefix(h, field+":") {
			kept = append(kept, h)
		}
	}
	l.header = kept
}

func (l *letter) message(flags ...string) Message {
	body := strings.Join(l.header, "\r\n") + "\r\n\r\n" + l.body
	return Message{Body: []byte(body), Flags: flags, InternalDate: l.date}
}

// letter begins a message with the usual fields.
func (w *writer) letter() *letter {
	w.count++
	l := &letter{date: w.dated()}
	sent := l.date.Add(-time.Duration(w.rng.IntN(90)) * time.Second)
	people := []string{
		"Grace Hopper <grace@navy.example>", `"Dupont, Renée" <renee.dupont@mairie.example>`,
		mime.QEncoding.Encode("utf-8", "Zoë Müller") + " <zoe@koeln.example>", mime.BEncoding.Encode("utf-8", "山田太郎") + " <taro@tokyo.example>",
		"no-reply@boutique.example",
	}
	l.header = []string{
		"Received: from mx.old.example by store.old.example;\r\n\t" + l.date.Format(time.RFC1123Z),
		"From: " + w.pick(people...),
		"To: " + w.address,
		"Subject: " + mime.QEncoding.Encode("utf-8", w.subject()),
		"Date: " + sent.Format("Mon, 2 Jan 2006 15:04:05 -0700"),
		fmt.Sprintf("Message-ID: <%d.%08x@old.example>", w.count, w.rng.Uint32()),
		"MIME-Version: 1.0",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: 8bit",
	}
	l.body = w.prose(1 + w.rng.IntN(12))
	return l
}

func (w *writer) subject() string {
	return w.pick("Devis n° ", "Re: Facture ", "Réunion du projet ", "Tr: Dossier ", "Congés d'été ", "[golang-nuts] Issue ", "Order ", "会議 ") +
		fmt.Sprint(1000+w.rng.IntN(9000))
}

func (w *writer) prose(lines int) string {
	var b strings.Builder
	for range lines {
		b.WriteString(w.pick(
			"Bonjour, veuillez trouver ci-joint le devis demandé.", "Pourriez-vous me rappeler avant vendredi ? Merci d'avance.",
			"La réunion est déplacée à 14 h, salle Élysée.", "From now on, please use the new address.", ".", "> Le prix est de 1 250,00 € hors taxes.",
			"Schöne Grüße aus Köln", "ご確認をお願いいたします。", "", "-- ", "Cordialement,"))
		b.WriteString("\r\n")
	}
	return b.String()
}

// ordinary writes a message as a folder of this kind has them.
func (w *writer) ordinary(in layout) Message {
	var m Message
	switch n := w.rng.IntN(100); {
	case n < 12:
		m = w.withAttachment(int64(4+w.rng.IntN(200)) << 10)
	case n < 35:
		m = w.alternative()
	default:
		m = w.letter().message()
	}
	m.Flags = w.flags(in)
	return m
}

func (w *writer) flags(in layout) []string {
	flags := []string{}
	add := func(percent int, flag string) {
		if w.rng.IntN(100) < percent {
			flags = append(flags, flag)
		}
	}
	add(80, `\Seen`)
	add(15, `\Answered`)
	add(6, `\Flagged`)
	switch in.use {
	case `\Drafts`:
		flags = append(flags, `\Draft`)
	case `\Trash`:
		add(30, `\Deleted`)
	case `\Junk`:
		add(70, "$Junk")
	default:
		add(2, `\Deleted`)
		add(10, "NonJunk")
	}
	add(8, "$Forwarded")
	add(5, "$Label1")
	add(4, "MixedCase")
	add(3, "$MDNSent")
	add(2, "Facture-2023")
	return flags
}

func (w *writer) alternative() Message {
	l, text := w.letter(), w.prose(6)
	l.set("Content-Type", `multipart/alternative; boundary="=_alt"`)
	l.drop("Content-Transfer-Encoding")
	l.body = "--=_alt\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text +
		"\r\n--=_alt\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		wrapped([]byte("<html><body><p>"+text+"</p></body></html>")) + "--=_alt--\r\n"
	return l.message()
}

// withAttachment writes a message with so many octets attached, before their
// encoding.
func (w *writer) withAttachment(size int64) Message {
	data := make([]byte, size)
	for i := 0; i < len(data); i += 8 {
		for k, v := 0, w.rng.Uint64(); k < 8 && i+k < len(data); k++ {
			data[i+k] = byte(v >> (8 * k))
		}
	}
	l := w.letter()
	l.set("Content-Type", "multipart/mixed;\r\n boundary=\"=_mixed\"")
	l.drop("Content-Transfer-Encoding")
	l.body = "--=_mixed\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + w.prose(3) +
		"\r\n--=_mixed\r\nContent-Type: application/pdf; name*=utf-8''Devis%20%C3%A9t%C3%A9.pdf\r\n" +
		"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped(data) + "--=_mixed--\r\n"
	return l.message(`\Seen`)
}

// wrapped returns base64 in lines of 76.
func wrapped(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	b.Grow(len(text) + len(text)/38 + 2)
	for len(text) > 0 {
		n := min(76, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return b.String()
}

// LargeMessage is a valid message of any size that takes no memory, for
// [Message.Content].
type LargeMessage struct {
	seed   uint64
	size   int64
	header string
}

// NewLargeMessage returns a message of size octets; another seed, another text.
func NewLargeMessage(seed uint64, size int64) *LargeMessage {
	header := fmt.Sprintf("From: grace@navy.example\r\nSubject: large %d\r\nMessage-ID: <large.%d.%d@old.example>\r\n\r\n", seed, seed, size)
	return &LargeMessage{seed: seed, size: size, header: header}
}

// Size returns the number of octets.
func (l *LargeMessage) Size() int64 { return l.size }

// ReadAt gives lines of 76 letters and digits after the header.
func (l *LargeMessage) ReadAt(p []byte, off int64) (int, error) {
	const line, alphabet = 78, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	n := 0
	for ; n < len(p) && off+int64(n) < l.size; n++ {
		at := off + int64(n)
		if at < int64(len(l.header)) {
			p[n] = l.header[at]
			continue
		}
		at -= int64(len(l.header))
		switch row, column := uint64(at/line), at%line; column {
		case line - 2:
			p[n] = '\r'
		case line - 1:
			p[n] = '\n'
		default:
			x := (row+l.seed)*0x9e3779b97f4a7c15 + uint64(column)*0xbf58476d1ce4e5b9
			p[n] = alphabet[(x^x>>29)>>17&63]
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
