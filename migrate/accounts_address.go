package migrate

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ParseAddress checks an e-mail address as BlueMind takes one and returns it
// in lower case, since a capital letter is INVALID_PARAMETER there. The part
// before @ is dot-separated words of RFC 5322 §3.2.3; the last word of the
// domain is letters only. Its error is a Problem.
func ParseAddress(s string) (string, error) {
	wrong := func(why, mend string) (string, error) {
		return "", Problem{Text: quoteShort(s) + " " + why, Mend: mend}
	}
	if s == "" {
		return "", Problem{Text: "is empty", Mend: "write an e-mail address, as in ada@example.org"}
	}
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case !ok:
		return wrong("is not an e-mail address: it has no @", "write it whole, as in ada@example.org")
	case strings.Contains(domain, "@"):
		return wrong("is not an e-mail address: it has more than one @", "write one address here; others go to aliases")
	case local == "":
		return wrong("has nothing before the @", "write it whole, as in ada@example.org")
	case len(s) > 254:
		return wrong("is longer than 254 characters", "")
	}
	if bad, found := strangeRune(local, "!#$%&'*+/=?^_`{|}~-."); found {
		return wrong(fmt.Sprintf("has the character %q before the @, which BlueMind refuses", bad), "use a-z, 0-9 and . _ -")
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return wrong("has a dot at an end of its left part, or two in a row", "")
	}
	domain, err := ParseDomain(domain)
	if err != nil {
		found := err.(Problem)
		return wrong("has a bad domain: "+found.Text, found.Mend)
	}
	return strings.ToLower(local) + "@" + domain, nil
}

// ParseDomain checks a mail domain as BlueMind takes one and returns it in
// lower case. Its error is a Problem.
func ParseDomain(s string) (string, error) {
	wrong := func(why, mend string) (string, error) {
		return "", Problem{Text: quoteShort(s) + " " + why, Mend: mend}
	}
	domain := strings.ToLower(s)
	if domain == "" {
		return "", Problem{Text: "the domain is empty", Mend: "write it, as in example.org"}
	}
	if bad, found := strangeRune(domain, "-."); found {
		return wrong(fmt.Sprintf("has the character %q", bad), "write the domain in its ASCII form")
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return wrong("has an empty part, or one of more than 63 characters", "write it as in example.org")
		}
	}
	top := labels[len(labels)-1]
	switch {
	case len(labels) < 2:
		return wrong("has no dot", "write it whole, as in example.org")
	case strings.Trim(top, "abcdefghijklmnopqrstuvwxyz") != "" || len(top) < 2:
		return wrong(fmt.Sprintf("ends in %q, and BlueMind takes letters only there", top), "use a domain that ends in two letters or more")
	case domain == administratorDomain:
		return wrong("is BlueMind's own domain of administrators, where no mail goes", "use the domain of the mailboxes")
	}
	return domain, nil
}

// strangeRune returns the first character of s that is neither an ASCII
// letter or digit nor one of also.
func strangeRune(s, also string) (string, bool) {
	for i, r := range s {
		switch {
		case r < utf8.RuneSelf && (r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9'):
		case r < utf8.RuneSelf && strings.ContainsRune(also, r):
		case r == utf8.RuneError:
			return s[i : i+1], true
		default:
			return string(r), true
		}
	}
	return "", false
}

// parseMailAddress is ParseAddress for the address of a mailbox, which is no
// administrator's.
func parseMailAddress(s string) (string, error) {
	address, err := ParseAddress(s)
	if err == nil && IsAdministrator(address) {
		return "", Problem{Text: quoteShort(s) + " is BlueMind's administrator, not a mailbox", Mend: "write the address of a mailbox"}
	}
	return address, err
}

// checkLogin says why BlueMind would refuse a login: it isn't lower-cased nor
// otherwise mended there. See User.login of PUT /users/{domainUid}/{uid}.
func checkLogin(login string) error {
	return checkBoxName(login, "login", ".-_", "write one made of a-z, 0-9 and . _ - into the column login; the address may stay")
}

// checkShareName says why BlueMind would refuse the name of a share. See
// Mailshare.name of PUT /mailshares/{domainUid}/{uid}, and what its console
// takes (Regex.MAILSHARE_NAME).
func checkShareName(name string) error {
	return checkBoxName(name, "share's name", ".-", "write an address with another left part here, and this one under aliases")
}

func checkBoxName(name, what, notFirst, mend string) error {
	switch {
	case len(name) > 64:
		return Problem{Text: fmt.Sprintf("the %s %s is longer than 64 characters", what, quoteShort(name)), Mend: mend}
	case strings.Contains(name, "@"):
		return Problem{Text: fmt.Sprintf("the %s %s has an @", what, quoteShort(name)), Mend: "write the part before the @ alone"}
	case strings.ContainsRune(notFirst, rune(name[0])):
		return Problem{Text: fmt.Sprintf("BlueMind refuses a %s that begins with %q", what, name[:1]), Mend: mend}
	}
	if bad, found := strangeRune(name, "-._"); found {
		return Problem{Text: fmt.Sprintf("BlueMind refuses the %s %s: it has the character %q", what, quoteShort(name), bad), Mend: mend}
	}
	return nil
}

// accountTypes are what User.accountType may be.
var accountTypes = []string{AccountFull, AccountSimple, AccountFullAndVisio}

// ParseAccountType reads a type of account, in capitals or not. Its error is a
// Problem.
func ParseAccountType(s string) (string, error) {
	t := strings.ToUpper(strings.TrimSpace(s))
	if !slices.Contains(accountTypes, t) {
		return "", Problem{Text: quoteShort(s) + " is no type of account", Mend: "write " + Alternatives(accountTypes)}
	}
	return t, nil
}

// administratorDomain holds BlueMind's own administrators and no mailboxes.
const administratorDomain = "global.virt"

// IsAdministrator reports whether login names BlueMind's administrator or one
// of its system accounts. They provision over the API and never log in over
// IMAP: what they write there isn't seen by webmail, Outlook, phones, search.
func IsAdministrator(login string) bool {
	login = strings.ToLower(strings.TrimSpace(login))
	name, domain, _ := strings.Cut(login, "@")
	return name == "admin0" || name == "bmhiddensysadmin" || domain == administratorDomain
}
