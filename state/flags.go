package state

import (
	"fmt"
	"slices"
	"strings"
)

// Flags are stored as one text: a letter for each system flag of RFC 9051
// §2.3.2 in alphabetical order, then, each after a blank, all other flags and
// keywords sorted: `\Seen`, `\Answered` and `Work` are "AS Work".
var systemFlags = [...]struct {
	letter byte
	name   string
}{
	{'A', `\Answered`}, {'D', `\Deleted`}, {'F', `\Flagged`}, {'S', `\Seen`}, {'T', `\Draft`},
}

// packFlags gives the stored text. System flags get their usual spelling,
// other flags keep theirs; a second of the same spelling is dropped.
func packFlags(flags []string) (string, error) {
	var seen [len(systemFlags)]bool
	var rest []string
	for _, flag := range flags {
		i := slices.IndexFunc(systemFlags[:], func(f struct {
			letter byte
			name   string
		}) bool {
			return strings.EqualFold(f.name, flag)
		})
		switch {
		case i >= 0:
			seen[i] = true
		case flag == "" || strings.ContainsAny(flag, " \r\n\x00"):
			return "", fmt.Errorf("flag %q is not an atom", flag)
		default:
			rest = append(rest, flag)
		}
	}
	var text strings.Builder
	for i, f := range systemFlags {
		if seen[i] {
			text.WriteByte(f.letter)
		}
	}
	slices.Sort(rest)
	for _, flag := range slices.Compact(rest) {
		text.WriteByte(' ')
		text.WriteString(flag)
	}
	return text.String(), nil
}

// unpackFlags is the reverse, in the stored order; no flags give nil.
func unpackFlags(text string) []string {
	if text == "" {
		return nil
	}
	letters, rest, more := strings.Cut(text, " ")
	flags := make([]string, 0, len(letters)+strings.Count(rest, " ")+1)
	for _, f := range systemFlags {
		if strings.IndexByte(letters, f.letter) >= 0 {
			flags = append(flags, f.name)
		}
	}
	if more {
		flags = append(flags, strings.Split(rest, " ")...)
	}
	return flags
}
