package mail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	netmail "net/mail"
	"strings"
	"time"
)

// headerLimit is how much of a header is looked at.
const headerLimit = 256 << 10

// errNul is what PostgreSQL makes of a header with a NUL in it.
var errNul = errors.New("invalid byte sequence for encoding \"UTF8\": 0x00")

// Field is a header field: its name as written, its body unfolded.
type Field struct{ Name, Body string }

// meta is what core's database keeps of a message's header.
type meta struct {
	MessageID, Subject string
	Date               time.Time
}

// ReadHeader reads the fields of a message up to the empty line. A line that is
// no field is passed over; a NUL is an error.
func ReadHeader(r io.Reader) ([]Field, error) {
	br := bufio.NewReaderSize(io.LimitReader(r, headerLimit), 4<<10)
	var fields []Field
	var under []byte // the field being read, unfolded
	flush := func() {
		if name, value, ok := strings.Cut(string(under), ":"); ok {
			fields = append(fields, Field{Name: strings.TrimSpace(name), Body: strings.TrimSpace(value)})
		}
		under = under[:0]
	}
	for {
		line, err := br.ReadBytes('\n')
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, errNul
		}
		row := bytes.TrimRight(line, "\r\n")
		if len(row) > 0 && row[0] != ' ' && row[0] != '\t' {
			flush()
		}
		under = append(under, row...)
		if len(row) == 0 || err != nil {
			flush()
			return fields, ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if err == nil || err == io.EOF {
		return nil
	}
	return fmt.Errorf("read a header: %w", err)
}

// Get returns the body of the first field of that name.
func Get(fields []Field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Body
		}
	}
	return ""
}

func readMeta(r io.Reader) (meta, error) {
	fields, err := ReadHeader(r)
	if err != nil {
		return meta{}, err
	}
	m := meta{MessageID: text(Get(fields, "Message-ID")), Subject: text(DecodeWords(Get(fields, "Subject")))}
	if t, err := netmail.ParseDate(Get(fields, "Date")); err == nil {
		m.Date = t.UTC()
	}
	return m, nil
}

// text makes of octets what a database of UTF-8 text can hold.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// DecodeWords decodes RFC 2047 words in UTF-8, Latin-1 and ASCII and leaves
// what it can't.
func DecodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	var dec mime.WordDecoder
	if out, err := dec.DecodeHeader(s); err == nil {
		return out
	}
	return s
}
