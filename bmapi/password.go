package bmapi

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// bmsyncNamespace is the name space of our uids, drawn once.
var bmsyncNamespace = [16]byte{0x5e, 0x1d, 0x8a, 0x0c, 0x7b, 0x43, 0x4f, 0x96, 0x9a, 0x27, 0xc1, 0x6e, 0x30, 0xb8, 0xd5, 0x42}

// UserUID is the uid under which we create the entry with that address: always the
// same, so that a repeated run finds its own. RFC 9562 §5.5 over domain and address.
func UserUID(domainUID, address string) string { return uid(domainUID, address) }

// ShareUID is the uid under which we create the mailshare of that name.
func ShareUID(domainUID, name string) string { return uid(domainUID, "share\n"+name) }

// GroupUID is the uid under which we create the group of that name.
func GroupUID(domainUID, name string) string { return uid(domainUID, "group\n"+name) }

// ExternalUID is the uid under which we create the external user with that address.
func ExternalUID(domainUID, address string) string { return uid(domainUID, "external\n"+address) }

// uid hashes what is lower-cased: BlueMind compares names without regard to case.
func uid(domainUID, thing string) string {
	h := sha1.New()
	h.Write(bmsyncNamespace[:])
	h.Write([]byte(strings.ToLower(domainUID) + "\n" + strings.ToLower(thing)))
	b := h.Sum(nil)[:16]
	b[6] = b[6]&0x0f | 0x50
	b[8] = b[8]&0x3f | 0x80
	x := hex.EncodeToString(b)
	return "bmsync-" + strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

const (
	lowerLetters = "abcdefghijkmnpqrstuvwxyz"
	upperLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	digits       = "23456789"
)

// GeneratePassword makes a random password of 24 characters, over 120 bits. BlueMind
// stores texts that look like a hash ({SSHA}…, $2a…, n:salt:hash, PBKDF2SHA256:…, 32 of
// 0-9a-z) as they are; this has neither their length nor their punctuation, and has
// a letter of each case, a digit and a dash for policies that ask.
func GeneratePassword() string {
	alphabet := lowerLetters + upperLetters + digits
	for {
		b := make([]byte, 24)
		for i := range b {
			if i%6 == 5 && i < 23 {
				b[i] = '-'
			} else {
				b[i] = alphabet[randomIndex(len(alphabet))]
			}
		}
		p := string(b)
		if strings.ContainsAny(p, lowerLetters) && strings.ContainsAny(p, upperLetters) && strings.ContainsAny(p, digits) {
			return p
		}
	}
}

// randomIndex is even over [0,n), n < 256. Reading from crypto/rand never fails.
func randomIndex(n int) int {
	var b [1]byte
	for {
		rand.Read(b[:])
		if int(b[0]) < 256-256%n {
			return int(b[0]) % n
		}
	}
}
