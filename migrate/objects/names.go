package objects

import (
	"regexp"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// The forms that BlueMind takes (bluemind/api.md 3, 5.2, 5.3). Of an address
// the last label is letters only; of a domain it is not.
var (
	loginForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-._]{0,63}$`)
	localForm   = regexp.MustCompile("^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
	addressTail = regexp.MustCompile(`^([a-z0-9-]+\.)+[a-z]{2,}$`)
	domainForm  = regexp.MustCompile(`^([a-z0-9-]+\.)+[a-z0-9-]{2,}$`)
)

// hashForm is what BlueMind takes for a ready hash of a password, and stores as
// it is (bluemind/api.md 5.4).
var hashForm = regexp.MustCompile(`^(\d+:\S+:\S+|\{SSHA\}.*|\{SSHA512\}.*|\{SHA\}.*|\$2a.*|\$argon2id.*|PBKDF2SHA256:.*|[0-9a-z]{32})$`)

// languages are those that BlueMind's settings take.
var languages = []string{"de", "en", "es", "fr", "it", "pl", "sl", "zh", "hu"}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

func localOf(address string) string {
	local, _, _ := strings.Cut(address, "@")
	return strings.ToLower(local)
}

func tidy(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// tidied are the texts in lower case, each once, in their order, without but.
func tidied(list []string, but ...string) []string {
	var out []string
	for _, s := range list {
		if s = tidy(s); s != "" && !slices.Contains(but, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// badAddress says why BlueMind would not take an address.
func badAddress(address string) *refusal {
	local, domain, at := strings.Cut(address, "@")
	if !at || !localForm.MatchString(local) || !addressTail.MatchString(domain) {
		return because("correct the address in the row", "BlueMind does not take %q as an address", address)
	}
	return nil
}

// badLogin says why BlueMind would not take a login, or keeps it for itself.
func badLogin(login string) *refusal {
	if reserved(login) {
		return because("choose another login", "%q is a login of BlueMind's own", login)
	}
	if !loginForm.MatchString(login) {
		return because("write another login in the row, column login", "BlueMind does not take %q as a login: it wants up to 64 of a-z, 0-9, \"-\", \".\" and \"_\", a letter or digit first", login)
	}
	return nil
}

// reserved are logins that administer all of BlueMind.
func reserved(login string) bool {
	return strings.EqualFold(login, "admin0") || strings.EqualFold(login, "bmhiddensysadmin")
}

// badPassword says why a password is no good, without telling it.
func badPassword(password string) *refusal {
	const mend = "give the user another first password"
	if strings.TrimSpace(password) == "" {
		return because(mend, "the first password is empty")
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' }) {
		return because(mend, "the first password has a character that BlueMind does not take: only letters, digits, spaces and the punctuation of ASCII")
	}
	if hashForm.MatchString(password) {
		return because(mend, "the first password looks like a hash, which BlueMind would store as it is: nobody could log in with it")
	}
	return nil
}

// kindOfBox is a mailbox's kind in people's words.
func kindOfBox(boxType string) string {
	if boxType == bmapi.BoxMailshare {
		return "shared mailbox"
	}
	return boxType
}

// kindOfEntry is a directory entry's kind in people's words.
func kindOfEntry(kind string) string {
	switch kind {
	case bmapi.KindMailshare:
		return "shared mailbox"
	case bmapi.KindExternal:
		return "external user"
	}
	return strings.ToLower(strings.ReplaceAll(kind, "_", " "))
}
