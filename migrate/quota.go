package migrate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Quota is what a mailbox may hold. The zero value says nothing: BlueMind's
// default for the domain is taken.
type Quota struct {
	Stated bool  `json:"stated,omitempty"`
	Bytes  int64 `json:"bytes,omitempty"` // 0 with Stated: unlimited
}

// KiB is the quota as BlueMind's API counts it, rounded up; 0 is unlimited.
// See User.quota of PUT /users/{domainUid}/{uid}.
func (q Quota) KiB() int64 {
	if q.Bytes <= 0 {
		return 0
	}
	return (q.Bytes-1)/1024 + 1
}

// String writes the quota so that ParseQuota reads the same again.
func (q Quota) String() string {
	switch {
	case !q.Stated:
		return ""
	case q.Bytes == 0:
		return "unlimited"
	}
	return FormatSize(q.Bytes)
}

// smallestQuota catches a forgotten unit: "5" is five octets.
const smallestQuota = 1 << 20

// ParseQuota reads "5GB", "500 MB", "1,5 Go", a number of octets, or
// "unlimited". Units are powers of 1024; see ParseSize. An empty text is no
// statement at all.
func ParseQuota(s string) (Quota, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "":
		return Quota{}, nil
	case "unlimited", "illimité", "illimite":
		return Quota{Stated: true}, nil
	}
	n, err := ParseSize(s)
	if err != nil {
		return Quota{}, err
	}
	if n == 0 {
		return Quota{}, Problem{Text: "a quota of 0 is ambiguous: BlueMind reads it as no limit", Mend: `write "unlimited", or leave the field empty for the domain's default`}
	}
	if n < smallestQuota {
		return Quota{}, Problem{Text: fmt.Sprintf("a quota of %d bytes is too small to be meant", n), Mend: `write the unit, as in "5GB"; a bare number counts bytes`}
	}
	return Quota{Stated: true, Bytes: n}, nil
}

// sizeUnits are powers of 1024 in English (byte) and French (octet) spelling.
// Longest first: "KiB" ends in "B".
var sizeUnits = []struct {
	name  string
	shift uint
}{
	{"kib", 10}, {"mib", 20}, {"gib", 30}, {"tib", 40},
	{"kio", 10}, {"mio", 20}, {"gio", 30}, {"tio", 40},
	{"kb", 10}, {"mb", 20}, {"gb", 30}, {"tb", 40},
	{"ko", 10}, {"mo", 20}, {"go", 30}, {"to", 40},
	{"bytes", 0}, {"octets", 0},
	{"k", 10}, {"m", 20}, {"g", 30}, {"t", 40}, {"b", 0}, {"o", 0},
}

// ParseSize reads a size in octets: digits, with a decimal point or comma
// when a unit follows, and a unit of any case: B, kB, MB, GB, TB, or KiB …,
// or Ko …, all of them powers of 1024, as BlueMind's own figures are. No unit
// means octets. Spaces within are ignored, also the unbreakable ones of Excel.
func ParseSize(s string) (int64, error) {
	wrong := Problem{Text: fmt.Sprintf("%s is not a size", quoteShort(s)), Mend: `write for instance "5GB" or "500 MB"`}
	text := strings.ToLower(strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\u00a0', '\u202f':
			return -1
		}
		return r
	}, s))
	var shift uint
	unit := ""
	for _, u := range sizeUnits {
		if strings.HasSuffix(text, u.name) {
			shift, unit = u.shift, u.name
			text = strings.TrimSuffix(text, u.name)
			break
		}
	}
	whole, fraction, dotted := strings.Cut(strings.Replace(text, ",", ".", 1), ".")
	if !digitsOnly(whole) || dotted && (unit == "" || shift == 0 || len(fraction) > 6 || !digitsOnly(fraction)) {
		return 0, wrong
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > math.MaxInt64>>shift-1 {
		return 0, Problem{Text: fmt.Sprintf("%s is too large", quoteShort(s))}
	}
	n <<= shift
	if dotted {
		f, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return 0, wrong
		}
		n += int64(f * float64(int64(1)<<shift))
	}
	return n, nil
}

// FormatSize writes a size with the largest unit that divides it, so that
// ParseSize gives back the same number.
func FormatSize(n int64) string {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"TB", 40}, {"GB", 30}, {"MB", 20}, {"KB", 10}} {
		if n > 0 && n&(1<<u.shift-1) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// AboutSize writes a size with three digits, for people. FormatSize is exact, and
// unreadable where a size isn't round.
func AboutSize(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	const units = "kMGTPE"
	for f >= 999.5 && unit+1 < len(units) {
		f /= 1000
		unit++
	}
	switch {
	case f < 9.995:
		return fmt.Sprintf("%.2f %cB", f, units[unit])
	case f < 99.95:
		return fmt.Sprintf("%.1f %cB", f, units[unit])
	}
	return fmt.Sprintf("%.0f %cB", f, units[unit])
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// quoteShort quotes what the operator wrote, cut so that a message stays a line.
func quoteShort(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
