package imap

import (
	"fmt"
	"strings"
)

// flags reads a list of flags. Servers send more than the grammar knows:
// brackets, UTF-8, quoted flags, a lone backslash. Each is kept as sent,
// without its quotes. \Recent is left out: it belongs to a session.
func (r *response) flags() []string {
	r.spaces()
	if !r.accept('(') {
		r.word() // NIL
		return nil
	}
	var flags []string
	for {
		r.spaces()
		var f string
		switch {
		case r.accept(')'), r.pos >= r.end() && !r.atLiteral():
			return flags
		case r.peek() == '"':
			f = string(r.quoted())
		case r.atLiteral():
			s, err := r.literalString()
			if err != nil {
				return flags // the session has ended; its next read says so
			}
			f = string(s)
		default:
			f = flagName(r.flagWord())
		}
		if f != "" && !strings.EqualFold(f, `\Recent`) {
			flags = append(flags, f)
		}
	}
}

// flagWord reads up to a space or the list's end.
func (r *response) flagWord() []byte {
	from := r.pos
	for r.pos < r.end() && r.line[r.pos] != ' ' && r.line[r.pos] != ')' {
		r.pos++
	}
	return r.line[from:r.pos]
}

// flagName avoids an allocation for the flags of long listings.
func flagName(w []byte) string {
	for _, known := range [...]string{`\Seen`, `\Answered`, `\Flagged`, `\Draft`, `\Deleted`, `\Recent`} {
		if string(w) == known {
			return known
		}
	}
	return string(w)
}

// flagList writes flags as a list; there is one even of none. \Recent is left
// out: no client may set it (RFC 9051 §2.3.2).
func flagList(flags []string) (string, error) {
	var b strings.Builder
	b.WriteByte('(')
	for _, f := range flags {
		if strings.EqualFold(f, `\Recent`) {
			continue
		}
		if !isAtomFlag(f) {
			return "", fmt.Errorf("flag %q can't be sent", f)
		}
		if b.Len() > 1 {
			b.WriteByte(' ')
		}
		b.WriteString(f)
	}
	b.WriteByte(')')
	return b.String(), nil
}
