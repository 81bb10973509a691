package imaptest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
)

// section is one BODY[…] item of a FETCH, RFC 3501 §6.4.5. MIME parts are not
// among them.
type section struct {
	label  string // as it is answered
	peek   bool
	part   string // "", "HEADER", "TEXT", "HEADER.FIELDS", "HEADER.FIELDS.NOT"
	fields []string

	partial       bool
	offset, count int64
}

// section reads what follows BODY or BODY.PEEK.
func (a *args) section(peek bool) section {
	x := section{peek: peek}
	a.want('[')
	if a.peek() != ']' {
		x.part = strings.ToUpper(a.atom())
	}
	x.label = "BODY[" + x.part
	switch x.part {
	case "", "HEADER", "TEXT":
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		a.space()
		a.list(func() { x.fields = append(x.fields, a.astring()) })
		x.label += " (" + strings.Join(x.fields, " ") + ")"
	default:
		a.fail("section %s is not served", x.part)
	}
	a.want(']')
	x.label += "]"
	if a.skip('<') {
		x.partial = true
		x.offset = int64(a.number())
		a.want('.')
		x.count = int64(a.number())
		a.want('>')
		x.label += fmt.Sprintf("<%d>", x.offset)
	}
	return x
}

// cut returns the section's octets out of a message's.
func (x section) cut(content io.ReaderAt, size int64) (*io.SectionReader, error) {
	whole := io.NewSectionReader(content, 0, size)
	if x.part == "" {
		return x.slice(whole), nil
	}
	header, err := readHeader(whole)
	if err != nil {
		return nil, err
	}
	switch x.part {
	case "TEXT":
		n := int64(len(header))
		return x.slice(io.NewSectionReader(content, n, size-n)), nil
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		header = pickFields(header, x.fields, x.part == "HEADER.FIELDS")
	}
	return x.slice(io.NewSectionReader(bytes.NewReader(header), 0, int64(len(header)))), nil
}

func (x section) slice(r *io.SectionReader) *io.SectionReader {
	if !x.partial {
		return r
	}
	offset := min(x.offset, r.Size())
	return io.NewSectionReader(r, offset, min(x.count, r.Size()-offset))
}

// readHeader returns the header with the blank line that ends it, if any.
func readHeader(r io.Reader) ([]byte, error) {
	var header []byte
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		header = append(header, line...)
		if err == io.EOF || string(line) == "\r\n" || string(line) == "\n" {
			return header, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// pickFields returns those fields that are (or are not) named, with their
// continuation lines, and a blank line.
func pickFields(header []byte, names []string, wanted bool) []byte {
	var out []byte
	picked := false
	for line := range bytes.Lines(header) {
		if len(bytes.Trim(line, "\r\n")) == 0 {
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			field, _, _ := bytes.Cut(line, []byte(":"))
			named := false
			for _, name := range names {
				named = named || strings.EqualFold(name, strings.TrimSpace(string(field)))
			}
			picked = named == wanted
		}
		if picked {
			out = append(out, line...)
		}
	}
	return append(out, "\r\n"...)
}
