package bmapi

import (
	"fmt"
	"regexp"
	"strings"
)

// What BlueMind takes, in its own words.
var (
	loginForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	localForm   = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
	addressForm = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9-]+\\.)+[a-z]{2,}$")

	// What it takes for a ready hash, and stores as it is: nobody could log in by it.
	hashForm = regexp.MustCompile(`^(\d+:[^\s]+:[^\s]+|PBKDF2SHA256:\d+:[^\s]+:[^\s]+|[0-9a-z]{32})$`)
	hashMark = []string{"{SSHA}", "{SSHA512}", "{SHA}", "{SHA1}", "$2a", "$argon2id"}
)

// CheckLogin tells whether BlueMind takes a login: 1 to 64 of a-z, 0-9, dot, dash and
// underline, the first a letter or digit. ErrInvalid says what is wrong.
func CheckLogin(login string) error {
	if !loginForm.MatchString(login) {
		return fmt.Errorf("login %q: %w: want a-z, 0-9, dot, dash or underline, at most 64, the first a letter or digit", login, ErrInvalid)
	}
	return nil
}

// CheckShareName tells whether BlueMind takes a name for a mailshare: the form of an
// address' left part, in lower case, and no slash, which would be a folder's level.
func CheckShareName(name string) error {
	if !localForm.MatchString(name) || strings.Contains(name, "/") {
		return fmt.Errorf("name %q: %w: want the form of an address' left part: lower case, no space, no accent, no slash", name, ErrInvalid)
	}
	return nil
}

// CheckAddress tells whether BlueMind takes an address. Capitals are no fault: they are
// made small on the way out. The last part of the domain must be letters.
func CheckAddress(address string) error {
	if !addressForm.MatchString(lowered(address)) {
		return fmt.Errorf("address %q: %w", clip(address), ErrInvalid)
	}
	return nil
}

// CheckPassword tells whether BlueMind takes a text for a password, and takes it for
// what it is. The error does not repeat it.
func CheckPassword(password string) error {
	reason := ""
	switch {
	case strings.TrimSpace(password) == "":
		reason = "it is blank"
	case strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }):
		// Its answer would repeat the characters.
		reason = "only letters without accents, digits, spaces and ASCII punctuation are taken"
	case looksHashed(password):
		reason = "BlueMind would take it for a ready hash, and nobody could log in"
	default:
		return nil
	}
	return fmt.Errorf("password: %w: %s", ErrInvalid, reason)
}

func looksHashed(password string) bool {
	for _, mark := range hashMark {
		if strings.HasPrefix(password, mark) {
			return true
		}
	}
	return hashForm.MatchString(password)
}

// checkEmails finds what meets a Java exception in BlueMind, before it is sent.
func checkEmails(emails []Email) error {
	for _, e := range emails {
		if err := CheckAddress(e.Address); err != nil {
			return err
		}
	}
	return nil
}
