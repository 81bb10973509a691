package directory

import (
	"bytes"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// hashLike recognises what BlueMind takes for a ready hash and stores as it is.
var hashLike = regexp.MustCompile(`^(\d+:\S+:\S+|\{SSHA\}.*|\{SSHA512\}.*|\{SHA\}.*|\$2a.*|\$argon2id.*|PBKDF2SHA256:.*|[0-9a-z]{32})$`)

const (
	ownScheme = "bmsim:" // marks our own hashes
	rounds    = 1000     // enough for a simulator, cheap for a login each second
)

func validPassword(p string) error {
	if strings.TrimSpace(p) == "" {
		return Faultf(InvalidParameter, "Password must not be blank")
	}
	for _, r := range p {
		if r < ' ' || r > '~' {
			return Faultf(InvalidParameter, "Invalid character in password")
		}
	}
	return nil
}

// stored is what is kept of a password.
func stored(p string) string {
	if hashLike.MatchString(p) {
		return p
	}
	return hashed(p)
}

func hashed(p string) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	return ownScheme + hex.EncodeToString(salt) + ":" + hex.EncodeToString(derive(p, salt))
}

func derive(p string, salt []byte) []byte {
	key, err := pbkdf2.Key(sha256.New, p, salt, rounds, sha256.Size)
	if err != nil {
		return nil // no such parameters are used
	}
	return key
}

// matches compares a password with a stored hash. Of foreign hashes the simple
// ones are computed; the others match nothing.
func matches(hash, p string) bool {
	if rest, ok := strings.CutPrefix(hash, ownScheme); ok {
		s, k, _ := strings.Cut(rest, ":")
		salt, _ := hex.DecodeString(s)
		key, _ := hex.DecodeString(k)
		return subtle.ConstantTimeCompare(key, derive(p, salt)) == 1
	}
	salted := func(prefix string, size int, sum func([]byte) []byte) bool {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hash, prefix))
		return err == nil && len(raw) >= size && bytes.Equal(raw[:size], sum(append([]byte(p), raw[size:]...)))
	}
	one := func(b []byte) []byte { s := sha1.Sum(b); return s[:] }
	switch {
	case strings.HasPrefix(hash, "{SSHA512}"):
		return salted("{SSHA512}", sha512.Size, func(b []byte) []byte { s := sha512.Sum512(b); return s[:] })
	case strings.HasPrefix(hash, "{SSHA}"):
		return salted("{SSHA}", sha1.Size, one)
	case strings.HasPrefix(hash, "{SHA}"):
		return salted("{SHA}", sha1.Size, one)
	case len(hash) == 2*md5.Size:
		sum := md5.Sum([]byte(p))
		return hash == hex.EncodeToString(sum[:])
	}
	return false
}
