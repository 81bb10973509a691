package migrate

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

//go:embed folder_names.txt
var folderNames string

// roleName is what a name tells of a folder: its role, and how well known the
// name is for it; less is better.
type roleName struct {
	role Role
	rank int
}

// roleDictionary finds roles by names, as nameKey makes them.
type roleDictionary struct {
	known map[string]roleName
	gmail map[string]roleName // directly below [Gmail] alone

	languages []string
	ambiguous []string // names that are not taken
}

// roleNames is the dictionary of folder_names.txt.
var roleNames = sync.OnceValue(func() *roleDictionary {
	d, err := readRoleNames(folderNames)
	if err != nil { // it is part of the program, and a test reads it
		panic(err)
	}
	return d
})

// readRoleNames reads blocks "[language]" of lines "role: name | name". A name
// that stands for two roles is an error: nobody could tell which was meant.
func readRoleNames(text string) (*roleDictionary, error) {
	d := &roleDictionary{known: map[string]roleName{}, gmail: map[string]roleName{}}
	block, rank := "", 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "["):
			block, _, _ = strings.Cut(strings.Trim(line, "[]"), " ")
			if block != "gmail" && block != "ambiguous" {
				d.languages = append(d.languages, block)
			}
			continue
		}
		word, names, ok := strings.Cut(line, ":")
		if !ok || block == "" {
			return nil, fmt.Errorf("folder names: line %d isn't role: name | name", i+1)
		}
		if block == "ambiguous" {
			d.ambiguous = append(d.ambiguous, word)
			continue
		}
		into := d.known
		if block == "gmail" {
			into = d.gmail
		}
		for name := range strings.SplitSeq(names, "|") {
			rank++
			key := nameKey(name)
			if other, twice := into[key]; key == "" || twice && other.role != Role(word) {
				return nil, fmt.Errorf("folder names: line %d: %q is empty, or stands for %s too", i+1, strings.TrimSpace(name), other.role)
			} else if !twice {
				into[key] = roleName{Role(word), rank}
			}
		}
	}
	return d, nil
}

// find looks a folder up by its levels, of which there may be one below INBOX
// or below [Gmail]: special folders lie nowhere else.
func (d *roleDictionary) find(levels []string) (roleName, bool) {
	if len(levels) == 0 || len(levels) > 2 {
		return roleName{}, false
	}
	key := nameKey(levels[len(levels)-1])
	found, ok := d.known[key]
	if len(levels) == 1 {
		return found, ok
	}
	switch foldName(levels[0]) {
	case "[gmail]", "[google mail]", "[googlemail]":
		if view, ok := d.gmail[key]; ok {
			return view, true
		}
	case "inbox":
	default:
		return roleName{}, false
	}
	found.rank += len(d.known) // what lies at the top comes first
	return found, ok
}

// nameKey is what is left of a name when case, accents and whatever parts words
// don't count. "" is a name that can't be compared.
func nameKey(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(norm.NFC.String(name))) {
		switch {
		case unicode.Is(unicode.Mn, r), unicode.IsSpace(r), strings.ContainsRune("-_.'’‘`´‐‑–\u00ad\u200b", r):
			continue
		}
		if plain, ok := plainLetters[r]; ok {
			b.WriteString(plain)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plainLetters are those that Unicode doesn't take apart, as they are written
// where accents got lost, and forms of one letter.
var plainLetters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'ı': "i", 'ς': "σ",
}
