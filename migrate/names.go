package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// TargetVersion says which BlueMind a plan's folder names must suit.
type TargetVersion string

// A plan for both versions is the default: it can be rehearsed on one and
// replayed on the other.
const (
	Target4    TargetVersion = "4"
	Target5    TargetVersion = "5"
	TargetBoth TargetVersion = "both"
)

// Limits of a folder's name as it goes over the wire. Cyrus takes 490 bytes
// for domain, user and path together, and refuses a level of 500; the rest
// is left for "user/login@domain".
const (
	maxPathOctets  = 360
	maxLevelOctets = 240
)

// Characters that Cyrus 3 refuses in a name, or that BlueMind 5 refuses,
// rewrites or, the backslash, doesn't understand where it must be quoted; each
// becomes an underscore.
const (
	refusedBy4 = "!\"%;<>\\^`{|}"
	refusedBy5 = "\"^\\"
)

// sanitizeLevel turns one level of a source folder's name into one that the
// target takes unchanged. It is idempotent.
func sanitizeLevel(level string, v TargetVersion) string {
	refused := refusedBy4
	if v == Target5 {
		refused = refusedBy5
	}
	var b strings.Builder
	last := rune(0)
	for _, r := range norm.NFC.String(level) {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r), r == '\u2028', r == '\u2029':
			r = '_'
		case r == '/':
			r = '_'
		case strings.ContainsRune(refused, r):
			r = '_'
		case r > 0xFFFF && v != Target5:
			// Cyrus refuses what UTF-16 needs two units for, emoji above all.
			r = '_'
		}
		// BlueMind 5's decoder reads "é&" as "é" and a broken run.
		if r == '&' && last > unicode.MaxASCII {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		last = r
	}
	out := strings.TrimFunc(b.String(), unicode.IsSpace)
	if v != Target5 && strings.HasPrefix(out, "~") {
		out = "_" + out[1:]
	}
	if out == "" {
		out = "_"
	}
	return cutLevel(out, maxLevelOctets)
}

// decodedTwice takes out what BlueMind 5 would decode once more: it does so
// with every path that is all ASCII, and takes "&", letters and "-" for a run
// of modified UTF-7. Other names with "&" it keeps.
func decodedTwice(path string, v TargetVersion) string {
	i := strings.IndexByte(path, '&')
	if v == Target4 || i < 0 || !strings.Contains(path[i:], "-") || strings.ContainsFunc(path, func(r rune) bool { return r > unicode.MaxASCII }) {
		return path
	}
	return strings.ReplaceAll(path, "&", "+")
}

// cutLevel shortens a level to a number of octets on the wire, ending it in
// part of its digest so that two long names stay two.
func cutLevel(level string, max int) string {
	if wireLen(level) <= max {
		return level
	}
	sum := sha256.Sum256([]byte(level))
	tail := "~" + hex.EncodeToString(sum[:4])
	cut := fitting(level, max-len(tail))
	return strings.TrimRightFunc(cut, unicode.IsSpace) + tail
}

// wireLen is an upper bound of a name's length in modified UTF-7 (RFC 3501
// §5.1.3): three runs of base64 for every two UTF-16 units, and the shifts.
func wireLen(s string) int {
	n, _ := wireFit(s, math.MaxInt)
	return n
}

// fitting is the longest beginning of s that takes so many octets at most.
func fitting(s string, max int) string {
	_, end := wireFit(s, max)
	return s[:end]
}

func wireFit(s string, max int) (n, end int) {
	shifted := false
	for i, r := range s {
		add := 0
		if r >= 0x20 && r < 0x7f {
			add, shifted = 1, false
			if r == '&' {
				add = 2
			}
		} else {
			if !shifted {
				add, shifted = 2+2, true // "&", "-" and the last, partial group
			}
			add += 3 * utf16.RuneLen(r)
		}
		if n+add > max {
			return n, i
		}
		n += add
	}
	return n, len(s)
}

// foldName is how names are compared for collisions: without regard to case,
// since clients on Windows and BlueMind's own keyword tables disregard it.
func foldName(s string) string { return strings.ToLower(norm.NFC.String(s)) }

// uniqueName appends a stable suffix to the last level until taken says no.
// room is how many octets the path may take on the wire.
func uniqueName(path string, room int, taken func(string) bool) string {
	next := path
	for i := 2; taken(next); i++ {
		next = suffixed(path, fmt.Sprintf(" (%d)", i), room)
	}
	return next
}

// suffixed appends to the last level, which gives way where it is too long.
func suffixed(path, suffix string, room int) string {
	cut := strings.LastIndexByte(path, '/') + 1
	room = min(maxLevelOctets, room-wireLen(path[:cut])) - len(suffix)
	if room < maxLevelOctets/8 {
		path, cut, room = strings.ReplaceAll(path, "/", "_"), 0, maxLevelOctets-len(suffix)
	}
	return path[:cut] + strings.TrimRightFunc(fitting(path[cut:], room), unicode.IsSpace) + suffix
}
