package mail

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// base64Alphabet is that of modified UTF-7 (RFC 3501 §5.1.3).
const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,"

// EncodeUTF7 writes a folder name in modified UTF-7 (RFC 3501 §5.1.3).
func EncodeUTF7(name string) string {
	enc := base64.NewEncoding(base64Alphabet).WithPadding(base64.NoPadding)
	var out strings.Builder
	var run []rune
	flush := func() {
		if len(run) == 0 {
			return
		}
		var raw []byte
		for _, u := range utf16.Encode(run) {
			raw = append(raw, byte(u>>8), byte(u))
		}
		out.WriteString("&" + enc.EncodeToString(raw) + "-")
		run = run[:0]
	}
	for _, r := range name {
		switch {
		case r == '&':
			flush()
			out.WriteString("&-")
		case r >= 0x20 && r <= 0x7E:
			flush()
			out.WriteRune(r)
		default:
			run = append(run, r)
		}
	}
	flush()
	return out.String()
}

// DecodeUTF7 reads modified UTF-7 the way BlueMind's library does, which is
// neither lenient nor in agreement with RFC 3501 on bad input: an octet that
// can't be in a run becomes U+FFFD and leaves the run open, a run that begins
// right after another is bad, an octet above 0x7F becomes U+FFxx. A run still
// open at the end makes the whole undecodable (ok is false); in BlueMind that
// is an Error nobody catches.
func DecodeUTF7(s string) (decoded string, ok bool) {
	d := utf7Decoder{out: make([]uint16, 0, len(s))}
	for i := range len(s) {
		d.octet(s[i])
	}
	if d.inRun || d.waiting() {
		return "", false
	}
	return string(utf16.Decode(d.out)), true
}

type utf7Decoder struct {
	out          []uint16
	inRun        bool
	justOpened   bool // the last octet was the "&" that opens a run
	justClosed   bool // the last octet was the "-" that closes one, and more than "&-"
	acc          uint32
	bits         uint
	pendingValue uint16 // upper bits of the unit under way
}

// waiting says that a 16-bit unit is under way.
func (d *utf7Decoder) waiting() bool { return d.pendingValue != 0 || d.bits >= 6 }

func (d *utf7Decoder) octet(c byte) {
	if !d.inRun {
		d.plain(c)
		return
	}
	if c != '-' {
		d.sextet(c)
		return
	}
	if d.waiting() {
		d.bad() // and the run stays open
		return
	}
	if d.justOpened {
		d.out = append(d.out, '&')
	} else {
		d.justClosed = true
	}
	d.inRun, d.justOpened, d.bits, d.acc, d.pendingValue = false, false, 0, 0, 0
}

func (d *utf7Decoder) plain(c byte) {
	if c == '&' {
		d.inRun = true
		if d.justClosed {
			d.bad()
			return
		}
		d.justOpened = true
		return
	}
	d.out = append(d.out, uint16(int16(int8(c))))
	d.justClosed = false
}

func (d *utf7Decoder) sextet(c byte) {
	v := strings.IndexByte(base64Alphabet, c)
	if v < 0 {
		d.bad()
		return
	}
	d.justOpened = false
	d.acc = d.acc<<6 | uint32(v)
	d.bits += 6
	if d.bits >= 16 {
		d.bits -= 16
		d.out = append(d.out, uint16(d.acc>>d.bits))
		d.acc &= 1<<d.bits - 1
	}
	d.pendingValue = uint16(d.acc << (16 - d.bits))
}

func (d *utf7Decoder) bad() { d.out = append(d.out, 0xFFFD) }
