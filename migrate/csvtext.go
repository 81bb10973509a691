package migrate

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// largestCSV bounds what is read of a CSV: 50,000 full accounts are 15 MB.
const largestCSV = 128 << 20

// readAll reads r to a limit, and tells a longer file from a cut one.
func readAll(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, largestCSV+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > largestCSV {
		return nil, &InputError{Problems: []Problem{{File: name, Text: "is larger than 128 MB", Mend: "this can't be such a list; check the path"}}}
	}
	return data, nil
}

// decodeText turns a file of Excel or of an editor into UTF-8 without mark.
// The octets decide: a mark; else valid UTF-8; else Windows-1252, as French
// Excel writes "CSV (separator: semicolon)". A file that is UTF-8 but for a
// few octets is neither, and would read as garbage.
func decodeText(data []byte, name string) (string, []Problem) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data)
		if err != nil {
			return "", []Problem{{File: name, Text: "has the mark of UTF-16 and isn't UTF-16", Mend: `save it as "CSV UTF-8"`}}
		}
		return string(out), nil
	}
	marked := bytes.HasPrefix(data, []byte("\xef\xbb\xbf"))
	if marked {
		data = data[3:]
	}
	if bytes.IndexByte(data, '\n') < 0 {
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\r\n")) // Excel's "CSV (Macintosh)"
	}
	if utf8.Valid(data) {
		return string(data), nil
	}
	first, strange, good := 0, 0, 0
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			if strange == 0 {
				first = i
			}
			strange++
		case n > 1:
			good++
		}
		i += n
	}
	if marked || good > strange {
		line := 1 + bytes.Count(data[:first], []byte("\n"))
		return "", []Problem{{File: name, Line: line, Text: fmt.Sprintf("is UTF-8, but %d octets in it aren't, the first one here", strange), Mend: `correct the accents there, or save the file again as "CSV UTF-8"`}}
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return "", []Problem{{File: name, Text: "can't be read as Windows-1252", Mend: `save it as "CSV UTF-8"`}}
	}
	if i := bytes.IndexRune(out, utf8.RuneError); i >= 0 { // five octets stand for nothing there
		line := 1 + bytes.Count(out[:i], []byte("\n"))
		return "", []Problem{{File: name, Line: line, Text: "has an octet that is no character of Windows-1252", Mend: `correct it, or save the file again as "CSV UTF-8"`}}
	}
	return string(out), nil
}

// cutSeparatorHint takes off Excel's first line "sep=;" and returns the
// delimiter that it names, or 0. The line stays counted.
func cutSeparatorHint(text string) (string, rune) {
	line, rest, _ := strings.Cut(text, "\n")
	line = strings.TrimRight(line, "\r;,\t ")
	if len(line) < 4 || !strings.EqualFold(line[:4], "sep=") {
		return text, 0
	}
	full, _, _ := strings.Cut(text, "\n")
	if len(full) > 4 && strings.ContainsRune(";,\t", rune(full[4])) {
		return "\n" + rest, rune(full[4])
	}
	return "\n" + rest, 0
}

// detectDelimiter chooses what splits the header into most known columns.
func (k *sheetKind) detectDelimiter(text string) rune {
	header := ""
	for line := range strings.Lines(text) {
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "#") && !strings.HasPrefix(t, `"#`) {
			header = t
			break
		}
	}
	best, most := ';', -1
	for _, delimiter := range []rune{';', ',', '\t'} {
		known, cells := 0, strings.Split(header, string(delimiter))
		for _, cell := range cells {
			if k.isColumn(k.columnName(strings.Trim(cell, `" `))) {
				known++
			}
		}
		if score := known*1000 + min(len(cells), 999); score > most {
			best, most = delimiter, score
		}
	}
	return best
}

// excelError finds what a spreadsheet writes for a formula that failed. At
// the beginning of a line it would pass for a comment, and hide a mailbox.
var excelError = regexp.MustCompile(`^"?#(N/A|N/D|REF!|NAME\?|NOM\?|VALUE!|VALEUR!|DIV/0!|NULL!|NUL!|NUM!|NOMBRE!)"?([;,\t\r\n]|$)`)

// hiddenRows reports lines that look like comments and are failed formulas.
func hiddenRows(text, name string) []Problem {
	var problems []Problem
	line := 0
	for l := range strings.Lines(text) {
		line++
		if l[0] == '#' || strings.HasPrefix(l, `"#`) {
			if m := excelError.FindStringSubmatch(l); m != nil {
				problems = append(problems, Problem{File: name, Line: line, Column: 1, Text: fmt.Sprintf("begins with the spreadsheet's error value #%s", m[1]), Mend: "correct the formula, or begin the line with # and a space if it is a comment"})
			}
		}
	}
	return problems
}
